"""Synthesis by script: content of every modality, a writer and a reader that remember what they were shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from scripted_lm import scripted_lms, scripted_writer
from twin_embedders import EMBEDDERS

from argotune.adapters.memory.content import MemoryContent
from argotune.data.annotations import LabelSource
from argotune.data.examples import Example
from argotune.data.splitting import Split
from argotune.store.sealing import digest
from argotune.synthetic.content import BadContent, Content
from argotune.synthetic.generation import QueryGenerator
from argotune.synthetic.service import Means, make
from argotune.synthetic.values import SyntheticDataResponse, parse_request
from argotune.tenants.config import RoutingConfigUnified

CONFIG = RoutingConfigUnified(tenant_id="acme")
TOPICS = ["harbour", "glacier", "violin", "comet", "museum", "whales", "chess", "bridge", "election", "cooking"]
KINDS = {"video": "film", "image": "photo", "audio": "podcast", "document": "contract", "text": "note"}
CONTENT = [
    Content(f"{m}-{n}", m, f"{topic.title()} {KINDS[m]}", f"About {topic} in {1990 + n}.")
    for m in KINDS
    for n, topic in enumerate(TOPICS)
]
Writer = Callable[[str, str, int], str]
"""(document, wanted, number of the call) -> query."""


def asked(prompt: str) -> tuple[str, str]:
    """The document of a prompt and what is wanted; demonstrations come before."""
    wanted = re.findall(r"\[\[ ## wanted ## \]\]\n(.*)", prompt)[-1]
    return re.findall(r"<document>(.*?)</document>", prompt)[-1], wanted


def telling(document: str, wanted: str, number: int) -> str:
    return f"{wanted} {document[:40]} {digest(number)}"


class Bench:
    """A scripted writer and a reader that knows what a query says; both remember what they were shown."""

    def __init__(self, write: Writer = telling, read: Callable[[str], str | None] = lambda _query: None) -> None:
        self.prompts: list[str] = []
        self._write, self._read = write, read

        def writes(prompt: str) -> str:
            self.prompts.append(prompt)
            query = self._write(*asked(prompt), len(self.prompts))
            return json.dumps({"query": query, "expected_result": "x", "confidence": 0.7})

        teacher, _ = scripted_writer(writes)
        self.lms = scripted_lms(self._answer, teacher)

    def _answer(self, inputs, labels, _demos) -> str:
        told = self._read(inputs["query"])
        if told in labels:
            return told
        # The label whose description, or name, the query repeats.
        of = {label: CONFIG.agents.get(label, label.replace("+", " and ")) for label in labels}
        return next((label for label, about in of.items() if about in inputs["query"]), labels[-1])

    def make(
        self, optimizer: str = "modality", contents: Sequence[Content | BadContent] = CONTENT, known=(), **fields
    ) -> SyntheticDataResponse:
        request = parse_request(optimizer=optimizer, tenant_id="acme", **{"count": 10, **fields})
        means = Means(self.lms, EMBEDDERS, QueryGenerator(), tuple(known))
        return make(request, CONFIG, MemoryContent({"acme": contents}), means)


def known_example(
    query: str, split: str, program: str = "modality.video", agent: str = "video_search_agent"
) -> Example:
    inputs = {"query": query, "context": ""}
    return Example(program, inputs, {"agent": agent}, LabelSource.HUMAN, 1.0, Split(split))
