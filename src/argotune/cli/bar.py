"""The bar on a terminal, as rich draws it; imported where one is shown, as rich takes a tenth of a second."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from argotune.errors.lines import escaped
from argotune.stats.pace import Pace, duration_told, rate_told

BESIDE_NAME_CHARS = 56
"""What stands beside the name of the work, with a bar of a few characters."""

LEAST_NAME_CHARS = 16


class OpenBar:
    """A bar on stderr. Times are by the stopwatch."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        console = _WithCursor(stderr=True, force_terminal=True)
        columns = (
            _Name(console),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[pace]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, get_time=stopwatch, refresh_per_second=5)
        self._bar.start()

    def show(self, what: str, pace: Pace, begun_at: float) -> None:
        """Show how the work goes."""
        known = self._bar.tasks
        if not known or self._is_other(known[0], what, pace):
            for task in known:
                self._bar.remove_task(task.id)
            self._bar.add_task(escaped(what), total=pace.total or None, pace="")
        task = self._bar.tasks[0]
        task.start_time = begun_at
        self._bar.update(task.id, completed=pace.done, total=pace.total or None, pace=_in_short(pace))

    @staticmethod
    def _is_other(task: Task, what: str, pace: Pace) -> bool:
        """Other work, or the same once more."""
        return task.description != escaped(what) or pace.done < task.completed

    def close(self) -> None:
        """Take it away."""
        self._bar.stop()


class _WithCursor(Console):
    """A cursor that is never hidden is there whatever ends the process."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 (rich asks)
        return False


class _Name(ProgressColumn):
    """The name of the work, cut to what the terminal has room for."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        room = max(self._console.width - BESIDE_NAME_CHARS, LEAST_NAME_CHARS)
        text = Text(task.description, no_wrap=True)
        text.truncate(room, overflow="ellipsis")
        return text


def _in_short(pace: Pace) -> str:
    rate, left = pace.per_second, pace.left_s
    done = f"{pace.done:,}/{pace.total:,}" if pace.total else f"{pace.done:,}" if pace.done else ""
    parts = [done, rate_told(rate) if rate else "", f"{duration_told(left)} left" if left is not None else ""]
    return ", ".join(filter(None, parts))
