"""The page's server answers its own page and nobody else, and keeps what it is told."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

import review
from reviewing.journal import Journal, review_file
from scoring.kept import read_kept
from tests.support.scored_nights import a_scored_night
from tests.support.served_nights import PROGRAM, SECONDS, served
from tests.support.staged_nights import N_EPOCHS

pytest.importorskip("starlette", reason="what requirements-review.txt names is not installed")
pytest.importorskip("uvicorn", reason="what requirements-review.txt names is not installed")

EDIT = {"epoch": 3, "stage": "N1", "seen": 0, "page": "test"}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    a_scored_night(folder)
    return folder / "scored"


@pytest.fixture(scope="module")
def server(scored):
    with served(str(scored)) as running:
        yield running


def answer(server, path, method="GET", body=None, token=None, **headers):
    """Ask as a browser would, but for what is given; None leaves a header out."""
    host = f"127.0.0.1:{server.port}"
    usual = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    if body is not None:
        usual["Content-Type"] = "application/json"
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = {name: value for name, value in {**usual, **headers}.items() if value is not None}
    connection = http.client.HTTPConnection("127.0.0.1", int(server.port), timeout=SECONDS)
    connection.putrequest(method, f"/{server.token if token is None else token}/{path}", skip_host=True)
    for name, value in asked.items():
        connection.putheader(name.replace("_", "-"), value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, response.headers


def told(server, path, **how):
    status, content, _ = answer(server, path, **how)
    assert status == 200, content
    return json.loads(content)


# ---- nobody else ----


@pytest.mark.parametrize("path", ["", "review.js", "night", "changes", "spectrum", "signal/0/4/1"])
def test_its_own_page_is_answered(server, path):
    assert answer(server, path)[0] == 200
    assert answer(server, path, Origin=None, **{"Sec-Fetch-Site": None})[0] == 200  # an old browser


OTHERS = {
    "no token": {"token": ""},
    "another token": {"token": "x" * 32},
    "another host": {"Host": "evil.example"},
    "another port": {"Host": "127.0.0.1:1"},
    "a name that was made to mean 127.0.0.1": {"Host": "rebound.example:{port}"},
    "no host": {"Host": ""},
    "another page": {"Origin": "http://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "a page of another server here": {"Origin": "http://127.0.0.1:1"},
    "a page elsewhere, by its own word": {"Sec-Fetch-Site": "cross-site", "Origin": None},
    "a page of another port": {"Sec-Fetch-Site": "same-site", "Origin": None},
}


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("path", ["", "night", "edit", "finish", "elsewhere"])
def test_nobody_else_is(server, scored, who, path):
    headers = {name: value and value.format(port=server.port) for name, value in OTHERS[who].items()}
    post = {"method": "POST", "body": EDIT if path == "edit" else {}} if path in ("edit", "finish") else {}
    status, content, _ = answer(server, path, **post, **headers)
    assert status == 403 and b"SIMULATED" not in content and server.token.encode() not in content
    assert not review_file(scored, "night").exists()


def test_a_form_of_another_page_cannot_post(server, scored):
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert answer(server, "edit", "POST", EDIT, **{"Content-Type": kind, "Origin": None})[0] == 403
    assert not review_file(scored, "night").exists()


def test_there_is_no_websocket(server):
    key = {"Sec-WebSocket-Key": "eA==", "Sec-WebSocket-Version": "13"}
    status, _, headers = answer(server, "night", Connection="Upgrade", Upgrade="websocket", **key)
    assert status != 101 and "Upgrade" not in headers


def test_every_answer_forbids_what_the_page_does_not_need(server):
    for path, how in (("", {}), ("night", {}), ("elsewhere", {}), ("", {"token": "wrong"})):
        headers = answer(server, path, **how)[2]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer" and headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Server"] is None
        assert headers["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("path", ["../server.py", "%2e%2e/server.py", "..%2fserver.py", "/etc/passwd", "page/x.js"])
def test_only_the_pages_own_files_are_there(server, path):
    assert answer(server, path)[0] in (403, 404)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the whole of 127.0.0.0/8")
def test_it_listens_on_one_address_only(server):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", int(server.port)), timeout=5)


def test_tokens_are_never_the_same(server, scored):
    with served(str(scored)) as other:
        assert other.token != server.token and min(len(other.token), len(server.token)) >= 32
        assert answer(other, "night", token=server.token)[0] == 403


# ---- what it answers ----


def test_the_night_as_it_was_scored(server, scored):
    night, kept = told(server, "night"), read_kept(scored, "night")
    assert night["n_epochs"] == N_EPOCHS and night["title"] == "night" and night["start"] == "2001-02-03T23:10:30"
    assert [one["label"] for one in night["channels"]] == ["C3-M2", "C4-M1", "Chin EMG"]  # SaO2 is in percent
    assert night["unsure"] == list(range(90, 96)) == np.flatnonzero(kept.unsure).tolist()
    assert night["model"][100] == "?" and night["flags"]["100"] == "no signal"


def test_a_signal_is_in_microvolts(server):
    samples = np.frombuffer(answer(server, "signal/2/1/0")[1], "<f4")
    assert len(samples) == 3000 and 50 < samples[:9].mean() < 150  # the file has it in mV, and a jump of 100 µV first
    assert np.isnan(np.frombuffer(answer(server, "signal/0/0/0")[1], "<f4")).all()  # before the first epoch
    assert len(np.frombuffer(answer(server, "signal/1/1/1")[1], "<f4")) == 6000


@pytest.mark.parametrize("path", ["signal/3/0/0", "signal/0/0/9", "signal/-1/0/0", "signal/0/x/0", "elsewhere"])
def test_what_is_not_there_is_404(server, path):
    assert answer(server, path)[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("edit", {**EDIT, "stage": "N4"}),
        ("edit", {**EDIT, "epoch": N_EPOCHS}),
        ("edit", {**EDIT, "epoch": -1}),
        ("edit", {**EDIT, "epoch": True}),
        ("edit", {**EDIT, "more": 1}),
        ("edit", {"epoch": 3}),
        ("edit", []),
        ("edit", b"{"),
        ("edit", b"\xff"),
        ("undo", {"seen": "0", "page": "x"}),
        ("finish", {"more": 1}),
    ],
)
def test_what_is_no_edit_is_refused(server, scored, path, body):
    status, content, _ = answer(server, path, "POST", body)
    assert status == 400 and "not understood" in json.loads(content)["error"]
    assert not review_file(scored, "night").exists()


def test_what_is_too_long_is_refused(server):
    assert answer(server, "edit", "POST", b" " * 5000 + json.dumps(EDIT).encode())[0] == 403


def raw(server, head: str, body: bytes = b"") -> bytes:
    """Send bytes as they are, and return the first line of the answer."""
    lines = head.format(port=server.port, token=server.token).replace("\n", "\r\n")
    with socket.create_connection(("127.0.0.1", int(server.port)), SECONDS) as connection:
        connection.sendall(lines.encode() + body)
        return connection.recv(2**12).split(b"\r\n")[0]


POST = "POST /{token}/edit HTTP/1.1\nHost: 127.0.0.1:{port}\nContent-Type: application/json\n"
NESTED = b"[" * 2000 + b"]" * 2000


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (POST + "Content-Length: 10\nTransfer-Encoding: chunked\n\n", b"100000\r\n" + b"a" * 2**20, b"403"),
        (POST + "Transfer-Encoding: chunked\n\n", b"100000\r\n" + b"a" * 2**20, b"403"),
        (POST + "Content-Length: 4000\n\n", NESTED, b"400"),
        (POST + "Content-Length: 99999999999999999999\n\n", b"", b"403"),
        ("OPTIONS * HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"403"),
        ("CONNECT example.com:80 HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"403"),
        ("GET http://127.0.0.1/ HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"403"),
        ("GET //{token}/night HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"404"),
        ("GET /{token}/changes?since=" + "9" * 5000 + " HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"400"),
        ("GET /{token}/signal/0/" + "9" * 5000 + "/0 HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"400"),
        ("GET /{token}/signal/0/" + "9" * 30 + "/0 HTTP/1.1\nHost: 127.0.0.1:{port}\n\n", b"", b"200"),
    ],
)
def test_odd_requests_are_no_mistake_of_the_server(server, head, body, status):
    assert raw(server, head, body).split()[1] == status


def test_nothing_to_write_is_said(server):
    status, content, _ = answer(server, "finish", "POST", {})
    assert status == 422 and "nothing to write" in json.loads(content)["error"]


def test_edits_are_kept_undone_and_refused_where_somebody_was_faster(tmp_path):
    a_scored_night(tmp_path)
    with served(str(tmp_path / "scored")) as server:
        first = told(server, "edit", method="POST", body=EDIT)
        assert first["version"] == 1 and first["changed"] == [[3, "N1"]] and first["can_undo"]
        kept = read_kept(tmp_path / "scored", "night")
        Journal(review_file(tmp_path / "scored", "night"), kept).set(3, "N2", 1)  # another process
        status, content, _ = answer(server, "edit", "POST", {**EDIT, "stage": "W", "seen": 1})
        said = json.loads(content)
        assert status == 409 and said["changed"] == [[3, "N2"]] and "it is N2 now" in said["error"]
        assert told(server, "changes?since=2")["changed"] == []
        assert told(server, "undo", method="POST", body={"seen": 2, "page": "test"})["changed"] == [[3, "N1"]]
        assert told(server, "redo", method="POST", body={"seen": 3, "page": "test"})["changed"] == [[3, "N2"]]
        review_file(tmp_path / "scored", "night").unlink()
        again = told(server, "changes?since=4")
        assert again.pop("statistics")["TST_min"] > 0
        assert again | {"spectrum_done": 0} == {
            "version": 0,
            "again": True,
            "changed": [],
            "can_undo": False,
            "can_redo": False,
            "spectrum_done": 0,
        }


# ---- the command ----


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("how", "status", "last"), [(signal.SIGINT, 0, "no stage was given"), (signal.SIGTERM, 143, "")]
)
def test_it_ends_cleanly(scored, how, status, last):
    with served(str(scored)) as running:
        answer(running, "night")
        ended, said = running.end(how)
    assert ended == status and "Traceback" not in said and last in said


def test_a_port_that_is_taken_is_the_users_error(server, scored, capsys):
    assert review.main([str(scored), "--port", server.port]) == 2
    assert f"--port {server.port}: Address already in use; choose another" in capsys.readouterr().err


def test_without_its_libraries_it_says_what_to_install(scored):
    hidden = "import sys; sys.modules['uvicorn'] = None; sys.argv = ['review.py']; import review; "
    code = f"{hidden}sys.exit(review.main([{str(scored)!r}]))"
    command, how = [sys.executable, "-c", code], {"capture_output": True, "text": True, "timeout": SECONDS}
    done = subprocess.run(command, cwd=PROGRAM.parent, check=False, **how)
    assert done.returncode == 2 and "requirements-review.txt" in done.stderr and "Traceback" not in done.stderr


def test_a_recording_that_was_not_scored_is_scored_as_it_says(tmp_path, monkeypatch, capsys):
    commands = []

    def run(arguments, check):
        commands.append(arguments)
        a_scored_night(tmp_path)
        return subprocess.CompletedProcess(arguments, 0)

    (tmp_path / "night.edf").write_bytes(b"")
    monkeypatch.setattr(review.subprocess, "run", run)
    shown = []
    monkeypatch.setattr(review, "server", lambda: lambda nights, port, ready: shown.append((*nights.names, port)))
    arguments = [str(tmp_path / "night.edf"), "--output_dir", str(tmp_path / "scored"), "--port", "7"]
    for _ in range(2):
        assert review.main(arguments) == 0
    (command,) = commands
    assert command[1].endswith("predict.py") and command[2:] == arguments[:3] and shown == [("night", 7)] * 2
    assert f"python predict.py {tmp_path / 'night.edf'} --output_dir {tmp_path / 'scored'}" in capsys.readouterr().out


def test_a_recording_that_cannot_be_scored_is_the_users_error(tmp_path, monkeypatch, capsys):
    (tmp_path / "night.edf").write_bytes(b"")
    monkeypatch.setattr(review.subprocess, "run", lambda arguments, check: subprocess.CompletedProcess(arguments, 2))
    assert review.main([str(tmp_path / "night.edf"), "--output_dir", str(tmp_path / "scored")]) == 2
    assert "could not be scored; see above" in capsys.readouterr().err


def test_options_that_contradict_are_the_users_error(scored, capsys):
    recording = scored.parent / "night.edf"
    for arguments, said in (
        ([str(recording), "--night", "night"], "leave out --night and --recording"),
        ([str(scored), "--output_dir", "x"], "--output_dir says where a recording is scored into"),
    ):
        assert review.main(arguments) == 2 and said in capsys.readouterr().err
