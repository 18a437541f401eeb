"""Work that fails as it is told, and then is done."""

from __future__ import annotations

from collections.abc import Callable


def failing(*failures: Exception) -> Callable[[], str]:
    """Work that fails so, one failure after the other, and then is done."""
    left = iter(failures)

    def work() -> str:
        for failure in left:
            raise failure
        return "done"

    return work
