"""`argotune annotate`: the annotation queue of a tenant in a terminal, over a pipe, or one label at a time."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from argotune.cli.flags import add_json, add_phoenix, add_store, add_tenant, command, refuse_without, some_text
from argotune.cli.open import ports_of
from argotune.cli.output import note, say, say_json
from argotune.cli.streams import settle_out, write_out
from argotune.cli.who import who_of
from argotune.data.experiences import Fields, clean, meant
from argotune.errors import ConfigInvalid, NotFound
from argotune.pipeline.ports import Ports
from argotune.tenants.agenda import forget_agenda
from argotune.tenants.catalog import Configs
from argotune.tenants.config import RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.labels.queue import AnnotationQueue, QueueItem
    from argotune.programs.program import Program

MAX_SHOWN_CHARS = 2000
MAX_DIGITS = 9


def add_commands(commands) -> None:
    """Add the commands of this file."""
    parser = command(commands, "annotate", _annotate, "label queued spans: by hand, one by one, or by the LM annotator")
    add_tenant(parser)
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
    with ports_of(arguments) as ports:
        config = Configs(ports.store).get(arguments.tenant_id)
        if arguments.answer and not arguments.label:
            raise ConfigInvalid("--answer: says what --label is; give both")
        _refuse_idle_flags(arguments)
        if arguments.limit is not None and arguments.limit < 1:
            raise ConfigInvalid(f"--limit: {arguments.limit} is less than 1")
        if arguments.status:
            return _status(ports, config, arguments)
        programs = _programs(config, arguments.program)
        if arguments.llm:
            return _label_by_lm(ports, config, programs, arguments)
        if arguments.label:
            return _label_one(ports, config, programs, arguments)
        queue = _Queue(ports, config, programs, arguments.limit)
        if arguments.list or arguments.json:
            return _list(queue, arguments)
        _ask(queue, who_of(arguments))


def _refuse_idle_flags(arguments: Namespace) -> None:
    """Raises ConfigInvalid for a flag that this way of labelling has no use for."""
    is_asking = not (arguments.list or arguments.json or arguments.status or arguments.llm or arguments.label)
    if not (is_asking or arguments.label):
        refuse_without(arguments, "labels of your own", {"who"})
    if arguments.status or arguments.llm or arguments.label:
        refuse_without(arguments, "the queue: alone or with --list", {"limit"})


def _programs(config: RoutingConfigUnified, wanted: str | None) -> dict[str, Program]:
    """The tenant's programs by name. Raises ConfigInvalid for one that it does not have."""
    from argotune.programs import programs_of

    found = {program.name: program for module in config.modules for program in programs_of(config, module)}
    if wanted is not None and wanted not in found:
        raise ConfigInvalid(f"--program: {wanted!r} is not one of this tenant's programs: {', '.join(found)}")
    return found if wanted is None else {wanted: found[wanted]}


def _queue_of(ports: Ports, config: RoutingConfigUnified) -> AnnotationQueue:
    from argotune.labels.queue import AnnotationQueue  # brings numpy, which a trigger check does without

    return AnnotationQueue(ports.store, config.tenant_id)


class _Queue:
    """What waits, with what was asked."""

    def __init__(
        self, ports: Ports, config: RoutingConfigUnified, programs: Mapping[str, Program], limit: int | None = None
    ) -> None:
        from argotune.data.archive import ExperienceLog

        self.ports, self.config, self.programs = ports, config, programs
        self._log = ExperienceLog(ports.store, config.tenant_id)
        waiting = [item for item in _queue_of(ports, config).items() if item.is_waiting]
        self.items = [item for item in waiting if item.program in programs][:limit]

    def inputs(self, item: QueueItem) -> Mapping[str, str] | None:
        """What was asked, None when it was forgotten meanwhile."""
        experience = self._log.experience(item.program, item.span_id)
        return experience.inputs if experience else None


def _list(queue: _Queue, arguments: Namespace) -> None:
    if arguments.json:
        return say_json([_item_json(item, queue) for item in queue.items])
    for item in queue.items:
        say(f"{item.span_id}  {item.program}  {item.why}  since {item.asked_at:%Y-%m-%d %H:%M}")
        _say_inputs(queue.inputs(item) or {})
    say(f"{len(queue.items)} spans wait for a label")


def _item_json(item: QueueItem, queue: _Queue) -> dict[str, object]:
    return {
        "span_id": item.span_id,
        "program": item.program,
        "why": str(item.why),
        "split": str(item.split),
        "probability": item.probability,
        "since": item.asked_at.isoformat(),
        "inputs": dict(queue.inputs(item) or {}),
        "answers": {name: list(labels or ()) for name, labels in queue.programs[item.program].fields.answers.items()},
    }


def _say_inputs(inputs: Mapping[str, str]) -> None:
    for name, text in inputs.items():
        if text:
            shown = text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."
            say(f"    {name}: {shown}")


class _Stop(Exception):
    """The person has had enough."""


class _Skip(Exception):
    """The person does not know."""


def _ask(queue: _Queue, who: str) -> None:
    """Show what waits, one after the other, and store what the person says. Nobody's answer is shown: it would lead."""
    labelled = 0
    try:
        for number, item in enumerate(queue.items, start=1):
            inputs = queue.inputs(item)
            if inputs is None:
                continue
            say(f"[{number}/{len(queue.items)}] {item.program}: {item.why}")
            _say_inputs(inputs)
            try:
                answers = _answers(queue.programs[item.program].fields, queue.config.agents)
            except _Skip:
                continue
            _store(queue.ports, queue.config, item.span_id, answers, who)
            labelled += 1
    except _Stop:
        pass
    say(f"{labelled} of {len(queue.items)} spans labelled as {who}")


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
        said = clean(line.strip())
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


def _store(ports: Ports, config: RoutingConfigUnified, span_id: str, answers: Mapping[str, str], who: str) -> None:
    """Write a person's labels where all labels are, then close the item; the next round looks at the tenant again."""
    from argotune.data.annotations import Annotation

    now = ports.clock()
    ports.traces.annotate(
        config.tenant_id, [Annotation(span_id, name, label, "HUMAN", who, now) for name, label in answers.items()]
    )
    _queue_of(ports, config).close(span_id, now)
    forget_agenda(ports.store, config.tenant_id)


def _label_one(
    ports: Ports, config: RoutingConfigUnified, programs: Mapping[str, Program], arguments: Namespace
) -> None:
    """Label one stored span. Writes nothing and raises NotFound for an unknown one, ConfigInvalid for wrong answers."""
    from argotune.data.archive import ExperienceLog

    log = ExperienceLog(ports.store, config.tenant_id)
    program = next((p for p in programs.values() if log.experience(p.name, arguments.label)), None)
    if program is None:
        raise NotFound(f"--label: no decision is stored under the span id {arguments.label[:60]!r}")
    answers = _given(program.fields, arguments.answer)
    who = who_of(arguments)
    _store(ports, config, arguments.label, answers, who)
    said = ", ".join(f"{name}={label}" for name, label in answers.items())
    if arguments.json:
        return say_json({"span_id": arguments.label, "program": program.name, "answers": answers, "who": who})
    say(f"{arguments.label} of {program.name}: {said}, as {who}")


def _given(fields: Fields, texts: Sequence[str]) -> dict[str, str]:
    """FIELD=VALUE texts as answers. Raises ConfigInvalid that names what is wrong."""
    answers: dict[str, str] = {}
    for text in texts:
        name, is_pair, label = text.partition("=")
        if not is_pair or name not in fields.answers or name in answers:
            known = ", ".join(fields.answers)
            raise ConfigInvalid(f"--answer: {text[:80]!r} is not FIELD=VALUE with each of {known} once")
        labels = fields.answers[name]
        if (answer := meant(clean(label), labels)) is None:
            offered = "a text" if labels is None else f"one of {', '.join(labels)}"
            raise ConfigInvalid(f"--answer: {name} is {offered}, not {label[:60]!r}")
        answers[name] = answer
    missing = [name for name in fields.answers if name not in answers]
    if missing:
        raise ConfigInvalid(f"--answer: {missing[0]} of {fields.program} is missing")
    return answers


def _label_by_lm(
    ports: Ports, config: RoutingConfigUnified, programs: Mapping[str, Program], arguments: Namespace
) -> None:
    from argotune.labels.agreement import AnnotatorReport
    from argotune.pipeline.module_pass import Pass
    from argotune.pipeline.stages.annotate import label_by_lm

    reports: list[AnnotatorReport] = [
        label_by_lm(Pass(ports, config, program.module), program) for program in programs.values()
    ]
    if arguments.json:
        return say_json([report.model_dump(mode="json") for report in reports])
    for report in reports:
        for sentence in report.sentences:
            say(f"{report.program}: {sentence}")


def _status(ports: Ports, config: RoutingConfigUnified, arguments: Namespace) -> None:
    """What is stored of labelling; nothing is read from the trace source and no LM is asked."""
    from argotune.labels.agreement import reports_of

    queue, today = _queue_of(ports, config), ports.clock().date()
    waiting = [item for item in queue.items(arguments.program) if item.is_waiting]
    reports = [r for r in reports_of(ports.store, config.tenant_id) if arguments.program in (None, r.program)]
    queued, limit = queue.queued_on(today), config.annotation.daily_limit
    if arguments.json:
        return say_json(
            {
                "tenant_id": config.tenant_id,
                "waiting": len(waiting),
                "queued_today": queued,
                "daily_limit": limit,
                "annotators": [report.model_dump(mode="json") for report in reports],
            }
        )
    say(f"{len(waiting)} spans wait for a label; {queued} of {limit} were queued today")
    for report in reports:
        for sentence in report.sentences:
            say(f"{report.program}: {sentence}")
