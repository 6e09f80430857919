"""Streams of the Lab Streaming Layer (https://labstreaminglayer.org): one that is staged, and the stages as another.

pylsl is imported here only, and only where a stream is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError, duration_in_words, log, one_line
from recordings.recording import SIMULATED, Header
from recordings.units import microvolts_in
from streaming.feed import POLL_SECONDS, Feed, Piece, Pieces
from streaming.sample_clock import SampleClock

SEARCH_SECONDS = 1.0  # streams are looked for so long before it is looked again
BUFFER_SECONDS = 3600  # of a stream that are kept for us while we are busy
AT_A_TIME = 100_000  # samples
EEG = "EEG"  # the type of a stream that is staged if none is named


def pylsl() -> ModuleType:
    """Import pylsl.

    Raises:
        InputError: it is not installed, or its library is missing.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise InputError(
            f"LSL needs pylsl ({one_line(str(error))[:80]}); install it: pip install -r requirements-live.txt"
        ) from error
    found: ModuleType = pylsl
    return found


def failures() -> tuple[type[Exception], ...]:
    """Return what pylsl raises where a stream is there no more."""
    util = pylsl().util
    return (util.LostError, util.TimeoutError)


# ---- a stream that is staged ----


def open_lsl(name: str | None, give_up: float | None) -> Feed:
    """Find a stream, and wait for its first samples.

    Args:
        name: of the stream; None for the only one of type EEG.
        give_up: seconds after which the search ends; None: never.

    Raises:
        InputError: there is none, several, or it cannot be staged.
    """
    found = find(name, give_up)
    try:
        stream = Stream(found)
    except failures() as error:
        raise InputError(f"the LSL stream {one_line(found.name())} went away as it was opened; start again") from error
    samples, times = stream.first_samples(give_up)
    began = time.time() - (pylsl().local_clock() - float(times[0]))
    place = f"the LSL stream {stream.name}"

    def read(signals: Sequence[int]) -> Pieces:
        scales = np.array([scale_of(place, stream.headers[signal]) for signal in signals], np.float32)
        clock = SampleClock(stream.rate)
        chunk: tuple[NDArray[Any], NDArray[np.float64]] | None = (samples, times)
        while True:
            if chunk is None or not len(chunk[1]):
                yield None
            else:
                if (pause := stream.pause()) is not None:
                    clock.lost(pause)
                for first, part in clock.place(chunk[1]):
                    chosen = chunk[0][part][:, list(signals)].astype(np.float32)  # (sample, signal)
                    yield Piece(first, np.ascontiguousarray((chosen * scales).T))
            chunk = stream.pull()

    return Feed(
        one_line(stream.name).replace("/", "_") or "lsl",
        place,
        stream.headers,
        datetime.fromtimestamp(began).replace(microsecond=0),
        read,
        repeats=False,
        began=began,
        lsl_time=float(times[0]),
        simulated=SIMULATED.casefold() in stream.name.casefold(),
    )


def scale_of(place: str, header: Header) -> float:
    """Return what makes µV of a channel's samples.

    Raises:
        InputError: its unit is no voltage.
    """
    scale = microvolts_in(header.unit)
    if scale is None:
        raise InputError(f"{place}: {header.label} is in {header.unit}, not in volts; choose another channel")
    if not header.unit:
        log.info("note: %s: %s has no unit; taken as µV", place, header.label or "its signal")
    return scale


def find(name: str | None, give_up: float | None) -> Any:
    """Return what describes the stream of this name, or the only one of type EEG; it is waited for.

    Raises:
        InputError: there are several, or none came.
    """
    lsl, wanted = pylsl(), f"name {name}" if name else f"type {EEG}"
    began, said = time.monotonic(), False
    while True:
        there = lsl.resolve_streams(SEARCH_SECONDS)
        found = [one for one in there if (one.name() == name if name else one.type() == EEG)]
        if len(found) > 1:
            names = ", ".join(f"{one_line(one.name())} on {one_line(one.hostname())}" for one in found)
            raise InputError(f"several LSL streams of {wanted}: {names}; name one that there is once, with --lsl NAME")
        if found:
            return found[0]
        if give_up is not None and time.monotonic() - began > give_up:
            others = ", ".join(sorted(one_line(one.name()) for one in there)) or "none"
            raise InputError(f"no LSL stream of {wanted} came; there are: {others}")
        if not said:
            log.info("waiting for the LSL stream of %s", wanted)
        said = True


@dataclass(eq=False)
class Stream:
    """A connection to a stream, which is looked for anew when it is lost.

    Raises:
        InputError: it sends nothing regular, or no numbers.
    """

    found: Any

    def __post_init__(self) -> None:
        self.name = one_line(self.found.name())
        self.rate = float(self.found.nominal_srate())
        if self.rate <= 0 or self.found.channel_format() == pylsl().cf_string:
            raise InputError(
                f"the LSL stream {self.name} has no sampling rate or no numbers: choose another with --lsl"
            )
        self.connect(self.found)
        self.headers = headers_of(self.inlet.info(timeout=10.0), self.rate)
        self.lost_at: float | None = None
        self.came_at = time.monotonic()  # when its last samples came
        self.was_lost: float | None = None  # when the last ones before it was lost came

    def connect(self, found: Any) -> None:
        lsl = pylsl()
        self.inlet = lsl.StreamInlet(
            found, max_buflen=BUFFER_SECONDS, recover=False, processing_flags=lsl.proc_clocksync
        )
        self.inlet.open_stream(timeout=10.0)

    def first_samples(self, give_up: float | None) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Wait for the first samples.

        Raises:
            InputError: none came.
        """
        began = time.monotonic()
        while True:
            chunk = self.pull()
            if chunk is not None and len(chunk[1]):
                return chunk
            if give_up is not None and time.monotonic() - began > give_up:
                raise InputError(f"the LSL stream {self.name} is there, but not one sample came")

    def pull(self) -> tuple[NDArray[Any], NDArray[np.float64]] | None:
        """Return what has come, (sample, signal) and the time stamps, or nothing after POLL_SECONDS."""
        if self.lost_at is not None:
            self.look_again(self.lost_at)
            return None
        try:
            samples, times = self.inlet.pull_chunk(
                timeout=POLL_SECONDS, max_samples=AT_A_TIME, min_samples=1, as_numpy=True
            )
        except pylsl().util.LostError:
            log.info("note: the LSL stream %s is lost: looking for it", self.name)
            self.lost_at = time.monotonic()
            self.was_lost = self.came_at
            return None
        if len(times):
            self.came_at = time.monotonic()
        return np.asarray(samples), np.asarray(times, np.float64)

    def pause(self) -> float | None:
        """Return how many seconds the stream was lost before the samples that came last; None where it was not."""
        since, self.was_lost = self.was_lost, None
        return None if since is None else self.came_at - since

    def look_again(self, lost_at: float) -> None:
        """Connect to the stream again if it is there.

        Raises:
            InputError: it is there with another rate, or with other signals.
        """
        lsl = pylsl()
        source = self.found.source_id()
        what = ("source_id", source) if source else ("name", self.found.name())
        for found in lsl.resolve_byprop(*what, minimum=1, timeout=POLL_SECONDS):
            try:
                self.connect(found)
                headers = headers_of(self.inlet.info(timeout=10.0), float(found.nominal_srate()))
            except failures():  # it was there only for a moment
                return
            if headers != self.headers:
                raise InputError(
                    f"the LSL stream {self.name} is back as another one: {in_words(headers)}, before "
                    f"{in_words(self.headers)}; what was staged until then is kept: start again with another --name"
                )
            log.info(
                "note: the LSL stream %s is there again, after %s",
                *(self.name, duration_in_words(time.monotonic() - lost_at)),
            )
            self.lost_at = None
            return


def headers_of(info: Any, rate: float) -> tuple[Header, ...]:
    """Return the signals of a stream; where it names none, they are numbered from 1, and one alone has no name."""
    n = info.channel_count()
    labels, units = (list(found or []) for found in (info.get_channel_labels(), info.get_channel_units()))
    if len(labels) != n or not all(labels):
        labels = [str(i + 1) for i in range(n)] if n > 1 else [""]
    units = units if len(units) == n else [""] * n
    return tuple(
        Header(one_line(label), one_line(unit or ""), rate, 0) for label, unit in zip(labels, units, strict=True)
    )


def in_words(headers: Sequence[Header]) -> str:
    """Return the rate of a stream's signals, and what they are called."""
    labels = ", ".join(f"{one.label or 'one signal'}{f' in {one.unit}' if one.unit else ''}" for one in headers)
    return f"{headers[0].rate:g} Hz, {labels[:100]}"


# ---- the stages as a stream ----

Send = Callable[[str, float | None], None]
"""Sends a stage at a time by the clock of LSL; None: now."""


def marker_stream(name: str) -> Send:
    """Open a stream of markers, which sends the names of stages.

    Raises:
        InputError: pylsl is not installed.
    """
    lsl = pylsl()
    info = lsl.StreamInfo(name, "Markers", 1, lsl.IRREGULAR_RATE, lsl.cf_string, f"recsleepnet-{name}")
    outlet = lsl.StreamOutlet(info)

    def send(stage: str, at: float | None) -> None:
        outlet.push_sample([stage], lsl.local_clock() if at is None else at)

    return send
