"""Content in files: one for each tenant, in the folder that the installation names.

`<slug>.jsonl` (a JSON object a line) or `<slug>.sqlite` (a table `content`), with the fields of content.Content. The
name is made from the tenant's id (tenants.slug), so no config of a tenant can name a file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from argotune.errors import BadAnswer, ConfigInvalid, Unavailable
from argotune.stats.wording import counted
from argotune.synthetic.content import FIELDS, BadContent, Content, Sample, count_of, read_content, sample_of
from argotune.tenants.ids import slug

MAX_LINE_BYTES = 1_000_000


class FileContent:
    """A folder of content files. A tenant without a file has no content; a folder that is not there is an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sample(
        self, tenant_id: str, count: int, modalities: Sequence[str], profiles: Sequence[str] = (), seed: int = 0
    ) -> Sample:
        """As ContentSource. Reads the whole file."""
        return sample_of(self._contents(tenant_id), count, modalities, profiles, seed)

    def count(self, tenant_id: str, modalities: Sequence[str]) -> int:
        """As ContentSource. Reads the whole file."""
        return count_of(self._contents(tenant_id), modalities)

    def ping(self) -> str:
        """The number of files."""
        try:
            files = [path for path in self._folder.iterdir() if path.suffix in (".jsonl", ".sqlite")]
        except OSError as error:
            raise ConfigInvalid(f"ARGOTUNE_CONTENT_DIR: {str(self._folder)!r}: {error.strerror}") from error
        return f"content files of {counted(len(files), 'tenant')}"

    def _contents(self, tenant_id: str) -> Iterator[Content | BadContent]:
        self.ping()
        lines, table = (self._folder / f"{slug(tenant_id)}{suffix}" for suffix in (".jsonl", ".sqlite"))
        if lines.exists():
            yield from _lines(lines)
        elif table.exists():
            yield from _rows(table)


def _lines(path: Path) -> Iterator[Content | BadContent]:
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if line.strip():
                    yield _from_json(line)
    except OSError as error:
        raise Unavailable(f"content: {path.name} cannot be read: {error.strerror}") from error


def _from_json(line: bytes) -> Content | BadContent:
    try:
        return read_content(json.loads(line))
    except (ValueError, RecursionError):
        return BadContent.NO_OBJECT


def _rows(path: Path) -> Iterator[Content | BadContent]:
    """Read only: a file on a mounted volume may not be writable, and nothing here may change it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            columns = {row["name"] for row in database.execute("PRAGMA table_info(content)")}
            missing = {"id", "modality", "text"} - columns
            if missing:
                raise ConfigInvalid(f"content: {path.name} has no table `content` with {', '.join(sorted(missing))}")
            names = ", ".join(name for name in FIELDS if name in columns)
            for row in database.execute(f"SELECT {names} FROM content"):  # noqa: S608 - names of ours
                yield read_content(dict(row))
    except sqlite3.DatabaseError as error:
        raise BadAnswer(f"content: {path.name}: {error}") from error
