"""Learned: what the last look at the ledger left for a decision: who decides, and what past races tell."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from argotune.decisions.active_model import ActiveModel
from argotune.decisions.gain_model import Advisor
from argotune.decisions.races import UNKNOWN, PastRaces
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.store.port import Store
from argotune.tenants.config import RoutingConfigUnified

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learned:
    """`model` is None where the rules decide; `is_broken`: there is one that cannot be used."""

    model: Advisor | None = None
    races: tuple[PastRaces, ...] = ()
    is_broken: bool = False

    def races_of(self, kind: str) -> PastRaces:
        """The races of programs of a kind, UNKNOWN where there were none."""
        return next((races for races in self.races if races.kind == kind), UNKNOWN)


def learned(store: Store, config: RoutingConfigUnified) -> Learned:
    """What was learned, where the tenant wants it to be used."""
    if not config.decisions.use_meta_models:
        return Learned()
    active, races = ActiveModel(store), tuple[PastRaces, ...]()
    try:
        activation, _ = active.now()
        races = activation.races if activation else ()
        model = active.model_of(activation)
        return Learned(Advisor(model) if model else None, races)
    except (Corrupt, ConfigInvalid, NotFound) as error:
        log.warning("the rules decide, as the meta-model cannot be used: %s", error)
        return Learned(races=races, is_broken=True)
