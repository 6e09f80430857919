"""Which of a recording's signals is the channel that is asked for: names, aliases, differences, stand-ins."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from command import InputError

FRONTAL = ("Fpz-Cz", "Fz-Cz", "F4-A1", "F3-A2", "Fz-A2", "Fz-A1", "Fp2-A1", "Fp1-A2", "Fpz-A2", "Fpz-A1")
CENTRAL = ("C3-A2", "C4-A1", "Cz-A2", "Cz-A1", "C3-A1", "C4-A2")
BARE = ("Fpz", "Fz", "F4", "F3", "Fp2", "Fp1", "Cz", "C4", "C3")  # whatever they are referenced to

STAND_INS = {
    **dict.fromkeys(("fpzcz", "fzcz"), (*FRONTAL, *CENTRAL, *BARE)),
    **dict.fromkeys(("c3a2", "c4a1"), (*CENTRAL, *FRONTAL, *BARE)),
}
"""Plain name of a channel that networks are trained on → what shows the same waves, the nearest first."""


@dataclass(frozen=True)
class Channel:
    """Where a wanted channel is among a file's signals.

    Attributes:
        label: the name as used, `C3-M2`, or `C3 - A2` for one that is derived.
        active: index of the signal.
        reference: index of the signal to subtract; None when the file has the channel itself.
    """

    label: str
    active: int
    reference: int | None = None


COMMON = r"(?:common)?ref(?:erence)?|le|a1a2|m1m2|a12|m12|cle|car|avg|average|ar"
"""References that several signals of a file share, in small letters: to linked ears, to the average, or not said."""

ELECTRODE = r"(?:fp|af|fc|ft|tp|cp|po|[fctpoame])(?:\d{1,2}|z|pz)"
SEPARATORS = r"[\s:_/\-\u2010-\u2015\u2212]"


def plain_label(label: str) -> str:
    """Return a channel's name without what laboratories write differently.

    That is case, separators, prefix EEG or PSG, M1 for A1, a common reference (C3-Ref), the unit, the number of the
    signal, and what is around a name in brackets: `EEG L1(Fp1)` is fp1.
    """
    active, _ = parts_of(label)
    return active


def parts_of(label: str) -> tuple[str, str]:
    """Return the plain name of a channel, and the common reference that its label names, "" without one."""
    text = re.sub(r"\s*\(signal \d+\)$|\s*\[[^\]]*\]$", "", label).casefold()
    text = re.sub(rf"^\s*(?:eeg|psg){SEPARATORS}*(?=\S)", "", text)
    inside = re.fullmatch(rf"[a-z]*\d*\s*\(\s*({ELECTRODE}(?:{SEPARATORS}*[a-z0-9]+)*)\s*\)", text)
    text = inside[1] if inside else text
    common = re.fullmatch(rf"(.*?[a-z0-9]){SEPARATORS}+({COMMON})", text.strip())
    text, reference = (common[1], common[2]) if common else (text, "")
    bare = re.sub(SEPARATORS, "", re.sub(rf"(?<={SEPARATORS}{{1}})({ELECTRODE})-\d{{1,2}}$", r"\1", text))
    return re.sub(r"^m([12])|m([12])$", lambda found: f"a{found[1] or found[2]}", bare), reference


def resolve_channel(wanted: str, labels: Sequence[str]) -> Channel:
    """Find a channel by its exact name, else by an alias, else as the difference of two referential channels.

    Args:
        wanted: the channel's name, such as `C3-A2`; of several signals of one name, `C3-A2 (signal 4)`, counted from 0.
        labels: the names of a file's signals.

    Raises:
        InputError: no such channel, or more than one; the message lists those there are, the nearest names first.
    """
    found = find_channel(wanted, labels)
    if found is None:
        near = nearest_names(wanted, labels)
        nearest = f" (nearest: {', '.join(near)})" if near else ""
        raise InputError(f"no channel {wanted}; there are {', '.join(labels) or 'none'}{nearest}; name one of them")
    return found


def find_channel(wanted: str, labels: Sequence[str]) -> Channel | None:
    """Return the channel as `resolve_channel` does, or None when there is none.

    Raises:
        InputError: the name could mean several channels.
    """
    matches = matching(wanted, labels)
    if len(matches) > 1:
        names = [numbered_label(labels, i) for i in matches]
        listed = ", ".join(names)
        raise InputError(
            f'channel {wanted} could be any of {listed}; select one by its exact name, or by number: "{names[0]}"'
        )
    return Channel(used_label(labels, matches[0]), matches[0]) if matches else derived_channel(wanted, labels)


def matching(wanted: str, labels: Sequence[str]) -> list[int]:
    """Return the signals that a name means: that of this number, else those of the very name, else its aliases."""
    numbered = [i for i in range(len(labels)) if wanted == numbered_label(labels, i)]
    exact = [i for i, label in enumerate(labels) if label == wanted]
    return numbered or exact or [i for i, label in enumerate(labels) if plain_label(label) == plain_label(wanted)]


def numbered_label(labels: Sequence[str], number: int) -> str:
    """Return the name of a signal with its number, which tells it from others of its name."""
    return f"{labels[number]} (signal {number})"


def used_label(labels: Sequence[str], number: int) -> str:
    """Return what a signal is called from here on: its label, with its number where another one has the same."""
    return labels[number] if labels.count(labels[number]) == 1 else numbered_label(labels, number)


def alike(wanted: str, labels: Sequence[str]) -> list[Channel]:
    """Return the signals among which a name does not tell, as they have one and the same label; none where it does."""
    matches = matching(wanted, labels)
    same = len(matches) > 1 and len({labels[i] for i in matches}) == 1
    return [Channel(numbered_label(labels, i), i) for i in matches] if same else []


def derived_channel(wanted: str, labels: Sequence[str]) -> Channel | None:
    """Return the difference of two signals that a name means, both of them against one reference; None without them."""
    parts = [parts_of(label) for label in labels]
    for pair in operands(wanted):
        for common in dict.fromkeys(reference for _, reference in parts):
            if all(parts.count((name, common)) == 1 for name in pair):
                active, reference = (parts.index((name, common)) for name in pair)
                return Channel(f"{labels[active]} - {labels[reference]}", active, reference)
    return None


def operands(wanted: str) -> Iterator[tuple[str, str]]:
    """Yield the two plain names that `wanted` may be the difference of: `C3-A2`, `C3A2` → `c3`, `a2`."""
    for sign in re.finditer(r"[:/\-\u2010-\u2015\u2212]", wanted):
        yield plain_label(wanted[: sign.start()]), plain_label(wanted[sign.end() :])
    electrode = r"([a-z]+(?:\d+|z))"
    pair = re.fullmatch(electrode * 2, plain_label(wanted))
    if pair:
        yield pair[1], pair[2]


def nearest_names(wanted: str, labels: Sequence[str]) -> list[str]:
    """Return up to three labels whose names are most like `wanted`."""
    by_plain = {plain_label(label): label for label in labels}
    return [by_plain[name] for name in difflib.get_close_matches(plain_label(wanted), by_plain, 3, cutoff=0.4)]


def trained_and_stand_ins(trained: Sequence[str], labels: Sequence[str]) -> Iterator[Channel]:
    """Yield the channel that a network was trained on, if it is there, then what stands in for it, the nearest first.

    Args:
        trained: the names that the network's nights give the channel; the first that is there comes first.
        labels: the names of a file's signals.

    Raises:
        InputError: there is none, or the next name could mean several channels.
    """
    stand_ins = [name for wanted in trained for name in STAND_INS.get(plain_label(wanted), ())]
    there: set[Channel] = set()
    for name in (*trained, *stand_ins):
        try:
            found: Sequence[Channel | None] = alike(name, labels) or [find_channel(name, labels)]
        except InputError:
            if name in trained or not there:
                raise
            continue  # one is there already: a name that could mean several is no reason to refuse the recording
        for channel in found:
            if channel and channel not in there:
                there.add(channel)
                yield channel
    if not there:
        raise InputError(
            f"no channel {' or '.join(trained)}, and nothing that stands in for it; there are "
            f"{', '.join(labels) or 'none'}; name one of them as the channel"
        )


def same_channel(one: str, other: str) -> bool:
    """Say whether two names mean the same channel: `EEG C3:M2`, `C3 - A2`, `c3a2`."""
    return plain_label(one) == plain_label(other)
