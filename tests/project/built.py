"""Build the documentation's site as `make docs` does, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from once import once

ROOT = Path(__file__).parents[2]
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
MKDOCS = (sys.executable, "-m", "mkdocs", "build", "--strict")  # --quiet would silence --strict


def build(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MKDOCS, "--config-file", str(config), "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | NO_NETWORK | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def built_site(folders: pytest.TempPathFactory) -> Path:
    """Return the folder of the site; it is built once for all workers."""

    def make(folder: Path) -> None:
        done = build(ROOT / "mkdocs.yml", folder)
        assert done.returncode == 0, done.stderr

    return once(folders, "site", make)
