"""The page of decisions: why a tenant's programs were trained or skipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from argotune.dashboard import plots
from argotune.dashboard.addresses import PageAddress
from argotune.dashboard.desk import Desk
from argotune.dashboard.drawing import (
    choose_tenant,
    draw_facts,
    draw_link,
    draw_plot,
    draw_texts,
    draw_tiles,
    go_to,
    here,
)
from argotune.dashboard.inert import inert, plain
from argotune.dashboard.views.decided import DecidedView, decided_view, run_view
from argotune.dashboard.views.tiles import in_utc
from argotune.pipeline.operations.decisions import decisions_of, explain_run

if TYPE_CHECKING:
    from argotune.pipeline.operations.decisions import RunDecision

RUNS_SHOWN = 100


def draw_decisions(desk: Desk) -> None:
    """Of the tenant that the URL names, newest first; and of the run that it names all that was known."""
    st.title("Decisions")
    tenant_id = choose_tenant(desk)
    if tenant_id is None:
        return
    st.subheader(inert(tenant_id))
    with st.spinner("Reading the store"):
        found = decisions_of(desk.store, tenant_id, here().program, RUNS_SHOWN)
    if not found:
        st.info("Nothing has run for this tenant yet.")
        return
    _all(decided_view(found))
    _one(desk, tenant_id, found)


def _all(view: DecidedView) -> None:
    draw_tiles(view.tiles)
    draw_plot(plots.runs_of_a_tenant(view.runs), "Runs over time by program and outcome", view.runs)
    left, right = st.columns(2)
    with left:
        st.subheader("Who decided")
        draw_plot(plots.bars_of(view.by, "runs"), "Runs by who decided", view.by)
    with right:
        st.subheader("Why nothing was trained")
        if view.reasons:
            draw_plot(plots.bars_of(view.reasons, "runs"), "Reasons for not training", view.reasons)
        else:
            st.caption("Each of these runs trained.")


def _one(desk: Desk, tenant_id: str, found: Sequence[RunDecision]) -> None:
    st.subheader("One run")
    by_id = {each.run_id: each for each in found}
    run_id = _choose(tenant_id, by_id)
    view = run_view(by_id[run_id]) if run_id in by_id else None
    if view:
        st.markdown(inert(view.headline))
        draw_facts(view.facts)
        if view.challenger:
            draw_link("version", f"challenger {view.challenger}", PageAddress(tenant_id, version=view.challenger))
        if view.contributions:
            bars = plots.bars_of(view.contributions, "points of expected gain", step=0)
            draw_plot(bars, "What each feature added to the expected gain", view.contributions)
    if view is None or (view.was_decided and st.toggle("All that was known at the time")):
        with st.spinner("Reading the run"):  # the first time DSPy is loaded
            draw_texts(explain_run(desk.store, tenant_id, run_id).story)


def _choose(tenant_id: str, by_id: dict[str, RunDecision]) -> str:
    """The run that the URL names, or else the newest; another one by the choice."""
    ids = list(by_id)
    named = here().run or ids[0]
    index = ids.index(named) if named in ids else None
    chosen = st.selectbox("Run", ids, index=index, format_func=lambda id: plain(_name(by_id[id])))
    run_id = chosen if chosen is not None and chosen != named else named
    go_to(PageAddress(tenant=tenant_id, program=here().program, run=run_id))
    return run_id


def _name(each: RunDecision) -> str:
    return f"{in_utc(each.at)} {each.program}: {each.decided or '-'}, {each.outcome} ({each.run_id})"
