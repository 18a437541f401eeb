"""docs/extend.md: every Python example in it is run as it stands."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import dspy
import pytest
from scripted_lm import like_the_nearest_demo, scripted_lms, scripted_writer
from twin_embedders import EMBEDDERS

from argotune.lm.port import LMs
from argotune.optimizers import TrainingTask
from argotune.optimizers.compiling import guarded
from argotune.programs import Program, programs_of
from argotune.programs.evaluation import score
from argotune.programs.retrieval import RetrievedDemos
from argotune.tenants.config import RoutingConfigUnified, parse_config

TEXT = (Path(__file__).parents[2] / "docs" / "extend.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# shop/(\w+)\.py\n(.*?)```", TEXT, re.DOTALL))

CONFIGS = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package `shop`, made of the examples."""
    package = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", package)
    for name, code in FILES.items():
        module = ModuleType(f"shop.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        setattr(package, name, module)
        exec(compile(code, f"shop/{name}.py", "exec"), vars(module))
    return package


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def message(text: str, **answers: str) -> dspy.Example:
    return dspy.Example(message=text, plan="", **answers).with_inputs("message", "plan")


def programs_in_the_text() -> dict[str, Program]:
    """By the configs in the text."""
    configs = [parse_config({"tenant_id": "acme", **json.loads(said)}) for said in CONFIGS]
    return {name: programs_of(config, name)[0] for config in configs for name in config.programs}


def test_a_module_in_the_text_needs_no_factory(shop: ModuleType):
    program = programs_in_the_text()["support"]
    assert (program.fields.inputs, tuple(program.fields.answers)) == (("message",), ("mood", "reply"))
    assert program.is_by_preference


def test_config_in_the_text_makes_the_program_in_the_text(shop: ModuleType):
    program = programs_in_the_text()["urgency"]
    assert program.fields.inputs == ("message", "plan")
    assert program.fields.answers == {"urgency": ("now", "later")}
    lms = scripted_lms(lambda inputs, labels, demos: "now" if "down" in inputs["message"] else "later")
    examples = [message("the site is down", urgency="now"), message("nice hat", urgency="now")]
    assert [result.score for result in score(program.build(), program, examples, lms, silent)] == [1.0, 0.0]


def test_module_that_writes_is_a_program_too(shop: ModuleType):
    config = RoutingConfigUnified(tenant_id="acme", programs={"support": "shop.replies:support"}, modules=["support"])
    (program,) = programs_of(config, "support")
    lm, _ = scripted_writer(lambda prompt: json.dumps({"reasoning": "", "mood": "calm", "reply": "Hello!"}))
    asked = dspy.Example(message="Hi", mood="calm", reply="").with_inputs("message")
    (result,) = score(program.build(), program, [asked], LMs(lm, lm, dspy.JSONAdapter(), {}), silent)
    assert (result.score, result.answers) == (1.0, {"mood": "calm", "reply": "Hello!"})


def test_optimizer_and_embedder_in_the_text_work(shop: ModuleType):
    config = RoutingConfigUnified(tenant_id="acme", programs={"urgency": "shop.programs:urgency"}, modules=["urgency"])
    (program,) = programs_of(config, "urgency")
    train = [message("x" * size, urgency="later") for size in range(20)]
    lms = scripted_lms(like_the_nearest_demo)
    task = TrainingTask(program, program.build(), train, [], lms, EMBEDDERS, seed=1, max_iterations=1)
    (predictor,) = guarded("shortest", shop.shortest.compile)(task).predictors()
    assert [len(demo.message) for demo in predictor.demos] == list(range(8))
    near = RetrievedDemos(program.build(), [message("a b"), message("c d")], 1, shop.shared_words.SharedWords())
    assert near.embedder.neighbours("d e", 2) == [1, 0]
