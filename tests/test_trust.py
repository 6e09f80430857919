"""What speaks against trusting stages: said with the channel, how often, and from when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from recordings.channels import Channel
from recordings.epochs import epochs_in_parts
from recordings.opening import one_channel, open_array
from recordings.quality import look_at, quality
from recordings.spectrum import SPECTRUM_HZ
from scoring.staged import StagedChannel
from scoring.trust import night_doubts, notices_on, signal_doubts


def eeg(n_epochs, rate=100, std=20.0):
    white = np.random.default_rng(0).normal(0, std, round(n_epochs * 30 * rate))
    return white + np.convolve(white, np.ones(20), "same") / 4  # its power falls with frequency


def doubts(samples, rate=100):
    opened = replace(open_array(samples, rate, "EEG Fpz-Cz"), start=datetime(2001, 2, 3, 23, 50, 0))
    signal = one_channel(opened, Channel("EEG Fpz-Cz", 0))
    parts = epochs_in_parts(signal)
    seen = look_at(parts)
    return list(signal_doubts(signal, seen, quality(parts, seen)))


def stages(*codes, probability=0.9):
    probabilities = np.full((len(codes), 5), (1 - probability) / 4, np.float32)
    probabilities[np.arange(len(codes)), codes] = probability
    return probabilities


# ---- the signal ----


def test_nothing_speaks_against_an_ordinary_signal():
    assert doubts(eeg(6)) == []


def test_flat_epochs_are_counted_and_the_first_has_its_time():
    said = doubts(np.concatenate([eeg(3, 64), np.zeros(3 * 30 * 64)]), 64)
    assert "EEG Fpz-Cz: 3 of 6 epochs are flat, the first at 23:51:30" in said
    assert "EEG Fpz-Cz: recorded at 64 Hz; what lies above 32 Hz is missing" in said


def test_clipped_epochs_are_counted():
    samples = eeg(3, std=100)
    low, high = np.quantile(samples, (0.02, 0.98))
    assert doubts(np.clip(samples, low, high)) == ["EEG Fpz-Cz: 3 of 3 epochs are clipped, the first at 23:50:00"]


def test_a_fault_in_one_epoch_of_a_hundred_is_a_movement():
    samples = eeg(100)
    samples[:3000] = 0
    assert doubts(samples) == []
    samples[3000:6000] = 0
    assert doubts(samples) == ["EEG Fpz-Cz: 2 of 100 epochs are flat, the first at 23:50:00"]


@pytest.mark.parametrize("std", [0.02, 2000.0])
def test_an_amplitude_that_no_eeg_has_is_said(std):
    said = doubts(eeg(3, std=std))
    assert len(said) == 1 and said[0].startswith("EEG Fpz-Cz: implausible amplitude: the median epoch has")
    assert "check the unit in the file" in said[0]


@pytest.mark.parametrize("std", [20e-6, 20e6])
def test_of_a_channel_that_cannot_be_scored_only_the_reason_is_said(std):
    said = doubts(eeg(3, 64, std=std), 64)
    assert len(said) == 1 and said[0].startswith("EEG Fpz-Cz: not scored: implausible amplitude in 3 of 3 epochs (a st")


def test_a_few_epochs_of_an_implausible_amplitude_are_counted():
    samples = eeg(12)
    samples[:3000] *= 1000
    assert doubts(samples) == ["EEG Fpz-Cz: 1 of 12 epochs have an implausible amplitude, the first at 23:50:00"]


# ---- the night ----


@pytest.mark.parametrize(("codes", "unlike"), [((0, 1, 4), True), ((0, 1, 2), False), ((3,), False)])
def test_a_night_without_n2_and_n3_is_unlike_sleep(codes, unlike):
    assert list(night_doubts(stages(*codes))) == (["no N2 and no N3 at all: unlike a night's sleep"] if unlike else [])


def test_many_epochs_of_low_confidence_are_said():
    sure, unsure = stages(*[2] * 6), stages(2, 2, probability=0.5)
    gap = np.full((1, 5), np.nan, np.float32)
    assert list(night_doubts(np.concatenate([sure, unsure]))) == []  # a quarter
    assert list(night_doubts(np.concatenate([sure[1:], unsure, gap]), 0.1))[1:] == [], "no epoch is below this limit"
    assert list(night_doubts(np.concatenate([sure[1:], unsure, gap])))[1:] == [
        "2 of 7 epochs are of low confidence (below 0.6)"
    ]


def test_a_night_of_which_much_is_not_scored_is_said_to_sleep_too_little():
    gap = np.full((1, 5), np.nan, np.float32)
    assert list(night_doubts(np.concatenate([stages(*[2] * 19), gap]))) == []  # one in twenty
    assert list(night_doubts(np.concatenate([stages(*[2] * 18), gap]))) == [
        "1 of 19 epochs have no stage: they count as time in bed, but not as sleep"
    ]
    assert list(night_doubts(gap)) == [], "its channels say why"


# ---- notices ----


def test_what_was_left_out_is_said():
    opened = open_array(eeg(3.4), 100, "EEG Fpz-Cz")
    probabilities = stages(2, 2, 2)
    probabilities[1] = np.nan
    blank = np.zeros((3, len(SPECTRUM_HZ)), np.float32)
    faults = {"no signal": np.isnan(probabilities[:, 0]), "flat": np.array([False, False, True])}
    channel = StagedChannel("C3", "", 100.0, probabilities, blank, faults, ())
    assert list(notices_on(opened, [channel], probabilities, 0.0)) == [
        "C3: the file gives no unit; taken as µV",
        "1 epochs reach into gaps of the recording and are not staged",
        "the last 12 s are no whole epoch; left out",
    ]
    assert list(notices_on(opened, [], stages(2, 2, 2), 12.0)) == [
        "the expert's epochs start 12 s after the recording; what comes before is left out"
    ]
