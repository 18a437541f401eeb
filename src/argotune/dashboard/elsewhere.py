"""Elsewhere: links to where traces and results are, which may be away."""

from __future__ import annotations

import streamlit as st

from argotune.dashboard.complaints import complaint_of
from argotune.dashboard.desk import Desk
from argotune.dashboard.inert import is_web_address, plain
from argotune.errors import ArgotuneError
from argotune.settings import Settings
from argotune.wiring import open_tracker

PRODUCTS = {"phoenix": "Phoenix", "mlflow": "MLflow"}
ASKED_AGAIN_S = 60
"""What a server that is away costs a page: its retries once in so many seconds."""
PATIENCE_S = 3.0


def draw_traces_link(desk: Desk, tenant_id: str) -> None:
    """To the traces of a tenant, or why there is none."""
    product = PRODUCTS[desk.settings.place_of_results]
    st.subheader(product)
    with st.spinner(f"Asking {product}"):
        asked = st.cache_data(ttl=ASKED_AGAIN_S, show_spinner=False)(_traces_link)
        url, why_not = asked(desk.settings.phoenix_endpoint, tenant_id, desk.settings)
    if why_not:
        st.warning(why_not[0])
        st.text(plain(why_not[1]))
    elif is_web_address(url):
        st.link_button(f"Traces in {product}", str(url), icon=":material/open_in_new:")
    else:
        st.caption("This tenant has sent no traces there.")


def _traces_link(endpoint: str, tenant_id: str, _settings: Settings) -> tuple[str | None, tuple[str, str] | None]:
    """The address, None for none; and what is wrong, None for nothing."""
    patience_s = min(_settings.phoenix_timeout_s, PATIENCE_S)
    patient = _settings.model_copy(update={"phoenix_endpoint": endpoint, "phoenix_timeout_s": patience_s})
    try:
        return open_tracker(patient).project_link(tenant_id), None
    except ArgotuneError as error:
        found = complaint_of(error)
        return None, (found.heading, found.sentence)
