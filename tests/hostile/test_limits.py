"""Files that are small and ask for much: each is read or refused within the memory and the time that are promised."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data import load_night, save_night
from evaluation.nights import read_scored
from files.limits import LONGEST_SIGNAL
from files.reading import load_json
from recordings.tables import read_table
from tests.hostile.fuzz import outcome
from tests.hostile.kinds import KINDS, a_night, read_night, read_stages

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory as Linux tells it")

BYTES = 2**24 - 100  # as large as a text file may be


def text(unit: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(unit * (BYTES // len(unit)))

    return write


def bomb(n_epochs: int, descr: str, by_column: bool) -> Callable[[Path], None]:
    """Return what writes a night of zeros: a file of a megabyte, a signal as large as any may be."""

    def write(path: Path) -> None:
        head, stages = io.BytesIO(), io.BytesIO()
        form = {"descr": descr, "fortran_order": by_column, "shape": (n_epochs, 3000)}
        np.lib.format.write_array_header_1_0(head, form)
        np.lib.format.write_array(stages, np.zeros(n_epochs, np.int32))
        n_bytes = n_epochs * 3000 * np.dtype(descr).itemsize
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr("y.npy", stages.getvalue())
            with archive.open("x.npy", "w", force_zip64=True) as file:
                file.write(head.getvalue())
                for _ in range(n_bytes // 2**24):
                    file.write(bytes(2**24))
                file.write(bytes(n_bytes % 2**24))

    return write


def many_entries(path: Path) -> None:
    """Write a night whose zip directory has a million entries."""
    save_night(path, a_night())
    content = path.read_bytes()
    first, end = content.find(b"PK\x01\x02"), content.rfind(b"PK\x05\x06")
    entries = content[first:end] * (1_000_000 // content.count(b"PK\x01\x02"))
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, len(entries), first, 0)
    path.write_bytes(content[:first] + entries + last)


def sidecar(path: Path) -> None:
    path.write_text("onset\tduration\ttrial_type\n0\t30\tN2\n")
    path.with_suffix(".json").write_bytes(b'{"trial_type":{"Levels":{' + b'"1":"N2",' * 1_500_000 + b'"2":"N2"}}}')


def scores(path: Path) -> None:
    (path.parent / "metrics.json").write_text("{}")
    path.write_text("night,subject,epoch,expert,model,p_W,p_N1,p_N2,p_N3,p_REM\n" + "a,a,1,W,W,1,0,0,0,0\n" * 400_000)


N_EPOCHS = LONGEST_SIGNAL // 4 // 3000
SMALL_FILES: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], object]]] = {
    **{
        f"lines that end in {end!r}": ("a.eannot", text(b"W" + end), read_stages)
        for end in (b"\n", b"\r", b"\x0b", "\u2028".encode())
    },
    "one line": ("a.csv", text(b"W,"), read_stages),
    "a head of columns": ("a.csv", text(b"x,"), lambda path: read_table(path, ("night",))),
    "a head of one name": ("a.csv", text(b"x"), lambda path: read_table(path, ("night",))),
    "a JSON sidecar": ("a.tsv", sidecar, read_stages),
    "JSON of empty lists": ("a.json", text(b"[],"), lambda path: load_json(path, "again")),
    "JSON, nested": ("a.json", text(b"["), lambda path: load_json(path, "again")),
    "float64 by columns": ("n.npz", bomb(N_EPOCHS, "<f8", True), load_night),
    "float32 by rows": ("n.npz", bomb(N_EPOCHS, "<f4", False), load_night),
    "more than there may be": ("n.npz", bomb(N_EPOCHS + 1, "<f2", False), load_night),
    "a zip directory": ("n.npz", many_entries, read_night),
    "scores": ("epochs.csv", scores, lambda path: read_scored(str(path.parent))),
}


@pytest.mark.parametrize("name", SMALL_FILES)
def test_a_small_file_takes_neither_the_memory_nor_the_time(tmp_path, name):
    file, write, read = SMALL_FILES[name]
    write(tmp_path / file)
    what, said = outcome(replace(KINDS["config.json"], read=read), tmp_path / file)
    assert what in ("read", "refused"), said
