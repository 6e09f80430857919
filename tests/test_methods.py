"""The paragraph of methods, and the file that says how to cite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from config import Settings
from folds.calibration import Calibration
from recordings.conditioning import Conditioning
from scoring.methods import methods_of_recordings, methods_text, of_test_nights
from tests.support.staged_nights import a_fold, staged_night
from version import __version__, versions

GIVEN = Calibration(1.5, 0.7, 0.9, 0.8, ("a", "b"), 100, 0.1, 0.02, "a hash")


def test_the_paragraph_names_all_that_a_paper_needs():
    folds = [replace(a_fold(0), sha256="0123456789abcdef"), replace(a_fold(4), sha256="fedcba9876543210")]
    text = methods_text(folds, ["EEG Fpz-Cz", ""], of_test_nights(folds))
    for said in (
        "one EEG channel (EEG Fpz-Cz)",
        f"version {__version__}",
        "trained on sleepedf (folds 0 and 4;",
        "0: 0123456789ab, 4: fedcba987654)",
        "the fold that had not seen its subject (2 of 20 folds)",
        "30 s of each epoch in µV at 100 Hz",
        "as recorded",
        "not calibrated. Below 0.6 an epoch counts as unsure",
        f"tensorflow {versions()['tensorflow']}",
    ):
        assert said in text, said
    assert "\n" not in text and "  " not in text


def test_it_says_conditioning_and_calibration_where_there_is_one():
    run = replace(a_fold(0).run, adapted=Conditioning(0.2, (9.0, 9.0)), settings=Settings(input_size=500))
    fold = replace(a_fold(0), run=run, calibration=GIVEN)
    text = methods_text([fold], [], "")
    assert "high-pass 0.2 Hz, amplitude brought to 9 µV" in text and "5 s of each epoch" in text
    assert "(1.50; 2 nights). Below the fold's limit (0.70) an epoch counts as unsure" in text
    assert "90 % of its validation epochs were right" in text
    assert "some fold has no limit" in methods_text([replace(fold, calibration=replace(GIVEN, limit=None))], [], "")


def test_recordings_name_every_fold_and_channel_once(tmp_path):
    other = staged_night(tmp_path, name="other", folds=(a_fold(4), a_fold(7)))
    text = methods_of_recordings([staged_night(tmp_path), other])
    assert "(folds 0, 4 and 7;" in text and "(C3-M2)" in text and "mean over the folds" in text


def test_the_citation_is_of_this_version():
    lines = (Path(__file__).parent.parent / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {__version__}" in lines and "cff-version: 1.2.0" in lines
