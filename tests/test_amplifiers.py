"""Faults of amplifiers: each does to a signal what its line says, and the commands find and read every file."""

from __future__ import annotations

import edfio
import numpy as np
import pytest
from scipy.signal import welch

from data import load_night
from prepare_isruc import main as prepare_isruc
from prepare_sleepedf import main as prepare_sleepedf
from prepare_ucddb import main as prepare_ucddb
from recordings.channels import resolve_channel
from recordings.epochs import signal_epochs
from recordings.opening import one_channel, open_recording
from simulate import main
from simulating.amplifiers import FAULTS, amplifier
from simulating.layouts import simulate

PREPARE = {"sleepedf": prepare_sleepedf, "isruc": prepare_isruc, "ucddb": prepare_ucddb}
RATES = {"64_hz": 64, "204.8_hz": 204.8, "512.5_hz": 512.5, "1024_hz": 1024}


def recorded(folder, *faults, hours=0.4):
    """Return the EEG of a simulated night of Sleep-EDF, whole and in epochs, and the path of its file."""
    path = simulate("sleepedf", folder, [0], hours, seed=0, faults=faults)[0]
    opened = open_recording(path)
    signal = one_channel(opened, resolve_channel("EEG Fpz-Cz", opened.labels))
    return signal, signal_epochs(signal), path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("plain"))[1].x.reshape(-1)


def power(x, low, high):
    hz, density = welch(x, 100, nperseg=1000)
    return density[(hz >= low) & (hz <= high)].mean()


# ---- what each does ----


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("offset", lambda x, t: x + 55),
        ("drift", lambda x, t: x + 100 * np.sin(2 * np.pi * t / 600)),
        ("gain_half", lambda x, t: x / 2),
        ("gain_double", lambda x, t: x * 2),
        ("inverted", lambda x, t: -x),
        ("clipped", lambda x, t: np.clip(x, -50, 50)),
        ("mv", lambda x, t: x),
        ("v", lambda x, t: x),
    ],
)
def test_a_fault_does_what_it_is_called(tmp_path, plain, fault, expected):
    found = recorded(tmp_path, fault)[1].x.reshape(-1)
    wanted = expected(plain, np.arange(len(plain)) / 100)
    near = np.abs(plain) < 190  # the release's own range is ±192 µV
    np.testing.assert_allclose(found[near], wanted[near], atol=0.4)  # two converters' steps
    assert fault in ("mv", "v") or np.abs(found - plain).max() > 5


def test_a_dc_coupled_amplifier_writes_bdf_with_its_offset(tmp_path, plain):
    signal, epochs, path = recorded(tmp_path, "dc_bdf")
    assert path.name == "SC4001E0-PSG.bdf" and path.read_bytes()[:8] == b"\xffBIOSEMI"
    x = epochs.x.reshape(-1)
    assert x.min() > 19_000 and x.max() < 21_000
    slow = x - plain
    assert np.ptp(slow) > 250 and np.abs(np.diff(slow)).max() < 1.0
    assert signal.simulated


def test_hum_is_at_50_hz(tmp_path, plain):
    difference = recorded(tmp_path, "hum")[1].x.reshape(-1) - plain
    assert difference.std() == pytest.approx(10, abs=0.5)  # at 100 Hz, 50 Hz is +10, -10, +10 µV
    assert np.mean(difference[1:] * difference[:-1] < 0) > 0.99


def test_one_epoch_in_twenty_is_flat(tmp_path):
    epochs = recorded(tmp_path, "flat", hours=1)[1]
    assert epochs.flat.mean() == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("fault", "lost", "kept"), [("highpass_1hz", (0.1, 0.5), (5, 20)), ("lowpass_30hz", (38, 45), (5, 20))]
)
def test_filters_take_their_band_away(tmp_path, plain, fault, lost, kept):
    x = recorded(tmp_path, fault)[1].x.reshape(-1)
    assert power(x, *lost) < 0.3 * power(plain, *lost)
    assert power(x, *kept) == pytest.approx(power(plain, *kept), rel=0.1)


@pytest.mark.parametrize(("fault", "rate"), RATES.items())
def test_any_rate_holds_the_same_signal(tmp_path, plain, fault, rate):
    signal, epochs, _ = recorded(tmp_path, fault)
    assert signal.rate == pytest.approx(rate, abs=1e-9)
    assert power(epochs.x.reshape(-1), 1, 20) == pytest.approx(power(plain, 1, 20), rel=0.02)


def test_faults_come_one_after_the_other(tmp_path, plain):
    signal, epochs, path = recorded(tmp_path, "gain_half", "offset", "mv", "204.8_hz")
    assert (signal.unit, path.suffix) == ("mV", ".edf") and signal.rate == pytest.approx(204.8)
    assert np.abs(epochs.x.reshape(-1)[500:-500] - (plain / 2 + 55)[500:-500]).mean() < 0.5


def test_no_fault_changes_no_byte(tmp_path):
    without = simulate("ucddb", tmp_path / "a", [2], hours=0.1, seed=0)[0].read_bytes()
    assert simulate("ucddb", tmp_path / "b", [2], hours=0.1, seed=0, faults=())[0].read_bytes() == without


# ---- the files, in every layout ----


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("db", "subject"), [("sleepedf", 0), ("isruc", 40), ("ucddb", 2)])
def test_every_file_is_read_and_says_that_it_is_simulated(tmp_path, db, subject, fault):
    path = simulate(db, tmp_path / "raw", [subject], hours=0.2, seed=0, faults=[fault])[0]
    bdf = amplifier([fault]).bdf
    assert path.suffix == (".bdf" if bdf else {"sleepedf": ".edf"}.get(db, ".rec"))
    assert open_recording(path).simulated
    found = (edfio.read_bdf if bdf else edfio.read_edf)(path)
    assert found.duration == 720 and "Simulated" in found.local_patient_identification
    if not bdf:
        options = ["--include_subject_40"] if db == "isruc" else []
        given = ["--data_dir", str(tmp_path / "raw"), "--output_dir", str(tmp_path / "out"), *options]
        assert PREPARE[db](given) == 0
        assert all(load_night(night).simulated for night in (tmp_path / "out").iterdir())


# ---- the command ----


def test_the_command_says_what_was_done(tmp_path, capsys):
    given = ["--db", "sleepedf", "--output_dir", str(tmp_path), "--subjects", "0", "--hours", "0.1"]
    assert main([*given, "--amplifier", "offset", "hum"]) == 0
    assert "amplifier: offset (55 µV added), hum (50 Hz, 10 µV)" in capsys.readouterr().out


def test_an_unknown_fault_is_refused_with_those_there_are(tmp_path, capsys):
    given = ["--db", "sleepedf", "--output_dir", str(tmp_path), "--amplifier", "smoke"]
    assert main(given) == 2
    assert "--amplifier smoke: no such fault; there are dc_bdf, offset, drift, " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
