"""Gathering: from a program's experiences and labels to its examples, where only what is new is looked at.

The rules are those of examples.py: what comes of a question depends on its own answers, and on where near questions
were placed. So a pass settles anew the questions that were asked since, whose labels were changed, or of which answers
were forgotten, and changes the sums by these. Where the rules themselves were changed, everything is new. However much
is new, a few hundred spans are in memory at a time (gathering_steps.py).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from heapq import nlargest

from argotune.data.archive import ExperienceLog
from argotune.data.examples import Example, question_id
from argotune.data.experiences import Experience, query_of
from argotune.data.fields import Fields
from argotune.data.gathering_steps import GatheringSteps, Given, compared_text_of, listed_anew
from argotune.data.label_rule import Labels
from argotune.data.live_quality import LiveScores
from argotune.data.near_texts import NearTexts
from argotune.data.question_log import QuestionLog, Summary
from argotune.data.remarks import REMARKS
from argotune.data.settling import Gathered
from argotune.data.splitting import normalised
from argotune.errors import Corrupt, NewerRecord
from argotune.store.sealing import digest
from argotune.tenants.config import RoutingConfigUnified

logger = logging.getLogger(__name__)

FORM = 2
"""Of what is kept; another one is made anew."""


def edition_of(fields: Fields, config: RoutingConfigUnified) -> str:
    """A digest of the rules by which a question's example depends on its answers and labels."""
    answers = {name: list(labels) if labels is not None else None for name, labels in fields.answers.items()}
    types = {name: str(found) for name, found in sorted(fields.types.items())}
    rules = [config.reward.model_dump(), config.min_trace_confidence, config.masking.model_dump(mode="json")]
    return digest([FORM, list(fields.inputs), answers, *rules, *([types] if types else [])])


def gather(
    log: ExperienceLog,
    questions: QuestionLog,
    fields: Fields,
    config: RoutingConfigUnified,
    given: Given,
    live: LiveScores | None = None,
) -> Gathered:
    """Take in what is new, and store what came of it. A crash leaves what the next pass goes on from, or makes anew.
    What is new of the champion's answers is counted in `live`.

    Raises NewerRecord for what a newer release gathered.
    """
    edition, summary = edition_of(fields, config), questions.summary()
    if summary is None or summary.edition != edition:
        summary = _begun_anew(log, questions, fields, edition, live)
    try:
        return GatheringSteps(log, questions, fields, config, given, summary, live).gathered()
    except NewerRecord:
        raise
    except Corrupt as error:
        logger.warning("%s: gathered anew, as something kept cannot be read: %s", fields.program, error)
        summary = _begun_anew(log, questions, fields, edition, live)
        return GatheringSteps(log, questions, fields, config, given, summary, live).gathered()


def _begun_anew(
    log: ExperienceLog, questions: QuestionLog, fields: Fields, edition: str, live: LiveScores | None
) -> Summary:
    if live:
        live.begin_anew()
    return listed_anew(log, questions, fields, edition)


def own_spans(log: ExperienceLog, questions: QuestionLog, fields: Fields, span_ids: Iterable[str]) -> frozenset[str]:
    """Those of the annotated spans that are the program's own. Reads the ones that were not annotated before."""
    states = questions.annotated().states
    foreign = {span_id for span_id, state in states.items() if not state}
    fresh = foreign.intersection(questions.fresh()) if foreign else foreign

    asked = frozenset(span_ids)
    new = sorted(id for id in asked if id not in states or id in fresh)
    own = {experience.span_id for experience in log.experiences_of(fields.program, new)}
    return frozenset(id for id in asked if id in own or (states.get(id) and id not in fresh))


def near_examples(log: ExperienceLog, questions: QuestionLog, fields: Fields) -> NearTexts:
    """The index of all examples by their splits, as it was gathered last."""
    summary = questions.summary()
    if summary is None:
        return NearTexts({normalised(query_of(e.inputs)): e.split.value for e in log.examples(fields.program)})
    return questions.near(summary, partial(compared_text_of, log, fields.program))


def newest_experiences(log: ExperienceLog, questions: QuestionLog, program: str, most: int) -> Iterator[Experience]:
    """The newest of those that were gathered, at most so many, as far as they can be read; the newest day first."""
    summary, looked_at = questions.summary(), 0
    if summary is None:
        yield from nlargest(most, log.experiences(program), key=lambda experience: experience.moment)
        return
    for day in sorted(summary.days, reverse=True):
        spans = (span for name in summary.days[day] for span in questions.day(name))
        newest = nlargest(most - looked_at, spans, key=lambda span: (span[1], span[0]))
        looked_at += len(newest)
        yield from log.experiences_of(program, [span_id for span_id, _ in newest])


def trusted_examples(log: ExperienceLog, questions: QuestionLog, fields: Fields, most: int) -> list[Example]:
    """The training and dev examples with labels of people or an independent annotator, as they were gathered last: of
    the newest `most` decisions that have one."""
    judged = questions.annotated().judged
    newest = nlargest(most, judged, key=lambda span_id: (judged[span_id].at, span_id))
    experiences = log.experiences_of(fields.program, sorted(newest))
    ids = [question_id(fields.program, experience.inputs) for experience in experiences]
    return list(log.examples_of(fields.program, ids))


def state_of(span_id: str, labels: Labels, fields: Fields) -> str:
    """A digest of all that is believed of a span."""
    both = (labels.believed, labels.on_test)
    found = [labels_of.get((span_id, name)) for labels_of in both for name in fields.answers]
    said = [[x.label, x.kind, x.updated_at.isoformat()] if x else None for x in found]
    remarks = [labels.believed.get((span_id, name)) for name in REMARKS]
    for x in filter(None, remarks):
        where = ["session"] if x.is_of_session else []
        said += [[x.name, x.label, str(x.score), x.kind, x.updated_at.isoformat(), *where]]
    return digest(said)[:16]
