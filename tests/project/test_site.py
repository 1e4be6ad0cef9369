"""`make docs` builds the site, with every page and link, and needs no network; commands.md is the help."""

import importlib.util
import re
from pathlib import Path

import pytest
import typer

from project.built import ROOT, build, built_site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return built_site(tmp_path_factory)


def pages(site):
    return [page for page in site.rglob("*.html") if page.name != "404.html"]


@pytest.mark.slow
def test_every_page_of_docs_and_of_the_top_is_in_the_site(site):
    docs = {page.relative_to(ROOT / "docs").with_suffix("") for page in (ROOT / "docs").rglob("*.md")}
    top = {Path(name) for name in ("index", "es", "contributing", "changelog")}
    assert {page.relative_to(site).with_suffix("") for page in pages(site)} == docs | top


@pytest.mark.slow
def test_no_page_loads_anything_from_a_network(site):
    for page in pages(site):
        loaded = re.findall(r"<(?!a\b)\w+\b[^>]*(?:src|href)=\"?(https?://[^\">]+)", page.read_text())
        assert loaded == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", sheet.read_text()), sheet.name


@pytest.mark.slow
@pytest.mark.parametrize("room", ["core", "extract", "normalize", "convert", "query", "jobs", "scale"])
def test_a_room_shows_all_that_its_face_exports(site, room):
    text = (site / "reference" / f"{room}.html").read_text()
    face = importlib.import_module(f"cat_normalize.{room}")
    for name in getattr(face, "__all__", ()):
        assert f'id="cat_normalize.{room}.{name}"' in text, name
    assert "&gt;&gt;&gt;" in text or room in ("extract", "scale", "convert")
    assert "<blockquote>" not in text  # an example that is no code


@pytest.mark.slow
def test_broken_links_stop_the_build_and_are_named(tmp_path):
    (tmp_path / "docs").mkdir()
    links = ["nowhere.md", "index.md#nothing", "../infra/nobody.py"]
    (tmp_path / "docs" / "tour.md").write_text("".join(f"[there]({link})\n" for link in links))
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(text.replace("infra/", f"{ROOT}/infra/"))
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode == 1
    for link in links:
        assert f"'{link}'" in done.stderr


def reference(*application):
    spec = importlib.util.spec_from_file_location("commands_page", ROOT / "infra" / "site" / "commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference(*application)


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_commands_page_is_the_help_of_the_commands(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert (ROOT / "docs" / "commands.md").read_text() == reference(), "run `make reference`"


def test_the_commands_of_a_command_have_sections_too_and_hidden_ones_have_none():
    outer, inner = typer.Typer(), typer.Typer(help="What is kept.")
    inner.command("list")(lambda limit=typer.Option(3, help="How many."): None)  # noqa: B008
    inner.command("prune", hidden=True)(lambda: None)
    outer.add_typer(inner, name="runs")
    outer.command("other", help="A *star* and a | bar.")(lambda: None)
    page = reference(outer)
    assert re.findall("^## (.*)", page, re.MULTILINE) == [
        "`cat-normalize other`", "`cat-normalize runs`", "`cat-normalize runs list`",
    ]  # fmt: skip
    assert "How many. [default: 3]" in page
    assert r"A \*star\* and a \| bar." in page
