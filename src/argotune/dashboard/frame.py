"""Frame: what is around every page: title, menu, and what is said when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from argotune.dashboard.arguments import USAGE, read_arguments
from argotune.dashboard.desk import Desk, open_desk
from argotune.dashboard.drawing import PAGES_HERE, draw_complaint
from argotune.dashboard.pages.decisions import draw_decisions
from argotune.dashboard.pages.fleet import draw_fleet
from argotune.dashboard.pages.tenant import draw_tenant
from argotune.dashboard.pages.version import draw_version
from argotune.dashboard.views.tiles import in_utc
from argotune.errors import ArgotuneError, ConfigInvalid
from argotune.wiring import utc_now

PAGES: Mapping[str, Callable[[Desk], None]] = {
    "fleet": draw_fleet,
    "tenant": draw_tenant,
    "version": draw_version,
    "decisions": draw_decisions,
}
"""By path. The first is at the dashboard's own address. None has an icon, which browsers would fetch from elsewhere."""


def show_dashboard(argv: Sequence[str]) -> None:
    """The page that the URL names. Streamlit calls this anew whenever something is clicked."""
    st.set_option("client.showErrorDetails", "none")
    st.set_page_config(page_title="Argotune", layout="wide")
    pages = {
        path: st.Page(_page(argv, draw), title=path.capitalize(), url_path=path, default=draw is draw_fleet)
        for path, draw in PAGES.items()
    }
    st.session_state[PAGES_HERE] = pages
    st.navigation(list(pages.values())).run()


def _page(argv: Sequence[str], draw: Callable[[Desk], None]) -> Callable[[], None]:
    """A page that tells what is wrong with its arguments, settings, servers and records in place of what it shows."""

    def page() -> None:
        try:
            draw(open_desk(read_arguments(argv)))
        except ArgotuneError as error:
            draw_complaint(error)
            if isinstance(error, ConfigInvalid):
                st.code(USAGE, language=None)
        st.sidebar.button("Read again", icon=":material/refresh:", help="Shows the store as it is then.")
        st.sidebar.caption(f"As of {in_utc(utc_now())}".replace("-", "\\-"))

    return page
