"""Of which types the values in a JSON file must be: checked before they are used."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Form = Callable[[Any], bool]
"""Tells whether a value is of the type that it must be."""


def check_forms(values: Any, forms: Mapping[str, Form], *, all_needed: bool = True) -> None:
    """Raise ValueError unless `values` has every name of `forms`, or some if not all are needed, in its form."""
    if not isinstance(values, dict):
        raise ValueError("it holds no names and values")
    for name, is_right in forms.items():
        if name not in values:
            if not all_needed:
                continue
            raise ValueError(f"no {name} in it")
        if not is_right(values[name]):
            raise ValueError(f"{name} is {str(values[name])[:40]}")


def check_exactly(values: Any, forms: Mapping[str, Form]) -> None:
    """Raise ValueError unless `values` has every name of `forms` in its form, and no other name."""
    check_forms(values, forms)
    if unknown := ", ".join(map(str, values.keys() - forms.keys())):
        raise ValueError(f"no such name: {unknown[:80]}")


def is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_plain(value: Any) -> bool:
    return is_text(value) or is_number(value)


def or_none(is_right: Form) -> Form:
    return lambda value: value is None or is_right(value)


def list_of(is_right: Form) -> Form:
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def dict_of(is_right: Form) -> Form:
    return lambda value: isinstance(value, dict) and all(map(is_right, value.values()))
