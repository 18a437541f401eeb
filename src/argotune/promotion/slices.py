"""Slices: both versions on questions of one label, modality or language, and bets against the challenger there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from argotune.data.questions import LABEL_SLICE
from argotune.promotion.bets import exact_mean, most, over_questions, over_requests
from argotune.promotion.verdicts import Comparison, Score, SliceResult
from argotune.stats.betting import anytime_p, joint_log_wealth
from argotune.tenants.config import GateRules


def slice_results(comparison: Comparison, rules: GateRules) -> tuple[tuple[SliceResult, ...], float]:
    """Every slice in order of its name, and the level of each judged one (Bonferroni)."""
    members: dict[tuple[str, str], list[Score]] = {}
    for score in (score for score in comparison.scores if score.source):
        for name in score.slices.items():
            members.setdefault(name, []).append(score)
    judged = {name for name, inside in members.items() if len(inside) >= rules.min_slice_examples}
    results = (_slice_result(name, members[name], comparison.asked_share, name in judged) for name in sorted(members))
    return tuple(results), rules.slice_significance / max(len(judged), 1)


def _slice_result(name: tuple[str, str], inside: Sequence[Score], share: float, is_judged: bool) -> SliceResult:
    differences = [score.difference for score in inside]
    return SliceResult(
        key=name[0],
        value=name[1],
        n=len(inside),
        champion_mean=exact_mean([score.champion for score in inside]) or 0.0,
        challenger_mean=exact_mean([score.challenger for score in inside]) or 0.0,
        wins=sum(d > 0 for d in differences),
        losses=sum(d < 0 for d in differences),
        p_worse=_p_worse(name[0], inside, share) if is_judged else None,
    )


def _p_worse(key: str, inside: Sequence[Score], share: float) -> float:
    """Of the bets against the challenger over questions and over requests the one that says more: a guard may.

    In which label's slice a question lies only people say, who were asked about it: there is no judge to correct.
    """
    seen = [replace(score, judged=None) for score in inside] if key == LABEL_SLICE else inside
    both = (over_questions(seen, share, most), over_requests(seen, share, most))
    return anytime_p(max(joint_log_wealth([kind.mirrored for kind in bets]) for bets in both))
