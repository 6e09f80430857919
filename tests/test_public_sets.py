"""Public data sets by name: the table, and releases fetched from a server on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pooch import file_hash

import prepare
from command import InputError
from data import load_night
from recordings.datasets import DATASETS
from recordings.public_sets import CHECKSUMS, PUBLIC_SETS, download, in_words, subjects_of
from tests.support.file_server import served

RELEASES = {
    "hmc": (
        *("recordings/SN001.edf", "recordings/SN001_sleepscoring.edf", "recordings/SN001_sleepscoring.txt"),
        *("recordings/SN002.edf", "recordings/SN002_sleepscoring.edf", "subject-info.csv"),
    ),
    "cap": ("n1.edf", "n1.txt", "n1.edf.st", "n10.edf", "n10.txt", "gender-age.xlsx"),
    "sleepedf_st": (
        *("sleep-telemetry/ST7011J0-PSG.edf", "sleep-telemetry/ST7011JP-Hypnogram.edf"),
        *(
            "sleep-telemetry/ST7022J0-PSG.edf",
            "sleep-telemetry/ST7022JM-Hypnogram.edf",
            "sleep-cassette/SC4001E0-PSG.edf",
        ),
    ),
}
"""Some files of each release that can be fetched, as it calls them."""

FIRST = {"hmc": ("SN001", 3), "cap": ("n1", 2), "sleepedf_st": ("ST701", 2)}  # a subject, and its files


@pytest.fixture
def release(tmp_path):
    """Return a function that writes a release's files and its list of checksums into a folder."""

    def write(name):
        folder = tmp_path / "release"
        for file in RELEASES[name]:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(file)
        lines = "".join(f"{file_hash(folder / file)} {file}\n" for file in RELEASES[name])
        (folder / CHECKSUMS).write_text(lines)
        return folder

    return write


SHARED = Path(__file__).parents[2] / "shared"
LAYOUTS = ("hmc", "hmc_txt", "cap", "dreams", "mass", "shhs", "mesa", "sleepedf_st", "boas")


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """Return a folder with three nights of each layout, of the excerpt, with what is right in truth.json."""
    folder = tmp_path_factory.mktemp("layouts")
    script = SHARED / "tools" / "public_layouts.py"
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real excerpt that the layouts are filled with is not here")
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_public_layout_is_prepared_by_its_name_alone(name, layouts, tmp_path):
    db = name.partition("_txt")[0]
    assert prepare.main(["--db", db, "--data_dir", str(layouts / name), "--output_dir", str(tmp_path / name)]) == 0
    truth = json.loads((layouts / name / "truth.json").read_text())
    nights = {path.stem: load_night(path, 3000, 100) for path in (tmp_path / name).glob("*.npz")}
    assert len(nights) == len(truth)
    for key, counts in truth.items():
        (night,) = (night for path, night in nights.items() if path.startswith(key))
        assert np.bincount(night.y, minlength=5).tolist() == counts, key


@pytest.mark.parametrize("name", RELEASES)
def test_the_files_of_a_subject_are_fetched_and_no_other(name, release, tmp_path):
    subject, n_files = FIRST[name]
    with served(release(name)) as (url, asked):
        download(PUBLIC_SETS[name], [subject], tmp_path / "raw", url)
        download(PUBLIC_SETS[name], [subject], tmp_path / "raw", url)
    assert len(asked) == 1 + n_files
    files = {path.relative_to(tmp_path / "raw").as_posix() for path in (tmp_path / "raw").rglob("*") if path.is_file()}
    assert files == {CHECKSUMS, *(file.lstrip("/") for file in asked if CHECKSUMS not in file)}


@pytest.mark.parametrize(
    ("subjects", "message"), [(None, "say which subjects"), (["SN9"], "SN9: hmc has no such subject")]
)
def test_a_subject_has_to_be_named_and_there(subjects, message, release, tmp_path):
    with (
        served(release("hmc")) as (url, _),
        pytest.raises(InputError, match=f"{message}.*; there are 2, SN001 to SN002"),
    ):
        download(PUBLIC_SETS["hmc"], subjects, tmp_path / "raw", url)


def test_what_is_handed_out_on_request_cannot_be_fetched(tmp_path):
    with pytest.raises(InputError, match="shhs has no release to fetch file by file; ask for it at https://sleepdata"):
        download(PUBLIC_SETS["shhs"], ["1"], tmp_path)


def test_every_row_says_what_a_reader_needs():
    assert not PUBLIC_SETS.keys() & DATASETS.keys()
    for name, data_set in PUBLIC_SETS.items():
        assert name == data_set.name and data_set.tried and data_set.home.startswith("https://")
        assert bool(data_set.release) == bool(data_set.files) == (name in RELEASES)
        assert data_set.licence in in_words(data_set)
    subjects = {name: subjects_of(PUBLIC_SETS[name], files) for name, files in RELEASES.items()}
    assert subjects == {"hmc": ["SN001", "SN002"], "cap": ["n1", "n10"], "sleepedf_st": ["ST701", "ST702"]}
