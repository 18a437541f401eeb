"""Day shares: what of a tenant's daily limit of questions each program of the module may use today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from argotune.data.cursor import Reading
from argotune.labels.queue import QueueItem
from argotune.labels.sharing import DayClaim, share_day
from argotune.pipeline.module_pass import Pass
from argotune.promotion.contests import Contest
from argotune.runs.module_book import ModuleBook


def day_shares(this: Pass, programs: Sequence[str]) -> dict[str, int]:
    """Spans of each of the module's `programs` that people may be asked about today.

    Modules that ever had traces share the limit alike, the programs of a module its part, and open contests of all of
    them come first (labels/sharing.py).
    """
    limit, items = this.config.annotation.daily_limit, this.queue.items()
    modules = _modules(this, programs)
    sizes, n_modules = Counter(modules.values()), len(set(modules.values()))
    contests = {contest.program: contest for contest in this.contests.all_open()}
    claims = [
        _claim(this, name, limit / n_modules / sizes[module], contests.get(name), items)
        for name, module in modules.items()
    ]
    found = share_day(claims, limit, this.now.date())
    return {name: found[name] for name in programs}


def _claim(this: Pass, name: str, share: float, contest: Contest | None, items: Sequence[QueueItem]) -> DayClaim:
    if contest is None:
        return DayClaim(name, share)
    own = {item.span_id for item in items if item.contest == contest.id and item.asked_at.date() == this.now.date()}
    needed = contest.outlook.labels if contest.outlook else None
    return DayClaim(name, share, len(own.union(contest.wait)), needed)


def _modules(this: Pass, programs: Sequence[str]) -> dict[str, str]:
    """The module of each program: those of this pass, and those of other active modules that ever ran. A module whose
    programs are not known yet stands for them."""
    active = [name for name in this.config.modules if name == this.module or _was_read(this, name)]
    ran = {found.program: found.module for found in this.book.sums() if found.module in active}
    known = {**ran, **dict.fromkeys(programs, this.module)}
    return {**known, **{name: name for name in active if name not in known.values()}}


def _was_read(this: Pass, module: str) -> bool:
    return ModuleBook(this.store, this.tenant_id, module).read(Reading).cursor is not None
