"""Offering: what an application tuned in its own process becomes a challenger of its tenant's loop, no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from argotune.data.guards.masking import Mask
from argotune.errors import ConfigInvalid, NotFound
from argotune.pipeline.stages.train import masked_version
from argotune.programs import programs_of
from argotune.promotion.offers import OfferedVersion, Offers
from argotune.promotion.registry import Registry
from argotune.promotion.versions import Version
from argotune.store.port import Store
from argotune.tenants.agenda import forget_agenda
from argotune.tenants.catalog import Configs

ROUTING = "routing"


class TenantLoop:
    """The loop of a tenant, as an application that tunes routing sees it."""

    def __init__(self, store: Store, tenant_id: str) -> None:
        """Raises NotFound for a tenant without a config, ConfigInvalid for one whose loop does not tune routing."""
        self._store, self._tenant_id, self.config = store, tenant_id, Configs(store).get(tenant_id)
        if ROUTING not in self.config.modules:
            raise ConfigInvalid(f"modules: {ROUTING} is none of tenant {tenant_id!r}: no pass would hold a contest")

    @property
    def entity_model(self) -> str:
        """What the tenant's entity model is called, "" without one."""
        return self.config.optimizers.ensemble.entity_model or ""

    def offer(self, version: Version, questions: Sequence[str], now: datetime) -> str:
        """Have the next pass open a contest with a version, which was tuned on the questions, masked by the tenant's
        rules; where that stands, in a sentence. Raises ConfigInvalid where the tenant's program could not run it."""
        (program,) = programs_of(self.config, ROUTING)
        if version.signature_hash != program.signature_hash:
            raise ConfigInvalid("agents: the config of the tenant has others than the decisions that were told of")
        entities = version.state.get("entities")
        finder = entities.get("finder") if isinstance(entities, dict) else ""
        if finder and finder != self.entity_model:
            raise ConfigInvalid(f"optimizers.ensemble.entity_model: the tenant has none by the name {finder!r}")
        version, _ = masked_version(version, program, self.config.masking)
        mask, offers = Mask(self.config.masking), Offers(self._store, self._tenant_id)
        if offers.of(version.id) is None:
            asked = tuple(map(mask.text, questions))
            offers.make(OfferedVersion(version=version, questions=asked, offered_at=now))
            forget_agenda(self._store, self._tenant_id)
        return f"{version.id} is offered: the loop of the tenant holds its contest"

    def champion(self) -> Version:
        """What has won its contest, or was put there by a person. Raises NotFound."""
        registry = Registry(self._store, self._tenant_id)
        champion, _ = registry.champion(ROUTING)
        if champion is None:
            raise NotFound(f"no version of {ROUTING} has won a contest yet; before_contest=True answers all the same")
        return registry.version(champion.version)
