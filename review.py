"""Look at a scored night in the browser, correct its stages, and write its outputs again.

python review.py night.edf
python review.py ./scored --browser
python review.py ./scored --night P01/n1 --finish
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from command import InputError, TerminationError, command, log, log_to_terminal, new_parser
from files.folders import PROGRAM_FOLDER, existing_folder
from reviewing.journal import review_file
from reviewing.nights import Nights
from reviewing.outputs import write_outputs
from scoring.kept import scored_in

SCORED_DIR = "./scored"


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("place", metavar="PLACE", help="a recording, or the folder into which predict.py scored recordings")
    add("--output_dir", metavar="DIR", help=f"where the recording was, or will be, scored into (default {SCORED_DIR})")
    add("--night", metavar="NAME", help="which night of the folder, as NAME in NAME_stages.csv")
    add("--recording", metavar="FILE", help="where the recording of a scored night is now, if it was moved")
    add("--browser", action="store_true", help="open the page in the browser too")
    add("--port", type=int, default=0, help="where the page listens, on this machine only (default: any free port)")
    add("--finish", action="store_true", help="no page: only write the outputs again, with the stages as reviewed")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    folder, names, recording = place_of(options)
    if options.finish:
        return finish(folder, the_night(folder, names), recording)
    serve = server()
    nights = Nights(folder, names, recording)
    try:
        serve(nights, options.port, lambda address: say(nights, address, options.browser))
    except TerminationError:
        raise
    except KeyboardInterrupt:  # how a review ends
        pass
    kept = [str(path) for name in names if (path := review_file(folder, name)).exists()]
    log.info("\nstopped; %s", f"your stages are kept in {', '.join(kept)}" if kept else "no stage was given")
    return 0


def server() -> Callable[[Nights, int, Callable[[str], None]], None]:
    """Return what serves the page.

    Raises:
        InputError: the libraries that do are not installed.
    """
    try:
        from reviewing.server import serve
    except ImportError as error:
        requirements = PROGRAM_FOLDER / "requirements-review.txt"
        raise InputError(
            f"the page needs {error.name}, which is not installed: python -m pip install -r {requirements}"
        ) from error
    return serve


def say(nights: Nights, address: str, browser: bool) -> None:
    """Print where the page is, and open it if that is wanted."""
    one = len(nights.names) == 1
    title = nights.night(0).staged.title if one else f"{len(nights.names)} nights of {nights.folder}"
    log.info("review of %s: %s", title, address)
    log.info("only this machine can open it, and only with this address; Ctrl-C ends it")
    sys.stdout.flush()
    if browser:
        import webbrowser

        webbrowser.open_new_tab(address)


def finish(folder: Path, name: str, recording: Path | None) -> int:
    """Write the outputs of a night again, and print what was written."""
    staged, paths = write_outputs(folder, name, recording)
    counts = (int(staged.by_human.sum()), len(staged), staged.n_changed)
    log.info("%s: %d of %d epochs by a human, %d changed", staged.title, *counts)
    log.info("written again: %s", ", ".join(str(path) for path in paths))
    return 0


# ---- which night ----


def place_of(options: argparse.Namespace) -> tuple[Path, list[str], Path | None]:
    """Return the folder of scored nights, their names in it, and where a recording is if the user says so.

    A recording that was not scored yet is scored.

    Raises:
        InputError: there is no such night, or which one is meant stays open.
    """
    given, moved = Path(options.place), Path(options.recording) if options.recording else None
    if not given.is_file():
        if options.output_dir:
            raise InputError(
                "--output_dir says where a recording is scored into; name the recording, or only the folder"
            )
        folder = existing_folder(options.place, "scored recordings", "score recordings with predict.py")
        names = chosen_nights(folder, options.night)
        return folder, [the_night(folder, names)] if moved else names, moved
    if options.night or moved:
        raise InputError(f"{given} is the recording itself: leave out --night and --recording")
    folder, name = Path(options.output_dir or SCORED_DIR), given.stem
    if name not in (scored_in(folder) if folder.is_dir() else ()):
        score(given, folder)
    return folder, [name], given


def score(recording: Path, folder: Path) -> None:
    """Score a recording with predict.py as it is without options.

    Raises:
        InputError: it failed.
    """
    scoring = [str(PROGRAM_FOLDER / "predict.py"), str(recording), "--output_dir", str(folder)]
    log.info("not scored into %s yet: python predict.py %s --output_dir %s", folder, recording, folder)
    sys.stdout.flush()
    if subprocess.run([sys.executable, *scoring], check=False).returncode:
        raise InputError(f"{recording}: could not be scored; see above")


def chosen_nights(folder: Path, name: str | None) -> list[str]:
    """Return the names of the nights to review: those of a folder, or the one asked for.

    Raises:
        InputError: there is none, or no such one.
    """
    there = scored_in(folder)
    if not there:
        raise InputError(f"{folder}: no recording was scored into it; do that: python predict.py night.edf")
    if name is not None and name not in there:
        raise InputError(f"{folder}: no night {name}; there are {', '.join(there)}")
    return [name] if name else there


def the_night(folder: Path, names: Sequence[str]) -> str:
    """Return the name of the only night; raise InputError where there are several."""
    if len(names) > 1:
        raise InputError(f"{folder}: holds {len(names)} nights; choose one with --night: {', '.join(names)}")
    return names[0]


if __name__ == "__main__":
    raise SystemExit(main())
