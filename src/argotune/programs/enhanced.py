"""Enhanced: a program that is asked with what the query means filled in where the application gave nothing.

One version holds both, the enhancement and what answers, so that one contest judges them together, and what an answer
took has the calls of both in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dspy

from argotune.data.field_types import as_text
from argotune.errors.lines import in_short
from argotune.programs.closed_set import scores_labels
from argotune.programs.enhancement import usable_texts
from argotune.programs.failures import NO_ANSWER
from argotune.programs.program import Program

FILLED = ("entities", "relationships", "enhanced_query")
"""The inputs that an enhancement can fill in."""

NO_WRITER = "the LM that answers scores labels and writes nothing"


def can_write(lm: Any) -> bool:
    """Whether an LM writes text, and not only scores labels."""
    return lm is not None and not scores_labels(lm)


def fillable(program: Program) -> tuple[str, ...]:
    """The inputs of a program that an enhancement fills in; none where it is asked no query, or is the enhancement."""
    fields = program.typed_fields
    if "query" not in fields.inputs or "query" in fields.types:
        return ()
    return tuple(name for name in FILLED if name in fields.inputs and name not in fields.types)


@dataclass(frozen=True)
class Filling:
    """What was filled in, as texts, and why nothing was though something is missing: "" where that is not so."""

    texts: Mapping[str, str] = field(default_factory=dict)
    lack: str = ""


NOTHING_FILLED = Filling()


class Enhanced(dspy.Module):
    """Fills in those of `names` that a question lacks, then asks `program`. Where nothing is missing, no LM is asked
    for more; an enhancement that gives nothing usable leaves the question as it is. The prediction's `filling` tells.
    """

    def __init__(self, enhancer: dspy.Module, program: dspy.Module, names: Sequence[str]) -> None:
        dspy.Module.__init__(self)
        self.enhancer, self.program, self.names = enhancer, program, tuple(names)

    def forward(self, **inputs: object) -> Any:
        filling = self.filling(inputs)
        found = self.program(**{**inputs, **filling.texts})
        if isinstance(found, dspy.Prediction):
            found["filling"] = filling
        return found

    def filling(self, inputs: Mapping[str, object]) -> Filling:
        """What a question lacks. Raises what is about more than this question."""
        missing = [name for name in self.names if inputs.get(name) in (None, "")]
        if not missing:
            return NOTHING_FILLED
        lm = dspy.settings.lm if can_write(dspy.settings.lm) else dspy.settings.get("writer")
        if lm is None:
            return Filling(lack=NO_WRITER)
        try:
            with dspy.context(lm=lm):
                said = self.enhancer(query=as_text(inputs.get("query")), context=_context(inputs))
        except NO_ANSWER as error:
            return Filling(lack=in_short(error))
        texts = usable_texts(said.toDict())
        found = {name: texts[name] for name in missing if name in texts}
        return Filling(found, "" if found else "nothing was found in the query")


def _context(inputs: Mapping[str, object]) -> str:
    """What else the question says."""
    said = ((name, as_text(value)) for name, value in inputs.items() if name != "query" and value is not None)
    return "\n".join(f"{name}: {text}" for name, text in said if text.strip())


def filling_of(prediction: dspy.Prediction) -> Filling:
    """What was filled in for a prediction; nothing where no enhancement was asked."""
    found = prediction.get("filling")
    return found if isinstance(found, Filling) else NOTHING_FILLED
