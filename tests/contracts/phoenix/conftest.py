"""What only the suites of Phoenix itself need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from argotune.adapters.phoenix.connection import PhoenixHttp


@pytest.fixture(scope="module")
def http(phoenix_url: str) -> Iterator[PhoenixHttp]:
    with PhoenixHttp(phoenix_url) as http:
        yield http
