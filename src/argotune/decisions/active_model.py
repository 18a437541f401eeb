"""Active model: the meta-models of an installation, which of them decides, and why. Shared by all tenants.

Models are immutable and content-addressed. The pointer moves together with its line of history, as a champion's does.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import AliasChoices, Field

from argotune.decisions.backtest import Backtest
from argotune.decisions.gain_model import MetaModel
from argotune.errors import NotFound
from argotune.store.collections import EVERYONE, Collection
from argotune.store.documents import Document, find, find_all, find_renewable, to_record
from argotune.store.port import Store

POINTER = "in-charge"


class Activation(Document):
    """Who decides from `at` on: the model of this id, or the rules where it is None. `number` counts from 1.

    `looks` is how often in its year a model was compared to take over, `looked_at` when last.
    """

    sealed_as: ClassVar[str] = "Appointment"

    number: int
    at: datetime
    model: str | None
    reason: str
    rows: int
    backtest: Backtest | None = Field(None, validation_alias=AliasChoices("backtest", "duel"))
    looks: int = 0
    looked_at: datetime | None = None


class ActiveModel:
    """Who decides in an installation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> tuple[Activation | None, str | None]:
        """The latest activation, and the tag that the next one must expect. Where the pointer is damaged, its history
        says the same."""
        found, tag = find_renewable(self._store, EVERYONE, Collection.ACTIVATIONS, POINTER, Activation)
        return (found or next(reversed(self.history()), None), tag) if tag is not None else (None, None)

    def model(self) -> MetaModel | None:
        """The active model, None where the rules decide. Raises NotFound for one that is not there any more."""
        activation, _ = self.now()
        if activation is None or activation.model is None:
            return None
        model, _ = find(self._store, EVERYONE, Collection.META_MODELS, activation.model, MetaModel)
        if model is None:
            raise NotFound(f"meta-model {activation.model} is active and not in the store; run `argotune learn`")
        return model

    def activate(self, activation: Activation, model: MetaModel | None, tag: str | None) -> None:
        """Write pointer, history and the model in one step. Raises Conflict when another activation came first."""
        records = [
            to_record(Collection.ACTIVATIONS, POINTER, activation),
            to_record(Collection.ACTIVATIONS, f"{activation.number:08d}", activation),
        ]
        if model is not None:
            records.append(to_record(Collection.META_MODELS, model.id, model))
        self._store.write(EVERYONE, records, {(Collection.ACTIVATIONS, POINTER): tag})

    def history(self) -> list[Activation]:
        """All activations, oldest first."""
        found = find_all(self._store, EVERYONE, Collection.ACTIVATIONS, Activation)
        return sorted({a.number: a for a in found}.values(), key=lambda a: a.number)
