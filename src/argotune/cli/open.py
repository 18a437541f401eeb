"""What commands open: settings with the flags of the command in them, store, ports."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argotune.cli.output import note
from argotune.cli.progress import shown_progress
from argotune.pipeline.ports import Ports
from argotune.settings import Settings, default_store_url, read_settings
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
    """The ports a command works on, whose progress is shown to who watches."""
    from argotune.wiring import open_ports

    with shown_progress() as progress:
        settings = settings_of(arguments)
        _tell_of_new(settings)
        yield open_ports(settings, progress)
