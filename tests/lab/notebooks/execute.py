"""Run the committed notebooks as their outputs are compared: ``python tests/lab/notebooks/execute.py``.

All use one local AWS and one work folder that begin empty, so 00_start builds everything, and says so. The
outputs are written back once all notebooks have run.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cat_lab.local import running
from cat_normalize.core.settings import Settings

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
COMMAND = ("-m", "nbconvert", "--to", "notebook", "--execute", "--inplace")
NO_TIMES = "--ExecutePreprocessor.record_timing=False"


def main() -> None:
    names = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as folder, running(Settings(), Path(folder)) as aws:
        copies = Path(folder) / "notebooks"
        copies.mkdir()
        for name in names:
            shutil.copy(NOTEBOOKS / name, copies)
        words = [sys.executable, *COMMAND, NO_TIMES, *names]
        subprocess.run(words, cwd=copies, env=aws.child_environment(), check=True)
        for name in names:
            shutil.copy(copies / name, NOTEBOOKS)


if __name__ == "__main__":
    main()
