"""Plots: points of views as charts. Texts of tenants are cells of data, never a part of a chart's description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import altair as alt

from argotune.dashboard.inert import plain
from argotune.dashboard.views.decided import DecidedPoint
from argotune.dashboard.views.fleet import OUTCOMES, PlotBar
from argotune.dashboard.views.tenant import AccuracyView, ContestView
from argotune.dashboard.views.version import GainView, SliceBar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

COLOURS = {
    "promoted": "#009E73",
    "rejected": "#D55E00",
    "undecided": "#E69F00",
    "skipped": "#8A8A8A",
    "unfinished": "#56B4E9",
}
"""Of outcomes: told apart by those who confuse red and green too (Okabe and Ito, 2008)."""

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#8A8A8A"
SHARES = alt.Scale(domain=[0, 1])
IN_UTC = alt.Scale(type="utc")
ON_TOP = alt.Legend(orient="top")
ROW_HEIGHT = 26
TICKS = 6
DAYS, MINUTES = "%Y-%m-%d", "%m-%d %H:%M"
"""Of axes of time, which are in UTC."""
MAX_NAME_PIXELS = 260


def bars_of(bars: Sequence[PlotBar], what: str, colours: Mapping[str, str] | None = None, step: float = 1) -> alt.Chart:
    """A bar for each name, in the order in which they come; marks of its axis are at least a `step` apart."""
    colour = _colour(colours) if colours else alt.value(BLUE)
    return (
        alt.Chart(_data(bars), height=alt.Step(ROW_HEIGHT))
        .mark_bar()
        .encode(
            x=alt.X("length:Q", title=what, axis=alt.Axis(tickMinStep=step, tickCount=TICKS)),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=MAX_NAME_PIXELS)),
            color=colour,
            tooltip=_told("name"),
        )
    )


def outcomes_of(bars: Sequence[PlotBar]) -> alt.Chart:
    """How runs ended."""
    return bars_of(bars, "runs", COLOURS)


def accuracy_of(view: AccuracyView) -> alt.LayerChart:
    """The mean score of a champion's answers day by day, and when another one began to serve."""
    live = alt.Chart(_data(view.live)).encode(
        x=_time(DAYS),
        y=alt.Y("mean:Q", title="mean score", scale=SHARES, axis=alt.Axis(format="%")),
        color=alt.Color("scored_by:N", title="scored by", legend=ON_TOP, scale=alt.Scale(range=[BLUE, ORANGE])),
    )
    moves = alt.Chart(_data(view.moves)).mark_rule(color=GREY, strokeDash=[4, 3])
    dots = live.mark_point(filled=True, size=55).encode(tooltip=_told("at"))
    return alt.layer(moves.encode(x=_time(DAYS), tooltip=_told("at")), live.mark_line(), dots)


def gains_of(view: AccuracyView) -> alt.LayerChart:
    """The gain of each challenger over the champion it met, with the interval that holds at any time."""
    chart = alt.Chart(_data(view.held_out)).encode(
        x=_time(MINUTES), color=alt.Color("state:N", title="contest", legend=ON_TOP)
    )
    spans = chart.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="gain in points"), y2="high:Q")
    dots = chart.mark_point(filled=True, size=70).encode(y="gain:Q", tooltip=_told("at"))
    return alt.layer(_line_at(0.0), spans, dots)


def wealth_of(view: ContestView) -> alt.LayerChart:
    """What one coin on the challenger has become, pass by pass, and how much promotes."""
    chart = alt.Chart(_data(view.curve)).encode(
        x=_time(MINUTES),
        y=alt.Y("power:Q", title="wealth, in powers of ten"),
    )
    dots = chart.mark_point(filled=True, size=70, color=BLUE).encode(tooltip=_told("at"))
    asked = _line_at(view.asked, COLOURS["promoted"])
    return alt.layer(_line_at(0.0), asked, chart.mark_line(color=BLUE), dots)


def gain_of(gain: GainView) -> alt.LayerChart:
    """One gain with its interval."""
    chart = alt.Chart(_data([gain]), height=4 * ROW_HEIGHT)
    span = chart.mark_rule(strokeWidth=3, color=BLUE).encode(x=alt.X("low:Q", title="gain in points"), x2="high:Q")
    zero = alt.Chart(alt.Data(values=[{"at": 0}])).mark_rule(color=GREY).encode(x="at:Q")
    return alt.layer(zero, span, chart.mark_point(filled=True, size=90, color=BLUE).encode(x="gain:Q"))


def slices_of(bars: Sequence[SliceBar]) -> alt.Chart:
    """Both versions on each part of the questions."""
    return (
        alt.Chart(_data(bars), height=alt.Step(ROW_HEIGHT))
        .mark_bar()
        .encode(
            x=alt.X("mean:Q", title="mean score", scale=SHARES, axis=alt.Axis(format="%")),
            y=alt.Y("slice:N", title=None, axis=alt.Axis(labelLimit=MAX_NAME_PIXELS)),
            yOffset="role:N",
            color=alt.Color("role:N", title=None, legend=ON_TOP, scale=alt.Scale(range=[GREY, BLUE])),
            tooltip=_told("slice"),
        )
    )


def runs_of_a_tenant(runs: Sequence[DecidedPoint]) -> alt.Chart:
    """Each run where it began, in the row of its program."""
    return (
        alt.Chart(_data(runs), height=alt.Step(2 * ROW_HEIGHT))
        .mark_point(filled=True, size=90)
        .encode(
            x=_time(MINUTES),
            y=alt.Y("program:N", title=None, axis=alt.Axis(labelLimit=MAX_NAME_PIXELS)),
            color=_colour(COLOURS, "outcome"),
            tooltip=_told("at"),
        )
    )


def _time(marks: str) -> alt.X:
    return alt.X("at:T", title=None, scale=IN_UTC, axis=alt.Axis(format=marks, labelOverlap=True, tickCount=TICKS))


def _colour(colours: Mapping[str, str], field: str = "name") -> alt.Color:
    scale = alt.Scale(domain=list(OUTCOMES), range=[colours[name] for name in OUTCOMES])
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=None if field == "name" else ON_TOP)


def _line_at(level: float, colour: str = GREY) -> alt.Chart:
    return alt.Chart(alt.Data(values=[{"at": level}])).mark_rule(color=colour, strokeDash=[6, 3]).encode(y="at:Q")


def _told(first: str) -> list[alt.Tooltip]:
    kind = "T" if first == "at" else "N"
    return [alt.Tooltip(f"{first}:{kind}", title=" "), alt.Tooltip("told:N", title="  ")]


def _data(points: Sequence[DataclassInstance]) -> alt.Data:
    """Dataclasses as rows."""
    rows = [{name: _cell(value) for name, value in asdict(point).items()} for point in points]
    return alt.Data(values=rows)


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return plain(value) if isinstance(value, str) else value
