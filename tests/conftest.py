"""What several suites share: one Phoenix server and one MLflow server per session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from mlflow_server import mlflow_serving
from required import lacking

from argotune.adapters.phoenix.server import PhoenixServer
from argotune.errors.known_secrets import forget_all
from argotune.settings import environment_names
from argotune.store import records

# How long one example takes says how busy the machine is; tests have a limit of their own.
settings.register_profile("argotune", deadline=None)
settings.load_profile("argotune")


@pytest.fixture(autouse=True)
def _nothing_of_other_tests() -> Iterator[None]:
    """A process remembers secrets and records that it could not read; a test is a process of its own."""
    yield
    forget_all()
    records._told.clear()


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment is a setting."""
    for name in environment_names():
        monkeypatch.delenv(name, raising=False)


REPOSITORY = Path(__file__).resolve().parents[1]


def python_with(product: str, making: str) -> Path:
    """An interpreter in an environment of the product: the one that is named, or the repository's."""
    variable = f"ARGOTUNE_{product.upper()}_PYTHON"
    named = os.environ.get(variable)
    python = Path(named) if named else REPOSITORY / f".venv-{product.lower()}/bin/python"
    if not python.exists():
        lacking(f"no {product} at {python}: `{making}`, or set {variable}")
    return python


@pytest.fixture(scope="session")
def phoenix_python() -> Path:
    """An interpreter that has arize-phoenix installed."""
    return python_with("Phoenix", "make setup")


@pytest.fixture(scope="session")
def phoenix_server(phoenix_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoenixServer]:
    """A server of our own on loopback, empty at first."""
    with PhoenixServer(phoenix_python, tmp_path_factory.mktemp("phoenix"), start_limit_s=160) as server:
        yield server


@pytest.fixture(scope="session")
def phoenix_url(phoenix_server: PhoenixServer) -> str:
    return phoenix_server.url


@pytest.fixture(scope="session")
def mlflow_python() -> Path:
    """An interpreter that has mlflow installed."""
    return python_with("MLflow", "make .venv-mlflow/.ready")


@pytest.fixture(scope="session")
def mlflow_url(mlflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of our own on loopback, empty at first."""
    with mlflow_serving(mlflow_python, tmp_path_factory.mktemp("mlflow")) as url:
        yield url
