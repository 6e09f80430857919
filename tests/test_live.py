"""live.py as a user calls it: files that grow, standard input, real LSL streams; killed, and gone on from."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import live
import predict
from command import InputError
from folds.checkpoint import load_folds
from folds.folders import find_folds
from recordings.channels import Channel
from recordings.datasets import DATASETS
from recordings.epochs import epochs_in_parts
from recordings.opening import one_channel, open_recording
from recordings.recording import Header
from scoring.networks import of_night
from streaming import session
from streaming.lsl import headers_of, open_lsl, scale_of
from streaming.so_far import ConditioningSoFar
from streaming.standard_input import open_standard_input
from streaming.table import About, LiveTable
from tests.support.edf_files import WIDE, with_gap, write_edf

pytest_plugins = ["tests.support.folds_on_disk", "tests.support.raw_recordings"]

ROOT = Path(live.__file__).parent
PROBABILITIES = ["p_W", "p_N1", "p_N2", "p_N3", "p_REM"]
PATIENCE = 120  # seconds for another process, on a busy machine
HAS_LSL = importlib.util.find_spec("pylsl") is not None
needs_lsl = pytest.mark.skipif(not HAS_LSL, reason="pylsl is not installed (requirements-live.txt)")


N_EPOCHS = 12


@pytest.fixture(scope="module")
def night(simulated_once, tmp_path_factory) -> Path:
    """Six minutes at 100 Hz, in records of a second. Never write to it."""
    x = samples_of(simulated_once / "sleepedf" / "SC4001E0-PSG.edf")[: N_EPOCHS * 3000]
    return write_edf(tmp_path_factory.mktemp("night") / "night.edf", [("EEG Fpz-Cz", 100, "uV", x.astype(float))])


@pytest.fixture
def stage(folds_dir, tmp_path, capsys):
    """Call live.py; return its status and what it printed."""

    def call(*arguments, directory=folds_dir):
        where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(directory), "--output_dir", str(tmp_path / "live")]
        status = live.main([*map(str, arguments), *where])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


def numbers(path: Path) -> np.ndarray:
    """Return a table's (epoch, stage) probabilities, nan where there are none."""
    found: np.ndarray = pd.read_csv(path)[PROBABILITIES].to_numpy()
    return found


def samples_of(path: Path) -> np.ndarray:
    """Return what a file's first signal holds, (sample,) µV."""
    opened = open_recording(path)
    return opened.read(0, 0, opened.headers[0].n_samples)


# ---- a file that is whole ----


def test_a_finished_file_gets_the_stages_and_flags_that_predict_gives_it(stage, night, folds_dir, tmp_path):
    status, printed = stage("--follow", night, "--no_wait")
    assert status == 0 and f"{N_EPOCHS} epochs staged (" in printed
    arguments = [str(night), "--db", "sleepedf", "--gpu", "-1", "--dir", str(folds_dir)]
    assert predict.main([*arguments, "--output_dir", str(tmp_path / "predict")]) == 0
    found, whole = table(tmp_path / "live/night_live.csv"), table(tmp_path / "predict/night_stages.csv")
    for column in ("recording", "epoch", "onset_s", "clock", "stage", "flags"):
        assert found[column].tolist() == whole[column].tolist()
    assert np.abs(found[PROBABILITIES].to_numpy() - whole[PROBABILITIES].to_numpy()).max() < 1e-4


def test_the_causal_conditioning_staged_at_once_gives_the_same(stage, night, make_fold, tmp_path):
    root = tmp_path / "conditioned"
    make_fold(root, 4, high_pass=0.2, amplitude=(8.0,))
    assert stage("--follow", night, "--no_wait", directory=root)[0] == 0
    (fold,) = load_folds(find_folds(root, DATASETS["sleepedf"]), DATASETS["sleepedf"])
    (whole,) = epochs_in_parts(one_channel(open_recording(night), Channel("EEG Fpz-Cz", 0)))()
    so_far = ConditioningSoFar(fold.run.conditioning)
    x = np.concatenate([so_far.condition(number, one, False) for number, one in enumerate(whole.x)])
    at_once = of_night(fold)(x)
    assert np.abs(numbers(tmp_path / "live/night_live.csv") - at_once).max() < 1e-4


def test_an_epoch_that_reaches_into_a_gap_has_no_stage_as_in_predict(stage, folds_dir, tmp_path):
    path = write_edf(
        tmp_path / "gap.edf",
        [("EEG Fpz-Cz", 100, "uV", np.random.default_rng(0).normal(0, 20, 24_000))],
        annotations=[WIDE],
    )
    with_gap(path, 240, 100, 65)
    status, printed = stage("--follow", path, "--no_wait")
    assert status == 0 and "note: a gap of 65 s before record 100" in printed
    arguments = [str(path), "--db", "sleepedf", "--gpu", "-1", "--dir", str(folds_dir)]
    assert predict.main([*arguments, "--output_dir", str(tmp_path / "predict")]) == 0
    found, whole = table(tmp_path / "live/gap_live.csv"), table(tmp_path / "predict/gap_stages.csv")
    assert found["stage"].tolist() == whole["stage"].tolist() and found["flags"].tolist() == whole["flags"].tolist()
    assert found["stage"].tolist()[3:6] == ["?"] * 3 and set(found["flags"][3:6]) == {"no signal"}


def test_several_channels_give_their_mean_and_one_may_be_a_difference(stage, tmp_path):
    rng = np.random.default_rng(0)
    signals = [(label, 100, "uV", rng.normal(0, 20, 12_000)) for label in ("C3", "M2", "EEG Fpz-Cz")]
    path = write_edf(tmp_path / "night.edf", signals)
    for name, channels in {"a": ["C3-M2"], "b": ["EEG Fpz-Cz"], "both": ["C3-M2", "EEG Fpz-Cz"]}.items():
        asked = [word for one in channels for word in ("--channel", one)]
        status, printed = stage("--follow", path, "--no_wait", "--name", name, *asked)
        assert status == 0
    assert "warning: channel C3 - M2 is not EEG Fpz-Cz, on which the checkpoint was trained" in printed
    a, b, both = (numbers(tmp_path / f"live/{name}_live.csv") for name in ("a", "b", "both"))
    assert np.abs((a + b) / 2 - both).max() < 1e-4


# ---- a file that grows ----

WRITER = """
import sys, time
from pathlib import Path
source, path, go = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), Path(sys.argv[3])
step = len(source) // 80 + 7  # bytes: no whole record
opened = source[:236] + b"-1      " + source[244:]  # the number of records is open while a recorder writes
with path.open("wb") as file:
    for at in range(0, len(source), step):
        while at > len(source) // 2 and not go.exists():
            time.sleep(0.05)
        file.write(opened[at : at + step])
        file.flush()
        time.sleep(0.02)
    file.seek(236)
    file.write(source[236:244])
"""


def test_a_growing_file_is_staged_to_its_end_through_a_kill(stage, night, folds_dir, tmp_path):
    assert stage("--follow", night, "--no_wait", "--name", "whole")[0] == 0
    growing = tmp_path / "growing.edf"
    go = tmp_path / "go"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(night), str(growing), str(go)])
    rows, memory = tmp_path / "live/growing_live.csv", tmp_path / "live/growing_live.npz"
    where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(folds_dir), "--output_dir", str(rows.parent)]
    while not growing.exists():
        time.sleep(0.05)
    command = [sys.executable, str(ROOT / "live.py"), "--follow", str(growing), *where]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert killed.stdout
    wait_for(lambda: memory.exists() and rows.read_text().count("\n") > 2)
    killed.kill()
    killed.wait()
    killed.stdout.close()
    n_before = rows.read_text().count("\n") - 1
    with rows.open("a") as file:
        file.write("growing,99,half a r")
    goes_on = start_later(2, go.touch)
    status, printed = stage("--follow", growing, "--give_up", str(PATIENCE))
    goes_on.join()
    assert writer.wait(PATIENCE) == 0
    assert status == 0 and "growing.edf was closed by its recorder, with 360 records" in printed
    assert f"growing: EEG Fpz-Cz (100 Hz), from epoch {n_before} on" in printed
    assert f"{N_EPOCHS - n_before} epochs staged (" in printed
    whole = (tmp_path / "live/whole_live.csv").read_text()
    assert rows.read_text() == whole.replace("whole", "growing"), "as if it had not been killed, to the letter"


def wait_for(there) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def start_later(seconds: float, act) -> threading.Timer:
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def test_what_happens_to_a_growing_file_is_said_in_a_line(stage, night, tmp_path, caplog):
    caplog.set_level("INFO")
    content = night.read_bytes()
    opened = content[:236] + b"-1      " + content[244:]
    path = tmp_path / "odd.edf"
    path.write_bytes(opened[: len(opened) // 2])
    quarter = opened[: len(opened) // 4]

    def happen() -> None:
        rows = tmp_path / "live/odd_live.csv"
        wait_for(lambda: rows.exists() and rows.read_text().count("\n") > 5)
        path.write_bytes(quarter)
        wait_for(lambda: "was cut to" in caplog.text)
        path.write_bytes(content)

    timer = start_later(0, happen)
    status, printed = stage("--follow", path, "--give_up", str(PATIENCE))
    timer.join()
    assert status == 0
    assert "note: odd.edf was cut to" in printed and "waiting until there are more" in printed
    assert "note: odd.edf was closed by its recorder" in printed
    assert stage("--follow", night, "--no_wait", "--name", "whole")[0] == 0
    found, whole = (tmp_path / f"live/{name}_live.csv" for name in ("odd", "whole"))
    assert found.read_text().replace("odd", "whole") == whole.read_text()


def test_a_file_that_does_not_grow_any_more_can_be_given_up(stage, night, tmp_path, monkeypatch):
    monkeypatch.setattr("streaming.growing.QUIET_SECONDS", 0.2)
    path = tmp_path / "stopped.edf"
    content = night.read_bytes()
    path.write_bytes((content[:236] + b"-1      " + content[244:])[: len(content) // 5])
    status, printed = stage("--follow", path, "--give_up", "2.5")
    assert status == 0
    assert "waiting" in printed and "taken as the end" in printed


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_keeps_what_was_staged(stage, night, tmp_path, number, status):
    path, rows = tmp_path / "growing.edf", tmp_path / "live/growing_live.csv"
    content = night.read_bytes()
    path.write_bytes(content[: len(content) // 3])

    def interrupt() -> None:
        wait_for(lambda: rows.exists() and rows.read_text().count("\n") > 3)
        os.kill(os.getpid(), number)

    timer = start_later(0, interrupt)
    found, printed = stage("--follow", path, "--give_up", str(PATIENCE))
    timer.join()
    assert found == status and "Traceback" not in printed
    n_rows = rows.read_text().count("\n") - 1
    assert f"{n_rows} epochs in {rows}" in printed
    path.write_bytes(content)
    assert stage("--follow", path, "--no_wait")[0] == 0
    assert table(rows)["epoch"].tolist() == list(range(N_EPOCHS))


def test_another_recording_in_the_place_of_a_file_is_refused(stage, night, tmp_path):
    path = tmp_path / "copy.edf"
    path.write_bytes(night.read_bytes())
    assert stage("--follow", path, "--no_wait")[0] == 0
    content = path.read_bytes()
    path.write_bytes(content[:176] + b"23.00.00" + content[184:])
    status, printed = stage("--follow", path, "--no_wait")
    assert status == 2 and "cannot go on, it starts at" in printed
    status, printed = stage("--follow", night, "--no_wait", "--name", "copy")
    assert status == 2 and "cannot go on, place was" in printed
    (tmp_path / "live/copy_live.npz").unlink()
    status, printed = stage("--follow", path, "--no_wait")
    assert status == 2 and "copy_live.npz is missing beside it" in printed


def replaced_header(content: bytes) -> bytes:
    return content[:192] + b"another " + content[200:]


def replaced_samples(content: bytes) -> bytes:
    header = int(content[184:192])
    return content[:header] + content[:header:-1] + content[-1:]


@pytest.mark.parametrize("replaced", [replaced_header, replaced_samples])
def test_another_recording_with_the_same_start_ends_a_session(stage, night, tmp_path, replaced):
    path, rows = tmp_path / "same.edf", tmp_path / "live/same_live.csv"
    content = night.read_bytes()
    opened = content[:236] + b"-1      " + content[244:]
    path.write_bytes(opened[: len(opened) // 2])

    def replace() -> None:
        wait_for(lambda: rows.exists() and rows.read_text().count("\n") > 5)
        (tmp_path / "other.edf").write_bytes(replaced(opened))
        (tmp_path / "other.edf").replace(path)

    timer = start_later(0, replace)
    status, printed = stage("--follow", path, "--give_up", str(PATIENCE))
    timer.join()
    assert status == 2 and "has taken its place; what was staged until then is kept" in printed
    assert rows.read_text().count("\n") <= 2 + N_EPOCHS // 2


# ---- standard input ----


class Pipe(io.RawIOBase):
    """Bytes that come in pieces of any size."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self.content, self.sizes = content, sizes

    def read(self, size: int = -1) -> bytes:
        size = self.sizes.pop(0) if self.sizes else size
        found, self.content = self.content[:size], self.content[size:]
        return found


@pytest.mark.parametrize("form", ["text", "float32"])
def test_standard_input_is_read_in_both_forms(form):
    x = np.random.default_rng(0).normal(0, 20, 1000).astype(np.float32)
    content = "\n".join(map(repr, x.tolist())).encode() if form == "text" else x.astype("<f4").tobytes()
    feed = open_standard_input(100.0, form, "", Pipe(content, [1, 2, 3, 500, 7]))
    pieces = [piece for piece in feed.read([0]) if piece]
    assert np.array_equal(np.concatenate([piece.samples[0] for piece in pieces]), x)
    assert [piece.first for piece in pieces] == np.cumsum([0, *(piece.samples.shape[1] for piece in pieces)])[
        :-1
    ].tolist()


def test_a_line_that_is_no_number_is_a_missing_sample(caplog):
    caplog.set_level("INFO")
    feed = open_standard_input(100.0, "text", "", Pipe(b"1\n2\n\nerror 7\n4\n", []))
    (piece,) = (piece for piece in feed.read([0]) if piece)
    assert np.array_equal(piece.samples[0], [1, 2, np.nan, 4], equal_nan=True)
    assert caplog.messages == ["note: standard input: 1 line without a number, first error 7: missing"]


def test_a_line_ends_as_on_any_system():
    feed = open_standard_input(100.0, "text", "", Pipe(b"1\r2\r\n3\n4\r", [1, 1, 1, 1, 1, 1]))
    pieces = [piece for piece in feed.read([0]) if piece]
    assert np.concatenate([piece.samples[0] for piece in pieces]).tolist() == [1, 2, 3, 4]


def test_a_line_that_never_ends_is_refused():
    with pytest.raises(InputError, match="a line has more than 1,024 bytes; write one number a line"):
        open_standard_input(100.0, "text", "", Pipe(b"1 " * 2**16, []))


def test_no_sample_at_all_is_the_users_error():
    with pytest.raises(InputError, match="not one sample came"):
        open_standard_input(100.0, "text", "", Pipe(b"\n", []))


def test_numbers_that_are_piped_in_get_the_stages_of_the_file(stage, night, folds_dir, tmp_path):
    x = samples_of(night)[:30_000]
    where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(folds_dir), "--output_dir", str(tmp_path / "live")]
    command = [sys.executable, str(ROOT / "live.py"), "--stdin", "float32", "--sampling_rate", "100", *where]
    done = subprocess.run(command, input=x.tobytes(), capture_output=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert stage("--follow", night, "--no_wait")[0] == 0
    found, whole = table(tmp_path / "live/stdin_live.csv"), table(tmp_path / "live/night_live.csv")
    for column in ("stage", "flags", *PROBABILITIES):
        assert found[column].tolist() == whole[column].tolist()[:10]


def test_a_stream_that_is_started_again_goes_on_in_its_table(stage, night, tmp_path, monkeypatch):
    x = samples_of(night)

    def pipe(first: int, last: int, name: str) -> str:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(x[first:last].tobytes(), [])))
        status, printed = stage("--stdin", "float32", "--sampling_rate", 100, "--name", name)
        assert status == 0
        return str(printed)

    pipe(0, 24_000, "whole")
    pipe(0, 12_000, "halves")
    assert "from epoch 4 on" in pipe(12_000, 24_000, "halves")
    whole, halves = (table(tmp_path / f"live/{name}_live.csv") for name in ("whole", "halves"))
    for column in ("epoch", "onset_s", "stage", "flags", *PROBABILITIES):
        assert halves[column].tolist() == whole[column].tolist()


def test_what_came_in_between_is_counted_by_the_time_that_has_passed(tmp_path):
    rows = LiveTable(tmp_path, "amplifier")
    rows.next_epoch = 4
    before = About("amplifier", ["C3"], 100.0, [], None, None, began=1000.0)
    assert session.offset_of(before, replace(before, began=1200.5), rows) == 20_050
    assert session.offset_of(before, replace(before, began=1050.0), rows) == 12_000, "never what has been staged"
    with pytest.raises(InputError, match=r"ended 7\.0 h ago: another night"):
        session.offset_of(before, replace(before, began=1120.0 + 7 * 3600), rows)


# ---- what is refused ----


def test_a_bidirectional_network_is_for_no_stream(stage, night, make_fold, tmp_path):
    make_fold(tmp_path / "folds", 0, bidirectional=True)
    status, printed = stage("--follow", night, "--no_wait", directory=tmp_path / "folds")
    assert status == 2 and "a bidirectional network stages an epoch when it has seen the rest" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stdin"], "--stdin and --sampling_rate HZ go together"),
        (["--stdin", "wav", "--sampling_rate", "100"], "--stdin wav: there are text, float32"),
        (["--stdin", "--sampling_rate", "5"], "--sampling_rate 5: it must be 10 to 100000 Hz"),
        (["--follow", "night.edf", "--sampling_rate", "100"], "go together"),
        (["--stdin", "--sampling_rate", "100", "--no_wait"], "--no_wait is an option of --follow"),
        (["--follow", "nowhere.edf"], "nowhere.edf: no such file"),
        (["--follow", "night.edf", "--amplitude", "-8"], "--amplitude -8: it must be above 0"),
        (["--follow", "night.edf", "--name", "a/b"], "it must be a name without a folder"),
    ],
)
def test_a_mistake_is_one_line(stage, arguments, said):
    status, printed = stage(*arguments)
    assert status == 2
    assert printed.startswith("live.py: error: ") and said in printed and printed.count("\n") == 1


def test_channels_that_are_not_there_or_have_two_rates_are_refused(stage, tmp_path):
    signals = [("C3", 100, "uV", np.zeros(6000)), ("M2", 200, "uV", np.ones(12_000)), ("X", 1, "uV", np.ones(60))]
    path = write_edf(tmp_path / "rates.edf", signals)
    for channel, said in {"Oz": "no channel Oz", "C3-M2": "C3 has 100 Hz, M2 has 200 Hz", "X": "X has 1 Hz"}.items():
        status, printed = stage("--follow", path, "--no_wait", "--channel", channel)
        assert status == 2 and said in printed


def test_without_pylsl_it_says_what_to_install(stage, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    status, printed = stage("--lsl")
    assert status == 2 and "pip install -r requirements-live.txt" in printed


# ---- LSL ----

OUTLET = """
import sys, time
import numpy as np, pylsl
name, path, first, last, speed, start = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), float(sys.argv[6])
x, rate = np.load(path), 100
info = pylsl.StreamInfo(name, "EEG", 2, rate, pylsl.cf_float32, name)
info.set_channel_labels(["EEG Fpz-Cz", "EMG"])
info.set_channel_units(["millivolts", "microvolts"])
outlet = pylsl.StreamOutlet(info)
assert outlet.wait_for_consumers(120)
began = time.monotonic()
for at in range(first, last, 20):
    both = np.stack([x[at : at + 20] / 1000, x[at : at + 20]], axis=1)
    outlet.push_chunk(np.ascontiguousarray(both, np.float32), start + (at + len(both) - 1) / rate)
    time.sleep(max(0, began + (at + 20 - first) / rate / speed - time.monotonic()))
time.sleep(1)
"""
SPEED = 20


@needs_lsl
def test_a_real_lsl_stream_at_20_times_the_speed_is_lost_and_comes_back(stage, night, tmp_path, monkeypatch):
    import pylsl

    x = samples_of(night)
    np.save(tmp_path / "x.npy", x)
    name, start = f"amplifier-{os.getpid()}", pylsl.local_clock()

    def send(first: int, last: int) -> None:
        words = [name, str(tmp_path / "x.npy"), *map(str, (first, last, SPEED)), repr(start)]
        subprocess.run([sys.executable, "-c", OUTLET, *words], check=True, timeout=PATIENCE)

    rows = tmp_path / f"live/{name}_live.csv"
    monkeypatch.setattr("streaming.sample_clock.CLOCKS_APART", 60.0)  # its time stamps run faster than any clock

    def both() -> None:
        send(0, 10_500)
        send(15_000, 24_100)
        wait_for(lambda: rows.read_text().count("\n") > 8)
        os.kill(os.getpid(), signal.SIGINT)

    got: list[tuple[str, float]] = []
    listening = threading.Event()
    timer = start_later(0, both)
    ear = start_later(0, lambda: listen(f"stages-{os.getpid()}", got, listening))
    status, printed = stage(
        "--lsl", name, "--lsl_out", f"stages-{os.getpid()}", "--give_up", str(PATIENCE), "--channel", "EEG Fpz-Cz"
    )
    timer.join()
    listening.set()
    ear.join()
    assert status == 130, printed
    assert f"note: the LSL stream {name} is lost" in printed and "is there again, after" in printed
    assert "note: a gap of 45.00 s: 4500 samples are missing" in printed
    found = table(rows)
    assert stage("--follow", night, "--no_wait")[0] == 0
    whole = table(tmp_path / "live/night_live.csv")
    assert found["stage"].tolist()[:3] == whole["stage"].tolist()[:3]
    assert np.abs(found[PROBABILITIES][:3].astype(float) - whole[PROBABILITIES][:3]).max().max() <= 2e-4
    assert [(stage == "?") for stage in found["stage"]] == [False] * 3 + [True] * 2 + [False] * 3
    assert [stage for stage, _ in got] == found["stage"].tolist()
    assert np.allclose([at for _, at in got], start + 30.0 * np.arange(8), atol=0.1)


@needs_lsl
def test_a_stream_that_is_back_with_another_rate_is_another_one(caplog):
    import pylsl

    def outlet(rate: float) -> pylsl.StreamOutlet:
        info = pylsl.StreamInfo(name, "EEG", 1, rate, pylsl.cf_float32, name)
        info.set_channel_labels(["C3-M2"])
        return pylsl.StreamOutlet(info)

    name = f"other-rate-{os.getpid()}"
    outlets = [outlet(100.0)]
    sender = start_later(0, lambda: outlets[0].wait_for_consumers(PATIENCE) and outlets[0].push_chunk([[1.0]] * 10))
    pieces = open_lsl(name, PATIENCE).read([0])
    sender.join()
    assert next(pieces) is not None
    outlets.clear()
    outlets.append(outlet(128.0))
    end = time.monotonic() + PATIENCE
    with pytest.raises(InputError, match="back as another one: 128 Hz, C3-M2, before 100 Hz, C3-M2; what was staged"):
        while time.monotonic() < end:
            next(pieces)


@pytest.mark.parametrize(
    ("labels", "units", "expected"),
    [
        (["C3", "C4"], ["microvolts", "mV"], [("C3", "microvolts"), ("C4", "mV")]),
        (None, None, [("1", ""), ("2", "")]),
        (["C3", None], ["uV", None], [("1", "uV"), ("2", "")]),
    ],
)
def test_what_a_stream_says_of_its_channels(labels, units, expected):
    info = SimpleNamespace(channel_count=lambda: 2, get_channel_labels=lambda: labels, get_channel_units=lambda: units)
    assert [(header.label, header.unit) for header in headers_of(info, 100.0)] == expected


@pytest.mark.parametrize(("unit", "scale"), [("microvolts", 1), ("", 1), ("mV", 1e3), ("volts", 1e6), ("µV", 1)])
def test_units_become_microvolts(unit, scale):
    assert scale_of("a stream", Header("C3", unit, 100.0, 0)) == scale


def test_what_is_no_voltage_is_refused():
    with pytest.raises(InputError, match="a stream: resp is in litres, not in volts"):
        scale_of("a stream", Header("resp", "litres", 100.0, 0))


def listen(name: str, got: list[tuple[str, float]], done: threading.Event) -> None:
    """Collect the markers of a stream."""
    import pylsl

    (found, *_) = pylsl.resolve_byprop("name", name, timeout=PATIENCE)
    inlet = pylsl.StreamInlet(found, recover=False)
    try:
        while not done.is_set():
            (marker, at) = inlet.pull_sample(timeout=0.2)
            if marker:
                got.append((marker[0], at))
    except pylsl.util.LostError:
        return
