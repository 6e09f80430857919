"""How files are damaged: anywhere in their bytes, and where their format says what it means.

Every function takes the generator of random numbers that decides; the same seed damages a file in the same way.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from recordings.edf import RECORDING_FIELDS, SIGNAL_FIELDS

Mutation = Callable[[random.Random, bytes], bytes]

NUMBERS = (
    *(
        "",
        "0",
        "-1",
        "1",
        "2",
        "-99999",
        "99999999",
        "1e-5",
        "1e9",
        "1e300",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1,5",
        "1_0",
    ),
    *("+5", " 7 ", "٣", "1e", "--1", "4294967296", "9223372036854775808", "1" + 60 * "0", "0.0000001", "3.5", "True"),
)
BYTES = (b"\x00", b"\xff", b"\x14", b"\x15", b"\n", b"\r", b" ", b"+", b"-", b"9", b"PK", b"\x00\x00\x00\x80")


# ---- anywhere ----


def flipped(rng: random.Random, content: bytes) -> bytes:
    """Flip some bits."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8, 64))):
        if damaged:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def flipped_at_either_end(rng: random.Random, content: bytes) -> bytes:
    """Change a byte near the beginning or the end, where formats keep what a file is."""
    near = min(len(content), 600)
    damaged = bytearray(content)
    if near:
        at = rng.randrange(near)
        damaged[at if rng.random() < 0.5 else len(content) - 1 - at] = rng.randrange(256)
    return bytes(damaged)


def cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def longer(rng: random.Random, content: bytes) -> bytes:
    return content + rng.randbytes(rng.choice((1, 100, 5000)))


def spliced(rng: random.Random, content: bytes) -> bytes:
    """Take a piece out, double one, or put something in between."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 2, 7, 200)))
    piece = rng.choice((b"", content[start:end] * rng.choice((2, 50)), rng.choice(BYTES) * rng.choice((1, 3, 300))))
    return content[:start] + piece + content[end:]


def digits_changed(rng: random.Random, content: bytes) -> bytes:
    """Change one of the digits that are in the file."""
    places = [at for at, byte in enumerate(content[:20_000]) if 48 <= byte <= 57]
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 3))):
        if places:
            damaged[rng.choice(places)] = rng.choice(b"0123456789-+. \x00")
    return bytes(damaged)


ANYWHERE: tuple[Mutation, ...] = (flipped, flipped_at_either_end, cut, longer, spliced, digits_changed)


def damaged(rng: random.Random, content: bytes, own: Sequence[Mutation]) -> bytes:
    """Damage a file once to four times, as often where its format has a meaning as anywhere."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(own if own and rng.random() < 0.6 else ANYWHERE)(rng, content)
    return content


# ---- EDF ----

HEADER_TEXTS = {
    "label": ("EDF Annotations", "BDF Annotations", "", "EEG Fpz-Cz", "C3-M2", "ECG"),
    "unit": ("", "uV", "mV", "%", "degC", "\xb5V"),
    "reserved": ("EDF+C", "EDF+D", "BDF+C", "BDF+D", "EDF+", "24BIT", ""),
    "start_date": ("31.02.01", "00.00.00", "01.01.84", "99.99.99", "aa.bb.cc"),
    "start_time": ("25.00.00", "00.00.60", "23.59.59", "-1.00.00", "22:00:00"),
    "recording": ("Startdate 04-MAR-2130 X X X", "Startdate 31-FEB-2001 X X X", "Startdate X X X X", "\xff" * 80, ""),
    "patient": ("X" * 80, "Simulated", "\x00" * 80),
}


def edf_fields(content: bytes) -> list[tuple[str, int, int]]:
    """Return every field of an EDF header: its name, where it is, and how many bytes it has."""
    fields, at = [], 0
    for name, width in RECORDING_FIELDS.items():
        fields.append((name, at, width))
        at += width
    text = content[252:256].strip()
    n_signals = min(int(text), 20) if text.isdigit() else 0
    for name, width in SIGNAL_FIELDS.items():
        fields += [(name, at + i * width, width) for i in range(n_signals)]
        at += n_signals * width
    return fields


def edf_header_changed(rng: random.Random, content: bytes) -> bytes:
    """Write something else into one field of the header."""
    name, at, width = rng.choice(edf_fields(content))
    text = rng.choice(HEADER_TEXTS.get(name, NUMBERS) if rng.random() < 0.8 else NUMBERS)
    return content[:at] + text.encode("latin-1", "replace")[:width].ljust(width) + content[at + width :]


def edf_sizes_changed(rng: random.Random, content: bytes) -> bytes:
    """Change what decides how much is read: records, their length, signals, samples."""
    wanted = ("n_records", "record_seconds", "n_signals", "samples_a_record", "header_bytes")
    _, at, width = rng.choice([field for field in edf_fields(content) if field[0] in wanted])
    return content[:at] + rng.choice(NUMBERS).encode("latin-1", "replace")[:width].ljust(width) + content[at + width :]


def edf_annotation_changed(rng: random.Random, content: bytes) -> bytes:
    """Damage an annotation or a time stamp, in place or by writing another over it."""
    places = [at for at in range(256, len(content)) if content[at] in b"\x14\x15"]
    if not places:
        return flipped(rng, content)
    at = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        return content[:at] + rng.choice(BYTES)[:1] + content[at + 1 :]
    if kind == 1:  # a time stamp or annotation is blanked
        start, end = content.rfind(b"\x00", 0, at) + 1, content.find(b"\x00", at)
        return content[:start] + bytes(max(0, end - start)) + content[max(start, end) :]
    onset = rng.choice(("-5", "+1e14", "+99999999999999", "+0.0000001", "+5\x18", "+", "30", "+" + 300 * "1"))
    text = rng.choice(("Lights off", "Sleep stage W", "Sleep stage 9", "\xff\xfe", "", "L ON", "A" * 2000, "BAD_x"))
    new = f"{onset}\x15{rng.choice(NUMBERS)}\x14{text}\x14\x00".encode("utf-8", "replace")
    start = content.rfind(b"\x00", 0, at) + 1
    return (content[:start] + new + content[start + len(new) :])[: len(content)]


EDF: tuple[Mutation, ...] = (edf_header_changed, edf_sizes_changed, edf_annotation_changed)


# ---- npz ----


def members(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # it was damaged before
        return {}


def zipped(parts: dict[str, bytes], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


def npy(shape: str, descr: str, data: bytes, version: tuple[int, int] = (1, 0), order: str = "False") -> bytes:
    """Return an array in NumPy's format whose header says what is asked for, true or not."""
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode("latin-1") + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


SHAPES: tuple[str, ...] = (
    "()",
    "(1,)",
    "(4, 3000)",
    "(4, 3000, 1)",
    "(0, 3000)",
    "(-1,)",
    "(99999999999,)",
    "(2**40, 2)",
    "(True,)",
    "[4]",
)
SHAPES += ("4", "(4.0,)", "(10**30,)", "(300000, 3000)", "((4,),)", "(4,", "'x'")
DESCRS: tuple[str, ...] = (
    "'<f4'",
    "'<f8'",
    "'<i4'",
    "'|O'",
    "'<U5'",
    "'|S3'",
    "'<c8'",
    "'|b1'",
    "'>f4'",
    "'<M8[s]'",
    "'|V8'",
    "'<U0'",
)
DESCRS += ("[('a', '<f4')]", "'<f4', '<f4'", "'zz'", "None", "'<U999999999'", "[('\\u00b5', '<i4')]")


def npz_member_changed(rng: random.Random, content: bytes) -> bytes:
    """Put another array in the place of one of an npz file, and zip it again, so that every check sum is right."""
    parts = members(content)
    if not parts:
        return flipped(rng, content)
    name = rng.choice(list(parts))
    kind = rng.randrange(7)
    if kind == 0:
        del parts[name]
    elif kind == 1:
        parts[name] = damaged(rng, parts[name], ())
    elif kind == 2:
        parts[f"{rng.choice(('extra', 'x', 'y', 'fs', '../up', 'a/b', '.'))}{rng.choice(('.npy', ''))}"] = parts[name]
    elif kind == 3:
        values = rng.choice((float("nan"), float("inf"), 1e30, -1.0, 1e-300))
        parts[name] = npy(rng.choice(("()", "(4,)")), "'<f8'", struct.pack("<d", values) * 4)
    elif kind == 4:  # a header of version 2 or 3 is as good as one of version 1
        old = parts[name]
        if old[:8] == b"\x93NUMPY\x01\x00":
            length = struct.unpack("<H", old[8:10])[0]
            parts[name] = old[:6] + bytes((rng.choice((2, 3)), 0)) + struct.pack("<I", length) + old[10:]
    else:
        data = rng.choice((b"", bytes(48_000), rng.randbytes(4000)))
        version = rng.choice(((1, 0), (2, 0), (3, 0), (9, 9)))
        order = rng.choice(("False", "True", "7"))
        parts[name] = npy(rng.choice(SHAPES), rng.choice(DESCRS), data, version, order)
    return zipped(parts, compression=rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))


def npz_swollen(rng: random.Random, content: bytes) -> bytes:
    """Put an array of 24 MB of zeros, which take 24 KB, into an npz file: under a name that is needed, or another."""
    parts = members(content)
    if not parts or rng.random() < 0.5:  # it takes a while
        return npz_member_changed(rng, content)
    name = rng.choice((*parts, "unused.npy"))
    return zipped(parts | {name: npy("(3000000,)", "'<f8'", bytes(24_000_000))}, compression=zipfile.ZIP_DEFLATED)


def zip_directory_changed(rng: random.Random, content: bytes) -> bytes:
    """Change a byte of the zip directory."""
    start = content.rfind(b"PK\x01\x02")
    first = content.find(b"PK\x01\x02")
    if start < 0:
        return flipped(rng, content)
    at = rng.randrange(first, len(content))
    return content[:at] + bytes((rng.randrange(256),)) + content[at + 1 :]


def zip_entries_repeated(rng: random.Random, content: bytes) -> bytes:
    """Repeat the entries of the zip directory, whose end says so, or says something else."""
    first, end = content.find(b"PK\x01\x02"), content.rfind(b"PK\x05\x06")
    if first < 0 or end < first:
        return flipped(rng, content)
    entries = content[first:end] * rng.choice((2, 100, 5000))
    n_entries = rng.choice((0, 1, 2**16 - 1))
    n_bytes = rng.choice((len(entries), len(entries), 0, 2**32 - 1))
    return (
        content[:first]
        + entries
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, n_entries, n_entries, n_bytes, first, 0)
    )


ZIP_DIRECTORY: tuple[Mutation, ...] = (zip_directory_changed, zip_entries_repeated)
NPZ: tuple[Mutation, ...] = (npz_member_changed, npz_member_changed, zip_directory_changed, npz_swollen)


# ---- JSON and tables ----

VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    1.5,
    1e308,
    10**40,
    "",
    "x",
    "0",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    [None],
    ["x"],
)


def json_changed(rng: random.Random, content: bytes) -> bytes:
    """Put something else in the place of one value, or take it away."""
    try:
        tree = json.loads(content)
    except ValueError:
        return flipped(rng, content)
    here: Any = tree
    while isinstance(here, (dict, list)) and here:
        key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
        below = here[key]
        if not isinstance(below, (dict, list)) or not below or rng.random() < 0.4:
            if rng.random() < 0.2:
                del here[key]
            else:
                here[key] = rng.choice(VALUES)
            break
        here = below
    return json.dumps(tree if rng.random() < 0.98 else rng.choice(VALUES)).encode()


def cell_changed(rng: random.Random, content: bytes) -> bytes:
    """Put something else into a cell of a table, or leave it out."""
    lines = content.decode("utf-8", "replace").split("\n")
    line = rng.randrange(len(lines))
    cells = lines[line].split(",")
    new = rng.choice((*NUMBERS, "train", "pretrain", "False", '"', "a,b", None))
    cell = rng.randrange(len(cells))
    cells[cell : cell + 1] = [] if new is None else [new]
    lines[line] = ",".join(cells)
    return "\n".join(lines).encode("utf-8", "replace")


def line_changed(rng: random.Random, content: bytes) -> bytes:
    """Put something else in the place of a line."""
    lines = content.split(b"\n")
    lines[rng.randrange(len(lines))] = rng.choice(
        (*(text.encode() for text in NUMBERS), b"\xff\xfe", b"5" * 3000, b"4")
    )
    return b"\n".join(lines)
