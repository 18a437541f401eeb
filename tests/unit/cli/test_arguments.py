"""An argument of an operation that is wrong is told by the flag that a user knows, once, in every place."""

from __future__ import annotations

import pytest

from argotune.cli.output import complain
from argotune.errors import ConfigInvalid, NotFound


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigInvalid("'x' is none", argument="module"), "ConfigInvalid: --module: 'x' is none"),
        (ConfigInvalid("0 is below 1", argument="max_lm_calls"), "ConfigInvalid: --max-lm-calls: 0 is below 1"),
        (NotFound("nothing is stored", argument="span_id"), "NotFound: --label: nothing is stored"),
        (ConfigInvalid("twice", argument="given"), "ConfigInvalid: file: twice"),
        (ConfigInvalid("lm: wrong"), "ConfigInvalid: lm: wrong"),
    ],
)
def test_a_wrong_argument_is_told_by_its_flag(error, told, capsys: pytest.CaptureFixture[str]):
    complain("argotune", error)
    assert capsys.readouterr().err == f"argotune: {told}\n"


def test_elsewhere_an_argument_is_told_by_its_own_name():
    assert str(ConfigInvalid("'x' is none", argument="module")) == "module: 'x' is none"
