"""A line chart as SVG, for what the benchmarks print as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 60, 40, 20, 50
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#8a6d1c", "#555555")


@dataclass(frozen=True)
class Line:
    """Points (x, y) with y in 0..1."""

    name: str
    points: Sequence[tuple[float, float]]


def chart(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """The chart; y goes from 0 to 100 %, x from 0 to the last point."""
    most = max(x for line in lines for x, _ in line.points) or 1
    inside = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + inside[0] * x / most, TOP + inside[1] * (1 - y)

    parts = [_text(WIDTH / 2, 22, title, "middle", 15), _text(WIDTH / 2, HEIGHT - 10, x_name, "middle")]
    parts += [_text(LEFT, TOP - 10, y_name)]
    for tick in range(6):
        (x, y), (_, low) = place(most * tick / 5, tick / 5), place(0, 0)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts += [_text(LEFT - 8, y + 4, f"{20 * tick} %", "end"), _text(x, low + 18, f"{most * tick / 5:g}", "middle")]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        at = TOP + inside[1] - 18 * (len(lines) - number)
        parts.append(_text(WIDTH - RIGHT - 8, at, line.name, "end", fill=colour))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12, fill: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{escape(text)}</text>'
    )
