"""Plot wall time against size."""

from pathlib import Path


def draw(curves: dict[str, dict[float, float]], target: Path) -> None:
    """Draw seconds of wall time against MB of items, one line per program.

    Args:
        curves: seconds by MB, by the program's name.
        target: the SVG to write.
    """
    import altair as alt
    import vl_convert

    points = [
        {"program": name, "size": size, "seconds": seconds}
        for name, curve in curves.items()
        for size, seconds in curve.items()
    ]
    chart = alt.Chart(alt.InlineData(values=points), width=560, height=300)
    drawn = chart.mark_line(point=True).encode(
        x=alt.X("size:Q", title="items, MB"),
        y=alt.Y("seconds:Q", title="wall time, s"),
        color=alt.Color("program:N", title=None, sort=None),
    )
    target.write_text(vl_convert.vegalite_to_svg(drawn.to_dict(), vl_version="6.4"))
