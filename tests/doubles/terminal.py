"""A command whose stdin and stderr are a terminal, as a person has it; stdout is a pipe, or the terminal too."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HIDE_CURSOR = "\x1b[?25l"


@dataclass(frozen=True)
class Watched:
    """What came of it: exit code, what the terminal was told, and what stdout was."""

    code: int
    shown: str
    out: str


def on_terminal(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    folder: Path,
    columns: int = 120,
    signal_at: tuple[str, int] | None = None,
    is_out_shown: bool = False,
) -> Watched:
    """Run it to its end, or send it a signal when the terminal shows a text."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command, cwd=folder, env=env, stdin=theirs, stderr=theirs, stdout=theirs if is_out_shown else subprocess.PIPE
    )
    os.close(theirs)
    shown = bytearray()
    reading = threading.Thread(target=_read_all, args=(ours, shown), daemon=True)
    reading.start()
    if signal_at:
        _wait_for(signal_at[0], shown, process)
        process.send_signal(signal_at[1])
    out, _ = process.communicate(timeout=60)
    reading.join(10)
    os.close(ours)
    return Watched(process.returncode, shown.decode("utf-8", "replace"), (out or b"").decode())


def _read_all(terminal: int, into: bytearray) -> None:
    """Until the other side is closed, of which Linux says that it is an error."""
    try:
        while part := os.read(terminal, 65536):
            into += part
    except OSError:
        return


def _wait_for(text: str, shown: bytearray, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while text.encode() not in shown:
        assert process.poll() is None, shown.decode("utf-8", "replace")
        assert time.monotonic() < until, shown.decode("utf-8", "replace")
        time.sleep(0.05)
