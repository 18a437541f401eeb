"""State: what tuning changed in a program, as JSON. No LM, no code and no field description is in it.

Descriptions and labels come from the program and the tenant's config each time; instructions, demonstrations
and decision fields (weights, thresholds) come from the state.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Set
from typing import cast

import dspy
from dspy.adapters.decision_state import DecisionState
from dspy.adapters.types.decision import decision_type
from dspy.predict.predict import serialize_object
from pydantic import JsonValue

from argotune.data.field_types import as_plain
from argotune.errors import ConfigInvalid, Corrupt, ProgramChanged
from argotune.programs.cascade import Cascade, Trust, familiar_state, read_familiar
from argotune.programs.embedder import Embedders, refuse_changed
from argotune.programs.enhanced import Enhanced, fillable
from argotune.programs.enhancement import Enhancement
from argotune.programs.ensemble import Ballot, Ensemble, read_settings_state, settings_state, settings_text
from argotune.programs.policy import Policy, policy_state, policy_text, read_policy
from argotune.programs.program import Program, dspy_example
from argotune.programs.retrieval import RetrievedDemos
from argotune.programs.signatures import asked_signature
from argotune.programs.states import (
    ExampleState,
    Fields,
    PlainState,
    PredictorState,
    RetrievedState,
    SettingsState,
    State,
    Stored,
)
from argotune.programs.student import Student, read_student, student_state, student_text


def dump(module: dspy.Module) -> State:
    """The state of a module as JSON values; equal prompts give equal states."""
    if isinstance(module, RetrievedDemos):
        return _retrieved_state(module)
    if isinstance(module, Enhanced):
        return {"kind": "enhanced", "enhancer": _plain_state(module.enhancer), "program": dump(module.program)}
    if isinstance(module, Student):
        return student_state(module)
    if isinstance(module, Policy):
        return policy_state(module)
    if isinstance(module, Cascade):
        return {
            "kind": "cascade",
            "student": student_state(module.student),
            "program": dump(module.program),
            "familiar": familiar_state(module.familiar),
            "threshold": module.trust.threshold,
            "why": module.trust.why,
        }
    if isinstance(module, Ensemble):
        state = settings_state(module)
        return state if module.program is None else {**state, "program": dump(module.program)}
    return _plain_state(module)


def _plain_state(module: dspy.Module) -> PlainState:
    predictors = {name: _predictor_state(predictor) for name, predictor in module.named_predictors()}
    return {"kind": "plain", "predictors": predictors}


def _known(stored: Stored) -> State:
    """What a store gave, by its kind. Whoever reads it meets KeyError, TypeError or ValueError where it is not."""
    return cast(State, stored)


def masked_state(stored: Stored, program: Program, text: Callable[[str], str]) -> State:
    """A state with `text` of each text in it that an LM may have written: of demonstrations, but for labels of closed
    sets, and of instructions that are not the program's own. A demonstration in which a number is changed is left out,
    as it is none any more."""
    state = _known(stored)
    if state["kind"] == "retrieved":
        closed = {name for name, labels in program.fields.answers.items() if labels is not None}
        examples = [kept for example in state["examples"] if (kept := _masked_example(example, closed, text))]
        return {**state, "program": masked_state(state["program"], program, text), "examples": examples}
    if state["kind"] == "enhanced":
        enhancer = _masked_plain(state["enhancer"], Enhancement(), text)
        return {**state, "enhancer": enhancer, "program": masked_state(state["program"], program, text)}
    if state["kind"] == "cascade":
        return {**state, "program": masked_state(state["program"], program, text)}
    if state["kind"] == "settings":
        return _masked_settings(state, program, text)
    if state["kind"] == "plain":
        return _masked_plain(state, program.build(), text)
    return state  # numbers, labels that the tenant wrote, and short values of inputs as they were kept


def _masked_settings(state: SettingsState, program: Program, text: Callable[[str], str]) -> SettingsState:
    """A word that is masked speaks for nothing any more."""
    words = {
        name: {label: [word for word in of if text(word) == word] for label, of in lists.items()}
        for name, lists in state["words"].items()
    }
    masked: SettingsState = {**state, "words": words}
    if "program" in state:
        masked["program"] = masked_state(state["program"], program, text)
    return masked


def _masked_plain(state: PlainState, as_written: dspy.Module, text: Callable[[str], str]) -> PlainState:
    written = dict(as_written.named_predictors())
    predictors = {name: _masked_predictor(one, written[name], text) for name, one in state["predictors"].items()}
    return {**state, "predictors": predictors}


def _masked_predictor(state: PredictorState, written: dspy.Predict, text: Callable[[str], str]) -> PredictorState:
    signature, instructions = asked_signature(written), state["instructions"]
    closed = {name for name, field in signature.output_fields.items() if decision_type(field) is not None}
    demos = [shown for demo in state["demos"] if (shown := _masked(demo, closed, text)) is not None]
    kept = instructions if instructions == signature.instructions else text(instructions)
    return {**state, "instructions": kept, "demos": demos}


def _masked_example(example: ExampleState, closed: Set[str], text: Callable[[str], str]) -> ExampleState | None:
    inputs, answers = _masked(example["inputs"], closed, text), _masked(example["answers"], closed, text)
    return None if inputs is None or answers is None else {"inputs": inputs, "answers": answers}


def _masked(shown: Fields, closed: Set[str], text: Callable[[str], str]) -> Fields | None:
    try:
        return {name: value if name in closed else _leaves(value, text) for name, value in shown.items()}
    except _NumberMasked:
        return None


class _NumberMasked(Exception):
    """A number that was masked is none."""


def _leaves(value: JsonValue, text: Callable[[str], str]) -> JsonValue:
    if isinstance(value, dict):
        return {name: _leaves(each, text) for name, each in value.items()}
    if isinstance(value, list):
        return [_leaves(each, text) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and text(str(value)) != str(value):
        raise _NumberMasked
    return text(value) if isinstance(value, str) else value


def load(program: Program, stored: Stored, signature_hash: str, embedders: Embedders) -> dspy.Module:
    """The module that `stored` was dumped from, without an LM.

    Raises ProgramChanged when the state was made for other fields or labels than the program has now or with other
    weights of its embedder, ConfigInvalid when that one cannot be opened, and Corrupt when it is not a state.
    """
    if signature_hash != program.signature_hash:
        raise ProgramChanged(
            f"{program.name}: the stored version was made for other inputs, answers or labels than the program has "
            "now. Train it again, or restore what was changed"
        )
    try:
        return _load(program, _known(stored), embedders)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Corrupt(f"{program.name}: the stored state cannot be read: {error}") from error


def _load(program: Program, state: State, embedders: Embedders) -> dspy.Module:
    if state["kind"] == "retrieved":
        found = embedders.neighbours(state["embedder"])
        refuse_changed(found.name, state.get("embedder_digest", ""), found.digest)
        examples = [_read_example(example) for example in state["examples"]]
        return RetrievedDemos(_load(program, state["program"], embedders), examples, int(state["k"]), found)
    if state["kind"] == "enhanced":
        inner = _load(program, state["program"], embedders)
        return Enhanced(_restored(Enhancement(), state["enhancer"], "enhancement"), inner, fillable(program))
    if state["kind"] == "student":
        return read_student(state, embedders)
    if state["kind"] == "policy":
        return read_policy(state, embedders)
    if state["kind"] == "cascade":
        student, familiar = read_student(state["student"], embedders), read_familiar(state.get("familiar"))
        trust = Trust(float(state["threshold"]), str(state["why"]))
        return Cascade(student, _load(program, state["program"], embedders), familiar, trust)
    if state["kind"] == "settings":
        asked = _load(program, state["program"], embedders) if "program" in state else None
        return Ensemble(ballot_of(program), read_settings_state(state, program.finder), asked)
    return _restored(program.build(), state, program.name)


def embedder_changed(stored: Stored, embedders: Embedders) -> str:
    """Which embedder a state was made with that is another by now, in a sentence; "" where none is known to be, as one
    that cannot be opened. Raises Unavailable and its like."""
    try:
        for name, digest in _embedders_in(stored):
            refuse_changed(name, digest, embedders.neighbours(name).digest)
    except ProgramChanged as error:
        return str(error)
    except ConfigInvalid:
        return ""
    return ""


def _embedders_in(stored: Stored) -> Iterator[tuple[str, str]]:
    """Name and digest of each."""
    if "embedder" in stored:
        yield str(stored["embedder"]), str(stored.get("embedder_digest", ""))
    for part in (stored.get("student"), stored.get("program")):
        if isinstance(part, Mapping):
            yield from _embedders_in(part)


def ballot_of(program: Program) -> Ballot:
    """The labels that a program's answers are from. Raises ConfigInvalid for one with an answer that is free text."""
    if not program.is_closed:
        raise ConfigInvalid(f"{program.name}: an ensemble answers closed sets only, and it answers free text")
    return Ballot({name: tuple(sorted(labels)) for name, labels in program.fields.answers.items() if labels})


def restored(module: dspy.Module, stored: Stored, name: str) -> dspy.Module | None:
    """A fresh module of this name as a plain state has tuned it, None for a state of another kind. Raises
    ProgramChanged for the state of a module with other predictors."""
    state = _known(stored)
    return _restored(module, state, name) if state["kind"] == "plain" else None


def _restored(module: dspy.Module, state: PlainState, name: str) -> dspy.Module:
    predictors = dict(module.named_predictors())
    if predictors.keys() != state["predictors"].keys():
        raise ProgramChanged(f"{name}: the stored version is of a module with other predictors")
    for key, predictor in predictors.items():
        _restore(predictor, state["predictors"][key])
    return module


def _retrieved_state(module: RetrievedDemos) -> RetrievedState:
    state: RetrievedState = {
        "kind": "retrieved",
        "program": dump(module.program),
        "k": module.k,
        "embedder": module.embedder.name,
        "examples": [_example_state(example) for example in module.examples],
    }
    if module.embedder.digest:
        state["embedder_digest"] = module.embedder.digest
    return state


def _predictor_state(predictor: dspy.Predict) -> PredictorState:
    return {
        "instructions": asked_signature(predictor).instructions,
        "demos": [_as_stored(dict(demo)) for demo in predictor.demos],
        "decision": _as_stored(predictor.fields),
    }


def _restore(predictor: dspy.Predict, state: PredictorState) -> None:
    signature = asked_signature(predictor).with_instructions("-")
    signature.instructions = state["instructions"]  # with_instructions would replace "" by a default
    decision = copy.deepcopy(dict(state["decision"]))
    DecisionState(signature, decision)
    predictor.signature = signature
    predictor.fields = decision
    predictor.demos = [dspy_example(demo, signature.input_fields) for demo in state["demos"]]


def _example_state(example: dspy.Example) -> ExampleState:
    return {"inputs": _as_stored(example.inputs().toDict()), "answers": _as_stored(example.labels().toDict())}


def _read_example(state: ExampleState) -> dspy.Example:
    return dspy_example({**state["inputs"], **state["answers"]}, state["inputs"])


def _as_stored(values: Mapping[str, object]) -> Fields:
    """JSON values only, tuples as lists: what a store would give back, and what DSPy shows as it shows the values."""
    stored: Fields = json.loads(json.dumps(serialize_object(values), ensure_ascii=False, default=as_plain))
    return stored


def learns_numbers(stored: Stored) -> bool:
    """Whether examples went into numbers, of which nobody can tell what they hold of one."""
    return stored["kind"] in ("student", "cascade", "policy", "settings")


def asks_lm_alone(stored: Stored) -> bool:
    """Whether an LM answers each question, by instructions and examples that it is shown, and nothing fills in what
    the application left out."""
    return stored["kind"] in ("plain", "retrieved")


def prompts(stored: Stored) -> dict[str, str]:
    """What people compare between versions: per predictor its instructions and demonstrations, as text."""
    state = _known(stored)
    if state["kind"] == "retrieved":
        lines = [_fields_in_line({**example["inputs"], **example["answers"]}) for example in state["examples"]]
        title = f"The {state['k']} nearest of these {len(lines)} examples are shown (by {state['embedder']}):"
        return {**prompts(state["program"]), "retrieved examples": "\n".join([title, *lines])}
    if state["kind"] == "enhanced":
        asked_before = {f"enhancer.{name}": text for name, text in prompts(state["enhancer"]).items()}
        return {**asked_before, **prompts(state["program"])}
    if state["kind"] == "student":
        return {"student": student_text(state)}
    if state["kind"] == "policy":
        return {"policy": policy_text(state)}
    if state["kind"] == "cascade":
        threshold = f"The student answers from a confidence of {state['threshold']:.3g} on: {state['why']}"
        return {**prompts(state["program"]), "student": student_text(state["student"]), "threshold": threshold}
    if state["kind"] == "settings":
        inner = prompts(state["program"]) if "program" in state else {}
        return {**inner, "settings": settings_text(state)}
    return {name: _prompt_text(predictor) for name, predictor in state["predictors"].items()}


def _prompt_text(predictor: PredictorState) -> str:
    parts = [predictor["instructions"]]
    for number, demo in enumerate(predictor["demos"], start=1):
        fields = [f"{name}: {value}" for name, value in demo.items() if name != "augmented"]
        parts.append("\n".join([f"Example {number}", *fields]))
    if predictor["decision"]:
        parts.append(f"Decision fields\n{json.dumps(predictor['decision'], ensure_ascii=False, sort_keys=True)}")
    return "\n\n".join(parts)


def _fields_in_line(fields: Mapping[str, JsonValue]) -> str:
    return " | ".join(f"{name}: {value}" for name, value in fields.items() if value != "")
