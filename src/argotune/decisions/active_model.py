"""Active model: the meta-models of an installation, which of them decides, and why. Shared by all tenants.

Models are immutable and content-addressed. The pointer moves together with its line of history, as a champion's does.
"""

from __future__ import annotations

from datetime import datetime

from argotune.decisions.backtest import Duel
from argotune.decisions.gain_model import MetaModel
from argotune.errors import NotFound
from argotune.store.collections import EVERYONE, Collection
from argotune.store.documents import Document, find, find_all, find_renewable, to_record
from argotune.store.port import Store

POINTER = "in-charge"


class Appointment(Document):
    """Who decides from `at` on: the model of this id, or the rules where it is None. `number` counts from 1.

    `looks` is how often in its year a model was compared to take over, `looked_at` when last.
    """

    number: int
    at: datetime
    model: str | None
    reason: str
    rows: int
    duel: Duel | None = None
    looks: int = 0
    looked_at: datetime | None = None


class InCharge:
    """Who decides in an installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> tuple[Appointment | None, str | None]:
        """The latest appointment, and the tag that the next one must expect. Where the pointer is damaged, its history
        says the same."""
        found, tag = find_renewable(self._store, EVERYONE, Collection.APPOINTMENTS, POINTER, Appointment)
        return (found or next(reversed(self.history()), None), tag) if tag is not None else (None, None)

    def model(self) -> MetaModel | None:
        """The model in charge, None where the rules are. Raises NotFound for one that is not there any more."""
        appointment, _ = self.now()
        if appointment is None or appointment.model is None:
            return None
        model, _ = find(self._store, EVERYONE, Collection.META_MODELS, appointment.model, MetaModel)
        if model is None:
            raise NotFound(f"meta-model {appointment.model} is in charge and not in the store; run `argotune learn`")
        return model

    def appoint(self, appointment: Appointment, model: MetaModel | None, tag: str | None) -> None:
        """Write pointer, history and the model in one step. Raises Conflict when another appointment came first."""
        records = [
            to_record(Collection.APPOINTMENTS, POINTER, appointment),
            to_record(Collection.APPOINTMENTS, f"{appointment.number:08d}", appointment),
        ]
        if model is not None:
            records.append(to_record(Collection.META_MODELS, model.id, model))
        self._store.write(EVERYONE, records, {(Collection.APPOINTMENTS, POINTER): tag})

    def history(self) -> list[Appointment]:
        """All appointments, oldest first."""
        found = find_all(self._store, EVERYONE, Collection.APPOINTMENTS, Appointment)
        return sorted({a.number: a for a in found}.values(), key=lambda a: a.number)
