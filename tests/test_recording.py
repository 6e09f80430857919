"""What a recording and one of its channels say of themselves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.recording import Header, Mark, RawSignal, Recording, Stretch, fingerprint, state_of


def recording(stretches=(), path=None):
    headers = (Header("Fpz-Cz", "uV", 100.0, 6000), Header("EOG", "uV", 50.0, 3000))
    return Recording("a", path, "EDF", headers, None, stretches, lambda *_: np.zeros(0, np.float32), simulated=False)


def test_labels_are_those_of_the_headers_in_order():
    assert recording().labels == ("Fpz-Cz", "EOG")


def test_its_length_is_where_the_last_stretch_ends():
    assert recording().seconds == 0
    assert recording((Stretch(0, 0, 60),)).seconds == 60
    assert recording((Stretch(0, 0, 20), Stretch(100, 20, 40))).seconds == 140


def test_its_place_is_its_file_or_its_name():
    assert recording(path=Path("nights/a.edf")).place == "nights/a.edf"
    assert recording().place == "a"


def test_the_fingerprint_of_files_is_that_of_their_content_wherever_they_lie(tmp_path):
    content = bytes(range(256)) * 20_000  # 5 MB: the middle is not read
    prints = {}
    for name, changed in {"a": None, "copy": None, "head": 0, "tail": -1, "middle": 2_500_000}.items():
        changing = bytearray(content)
        if changed is not None:
            changing[changed] ^= 1
        (tmp_path / name).write_bytes(changing)
        prints[name] = fingerprint([state_of(tmp_path / name)])
    assert prints["a"] == prints["copy"] == prints["middle"]
    assert len({prints["a"], prints["head"], prints["tail"], fingerprint([])}) == 4
    (tmp_path / "longer").write_bytes(content[:1000] + content)
    assert fingerprint([state_of(tmp_path / "longer")]) != prints["a"]
    lost = state_of(tmp_path / "longer")
    lost.path.unlink()
    assert fingerprint([lost]) == ""


def test_a_mark_is_onset_duration_and_text():
    assert Mark(1.5, None, "Lights off") == (1.5, None, "Lights off")


def signal(n_samples, rate):
    nothing = np.zeros(0, np.float32)
    return RawSignal(lambda first, last: nothing, n_samples, rate, "C3", "uV", None, ())


@pytest.mark.parametrize(
    ("n_samples", "rate", "n_epochs"),
    [(2999, 100.0, 0), (3000, 100.0, 1), (5999, 100.0, 1), (6000, 100.0, 2), (600 * 5997, 199.9, 600), (0, 100.0, 0)],
)
def test_epochs_are_whole(n_samples, rate, n_epochs):
    assert signal(n_samples, rate).n_epochs == n_epochs


@pytest.mark.parametrize(("n_samples", "rate", "n_epochs"), [(15_381, 512.7, 1), (67_130, 7 / 3, 959)])
def test_rates_that_no_number_holds_exactly_cost_no_epoch(n_samples, rate, n_epochs):
    assert n_samples / rate < 30 * n_epochs  # to a computer
    assert signal(n_samples, rate).n_epochs == n_epochs


@settings(deadline=None)
@given(st.integers(0, 20_000), st.fractions(Fraction(1, 100), 5000, max_denominator=1000))
def test_the_rounding_of_a_rate_costs_no_epoch(n_epochs, rate):
    n_samples = -(-30 * n_epochs * rate.numerator // rate.denominator)  # so many, and not one less
    assert signal(n_samples, float(rate)).n_epochs in (n_epochs, int(n_samples / rate // 30))
    assert signal(n_samples, float(rate)).n_epochs >= n_epochs
