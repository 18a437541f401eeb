"""When a round may pass over a tenant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from factories import make_config

from argotune.adapters.memory.store import MemoryStore
from argotune.scheduling.next_check import Need, agenda_of, need_of
from argotune.scheduling.trigger_check import Conditions
from argotune.store.collections import EVERYONE, Collection
from argotune.store.port import Record
from argotune.store.sealing import digest
from argotune.tenants.agenda import Agenda, agendas, forget_agenda, keep_agenda, seen_agenda
from argotune.tenants.catalog import Configs

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def looked(
    traces: int, last_run_at: datetime | None, *, is_unfinished: bool = False, module: str = "routing"
) -> Conditions:
    return Conditions("acme", module, True, False, is_unfinished, last_run_at, HOUR, NOON, traces, 100, 1000)


@pytest.mark.parametrize(
    ("modules", "due_at", "open_at"),
    [
        ([looked(5, None)], None, NOON),
        ([looked(100, None)], NOON, None),
        ([looked(100, NOON - HOUR / 2)], NOON + HOUR / 2, None),
        ([looked(5, NOON - HOUR / 2)], None, NOON + HOUR / 2),
        ([looked(5, NOON, is_unfinished=True)], NOON, None),
        ([looked(5, NOON), looked(100, NOON - HOUR / 4, module="modality")], NOON + HOUR * 3 / 4, NOON + HOUR),
        ([], None, None),
    ],
)
def test_a_look_is_written_down_as_when_a_module_can_be_due(modules, due_at, open_at) -> None:
    agenda = agenda_of("acme", modules, NOON)
    assert (agenda.looked_at, agenda.due_at, agenda.open_at) == (NOON, due_at, open_at)


@pytest.mark.parametrize(
    ("agenda", "newest", "minutes_later", "need"),
    [
        (None, None, 0, "never looked at"),
        ((NOON, None), None, 0, "its period is over"),
        ((NOON + HOUR, None), NOON + HOUR, 30, "its period is not over"),
        ((NOON + HOUR, None), None, 60, "its period is over"),
        ((None, NOON), None, 30, "no traces since the last look"),
        ((None, NOON), NOON - HOUR, 30, "no traces since the last look"),
        ((None, NOON), NOON, 30, "new traces"),
        ((None, NOON + HOUR), NOON + HOUR / 4, 30, "its period is not over"),
        ((None, NOON + HOUR), NOON + HOUR / 4, 60, "new traces"),
        ((None, NOON), None, 24 * 60, "not looked at for a day"),
        ((None, None), None, -4, "no traces since the last look"),
        ((None, None), None, -6, "its last look is dated in the future"),
    ],
)
def test_only_what_cannot_be_due_is_passed_over(agenda, newest, minutes_later, need) -> None:
    known = None if agenda is None else Agenda(tenant_id="acme", looked_at=NOON, due_at=agenda[0], open_at=agenda[1])
    found = need_of(known, newest, NOON + timedelta(minutes=minutes_later))
    assert (found.reason if isinstance(found, Need) else found) == need


def test_a_changed_config_is_looked_at_again() -> None:
    store = MemoryStore()
    Configs(store).save(make_config(tenant_id="acme"))
    keep_agenda(store, agenda_of("acme", [looked(5, None)], NOON), seen_agenda(store, "acme"))
    assert agendas(store).keys() == {"acme"}
    Configs(store).save(make_config(tenant_id="acme", min_samples_for_optimization=20))
    assert agendas(store) == {}


@pytest.mark.parametrize("known", ["nothing", "an agenda", "a forgotten one", "a damaged one"])
def test_a_change_that_comes_during_a_look_is_looked_at_again(known: str) -> None:
    store = MemoryStore()
    if known == "an agenda":
        keep_agenda(store, agenda_of("acme", [], NOON), seen_agenda(store, "acme"))
    if known == "a forgotten one":
        forget_agenda(store, "acme")
    if known == "a damaged one":
        store.write(EVERYONE, [Record(Collection.AGENDA, digest("acme"), "{}")])
    before = seen_agenda(store, "acme")
    forget_agenda(store, "acme")
    keep_agenda(store, agenda_of("acme", [looked(5, None)], NOON), before)
    assert agendas(store) == {}
    keep_agenda(store, agenda_of("acme", [looked(5, None)], NOON), seen_agenda(store, "acme"))
    assert agendas(store).keys() == {"acme"}
