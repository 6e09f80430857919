"""Hypnograms as other programs and public data sets write them, with the counts of W, N1, N2, N3, REM that are right.

The counts were made from the files' own labels without this program; what else is in them is no stage.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command import InputError
from recordings.datasets import read_hypnogram
from recordings.hypnograms.labels import stage_map
from recordings.hypnograms.scoring import AS_IT_IS, Reading

pytest_plugins = ["tests.support.raw_recordings"]

NUMBERS = Reading(stage_map("aasm"))  # 0 to 4, -1 not scored


def counts(path: Path, reading: Reading = AS_IT_IS) -> list[int]:
    codes = read_hypnogram(path, None, reading).codes
    return [int(count) for count in np.bincount(codes[codes >= 0], minlength=5)]


@pytest.mark.parametrize(
    ("name", "right", "n_epochs"),
    [
        ("remlogic/nfle1.txt", [23, 11, 425, 279, 217], 964),
        ("remlogic/nfle1.csv", [23, 11, 425, 279, 217], 964),
        ("remlogic/nfle4.txt", [64, 56, 415, 334, 249], 1120),
        ("noxturnal/noxturnal_unicode.csv", [213, 66, 466, 364, 249], 1497),
        ("old_hyp/sc4002e0.hyp", [1885, 59, 373, 297, 215], 2831),
        ("old_hyp/st7022j0.hyp", [75, 74, 353, 284, 159], 1327),
        ("boas/sub-1_task-Sleep_acq-psg_events.tsv", [200, 57, 398, 172, 87], 915),
    ],
)
def test_exports_of_other_programs_give_what_their_labels_say(real, name, right, n_epochs):
    path = real / "world" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    assert counts(path) == right
    assert len(read_hypnogram(path).codes) == n_epochs


def test_lists_of_several_experts_are_read_and_their_numbers_not_guessed(real):
    paths = sorted((real / "world" / "dod_h").rglob("*.json"))
    if not paths:
        pytest.skip("the lists are not here")
    assert np.sum([counts(path, NUMBERS) for path in paths], axis=0).tolist() == [18197, 9322, 58429, 17821, 22505]
    with pytest.raises(InputError, match=r"is a number; .*--stage_map rk .*aasm"):
        read_hypnogram(paths[0])


def test_steps_of_five_seconds_become_epochs(real):
    path = real / "dreams" / "Hypnogram_excerpt1.txt"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    hypnogram = read_hypnogram(path)
    assert len(hypnogram.codes) == 60 and counts(path) == [10, 1, 36, 13, 0]
    assert hypnogram.notices == ("Hypnogram_excerpt1.txt: epochs of 5 s resampled to 30 s",)


# ---- what was asked in other tools' forums ----


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_map_keeps_what_it_was_given(tmp_path):
    table = written(tmp_path, "map.csv", "0,W\n1,N1\n2,N2\n-1,?\n-2,?\n")
    assert counts(written(tmp_path, "a.txt", "0\n1\n2\n-1\n-2\n"), Reading(stage_map(str(table)))) == [1, 1, 1, 0, 0]
    with pytest.raises(InputError, match=r"unknown stage '_1' in line 2"):
        read_hypnogram(written(tmp_path, "b.txt", "0\n_1\n"), None, Reading(stage_map(str(table))))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Weird (s),Stage\n0,W\n30,N1\n60,N2\n", r"column Weird \(s\) seems to hold times.*--columns onset=Weird"),
        ("Time,Stage\n00:00:00,W\n00:00:30,N1\n", r"column Time starts at 00:00:00.*--columns onset=Time"),
        ("onset (samples),duration,stage\n0,30,W\n", r"is in samples, no known unit; give it in seconds"),
        ("Time,Stage\n22:00:00,W\nnoon,N1\n", r"line 3: 'noon' in column Time is no time of day"),
        ("onset,duration,stage,annotator\n0,30,W,a\n0,30,N1,b\n", r"stages of 2 annotators \(a, b\); name one with"),
        ("onset,duration,stage_a,stage_b\n0,30,W,N1\n", r"several columns of stages \(stage_a, stage_b\); name one"),
        ("onset,clock,stage\n0,22:00:00,W\n30,22:10:30,N1\n", r"line 3: columns onset and clock contradict each other"),
    ],
)
def test_a_table_that_may_mean_two_things_is_refused(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason):
        read_hypnogram(written(tmp_path, "a.csv", text))


def test_what_stands_where_a_stage_would_is_not_covered_by_the_stage_before(tmp_path):
    events = "class\tinstance\tchannel\tstart\tstop\tmeta\n"
    rows = "W\t.\t.\t0\t60\t.\nRuhe\t.\t.\t60\t120\t.\nN2\t.\t.\t120\t180\t.\n"
    with pytest.raises(InputError, match=r"'Ruhe' in line 3 stands where a stage would, and is not known"):
        read_hypnogram(written(tmp_path, "a.annot", events + rows))
    table = written(tmp_path, "map.csv", "Ruhe,W\n")
    assert counts(tmp_path / "a.annot", Reading(stage_map(str(table)))) == [4, 0, 2, 0, 0]
