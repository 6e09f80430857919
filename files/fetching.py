"""Files fetched from a server: each is checked against its SHA-256 before it takes its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from command import InputError, log, reason_of
from files.folders import writable_folder
from files.reading import check_text, reader
from files.writing import written_whole

TIMEOUT_SECONDS = 30  # without a byte from the server


def fetch(checksums: Mapping[str, str], url: str, folder: Path) -> int:
    """Fetch files into a folder, and return how many there were to fetch; what is whole already is left alone.

    An interruption leaves whole files only: the same call goes on with the others.

    Args:
        checksums: path of each file below `url` and below `folder`, with `/`: its SHA-256.
        url: what they stand below, with a `/` at its end.
        folder: gets them; it is made if need be.

    Raises:
        InputError: the network or the server failed, or a file is not what its checksum says.
    """
    from pooch import file_hash
    from tqdm import tqdm

    def is_whole(name: str) -> bool:
        return (folder / name).is_file() and file_hash(folder / name) == checksums[name]

    absent = [name for name in checksums if not is_whole(name)]
    for name in tqdm(absent, desc="fetching", unit="file", leave=False, disable=None):
        writable_folder((folder / name).parent)
        with written_whole(folder / name) as partial:
            fetch_file(url + name, partial)
            if file_hash(partial) != checksums[name]:
                raise InputError(f"{url}{name}: another file than the one that is known; try again, or report it")
    return len(absent)


def fetch_file(url: str, path: Path) -> None:
    """Write to `path` what stands at `url`.

    Raises:
        InputError: the network or the server failed.
    """
    from pooch import HTTPDownloader
    from requests import RequestException

    try:
        HTTPDownloader(timeout=TIMEOUT_SECONDS)(url, str(path), None)
    except (RequestException, ValueError) as error:
        response = getattr(error, "response", None)
        why = reason_of(error) if isinstance(error, ValueError) else "no connection"
        raise InputError(
            f"cannot fetch {url}: {why if response is None else f'the server answered {response.status_code}'}; "
            "try again later: what was fetched before is kept"
        ) from error


def fetch_checksums(url: str, name: str, folder: Path) -> dict[str, str]:
    """Fetch the list of checksums that a release has at `url` + `name`, and return them by file name.

    Raises:
        InputError: it cannot be fetched or read.
    """
    path = writable_folder(folder) / name
    if not path.is_file():
        with written_whole(path) as partial:
            fetch_file(url + name, partial)
    log.info("checksums: %s", path)
    return read_checksums(path)


@reader("a readable list of checksums", "remove it and try again")
def read_checksums(path: Path) -> dict[str, str]:
    """Read lines of a SHA-256 and the file it belongs to, by file; lines that begin with # are none."""
    check_text(path)
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#")
    return {name.removeprefix("*"): checksum for checksum, name in (line.split(maxsplit=1) for line in lines)}
