"""What the site needs beyond docs/: the pages at the top of the repository, and links that fit the site.

MkDocs calls the functions that are named ``on_…``.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from markdown import Extension, Markdown
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": "index.md",
    "README.es.md": "es.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_ORIGINALS = {page: name for name, page in PAGES.items()}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)")


class GitHubLists(Extension):
    """Nest lists by two or three spaces, as GitHub does; Python-Markdown asks for four."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  (Python-Markdown's name)
        """Set how far nested blocks are indented."""
        md.tab_length = 2


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Read Markdown as GitHub shows it."""
    config.markdown_extensions.append(GitHubLists())
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links fit the site; what links to a file that is no page becomes text."""
    here = page.file.src_uri
    original = _ORIGINALS.get(here, f"docs/{here}")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found.groups(default="")
        path = normpath(PurePosixPath(original).parent / target)
        if not (ROOT / path).exists():
            return found[0]  # MkDocs names it
        there = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(there) is None:
            return text
        return f"[{text}]({relpath(there, PurePosixPath(here).parent)}{anchor})"

    return _LINK.sub(link, markdown)
