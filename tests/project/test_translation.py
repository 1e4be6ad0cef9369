"""README.es.md keeps step with README.md: the same commands, blocks, headings and links, in order."""

import re
from pathlib import Path

import pytest

from project.console import blocks

ROOT = Path(__file__).parents[2]
ENGLISH, SPANISH = ((ROOT / name) for name in ("README.md", "README.es.md"))
LINK = r"\]\(([^)]+)\)"
PARTS = {
    "levels of headings": r"^(#+) ",
    "links and pictures": LINK,
    "commands in the text": r"`((?:\.venv/bin/|make )[^`]*)`",
    "items of lists": r"^(\s*[-\d.]+) ",
}


def parts(page, pattern):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(pattern, prose, re.MULTILINE)


def test_the_blocks_are_the_same():
    assert blocks(SPANISH) == blocks(ENGLISH)


@pytest.mark.parametrize("name", PARTS)
def test_the_translation_has_the_same(name):
    english, spanish = parts(ENGLISH, PARTS[name]), parts(SPANISH, PARTS[name])
    if name == "links and pictures":  # the first leads to the other language
        assert (english.pop(0), spanish.pop(0)) == ("README.es.md", "README.md")
    assert spanish == english
