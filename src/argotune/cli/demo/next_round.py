"""The next round: a person labels what the last pass queued, and the labels reach the next run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from argotune.cli.demo.application import annotations_of, span_id_of
from argotune.cli.demo.sample import queries
from argotune.cli.output import say
from argotune.data.stream import Stream
from argotune.pipeline.operations.annotating import WaitingSpan, count_labelled, waiting
from argotune.pipeline.operations.running import RunRequest, run_modules
from argotune.pipeline.ports import Ports
from argotune.stats.wording import counted

LABELLED = "acme_corp"


def next_round(ports: Ports) -> None:
    """Label the queued spans of a module as a person would in Phoenix or by `argotune annotate`, and run it again."""
    spans = waiting(ports.store, LABELLED).spans
    say()
    wait = counted(len(spans), "span waits", "spans wait")
    say(f"{LABELLED}: {wait} for a label (argotune annotate --tenant {LABELLED} --list)")
    if not spans:
        return
    module = Counter(span.item.module for span in spans).most_common(1)[0][0]
    chosen = [span for span in spans if span.item.module == module]
    before = count_labelled(ports.store, LABELLED, module)
    _label(ports, chosen)
    report = run_modules(ports, RunRequest(LABELLED, module, is_forced=True))
    if report.gravest is not None:
        raise report.failures[report.gravest]
    after = count_labelled(ports.store, LABELLED, module)
    say(f"  a person labels the {len(chosen)} of {module}: {before} labelled examples before, {after} in the next run")
    for line in [line for each in report.modules for line in each.lines]:
        say(f"  {line}")


def _label(ports: Ports, spans: Sequence[WaitingSpan]) -> None:
    asked = {span_id_of(query, name): query for query in queries(LABELLED) for name in query.decisions()}
    now, items = ports.clock(), [span.item for span in spans]
    labels = [
        label for item in items for label in annotations_of(asked[item.span_id], item.program, "demo-expert", now)
    ]
    ports.traces.annotate(Stream(LABELLED, items[0].module), labels)
