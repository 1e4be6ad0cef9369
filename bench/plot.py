"""Plot wall time against size."""

from pathlib import Path


def draw(curves: dict[str, dict[float, float]], target: Path) -> None:
    """Draw seconds of wall time against MB of items, one line per program.

    Args:
        curves: seconds by MB, by the program's name.
        target: the PNG to write.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", label=name)
    axes.set(xlabel="items, MB", ylabel="wall time, s", xlim=(0, None), ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(target, dpi=120, metadata={"Software": None})
    plt.close(figure)
