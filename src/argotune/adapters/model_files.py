"""Model files: where a model of a folder lies, whether its files are there, and the hash that tells it from others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from argotune.errors import ConfigInvalid
from argotune.errors.lines import one_line
from argotune.programs.failures import raising_as

_CHUNK_BYTES = 1 << 20


def folder_of(name: str, own: str | None, models: Path | None) -> Path:
    """Where the model lies that `name` (kind:path) names.

    `own` is the installation's embedder, which may lie anywhere. Any other name is a tenant's: it reaches no file but
    those of a folder in `models`. Raises ConfigInvalid for every other path, whether or not something is there.
    """
    path = Path(name.partition(":")[2])
    if name == own:
        return _existing(name, path if path.is_absolute() or models is None else models / path)
    if models is None:
        raise ConfigInvalid(f"embedder: {_shown(name)} is in no folder: this installation has no ARGOTUNE_EMBEDDER_DIR")
    found = (models / path).resolve()
    if path.is_absolute() or not found.is_relative_to(models.resolve()) or found == models.resolve():
        raise ConfigInvalid(f"embedder: {_shown(name)} is no folder in ARGOTUNE_EMBEDDER_DIR; name one that is")
    return _existing(name, found)


def files_in(folder: Path, name: str, wanted: Iterable[str]) -> dict[str, Path]:
    """The wanted files of a model by their names. Raises ConfigInvalid that names the first that is missing."""
    found = {file: folder / file for file in wanted}
    for file, path in found.items():
        if not path.is_file():
            raise ConfigInvalid(f"embedder: {_shown(name)} has no {file}")
    return found


def digest_of(files: Mapping[str, Path]) -> str:
    """One SHA-256 of the files' names and contents. Raises ConfigInvalid for one that cannot be read."""
    whole = hashlib.sha256()
    for file, path in sorted(files.items()):
        whole.update(f"{file}:{sha256_of(path)}\n".encode())
    return whole.hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file. Raises ConfigInvalid where it cannot be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                found.update(chunk)
    except OSError as error:
        raise ConfigInvalid(f"embedder: {path.name} cannot be read: {one_line(str(error))}") from error
    return found.hexdigest()


def loading(name: str) -> raising_as:
    """Whatever a product raises inside, of kinds that it does not name, is `not_loadable`."""
    return raising_as(ConfigInvalid, _unfit(name))


def not_loadable(name: str, error: Exception) -> ConfigInvalid:
    """What is told of a model whose files are there and are not what they should be."""
    return ConfigInvalid(f"{_unfit(name)}: {one_line(str(error))[:200]}")


def _unfit(name: str) -> str:
    return f"embedder: {_shown(name)} cannot be loaded"


def _existing(name: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigInvalid(f"embedder: {_shown(name)}: no such folder")
    return folder


def _shown(name: str) -> str:
    return repr(name[:80])
