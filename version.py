"""The version of this program, and of everything that a result can depend on."""

from __future__ import annotations

import platform
from importlib import metadata

__version__ = "2.0.0"

LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas", "mne")


def versions() -> dict[str, str]:
    """Return the versions of the program, of Python and of the libraries that a result can depend on."""
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    return {"recsleepnet": __version__, "python": platform.python_version(), **libraries}
