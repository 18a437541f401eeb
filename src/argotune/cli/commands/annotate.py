"""`argotune annotate`: the annotation queue of a tenant in a terminal, over a pipe, or one label at a time."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from argotune.cli.flags import (
    Commands,
    add_json,
    add_phoenix,
    add_store,
    add_tenant_flag,
    command,
    refuse_without,
    some_text,
)
from argotune.cli.open import ports_of
from argotune.cli.output import note, say, say_json
from argotune.cli.streams import settle_out, write_out
from argotune.cli.who import who_of
from argotune.data.fields import Fields, meant
from argotune.errors import ConfigInvalid, NotFound
from argotune.pipeline.ports import Ports
from argotune.stats.wording import counted
from argotune.store.texts import storable

if TYPE_CHECKING:
    from argotune.labels.agreement import AnnotatorReport
    from argotune.pipeline.operations.annotating import WaitingSpan

MAX_SHOWN_CHARS = 2000
MAX_DIGITS = 9


def add_commands(commands: Commands) -> None:
    """Add the commands of this file."""
    parser = command(commands, "annotate", _annotate, "label queued spans: by hand, one by one, or by the LM annotator")
    add_tenant_flag(parser)
    parser.add_argument("--program", type=some_text, help="only this program, e.g. routing or modality.video")
    parser.add_argument("--limit", type=int, help="at most so many spans")
    parser.add_argument("--who", help="the identifier of your annotations (default: your login name)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show the queue")
    what.add_argument("--status", action="store_true", help="how annotators agree with people; queue and limit")
    what.add_argument("--llm", action="store_true", help="let the LM annotator label what waits, now")
    what.add_argument("--label", type=some_text, metavar="SPAN_ID", help="label this span, queued or not")
    parser.add_argument("--answer", action="append", default=[], metavar="FIELD=VALUE", help="an answer for --label")
    for add in (add_store, add_phoenix, add_json):
        add(parser)


def _annotate(arguments: Namespace) -> None:
    if arguments.answer and not arguments.label:
        raise ConfigInvalid("--answer: says what --label is; give both")
    _refuse_idle_flags(arguments)
    with ports_of(arguments) as ports:
        if arguments.status:
            return _status(ports, arguments)
        if arguments.llm:
            return _label_by_lm(ports, arguments)
        if arguments.label:
            return _label_one(ports, arguments)
        if arguments.list or arguments.json:
            return _list(ports, arguments)
        _ask(ports, arguments)


def _refuse_idle_flags(arguments: Namespace) -> None:
    """Raises ConfigInvalid for a flag that this way of labelling has no use for."""
    is_asking = not (arguments.list or arguments.json or arguments.status or arguments.llm or arguments.label)
    if not (is_asking or arguments.label):
        refuse_without(arguments, "labels of your own", {"who"})
    if arguments.status or arguments.llm or arguments.label:
        refuse_without(arguments, "the queue: alone or with --list", {"limit"})


def _list(ports: Ports, arguments: Namespace) -> None:
    from argotune.pipeline.operations.annotating import waiting

    found = waiting(ports.store, arguments.tenant_id, arguments.program, arguments.limit).spans
    if arguments.json:
        return say_json([_span_json(span) for span in found])
    for span in found:
        item = span.item
        say(f"{item.span_id}  {item.program}  {item.why}  since {item.asked_at:%Y-%m-%d %H:%M}")
        _say_span(span)
    say(f"{counted(len(found), 'span waits', 'spans wait')} for a label")


def _span_json(span: WaitingSpan) -> dict[str, object]:
    item = span.item
    return {
        "span_id": item.span_id,
        "program": item.program,
        "why": str(item.why),
        "split": str(item.split),
        "probability": item.probability,
        "since": item.asked_at.isoformat(),
        "inputs": dict(span.inputs or {}),
        "answers": {name: list(labels or ()) for name, labels in span.fields.answers.items()},
        "pair": {"first": dict(span.pair.first), "second": dict(span.pair.second)} if span.pair else None,
    }


def _say_span(span: WaitingSpan) -> None:
    """What was asked, and two answers where the better one is asked for."""
    _say_texts(span.inputs or {})
    if span.pair:
        _say_texts(dict(span.pair.texts))


def _say_texts(inputs: Mapping[str, str]) -> None:
    for name, text in inputs.items():
        if text:
            shown = text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."
            say(f"    {name}: {shown}")


class _Stop(Exception):
    """The person has had enough."""


class _Skip(Exception):
    """The person does not know."""


def _ask(ports: Ports, arguments: Namespace) -> None:
    """Show what waits, one after the other, and store what the person says. Nobody's answer is shown: it would lead."""
    from argotune.pipeline.operations.annotating import waiting
    from argotune.pipeline.operations.asked import checked_who

    who = checked_who(who_of(arguments))
    found = waiting(ports.store, arguments.tenant_id, arguments.program, arguments.limit)
    labelled = 0
    try:
        for number, span in enumerate(found.spans, start=1):
            if span.inputs is None:
                continue
            say(f"[{number}/{len(found.spans)}] {span.item.program}: {span.item.why}")
            _say_span(span)
            labelled += _ask_about(ports, arguments.tenant_id, span, found.purposes, who)
    except _Stop:
        pass
    say(f"{labelled} of {counted(len(found.spans), 'span')} labelled as {who}")


def _ask_about(ports: Ports, tenant_id: str, span: WaitingSpan, purposes: Mapping[str, str], who: str) -> bool:
    """Whether the span was labelled: not where the person does not know, or it was forgotten meanwhile."""
    from argotune.pipeline.operations.annotating import Labelling, label_span

    try:
        answers = _answers(span.fields, purposes)
        label_span(ports, Labelling(tenant_id, span.item.span_id, list(answers.items()), who, span.item.program))
    except _Skip:
        return False
    except NotFound as error:
        note(f"not labelled: {error}")
        return False
    return True


def _answers(fields: Fields, purposes: Mapping[str, str]) -> dict[str, str]:
    """What the person says to every answer field. Raises _Skip or _Stop."""
    found = {}
    for name, labels in fields.answers.items():
        for number, label in enumerate(labels or (), start=1):
            say(f"  {number}  {label}  {purposes.get(label, '')}".rstrip())
        found[name] = _answer(name, labels)
    return found


def _answer(name: str, labels: Sequence[str] | None) -> str:
    """One answer by its line's number, else by its name. Raises _Skip or _Stop."""
    skip, stop = (_free_key(key, labels) for key in ("s", "q"))
    while True:
        write_out(f"{name} ({skip}: skip, {stop}: quit) > ")
        settle_out()
        line = sys.stdin.readline()
        said = storable(line.strip())
        if not line or said == stop:
            say()
            raise _Stop
        if said == skip:
            raise _Skip
        if found := _chosen(said, labels):
            return found
        note(f"{said[:60]!r} is none of the answers")


def _free_key(key: str, labels: Sequence[str] | None) -> str:
    """The key, behind as many slashes as no label has; behind one where any text is an answer."""
    free = f"/{key}" if labels is None else key
    while labels and free in labels:
        free = f"/{free}"
    return free


def _chosen(said: str, labels: Sequence[str] | None) -> str | None:
    """A number is that of the line, even where a label is called so."""
    if labels is None:
        return meant(said, None)
    line = int(said) if said.isascii() and said.isdigit() and len(said) <= MAX_DIGITS else 0
    return labels[line - 1] if 1 <= line <= len(labels) else meant(said, labels)


def _label_one(ports: Ports, arguments: Namespace) -> None:
    from argotune.pipeline.operations.annotating import Labelling, label_span

    tenant_id, answers = arguments.tenant_id, answers_given(arguments.answer)
    done = label_span(ports, Labelling(tenant_id, arguments.label, answers, who_of(arguments), arguments.program))
    if arguments.json:
        return say_json(
            {"span_id": done.span_id, "program": done.program, "answers": dict(done.answers), "who": done.who}
        )
    said = ", ".join(f"{name}={label}" for name, label in done.answers.items())
    say(f"{done.span_id} of {done.program}: {said}, as {done.who}")


def answers_given(texts: Sequence[str]) -> list[tuple[str, str]]:
    """FIELD=VALUE texts as answers. Raises ConfigInvalid for one that is none."""
    pairs = [text.partition("=") for text in texts]
    if wrong := next((name for name, is_pair, _ in pairs if not is_pair), None):
        raise ConfigInvalid(f"{wrong[:80]!r} is not FIELD=VALUE", argument="answers")
    return [(name, label) for name, _, label in pairs]


def _label_by_lm(ports: Ports, arguments: Namespace) -> None:
    from argotune.pipeline.operations.annotating import label_by_annotator

    reports = label_by_annotator(ports, arguments.tenant_id, arguments.program)
    if arguments.json:
        return say_json([report.model_dump(mode="json") for report in reports])
    _say_reports(reports)


def _say_reports(reports: Sequence[AnnotatorReport]) -> None:
    for report in reports:
        for sentence in report.sentences:
            say(f"{report.program}: {sentence}")


def _status(ports: Ports, arguments: Namespace) -> None:
    from argotune.pipeline.operations.annotating import labelling_status

    found = labelling_status(ports.store, arguments.tenant_id, ports.clock().date(), arguments.program)
    if arguments.json:
        return say_json(
            {
                **found.queue.as_json(),
                "refuted": found.refuted,
                "annotators": [report.model_dump(mode="json") for report in found.annotators],
            }
        )
    queue = found.queue
    wait = counted(queue.waiting, "span waits", "spans wait")
    say(f"{wait} for a label; {queue.queued_today} of {queue.daily_limit} were queued today")
    for program, n in found.refuted.items():
        say(f"{program}: {counted(n, 'question')} of which people have said only what is wrong")
    _say_reports(found.annotators)
