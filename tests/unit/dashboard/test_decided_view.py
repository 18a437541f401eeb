"""The page of decisions: who decided, why nothing was trained, and one run."""

from __future__ import annotations

from dataclasses import replace

from factories import NOON, after

from argotune.dashboard.views.decided import decided_view, run_view
from argotune.decisions.values import Contribution
from argotune.pipeline.operations.decisions import RunDecision
from argotune.runs.sums import Money

TRAINED = RunDecision(
    run_id="r1",
    program="routing",
    module="routing",
    at=NOON,
    ended_at=after(60),
    outcome="promoted",
    sentence="promoted: +30 points",
    decided="pure_real nearest",
    trains=True,
    by="model",
    reason="worth it",
    expected_gain=0.05,
    probability=0.5,
    contributions=(Contribution(feature="growth", value=0.7, gain=0.04),),
    trained_on="pure_real",
    challenger="v2",
    contest="r1",
    effect=0.3,
    spent=Money(lm_calls=9, lm_tokens=90),
)
SKIPPED = replace(
    TRAINED, run_id="r2", outcome="skipped", trains=False, decided="skip", by="rules", reason="no growth", effect=None
)
ENDED = replace(SKIPPED, run_id="r3", decided=None, by=None, reason="", sentence="skipped: no examples", contest=None)
GOING_ON = replace(SKIPPED, run_id="r4", decided=None, by=None, reason="undecided: so", contest="r1")


def test_runs_are_counted_by_who_decided_and_by_why_nothing_was_trained():
    view = decided_view([TRAINED, SKIPPED, SKIPPED, ENDED])
    assert [(tile.name, tile.figure) for tile in view.tiles] == [
        ("Runs", "4"),
        ("Trained", "1"),
        ("Not trained", "3"),
        ("Promoted", "1"),
        ("LM calls", "36"),
    ]
    assert [(bar.name, bar.length) for bar in view.by] == [
        ("the rules", 2),
        ("the meta-model", 1),
        ("it ended before", 1),
    ]
    assert [(bar.name, bar.length) for bar in view.reasons] == [("no growth", 2), ("skipped: no examples", 1)]


def test_a_run_tells_what_was_decided_what_came_of_it_and_what_each_feature_added():
    view = run_view(TRAINED)
    facts = dict(view.facts)
    assert (facts["decided"], facts["by"], facts["because"]) == ("pure_real nearest", "the meta-model", "worth it")
    assert (facts["expected gain"], facts["measured gain"]) == ("+5.0 points", "+30.0 points")
    assert [(bar.name, bar.length, bar.told) for bar in view.contributions] == [("growth", 4.0, "0.7")]


def test_a_run_that_ended_before_a_decision_says_so():
    facts = dict(run_view(replace(ENDED, expected_gain=None, probability=None)).facts)
    assert (facts["decided"], facts["by"]) == ("-", "it ended before")
    assert (facts["because"], facts["expected gain"]) == ("-", "-")


def test_a_run_that_goes_on_with_a_contest_had_nothing_to_decide():
    view = decided_view([GOING_ON])
    assert [bar.name for bar in view.by + view.reasons] == ["a contest goes on"] * 2
    assert not run_view(GOING_ON).was_decided
    assert run_view(SKIPPED).was_decided
