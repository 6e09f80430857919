"""How far folds are that other processes train: read from their histories, shown as a line a fold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from command import InputError, log
from config import Settings
from folds.folders import HISTORY
from folds.history import START, History, Pass, load_history

STARTING = "starting"


class FoldView:
    """One fold's line: its last pass, and the time that is left.

    Args:
        number: of the fold.
        folder: where another process, on this machine or not, trains it.
        settings: of the run.
        on_terminal: draw a bar; else each pass is a line of its own.
    """

    def __init__(self, number: int, folder: Path, settings: Settings, on_terminal: bool) -> None:
        self.number, self.folder, self.history = number, folder, History(settings)
        self.read: tuple[int, int] | None = None
        self.history.passes = self.new_passes() or []
        self.bar = tqdm(
            initial=len(self.history.passes),
            total=settings.pretrain_epochs + settings.n_epochs,
            bar_format=f"fold {number:3d} {{bar:12}} {{desc}}",
            disable=not on_terminal,
            leave=False,
            dynamic_ncols=True,
        )
        self.bar.set_description_str(STARTING)

    def look(self) -> None:
        """Show the passes that were done since the last look."""
        passes = self.new_passes()
        if passes is None:
            return
        n_shown = len(self.history.passes)
        if len(passes) < n_shown:  # a pass is done again that was stopped as it was kept
            n_shown = 0
        for end in range(n_shown + 1, len(passes) + 1):
            self.history.passes = passes[:end]
            words = f"{passes[end - 1].in_words()}  {self.history.time_left()}"
            self.bar.set_description_str(words, refresh=False)
            if self.bar.disable:
                log.info("fold %d  %s", self.number, words)
        self.bar.update(sum(one.phase != START for one in passes) - self.bar.n)

    def new_passes(self) -> list[Pass] | None:
        """Return all passes of the fold, if there are others than at the last look."""
        path = self.folder / HISTORY
        try:
            found = path.stat()
            state = (found.st_mtime_ns, found.st_size)
            if state == self.read:
                return None
            passes = load_history(self.folder)
        except (OSError, InputError):  # not there yet, or replaced on another machine as it was read
            return None
        self.read = state
        return passes

    def end(self) -> None:
        """Show what is new, and take the line away."""
        self.look()
        self.bar.close()


class View:
    """The lines of all folds that are being trained."""

    def __init__(self, settings: Settings, folders: Mapping[int, Path]) -> None:
        self.settings, self.folders = settings, folders
        self.on_terminal = sys.stderr.isatty()
        self.lines: dict[int, FoldView] = {}

    def begin(self, fold: int) -> None:
        """Give a fold its line."""
        self.lines[fold] = FoldView(fold, self.folders[fold], self.settings, self.on_terminal)

    def look(self) -> None:
        """Show what is new in all folds."""
        for line in self.lines.values():
            line.look()

    def end(self, fold: int) -> None:
        """Take a fold's line away."""
        if fold in self.lines:
            self.lines.pop(fold).end()


@contextmanager
def shown(settings: Settings, folders: Mapping[int, Path]) -> Iterator[View]:
    """Yield the view of folds with these folders; what is logged meanwhile appears above it."""
    view = View(settings, folders)
    with logging_redirect_tqdm([log]):
        try:
            yield view
        finally:
            for line in view.lines.values():
                line.bar.close()
