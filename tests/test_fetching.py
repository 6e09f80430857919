"""Files fetched from a server on this machine: whole, checked, and only those that are not there yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from pooch import file_hash

import convert
from command import InputError
from files.fetching import fetch, fetch_checksums, read_checksums
from folds import published
from folds.folders import find_folds
from recordings.datasets import DATASETS
from tests.support.file_server import served
from tests.support.generated import write_published

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture
def release(tmp_path):
    """Return a folder of three files, and their checksums."""
    folder = tmp_path / "release"
    for name in ("a/1.bin", "a/2.bin", "b/3.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 1000)
    return folder, {name: file_hash(folder / name) for name in ("a/1.bin", "a/2.bin", "b/3.bin")}


def test_only_what_is_absent_or_damaged_is_fetched(release, tmp_path):
    folder, checksums = release
    with served(folder) as (url, asked):
        assert fetch(checksums, url, tmp_path / "out") == 3
        (tmp_path / "out/a/2.bin").write_bytes(b"half")
        (tmp_path / "out/b/3.bin").unlink()
        asked.clear()
        assert fetch(checksums, url, tmp_path / "out") == 2
        assert asked == ["/a/2.bin", "/b/3.bin"]
    fetched = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert fetched == checksums.keys() and all(
        file_hash(tmp_path / "out" / name) == checksums[name] for name in fetched
    )


def test_a_file_that_is_not_the_known_one_takes_no_place(release, tmp_path):
    folder, checksums = release
    (folder / "a/2.bin").write_bytes(b"another")
    with (
        served(folder) as (url, _),
        pytest.raises(InputError, match=r"a/2\.bin: another file than the one"),
    ):
        fetch(checksums, url, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["1.bin"]


def test_a_server_without_the_file_and_no_server_are_one_line_each(release, tmp_path):
    folder, checksums = release
    (folder / "b/3.bin").unlink()
    with (
        served(folder) as (url, _),
        pytest.raises(InputError, match=r"3\.bin: the server answered 404; try"),
    ):
        fetch(checksums, url, tmp_path / "out")
    with pytest.raises(InputError, match=r"^cannot fetch http.*: no connection; try again later.*$"):
        fetch(checksums, url, tmp_path / "out")  # the server has ended


def test_checksums_of_a_release_are_fetched_once(release, tmp_path):
    folder, checksums = release
    lines = "".join(f"{value} *{name}\n" for name, value in checksums.items())
    (folder / "SHA256SUMS.txt").write_text(f"# a comment\n{lines}\n")
    with served(folder) as (url, asked):
        for _ in range(2):
            assert fetch_checksums(url, "SHA256SUMS.txt", tmp_path / "out") == checksums
        assert asked == ["/SHA256SUMS.txt"]


# ---- the published checkpoints ----


def test_the_list_has_three_files_of_every_published_fold():
    names = read_checksums(published.RELEASE_FILES)
    folds = {(db, int(fold)) for db, fold, _ in (name.split("/") for name in names)}
    n_folds = {db: sum(of == db for of, _ in folds) for db, _ in folds}
    assert n_folds == {name: DATASETS[name].n_folds for name in published.CONDITIONING}
    assert len(names) == 3 * len(folds) == 195


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published checkpoints are not here")
def test_the_list_has_the_checksums_of_published_files():
    folder, names = SHARED / "real" / "published_checkpoints", read_checksums(published.RELEASE_FILES)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and all(file_hash(path) == names[str(path.relative_to(folder))] for path in files)


def test_published_checkpoints_are_fetched_where_predict_finds_them(tmp_path, monkeypatch, capsys):
    release = tmp_path / "release"
    for fold in (0, 3):
        write_published(release / "isruc" / str(fold))
    files = sorted(path for path in release.rglob("*") if path.is_file())
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{file_hash(path)} {path.relative_to(release)}\n" for path in files))
    monkeypatch.setattr(published, "RELEASE_FILES", listing)
    monkeypatch.chdir(tmp_path)
    with served(release) as (url, asked):
        for _ in range(2):
            assert convert.main(["--download", "isruc", "--mirror", url.rstrip("/")]) == 0
        assert len(asked) == len(files)
    assert list(find_folds(tmp_path / "published", DATASETS["isruc"])) == [0, 3]
    printed = capsys.readouterr().out
    assert "licence of the published checkpoints: for academic and non-commercial use only" in printed
    assert "published/isruc: 2 folds" in printed
    assert "python predict.py night.edf --dir published --db isruc" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--download", "shhs"],
            "--download shhs: there are published checkpoints of sleepedf, sleepedfx, ",
        ),
        (["--download", "isruc", "--mirror", "http://127.0.0.1:9"], "no connection"),
        (["folder", "--download", "isruc"], "--download fetches checkpoints as they are; leave out folder"),
        (["folder", "--db", "isruc"], "--to is missing"),
        (["folder", "--db", "isruc", "--to", "out", "--mirror", "x"], "--mirror x goes with --download"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert convert.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
