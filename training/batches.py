"""The batches of a pass: which chunk of which night lies in which lane, and the arrays of each step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from config import Settings
from data import ALL_STAGES, Night


@dataclass(frozen=True, eq=False)
class Batch:
    """One chunk of `batch_size` nights side by side; epochs past a night's end are zero, with weight 0.

    Attributes:
        x: (night, epoch, sample) float32, µV.
        y: (night, epoch) int32.
        weight: (night, epoch) float32, 1 on real epochs.
        first: (night,) bool, True where a night starts: before it the network's state is 0.
        known: (night, stage) bool, the stages that its scorer marked; None: all, of all nights of the pass.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int32]
    weight: NDArray[np.float32]
    first: NDArray[np.bool_]
    known: NDArray[np.bool_] | None = None


Step = list[tuple[int, int] | None]
"""What each lane of a batch holds: which night, and which chunk of it; None for nothing."""


def plan_of_pass(n_epochs: Sequence[int], settings: Settings) -> list[Step]:
    """Return the steps of a pass over nights of these lengths, in the order in which they are taken."""
    return plan_steps(n_epochs, settings.batch_size, settings.seq_length, settings.pack_nights)


def padding_line(n_epochs: Sequence[int], settings: Settings) -> str:
    """Say how many steps a pass takes and what share of the epochs that it computes is padding."""
    n_steps = len(plan_of_pass(n_epochs, settings))
    computed = n_steps * settings.batch_size * settings.seq_length
    return f"{n_steps} steps a pass, {100 * (1 - sum(n_epochs) / computed):.0f} % of their epochs are padding"


def plan_steps(n_epochs: Sequence[int], batch_size: int, seq_length: int, pack: bool = False) -> list[Step]:
    """Decide what each batch of a pass holds.

    As published, `batch_size` nights start together and the next group waits for the longest of them. Packed, each lane
    goes on with the next night as soon as its own has ended, so that few of the computed epochs are padding.

    Args:
        n_epochs: length of each night, in the order in which they are taken.
        batch_size: lanes, each of which holds one night at a time.
        seq_length: epochs in a chunk.
        pack: whether lanes go on by themselves.
    """
    chunks = [math.ceil(n / seq_length) for n in n_epochs]
    if not pack:
        return [
            [(night, chunk) if night < len(chunks) else None for night in range(start, start + batch_size)]
            for start in range(0, len(chunks), batch_size)
            for chunk in range(max(chunks[start : start + batch_size]))
        ]
    lanes: list[Step] = [[] for _ in range(batch_size)]
    for night, n in enumerate(chunks):
        shortest = min(lanes, key=len)  # the lane that is free first; of several, the first
        shortest += [(night, chunk) for chunk in range(n)]
    return [list(step) for step in itertools.zip_longest(*lanes)]


def empty_batch(settings: Settings) -> Batch:
    """Return a batch without a real epoch, of the shape of every batch of a run."""
    shape = settings.batch_size, settings.seq_length
    x = np.zeros((*shape, settings.input_size), np.float32)
    return Batch(x, np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.ones(shape[0], np.bool_))


def batch_nights(nights: Sequence[Night], steps: Iterable[Step], seq_length: int) -> Iterator[Batch]:
    """Yield the batches that `plan_steps` planned; each epoch of each night is in one of them, once.

    All batches have the same shape; signals are copied only a chunk at a time.
    """
    for step in steps:
        yield step_batch(nights, step, seq_length)


def step_batch(nights: Sequence[Night], step: Step, seq_length: int) -> Batch:
    """Return the batch that one step of a plan describes."""
    x = np.zeros((len(step), seq_length, nights[0].x.shape[1]), np.float32)
    y = np.zeros((len(step), seq_length), np.int32)
    weight = np.zeros((len(step), seq_length), np.float32)
    known = np.ones((len(step), len(ALL_STAGES)), np.bool_)
    for lane, slot in enumerate(step):
        if slot is None:
            continue
        night, chunk = nights[slot[0]], slot[1]
        known[lane] = np.isin(ALL_STAGES, night.known)
        epochs = slice(chunk * seq_length, min((chunk + 1) * seq_length, len(night)))
        n = epochs.stop - epochs.start
        if n > 0:  # the night may have ended before its neighbours
            x[lane, :n], y[lane, :n], weight[lane, :n] = night.x[epochs], night.y[epochs], 1
    first = np.array([slot is not None and slot[1] == 0 for slot in step])
    # Decided for the pass and not for the batch: a step with this argument and one without are compiled separately.
    in_part = any(night.known != ALL_STAGES for night in nights)
    return Batch(x, y, weight, first, known if in_part else None)


Item = TypeVar("Item")


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the same items; a thread makes the next one ready while this one is in use."""
    end: Any = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        ahead = thread.submit(next, items, end)
        while (item := ahead.result()) is not end:
            ahead = thread.submit(next, items, end)
            yield item
