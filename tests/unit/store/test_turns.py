"""Turns: work that is done again when others wrote first."""

from __future__ import annotations

import pytest
from failing import failing

from argotune.errors import ArgotuneError, Conflict, Overtaken, Unavailable
from argotune.store.turns import in_turn


def test_work_is_done_again_from_what_others_left():
    assert in_turn("it", failing(Conflict(), Conflict()), turns=3) == "done"


def test_who_is_never_first_says_so():
    with pytest.raises(Conflict, match="it was changed by others 3 times in a row"):
        in_turn("it", failing(*[Conflict()] * 3), turns=3)


@pytest.mark.parametrize("error", [Unavailable(), Overtaken()])
def test_any_other_error_and_a_lost_lease_end_it_at_once(error: ArgotuneError):
    with pytest.raises(type(error)):
        in_turn("it", failing(error))
