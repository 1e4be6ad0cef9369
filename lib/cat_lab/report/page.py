"""Write the report of a run, one HTML page without external resources.

Figures come first, then the executed notebooks with their code folded. nbconvert's own HTML template loads
scripts from the network, so the page has its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_normalize.core.files import write_bytes

if TYPE_CHECKING:
    from cat_lab.runs.records import RunRecord

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(slots=True)
class _Block:
    kind: str
    html: Any = ""
    text: str = ""


@dataclass(slots=True)
class _Figure:
    png: str
    caption: str
    notebook: str


@dataclass(slots=True)
class _Notebook:
    name: str
    blocks: list[_Block] = field(default_factory=list)


def write_page(folder: Path, record: RunRecord, target: Path) -> None:
    """Write the page of a run, whole or not at all.

    Args:
        folder: the folder of the executed notebooks; one that was not executed is left out.
        record: the run record.
        target: the path of the page.
    """
    import jinja2
    from pygments.formatters import HtmlFormatter

    figures: list[_Figure] = []
    paths = [folder / stage.notebook for stage in record.stages.values()]
    notebooks = [_read(path, figures) for path in paths if path.exists()]
    template = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(template)
    text = page.render(
        record=record,
        figures=figures,
        notebooks=notebooks,
        code_style=HtmlFormatter().get_style_defs(".highlight"),
    )
    write_bytes(target, text.encode("utf-8", "replace"))


def _read(path: Path, figures: list[_Figure]) -> _Notebook:
    """Turn an executed notebook into blocks; its pictures are added to the figures instead."""
    from markupsafe import Markup
    from nbconvert.filters import markdown2html
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    notebook = _Notebook(path.name)
    heading = path.stem
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        notebook.blocks.append(_Block("error", text=f"{path.name} cannot be read: {error}"))
        return notebook
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            notebook.blocks.append(_Block("prose", Markup(markdown2html(source))))
            heading = next(
                (line.lstrip("# ") for line in source.splitlines() if line.startswith("#")), heading
            )
        elif cell["cell_type"] == "code" and source.strip():
            notebook.blocks.append(_Block("code", Markup(highlight(source, PythonLexer(), HtmlFormatter()))))
            for output in cell["outputs"]:
                png = output.get("data", {}).get("image/png")
                if png:
                    figures.append(_Figure("".join(png).strip(), heading, path.name))
                else:
                    notebook.blocks += _output(output)
    return notebook


def _output(output: Mapping[str, Any]) -> Iterator[_Block]:
    from markupsafe import Markup

    data = output.get("data", {})
    if output["output_type"] == "error":
        yield _Block("error", text=_ANSI.sub("", "\n".join(output["traceback"])))
    elif output["output_type"] == "stream":
        yield _Block("text", text=_ANSI.sub("", "".join(output["text"])))
    elif "text/html" in data:
        yield _Block("html", Markup("".join(data["text/html"])))
    elif "text/plain" in data:
        yield _Block("text", text="".join(data["text/plain"]))
