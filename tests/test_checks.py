"""What is said of prepared nights before a training: doubles, faults of the signal, stages that do not fit."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from command import InputError
from data import Night, save_night
from folds import checks
from folds.checks import content_of, file_findings, first_epochs, first_findings, signal_findings, thorough_findings
from folds.run import signal_of
from recordings.datasets import DATASETS

SLEEPEDF = DATASETS["sleepedf"]


def an_eeg(n_epochs, seed=0, std=20.0, n_samples=100):
    return np.random.default_rng(seed).normal(0, std, (n_epochs, n_samples)).astype(np.float32)


def a_night(folder, name, x, y=None):
    stages = np.arange(len(x), dtype=np.int32) % 5 if y is None else y
    save_night(folder / f"{name}.npz", Night(name, x, stages, 100.0, "EEG Fpz-Cz"))
    return folder / f"{name}.npz"


# ---- content ----


def test_content_is_that_of_signal_and_stages_whatever_the_file_is_called_and_packed(tmp_path):
    path = a_night(tmp_path, "a", an_eeg(30))
    other = tmp_path / "b.npz"
    with np.load(path) as archive:
        np.savez(other, **archive)
    assert content_of(other) == content_of(path)
    assert zipfile.ZipFile(other).getinfo("x.npy").compress_type != zipfile.ZipFile(path).getinfo("x.npy").compress_type


def test_other_stages_are_another_content_of_the_same_signal(tmp_path):
    x = an_eeg(30)
    one, other = a_night(tmp_path, "a", x), a_night(tmp_path, "b", x, np.zeros(30, np.int32))
    assert content_of(one) != content_of(other) and signal_of(content_of(one)) == signal_of(content_of(other))
    x[17, 3] += 0.001
    assert signal_of(content_of(a_night(tmp_path, "c", x))) != signal_of(content_of(one))


def test_a_file_that_is_no_night_is_the_users_error(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no zip")
    for read in (content_of, first_epochs):
        with pytest.raises(InputError, match=r"a\.npz: not a readable npz file .*; prepare the night again"):
            read(tmp_path / "a.npz")


@pytest.mark.parametrize("form", ["saved", "float64, three axes", "by column"])
def test_the_first_epochs_are_read_alone(tmp_path, monkeypatch, form):
    monkeypatch.setattr(checks, "FIRST_EPOCHS", 4)
    x = an_eeg(9)
    path = a_night(tmp_path, "a", x)
    if form != "saved":
        stored = np.asfortranarray(x) if form == "by column" else x.astype(np.float64)[:, :, np.newaxis]
        np.savez(path, x=stored, y=np.zeros(9, np.int32))
    np.testing.assert_array_equal(first_epochs(path), x[:4])
    assert len(first_epochs(a_night(tmp_path, "short", x[:2]))) == 2


# ---- signals ----


def spoilt(x, **changes):
    x = x.copy()
    for first, value in changes.values():
        x[first:] = value
    return x


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (an_eeg(300), []),
        (0 * an_eeg(300), ["300 of 300 epochs are flat, from epoch 0 on"]),
        (spoilt(an_eeg(300), end=(180, 0)), ["120 of 300 epochs are flat, from epoch 180 on"]),
        (spoilt(an_eeg(300), end=(290, 0)), []),  # five minutes
        (an_eeg(300) / 1000, ["implausible amplitude: the median epoch has a standard deviation of 0.0"]),
        (an_eeg(300) * 1e3, ["implausible amplitude"]),
        (
            spoilt(an_eeg(300), end=(299, 1e30)),
            ["1 of 300 epochs have samples beyond 100000 µV; the first is epoch 299 with 1e+30 µV"],
        ),
    ],
)
def test_faults_of_a_signal_are_said(x, said):
    found = list(signal_findings(x))
    assert len(found) == len(said) and all(words in one for one, words in zip(found, said, strict=True)), found


def test_what_is_wrong_from_the_start_is_seen_in_the_first_epochs(tmp_path):
    paths = [a_night(tmp_path, "good", an_eeg(150)), a_night(tmp_path, "volts", an_eeg(150) * 1e-6)]
    found = list(first_findings(paths))
    assert len(found) == 1 and found[0].startswith("volts: 100 of 100 epochs are flat")


# ---- nights against each other ----


def test_files_of_no_subject_are_named(tmp_path):
    for name in ("SC4001E0", "SC4991E0", "copy of SC4001E0", "ST7011J0"):
        a_night(tmp_path, name, an_eeg(3))
    assert list(file_findings(SLEEPEDF, tmp_path, [])) == [
        "no subject of sleepedf has such a night, so it is not used: SC4991E0.npz, ST7011J0.npz, copy of SC4001E0.npz"
    ]


def test_a_night_that_was_cut_otherwise_is_found_by_its_epochs(tmp_path):
    x = an_eeg(60)
    paths = [
        a_night(tmp_path, "SC4001E0", x[:40]),
        a_night(tmp_path, "SC4011E0", x[20:]),
        a_night(tmp_path, "SC4021E0", an_eeg(60, 1)),
    ]
    assert list(thorough_findings(paths, 100, 100)) == [
        "SC4001E0, SC4011E0: 20 epochs have one and the same signal; check which file is whose"
    ]


def test_flat_epochs_are_no_doubles(tmp_path):
    paths = [a_night(tmp_path, name, 0 * an_eeg(60)) for name in ("SC4001E0", "SC4011E0")]
    assert [words for words in thorough_findings(paths, 100, 100) if "one and the same" in words] == []


def sleep_like(n_epochs, shift):
    """Return a signal whose slow waves are large in its N3 epochs, and stages that come `shift` epochs late."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.permutation(np.repeat(np.arange(5), n_epochs // 100)), 20).astype(np.int32)
    seconds = np.arange(3000) / 100
    slow = np.where(y == 3, 60, 8)[:, np.newaxis] * np.sin(2 * np.pi * (seconds + rng.random((len(y), 1))))
    return (slow + rng.normal(0, 8, slow.shape)).astype(np.float32), np.roll(y, shift)


@pytest.mark.parametrize(
    ("shift", "said"), [(0, []), (10, ["fits the signal clearly better 10 epochs (5 min) earlier"])]
)
def test_stages_that_are_shifted_are_said(tmp_path, shift, said):
    path = a_night(tmp_path, "SC4001E0", *sleep_like(800, shift))
    found = list(thorough_findings([path], 3000, 100))
    assert len(found) == len(said) and all(words in one for one, words in zip(found, said, strict=True)), found


def test_a_night_of_one_stage_is_said(tmp_path):
    path = a_night(tmp_path, "SC4001E0", an_eeg(60), np.full(60, 2, np.int32))
    assert list(thorough_findings([path], 100, 100)) == ["SC4001E0: every epoch is N2"]
