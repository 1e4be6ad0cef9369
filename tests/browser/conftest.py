"""The headless browser of the tests."""

import json
import os
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def browse(tmp_path_factory):
    """Run a script of the browser on a page and return what it reports; the browser is unpacked once."""
    unpacked = tmp_path_factory.mktemp("browser")

    def start(script, page, *words):
        done = subprocess.run(
            ["node", str(Path(__file__).with_name(script)), str(page), *words],
            env=os.environ | {"TMPDIR": str(unpacked)},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return start
