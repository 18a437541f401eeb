"""The programs that several suites of this folder run."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.binaries import Helm, program


@pytest.fixture(scope="session", params=["3", "4"], ids=["helm-3", "helm-4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    """Both lines of Helm."""
    return Helm(program("helm", request.param))


@pytest.fixture(scope="session")
def kubectl() -> Path:
    return program("kubectl", "4")
