"""`argotune synthesize`: what would be generated for a tenant, for people to look at. No example is stored."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from argotune.cli.files import deliver, json_text
from argotune.cli.flags import Commands, add_json, add_store, add_tenant_flag, command
from argotune.cli.open import ports_of
from argotune.cli.output import say, say_json, table
from argotune.stats.wording import counted
from argotune.tenants.config import MODULES

if TYPE_CHECKING:
    from argotune.synthetic.values import SyntheticExample


def add_commands(commands: Commands) -> None:
    """Add the command of this file."""
    parser = command(
        commands, "synthesize", _synthesize, "show what would be generated for a tenant; stores no example"
    )
    add_tenant_flag(parser)
    parser.add_argument("--module", required=True, help=", ".join(MODULES))
    parser.add_argument("--count", type=int, default=10, help="how many to make (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds draw other content (default: 0)")
    parser.add_argument("--output", help="write examples and report as JSON to this file")
    add_store(parser)
    add_json(parser)


def _synthesize(arguments: Namespace) -> None:
    from argotune.pipeline.operations.synthesizing import PreviewRequest, preview_examples

    with ports_of(arguments) as ports:
        asked = PreviewRequest(arguments.tenant_id, arguments.module, arguments.count, arguments.seed)
        found = preview_examples(ports, asked)
    made = found.made
    data = {"examples": [e.model_dump(mode="json") for e in made.examples], "metadata": made.metadata}
    lost = deliver([(arguments.output, json_text(data))], is_printed=arguments.json)
    if arguments.json:
        say_json(data)
    else:
        table(["PROGRAM", "RIGHT ANSWER", "SURE", "QUERY"], [_row(example) for example in made.examples])
        say(f"{made.report.sentence}; content: {counted(found.documents, 'document')} ({found.content})")
    if lost:
        raise lost


def _row(example: SyntheticExample) -> list[str]:
    return [example.program, ", ".join(example.expected.values()), f"{example.confidence:.2f}", example.query]
