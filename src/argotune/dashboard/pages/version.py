"""The page of a version: where it comes from, what it says, how it did."""

from __future__ import annotations

from collections.abc import Sequence

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
from argotune.dashboard.elsewhere import PRODUCTS
from argotune.dashboard.inert import inert, plain
from argotune.dashboard.views.version import VersionView, version_view
from argotune.pipeline.operations.versions import VersionStanding, explain_version, list_versions


def draw_version(desk: Desk) -> None:
    """The version that the URL names, of the tenant that it names."""
    st.title("Version")
    tenant_id = choose_tenant(desk)
    if tenant_id is None:
        return
    with st.spinner("Reading the store"):
        versions = list_versions(desk.store, tenant_id)
    if not versions:
        st.info("No version of this tenant is stored: its programs serve as they are written.")
        return
    version_id = _choose(tenant_id, versions)
    if version_id is None:
        st.info("Choose a version in the sidebar.")
        return
    with st.spinner("Reading the version"):  # the first time DSPy is loaded
        view = version_view(explain_version(desk.store, tenant_id, version_id), versions)
    _draw(tenant_id, view, PRODUCTS[desk.settings.place_of_results])


def _choose(tenant_id: str, versions: Sequence[VersionStanding]) -> str | None:
    """The version that the URL names, or else the newest that serves; another one by the choice beside it."""
    ids = [each.version.id for each in reversed(versions)]
    names = {each.version.id: _name(each) for each in versions}
    champion = next((each.version.id for each in reversed(versions) if each.is_champion), ids[0])
    named = here().version or champion
    index = ids.index(named) if named in ids else None
    chosen = st.sidebar.selectbox("Version", ids, index=index, format_func=lambda id: plain(names[id]))
    version_id = chosen if chosen is not None and chosen != named else named
    go_to(PageAddress(tenant=tenant_id, version=version_id))
    return version_id


def _name(each: VersionStanding) -> str:
    standing = ", serves" if each.is_champion else ", rolled back" if each.is_barred else ""
    return f"{each.version.id} of {each.version.program}{standing}"


def _draw(tenant_id: str, view: VersionView, product: str) -> None:
    st.subheader(f"{inert(view.id)} of {inert(view.program)}: {view.standing}")
    if view.verdict:
        st.text(plain(view.verdict))
    if view.tiles:
        draw_tiles(view.tiles)
    with st.container(horizontal=True):
        for link in view.links:
            st.link_button(f"{link.name} in {product}", link.url, icon=":material/open_in_new:")
    _numbers(view)
    st.subheader("Prompts")
    _prompts(view)
    _lineage(tenant_id, view)


def _numbers(view: VersionView) -> None:
    left, right = st.columns(2)
    if view.gain:
        with left:
            st.subheader("Gain")
            draw_plot(plots.gain_of(view.gain), "Gain in points with its interval", [view.gain])
    if view.slices:
        with right:
            st.subheader("By part of the questions")
            draw_plot(plots.slices_of(view.slices), "Mean score by part of the questions", view.slices)


def _lineage(tenant_id: str, view: VersionView) -> None:
    st.subheader("Lineage")
    draw_facts(view.facts)
    for each in view.ancestors:
        serves = ", serves" if each.is_champion else ""
        address = PageAddress(tenant=tenant_id, version=each.id)
        draw_link("version", f"{each.id}: {each.optimizer}, {each.made}{serves}", address, ":material/arrow_upward:")
    if view.history:
        st.subheader("History")
        draw_texts(view.history)


def _prompts(view: VersionView) -> None:
    before = f"compared with {inert(view.compared_with)}" if view.compared_with else "there is nothing to compare with"
    st.caption(f"Red lines went, green ones came; {before}")
    for each in view.prompts:
        st.markdown(inert(each.name))
        if each.lines:
            st.code(plain("\n".join(each.lines)), language="diff", wrap_lines=True)
        else:
            st.caption("It was not changed.")
        with st.expander("The whole text"):
            st.code(plain(each.after), language=None, wrap_lines=True)
