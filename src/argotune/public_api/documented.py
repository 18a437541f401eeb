"""The Python names that "Auto-Optimization Workflow Documentation" shows, as thin objects over the same code."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from argotune import wiring
from argotune.data.experiences import Experience
from argotune.data.source import TraceSource
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.stream import stream_of
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.port import LMs
from argotune.settings import Settings, read_settings
from argotune.store.port import Store
from argotune.synthetic.source import ContentSource
from argotune.tenants.catalog import Configs
from argotune.tenants.config import BudgetLimits, LMChoice, RoutingConfigUnified

if TYPE_CHECKING:
    import pandas as pd

    from argotune.synthetic.values import SyntheticDataRequest, SyntheticDataResponse


class ConfigManager:
    """get_routing_config and save_routing_config over a store."""

    def __init__(self, store: Store) -> None:
        self._configs = Configs(store)

    def get_routing_config(self, tenant_id: str) -> RoutingConfigUnified:
        """A tenant's config. Raises NotFound."""
        return self._configs.get(tenant_id)

    def save_routing_config(self, config: RoutingConfigUnified) -> None:
        """Store a tenant's config, and list the tenant.

        Raises Conflict when somebody else changed the config since this manager read it: read it again, then save.
        """
        self._configs.save(config)


def create_default_config_manager() -> ConfigManager:
    """Over the store that CONFIG_STORE_URL names."""
    return ConfigManager(wiring.open_store(read_settings()))


class ModalitySpanCollector:
    """Reads a tenant's modality decisions from Phoenix, for looking at them. The pipeline does not use it."""

    def __init__(self, tenant_id: str, *, traces: TraceSource | None = None, store: Store | None = None) -> None:
        settings = read_settings()
        self._traces = traces or wiring.open_traces(settings)
        self._config = Configs(store or wiring.open_store(settings)).get(tenant_id)

    async def collect_spans(self, lookback_hours: float = 24, min_confidence: float = 0.7) -> pd.DataFrame:
        """One row per usable decision: modality, query, agent, confidence and outcome columns.

        Decisions below `min_confidence` are left out, those without a confidence are kept. Raises ConfigInvalid without
        the extra `frames`.
        """
        return await asyncio.to_thread(self._frame, lookback_hours, min_confidence)

    def _frame(self, lookback_hours: float, min_confidence: float) -> pd.DataFrame:
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            raise ConfigInvalid("pandas is missing: pip install 'argotune[frames]'") from error

        rows = [
            _row(e) for e in self._experiences(lookback_hours) if e.confidence is None or e.confidence >= min_confidence
        ]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def _experiences(self, lookback_hours: float) -> list[Experience]:
        from argotune.programs import programs_of

        tenant_id, stream = self._config.tenant_id, stream_of(self._config, "modality")
        fields_of = {program.name: program.fields for program in programs_of(self._config, "modality")}
        since = wiring.utc_now() - timedelta(hours=lookback_hours)
        spans = self._traces.spans_after(stream, None, since)
        found = (read_span(span, tenant_id, fields_of) for span, _ in spans)
        return [experience for experience in found if not isinstance(experience, UnusableSpan)]


_COLUMNS = (
    "span_id", "at", "modality", "query", "agent", "confidence",
    "search_quality", "agent_success", "user_satisfaction", "processing_time_s", "program_version",
)  # fmt: skip


def _row(experience: Experience) -> tuple[object, ...]:
    own = {
        "modality": experience.program.partition(".")[2],
        "query": experience.query,
        "agent": experience.answers["agent"],
    }
    return tuple(own.get(name, getattr(experience, name, None)) for name in _COLUMNS)


def VespaBackend(config: Settings | None = None) -> ContentSource:
    """The Vespa application that the settings name, as a content source. Raises ConfigInvalid without VESPA_URL."""
    return wiring.open_vespa(config or read_settings())


class SyntheticDataService:
    """Makes examples from a backend's content. Nothing is stored; the pipeline makes its own where a run needs some.

    `config` says which agents and labels there are (default: the documentation's), `lms` who writes and who reads
    (default: those of the environment, ARGOTUNE_TEACHER_MODEL writes), `limits` what one request may spend on them.
    """

    def __init__(
        self,
        backend: ContentSource,
        config: RoutingConfigUnified | None = None,
        lms: LMs | None = None,
        limits: BudgetLimits | None = None,
    ) -> None:
        self._backend, self._config, self._lms = backend, config, lms
        self._limits = limits or BudgetLimits()

    async def generate(self, request: SyntheticDataRequest) -> SyntheticDataResponse:
        """The examples, and in `metadata` the success rate and what was refused. Raises ConfigInvalid without an LM

        that writes, Unavailable when backend or LM is away, and BudgetSpent.
        """
        return await asyncio.to_thread(self._generate, request)

    def _generate(self, request: SyntheticDataRequest) -> SyntheticDataResponse:
        from argotune.synthetic.generation import QueryGenerator
        from argotune.synthetic.service import Means, make

        means = Means(self._lms or self._open_lms(), wiring.open_embedders(read_settings()), QueryGenerator())
        return make(request, self._config or _config_for(request), self._backend, means)

    def _open_lms(self) -> LMs:
        choice = self._config.lm if self._config else LMChoice()
        return wiring.open_lms(read_settings()).open(choice, Meter(self._limits), NothingKept())


def _config_for(request: SyntheticDataRequest) -> RoutingConfigUnified:
    """The default labels, and the strategy that the request names."""
    config = RoutingConfigUnified(tenant_id=request.tenant_id)
    known, asked = config.fusion_strategies, request.fusion_strategy
    return config.model_copy(update={"fusion_strategies": [*known, asked]}) if asked and asked not in known else config
