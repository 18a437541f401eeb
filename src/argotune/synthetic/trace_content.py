"""Content from a tenant's own past questions: what its users asked about, where nothing else is known.

Training questions only. A question's text never leaves the dev and test splits by this door.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.splitting import Split, Splitter
from argotune.programs import programs_of
from argotune.store.port import Store
from argotune.synthetic.content import Content, Sample, count_of, read_content, sample_of
from argotune.tenants.config import MODALITIES, MODULES, RoutingConfigUnified


class TraceContent:
    """The experiences of a tenant's shipped modules, as `collect` has stored them."""

    def __init__(self, store: Store, config: RoutingConfigUnified) -> None:
        self._log = ExperienceLog(store, config.tenant_id)
        self._config = config

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """As ContentSource. There is one profile, `traces`."""
        return sample_of(self._contents(tenant_id), count, modalities, profiles, seed)

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """As ContentSource."""
        return count_of(self._contents(tenant_id), modalities)

    def ping(self) -> str:
        """Nothing to reach but the store."""
        return "the tenant's own training questions"

    def _contents(self, tenant_id: str) -> Iterator[Content]:
        if tenant_id != self._config.tenant_id:
            return
        shipped = [module for module in self._config.modules if module in MODULES]
        programs = [program.name for module in shipped for program in programs_of(self._config, module)]
        examples = {name: {e.id: e for e in self._log.examples(name)} for name in programs}
        # A question may be in several programs; one split that is not training seals it for all of them.
        known = [(query_of(e.inputs), e.split) for found in examples.values() for e in found.values()]
        splitter, seen = Splitter(self._config.split, known), set[str]()
        for name in programs:
            for experience in sorted(self._log.experiences(name), key=lambda e: e.moment):
                if experience.query not in seen and splitter.place(experience.query) is Split.TRAIN:
                    seen.add(experience.query)
                    yield from _content(experience, examples[name])


def _content(experience: Experience, examples: Mapping[str, Example]) -> Iterator[Content]:
    """Filed under the agent of its label, where there is one."""
    id = question_id(experience.program, experience.inputs)
    expected = examples[id].expected if id in examples else {}
    modality = experience.modality or experience.program.partition(".")[2]
    fields = {
        "id": id,
        "modality": modality if modality in MODALITIES else "text",
        "title": experience.query,
        "text": experience.inputs.get("context", ""),
        "profile": "traces",
        "agent": expected.get("agent", ""),
    }
    found = read_content(fields)
    if isinstance(found, Content):
        yield found
