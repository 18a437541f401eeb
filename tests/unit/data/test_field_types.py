"""Field types: every value of a type has one text, and all that means the value is read as it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from argotune.data.field_types import NotOfType, as_text, field_type, labels_of


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = auto()
    HIGH = auto()


class Mood(StrEnum):
    CALM = "calm"


class Person(BaseModel):
    name: str
    age: int
    born: date | None = Field(None, alias="born_on")


KIM = Person(name="Kim", age=3, born_on=date(2023, 1, 2))
KIM_TEXT = '{"age": 3, "born": "2023-01-02", "name": "Kim"}'

MEANT: list[tuple[Any, str, Any, list[object]]] = [
    (int, "3", 3, ["3", 3.0, "3.0", " 3 "]),
    (float, "0.5", 0.5, ["0.50", "5e-1"]),
    (float, "3.0", 3.0, [3, "3"]),
    (bool, "True", True, ["true", "True", "TRUE", "yes", 1]),
    (bool, "False", False, ["false", "no", 0]),
    (list[int], "[1, 2]", [1, 2], ["[1,2]", [1, "2"], (1, 2), "(1, 2)"]),
    (list[str], '["a", "b"]', ["a", "b"], ["['a', 'b']"]),
    (list[str], "[]", [], []),
    (dict[str, int], '{"a": 1, "b": 2}', {"b": 2, "a": 1}, ['{"b": 2, "a": 1}']),
    (set[str], '["a", "b"]', {"a", "b"}, ['["b", "a", "b"]']),
    (
        Person,
        KIM_TEXT,
        KIM,
        [{"name": "Kim", "age": "3", "born": "2023-01-02"}, {"name": "Kim", "age": 3, "born_on": "2023-01-02"}],
    ),
    (list[Person], f"[{KIM_TEXT}]", [KIM], [[{"name": "Kim", "age": 3, "born": "2023-01-02"}]]),
    (Literal["a", "b"] | None, "null", None, ["null"]),
    (Literal[1, 2], "2", 2, ["2"]),
    (Literal[True, "maybe"], "True", True, ["true"]),
    (Optional[str], "null", None, []),  # noqa: UP045 - people write it so
    (str | None, '"null"', "null", []),
    (str | None, "3", "3", []),
    (int | None, "null", None, ["null", "None"]),
    (int | str, '"3"', "3", []),
    (int | str, "3", 3, []),
    (Color, "red", Color.RED, ["red", "RED", "Color.RED", " red "]),
    (Level, "2", Level.HIGH, [2, "2", "HIGH"]),
    (Mood, "calm", Mood.CALM, ["calm", "CALM"]),
    (list[Color], '["red"]', [Color.RED], [["red"]]),
    (date, "2026-03-02", date(2026, 3, 2), ["2026-03-02", datetime(2026, 3, 2, tzinfo=UTC)]),
    (datetime, "2026-03-02T12:00:00Z", datetime(2026, 3, 2, 12, tzinfo=UTC), ["2026-03-02 12:00:00+00:00"]),
    (Decimal, "1.10", Decimal("1.10"), ["1.10"]),
    (Annotated[int, Field(ge=0)], "3", 3, ["3"]),
]


@pytest.mark.parametrize(("annotation", "text", "value", "others"), MEANT)
def test_a_value_has_one_text_and_whatever_means_it_is_read_as_it(
    annotation: Any, text: str, value: object, others: list[object]
):
    found = field_type(annotation)
    assert found is not None
    read = found.read(text)
    assert (read, type(read)) == (value, type(value))
    assert {found.canonical(said) for said in (value, *others)} == {text}
    assert found.canonical_of_text(text) == text


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (int, "seven"),
        (int, 3.5),
        (float, "half"),
        (bool, "maybe"),
        (bool, 2),
        (list[int], "1 2"),
        (list[int], ["x"]),
        (Literal["a"] | None, "b"),
        (Color, "green"),
        (Person, '{"name": "Kim"}'),
        (Person, "Kim"),
        (date, "soon"),
        (int, None),
        (list[int], "[" * 5000),
        (int, "9" * 5000),
    ],
)
def test_what_is_not_of_a_type_is_told_so(annotation: Any, said: object):
    found = field_type(annotation)
    assert found is not None
    with pytest.raises(NotOfType, match="is not "):
        found.canonical(said)


class Opaque:
    pass


@pytest.mark.parametrize(
    "annotation", [str, Any, object, None, Literal["a", "b"], Annotated[str, Field(max_length=3)], Opaque]
)
def test_a_field_of_texts_and_what_pydantic_does_not_know_has_no_type(annotation: Any):
    assert field_type(annotation) is None


@pytest.mark.parametrize(
    ("annotation", "labels"),
    [
        (bool, ("True", "False")),
        (Literal["b", "a"], ("b", "a")),
        (Literal["a", "b"] | None, ("a", "b", "null")),
        (Color, ("red", "blue")),
        (bool | None, ("True", "False", "null")),
        (str, None),
        (int | None, None),
        (list[Color], None),
        (type(None), None),
    ],
)
def test_labels_are_those_of_literals_bools_and_enums(annotation: Any, labels: tuple[str, ...] | None):
    assert labels_of(annotation) == labels


@pytest.mark.parametrize(
    ("annotation", "is_simple"),
    [
        *((simple, True) for simple in (list[int], Color, list[Literal["a"]], date | None, Decimal)),
        *((free, False) for free in (list[str], Person, str | None, list, dict[str, int])),
    ],
)
def test_labels_numbers_dates_and_lists_of_these_are_simple(annotation: Any, is_simple: bool):
    found = field_type(annotation)
    assert found is not None
    assert found.is_simple is is_simple


_FREE = st.one_of(
    st.tuples(st.just(int), st.integers()),
    st.tuples(st.just(float), st.floats(allow_nan=False)),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(str | None), st.none() | st.text()),
    st.tuples(st.just(int | str), st.integers() | st.text()),
    st.tuples(st.just(list[str]), st.lists(st.text())),
    st.tuples(st.just(list[float]), st.lists(st.floats(allow_nan=False))),
    st.tuples(st.just(dict[str, int | None]), st.dictionaries(st.text(), st.none() | st.integers())),
    st.tuples(st.just(tuple[int, str]), st.tuples(st.integers(), st.text())),
    st.tuples(st.just(date), st.dates()),
    st.tuples(st.just(datetime), st.datetimes()),
    st.tuples(st.just(Decimal), st.decimals(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(Color), st.sampled_from(Color)),
    st.tuples(st.just(Person), st.builds(Person, name=st.text(), age=st.integers(), born_on=st.none() | st.dates())),
)


@given(_FREE)
def test_a_value_that_was_kept_as_text_comes_back_as_it_was(given_: tuple[Any, object]):
    annotation, value = given_
    found = field_type(annotation)
    assert found is not None
    text = found.canonical(value)
    assert found.read(text) == value
    assert found.canonical_of_text(text) == text


@given(
    st.text(),
    st.sampled_from([int, float, bool, list[int], str | None, int | str, date, Color, Person, dict[str, int]]),
)
def test_any_text_is_read_or_refused_and_its_meaning_has_one_text(said: str, annotation: Any):
    found = field_type(annotation)
    assert found is not None
    try:
        text = found.canonical_of_text(said)
    except NotOfType:
        return
    assert found.canonical_of_text(text) == text


def test_a_set_has_one_text_in_every_process():
    told = "from argotune.data.field_types import as_text; print(as_text({'a', 'b', 'c', 'd', 'e'}))"
    said = {
        subprocess.run(
            [sys.executable, "-c", told], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in "123"
    }
    assert said == {b'["a", "b", "c", "d", "e"]\n'}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (False, "False"),
        (0, "0"),
        (Color.RED, "red"),
        ([Color.RED, None], '["red", null]'),
        (KIM, KIM_TEXT),
    ],
)
def test_a_value_of_no_known_type_is_kept_as_json_or_as_it_is_printed(value: object, text: str):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("annotation", "text", "masked"),
    [
        (list[str], '["a@b.c", "x"]', '["<M>", "x"]'),
        (Person, '{"name": "a@b.c", "age": 3}', '{"age": 3, "name": "<M>"}'),
        (str | None, "a@b.c", "<M>"),
        (int, "4111", "<M>"),
        (float, "4111.0", "4111.0"),
        (date, "4111-01-01", "4111-01-01"),
        (bool, "True", "True"),
        (list[int], "[4111, 2]", '["<M>", 2]'),
    ],
)
def test_masking_changes_the_texts_and_whole_numbers_in_a_value_and_leaves_it_json(
    annotation: Any, text: str, masked: str
):
    found = field_type(annotation)
    assert found is not None
    assert found.mapped(text, lambda said: "<M>" if "@" in said or "4111" in said else said) == masked
