"""Agent routing: which workflow and which agent answer an analysed query ("Agent Routing Training Data" of
"Optimization Module"). No module of its own: a tenant that wants it names it among its `programs`."""

from __future__ import annotations

import dspy

from argotune.data.fields import Fields
from argotune.programs.closed_set import read_confidence, share_right
from argotune.programs.program import Program
from argotune.tenants.config import RoutingConfigUnified

AGENT_ROUTING = f"{__name__}:agent_routing"
"""In a tenant's config: `programs={"agent_routing": AGENT_ROUTING}`."""


class AgentRoutingSignature(dspy.Signature):  # type: ignore[metaclass]  # DSPy computes its metaclass
    """Choose the workflow that answers a query, and its main agent among the available ones."""

    query: str = dspy.InputField(desc="What the user asked")
    analysis_result: str = dspy.InputField(desc="What query analysis found in it")
    available_agents: str = dspy.InputField(desc="The agents that may be chosen, with commas between them")
    recommended_workflow: str = dspy.OutputField(desc="Workflow type, such as direct_search")
    primary_agent: str = dspy.OutputField(desc="The main agent, one of the available ones")
    routing_confidence: str = dspy.OutputField(desc="How sure that is, from 0.0 to 1.0")


class AgentRoutingModule(dspy.Module):
    """Workflow, agent, and how sure the LM is: as it wrote it, and as a number."""

    def __init__(self) -> None:
        dspy.Module.__init__(self)
        self.route = dspy.Predict(AgentRoutingSignature)

    def forward(self, query: str, analysis_result: str = "", available_agents: str = "") -> dspy.Prediction:
        said: dspy.Prediction = self.route(
            query=query, analysis_result=analysis_result, available_agents=available_agents
        )
        return dspy.Prediction(**said.toDict(), confidence=read_confidence(said.routing_confidence))


def agent_routing(config: RoutingConfigUnified) -> Program:
    """The program: workflow and agent are its answers. How sure it is, is not: nobody labels that as right."""
    name = next((name for name, path in config.programs.items() if path == AGENT_ROUTING), "agent_routing")
    inputs = ("query", "analysis_result", "available_agents")
    answers = {"recommended_workflow": None, "primary_agent": None}
    return Program(
        name=name,
        module=name,
        fields=Fields(name, inputs, answers, optional=frozenset(inputs[1:])),
        build=AgentRoutingModule,
        metric=share_right(*answers),
    )
