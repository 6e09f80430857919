"""What a file may ask for, at most: checked before memory is taken, each in the room that reads it.

A file of a few bytes can claim a signal of years, or a text of gigabytes. What lies beyond these limits is no night's
recording; the message names the limit. Within them, no file takes more than 1 GB of memory or ten seconds to be read or
refused, which tests/hostile/test_limits.py holds.
"""

from __future__ import annotations

LONGEST_DAYS = 31  # a recording, a hypnogram or a mark that seems longer has a wrong clock somewhere
LONGEST_SECONDS = LONGEST_DAYS * 86_400
LATEST_ONSET = 100 * LONGEST_SECONDS  # of a mark; a later one is at no time of a recording

RATES = (10.0, 100_000.0)
"""Hz, of a channel that is scored. The slowest is far below any EEG's; a sample in many minutes, resampled to 100 Hz,
would fill the memory from a file of 900 bytes."""

LONGEST_ANNOTATIONS = 2**22  # bytes, of the annotations in one record of an EDF file; Sleep-EDF has some 20,000
MOST_MARKS = 1_000_000  # annotations of a recording: more than one in three seconds of LONGEST_DAYS
LONGEST_RECORD = 2**28  # bytes, of one record of an EDF file, all signals; a night in one record has some 200 MB
LONGEST_TEXT = 2**24  # bytes, of a hypnogram or a table: ten times what LONGEST_DAYS of stages need
LONGEST_JSON = 2**25  # bytes; dataset.json has some 400 for each night, so 80,000 nights
MOST_LINES = 1_000_000  # of a text file: one for each second of eleven days
MOST_CELLS = 2**17  # of one line of a table: hypnograms of LONGEST_DAYS in one line have 89,280
LONGEST_SIGNAL = 2**29  # bytes, of a prepared night's signal as float32: fifteen days at 100 Hz
LONGEST_WEIGHTS = 2**29  # bytes, of one array of a checkpoint; the published network's largest has 0.8 million
LONGEST_DIRECTORY = 2**20  # bytes, of an npz file's directory: some 15,000 arrays
LONGEST_SMALL = 2**20  # bytes, of an array that is no signal: stages, a rate, a name
