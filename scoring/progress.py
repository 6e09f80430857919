"""How far a long list of recordings is: "3 of 20, 2 min left", on a terminal and in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from command import duration_in_words, log

T = TypeVar("T")

Clock = Callable[[], float]


class Progress:
    """Counts what is done, and tells from the recorded hours how long the rest will take.

    Args:
        seconds: how long each recording is, in the order in which they are scored.
        clock: gives the time in seconds.
    """

    def __init__(self, seconds: Sequence[float], clock: Clock = time.monotonic) -> None:
        self.seconds = seconds
        self.clock = clock
        self.started = clock()
        self.done = 0

    def step(self) -> None:
        """Count one more as done."""
        self.done += 1

    def __str__(self) -> str:
        counted = f"{self.done} of {len(self.seconds)}"
        so_far, rest = sum(self.seconds[: self.done]), sum(self.seconds[self.done :])
        if not so_far or not rest:
            return counted
        return f"{counted}, {duration_in_words((self.clock() - self.started) * rest / so_far)} left"


@contextmanager
def shown(items: Sequence[T], seconds: Sequence[float]) -> Iterator[Iterator[T]]:
    """Yield the items one by one, and show how far they are: below the output of a terminal, else as lines of the log.

    Args:
        items: what is worked on; of a single one nothing is shown.
        seconds: how long each recording is.
    """
    progress = Progress(seconds)
    several = len(items) > 1
    with (
        logging_redirect_tqdm([log]),
        tqdm(total=len(items), bar_format="{bar:20} {desc}", leave=False, disable=None if several else True) as bar,
    ):

        def one_by_one() -> Iterator[T]:
            bar.set_description_str(str(progress))
            for item in items:
                yield item
                progress.step()
                bar.set_description_str(str(progress), refresh=False)
                bar.update()
                if several and bar.disable:
                    log.info("%s", str(progress))

        yield one_by_one()
