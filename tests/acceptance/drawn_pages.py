"""Draw pages of the dashboard in this process, as Streamlit's own tests do, and print what is on them as JSON.

Runs in .venv-dashboard. stdin: a list of [path, {parameter: value}, [argument of the dashboard, ...]].
"""

from __future__ import annotations

import json
import sys
from typing import Any

from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

KINDS = ("title", "subheader", "text", "caption", "markdown", "code", "error", "warning", "info")
SCRIPT = "from argotune.dashboard.frame import show_dashboard\nshow_dashboard({argv!r})"


def main() -> None:
    """Each page in a session of its own."""
    found = [drawn(path, query, argv) for path, query, argv in json.load(sys.stdin)]
    print(json.dumps(found, default=str))


def points(plot: Any) -> list[dict[str, Any]]:
    """The rows of a plot's data: of a simple one Streamlit makes Arrow of them, of layers they stay where they are."""
    tables = [convert_arrow_bytes_to_pandas_df(plot.data.data).to_dict("records")] if plot.data.data else []
    layers = json.loads(plot.spec).get("layer", ())
    return [row for rows in [*tables, *(each.get("data", {}).get("values", ()) for each in layers)] for row in rows]


def drawn(path: str, query: dict[str, str], argv: list[str]) -> dict[str, Any]:
    """What is on one page; a menu of Streamlit has no public way in, so its registry is asked."""
    app = AppTest.from_string(SCRIPT.format(argv=argv), default_timeout=120).run()
    if path != "fleet":
        app._page_hash = next(h for h, p in app._registered_pages.items() if p.get("url_pathname") == path)
        app.query_params.update(query)
        app.run()
    return {
        "metrics": {each.label: each.value.replace("\\", "") for each in app.metric},
        "exceptions": [each.message for each in app.exception],
        "points": [row for each in app.get("vega_lite_chart") for row in points(each.proto)],
        "tables": [each.value.to_dict("records") for each in app.dataframe],
        "query": {name: value for name, value in app.query_params.items()},
        "selects": {each.label: each.value for each in app.selectbox},
        **{kind: [each.value for each in getattr(app, kind)] for kind in KINDS},
    }


if __name__ == "__main__":
    main()
