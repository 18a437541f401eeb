"""The story: start Phoenix, serve traffic once, run the loop for every tenant and module, print what came of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from argotune import wiring
from argotune.cli.demo import sample
from argotune.cli.demo.application import serve
from argotune.cli.demo.command import FOLDER, PHOENIX_PORT
from argotune.cli.demo.next_round import next_round
from argotune.cli.output import say, table
from argotune.pipeline.operations.rounds import wanting_optimization
from argotune.pipeline.operations.running import RunRequest, run_modules
from argotune.pipeline.operations.tenants import add_missing, get_tenant
from argotune.pipeline.ports import Ports, Progress
from argotune.runs.explain import explain_decision
from argotune.runs.run import Run
from argotune.runs.tenant_report import TenantReport
from argotune.serving.client import Serving, serving_lms
from argotune.settings import Settings, read_settings
from argotune.stats.wording import counted, percent
from argotune.tenants.config import RoutingConfigUnified

DASHBOARD_URL = "http://localhost:8501"
COLUMNS = ["TENANT", "PROGRAM", "VERDICT", "BEFORE", "AFTER", "WHY"]


@dataclass(frozen=True)
class DemoPlace:
    """Where the demo keeps its data and finds a Python that has the Phoenix server."""

    folder: Path
    phoenix_python: Path
    phoenix_port: int


def tell_story(place: DemoPlace, progress: Progress, *, stay: bool) -> int:
    """Run the demo; with `stay`, leave Phoenix up until Ctrl-C. Returns the exit code."""
    place.folder.mkdir(parents=True, exist_ok=True)
    with wiring.phoenix_server(
        place.phoenix_python, (place.folder / "phoenix").resolve(), place.phoenix_port, progress
    ) as endpoint:
        store_url = f"sqlite:///{(place.folder / 'argotune.db').resolve()}"
        settings = sample.without_keys(
            read_settings(store_url=store_url, phoenix_endpoint=endpoint, content_dir=sample.CONTENT)
        )
        ports = wiring.open_ports(settings, progress)
        add_tenants(ports)
        reports = [
            report
            for tenant_id in wanting_optimization(ports.store)
            for report in _serve_and_run(ports, settings, place, tenant_id)
        ]
        _show(ports, reports, place)
        _explain([run for report in reports for run in report.runs])
        next_round(ports)
        if stay:
            say()
            say(f"Phoenix stays up at {endpoint} until you press Ctrl-C.")
            _wait_for_interrupt()
    return 0


def raise_gravest(report: TenantReport) -> None:
    """The demo ends with the first tenant that fails."""
    if report.gravest is not None:
        raise report.failures[report.gravest]


def add_tenants(ports: Ports) -> None:
    """The sample tenants, those that are not there yet."""
    add_missing(ports.store, [sample.config(tenant_id) for tenant_id in sample.TENANTS])


def _serve_and_run(ports: Ports, settings: Settings, place: DemoPlace, tenant_id: str) -> Iterator[TenantReport]:
    """One module after the other, so that what comes of the first is seen while the others are served."""
    config = get_tenant(ports.store, tenant_id)
    say(f"{tenant_id} trains by {_how(config)} (its config says so)")
    for module in config.modules:
        serve_once(ports, settings, tenant_id, place.folder / f"served-{tenant_id}-{module}", [module])
        report = run_modules(ports, RunRequest(tenant_id, module))
        raise_gravest(report)
        for each in report.modules:
            for line in each.lines:
                say(f"  {line}")
        yield report


def _how(config: RoutingConfigUnified) -> str:
    """The optimizer that a tenant's config names."""
    if config.preferred_optimizer == "auto":
        return f"the best on dev of {', '.join(config.optimizers.portfolio.candidates)}"
    if config.preferred_optimizer == "cascade":
        lost = percent(config.optimizers.cascade.tolerance)
        return f"cascade: a student answers where held-out labels show that it loses less than {lost}, else the LM"
    return config.preferred_optimizer


def serve_once(
    ports: Ports, settings: Settings, tenant_id: str, done: Path, modules: Sequence[str] | None = None
) -> None:
    """Serve a tenant's sample queries and write their traces, of these modules or all, unless the file `done` says that
    it was done."""
    what = " ".join([tenant_id, *(modules or ())])
    if done.exists():
        return say(f"{what}: the sample queries were served by an earlier demo")
    config = get_tenant(ports.store, tenant_id)
    lms, asked = serving_lms(ports.lms, config.lm), modules or config.modules
    prefix, sink = settings.phoenix_project_prefix, wiring.open_sink(settings)
    with Serving(ports.store, config, lms, ports.embedders(), ports.clock) as serving:
        decisions = serve(tenant_id, serving, sink, prefix, ports.clock(), ports.progress, asked)
    done.write_text(f"{decisions}\n")
    served = sum(bool(query.decisions(asked)) for query in sample.queries(tenant_id))
    say(f"{what}: {counted(served, 'query', 'queries')} served, {counted(decisions, 'decision')} traced")


def _explain(runs: Sequence[Run]) -> None:
    """Why the first run that trained was decided so, and what became of synthetic examples."""
    for run, made in [(run, run.synthetic) for run in runs if run.synthetic and run.synthetic.made]:
        say()
        say(f"Synthetic examples for {run.tenant_id} {run.program}: {made.sentence}")
    chosen = next((run for run in runs if run.plan), None)
    if chosen:
        say()
        say(f"A decision explained (argotune explain-decision --tenant {chosen.tenant_id} {chosen.id}):")
        for line in explain_decision(chosen):
            say(f"  {line}")


def dashboard_command(place: DemoPlace) -> str:
    """What shows the demo's store in a browser, from the repository: the usual one is found without being named."""
    usual = place.folder == FOLDER and place.phoenix_port == PHOENIX_PORT
    endpoint, store = f"http://127.0.0.1:{place.phoenix_port}", f"sqlite:///{(place.folder / 'argotune.db').resolve()}"
    return "make dashboard" if usual else f"PHOENIX_ENDPOINT={endpoint} CONFIG_STORE_URL={store} make dashboard"


def _show(ports: Ports, reports: Sequence[TenantReport], place: DemoPlace) -> None:
    rows = []
    for report in reports:
        for module in report.modules:
            if not module.runs:
                rows.append([report.tenant_id, module.conditions.module, "Skipped", "", "", module.conditions.why_not])
            rows += [row(report.tenant_id, run) for run in module.runs]
    say()
    table(COLUMNS, rows)
    _show_without_lm([run for report in reports for run in report.runs])
    say()
    say("Look further:")
    for tenant_id in sample.TENANTS:
        say(f"  traces of {tenant_id}: {ports.tracker.project_link(tenant_id)}")
    say(f"  all of it in a browser: {dashboard_command(place)}, then {DASHBOARD_URL}/tenant?tenant={sample.TENANTS[0]}")
    for run in [run for report in reports for run in report.runs if run.comparison_link]:
        say(f"  {run.tenant_id} {run.program}: dataset {run.dataset_link}")
        say(f"  {run.tenant_id} {run.program}: champion and challenger {run.comparison_link}")


def _show_without_lm(runs: Sequence[Run]) -> None:
    """How many answers champions that were promoted gave without an LM."""
    for run in runs:
        found = run.comparison.without_lm if run.comparison and run.outcome == "promoted" else None
        if found:
            say()
            say(f"{run.tenant_id} {run.program} without an LM: {found.sentence}")


def row(tenant_id: str, run: Run) -> list[str]:
    """A run as a line of the table: tenant, program, verdict, before, after, why."""
    numbers = run.verdict.numbers if run.verdict else None
    means = (numbers.champion_mean, numbers.challenger_mean) if numbers else (None, None)
    before, after = ("" if mean is None else percent(mean) for mean in means)
    return [tenant_id, run.program, run.outcome.capitalize(), before, after, run.sentence.partition(": ")[2]]


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("stopping")
