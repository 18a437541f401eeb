"""What examples are made of, one file per module. This dict is the list of what ships."""

from __future__ import annotations

from argotune.synthetic.generators import cross_modal, modality, routing, workflow
from argotune.synthetic.generators.generator import Generator, Material

__all__ = ["GENERATORS", "Generator", "Material"]

GENERATORS: dict[str, Generator] = {
    "modality": Generator(modality.goals, modality.in_another_modality, modality.negative),
    "cross_modal": Generator(cross_modal.goals, cross_modal.in_another_modality, cross_modal.negative),
    "routing": Generator(routing.goals, routing.in_another_modality, routing.negative),
    "workflow": Generator(workflow.goals, workflow.in_another_modality, workflow.negative),
}
