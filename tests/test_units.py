"""Units of signals: every spelling that recorders were seen to write, and what is no voltage."""

from __future__ import annotations

import contextlib

import pytest

from recordings.units import is_named, microvolts_in

# mne-tools/mne-python issues 9186 and 9196, MIT-LCP/wfdb-python issue 429: what recorders write for µV
MICROVOLTS = {
    "ascii": b"uV",
    "capital": b"UV",
    "latin-1": b"\xb5V",
    "utf-8": "µV".encode(),
    "utf-8, Greek": "μV".encode(),
    "code page 437": b"\xe6V",
    "no such letter": b"?V",
    "a dot": b".V",
    "a blank": b" uV",
    "zero bytes": b"uV\0\0\0\0\0\0",
    "word": b"microV",
    "words": b"microvol",
    "volts": b"uVolts",
    "volt": b"uVolt",
    "mc": b"mcV",
    "Cyrillic": "мкВ".encode("cp1251"),
    "GBK": "μV".encode("gbk"),
    "Shift-JIS": "μV".encode("shift_jis"),
    "replaced": "\ufffdV".encode(),
    "brackets": b"[uV]",
    "full stop": b"uV.",
    "a bit": b"uV/bit",
    "direct": b"uV DC",
}


@pytest.mark.parametrize("name", MICROVOLTS)
def test_a_microvolt_is_known_however_it_is_written(name):
    assert microvolts_in(MICROVOLTS[name].decode("latin-1")) == 1
    with contextlib.suppress(UnicodeDecodeError):
        assert microvolts_in(MICROVOLTS[name].decode()) == 1


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("mV", 1e3), ("MV", 1e3), ("millivolt", 1e3), ("V", 1e6), ("volts", 1e6), ("nV", 1e-3), ("nanoV", 1e-3)],
)
def test_other_voltages_are_known(unit, factor):
    assert microvolts_in(unit) == factor and is_named(unit)


@pytest.mark.parametrize("unit", ["", "-", "n/a", " "])
def test_no_unit_is_taken_as_microvolts(unit):
    assert microvolts_in(unit) == 1 and not is_named(unit)


@pytest.mark.parametrize("unit", ["%", "degC", "10uV", "bpm", "kV", "cmH2O", "u", "uVs", "?", "mmHg", "l/min"])
def test_what_is_no_voltage_or_not_understood_is_none(unit):
    assert microvolts_in(unit) is None
