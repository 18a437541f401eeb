"""The page of the fleet: what is seen first."""

from __future__ import annotations

import streamlit as st

from argotune.dashboard import plots
from argotune.dashboard.addresses import PageAddress
from argotune.dashboard.desk import Desk
from argotune.dashboard.drawing import Row, draw_choice, draw_link, draw_plot, draw_texts, draw_tiles, leave_for
from argotune.dashboard.inert import inert, plain
from argotune.dashboard.views.fleet import FleetView, TenantRow, fleet_view
from argotune.dashboard.views.tiles import in_utc
from argotune.pipeline.operations.fleet import fleet_standing


def draw_fleet(desk: Desk) -> None:
    """All tenants that the dashboard was started for."""
    st.title("Fleet")
    with st.spinner("Reading the store"):
        view = fleet_view(fleet_standing(desk.store, desk.now), desk.arguments.tenant_ids, desk.now)
    _warn(view)
    if not view.rows:
        st.info("There are no tenants yet. Add one, then look again:")
        st.code("argotune tenants add NAME", language=None)
        return
    draw_tiles(view.tiles)
    _degraded(view)
    left, right = st.columns(2)
    with left:
        _at_work(view)
        st.subheader("How runs ended")
        draw_plot(plots.outcomes_of(view.outcomes), "Runs by outcome", view.outcomes)
    with right:
        _bars(view)
    _newest(view)
    _all(view)


def _warn(view: FleetView) -> None:
    if view.unknown:
        st.warning(f"Nobody has added these tenants: {', '.join(map(inert, view.unknown))}")
    if view.left_out:
        st.warning("Stored records cannot be read and are left out; `argotune doctor --records` says why.")
        draw_texts(view.left_out[:5])


def _degraded(view: FleetView) -> None:
    if view.degraded:
        st.error("Champions that answer worse than they did:")
        for tenant_id in view.degraded:
            draw_link("tenant", tenant_id, PageAddress(tenant=tenant_id), ":material/trending_down:")


def _at_work(view: FleetView) -> None:
    st.subheader("Running")
    if not view.at_work:
        st.caption("Nothing runs.")
    for work in view.at_work:
        draw_link("tenant", work.tenant_id, PageAddress(tenant=work.tenant_id), ":material/play_arrow:")
        if work.share is not None:
            st.progress(work.share, inert(work.told))
        else:
            st.text(plain(work.told))
    if view.last_round:
        st.caption(inert(view.last_round))


def _bars(view: FleetView) -> None:
    st.subheader("In front of people")
    if view.waiting:
        draw_plot(plots.bars_of(view.waiting, "spans that wait"), "Spans that wait for a label", view.waiting)
    else:
        st.caption("No span waits for a label.")
    st.subheader("Spent")
    if view.spent:
        draw_plot(plots.bars_of(view.spent, view.spent_in, step=0), f"Spent, in {view.spent_in}", view.spent)
    else:
        st.caption("No LM was called.")


def _newest(view: FleetView) -> None:
    st.subheader("Newest verdicts")
    if not view.newest:
        st.caption("No run has ended.")
    for each in view.newest:
        where, what = st.columns([1, 3])
        with where:
            address = PageAddress(tenant=each.tenant_id, run=each.run_id)
            draw_link("decisions", f"{each.tenant_id} {each.program}", address)
            st.caption(in_utc(each.at).replace("-", "\\-"))
        what.text(plain(each.sentence))


def _all(view: FleetView) -> None:
    st.subheader("All tenants")
    st.caption("Choose a row to see the tenant.")
    chosen = draw_choice([_cells(row) for row in view.rows], "All tenants")
    if chosen is not None:
        leave_for("tenant", PageAddress(tenant=view.rows[chosen].tenant))


def _cells(row: TenantRow) -> Row:
    return {
        "tenant": row.tenant,
        "wants optimization": "yes" if row.enabled else "no",
        "last run": in_utc(row.last_run),
        "verdicts": row.last_verdict,
        "open contests": row.contests,
        "spans that wait": row.waiting,
        "degraded": row.degraded,
        "LM calls": row.lm_calls,
        "USD": row.usd,
    }
