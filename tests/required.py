"""What a test does without a program or server that it needs: skip, or fail where everything must be there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(reason: str) -> NoReturn:
    """Skips the test, or fails it with ARGOTUNE_REQUIRE_ALL=1."""
    (pytest.fail if os.environ.get("ARGOTUNE_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    raise AssertionError("unreachable")
