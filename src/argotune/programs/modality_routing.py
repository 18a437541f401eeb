"""Modality routing as "Optimization Module" writes it: which agent answers a query of a modality, and why.

The modules `modality.*` ask for the agent alone, from the tenant's closed set (programs/modality.py). This one writes
its reasoning, for programs of a tenant's own and for applications that build it themselves.
"""

from __future__ import annotations

import dspy

from argotune.data.field_types import as_text


class ModalityRoutingSignature(dspy.Signature):  # type: ignore[metaclass]  # DSPy computes its metaclass
    """Choose the agent that can best answer a query of a modality."""

    query: str = dspy.InputField(desc="User query")
    modality: str = dspy.InputField(desc="Query modality (video, image, audio, document, text)")
    query_features: str = dspy.InputField(desc="Extracted query features as JSON")
    recommended_agent: str = dspy.OutputField(desc="Recommended agent")
    confidence: str = dspy.OutputField(desc="Confidence (0-1)")
    reasoning: str = dspy.OutputField(desc="Reasoning for routing choice")


class ModalityRoutingModule(dspy.Module):
    """The signature, answered with a chain of thought. `query_features` may be an object: it is shown as its JSON."""

    def __init__(self) -> None:
        dspy.Module.__init__(self)
        self.route = dspy.ChainOfThought(ModalityRoutingSignature)

    def forward(self, query: str, modality: str, query_features: object = "{}") -> dspy.Prediction:
        said: dspy.Prediction = self.route(query=query, modality=modality, query_features=as_text(query_features))
        return said
