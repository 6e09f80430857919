"""Whose night it is: one person under two names, a column that names the person, and who is one in spite of a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import InputError
from recordings.finding import find_recordings
from recordings.pairing_table import read_pairing_table
from recordings.persons import with_persons
from recordings.whose_night import person_key, same_person, subject_by_name


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def subjects(found):
    return [one.subject for one in found]


@pytest.mark.parametrize(("one", "other"), [("P01", "p01"), ("É", "E\u0301"), ("Straße", "STRASSE")])
def test_a_name_is_the_same_in_any_case(one, other):
    assert same_person(one, other) and person_key(one) == person_key(other)
    assert not same_person("", "") and not same_person("P01", "P1")


def test_two_spellings_are_one_person_and_it_is_said(tmp_path):
    made(tmp_path, "P01_night1.edf", "p01_night2.edf", "P02_night1.edf")
    found, said = with_persons(find_recordings([tmp_path]))
    assert sorted(subjects(found)) == ["P01", "P01", "P02"]
    assert said == ["p01 and P01 are taken as one person"]


BIDS = (
    "sub-1/eeg/sub-1_task-Sleep_eeg.edf",
    "sub-2/eeg/sub-2_task-Sleep_eeg.edf",
    "sub-3/eeg/sub-3_task-Sleep_eeg.edf",
)


def bids(tmp_path, participants):
    made(tmp_path, "dataset_description.json", *BIDS)
    (tmp_path / "participants.tsv").write_text(participants)
    return find_recordings([tmp_path])


def test_a_column_in_which_two_participants_are_one_is_found(tmp_path):
    found = bids(tmp_path, "participant_id\tsex\tpid\nsub-1\tF\t89\nsub-2\tF\t89\nsub-3\tM\t90\n")
    persons, said = with_persons(found)
    assert subjects(persons) == ["89", "89", "90"]
    assert said == [
        "persons are told by the column pid: 1 and 2 are one (89); --subject_column subject goes by names instead"
    ]
    assert subjects(with_persons(found, "subject")[0]) == ["1", "2", "3"]
    assert with_persons(found, "PID")[1] == ["persons are told by the column pid: 1 and 2 are one (89)"]


@pytest.mark.parametrize("column", ["site_id", "group", "scanner", "age"])
def test_a_column_of_something_else_names_nobody(tmp_path, column):
    found = bids(tmp_path, f"participant_id\t{column}\nsub-1\t1\nsub-2\t1\nsub-3\t2\n")
    assert (subjects(with_persons(found)[0]), with_persons(found)[1]) == (["1", "2", "3"], [])


def test_a_number_that_all_have_is_nobody_s(tmp_path):
    found = bids(tmp_path, "participant_id\tpatient_id\nsub-1\tX\nsub-2\tX\nsub-3\tX\n")
    assert subjects(with_persons(found)[0]) == ["1", "2", "3"]


def test_a_column_that_is_asked_for_has_to_be_there(tmp_path):
    found = bids(tmp_path, "participant_id\tpid\nsub-1\t89\nsub-2\tn/a\nsub-3\t90\n")
    with pytest.raises(InputError, match=r"--subject_column pid: .*sub-2_task-Sleep_eeg\.edf has no such column"):
        with_persons(found, "pid")


def test_participants_are_known_from_one_recording_too(tmp_path):
    bids(tmp_path, "participant_id\tpid\nsub-1\t89\nsub-2\t89\n")
    (one,) = find_recordings([str(tmp_path / BIDS[1])])
    assert one.columns == {"pid": "89"}
    assert with_persons([one], "pid")[0][0].subject == "89"


def test_a_column_of_the_pairing_table_names_the_person(tmp_path):
    made(tmp_path, "a.edf", "b.edf", "c.edf")
    (tmp_path / "pairs.csv").write_text("recording,patient\na.edf,x\nb.edf,X\nc.edf,y\n")
    found, said = with_persons(read_pairing_table(tmp_path / "pairs.csv"), "patient")
    assert subjects(found) == ["x", "x", "y"]
    assert said[-1] == "X and x are taken as one person"


@pytest.mark.parametrize("names", [("n1", "n2", "n3"), ("V1", "V2"), ("d1", "d2")])
def test_numbered_letters_in_one_folder_are_persons(tmp_path, names):
    made(tmp_path, *(f"capslpdb/{name}.edf" for name in names), "capslpdb/ins1.edf")
    assert subjects(find_recordings([tmp_path])) == ["ins1", *names] or subjects(find_recordings([tmp_path]))[:-1] == [
        *names
    ]
    assert len(set(subjects(find_recordings([tmp_path])))) == len(names) + 1


def test_numbered_letters_in_several_folders_are_nights(tmp_path):
    made(tmp_path, "P01/n1.edf", "P01/n2.edf", "P02/n1.edf")
    assert [(one.subject, one.night) for one in find_recordings([tmp_path])] == [
        ("P01", "1"),
        ("P01", "2"),
        ("P02", "1"),
    ]


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("sc4002e0.rec", "SC400"),
        ("P01_night2.edf", "P01"),
        ("sub-07_ses-2_eeg.vhdr", "07"),
        ("P01.edf", ""),
        ("n1.edf", ""),
    ],
)
def test_a_name_alone_tells_the_subject_or_does_not(name, subject):
    assert subject_by_name(Path(name)) == subject
