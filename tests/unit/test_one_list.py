"""What ships is listed once: names that config knows and what stands behind them are the same, in one order."""

from __future__ import annotations

from argotune.decisions.gain_model import FEATURES
from argotune.optimizers import OPTIMIZERS
from argotune.optimizers.choice import AUTO_RULES
from argotune.programs import OPTIONAL, PROGRAMS
from argotune.scheduling.watching import STEP_MODULES
from argotune.synthetic.generators import GENERATORS
from argotune.tenants.config import METHODS, MODULES, OPTIONAL_MODULES, DecisionRules


def test_every_optimizer_that_a_config_may_name_ships_and_is_a_feature_of_meta_models():
    assert tuple(OPTIMIZERS) == METHODS
    assert all(name == optimizer.name for name, optimizer in OPTIMIZERS.items())
    assert {name for name in FEATURES if name.startswith("optimizer is ")} == {f"optimizer is {m}" for m in METHODS}
    assert {rule.optimizer for rule in AUTO_RULES} | set(DecisionRules().explored_optimizers) <= set(METHODS)


def test_every_module_has_programs_generators_and_a_step_of_the_workflow():
    assert tuple(PROGRAMS) == tuple(GENERATORS) == MODULES
    assert tuple(OPTIONAL) == OPTIONAL_MODULES
    assert set(STEP_MODULES.values()) == {*MODULES, "own"}
