"""Plans of orchestrated requests that synthetic queries are written for."""

from __future__ import annotations

import random
from itertools import islice

from factories import make_config

from argotune.programs.workflow import agents_in, workflow_fields
from argotune.synthetic.content import Content
from argotune.synthetic.generators import GENERATORS, Material
from argotune.synthetic.values import Goal, SyntheticDataRequest
from argotune.tenants.config import RoutingConfigUnified

AGENTS = {"films": "finds videos", "papers": "finds documents", "sum": "sums up what was found"}
CONFIG = make_config(agents=AGENTS, modules=["workflow"])


def goals(*modalities: str, n: int = 60, config: RoutingConfigUnified = CONFIG) -> list[Goal]:
    contents = [Content(f"{m}-{k}", m, f"{m} on bees {k}", "", "traces", "") for k in range(3) for m in modalities]
    request = SyntheticDataRequest(optimizer="workflow", count=10)
    material = Material(request, config, contents, random.Random(7))
    return list(islice(GENERATORS["workflow"].goals(material), n))


def test_plans_are_for_one_agent_for_one_after_another_and_for_two_side_by_side() -> None:
    found = goals("video", "document")
    plans = {(goal.expected["pattern"], tuple(agents_in(goal.expected["agent_sequence"]))) for goal in found}
    assert {("sequential", ("films",)), ("sequential", ("films", "sum")), ("parallel", ("films", "papers"))} <= plans
    fields = workflow_fields(CONFIG)
    assert all(fields.allow(goal.expected) for goal in found)
    assert all(fields.in_one_order(goal.expected) == goal.expected for goal in found)
    assert {goal.program for goal in found} == {"workflow"}


def test_content_of_one_modality_is_no_plan_for_two_side_by_side() -> None:
    assert "parallel" not in {goal.expected["pattern"] for goal in goals("video")}


def test_two_who_find_the_same_are_no_plan_for_two_side_by_side() -> None:
    config = make_config(agents={**AGENTS, "movies": "finds videos"}, modules=["workflow"])
    assert "parallel" in {goal.expected["pattern"] for goal in goals("video", "document")}
    assert "parallel" not in {goal.expected["pattern"] for goal in goals("video", "document", config=config)}


def test_a_contrast_is_made_of_one_agents_plan_alone() -> None:
    generator = GENERATORS["workflow"]
    contents = [Content("v", "video", "video on bees", "", "traces", "")]
    material = Material(SyntheticDataRequest(optimizer="workflow", count=1), CONFIG, contents, random.Random(7))
    alone = next(g for g in generator.goals(material) if len(agents_in(g.expected["agent_sequence"])) == 1)
    other = generator.negative(alone, material)
    assert other is not None
    assert other.expected != alone.expected
    both = next(g for g in goals("video", "document") if g.parts)
    assert generator.negative(both, material) is None
