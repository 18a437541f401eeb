"""Drawing: what several pages draw: tiles, texts as they are, links to other pages, plots with a table beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import altair as alt
import streamlit as st

from argotune.dashboard.addresses import PageAddress, read_address
from argotune.dashboard.complaints import complaint_of
from argotune.dashboard.desk import Desk, whose_page
from argotune.dashboard.inert import inert, plain
from argotune.dashboard.views.tiles import Tile
from argotune.errors import ArgotuneError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, str | float | date | None]
"""Of a table, by column."""

PAGES_HERE = "pages"
TENANT_SEEN = "tenant"
TILES_IN_A_ROW = 4


def draw_tiles(tiles: Sequence[Tile]) -> None:
    """Numbers, a few in a row."""
    for start in range(0, len(tiles), TILES_IN_A_ROW):
        row = tiles[start : start + TILES_IN_A_ROW]
        for column, tile in zip(st.columns(TILES_IN_A_ROW), [*row, *[None] * (TILES_IN_A_ROW - len(row))], strict=True):
            if tile:
                column.metric(tile.name, inert_figure(tile.figure), border=True)
                column.caption(inert_figure(tile.meaning))


def inert_figure(words: str) -> str:
    """Words of ours and numbers: nothing in them is Markdown but a `-` for none or a sign at the start."""
    return words.replace("-", "\\-").replace("+", "\\+")


def draw_texts(lines: Sequence[str]) -> None:
    """Lines as they are."""
    for line in lines:
        st.text(plain(line))


def draw_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Names of ours beside texts of anybody."""
    for name, text in facts:
        left, right = st.columns([1, 4], gap="small")
        left.caption(name)
        right.text(plain(text))


def draw_complaint(error: ArgotuneError) -> None:
    """What is wrong, in place of what cannot be shown."""
    found = complaint_of(error)
    with st.container(border=True):
        st.error(found.heading)
        st.text(plain(found.sentence))


def draw_link(page: str, label: str, address: PageAddress, icon: str = ":material/arrow_forward:") -> None:
    """To another page of the dashboard, of what the address names. The label may hold anybody's words."""
    target = st.session_state[PAGES_HERE][page]
    st.page_link(target, label=inert(label, 90), icon=icon, query_params=address.query)


def draw_plot(chart: alt.Chart | alt.LayerChart, told: str, rows: Sequence[DataclassInstance]) -> None:
    """A plot, what it says for those who do not see it, and its numbers as a table."""
    st.altair_chart(chart, width="stretch", alt=told)
    with st.expander(f"{told}: as a table"):
        draw_table([asdict(row) for row in rows], told)


def draw_table(rows: Sequence[Row], told: str) -> None:
    """Cells are text and numbers, nothing else."""
    st.dataframe(_cells(rows), hide_index=True, width="stretch", alt=told)


def draw_choice(rows: Sequence[Row], told: str) -> int | None:
    """Such a table of which a row can be chosen; its number, None for none."""
    chosen = st.dataframe(
        _cells(rows), hide_index=True, width="stretch", alt=told, on_select="rerun", selection_mode="single-row"
    )
    return next(iter(chosen.selection.rows), None)


def _cells(rows: Sequence[Row]) -> list[Row]:
    return [{name: plain(v) if isinstance(v, str) else v for name, v in row.items()} for row in rows]


def leave_for(page: str, address: PageAddress) -> None:
    """Show another page."""
    st.switch_page(st.session_state[PAGES_HERE][page], query_params=address.query)


def here() -> PageAddress:
    """What the URL names."""
    return read_address(st.query_params)


def go_to(address: PageAddress) -> None:
    """Make the URL name this, so that it can be sent to somebody."""
    if here() != address:
        st.query_params.from_dict(address.query)


def choose_tenant(desk: Desk) -> str | None:
    """Whose page it is, by the URL and the choice beside it; None where somebody has to choose, which is said. Raises
    NotFound for a tenant that this dashboard does not show."""
    ids = desk.tenant_ids()
    named = whose_page(here(), ids, st.session_state.get(TENANT_SEEN))
    index = ids.index(named) if named in ids else None
    chosen = st.sidebar.selectbox("Tenant", ids, index=index, format_func=plain, placeholder="Choose a tenant")
    if chosen is not None and chosen != named:
        named = chosen
        go_to(PageAddress(tenant=chosen))
    if named is None:
        st.info("Choose a tenant in the sidebar." if ids else "There are no tenants yet.")
        return None
    desk.arguments.check_shown(named)
    st.session_state[TENANT_SEEN] = named
    if here().tenant != named:
        go_to(PageAddress(tenant=named))
    return named
