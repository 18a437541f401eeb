"""Content from a tenant's own past questions: what its users asked about, where nothing else is known.

Training questions only. A question's text never leaves the dev and test splits by this door.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience
from argotune.data.fields import Fields
from argotune.data.gathering import near_examples, newest_experiences
from argotune.data.near_texts import NearTexts
from argotune.data.question_log import QuestionLog
from argotune.data.splitting import Split, Splitter, normalised
from argotune.programs import programs_of
from argotune.store.port import Store
from argotune.synthetic.content import Content, Sample, count_of, read_content, sample_of
from argotune.tenants.config import MODALITIES, MODULES, RoutingConfigUnified


class TraceContent:
    """The experiences of a tenant's shipped modules, as `collect` has stored them: of each program the newest, as many
    as a run reads."""

    def __init__(self, store: Store, config: RoutingConfigUnified) -> None:
        self._store, self._log = store, ExperienceLog(store, config.tenant_id)
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
        fields = [program.fields for module in shipped for program in programs_of(self._config, module)]
        known = [near_examples(self._log, self._questions(each), each) for each in fields]
        splitter, seen = Splitter(self._config.split), set[str]()
        for each in fields:
            for experience, example in self._newest(each):
                query = experience.query
                if query not in seen and _is_of_training(query, known, splitter):
                    seen.add(query)
                    yield from _content(experience, example)

    def _newest(self, fields: Fields) -> Iterator[tuple[Experience, Example | None]]:
        """The newest experiences with the examples of their questions, as many as a run reads, the oldest first."""
        most = self._config.training.max_examples
        found = newest_experiences(self._log, self._questions(fields), fields.program, most)
        newest = sorted(found, key=lambda experience: experience.moment)
        ids = [question_id(fields.program, experience.inputs) for experience in newest]
        examples = {e.id: e for e in self._log.examples_of(fields.program, dict.fromkeys(ids))}
        return ((experience, examples.get(id)) for experience, id in zip(newest, ids, strict=True))

    def _questions(self, fields: Fields) -> QuestionLog:
        return QuestionLog(self._store, self._config.tenant_id, fields.program)


def _is_of_training(query: str, known: Sequence[NearTexts], splitter: Splitter) -> bool:
    """Whether a question is one of training. It may be in several programs: one split that is not training seals it for
    all of them."""
    key = normalised(query)
    splits = frozenset[str]().union(*(near.groups_near(key) for near in known))
    return splits == {Split.TRAIN} if splits else splitter.place(query) is Split.TRAIN


def _content(experience: Experience, example: Example | None) -> Iterator[Content]:
    """Filed under the agent of its label, where there is one."""
    expected = example.expected if example else {}
    modality = experience.modality or experience.program.partition(".")[2]
    fields = {
        "id": question_id(experience.program, experience.inputs),
        "modality": modality if modality in MODALITIES else "text",
        "title": experience.query,
        "text": experience.inputs.get("context", ""),
        "profile": "traces",
        "agent": expected.get("agent", ""),
    }
    found = read_content(fields)
    if isinstance(found, Content):
        yield found
