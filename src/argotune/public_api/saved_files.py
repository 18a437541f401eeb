"""Saved files: a value as a sealed line of JSON in a file, whole or not at all. No pickle: to read one runs nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from argotune.errors import ConfigInvalid, Corrupt, NewerRecord, NotFound
from argotune.store.records import from_text, to_record

V = TypeVar("V", bound=BaseModel)


def save(path: Path, value: BaseModel) -> None:
    """Write the value; a reader meets what was there before or all of it. Raises ConfigInvalid for a place that takes
    no file."""
    write_whole(path, to_record("", "", value).text)


def write_whole(path: Path, text: str) -> None:
    """A text, as `save` writes a value."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            beside = Path(folder) / path.name
            beside.write_bytes(text.encode("utf-8", "surrogatepass"))
            os.replace(beside, path)
    except OSError as error:
        raise ConfigInvalid(f"{str(path)!r} cannot be written: {error.strerror}") from error


def read_saved(path: Path, kind: type[V]) -> V:
    """The value in a file. Raises NotFound, and Corrupt, which says which file cannot be read and why."""
    try:
        text = path.read_bytes().decode("utf-8", "surrogatepass")
    except FileNotFoundError:
        raise NotFound(f"no file {str(path)!r}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Corrupt(f"{str(path)!r} cannot be read: {error}") from error
    try:
        return from_text(kind, text)
    except NewerRecord as error:
        raise NewerRecord(f"{str(path)!r} cannot be read: {error}") from error
    except Corrupt as error:
        raise Corrupt(f"{str(path)!r} cannot be read: {error}. Restore it from a copy, or move it away") from error
