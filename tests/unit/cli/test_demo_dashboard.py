"""The demo says how its store is seen in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from argotune.cli.demo.story import DemoPlace, dashboard_command

STORE = f"CONFIG_STORE_URL=sqlite:///{Path.cwd()}"


@pytest.mark.parametrize(
    ("folder", "port", "expected"),
    [
        (".demo", 6006, "make dashboard"),
        (
            "/tmp/d",
            6006,
            "PHOENIX_ENDPOINT=http://127.0.0.1:6006 CONFIG_STORE_URL=sqlite:////tmp/d/argotune.db make dashboard",
        ),
        (".demo", 7000, f"PHOENIX_ENDPOINT=http://127.0.0.1:7000 {STORE}/.demo/argotune.db make dashboard"),
    ],
)
def test_a_demo_in_its_usual_place_needs_no_names(folder: str, port: int, expected: str):
    assert dashboard_command(DemoPlace(Path(folder), Path("python"), port)) == expected
