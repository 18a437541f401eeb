"""Doubts: what a challenger and the labelled neighbours of a question say against the answer it was given.

Only ever asked about training questions: answers to test questions must not choose what is labelled.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from argotune.data.examples import Example
from argotune.data.experiences import Experience, query_of
from argotune.errors import BudgetSpent, ConfigInvalid, Unanswered, Unavailable
from argotune.labels.selection import Reason
from argotune.lm.port import LMs
from argotune.programs.embedder import Embedders
from argotune.programs.evaluation import asked_of, score
from argotune.programs.program import Program
from argotune.programs.state import load
from argotune.promotion.versions import Version

NEIGHBOURS = 3

BY = "tfidf"
"""Every pass looks at all labelled questions, and words cost neither a vector of each nor a store."""


def doubts_about(
    experiences: Sequence[Experience],
    program: Program,
    challenger: Version | None,
    labelled: Sequence[Example],
    open_lms: Callable[[], LMs],
    embedders: Embedders,
) -> Mapping[str, frozenset[Reason]]:
    """The reasons to doubt each recorded answer, by span id. `labelled` are training examples.

    What the LM cannot say, because the budget is spent, it is away or refuses everything, or because the program has
    changed, is left out: the choice goes on without it.
    """
    found: defaultdict[str, set[Reason]] = defaultdict(set)
    for span_id in _differing(experiences, program, challenger, open_lms, embedders) if challenger else ():
        found[span_id].add(Reason.DIFFER)
    for span_id in _alone(experiences, labelled, embedders):
        found[span_id].add(Reason.NEIGHBOURS)
    return {span_id: frozenset(reasons) for span_id, reasons in found.items()}


def _differing(
    experiences: Sequence[Experience],
    program: Program,
    challenger: Version,
    open_lms: Callable[[], LMs],
    embedders: Embedders,
) -> list[str]:
    """Spans to which the challenger would have answered something else."""
    experiences = [x for x in experiences if x.said]  # a program that failed said nothing to differ from
    asked = [asked_of(program, x.inputs, x.said) for x in experiences]
    try:
        module = load(program, challenger.state, challenger.signature_hash, embedders)
        rows = score(module, program, asked, open_lms(), lambda _done, _total: None)
    except (BudgetSpent, ConfigInvalid, Unanswered, Unavailable):
        return []
    return [x.span_id for x, row in zip(experiences, rows, strict=True) if row.is_parsed and row.answers != x.said]


def _alone(experiences: Sequence[Experience], labelled: Sequence[Example], embedders: Embedders) -> list[str]:
    """Spans whose answer is not the one that most of the nearest labelled questions have."""
    if len(labelled) < NEIGHBOURS:
        return []
    near = embedders.neighbours(BY)
    near.fit([query_of(example.inputs) for example in labelled])
    found = []
    for experience in experiences:
        nearest = [labelled[index].expected for index in near.neighbours(experience.query, NEIGHBOURS)]
        votes = Counter(tuple(sorted(expected.items())) for expected in nearest)
        against = len(nearest) - votes[tuple(sorted(experience.said.items()))]
        if 2 * against > len(nearest):
            found.append(experience.span_id)
    return found
