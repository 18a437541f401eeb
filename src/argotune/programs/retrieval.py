"""Retrieved demonstrations: each question is shown with the training examples nearest to it.

After dspy.KNNFewShot (dspy/teleprompt/knn_fewshot.py), which compiles anew at each call; here a call only
looks up neighbours, and the examples are saved with the version.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import dspy

from argotune.data.field_types import as_text
from argotune.programs.embedder import Embedder


class RetrievedDemos(dspy.Module):
    """Wraps a program: shows its predictors the k examples nearest to the question, the nearest last.

    `embedder` is fitted here, to the text of each example (`text_of`). Calls share nothing that changes, so one
    instance serves many threads.
    """

    def __init__(self, program: dspy.Module, examples: Sequence[dspy.Example], k: int, embedder: Embedder) -> None:
        dspy.Module.__init__(self)
        self.program = program
        self.k = k
        self.examples = tuple(examples)
        self.embedder = embedder
        embedder.fit([text_of(example.inputs().toDict()) for example in self.examples])

    def forward(self, **inputs: object) -> dspy.Prediction:
        nearest = self.embedder.neighbours(text_of(inputs), min(self.k, len(self.examples)))
        program = _twin(self.program)
        for predictor in program.predictors():
            predictor.demos = [self.examples[index] for index in reversed(nearest)]
        found: dspy.Prediction = program(**inputs)
        return found

    def __deepcopy__(self, memo: dict[int, object]) -> RetrievedDemos:
        """Examples and the fitted embedder never change, so copies share them."""
        twin = copy.copy(self)
        twin.program = copy.deepcopy(self.program, memo)
        return twin


def text_of(inputs: Mapping[str, object]) -> str:
    """What neighbours are found by: the query, or all inputs where there is none."""
    query = inputs.get("query")
    return as_text(query) if query not in (None, "") else "\n".join(as_text(value) for value in inputs.values())


def _twin(program: dspy.Module) -> dspy.Module:
    """A copy whose modules are its own and whose LMs, signatures, clients and locks are the original's."""
    shared: dict[int, object] = {}
    for _, module in program.named_sub_modules(dspy.Module):
        values = (value for value in vars(module).values() if not isinstance(value, dspy.Module | list | tuple | dict))
        shared.update({id(value): value for value in values})
    return copy.deepcopy(program, shared)
