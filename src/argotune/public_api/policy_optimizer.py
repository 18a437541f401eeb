"""GEPAOptimizer of "GEPA (Experience-Guided Policy Adaptation)": the optimizer `policy` on experiences at hand.

The pipeline learns policies by itself where `preferred_optimizer` is `policy`, and lets one serve only after a
contest. Here whoever asks for a policy has it, and nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from argotune import wiring
from argotune.data.experience_buffer import newest
from argotune.data.experiences import Experience
from argotune.data.guards.masking import Mask
from argotune.data.openinference import read_decision
from argotune.data.source import TraceSource
from argotune.data.span_format import UnusableSpan, read_span
from argotune.data.spans import Span
from argotune.data.stream import Stream, stream_of
from argotune.errors import ConfigInvalid, NothingToLearn, first_problem
from argotune.settings import read_settings
from argotune.store.port import Store
from argotune.tenants.catalog import Configs
from argotune.tenants.policy_settings import PolicySettings

if TYPE_CHECKING:
    from argotune.optimizers.policy_trials import PolicyMetrics
    from argotune.programs.embedder import SentenceEmbedder
    from argotune.programs.policy import Policy
    from argotune.programs.program import Program


class GEPAOptimizer:
    """Learns a policy of one of a tenant's programs from experiences with rewards.

    What is not given comes from the tenant's `optimizers.policy`. `program` is the one to learn; `traces`, `store` and
    `embedder` are those of the environment. Raises ConfigInvalid for a value that cannot be, by its name, and NotFound
    for an unknown tenant.
    """

    def __init__(
        self,
        tenant_id: str = "default",
        experience_buffer_size: int = 1000,
        batch_size: int = 32,
        learning_rate: float = 0.001,
        discount_factor: float = 0.99,
        exploration_rate: float = 0.1,
        num_epochs: int = 50,
        gradient_accumulation_steps: int = 1,
        *,
        program: str = "routing",
        seed: int = 0,
        traces: TraceSource | None = None,
        store: Store | None = None,
        embedder: SentenceEmbedder | None = None,
    ) -> None:
        settings = read_settings()
        self._traces = traces or wiring.open_traces(settings)
        self._config = Configs(store or wiring.open_store(settings)).get(tenant_id)
        self._settings = _with(
            self._config.optimizers.policy,
            experience_buffer_size=experience_buffer_size,
            batch_size=batch_size,
            learning_rate=learning_rate,
            discount_factor=discount_factor,
            exploration_rate=exploration_rate,
            num_epochs=num_epochs,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        self._name, self._seed, self._embedder = program, seed, embedder
        self.unusable: Mapping[str, int] = {}

    def collect_experiences(self, lookback_hours: float = 72, min_confidence: float = 0.7) -> list[Experience]:
        """The newest decisions in the tenant's traces, in the order of time, as many as the buffer holds; masked.

        Decisions below `min_confidence` are left out, those without a confidence are kept. What cannot be used is
        counted in `unusable`. Raises what the trace source raises.
        """
        if not 0 <= min_confidence <= 1 or not lookback_hours > 0:
            raise ConfigInvalid(f"lookback_hours {lookback_hours}, min_confidence {min_confidence}: cannot be")
        program, counts = self._program, Counter[str]()
        stream = stream_of(self._config, program.module)
        found = self._read(program, stream, lookback_hours, counts)
        sure = (x for x in found if x.confidence is None or x.confidence >= min_confidence)
        kept = newest(sure, self._settings.experience_buffer_size)
        self.unusable = dict(counts)
        return kept

    def train(
        self, experiences: Iterable[Experience], validation_split: float = 0.2, early_stopping_patience: int = 5
    ) -> Policy:
        """A policy of these experiences; its `notes` say what it learned from. The latest part of them, and no gain on
        it for so many epochs, stops the learning.

        Where there are no propensities to learn from, decisions that went well are imitated, and the notes say so.
        Raises NothingToLearn, which says what is missing, and ConfigInvalid.
        """
        from argotune.optimizers.policy import learn_policy
        from argotune.optimizers.policy_material import PolicyTask, imitating

        settings = _with(
            self._settings, validation_split=validation_split, early_stopping_patience=early_stopping_patience
        )
        task = PolicyTask(self._program, list(experiences), [], [], [], self._sentences, settings, self._seed)
        try:
            return learn_policy(task)
        except NothingToLearn:
            return learn_policy(imitating(task))

    def evaluate(self, policy: Policy, test_set: Sequence[Any]) -> PolicyMetrics:
        """What a policy does on labelled examples (of DSPy), or would have earned in experiences. Raises ConfigInvalid
        for a set that is empty or holds both."""
        from argotune.optimizers.policy_trials import on_examples, on_experiences

        experiences = [each for each in test_set if isinstance(each, Experience)]
        examples = [each for each in test_set if not isinstance(each, Experience)]
        if bool(experiences) == bool(examples):
            raise ConfigInvalid("test_set: it must hold experiences, or labelled examples, and not both or nothing")
        if examples:
            return on_examples(policy, self._program, examples)
        return on_experiences(policy, self._program, experiences, self._settings)

    def _read(
        self, program: Program, stream: Stream, lookback_hours: float, counts: Counter[str]
    ) -> Iterator[Experience]:
        mask, fields = Mask(self._config.masking), program.typed_fields
        since = wiring.utc_now() - timedelta(hours=lookback_hours)
        for span, _ in self._traces.spans_after(stream, None, since):
            found = self._said(span, stream, program)
            if isinstance(found, UnusableSpan):
                counts[found] += 1
            elif found is not None:
                yield mask.experience(found, fields)

    def _said(self, span: Span, stream: Stream, program: Program) -> Experience | UnusableSpan | None:
        if stream.binding is None:
            return read_span(span, self._config.tenant_id, {program.name: program.typed_fields})
        return read_decision(span, stream, program.typed_fields)

    @property
    def _program(self) -> Program:
        from argotune.programs import programs_of

        known = {program.name: program for program in programs_of(self._config, self._name.partition(".")[0])}
        if self._name not in known:
            raise ConfigInvalid(f"program: {self._name!r} is none of {', '.join(known)}")
        return known[self._name]

    @property
    def _sentences(self) -> SentenceEmbedder:
        return self._embedder or wiring.open_embedders(read_settings()).sentences(self._config.embedder)


def _with(settings: PolicySettings, **changes: object) -> PolicySettings:
    """The settings with these in their place. Raises ConfigInvalid that names the first that cannot be."""
    try:
        return PolicySettings.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        raise ConfigInvalid(first_problem(error)) from None
