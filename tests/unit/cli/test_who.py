"""Who did it: the name that is kept beside a label, a rollback or an override."""

from __future__ import annotations

import pytest

from argotune.cli import main
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.asked import Deed, checked_who


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pod under a uid that the cluster has drawn."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def getpwuid(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", getpwuid)


@pytest.mark.usefixtures("nameless")
def test_a_user_without_a_login_name_is_asked_for_one(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("CONFIG_STORE_URL", f"sqlite:///{tmp_path}/store.db")
    assert main(["tenants", "add", "acme"]) == 0
    back = ["rollback", "--tenant", "acme", "--program", "routing", "--reason", "x"]
    assert main(back) == 2
    assert "--who: this user has no login name; say who you are" in capsys.readouterr().err
    assert main([*back, "--who", "kim"]) == 4


@pytest.mark.parametrize("who", ["", "  ", "a\nb", "x" * 101, "argotune:gate"])
def test_a_name_that_cannot_stand_beside_what_was_done_is_refused(who: str):
    with pytest.raises(ConfigInvalid, match="who: "):
        checked_who(who)
    with pytest.raises(ConfigInvalid, match="who: "):
        Deed(who, "it answers wrongly")


def test_what_is_done_without_saying_why_is_refused():
    with pytest.raises(ConfigInvalid, match="reason: must say why"):
        Deed("kim", " ")
