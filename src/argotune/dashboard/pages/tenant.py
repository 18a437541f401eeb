"""The page of a tenant: its champions over time, its contests, its queue."""

from __future__ import annotations

import streamlit as st

from argotune.dashboard import plots
from argotune.dashboard.addresses import PageAddress
from argotune.dashboard.desk import Desk
from argotune.dashboard.drawing import choose_tenant, draw_link, draw_plot, draw_texts, draw_tiles
from argotune.dashboard.elsewhere import draw_traces_link
from argotune.dashboard.inert import inert, plain
from argotune.dashboard.views.tenant import (
    AccuracyView,
    ContestView,
    ServedView,
    accuracy_view,
    contest_view,
    queue_view,
    served_views,
)
from argotune.pipeline.operations.accuracy import accuracy_over_time
from argotune.pipeline.operations.contests import list_contests
from argotune.pipeline.operations.inspecting import status_of
from argotune.pipeline.operations.queue import queue_standing


def draw_tenant(desk: Desk) -> None:
    """The tenant that the URL names."""
    st.title("Tenant")
    tenant_id = choose_tenant(desk)
    if tenant_id is None:
        return
    st.subheader(inert(tenant_id))
    with st.spinner("Reading the store"):
        served = served_views(status_of(desk.store, tenant_id).programs)
    if not served:
        st.info("Nothing has run for this tenant yet, and the programs as written serve.")
    for each in served:
        if not each.is_idle:
            _served(tenant_id, each)
    if idle := [each for each in served if each.is_idle]:
        with st.expander(f"Programs that serve as they are written: {len(idle)}"):
            for each in idle:
                _served(tenant_id, each)
    _accuracy(desk, tenant_id)
    _contests(desk, tenant_id)
    _queue(desk, tenant_id)
    draw_traces_link(desk, tenant_id)


def _served(tenant_id: str, each: ServedView) -> None:
    with st.container(border=True):
        left, right = st.columns([1, 3])
        with left:
            st.markdown(inert(each.program))
            if each.champion:
                draw_link("version", each.champion, PageAddress(tenant=tenant_id, version=each.champion))
            if each.is_degraded:
                st.error("It answers worse than it did.")
        with right:
            draw_texts(each.lines)


def _accuracy(desk: Desk, tenant_id: str) -> None:
    st.subheader("Accuracy over time")
    with st.spinner("Reading scores"):
        views = [accuracy_view(each) for each in accuracy_over_time(desk.store, tenant_id)]
    views = [view for view in views if view.live or view.held_out]
    if not views:
        st.caption("Nothing was scored yet: neither live answers nor a contest.")
    for view in views:
        st.markdown(inert(view.program))
        _plots(view)


def _plots(view: AccuracyView) -> None:
    left, right = st.columns(2)
    with left:
        if view.live:
            draw_plot(plots.accuracy_of(view), "Mean score of live answers by day", view.live)
        else:
            st.caption("No live answer was scored.")
    with right:
        if view.held_out:
            draw_plot(plots.gains_of(view), "Gain of challengers in points", view.held_out)
        else:
            st.caption("No contest was judged.")


def _contests(desk: Desk, tenant_id: str) -> None:
    st.subheader("Contests")
    found = list_contests(desk.store, desk.now, tenant_id).contests
    views = [contest_view(each.contest) for each in reversed(found)]
    open_ones = [view for view in views if view.is_open]
    if not open_ones:
        st.caption("No contest is open.")
    for view in open_ones:
        with st.container(border=True):
            _contest(tenant_id, view)
    ended = [view for view in views if not view.is_open]
    if ended:
        with st.expander(f"Ended within 30 days: {len(ended)}"):
            for view in ended:
                _contest(tenant_id, view)


def _contest(tenant_id: str, view: ContestView) -> None:
    st.markdown(f"{inert(view.program)} {inert(view.id)}")
    st.text(plain(view.sentence))
    draw_link("version", f"challenger {view.challenger}", PageAddress(tenant=tenant_id, version=view.challenger))
    if view.is_open:
        st.progress(view.share or 0.0, inert(view.told))
    if view.curve:
        draw_plot(plots.wealth_of(view), "What one coin on the challenger has become", view.curve)
    else:
        st.caption("No pass has judged it yet, or a release did that kept no curve.")


def _queue(desk: Desk, tenant_id: str) -> None:
    st.subheader("Queue")
    view = queue_view(queue_standing(desk.store, tenant_id, desk.now.date()))
    draw_tiles(view.tiles)
    if view.by_program:
        draw_plot(plots.bars_of(view.by_program, "spans"), "Spans that wait, by program", view.by_program)
    if view.tiles[0].figure != "0" and st.toggle("Show the spans that wait"):
        _spans(desk, tenant_id)


SPANS_SHOWN = 20


def _spans(desk: Desk, tenant_id: str) -> None:
    with st.spinner("Reading what was asked"):
        from argotune.pipeline.operations.annotating import waiting  # brings DSPy

        found = waiting(desk.store, tenant_id, limit=SPANS_SHOWN).spans
    for span in found:
        with st.container(border=True):
            st.markdown(f"{inert(span.item.span_id)} {inert(span.item.program)}")
            st.caption(inert(str(span.item.why)))
            draw_texts([f"{name}: {text}" for name, text in (span.inputs or {}).items() if text])
