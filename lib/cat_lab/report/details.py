"""Write the details of a run for engineers, one HTML page without external resources.

Figures come first, then the executed notebooks with their code folded. nbconvert's own HTML template loads
scripts from the network, so the page has its own.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
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
    url: str
    caption: str
    notebook: str


@dataclass(slots=True)
class _Notebook:
    name: str
    blocks: list[_Block] = field(default_factory=list)


def write_details(folder: Path, record: RunRecord, target: Path, report: str) -> None:
    """Write the details of a run, whole or not at all.

    Args:
        folder: the folder of the executed notebooks; one that was not executed is left out.
        record: the run record.
        target: the path of the page.
        report: the name of the report, which it links to.
    """
    import jinja2
    from pygments.formatters import HtmlFormatter

    figures: list[_Figure] = []
    paths = [folder / stage.notebook for stage in record.stages.values()]
    notebooks = [_read(path, figures) for path in paths if path.exists()]
    template = resources.files(__package__).joinpath("details.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(template)
    text = page.render(
        record=record,
        report=report,
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
                if url := _picture(output.get("data", {})):
                    figures.append(_Figure(url, heading, path.name))
                else:
                    notebook.blocks += _output(output)
    return notebook


def _picture(data: Mapping[str, Any]) -> str | None:
    """Return the picture of an output as a data URL, in which no script runs."""
    if "image/svg+xml" in data:
        svg = "".join(data["image/svg+xml"]).encode("utf-8", "replace")
        return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
    if "image/png" in data:
        return f"data:image/png;base64,{''.join(data['image/png']).strip()}"
    return None


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
