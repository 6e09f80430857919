"""One stream that is being staged, from its first epoch to its last one, whichever process does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from command import InputError, counted
from folds.checkpoint import Fold
from recordings.channels import Channel
from scoring.channel_choice import chosen_channels
from scoring.request import grouped
from sleepstage import EPOCH_SECONDS
from streaming.cutting import Cut, Cutter
from streaming.feed import Feed, channel_pieces, rate_of, watched
from streaming.staging import LiveEpoch, LiveStager
from streaming.table import About, LiveTable

LONGEST_PAUSE = 6 * 3600  # seconds between two runs of one session; after more it is another night


@dataclass(eq=False)
class Session:
    """A stream that is being staged.

    Attributes:
        feed: the stream.
        channels: those that are staged.
        rate: their sampling rate, Hz.
        warnings: of channels that stand in for others.
        about: what its memory is of.
        offset: the number, in the session, of the first sample that this process gets.
        stager, table: what stages it, and what the stages are written to.
        cutter: what cuts it into epochs.
    """

    feed: Feed
    channels: Sequence[Channel]
    rate: float
    warnings: Sequence[str]
    about: About
    offset: int
    stager: LiveStager
    table: LiveTable
    cutter: Cutter

    def __post_init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons = ("",) * len(self.channels)

    @property
    def start(self) -> datetime | None:
        """When the session's first sample was recorded."""
        return datetime.fromisoformat(self.about.start) if self.about.start else None

    def cuts(self, give_up: float | None) -> Iterator[Cut]:
        """Yield the epochs of the stream, each as soon as it is there."""
        pieces = channel_pieces(self.feed, self.channels, self.offset)
        for piece in watched(pieces, self.feed.quiet_seconds, give_up):
            yield from self.cutter.add(piece)
        yield from self.cutter.end()

    def lsl_time(self, epoch: LiveEpoch) -> float | None:
        """Return when an epoch started by the clock of LSL; None where the stream has no such clock."""
        if self.feed.lsl_time is None:
            return None
        return self.feed.lsl_time + epoch.number * EPOCH_SECONDS - self.offset / self.rate

    def opening_words(self) -> str:
        """Return what is staged, from where on, and where it is written."""
        channels = " + ".join(f"{one.label} ({self.rate:g} Hz)" for one in self.channels)
        return f"{self.feed.title}: {channels}, from epoch {self.table.next_epoch} on, into {self.table.path}"

    def closing_words(self) -> str:
        """Return what was done."""
        staged = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        n_new = counted(sum(self.counts.values()), "epoch")
        more = f" ({staged})" if staged else ""
        return f"{n_new} staged{more}; {counted(self.table.next_epoch, 'epoch')} in {self.table.path}"


def begin(
    feed: Feed, folds: Sequence[Fold], folder: Path, place: str, channels: Sequence[str], amplitude: float | None
) -> Session:
    """Choose the channels, and go on where an earlier process of the same session has stopped.

    Args:
        feed: the stream.
        folds: those that stage it.
        folder: gets the table.
        place: where the stream comes from; the same for every process of a session.
        channels: names of those to stage; none for the one that the folds were trained on.
        amplitude: µV, of an earlier night.

    Raises:
        InputError: a channel is not there, or the files are of another session.
    """
    chosen, warnings = chosen_channels(feed.labels, folds, channels, feed.place)
    rate = rate_of(feed, chosen)
    about = About(
        place=place,
        channels=[channel.label for channel in chosen],
        rate=rate,
        weights=[fold.sha256 for fold in folds],
        amplitude=amplitude,
        start=feed.start.isoformat() if feed.start else None,
        began=feed.began,
    )
    stager = LiveStager(grouped(folds), len(chosen), amplitude)
    table = LiveTable(folder, feed.name)
    offset = 0
    if earlier := table.earlier():
        before, kept = earlier
        if said := before.difference(about):
            raise InputError(f"{table.path}: cannot go on, {said}; remove it, or choose another --name")
        stager.go_on(kept)
        offset = offset_of(before, about, table)
        about = before
    next_epoch = about.next_epoch if feed.repeats else table.next_epoch
    cutter = Cutter(rate, len(chosen), next_epoch)
    return Session(feed, chosen, rate, warnings, about, offset, stager, table, cutter)


def offset_of(before: About, now: About, table: LiveTable) -> int:
    """Return the number in the session of the first sample that comes now, by the time that has passed.

    Raises:
        InputError: so long that it is another night.
    """
    if before.began is None or now.began is None:
        return 0  # it repeats
    staged, passed = table.next_epoch * EPOCH_SECONDS, now.began - before.began
    if passed - staged > LONGEST_PAUSE:
        hours = (passed - staged) / 3600
        raise InputError(f"{table.path} ended {hours:.1f} h ago: another night; choose another --name or --output_dir")
    return round(max(passed, staged) * before.rate)
