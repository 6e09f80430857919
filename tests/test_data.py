"""Nights on disk: their properties on random input, and bad input."""

import io
import os
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import data
from command import InputError
from data import Night


def a_night(n_epochs: int = 4, n_samples: int = 10) -> Night:
    x = np.random.default_rng(0).normal(0, 30, (n_epochs, n_samples)).astype(np.float32)
    return Night("SC4001E0", x, np.arange(n_epochs, dtype=np.int32) % 5, 100.0, "EEG Fpz-Cz", {"source_rate": 100})


# ---- one night on disk ----


@st.composite
def any_night(draw) -> Night:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 8)))
    names = st.text(st.characters(categories=["L"], max_codepoint=127), min_size=1).filter(
        lambda name: name not in ("x", "y", "fs", "file")  # `file` is NumPy's own argument
    )
    values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.integers(-(2**40), 2**40)
    return Night(
        "night",
        draw(arrays.arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32))),
        draw(arrays.arrays(np.int32, shape[:1], elements=st.integers(0, 4))),
        draw(st.floats(1, 1e4)),
        draw(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))),
        draw(st.dictionaries(names, values, max_size=3)),
    )


@settings(deadline=None)
@given(night=any_night())
def test_a_night_comes_back_as_it_was_saved(tmp_path_factory, night):
    path = tmp_path_factory.getbasetemp() / "night.npz"
    data.save_night(path, night)
    loaded = data.load_night(path, input_size=night.x.shape[1])
    for field in ("x", "y"):
        saved, back = getattr(night, field), getattr(loaded, field)
        assert saved.dtype == back.dtype
        np.testing.assert_array_equal(saved, back)
    assert (loaded.name, loaded.fs, loaded.ch_label, loaded.source) == ("night", night.fs, night.ch_label, night.source)
    assert len(loaded) == len(night.y)


def test_a_saved_night_is_one_compressed_file_without_objects(tmp_path):
    data.save_night(tmp_path / "SC4001E0.npz", a_night())
    assert [path.name for path in tmp_path.iterdir()] == ["SC4001E0.npz"]
    with zipfile.ZipFile(tmp_path / "SC4001E0.npz") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    with np.load(tmp_path / "SC4001E0.npz", allow_pickle=False) as archive:
        assert {name: archive[name].dtype.kind for name in archive} == {
            "x": "f",
            "y": "i",
            "fs": "f",
            "ch_label": "U",
            "source_rate": "i",
        }


@settings(deadline=None)
@given(night=any_night())
def test_a_summary_says_what_the_night_says(tmp_path_factory, night):
    path = tmp_path_factory.getbasetemp() / "night.npz"
    data.save_night(path, night)
    summary = data.summarize_night(path, input_size=night.x.shape[1])
    assert (summary.n_epochs, summary.ch_label) == (len(night), night.ch_label)


def test_a_night_that_cannot_be_written_is_the_users_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        data.save_night(tmp_path / "no such folder" / "SC4001E0.npz", a_night())


@settings(deadline=None)
@given(night=any_night(), start=st.integers(-8, 8), stop=st.integers(-8, 8))
def test_a_signal_on_disk_slices_like_one_in_memory(tmp_path_factory, night, start, stop):
    path = tmp_path_factory.mktemp("nights") / "night.npz"
    data.save_night(path, night)
    for _ in range(2):  # written, then found
        loaded = data.load_night(path, on_disk=True)
        assert len(loaded.x) == len(night) and loaded.x.shape == night.x.shape
        np.testing.assert_array_equal(loaded.x[start:stop], night.x[start:stop])
        np.testing.assert_array_equal(loaded.y, night.y)


def test_a_signal_stored_column_by_column_lies_on_disk_row_by_row(tmp_path):
    x = np.arange(500, dtype=np.float32).reshape(100, 5).T
    np.savez(tmp_path / "night.npz", x=x, y=np.zeros(5, int))
    np.testing.assert_array_equal(data.load_night(tmp_path / "night.npz", on_disk=True).x[1:3], x[1:3])


def replaced_after_reading(path, modified):
    """Leave a night's signal on disk, put another night, modified at that time, in its place, and return that."""
    data.save_night(path, a_night())
    data.load_night(path, on_disk=True)
    other = Night("SC4001E0", a_night().x + 1, a_night().y)
    data.save_night(path, other)
    os.utime(path, (modified, modified))
    return other


def test_a_night_replaced_by_an_older_file_is_read_anew(tmp_path):
    path = tmp_path / "SC4001E0.npz"
    older = replaced_after_reading(path, 1e9)
    np.testing.assert_array_equal(data.load_night(path, on_disk=True).x[:], older.x)


def test_a_signal_on_disk_is_renewed_with_its_night_and_checked(tmp_path):
    path, later = tmp_path / "SC4001E0.npz", time.time() + 10
    newer = replaced_after_reading(path, later)
    np.testing.assert_array_equal(data.load_night(path, on_disk=True).x[:], newer.x)
    data.save_night(path, Night("SC4001E0", spoiled(np.nan), a_night().y))
    os.utime(path, (later + 10, later + 10))
    with pytest.raises(InputError, match="x holds NaN"):
        data.load_night(path, on_disk=True)
    assert [file.name for file in (tmp_path / "memory_map").iterdir()] == ["SC4001E0.npy"]


def test_nights_of_other_tools_are_read(tmp_path):
    night = a_night()
    np.savez(
        tmp_path / "SC4001E0.npz",
        x=night.x[:, :, np.newaxis].astype(np.float64),
        y=night.y.astype(np.int64),
        fs=100,
        ch_label="EEG Fpz-Cz",
        start_datetime=np.array({"pickled": "object"}, dtype=object),
        header=np.array([{"pickled": "object"}], dtype=object),
        trimmed=np.arange(7),
        n_epochs=4,
    )
    loaded = data.load_night(tmp_path / "SC4001E0.npz", input_size=10, sampling_rate=100)
    np.testing.assert_array_equal(loaded.x, night.x)
    assert (loaded.x.dtype, loaded.y.dtype) == (np.float32, np.int32)
    assert loaded.source == {"n_epochs": 4}


def test_a_night_of_only_x_and_y_is_taken_to_be_at_100_hz(tmp_path):
    np.savez(tmp_path / "night.npz", x=a_night().x, y=a_night().y)
    loaded = data.load_night(tmp_path / "night.npz", sampling_rate=100)
    assert (loaded.fs, loaded.ch_label, loaded.source) == (100, "", {})


def spoiled(value: float, *, at: tuple[int, int] = (2, 5)) -> np.ndarray:
    x = a_night().x.copy()
    x[at] = value
    return x


class Trap:
    """Unpickling it would be seen: nothing of a night's file may ever be run."""

    def __reduce__(self):
        return (pytest.fail, ("an object was unpickled",))


BAD_CONTENT = {
    "no x": ({"y": a_night().y}, "no x in it"),
    "no y": ({"x": a_night().x}, "no y in it"),
    "neither": ({"a": [1]}, "no x and y in it"),
    "not a number": ({"x": spoiled(np.nan)}, "x holds NaN or infinity in 1 epochs, the first is epoch 2"),
    "infinite": ({"x": spoiled(-np.inf)}, "x holds NaN or infinity in 1 epochs, the first is epoch 2"),
    "stage 5": ({"y": [0, 1, 5, 2]}, "stage 5 at epoch 2; stages are 0 to 4"),
    "stage -1": ({"y": [-1, 1, 5, 2]}, "stage -1 at epoch 0"),
    "stages with a point": ({"y": [0.0, 1.0, 2.0, 3.0]}, "y is float64 of shape (4,)"),
    "stages of two experts": ({"y": [[0, 0]] * 4}, "y is int64 of shape (4, 2)"),
    "text for a signal": ({"x": np.full((4, 10), "µV")}, "x is <U2 of shape (4, 10)"),
    "truths for a signal": ({"x": np.ones((4, 10), bool)}, "x is bool of shape (4, 10)"),
    "flat signal": ({"x": np.ones(40)}, "x is float64 of shape (40,)"),
    "two channels": ({"x": np.ones((4, 10, 2))}, "x is float64 of shape (4, 10, 2)"),
    "no epoch": ({"x": np.ones((0, 10)), "y": np.ones(0, int)}, "at least one epoch"),
    "fewer stages": ({"y": [0, 1]}, "4 epochs in x but 2 stages in y"),
    "complex numbers": ({"x": np.ones((4, 10), complex)}, "x is complex128 of shape (4, 10)"),
    "other epochs": ({"x": np.ones((4, 12))}, "12 samples an epoch, but input_size is 10; set input_size to 12"),
    "other rate": ({"fs": 128.0}, "128 Hz, but sampling_rate is 100"),
}


@pytest.mark.parametrize("read", [data.load_night, data.summarize_night])
@pytest.mark.parametrize(("content", "says"), BAD_CONTENT.values(), ids=BAD_CONTENT)
def test_what_is_no_night_is_refused_by_name(tmp_path, content, says, read):
    if read is data.summarize_night and "NaN" in says:
        pytest.skip("a summary does not read the signal")
    path = tmp_path / "SC4001E0.npz"
    whole = {} if says.startswith("no ") else {"x": a_night().x, "y": a_night().y}
    np.savez(path, **(whole | content))
    with pytest.raises(InputError) as error:
        read(path, input_size=10, sampling_rate=100)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("read", [data.load_night, data.summarize_night])
@pytest.mark.parametrize("name", ["x", "y"])
def test_objects_are_refused_without_being_unpickled(tmp_path, name, read):
    content = {"x": a_night().x, "y": a_night().y} | {name: np.array([Trap()] * 4)}
    np.savez(tmp_path / "SC4001E0.npz", **content)
    with pytest.raises(InputError, match=r"SC4001E0\.npz: (not a readable npz file|x is object)"):
        read(tmp_path / "SC4001E0.npz")


def test_a_missing_night_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"SC4001E0\.npz: no such file"):
        data.load_night(tmp_path / "SC4001E0.npz")


@pytest.mark.parametrize("read", [data.load_night, data.summarize_night])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_night_is_refused_by_name(tmp_path, kept, read):
    path = tmp_path / "SC4001E0.npz"
    data.save_night(path, a_night(50, 300))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=r"SC4001E0\.npz: not a readable npz file .*; prepare the night again"):
        read(path)


@pytest.mark.parametrize("place", np.arange(0.02, 0.9, 0.02).round(2))
def test_a_damaged_night_is_refused_by_name(tmp_path, place):
    path = tmp_path / "SC4001E0.npz"
    data.save_night(path, a_night(50, 300))
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"SC4001E0\.npz: not a readable npz file"):
        data.load_night(path)


def test_what_is_no_npz_at_all_is_refused_by_name(tmp_path):
    (tmp_path / "text.npz").write_text("SC4001E0\n")
    np.save(tmp_path / "array.npy", np.ones(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    (tmp_path / "folder.npz").mkdir()
    for name in ("text.npz", "array.npz", "folder.npz"):
        with pytest.raises(InputError, match=f"{name}: not a readable npz file"):
            data.load_night(tmp_path / name)


def test_a_night_that_does_not_fit_is_said_before_anything_is_done_to_it(tmp_path):
    path = tmp_path / "a.npz"
    data.save_night(path, Night("a", np.ones((3, 3840), np.float32), np.zeros(3, np.int32), 128.0))
    refused = data.SignalChange("x", lambda x, recorded: pytest.fail("changed a night that does not fit"))
    for on_disk in (False, True):
        with pytest.raises(InputError, match="3840 samples an epoch, but input_size is 3000"):
            data.load_night(path, 3000, 100, on_disk, refused)


def test_our_own_mistake_in_a_change_is_no_damaged_file(tmp_path):
    path = tmp_path / "a.npz"
    data.save_night(path, Night("a", np.ones((3, 3000), np.float32), np.zeros(3, np.int32)))
    with pytest.raises(ZeroDivisionError):
        data.load_night(path, change=data.SignalChange("x", lambda x, recorded: 1 / 0))


# ---- files that ask for more than they should ----


def npy_of_version(array: np.ndarray, version: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_an_array_is_read(tmp_path, version):
    night = a_night()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, value in {"x": night.x, "y": night.y}.items():
            archive.writestr(f"{name}.npy", npy_of_version(value, version))
    assert data.summarize_night(tmp_path / "a.npz").n_epochs == len(night)
    np.testing.assert_array_equal(data.load_night(tmp_path / "a.npz").x, night.x)


def with_header(path, name, shape):
    """Write a night in which the header of one array promises `shape`."""
    night = a_night()
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for other, value in {"x": night.x, "y": night.y}.items():
            archive.writestr(f"{other}.npy", npy_of_version(value, (1, 0)))
        archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    return path


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("x", "(2**30, 2**10)", "not a readable npz file"),
        ("x", "(1073741824, 1024)", r"x has 1,099,511,627,776 samples; the limit is 134,217,728"),
        ("x", "(-4, 10)", r"an array of shape \(-4, 10\)"),
        ("y", "(1073741824,)", r"y has 8,589,934,592 bytes; the limit is 1,048,576"),
        ("fs", "(1073741824,)", r"fs has 8,589,934,592 bytes"),
    ],
)
def test_an_array_is_refused_before_its_memory_is_taken(tmp_path, name, shape, says):
    if name in "xy":
        with pytest.warns(UserWarning, match="Duplicate name"):
            path = with_header(tmp_path / "a.npz", name, shape)
    else:
        path = with_header(tmp_path / "a.npz", name, shape)
    with pytest.raises(InputError, match=rf"a\.npz: .*{says}"):
        data.load_night(path)


def test_an_array_that_nobody_needs_is_not_read(tmp_path):
    assert data.load_night(with_header(tmp_path / "a.npz", "other", "(1073741824,)")).source == {}


@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0, 0.0, "fast", [100.0, 100.0]])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    np.savez(tmp_path / "a.npz", x=a_night().x, y=a_night().y, fs=rate)
    with pytest.raises(InputError, match=r"a\.npz: not a readable npz file \(.+\); prepare the night again"):
        data.summarize_night(tmp_path / "a.npz")
