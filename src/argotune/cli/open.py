"""What commands open: settings with the flags of the command in them, ports, progress bars."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argotune.cli.output import note
from argotune.pipeline.ports import Ports, Progress
from argotune.settings import Settings, default_store_url, read_settings, wants_json_logs
from argotune.store.port import Store


def settings_of(arguments: Namespace) -> Settings:
    """The environment, overridden by the flags that a command has."""
    return read_settings(
        store_url=getattr(arguments, "store_url", None),
        phoenix_endpoint=getattr(arguments, "phoenix_endpoint", None),
        namespace=getattr(arguments, "namespace", None),
    )


def store_of(arguments: Namespace) -> Store:
    """The store a command works on."""
    from argotune.wiring import open_store

    settings = settings_of(arguments)
    _tell_of_new(settings)
    return open_store(settings)


def _tell_of_new(settings: Settings) -> None:
    """Where the store is that nobody has named, once: when it is made."""
    path = settings.store_url.removeprefix("sqlite:///")
    if settings.store_url == default_store_url() and not Path(path).exists():
        note(f"a new store: {path} (CONFIG_STORE_URL names another)")


@contextmanager
def ports_of(arguments: Namespace) -> Iterator[Ports]:
    """The ports a command works on, with progress bars where somebody watches."""
    from argotune.wiring import open_ports

    with progress_bars() as progress:
        settings = settings_of(arguments)
        _tell_of_new(settings)
        yield open_ports(settings, progress)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Bars on stderr when it is a terminal that is to show text, a line for each piece of work otherwise."""
    if not sys.stderr.isatty() or wants_json_logs():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done, total=total or None)

        yield show


def _lines() -> Progress:
    begun: set[str] = set()

    def show(what: str, _done: int, _total: int) -> None:
        if what not in begun:
            begun.add(what)
            note(what)

    return show
