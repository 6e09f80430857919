"""EDF files that tests write."""

from __future__ import annotations

from datetime import datetime

import edfio

START = datetime(2001, 2, 3, 22, 0, 0)


def write_edf(path, signals, start=None, record_seconds=1, **options):
    """Write an EDF of (label, rate, unit, samples) signals and return its path."""
    start = start or START
    edf = edfio.Edf(
        [edfio.EdfSignal(data, rate, label=label, physical_dimension=unit) for label, rate, unit, data in signals],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        data_record_duration=record_seconds,
        **options,
    )
    edf.write(path)
    return path
