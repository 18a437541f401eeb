"""Showing: what several commands say of runs, and the files that are asked for about them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence

from argotune.cli.files import deliver, json_text
from argotune.cli.output import note, say, say_json, table
from argotune.errors import ConfigInvalid
from argotune.errors.lines import escaped
from argotune.runs.reports import ModuleReport
from argotune.runs.run import Run
from argotune.runs.step_outcomes import links
from argotune.runs.tenant_report import TenantReport


def show_report(report: TenantReport, told: Iterable[ModuleReport], arguments: Namespace) -> None:
    """Write the report where flags ask for it, and say what came of `told`. Raises the failure that it ends with."""
    data = report.as_json()
    lost = deliver_outcome(arguments, data, report.outcome, report.runs, is_printed=arguments.json)
    if arguments.json:
        say_json(data)
    else:
        _say_reports(told)
    ending = report.gravest
    for module, error in report.failures.items():
        if module != ending:
            note(f"{module}: {type(error).__name__}: {error}")
    if ending is not None:
        raise report.failures[ending]
    if lost:
        raise lost


def deliver_outcome(
    arguments: Namespace, data: Mapping[str, object], outcome: str, runs: Sequence[Run], *, is_printed: bool = False
) -> ConfigInvalid | None:
    """Write what flags ask for. The error of a file that cannot be written comes back, to be raised at the end."""
    files = [
        (arguments.output, json_text(data)),
        (arguments.outcome_file, escaped(outcome)),
        (arguments.links_file, "\n".join(escaped(link) for link in links(runs))),
    ]
    return deliver(files, is_printed=is_printed)


def _say_reports(reports: Iterable[ModuleReport]) -> None:
    for report in reports:
        for line in report.lines:
            say(line)
        for run in report.runs:
            if run.synthetic:
                say(f"  {run.synthetic.sentence}")
            if run.comparison_link:
                say(f"  {run.comparison_link}")


def say_runs(runs: Sequence[Run]) -> None:
    """A table of runs."""
    rows = [[r.id, r.program, r.outcome, f"{r.started_at:%Y-%m-%d %H:%M}", r.sentence] for r in runs]
    table(["RUN", "PROGRAM", "OUTCOME", "STARTED", "WHAT CAME OF IT"], rows)
