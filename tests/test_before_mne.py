"""Damage on which MNE hangs or crashes is found before it opens the file."""

from __future__ import annotations

import struct

import pytest

from command import InputError
from recordings import before_mne
from recordings.before_mne import TAG, check_eeglab, check_fif
from recordings.opening import open_recording
from tests.test_opening import write_eeglab, write_fif


def test_a_tag_that_leads_back_is_not_followed_for_ever(tmp_path):
    path = tmp_path / "a_raw.fif"
    write_fif(path)
    check_fif(path)
    content = bytearray(path.read_bytes())
    at = TAG.itemsize + 20  # the second tag, behind the file's id
    content[at + 12 : at + 16] = struct.pack(">i", at)
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=rf"a_raw\.fif: not a readable FIF recording \(the tag at byte {at} leads back"
    ):
        open_recording(path)


def test_a_crash_of_the_other_reader_is_the_users_file(tmp_path, monkeypatch):
    path = tmp_path / "a.set"
    write_eeglab(path)
    check_eeglab(path)
    monkeypatch.setattr(before_mne, "LOAD", "import os; os.abort()")
    with pytest.raises(
        InputError, match=r"a\.set: not a readable EEGLAB recording \(MATLAB's format is damaged\); copy"
    ):
        open_recording(path)


def test_loading_that_does_not_end_is_the_users_file(tmp_path, monkeypatch):
    path = tmp_path / "a.set"
    write_eeglab(path)
    monkeypatch.setattr(before_mne, "LOAD", "while True: pass")
    monkeypatch.setattr(before_mne, "SECONDS_TO_LOAD", 0.1)
    with pytest.raises(InputError, match=r"a\.set: .* it takes more than 0\.1 s to load|a\.set: not a readable EEGLAB"):
        open_recording(path)
