"""Files that flags name: looked at before the work, written whole where they point, printed where they cannot be."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from argotune.cli.streams import stdout, write_err, write_out
from argotune.errors import ConfigInvalid
from argotune.errors.known_secrets import masked_data

FILES = ("output", "outcome_file", "links_file")
FOLDERS = ("due_dir", "folder")
_IRREPLACEABLE = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS)
_TAKES = (stat.S_ISREG, stat.S_ISCHR, stat.S_ISFIFO)


def check_places(arguments: Namespace) -> None:
    """Can be written what the flags of a command name? Makes and changes nothing. Raises ConfigInvalid."""
    seen: dict[str, str] = {}
    for name in (*FILES, *FOLDERS):
        given, flag = getattr(arguments, name, None), f"--{name.replace('_', '-')}"
        if given is None:
            continue
        path = str(given)
        if why := _why_no_folder(path) if name in FOLDERS else _why_no_file(path):
            raise ConfigInvalid(f"{flag}: {path!r} cannot be written: {why}")
        other = seen.setdefault(os.path.realpath(path), flag)
        if other != flag and not Path(path).is_char_device():
            raise ConfigInvalid(f"{flag}: {path!r} is the file of {other} too")


def _why_no_file(path: str) -> str | None:
    if _is_stream(path, 1) or _is_stream(path, 2):
        return None
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return _why_nothing_new(path)
    except OSError as error:
        return error.strerror
    if not any(takes(mode) for takes in _TAKES):
        return "it is a directory, a socket or a disk"
    return None if os.access(path, os.W_OK) else os.strerror(errno.EACCES)


def _why_no_folder(path: str) -> str | None:
    return _why_nothing_new(f"{path}/any")


def _why_nothing_new(path: str) -> str | None:
    """Why no file can be made there, in folders that are made where they are not there."""
    if not os.path.basename(path):
        return "it names no file"
    place = Path(os.path.realpath(path)).parent
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        return os.strerror(errno.ENOTDIR)
    return None if os.access(place, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)


def json_text(value: Any) -> str:
    """JSON as files hold it."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def deliver(files: Iterable[tuple[str | None, str]], *, is_printed: bool = False) -> ConfigInvalid | None:
    """Write each text to its file, if there is one; one that cannot be written is printed, so that nothing is lost.

    Returns the first such error, to be raised when everything else is said. `is_printed`: stdout has it all anyway.
    """
    first = None
    for path, text in files:
        try:
            if path is not None:
                write_text(path, text)
        except ConfigInvalid as error:
            first = first or error
            if not is_printed:
                write_out(text if text.endswith("\n") else text + "\n")
    return first


def write_text(path: str, text: str) -> None:
    """Text into a file, whole or not at all where it can be replaced. Raises ConfigInvalid where that fails."""
    if why := _why_no_file(path):
        raise ConfigInvalid(f"{path!r} cannot be written: {why}")
    # A lone surrogate, which no file takes, becomes the escape that JSON has for it.
    data = masked_data(text).encode("utf-8", "backslashreplace")
    with _told(path):
        if _is_stream(path, 1):
            write_out(text)
        elif _is_stream(path, 2):
            write_err(text)
        elif os.path.exists(path) and not os.path.isfile(path):
            _write_into(path, data)
        else:
            _write_file(Path(os.path.realpath(path)), data)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigInvalid(f"{path!r} cannot be written: {error.strerror}") from error


def _is_stream(path: str, number: int) -> bool:
    """Whether it is our own stdout (1) or stderr (2), e.g. /dev/stdout: what is printed there too must stay."""
    with suppress(OSError):
        return (stdout() if number == 1 else sys.stderr) is not None and os.path.samestat(
            os.stat(path), os.fstat(number)
        )
    return False


def _write_file(place: Path, data: bytes) -> None:
    """In a folder that takes no new file, or in place of one that is mounted, into the file itself."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        _replace(place, data)
    except OSError as error:
        if error.errno not in _IRREPLACEABLE or not place.is_file():
            raise
        _write_into(place, data)


def _replace(place: Path, data: bytes) -> None:
    number, part = tempfile.mkstemp(dir=place.parent, prefix=".argotune-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        os.chmod(part, _mode_for(place))
        os.replace(part, place)
    except OSError:
        with suppress(OSError):
            os.unlink(part)
        raise


def _mode_for(place: Path) -> int:
    """Permissions that the file has, or that a new one gets."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(place.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _write_into(place: str | Path, data: bytes) -> None:
    with open(place, "wb") as file:
        file.write(data)
