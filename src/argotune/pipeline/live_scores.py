"""Live scores: what the champion's answers to live requests scored, and what that says of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from argotune.data.annotations import Annotation, LabelSource
from argotune.data.examples import Example
from argotune.data.experiences import Experience
from argotune.data.label_rule import Labels, with_remarks
from argotune.data.live_quality import TOLD_BY, LiveQuality, LiveRule, LiveScores, ScoredBy, ScoreStream
from argotune.data.remarks import CORRECT, VERDICT
from argotune.data.rewards import reward
from argotune.data.splitting import Split
from argotune.decisions.degradation import Degradation, Degradations, LiveView
from argotune.errors import ConfigInvalid, Corrupt, NotFound
from argotune.labels.queue import QueueItem, hard_spans
from argotune.pipeline.module_pass import Pass
from argotune.programs.evaluation import score_of
from argotune.programs.program import Program
from argotune.promotion.champions import untuned
from argotune.promotion.versions import Champion
from argotune.stats.drops import DropDetector, DropRule
from argotune.stats.wording import counted, percent
from argotune.tenants.config import RoutingConfigUnified

log = logging.getLogger(__name__)

FALSE_ALARMS_A_YEAR = 0.5
"""Of a tenant. Another half is for baselines that were measured too high: with BASELINE_LEVEL those of 50 champions and
kinds of scores in a year."""


def live_scores_of(
    this: Pass, program: Program, labels: Labels, queued: Mapping[str, QueueItem], beside: int
) -> LiveScores | None:
    """What counts the answers of a program's champion in this gathering, by the labels to believe; `queued` are its
    items by span, and `beside` as many programs share what its module is allotted. None while it cannot be read which
    version serves."""
    try:
        champion = _champion(this, program)
    except (Corrupt, NotFound) as error:
        log.warning("%s: its live quality is not looked at: %s", program.name, error)
        return None
    allotted = FALSE_ALARMS_A_YEAR / max(len(this.config.modules), 1) / beside / len(ScoredBy)
    rule = LiveRule(
        version=champion.version if champion else untuned(program, this.now).id,
        since=champion.since if champion else None,
        names_version=champion is not None,
        drop=drop_rule_of(this.config, allotted),
        scores=_Scorer(this, program, labels, queued).scores,
        now=this.now,
        days_kept=this.config.retention.live_days_kept,
    )
    return LiveScores(this.store, this.tenant_id, program.name, rule)


def drop_rule_of(config: RoutingConfigUnified, alarms_a_year: float) -> DropRule:
    """When a drop of one kind of scores is one, for a tenant."""
    return DropRule(
        threshold=config.decisions.performance_degradation_threshold,
        swing=config.degradation.swing,
        drift=config.degradation.drift,
        alarms_a_year=alarms_a_year,
    )


def _champion(this: Pass, program: Program) -> Champion | None:
    """None where the program serves as its author wrote it. Raises Corrupt, NotFound."""
    champion, _ = this.registry.champion(program.name)
    is_of_now = champion and this.registry.version(champion.version).signature_hash == program.signature_hash
    return champion if is_of_now else None


class _Scorer:
    """What an answer scored, by whom."""

    def __init__(self, this: Pass, program: Program, labels: Labels, queued: Mapping[str, QueueItem]) -> None:
        self._weights, self._program, self._labels = this.config.reward, program, labels.believed
        self._queued, self._hard = queued, hard_spans(queued.values())

    def scores(self, experience: Experience) -> dict[ScoredBy, float]:
        """Those that are known, each in 0..1."""
        found = {ScoredBy.PEOPLE: self._by_people(experience), ScoredBy.OUTCOMES: self._by_outcome(experience)}
        return {by: score for by, score in found.items() if score is not None}

    def _by_outcome(self, experience: Experience) -> float | None:
        """None also where another answer was drawn than the champion's own: its outcome says nothing of that."""
        if experience.said != experience.answers:
            return None
        return reward(with_remarks(experience, self._labels), self._weights)

    def _by_people(self, experience: Experience) -> float | None:
        """What a person's label says of what the champion said. None where the span was labelled because it looked
        wrong, or only a remark or a verdict is known that was not asked for by lot: those lie where people like."""
        program, span_id = self._program, experience.span_id
        if program.is_by_preference or not program.is_metric_plain or span_id in self._hard or experience.failure:
            return None
        right = self._said_right(experience)
        if right is None:
            return self._verdict_by_lot(experience)
        example = Example(program.name, experience.inputs, right, LabelSource.HUMAN, 1.0, Split.TRAIN, span_id)
        try:
            return score_of(program, example, experience.said)
        except ConfigInvalid:
            return None  # what a metric fails on is told where it is tried

    def _said_right(self, experience: Experience) -> dict[str, str] | None:
        fields = self._program.fields
        given = {name: self._of_person(experience.span_id, name) for name in fields.answers}
        read = {name: fields.meant(name, each.label) for name, each in given.items() if each and each.label.strip()}
        found = {name: label for name, label in read.items() if label is not None}
        return found if found and len(found) == len(fields.answers) else None

    def _verdict_by_lot(self, experience: Experience) -> float | None:
        item, verdict = self._queued.get(experience.span_id), self._of_person(experience.span_id, VERDICT)
        if verdict is None or item is None or not item.is_by_lot or item.split is Split.TEST:
            return None
        return float(verdict.label == CORRECT) if experience.said == experience.answers else None

    def _of_person(self, span_id: str, name: str) -> Annotation | None:
        found = self._labels.get((span_id, name))
        is_direct = found is not None and not (found.is_remark or found.is_of_session)
        return found if found and is_direct and found.kind == "HUMAN" else None


def degradations_of(this: Pass, found: Mapping[str, LiveScores]) -> Degradations:
    """What the scores of a module's programs say, kept for whoever looks at the module."""
    views = {name: view_of(live.quality, live.rule.drop) for name, live in found.items()}
    told = Degradations(programs=views, looked_at=this.now)
    this.module_book.read(Degradations)  # what it is written in place of
    this.module_book.write(told)
    return told


def live_view(this: Pass, program: str) -> LiveView:
    """How the champion does, as the pass has found; nothing where that is not known."""
    return this.module_book.read(Degradations).programs.get(program) or LiveView(version="")


def view_of(quality: LiveQuality, rule: DropRule) -> LiveView:
    """What is known of a champion's live quality, in sentences."""
    drops, told, unclear = [], [], []
    for by in ScoredBy:
        stream = quality.streams.get(by, ScoreStream())
        drop, detector = stream.detector.drop, stream.detector
        if drop and stream.found_at:
            drops.append(
                Degradation(
                    version=quality.version,
                    scored_by=TOLD_BY[by],
                    before=drop.before,
                    after=drop.after,
                    count=drop.count,
                    found_at=stream.found_at,
                )
            )
        elif detector.mean is not None and detector.can_tell(rule):
            told.append(f"{percent(detector.mean)} in {counted(detector.count, 'answer')} {TOLD_BY[by]}, no drop")
        else:
            unclear.append(f"not enough to tell: {_lack(detector, TOLD_BY[by], rule)}")
    return LiveView(version=quality.version, drops=tuple(drops), told=tuple(told), unclear=tuple(unclear))


def _lack(detector: DropDetector, told_by: str, rule: DropRule) -> str:
    """What a drop of the threshold cannot be told for."""
    answers = f"{counted(detector.count, 'answer')} {told_by}"
    if detector.count >= detector.wanted(rule):
        least = f"only a drop of {100 * detector.least_told(rule):.0f} points or more"
        return f"{answers} in less than a week, in which {least} is no swing"
    return f"{answers}, and a drop of {100 * rule.threshold:g} points takes about {detector.wanted(rule):,}"
