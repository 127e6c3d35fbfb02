"""Draws the README's picture of training.json: milliseconds of a step, theirs beside ours.

python experiments/benchmarks/speed_chart.py    # writes .github/speed.svg
"""

from collections.abc import Iterator
from html import escape
from math import log10
from pathlib import Path

from regimecast.core.files import atomic_path, read_json
from regimecast.report.palette import GRID, INK, MUTED, STRATEGY

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / ".github" / "speed.svg"
THEIRS = "#9aa5b1"
WIDTH, LEFT, RIGHT, TOP = 860, 225, 160, 64
BAR, GAP = 17, 15
DECADES = (-3, 0.5)  # seconds, as powers of ten


def pairs() -> Iterator[tuple[str, str, float, float]]:
    """Network, peer, seconds of the peer's step and of ours, ours being the faster of two."""
    best: dict[tuple[str, str], tuple[float, float]] = {}
    for ratio in read_json(HERE / "training.json")["ratios"]:
        title, _, what = ratio["name"].partition(": ")
        peer = "neuralforecast" if "neuralforecast" in what else what
        if peer not in ("neuralforecast", "darts", "pytorch-forecasting"):
            continue
        found = ratio["over_median"], ratio["under_median"]
        best[title, peer] = min(best.get((title, peer), found), found, key=lambda x: x[1])
    for (title, peer), (theirs, ours) in best.items():
        yield title, peer, theirs, ours


def x_of(seconds: float) -> float:
    """Where a bar of so many seconds ends; the axis is logarithmic."""
    share = (log10(seconds) - DECADES[0]) / (DECADES[1] - DECADES[0])
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def text(x: float, y: float, content: str, *, colour: str = INK, **style: str) -> str:
    attributes = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{attributes}>{escape(content)}</text>'


def bar(y: float, seconds: float, colour: str) -> str:
    width = x_of(seconds) - LEFT
    return f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'


def duration(seconds: float) -> str:
    ms = 1e3 * seconds
    return f"{ms:,.0f} ms" if ms >= 20 else f"{ms:.1f} ms"


def main() -> None:
    found = list(pairs())
    height = TOP + len(found) * (2 * BAR + GAP) + 34
    parts = [
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        text(
            20,
            26,
            "A training step of 512 windows: processor time, logarithmic scale",
            font_weight="600",
        ),
        f'<rect x="20" y="38" width="12" height="12" fill="{THEIRS}"/>',
        text(38, 49, "the library named", colour=MUTED),
        f'<rect x="170" y="38" width="12" height="12" fill="{STRATEGY}"/>',
        text(188, 49, "Regimecast, with every default callback and tracker", colour=MUTED),
    ]
    bottom = height - 30
    for decade in range(int(DECADES[0]), 1):
        x = x_of(10.0**decade)
        parts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{bottom}" stroke="{GRID}"/>',
            text(x, bottom + 16, duration(10.0**decade), colour=MUTED, text_anchor="middle"),
        ]
    for place, (title, peer, theirs, ours) in enumerate(found):
        y = TOP + place * (2 * BAR + GAP)
        parts += [
            text(20, y + BAR + 5, title, font_weight="600"),
            text(LEFT - 10, y + BAR + 5, peer, colour=MUTED, text_anchor="end"),
            bar(y, theirs, THEIRS),
            bar(y + BAR, ours, STRATEGY),
            text(x_of(theirs) + 6, y + BAR - 4, duration(theirs), colour=MUTED),
            text(x_of(ours) + 6, y + 2 * BAR - 4, f"{duration(ours)}, {theirs / ours:,.3g} ×"),
        ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13">\n' + "\n".join(parts) + "\n</svg>\n"
    )
    with atomic_path(TARGET) as path:
        path.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
