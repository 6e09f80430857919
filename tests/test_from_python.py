"""What people hold in Python: whatever it is, it is opened as what it is, or refused with what to give instead."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import mne
import numpy as np
import pytest

from command import InputError
from recordings.opening import open_array
from recordings.recording import Stretch
from scoring.from_python import names_of, opened_from, request_from
from sleepstage import UNKNOWN
from tests.support.staged_nights import staged_night

N_EPOCHS = 4
X = np.random.default_rng(0).normal(0, 20, N_EPOCHS * 3000).astype(np.float32)


def raw(first=0):
    info = mne.create_info(["EEG Fpz-Cz", "EOG"], 100, "eeg")
    made = mne.io.RawArray(np.stack([X, -X]) * 1e-6, info, first_samp=first, verbose="ERROR")
    return made.set_meas_date(1_000_000)


def samples_of(opened):
    return opened.read(0, 0, opened.headers[0].n_samples)


# ---- recordings ----


@pytest.mark.parametrize(
    "given",
    [X, X[np.newaxis], X.reshape(N_EPOCHS, 3000), X.tolist(), X.astype(np.float64)],
    ids=["(sample,)", "(1, sample)", "(epoch, sample)", "list", "float64"],
)
@pytest.mark.parametrize("rate", [100, 100.0, "100", np.int64(100)])
def test_one_channel_is_one_channel_whatever_its_form(given, rate):
    opened = opened_from(given, ("C3-A2",), rate, "mine")
    np.testing.assert_array_equal(samples_of(opened), X)
    assert (opened.name, opened.labels, opened.headers[0].rate) == ("mine", ("C3-A2",), 100.0)


def test_what_is_masked_is_no_signal():
    opened = opened_from(np.ma.masked_where(np.arange(len(X)) < 10, X), (), 100, "mine")
    assert np.isnan(samples_of(opened)[:10]).all() and np.isfinite(samples_of(opened)[10:]).all()


def test_epochs_of_mne_are_a_recording_and_a_dropped_one_is_a_gap():
    epochs = mne.make_fixed_length_epochs(raw(), 30.0, preload=True, verbose="ERROR")
    opened = opened_from(epochs, (), None, "array")
    np.testing.assert_allclose(samples_of(opened), X, atol=1e-3)
    assert opened.stretches == (Stretch(0.0, 0.0, 120.0),) and opened.start == raw().info["meas_date"].replace(
        tzinfo=None
    )
    dropped = opened_from(epochs.drop([1], verbose="ERROR"), (), None, "array")
    assert dropped.stretches == (Stretch(0.0, 0.0, 30.0), Stretch(60.0, 30.0, 60.0))
    np.testing.assert_allclose(samples_of(dropped), np.delete(X.reshape(N_EPOCHS, 3000), 1, axis=0).ravel(), atol=1e-3)


@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_epochs_of_another_length_are_refused(seconds):
    epochs = mne.make_fixed_length_epochs(raw(), seconds, preload=True, verbose="ERROR")
    with pytest.raises(InputError, match=f"MNE Epochs of {seconds:g} s: they must last 30 s"):
        opened_from(epochs, (), None, "array")


@pytest.mark.parametrize(
    ("given", "rate", "message"),
    [
        (X, None, "rate is missing"),
        (X, "fast", "rate is 'fast'; give the sampling rate in Hz"),
        (X, -100, "rate is -100"),
        (np.stack([X, X]), 100, r"shape \(2, 12000\); give one channel"),
        ([[1.0, 2.0], [3.0]], 100, "mine: not an array of numbers"),
        (mne.EvokedArray(X[np.newaxis], mne.create_info(1, 100)), 100, "cannot be of type EvokedArray: give a file"),
    ],
)
def test_what_cannot_be_opened_is_refused_with_what_to_give(given, rate, message):
    with pytest.raises(InputError, match=message):
        opened_from(given, (), rate, "mine")


@pytest.mark.parametrize(
    "name", ["../night1", "sub-01/night1", "a" * 300, "", ".", "..", "a\\b", "a\x00b", "a\nb", "/etc/n"]
)
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="files are called by it: give at most 200 letters"):
        opened_from(X, (), 100, name)
    with pytest.raises(InputError, match="files are called by it"):
        staged_night(tmp_path, name=name).save(tmp_path / "in")
    assert not list(tmp_path.rglob("*_stages.csv"))


@pytest.mark.parametrize("name", ["Müller, 2. Nacht", "night (1)", "P01.night1"])
def test_other_names_are_kept(name):
    assert opened_from(X, (), 100, name).name == name


# ---- requests ----


def test_channels_may_be_none_one_or_several():
    assert [names_of(one) for one in (None, "C3", ["C3", "C4"])] == [(), ("C3",), ("C3", "C4")]
    with pytest.raises(InputError, match="channel is 3; give the name"):
        names_of([3])


@pytest.mark.parametrize(
    ("stages", "stage_map", "codes"),
    [
        (["W", "N1", None, "REM"], None, [0, 1, UNKNOWN, 4]),
        (np.array(["W", "N2", "", "R"]), None, [0, 2, UNKNOWN, 4]),
        ([0, 1, 3, 4], "aasm", [0, 1, 3, 4]),
        ([0, 1, 3, 5], "rk", [0, 1, 3, 4]),
        (np.array([0, 9, 1, 2]), {0: "W", 9: "?", 1: "N3", 2: "R"}, [0, UNKNOWN, 3, 4]),
        (["wach", "tief", "tief", "wach"], {"wach": "W", "tief": "N3"}, [0, 3, 3, 0]),
    ],
)
def test_stages_in_memory_are_a_hypnogram(stages, stage_map, codes):
    assert request_from((), stages, stage_map, None, None).hypnogram.codes.tolist() == codes


@pytest.mark.parametrize(
    ("stages", "stage_map", "message"),
    [
        ([0, 1, 2], None, "numbers mean other stages .* stage_map"),
        (["W", "sleepy"], None, "'sleepy' in epoch 1"),
        ([[0, 1]], "aasm", "give one stage an epoch"),
        ([0], {0: "awake"}, r"stage_map: 0 means 'awake'; there are W, N1"),
        ([0], "mine", "stage_map mine: no such file"),
    ],
)
def test_stages_that_are_not_understood_are_refused(stages, stage_map, message):
    with pytest.raises(InputError, match=message):
        request_from((), stages, stage_map, None, None)


# ---- what comes out ----


def test_stages_go_back_to_mne(tmp_path):
    night = staged_night(tmp_path, first_second=12.5)
    marks = night.to_annotations()
    assert len(marks) == len(night) and marks.onset[1] == 42.5 and set(marks.duration) == {30.0}
    assert (marks.description[0], marks.description[100]) == ("Sleep stage W", "Sleep stage ?")
    opened = raw(first=50).set_annotations(marks[:2])
    assert opened.annotations.onset[0] - opened.first_time == pytest.approx(12.5)


def test_stages_go_to_yasa_where_it_is_there(tmp_path, monkeypatch):
    """A stand-in for the library, with the arguments of yasa.Hypnogram (YASA 0.6.5 and later)."""
    monkeypatch.setitem(sys.modules, "yasa", SimpleNamespace(Hypnogram=lambda *args, **options: (args, options)))
    (names,), options = staged_night(tmp_path).to_yasa()
    assert (names[0], names[35], names[100]) == ("WAKE", "N1", "UNS")
    assert options["freq"] == "30s" and options["n_stages"] == 5
    monkeypatch.setitem(sys.modules, "yasa", None)
    with pytest.raises(InputError, match="needs YASA, which is not installed"):
        staged_night(tmp_path).to_yasa()


def test_an_array_stays_what_it_was():
    before = X.copy()
    samples_of(open_array(X, 100))
    np.testing.assert_array_equal(X, before)
