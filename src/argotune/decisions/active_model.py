"""Active model: the meta-models of an installation, which of them decides, and why. Shared by all tenants.

Models are immutable and content-addressed. The pointer moves together with its line of history, as a champion's does.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import AliasChoices, Field

from argotune.decisions.backtest import Backtest
from argotune.decisions.gain_model import MetaModel
from argotune.decisions.races import PastRaces
from argotune.errors import NotFound
from argotune.store.collections import EVERYONE, Collection
from argotune.store.pointer import Move, Pointer
from argotune.store.port import Store
from argotune.store.records import StoredValue, find, to_record

POINTER = "in-charge"

KEPT = 1000
"""Activations in the history: as many days, where a round learns once a day."""


class Activation(StoredValue):
    """Who decides from `at` on: the model of this id, or the rules where it is None. `number` counts from 1.

    `looks` is how often in its year a model was compared to take over, `looked_at` when last.
    `races` are what portfolios of all tenants came to, by kind of program; they order the next one, whoever decides.
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
    races: tuple[PastRaces, ...] = ()


class ActiveModel:
    """Who decides in an installation."""

    def __init__(self, store: Store, kept: int = KEPT) -> None:
        self._store = store
        self._kept = kept

    def now(self) -> tuple[Activation | None, str | None]:
        """The latest activation, and the tag that the next one must expect. Where the pointer is damaged or lost, its
        history says the same."""
        return self._pointer.believed()

    def next_number(self, before: Activation | None) -> int:
        """The number of the activation that follows."""
        return self._pointer.next_number(before.number if before else 0)

    @property
    def _pointer(self) -> Pointer[Activation, Activation]:
        return Pointer(
            self._store,
            EVERYONE,
            place=(Collection.ACTIVATIONS, POINTER),
            kind=Activation,
            lines=Collection.ACTIVATIONS,
            prefix="",
            line_kind=Activation,
            follows=lambda activation: activation,
        )

    def model(self) -> MetaModel | None:
        """The active model, None where the rules decide. Raises NotFound for one that is not there any more."""
        activation, _ = self.now()
        return self.model_of(activation)

    def model_of(self, activation: Activation | None) -> MetaModel | None:
        """The model that an activation names. Raises as `model`."""
        if activation is None or activation.model is None:
            return None
        model, _ = find(self._store, EVERYONE, Collection.META_MODELS, activation.model, MetaModel)
        if model is None:
            raise NotFound(f"meta-model {activation.model} is active and not in the store; run `argotune learn`")
        return model

    def activate(self, activation: Activation, model: MetaModel | None, tag: str | None) -> None:
        """Write pointer, history and the model in one step, then drop what is older than the last `kept` activations.
        Raises Conflict when another activation came first."""
        also = [] if model is None else [to_record(Collection.META_MODELS, model.id, model)]
        self._pointer.move(Move(activation, activation.number, also), tag)
        self._forget_old()

    def _forget_old(self) -> None:
        """Models go before the activations that name them: who is stopped in between leaves none that nobody finds."""
        history = self.history()
        needed = {activation.model for activation in history[-self._kept :]}
        old = {activation.model for activation in history[: -self._kept]} - needed
        self._store.remove(EVERYONE, Collection.META_MODELS, [id for id in old if id])
        self._pointer.forget(self._kept)

    def history(self) -> list[Activation]:
        """All activations that are kept, oldest first."""
        return self._pointer.history()
