"""The local Phoenix server: on this machine only, gone with its parent, and clear about what is wrong."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from argotune.adapters.phoenix import main as phoenix_main
from argotune.adapters.phoenix.server import PhoenixServer
from argotune.errors import ConfigInvalid, Unavailable

LISTENS = "0A"


def listening_addresses(process_id: int) -> list[str]:
    """Hexadecimal local addresses on which a process listens (Linux)."""
    folder = Path(f"/proc/{process_id}")
    links = {str(link.readlink()) for link in (folder / "fd").iterdir() if link.is_symlink()}
    lines = [
        line.split() for table in ("tcp", "tcp6") for line in (folder / "net" / table).read_text().splitlines()[1:]
    ]
    return [row[1].split(":")[0] for row in lines if row[3] == LISTENS and f"socket:[{row[9]}]" in links]


@pytest.mark.phoenix
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="reads /proc")
def test_the_server_listens_on_this_machine_only(phoenix_server: PhoenixServer) -> None:
    addresses = listening_addresses(phoenix_server.process_id)
    assert len(addresses) == 2
    assert all(address.endswith("0100007F") for address in addresses)


@pytest.mark.phoenix
def test_the_server_ends_when_its_parent_is_gone(phoenix_python: Path) -> None:
    process = subprocess.Popen([phoenix_python, "-P", phoenix_main.__file__], stdin=subprocess.PIPE)
    process.stdin.close()
    assert process.wait(20) < 0


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no Python at"):
        PhoenixServer(tmp_path / "python", tmp_path).start()


@pytest.mark.parametrize(("mode", "told"), [(0o600, "no Python at"), (0o700, "is no program")])
def test_a_file_that_is_no_python_is_named(tmp_path: Path, mode: int, told: str) -> None:
    (file := tmp_path / "python").write_text("\x7f not a program")
    file.chmod(mode)
    with pytest.raises(ConfigInvalid, match=told):
        PhoenixServer(file, tmp_path).start()


def test_a_python_without_phoenix_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"ended with code 1: ModuleNotFoundError: No module named '\w+'"):
        PhoenixServer(Path(sys.executable), tmp_path).start()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigInvalid, match=f"port {port} is in use"):
            PhoenixServer(Path(sys.executable), tmp_path, port).start()
