"""Hold a fold once its first pass is written, for as long as a file `hold` lies in its output folder.

Python imports this as it starts, in every process whose PYTHONPATH names this folder: the commands of a test's cluster.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def hold(event: str, arguments: tuple[object, ...]) -> None:
    """Keep the file of a later pass from being put in its place."""
    if event == "os.rename" and Path(str(arguments[1])).name == "resume.npz":
        resume = Path(str(arguments[1]))
        while resume.exists() and (resume.parents[2] / "hold").exists():
            time.sleep(0.05)


sys.addaudithook(hold)
