"""Read the console blocks of a page, run their commands, compare what is shown with what is printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# What differs from run to run: the name of a run that has none given, the day, and how long a stage took.
_VARIES = [
    (r"\b\d{8}T\d{6}Z\b", "RUN"),
    (r"^(day +)\d{4}-\d\d-\d\d$", r"\1DAY"),
    (r"^(\w+: \d+ cells) in .*", r"\1"),
]


@dataclass
class Block:
    """A fenced block of a page: its language, the file that it is shown as, and its text."""

    language: str
    title: str | None
    text: str


@dataclass
class Command:
    """A command of a page, with the output shown beneath it."""

    line: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, without their indentation."""
    found = []
    for indent, language, title, text in _BLOCK.findall(page.read_text()):
        lines = [line.removeprefix(indent) for line in text.splitlines(keepends=True)]
        found.append(Block(language, title or None, "".join(lines)))
    return found


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block, less their comments."""
    current: Command | None = None
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if current:
                yield current
            current = Command(re.sub(r" {2,}# .*", "", line[2:]))
        elif current:
            current.shown.append(line)
    if current:
        yield current


def shows(shown: str, printed: str) -> bool:
    """Return whether a page shows what was printed; ``…`` in it stands for anything, alone for any lines."""
    for pattern, name in _VARIES:
        shown, printed = (re.sub(pattern, name, text, flags=re.MULTILINE) for text in (shown, printed))
    pattern = re.sub(r"\\\n…(?=\\\n|$)", r"(?:\\n.*)*", re.escape(shown)).replace("…", ".*")
    return re.fullmatch(pattern, printed) is not None


@dataclass
class Desk:
    """A folder laid out as the pages assume, where each command runs once."""

    folder: Path
    environment: dict[str, str]
    printed: dict[str, str] = field(default_factory=dict)

    def run(self, line: str) -> str:
        """Return what a command prints, as a terminal shows it; the same command runs once."""
        if line not in self.printed:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"$ {line}\n{done.stdout}"
            self.printed[line] = "\n".join(map(str.rstrip, done.stdout.splitlines()))
        return self.printed[line]
