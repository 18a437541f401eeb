"""Which LMs a run uses and with which keys: what is named, what a key says, and what is told of keys without a use."""

from __future__ import annotations

import pytest

from argotune import wiring
from argotune.errors import ConfigInvalid
from argotune.lm.kept_answers import NothingKept
from argotune.lm.meter import Meter
from argotune.lm.named import NamedLMs
from argotune.lm.names import Defaults, Keys, annotator_of_key, settled, unused_keys
from argotune.lm.port import LMs
from argotune.optimizers import OptimizerChoice, choose
from argotune.settings import read_settings
from argotune.tenants.config import METHODS, BudgetLimits, LMChoice

OPENAI, ANTHROPIC, GOOGLE, NOBODY = "sk-proj-0123456789", "sk-ant-0123456789", "AIza" + "0" * 35, "your-api-key"
MINI, HAIKU, FLASH = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"
LOCAL = "local/smollm2"


pytestmark = pytest.mark.usefixtures("no_variables")


@pytest.mark.parametrize(
    ("named", "keys", "task", "teacher", "task_key", "teacher_key"),
    [
        ((MINI, None), (OPENAI, None), MINI, MINI, OPENAI, OPENAI),
        ((MINI, None), (None, OPENAI), MINI, MINI, OPENAI, OPENAI),
        ((MINI, None), (OPENAI, NOBODY), MINI, MINI, OPENAI, NOBODY),
        ((MINI, "openai/gpt-4o"), (None, OPENAI), MINI, "openai/gpt-4o", OPENAI, OPENAI),
        ((MINI, HAIKU), (None, ANTHROPIC), MINI, HAIKU, None, ANTHROPIC),
        ((MINI, HAIKU), (OPENAI, None), MINI, HAIKU, OPENAI, None),
        ((MINI, None), (None, ANTHROPIC), MINI, HAIKU, None, ANTHROPIC),
        (("deepseek/deepseek-chat", None), (None, OPENAI), "deepseek/deepseek-chat", "deepseek/deepseek-chat", OPENAI,
         OPENAI),
        ((None, None), (None, None), LOCAL, None, None, None),
        ((LOCAL, None), (None, None), LOCAL, None, None, None),
        (("local/smollm2:chat", None), (None, None), "local/smollm2:chat", None, None, None),
        ((LOCAL, LOCAL), (None, None), LOCAL, LOCAL, None, None),
        ((None, None), (None, OPENAI), MINI, MINI, OPENAI, OPENAI),
        ((None, None), (None, ANTHROPIC), HAIKU, HAIKU, ANTHROPIC, ANTHROPIC),
        ((None, None), (GOOGLE, None), FLASH, FLASH, GOOGLE, GOOGLE),
        ((None, None), (OPENAI, ANTHROPIC), MINI, HAIKU, OPENAI, ANTHROPIC),
        ((None, HAIKU), (None, ANTHROPIC), LOCAL, HAIKU, None, ANTHROPIC),
        ((LOCAL, None), (None, OPENAI), LOCAL, MINI, None, OPENAI),
        ((LOCAL, HAIKU), (ANTHROPIC, None), LOCAL, HAIKU, None, ANTHROPIC),
    ],
)  # fmt: skip
def test_models_and_keys_follow_what_is_named_and_then_the_keys(
    named: tuple[str | None, str | None], keys: tuple[str | None, str | None],
    task: str, teacher: str | None, task_key: str | None, teacher_key: str | None,
):  # fmt: skip
    given = Keys(*keys)
    for choice, defaults in (
        (LMChoice(), Defaults(*named, given)),
        (LMChoice(task_model=named[0], teacher_model=named[1]), Defaults(keys=given)),
    ):
        found = settled(choice, defaults)
        assert (found.task_model, found.teacher_model) == (task, teacher)
        if not task.startswith("local/"):
            assert given.of_task(found) == task_key
        if teacher and not teacher.startswith("local/"):
            assert given.of_teacher(found) == teacher_key


@pytest.mark.parametrize(
    ("variable", "key"), [("ROUTER_OPTIMIZER_TEACHER_KEY", NOBODY), ("ARGOTUNE_TASK_KEY", "gsk_0123456789")]
)
def test_a_key_of_no_known_provider_and_no_model_is_told_at_once_and_nothing_falls_back_to_the_embedded_lm(
    variable: str, key: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, key)
    with pytest.raises(ConfigInvalid, match=f"{variable}: no model is named.*set ARGOTUNE_TASK_MODEL") as told:
        wiring.open_lms(read_settings()).open(LMChoice(), Meter(BudgetLimits()), NothingKept())
    assert key not in str(told.value)
    named = wiring.open_lms(read_settings(task_model=MINI)).open(LMChoice(), Meter(BudgetLimits()), NothingKept())
    assert named.names == {"task": MINI, "teacher": MINI}


def test_the_documented_keys_alone_open_models_of_their_provider(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROUTER_OPTIMIZER_TEACHER_KEY", OPENAI)
    monkeypatch.setenv("ANNOTATION_API_KEY", ANTHROPIC)
    settings, meter = read_settings(), Meter(BudgetLimits())
    assert wiring.open_lms(settings).open(LMChoice(), meter, NothingKept()).names == {"task": MINI, "teacher": MINI}
    annotator = wiring.open_annotator_lms(settings).open(LMChoice(), meter, NothingKept())
    assert (annotator.names, annotator.teacher) == ({"task": "anthropic/claude-sonnet-4-6"}, None)


def test_an_annotator_that_nobody_names_is_not_the_model_that_is_tuned():
    assert annotator_of_key(OPENAI, MINI) == "openai/gpt-4o"
    assert annotator_of_key(OPENAI, "openai/gpt-4o-2024-08-06") == MINI
    assert annotator_of_key(NOBODY, MINI) is None


@pytest.mark.parametrize(
    ("named", "keys", "said"),
    [
        ((MINI, MINI), (OPENAI, OPENAI), []),
        ((LOCAL, None), (OPENAI, None), ["ARGOTUNE_TASK_KEY is set, but local/smollm2 takes no key"]),
        ((LOCAL, HAIKU), (OPENAI, None), []),
        ((LOCAL, HAIKU), (OPENAI, ANTHROPIC), ["ARGOTUNE_TASK_KEY is set, but local/smollm2 takes no key"]),
        ((LOCAL, None), (None, NOBODY), ["ROUTER_OPTIMIZER_TEACHER_KEY is set, but no teacher is named"]),
        ((LOCAL, LOCAL), (None, NOBODY), ["ROUTER_OPTIMIZER_TEACHER_KEY is set, but the teacher local/smollm2"]),
    ],
)
def test_a_key_that_no_model_takes_is_told(named: tuple[str, str | None], keys: tuple[str | None, ...], said: list):
    found = unused_keys(LMChoice(task_model=named[0], teacher_model=named[1]), Keys(*keys))
    assert [line[: len(start)] for line, start in zip(found, said, strict=True)] == said


@pytest.mark.parametrize(("n_train", "optimizer"), [(30, "bootstrap"), (100, "mipro"), (500, "gepa")])
def test_with_the_shipped_task_model_auto_may_choose_what_writes(n_train: int, optimizer: str):
    source = NamedLMs([wiring.open_lms(read_settings())._openers[-1]], MINI, None, wiring.utc_now)
    has_writer = source.open(LMChoice(), Meter(BudgetLimits()), NothingKept()).teacher is not None
    choices = {wish: choose(wish, n_train, 0.7, has_writer) for wish in ("auto", *METHODS) if wish != "portfolio"}
    assert choices["auto"].optimizer == optimizer
    assert all(isinstance(choice, OptimizerChoice) for choice in choices.values())


@pytest.mark.lm
@pytest.mark.parametrize(("field", "value"), [("api_base", "http://x"), ("timeout_s", 5.0), ("max_retries", 0)])
def test_a_field_that_does_nothing_for_an_embedded_lm_is_refused_by_name(field: str, value: object):
    with pytest.raises(ConfigInvalid, match=rf"^lm\.{field}: {LOCAL} run in this process"):
        opened(LMChoice(task_model=LOCAL, **{field: value}))
    with pytest.raises(ConfigInvalid, match=rf"^lm\.{field}: "):
        opened(LMChoice(**{field: value}))
    assert opened(LMChoice(task_model=LOCAL, teacher_model=MINI, **{field: value})).names["teacher"] == MINI
    assert opened(LMChoice(task_model=MINI, **{field: value})).names["task"] == MINI


def opened(choice: LMChoice) -> LMs:
    return wiring.open_lms(read_settings()).open(choice, Meter(BudgetLimits()), NothingKept())


@pytest.mark.lm
def test_the_time_limit_of_a_tenants_remote_lm_does_not_turn_off_an_embedded_annotator():
    annotator = wiring.open_annotator_lms(read_settings(annotation_model=LOCAL))
    choice = LMChoice(task_model=None, timeout_s=5.0, max_retries=0)
    assert annotator.open(choice, Meter(BudgetLimits()), NothingKept()).names == {"task": LOCAL}
    with pytest.raises(ConfigInvalid, match=r"annotation\.api_base"):
        annotator.open(LMChoice(api_base="http://x"), Meter(BudgetLimits()), NothingKept())
