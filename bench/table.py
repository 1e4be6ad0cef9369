"""Tables as Markdown shows them, padded so that a terminal shows them too."""

from __future__ import annotations


class Table:
    """A header and rows of text; every column but the first is set to the right."""

    def __init__(self, *header: str) -> None:
        self.rows: list[tuple[str, ...]] = [header]

    def add(self, *cells: str) -> None:
        """Append a row."""
        self.rows.append(cells)

    def target(self, name: str, target: str, measured: str, met: bool) -> None:
        """Append a row with the target, the measured value, and whether the target is met."""
        self.add(name, target, measured, "met" if met else "not met")

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        lines = ["| " + " | ".join(map(_pad, row, widths, range(len(row)))) + " |" for row in self.rows]
        rule = "|" + "|".join("-" * (width + 1) + (":" if n else "-") for n, width in enumerate(widths)) + "|"
        return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def seconds(value: float) -> str:
    """Write seconds with as many digits as they are worth."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def milliseconds(value: float) -> str:
    """Write seconds as milliseconds."""
    return f"{1000 * value:.0f} ms"


def _pad(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
