"""The site of `make docs` in a real browser, from disk: legible on a phone, in the dark; search finds."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from project.built import built_site

OF_THE_THEME = {"aria-dialog-name", "scrollable-region-focusable"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return built_site(tmp_path_factory)


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """Run a script of the browser and return what it reports; the browser is unpacked once."""
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


@pytest.mark.parametrize("page", ["tour", "reference/query"])
def test_a_page_is_legible_and_loads_nothing_from_elsewhere(site, browse, page):
    for look in browse("open.mjs", site / f"{page}.html", "--widths", "390,1280")["looks"]:
        assert (look["overflow"], look["errors"]) == (0, [])
        assert [each for each in look["requests"] if not each.startswith(f"file://{site}/")] == []
        assert [each for each in look["violations"] if each["id"] not in OF_THE_THEME] == []


def test_search_finds_without_a_server(site, browse):
    found = browse("search.mjs", site / "reference" / "query.html", "unanswered")
    assert "What people write" in found["titles"]
    assert [each for each in found["requests"] if not each.startswith(f"file://{site}/")] == []
    assert found["errors"] == []
