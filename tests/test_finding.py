"""Finding recordings: folders, patterns, BIDS; which hypnogram goes with which, and whose night it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import InputError
from recordings.finding import Found, find_recordings
from recordings.pairing_table import read_pairing_table
from recordings.whose_night import SubjectPattern


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def pairs(found: list[Found]) -> dict[str, str | None]:
    return {one.recording.name: one.hypnogram.name if one.hypnogram else None for one in found}


def whose(found: list[Found]) -> dict[str, tuple[str, str]]:
    return {one.recording.stem: (one.subject, one.night) for one in found}


def test_a_hypnogram_is_paired_by_its_name_whatever_it_is_called(tmp_path):
    made(tmp_path, "a.edf", "a.txt", "b_PSG.edf", "b-Hypnogram.edf", "c.bdf", "Sleep profile - c.txt", "d.vhdr")
    made(tmp_path, "d.eeg", "d.vmrk", "d_staging.csv", "e.edf", "notes.txt", "f.EDF", "f-nsrr.XML", ".hidden.edf")
    assert pairs(find_recordings([tmp_path])) == {
        "a.edf": "a.txt",
        "b_PSG.edf": "b-Hypnogram.edf",
        "c.bdf": "Sleep profile - c.txt",
        "d.vhdr": "d_staging.csv",
        "e.edf": None,
        "f.EDF": "f-nsrr.XML",
    }


def test_a_hypnogram_in_another_folder_is_taken_only_if_the_name_is_unique(tmp_path):
    made(tmp_path, "edf/x/s1.edf", "edf/x/s2.edf", "edf/y/s2.edf", "xml/s1-nsrr.xml", "xml/s2-nsrr.xml")
    found = find_recordings([tmp_path])
    assert [one.hypnogram and one.hypnogram.name for one in found] == ["s1-nsrr.xml", None, None]
    assert [one.below for one in found] == [Path("edf/x"), Path("edf/x"), Path("edf/y")]


def test_names_that_say_nothing_are_paired_within_their_folder(tmp_path):
    made(tmp_path, "P01/psg.edf", "P01/hypnogram.txt", "P02/psg.edf")
    first, second = find_recordings([tmp_path])
    assert first.hypnogram == tmp_path / "P01/hypnogram.txt"
    assert second.hypnogram is None
    assert (first.subject, second.subject) == ("P01", "P02")


def test_several_hypnograms_are_a_problem_that_a_pattern_solves(tmp_path):
    made(tmp_path, "s1.edf", "s1-nsrr.xml", "s1-profusion.xml")
    (one,) = find_recordings([tmp_path])
    assert one.hypnogram is None
    assert "s1-nsrr.xml, s1-profusion.xml" in one.problem
    (one,) = find_recordings([tmp_path], hypnograms="*-nsrr.xml")
    assert one.hypnogram == tmp_path / "s1-nsrr.xml"
    assert not one.problem


def test_the_programs_own_stages_are_no_experts(tmp_path):
    made(tmp_path, "a.edf", "a_stages.csv", "a_stages.edf")
    assert pairs(find_recordings([tmp_path])) == {"a.edf": None}
    assert pairs(find_recordings([tmp_path], hypnograms="*_stages.csv")) == {"a.edf": "a_stages.csv"}


def test_bids(tmp_path):
    made(tmp_path, "dataset_description.json", "derivatives/sub-01/eeg/sub-01_task-sleep_eeg.edf")
    for name in ("sub-01/ses-1/eeg/sub-01_ses-1_task-sleep", "sub-02/eeg/sub-02_task-sleep_run-2"):
        made(tmp_path, f"{name}_eeg.vhdr", f"{name}_eeg.eeg", f"{name}_events.tsv", f"{name}_channels.tsv")
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tgroup\tage\nsub-01\tpatient\tn/a\nsub-02\tcontrol\t30\n"
    )
    first, second = find_recordings([tmp_path])
    assert (first.subject, first.night, first.told) == ("01", "1", "BIDS")
    assert (second.subject, second.night) == ("02", "2")
    assert first.hypnogram and first.hypnogram.name == "sub-01_ses-1_task-sleep_events.tsv"
    assert first.columns == {"group": "patient"}
    assert second.columns == {"group": "control", "age": "30"}


@pytest.mark.parametrize(
    ("name", "subject", "night"),
    [
        ("P01_night2", "P01", "2"),
        ("P01-N02_PSG", "P01", "2"),
        ("A B session 1", "A B", "1"),
        ("P01/night2", "P01", "2"),
        ("P01/night2/psg", "P01", "2"),
        ("P01/P01_ses1", "P01", "1"),
        ("P01", "P01", ""),
        ("SC4011E0-PSG", "SC401", "1"),
        ("SC4012E0", "SC401", "2"),
        ("ST7022J0-PSG", "ST702", "2"),
    ],
)
def test_names_and_folders_tell_whose_night_it_is(tmp_path, name, subject, night):
    made(tmp_path, f"{name}.edf", "other.edf")
    one = next(one for one in find_recordings([tmp_path]) if one.recording.stem != "other")
    assert (one.subject, one.night) == (subject, night)


def test_two_nights_of_one_name_in_two_folders_are_told_by_their_folders(tmp_path):
    made(tmp_path, "P01/sleep.edf", "P02/sleep.edf")
    assert [one.subject for one in find_recordings([tmp_path])] == ["P01", "P02"]


def test_a_pattern_tells_subject_and_night(tmp_path):
    made(tmp_path, "x/0012a.edf", "x/0012b.edf")
    assert whose(find_recordings([tmp_path], subject_pattern="{subject}{night:1}")) == {
        "0012a": ("0012", "a"),
        "0012b": ("0012", "b"),
    }
    assert SubjectPattern("{subject}/*{night}").match(Path("P7/night3.edf")) == ("P7", "3")
    with pytest.raises(InputError, match=r"0012a\.edf: does not fit --subject_pattern \{subject\}_\{night\}"):
        find_recordings([tmp_path], subject_pattern="{subject}_{night}")


@pytest.mark.parametrize("text", ["", "{night}", "{subject}{subject}", "{who}", "{subject}{x}", "{subject:0}"])
def test_a_pattern_without_sense_is_refused(text):
    with pytest.raises(InputError, match="--subject_pattern"):
        SubjectPattern(text)


def test_files_folders_and_patterns(tmp_path, monkeypatch):
    made(tmp_path, "a.edf", "a.txt", "sub/b.edf", "sub/c.fif", "empty/x.doc", "odd[1].edf")
    monkeypatch.chdir(tmp_path)
    assert [one.recording.name for one in find_recordings(["sub", "a.edf", "./a.edf"])] == ["b.edf", "c.fif", "a.edf"]
    assert [one.recording.name for one in find_recordings(["**/*.edf"])] == ["a.edf", "odd[1].edf", "b.edf"]
    assert [one.recording.name for one in find_recordings(["su*"])] == ["b.edf", "c.fif"]
    assert [one.recording.name for one in find_recordings(["odd[1].edf", "missing.edf"])] == [
        "odd[1].edf",
        "missing.edf",
    ]
    assert pairs(find_recordings([str(tmp_path / "*.edf")]))["a.edf"] == "a.txt"
    for place in ("empty", "*.bdf"):
        with pytest.raises(InputError, match="recording"):
            find_recordings([place])


def test_a_recording_in_several_files_is_one(tmp_path):
    made(tmp_path, "a_raw.fif", "a_raw-1.fif", "a_raw-2.fif", "b-1.fif", "c-1.edf", "c.edf", "d-1.fif", "D.fif")
    made(tmp_path, "sub-1_split-01_eeg.fif", "sub-1_split-02_eeg.fif", "sub-2_split-02_eeg.fif")
    names = [one.recording.name for one in find_recordings([tmp_path])]
    assert names == [
        *("D.fif", "a_raw.fif", "b-1.fif", "c-1.edf", "c.edf", "d-1.fif"),
        *("sub-1_split-01_eeg.fif", "sub-2_split-02_eeg.fif"),
    ]
    assert [one.recording.name for one in find_recordings([str(tmp_path / "a*.fif")])] == ["a_raw.fif"]


# ---- the pairing table ----


def test_a_pairing_table_says_what_names_do_not(tmp_path):
    made(tmp_path, "raw/a.edf", "raw/b.edf", "raw/b.txt", "hyp/x.csv")
    table = tmp_path / "pairs.csv"
    table.write_text(
        "\ufeffRecording;Hypnogram;Subject;Night;Channel;Lights off;lights on;site\n"
        "raw/a.edf;hyp/x.csv;P01;1;C4-M1;23:10;06:30;north\n\nraw/b.edf;;;;;;;\n",
        encoding="utf-8",
    )
    first, second = read_pairing_table(table)
    assert first == Found(
        tmp_path / "raw/a.edf",
        tmp_path / "hyp/x.csv",
        "P01",
        "1",
        "C4-M1",
        "23:10",
        "06:30",
        {"site": "north"},
        Path("raw"),
        "table",
    )
    assert (second.hypnogram, second.subject, second.columns) == (tmp_path / "raw/b.txt", "b", {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs a column recording"),
        ("file,hypnogram\na.edf,\n", "needs a column recording in its first line; there is file, hypnogram"),
        ("recording\n", "no recording in it"),
        ("recording\nb.edf\n", r"line 2: no file .*b\.edf"),
        ("recording\na.edf\na.edf\n", r"line 3: a\.edf is in the table already"),
        ("recording,hypnogram\n,x\n", "line 2 names no recording"),
        ("recording,night,night\na.edf,1,2\n", "two columns night"),
        ("recording\na.edf,1\n", "line 2 has 2 columns, the first line 1"),
        ("recording\n\0", "zero bytes"),
    ],
)
def test_a_damaged_pairing_table_is_refused(tmp_path, text, reason):
    made(tmp_path, "a.edf")
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_pairing_table(tmp_path / "pairs.csv")
