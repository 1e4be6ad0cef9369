"""The site of `make docs` in a real browser, from disk: legible on a phone, in the dark; search finds."""

import pytest

from project.built import built_site

OF_THE_THEME = {"aria-dialog-name", "scrollable-region-focusable"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return built_site(tmp_path_factory)


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
