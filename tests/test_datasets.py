"""The data sets' own names and stages: which study a file is of, whose night, and what its stages mean."""

from __future__ import annotations

import logging
from pathlib import Path

import edfio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from recordings.datasets import (
    DATASETS,
    ISRUC,
    ISRUC_CODES,
    ISRUC_EXPERTS,
    SLEEPEDF,
    SLEEPEDF_CODES,
    STUDIES,
    TELEMETRY,
    UCDDB,
    UCDDB_CODES,
    dataset_named,
    hypnogram_beside,
    isruc_night,
    night_name,
    read_hypnogram,
    read_ucddb,
    study_of,
)
from recordings.hypnogram import EDF_TEXTS
from sleepstage import UNKNOWN
from tests.support.edf_files import write_hypnogram

# ---- studies: raw files ----


@pytest.mark.parametrize(
    ("study", "recording", "hypnogram", "key", "night", "subject"),
    [
        (SLEEPEDF, "SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf", "SC4001E", "SC4001E0", 0),
        (SLEEPEDF, "SC4822G0-PSG.edf", "SC4822GC-Hypnogram.edf", "SC4822G", "SC4822G0", 82),
        (TELEMETRY, "ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf", "ST7011J", "ST7011J0", 1),
        (ISRUC, "8/8.rec", "8/8_1.txt", "8", "subject7", 8),
        (ISRUC, "100/100.rec", "100/100_1.txt", "100", "subject98", 100),
        (UCDDB, "ucddb002.rec", "ucddb002_stage.txt", "ucddb002", "ucddb002", 2),
    ],
)
def test_a_file_is_known_by_its_name(study, recording, hypnogram, key, night, subject):
    for folder in (Path(), Path("/data/any folder"), Path("8")):
        assert study.key_of_recording(folder / recording) == key
        assert study.key_of_hypnogram(folder / hypnogram) == key
        assert study.key_of_recording(folder / hypnogram) is None
        assert study.key_of_hypnogram(folder / recording) is None
        assert study_of(folder / recording) == (study, key)
    assert (study.night(key), study.subject(key)) == (night, subject)


@pytest.mark.parametrize(
    ("study", "name", "key"),
    [
        (SLEEPEDF, "sc4001e0-psg.edf", "SC4001E"),
        (SLEEPEDF, "SC4001E0-PSG.EDF", "SC4001E"),
        (SLEEPEDF, "sc4002e0.rec", "SC4002E"),  # as the first release calls it
        (TELEMETRY, "st7022j0.rec", "ST7022J"),
        (ISRUC, "8/8.edf", "8"),  # renamed for readers that refuse .rec
        (ISRUC, "8/8.REC", "8"),
        (ISRUC, "008/008.rec", "8"),
        (UCDDB, "UCDDB002.REC", "ucddb002"),
        (UCDDB, "ucddb002.edf", "ucddb002"),
    ],
)
def test_a_recording_is_known_in_any_case_and_by_its_other_names(study, name, key):
    assert study_of(Path("/data", name)) == (study, key)


@pytest.mark.parametrize("folder", ["", "subject1", "raw/1/1", "001"])
def test_the_folder_does_not_count_where_the_user_says_which_study_it_is(folder):
    path = Path("/data", folder, "1.rec")
    assert ISRUC.key_of_recording(path, in_any_folder=True) == "1"
    assert ISRUC.key_of_hypnogram(path.with_name("1_1.txt"), in_any_folder=True) == "1"
    assert ISRUC.key_of_hypnogram(path.with_name("1_2.txt"), in_any_folder=True) is None  # the other expert's
    assert ISRUC.key_of_recording(Path("/data/2/1.rec"), in_any_folder=True) is None  # of whom?


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_a_night_in_small_letters_is_of_its_subject(dataset):
    night = dataset.study.night({SLEEPEDF: "SC4001E", ISRUC: "1", UCDDB: "ucddb002"}[dataset.study])
    assert dataset.subject_of(night.lower()) == dataset.subject_of(night.upper()) == dataset.subjects[0]


HOSTILE = [
    "",
    "SC4001E0-PSG.edf ",
    "SC4001E0-PSG.edf\n",
    "\nSC4001E0-PSG.edf",
    "xSC4001E0-PSG.edf",
    "SC4001E0-PSG.edf.part",
    "SC4001E0-PSGxedf",
    "SC4003E0-PSG.edf",  # nights are 1 and 2
    "SC4001E1-PSG.edf",
    "SC400E0-PSG.edf",
    "SC4\u0660\u06601E0-PSG.edf",  # digits, but not those of the data set
    "SC4[0-9]1E0-PSG.edf",
    "SC4001E?-Hypnogram.edf",
    "SC4001E-Hypnogram.edf",
    "SC4001ECC-Hypnogram.edf",
    "{key}0-PSG.edf",
    "(?P<key>.*).rec",
    ".*/.*.rec",
    "1.rec",
    "2/1.rec",
    "1/1xrec",
    "1/1.rec/1.txt",
    "1/2_1.txt",
    "0/0.rec",
    "0001/0001.rec",
    "1/01.rec",
    "101/101.rec",
    "1000/1000.rec",
    "-1/-1.rec",
    "1\n/1\n.rec",
    "\u0661/\u0661.rec",
    "1/1_3.txt",
    "ucddb002.rec.gz",
    "ucddb02.rec",
    "ucddb0021.rec",
    "ucddb\uff10\uff10\uff12.rec",
    "ucddb002_lifecard.edf",
    "ucddb002_stage.txt.bak",
    "ucddb002_stage_txt",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_other_names_are_of_no_study(name):
    path = Path("/nights") / name
    for study in STUDIES:
        assert study.key_of_recording(path) is None
        assert study.key_of_hypnogram(path) is None
    assert study_of(path) is None
    assert night_name(path) == path.stem
    assert hypnogram_beside(path) is None


@settings(deadline=None)
@given(st.data(), st.sampled_from(STUDIES), st.text(max_size=3))
def test_names_made_of_a_key_lead_back_to_it_and_nothing_longer_does(draw, study, more):
    key = study.spelled(draw.draw(st.from_regex(study.key, fullmatch=True, alphabet=st.characters(codec="ascii"))))
    recording = Path("/nights", study.recording.format(key=key))
    assert study.key_of_recording(recording) == key
    for letter in "AZ09":
        assert study.key_of_hypnogram(Path("/nights", study.hypnogram.format(key=key).replace("?", letter))) == key
    if more and "/" not in more and "\x00" not in more:
        for longer in (recording.name + more, more + recording.name):
            assert study.key_of_recording(recording.with_name(longer)) is None


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\x00"), max_size=30))
def test_any_name_at_all_is_taken(name):
    for study in STUDIES:
        key = study.key_of_recording(Path(name)) or study.key_of_hypnogram(Path(name))
        assert key is None or key.casefold() in name.casefold()
    assert isinstance(night_name(Path(name)), str)


def test_every_study_numbers_its_own_subjects():
    assert [len(study.subjects) for study in (SLEEPEDF, TELEMETRY, ISRUC, UCDDB)] == [78, 0, 100, 25]
    assert not set(SLEEPEDF.subjects) & {39, 68, 69, 78, 79}
    assert not set(UCDDB.subjects) & {1, 4, 16, 29}


def test_names_are_those_of_the_published_runs():
    names = [isruc_night(subject) for subject in ISRUC.subjects if subject != 40]
    assert names == [f"subject{i}" for i in range(99)]
    assert (isruc_night(39), isruc_night(41), isruc_night(100)) == ("subject38", "subject39", "subject98")
    assert isruc_night(40) == "subject99"  # after all others, so that it renames nobody


# ---- what the stages mean ----


def test_labels_mean_what_the_releases_say():
    assert SLEEPEDF_CODES == {
        "Sleep stage W": 0,
        "Sleep stage 1": 1,
        "Sleep stage 2": 2,
        "Sleep stage 3": 3,
        "Sleep stage 4": 3,
        "Sleep stage R": 4,
        "Movement time": UNKNOWN,
        "Sleep stage ?": UNKNOWN,
    }
    assert ISRUC_CODES == {0: 0, 1: 1, 2: 2, 3: 3, 5: 4}
    assert UCDDB_CODES == {0: 0, 1: 4, 2: 1, 3: 2, 4: 3, 5: 3, 6: UNKNOWN, 7: UNKNOWN, 8: UNKNOWN}


def test_stage_1_is_rem_in_ucddb_and_what_nobody_staged_is_unknown(tmp_path):
    (tmp_path / "ucddb002_stage.txt").write_text("0\n1\n2\n3\n4\n5\n6\n7\n8\n")
    codes = read_ucddb(tmp_path / "ucddb002_stage.txt").codes
    assert codes.tolist() == [0, 4, 1, 2, 3, 3, UNKNOWN, UNKNOWN, UNKNOWN]


# ---- a recording's hypnogram ----


def touched(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize(
    ("recording", "hypnogram"),
    [
        ("SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"),
        ("ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf"),
        ("8/8.rec", "8/8_1.txt"),
        ("ucddb002.rec", "ucddb002_stage.txt"),
    ],
)
def test_a_hypnogram_is_found_beside_its_recording(tmp_path, monkeypatch, recording, hypnogram):
    path = touched(tmp_path / recording)
    for other in ("SC4002EC-Hypnogram.edf", "8/8_2.txt", "ucddb003_stage.txt", "own.txt", "own.edf"):
        touched(tmp_path / other)
    assert hypnogram_beside(path) is None
    touched(tmp_path / hypnogram)
    assert hypnogram_beside(path) == tmp_path / hypnogram
    monkeypatch.chdir(path.parent)  # where the folder's name is not written out
    assert hypnogram_beside(Path(path.name)) == Path(Path(hypnogram).name)


def test_two_hypnograms_beside_a_recording_are_never_guessed(tmp_path):
    path = touched(tmp_path / "SC4001E0-PSG.edf")
    for scorer in "CJ":
        touched(tmp_path / f"SC4001E{scorer}-Hypnogram.edf")
    two = "SC4001EC-Hypnogram.edf, SC4001EJ-Hypnogram.edf"
    with pytest.raises(InputError, match=rf"several hypnograms beside it \({two}\); say which is the hypnogram"):
        hypnogram_beside(path)


def test_a_recording_of_one_s_own_has_none_beside_it(tmp_path):
    path = touched(tmp_path / "own.edf")
    touched(tmp_path / "own.txt")
    assert hypnogram_beside(path) is None
    assert (study_of(path), night_name(path)) == (None, "own")


def lines(path, *numbers):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{number}\n" for number in numbers))
    return path


@pytest.mark.parametrize(
    ("hypnogram", "recording", "codes"),
    [
        ("ucddb022_stage.txt", "ucddb022.rec", [0, 4, 1, 2]),  # by both names
        ("ucddb022_stage.txt", None, [0, 4, 1, 2]),
        ("ucddb022_stage.txt", "8/8.rec", [0, 4, 1, 2]),  # the hypnogram's own name comes first
        ("ucddb022_stage.txt", "own.edf", [0, 4, 1, 2]),
        ("scored.txt", "ucddb022.rec", [0, 4, 1, 2]),  # by the recording's
        ("8/8_1.txt", "8/8.rec", [0, 1, 2, 3]),
        ("8/8_2.txt", "8/8.rec", [0, 1, 2, 3]),  # the other expert
        ("8/8_2.txt", "ucddb022.rec", [0, 1, 2, 3]),
        ("8/8_1.TXT", "8/8.rec", [0, 1, 2, 3]),
        ("8/8_1.txt", None, [0, 1, 2, 3]),
        ("scored.txt", "8/8.rec", [0, 1, 2, 3]),
    ],
)
def test_numbers_mean_what_their_own_study_says(tmp_path, hypnogram, recording, codes):
    path = lines(tmp_path / hypnogram, 0, 1, 2, 3)
    assert read_hypnogram(path, recording and tmp_path / recording).codes.tolist() == codes


def test_names_are_known_from_within_the_folder_too(tmp_path, monkeypatch):
    lines(tmp_path / "8" / "8_2.txt", 5)
    monkeypatch.chdir(tmp_path / "8")
    assert read_hypnogram(Path("8_2.txt"), None).codes.tolist() == [4]


@pytest.mark.parametrize(
    ("hypnogram", "recording"),
    [
        ("scored.txt", None),
        ("scored.txt", "own.edf"),
        ("9/8_1.txt", None),  # of which subject?
        ("8/8_3.txt", "own.rec"),
        ("ucddb022.txt", None),
        ("scored.txt", "SC4001E0-PSG.edf"),  # whose hypnograms hold no numbers
        ("scored.txt", "ST7011J0-PSG.edf"),
    ],
)
def test_numbers_of_unknown_origin_are_refused(tmp_path, hypnogram, recording):
    path = lines(tmp_path / hypnogram, 0, 1, 2, 3)
    with pytest.raises(InputError, match=r"line 1 is a number; its numbers mean other stages in each"):
        read_hypnogram(path, recording and tmp_path / recording)


@pytest.mark.parametrize("recording", [None, "ucddb022.rec", "8/8.rec", "SC4001E0-PSG.edf", "own.edf"])
def test_annotations_are_read_in_old_and_new_texts_whatever_the_recording(tmp_path, recording):
    texts = ["Sleep stage W", "Sleep stage 1", "Sleep stage 4", "Movement time", *EDF_TEXTS.values()]
    path = write_hypnogram(tmp_path / "a.EDF", *((30 * i, 30, text) for i, text in enumerate(texts)))
    codes = read_hypnogram(path, recording and tmp_path / recording).codes
    assert codes.tolist() == [0, 1, 3, UNKNOWN, *EDF_TEXTS]


@pytest.mark.parametrize(("name", "said"), [("a.doc", r"\.doc"), ("a", "no suffix"), ("a.edf.gz", r"\.gz")])
def test_other_forms_of_hypnogram_are_refused(tmp_path, name, said):
    message = rf"{name}: {said} is not a supported hypnogram; there are .edf, .*\.csv, \.tsv, \.txt"
    with pytest.raises(InputError, match=message):
        read_hypnogram(touched(tmp_path / name), None)


def test_a_hypnogram_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"8_1.txt: no such file"):
        read_hypnogram(tmp_path / "8" / "8_1.txt", None)
    with pytest.raises(InputError, match=r"a.edf: no such file"):
        read_hypnogram(tmp_path / "a.edf", None)


def test_annotations_that_are_no_stages_are_refused(tmp_path):
    path = tmp_path / "a.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, 30, "Sleep stage N5")]).write(path)
    with pytest.raises(InputError, match=r"a.edf: unknown stage 'Sleep stage N5' in annotation 1; there are .*n1"):
        read_hypnogram(path, None)


# ---- data sets: prepared nights ----


@pytest.mark.parametrize(
    ("name", "n_subjects", "n_folds", "file"),
    [
        ("sleepedf", 20, 20, "SC4001E0.npz"),
        ("sleepedfx", 78, 10, "SC4001E0.npz"),
        ("isruc", 99, 10, "subject0.npz"),
        ("ucddb", 25, 25, "ucddb002.npz"),
    ],
)
def test_published_data_sets(name, n_subjects, n_folds, file):
    dataset = dataset_named(name)
    assert (len(dataset.subjects), dataset.n_folds) == (n_subjects, n_folds)
    assert Path(file).match(dataset.night_pattern.format(subject=dataset.subjects[0]))


@pytest.mark.parametrize("name", ["sleepedf", "sleepedfx"])
@pytest.mark.parametrize("file", ["ST7011J0.npz", "SC4011E0.npz", "SC4001E0.txt", "SC4003E0.npz"])
def test_other_studies_and_subjects_are_no_nights_of_subject_0(name, file):
    assert not Path(file).match(DATASETS[name].night_pattern.format(subject=0))


def test_isurc_is_read_as_isruc_with_a_notice(caplog):
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert dataset_named("isurc") is DATASETS["isruc"]
        assert "--db isurc: reading this as isruc" in caplog.text
        caplog.clear()
        assert dataset_named("isruc") is DATASETS["isruc"]
        assert not caplog.text


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="--db shhs: no such data set; there are sleepedf, sleepedfx, isruc, ucddb"):
        dataset_named("shhs")


@pytest.mark.parametrize("name", DATASETS)
def test_folds_fit_the_subjects(name):
    dataset = DATASETS[name]
    assert dataset.name == name
    assert 2 <= dataset.n_folds <= len(dataset.subjects)
    assert sorted(set(dataset.subjects)) == list(dataset.subjects)


@pytest.mark.parametrize("name", DATASETS)
def test_every_prepared_night_leads_back_to_its_subject(name):
    """Subjects of ISRUC are renumbered without 40; those of the other data sets keep their numbers."""
    dataset, study = DATASETS[name], DATASETS[name].study
    letters = {SLEEPEDF: "SC4{:02d}1E", ISRUC: "{}", UCDDB: "ucddb{:03d}"}[study]
    found = {subject: dataset.subject_of(study.night(letters.format(subject))) for subject in study.subjects}
    if study is ISRUC:
        assert found.pop(40) is None
        assert list(found.values()) == list(dataset.subjects)
    else:
        assert {number: subject for number, subject in found.items() if subject is not None} == {
            subject: subject for subject in dataset.subjects
        }


@pytest.mark.parametrize("night", ["", "mine", "SC4831E0", "xSC4001E0", "subject099", "subject99", "ucddb004", "*"])
def test_other_nights_are_of_no_subject(night):
    assert [dataset.subject_of(night) for dataset in DATASETS.values()] == [None] * 4


def test_versions_of_a_night_are_of_its_subject():
    assert [DATASETS["sleepedf"].subject_of(night) for night in ("SC4071E0", "SC4071E0-3")] == [7, 7]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_the_script_that_prepares_a_data_set_is_there(dataset):
    assert (Path(__file__).parent.parent / dataset.prepared_with).is_file()


def test_both_experts_of_isruc_are_named_and_the_first_is_the_study_s():
    assert [ISRUC_EXPERTS[number].format(key=8) for number in (1, 2)] == ["8/8_1.txt", "8/8_2.txt"]
    assert ISRUC.hypnogram == ISRUC_EXPERTS[1]
