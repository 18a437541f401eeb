"""`argotune synthesize`: what would be generated for a tenant, for people to look at. No example is stored."""

from __future__ import annotations

from argparse import Namespace

from argotune.cli.files import deliver, json_text
from argotune.cli.flags import add_json, add_store, add_tenant, command
from argotune.cli.open import ports_of
from argotune.cli.output import say, say_json, table
from argotune.errors import ConfigInvalid
from argotune.pipeline.ports import Ports
from argotune.tenants.catalog import Configs
from argotune.tenants.config import MODALITIES, MODULES, RoutingConfigUnified


def add_commands(commands) -> None:
    """Add the command of this file."""
    parser = command(
        commands, "synthesize", _synthesize, "show what would be generated for a tenant; stores no example"
    )
    add_tenant(parser)
    parser.add_argument("--module", required=True, help=", ".join(MODULES))
    parser.add_argument("--count", type=int, default=10, help="how many to make (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="other seeds draw other content (default: 0)")
    parser.add_argument("--output", help="write examples and report as JSON to this file")
    add_store(parser)
    add_json(parser)


def _synthesize(arguments: Namespace) -> None:
    with ports_of(arguments) as ports:
        config = Configs(ports.store).get(arguments.tenant_id)
        made = _made(ports, config, arguments)
        documents = ports.content(config).count(config.tenant_id, MODALITIES)
    data = {"examples": [e.model_dump(mode="json") for e in made.examples], "metadata": made.metadata}
    lost = deliver([(arguments.output, json_text(data))], is_printed=arguments.json)
    if arguments.json:
        say_json(data)
    else:
        table(["PROGRAM", "RIGHT ANSWER", "SURE", "QUERY"], [_row(example) for example in made.examples])
        say(f"{made.report.sentence}; content: {documents} documents ({config.content})")
    if lost:
        raise lost


def _row(example) -> list[str]:
    return [example.program, ", ".join(example.expected.values()), f"{example.confidence:.2f}", example.query]


def _made(ports: Ports, config: RoutingConfigUnified, arguments: Namespace):
    from argotune.data.archive import ExperienceLog
    from argotune.lm.kept_answers import NothingKept
    from argotune.lm.meter import Meter
    from argotune.programs import programs_of
    from argotune.synthetic.generation import QueryGenerator
    from argotune.synthetic.service import Means, make
    from argotune.synthetic.values import parse_request

    if arguments.module not in MODULES:
        raise ConfigInvalid(f"--module: {arguments.module!r} is none of {', '.join(MODULES)}")
    request = parse_request(
        optimizer=arguments.module,
        count=arguments.count,
        tenant_id=config.tenant_id,
        quality_threshold=config.synthetic_quality_threshold,
        seed=arguments.seed,
    )
    log = ExperienceLog(ports.store, config.tenant_id)
    lms = ports.lms.open(config.lm, Meter(config.budget), NothingKept())
    means = Means(
        lms=lms,
        embedder=ports.embedder,
        generator=QueryGenerator(),
        known=[example for program in programs_of(config, arguments.module) for example in log.examples(program.name)],
        progress=lambda done, asked: ports.progress("writing synthetic examples", done, asked),
    )
    return make(request, config, ports.content(config), means)
