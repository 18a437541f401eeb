"""Commands whose stdin, stdout or stderr is closed, full or not in UTF-8: an exit code and words, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARGOTUNE = f"{sys.executable} -m argotune.cli"
DISCOVER = f"{sys.executable} {ROOT}/scripts/discover_tenants.py"


def run(folder: Path, line: str, **env: str) -> tuple[int, bytes, str]:
    """Exit code, stdout and stderr of a line for the shell."""
    given = {"PATH": "/usr/bin:/bin", "CONFIG_STORE_URL": f"sqlite:///{folder}/store.db", **env}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=given, capture_output=True, timeout=60)
    told = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in told, told
    assert "Exception ignored" not in told, told
    return done.returncode, done.stdout, told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a store of two tenants."""
    folder = tmp_path_factory.mktemp("streams")
    for tenant_id in ("Größe 企业", "zebra"):
        assert run(folder, f"{ARGOTUNE} tenants add '{tenant_id}'")[0] == 0
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252:strict"])
def test_what_a_terminal_cannot_spell_is_an_escape_and_the_table_is_whole(folder: Path, encoding: str):
    code, out, _ = run(folder, f"{ARGOTUNE} tenants list", PYTHONIOENCODING=encoding)
    assert code == 0
    head, first, second = out.decode("latin-1").splitlines()
    assert head.startswith("TENANT")
    assert r"\u4f01\u4e1a" in first
    assert second.startswith("zebra")


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        (f"{ARGOTUNE} tenants list > /dev/full", 2, "stdout: cannot be written: No space left on device"),
        (f"{DISCOVER} > /dev/full", 2, "stdout: cannot be written: No space left on device"),
        (f"{ARGOTUNE} tenants list >&-", 2, "stdout: cannot be written: Bad file descriptor"),
        (f"{ARGOTUNE} tenants list >&- 2>&- <&-", 2, ""),
        (f"{ARGOTUNE} tenants show nobody > /dev/full", 4, "NotFound"),
        (f"{ARGOTUNE} tenants show nobody 2> /dev/full", 4, ""),
        (f"{DISCOVER} 2>&-", 0, ""),
        (f"{DISCOVER} 2> /dev/full", 0, ""),
        (f"{ARGOTUNE} mask <&-", 0, ""),
        (f"{ARGOTUNE} --no-such-flag 2> /dev/full", 2, ""),
        (f"{ARGOTUNE} tenants list | true; exit ${{PIPESTATUS[0]}}", 141, ""),
    ],
    ids=lambda value: value.replace(sys.executable, "").replace(str(ROOT), "") if isinstance(value, str) else "",
)
def test_a_stream_that_takes_nothing_is_told_where_it_can_be(folder: Path, line: str, code: int, told: str):
    done = run(folder, line)
    assert done[0] == code, done
    assert told in done[2]


def test_bytes_that_are_not_utf8_are_read_as_escapes(folder: Path):
    assert run(folder, rf"printf 'ask \xff jo@acme.com\n' | {ARGOTUNE} mask")[:2] == (0, b"ask \\xff <EMAIL>\n")


@pytest.mark.parametrize(
    "arguments",
    ["tenants show", "explain --tenant zebra", "mask", "rollback --tenant zebra --reason x --program", "tenants add z"],
)
def test_an_argument_that_is_not_utf8_is_2(folder: Path, arguments: str):
    code, _, told = run(folder, rf"{ARGOTUNE} {arguments} $'\xff'")
    assert code == 2
    assert "is not UTF-8" in told


def test_a_file_may_have_any_name(folder: Path):
    summary = rf"{sys.executable} {ROOT}/scripts/aggregate_results.py --tenant zebra --output $'\xff.json'"
    assert run(folder, f"{summary} && test -s $'\\xff.json'")[0] == 0


def test_a_report_on_stdout_stands_among_what_is_said(folder: Path):
    line = f"{sys.executable} {ROOT}/scripts/aggregate_results.py --tenant zebra --output /dev/stdout > said; cat said"
    code, out, _ = run(folder, line)
    assert code == 0
    assert out.startswith(b'{\n  "tenant_id": "zebra"')
    assert out.endswith(b"nothing was run\n")
