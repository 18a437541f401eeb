"""The gate: one case for each rule, what is said to people, and that luck does not pass."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from factories import make_run
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.data.annotations import LabelSource
from argotune.errors import ConfigInvalid, Corrupt
from argotune.promotion import gate
from argotune.promotion.gate import judge, no_evidence
from argotune.promotion.verdicts import Comparison, Objection, Promoted, Rejected, Score, UnusableAnswers
from argotune.runs.run import Run
from argotune.stats.interval import Interval
from argotune.stats.paired import mcnemar_exact
from argotune.store.collections import Collection
from argotune.store.documents import from_text, to_record
from argotune.store.sealing import seal
from argotune.tenants.config import GateRules

WIN, LOSS, HIT, MISS = (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)
EASY = GateRules(min_effect=0, min_test_examples=5, significance=0.49, min_trusted_share=0, min_slice_examples=3)
BETTER = [WIN] * 24 + [LOSS] * 2 + [HIT] * 26 + [MISS] * 16


def compared(
    pairs: Sequence[tuple[float, float]],
    *,
    slices: Sequence[Mapping[str, str]] | None = None,
    human: int | None = None,
    attempt: int = 1,
    challenger: str = "v2",
) -> Comparison:
    """A comparison whose first `human` labels (None: all) come from people and the others from outcomes."""
    trusted = len(pairs) if human is None else human
    scores = (
        Score(
            example_id=f"e{i}",
            source=LabelSource.HUMAN if i < trusted else LabelSource.OUTCOME,
            slices=slices[i] if slices else {},
            champion=champion,
            challenger=new,
        )
        for i, (champion, new) in enumerate(pairs)
    )
    return Comparison("routing", "v1", challenger, attempt, tuple(scores))


def languages(*sizes: int) -> list[dict[str, str]]:
    return [{"language": name} for name, size in zip(("en", "de", "fr"), sizes, strict=False) for _ in range(size)]


def test_gate_promotes_what_is_better_beyond_doubt_and_says_so():
    verdict = judge(compared(BETTER), GateRules(), seed=1)
    assert isinstance(verdict, Promoted)
    assert verdict.reason.startswith("promoted: 41.2 % -> 73.5 % on 68 examples, +32.4 points (97 % interval +")
    assert verdict.reason.endswith("), p = 0.000010")
    numbers = verdict.numbers
    assert (numbers.n, numbers.wins, numbers.losses, numbers.test) == (68, 24, 2, "mcnemar")
    assert numbers.p_value == pytest.approx(704 / 2**26)


def test_gate_promotes_better_scores_by_permutation():
    verdict = judge(compared([(0.25, 0.5)] * 25 + [(0.5, 0.25)] * 3), GateRules(), seed=1)
    assert isinstance(verdict, Promoted)
    assert verdict.numbers.test == "permutation"


@pytest.mark.parametrize(
    ("comparison", "rule", "reason"),
    [
        pytest.param(
            compared([WIN] * 3, challenger="v1"),
            Objection.SAME_PROGRAM,
            "rejected: the challenger is the champion, version v1",
            id="a challenger that is the champion, before anything else",
        ),
        pytest.param(
            compared([]),
            Objection.TOO_FEW_EXAMPLES,
            "rejected: 0 test examples, at least 20 are asked",
            id="no examples at all",
        ),
        pytest.param(
            replace(compared([WIN] * 19), leaks=("e3",)),
            Objection.LEAKED,
            "rejected: the challenger's demonstrations or instructions hold near-duplicates of sealed test example e3",
            id="a test question in a demonstration",
        ),
        pytest.param(
            replace(compared(BETTER), leaks=("e3", "e5")),
            Objection.LEAKED,
            "rejected: the challenger's demonstrations or instructions hold near-duplicates of 2 sealed test examples, "
            "e3 among them",
            id="several test questions",
        ),
        pytest.param(
            compared([WIN] * 19, human=0),
            Objection.TOO_FEW_EXAMPLES,
            "rejected: 19 test examples, at least 20 are asked",
            id="one example short",
        ),
        pytest.param(
            compared([WIN] * 40, human=19),
            Objection.UNTRUSTED_LABELS,
            "rejected: 47.5 % of 40 test labels come from people or an independent annotator, "
            "at least 50.0 % are asked: annotate more spans",
            id="labels that are mostly the champion's own successes",
        ),
        pytest.param(
            compared([WIN] + [HIT] * 50),
            Objection.EFFECT_TOO_SMALL,
            "rejected: +1.96 points on 51 examples, at least +2.00 are asked",
            id="a gain that is not useful",
        ),
        pytest.param(
            compared([LOSS] * 20),
            Objection.EFFECT_TOO_SMALL,
            "rejected: -100.00 points on 20 examples, at least +2.00 are asked",
            id="a significantly worse challenger",
        ),
        pytest.param(
            compared([WIN] * 6 + [LOSS] * 4 + [HIT] * 64),
            Objection.NOT_SIGNIFICANT,
            "rejected: +2.7 points on 74 examples could be chance: p = 0.75, 0.030 is asked at attempt 1",
            id="a gain that could be chance",
        ),
        pytest.param(
            compared([WIN] * 7 + [HIT] * 13, attempt=2),
            Objection.NOT_SIGNIFICANT,
            "rejected: +35.0 points on 20 examples could be chance: p = 0.016, 0.0076 is asked at attempt 2",
            id="a gain that would have done at the first attempt",
        ),
        pytest.param(
            compared([(0.5, 0.6)] * 35 + [LOSS]),
            Objection.INTERVAL_CONTAINS_ZERO,
            "rejected: +6.9 points on 36 examples, but the 97 % interval -2.2 to +10.0 contains zero, at attempt 1",
            id="a gain that one disaster could undo",
        ),
        pytest.param(
            compared([WIN] * 40 + [LOSS] * 8, slices=languages(40, 8)),
            Objection.SLICE_WORSE,
            "rejected: worse where language is de: 100.0 % -> 0.0 % on 8 examples, p = 0.0039, at most 0.025 rejects",
            id="a language that pays for the others",
        ),
        pytest.param(
            compared([WIN] * 60 + [LOSS] * 22, slices=languages(60, 10, 12)),
            Objection.SLICE_WORSE,
            "rejected: worse where language is fr, and 1 more: 100.0 % -> 0.0 % on 12 examples, p = 0.00024, "
            "at most 0.017 rejects",
            id="the worst of several slices by name",
        ),
    ],
)
def test_gate_rejects(comparison, rule, reason):
    verdict = judge(comparison, GateRules(), seed=1)
    assert isinstance(verdict, Rejected)
    assert (verdict.rule, verdict.reason) == (rule, reason)


@pytest.mark.parametrize(
    ("comparison", "rules"),
    [
        pytest.param(compared([WIN] * 20), GateRules(), id="exactly the examples asked for"),
        pytest.param(compared(BETTER, human=34), GateRules(), id="exactly the trusted share"),
        pytest.param(compared([WIN] * 10 + [HIT] * 90), GateRules(min_effect=0.1), id="exactly the smallest effect"),
        pytest.param(compared([(0.1, 0.3)] * 30), GateRules(min_effect=0.2), id="the smallest effect but for rounding"),
        pytest.param(
            compared([WIN] * 40 + [LOSS] * 7, slices=languages(40, 7)), GateRules(), id="a slice too small to be judged"
        ),
        pytest.param(
            compared([WIN] * 40 + [LOSS] * 4 + [HIT] * 6, slices=languages(40, 10)),
            GateRules(),
            id="a slice that is worse by what could be chance",
        ),
    ],
)
def test_gate_lets_pass_what_just_meets_its_rules(comparison, rules):
    assert isinstance(judge(comparison, rules, seed=1), Promoted)


def test_slices_too_small_to_be_judged_are_shown_and_do_not_count_for_the_level():
    slices = [{"language": "en" if i < 40 else "de", "label": "a b=c"} for i in range(46)]
    numbers = judge(compared([WIN] * 40 + [LOSS] * 6, slices=slices), GateRules(), seed=1).numbers
    found = {(s.key, s.value): s for s in numbers.slices}
    assert list(found) == [("label", "a b=c"), ("language", "de"), ("language", "en")]
    assert found["language", "de"].p_worse is None
    assert (found["language", "de"].n, found["language", "de"].losses) == (6, 6)
    assert numbers.slice_level == pytest.approx(0.05 / 2)


def test_slices_of_scores_are_judged_by_permutation():
    pairs = [(0.1, 0.9)] * 40 + [(0.9, 0.2)] * 10
    verdict = judge(compared(pairs, slices=languages(40, 10)), GateRules(), seed=1)
    assert isinstance(verdict, Rejected)
    assert verdict.rule is Objection.SLICE_WORSE
    assert verdict.numbers.slices[0].p_worse == pytest.approx(1 / 2**10)


def test_hostile_slice_names_stay_in_one_short_line():
    slices = languages(40) + [{"language": "de\n\x1b[2J" + "x" * 500}] * 10
    reason = judge(compared([WIN] * 40 + [LOSS] * 10, slices=slices), GateRules(), seed=1).reason
    assert reason.isprintable()
    assert len(reason) < 260


def test_nothing_measured_gives_numbers_that_promise_nothing():
    numbers = judge(compared([]), GateRules(), seed=1).numbers
    assert (numbers.n, numbers.effect, numbers.p_value, numbers.interval) == (0, 0.0, 1.0, Interval(-1.0, 1.0))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01])
@pytest.mark.parametrize("role", ["champion", "challenger"])
def test_a_score_outside_0_to_1_is_refused_by_the_name_of_its_example(bad, role):
    scores = {"champion": 0.5, "challenger": 0.5, role: bad}
    with pytest.raises(ConfigInvalid, match=f"example e7: scored the {role}"):
        Score("e7", LabelSource.HUMAN, {}, **scores)


def test_an_example_cannot_be_counted_twice():
    score = Score("e7", LabelSource.HUMAN, {}, 0.0, 1.0)
    with pytest.raises(ConfigInvalid, match="example e7 occurs 2 times"):
        Comparison("routing", "v1", "v2", 1, (score, score))


def test_an_attempt_below_one_is_refused():
    with pytest.raises(ConfigInvalid, match="attempt 0"):
        judge(compared(BETTER, attempt=0), GateRules(), seed=1)


hits = st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0]))
graded = st.tuples(st.floats(0, 1), st.floats(0, 1))
slice_names = st.dictionaries(st.sampled_from(["label", "language"]), st.sampled_from("abc"), max_size=2)


@st.composite
def comparisons(draw) -> Comparison:
    pairs = draw(st.lists(draw(st.sampled_from([hits, graded])), max_size=24))
    slices = draw(st.lists(slice_names, min_size=len(pairs), max_size=len(pairs)))
    human = draw(st.integers(0, len(pairs)))
    return compared(pairs, slices=slices, human=human, attempt=draw(st.integers(1, 50)))


@settings(max_examples=80)
@given(comparisons(), st.integers(0, 2**31 - 1))
def test_order_of_examples_does_not_matter(comparison, seed):
    shuffled = tuple(random.Random(seed).sample(comparison.scores, len(comparison.scores)))
    reordered = Comparison("routing", "v1", "v2", comparison.attempt, shuffled)
    assert judge(reordered, EASY, seed) == judge(comparison, EASY, seed)


@settings(max_examples=80)
@given(comparisons(), st.integers(0, 2**31 - 1))
def test_worse_or_equal_challenger_is_never_promoted_even_by_easy_rules(comparison, seed):
    verdict = judge(comparison, EASY, seed)
    if sum(s.challenger for s in comparison.scores) <= sum(s.champion for s in comparison.scores):
        assert isinstance(verdict, Rejected)
    if isinstance(verdict, Promoted):
        numbers = verdict.numbers
        assert numbers.effect > 0
        assert numbers.interval.low > 0
        assert numbers.p_value <= numbers.level


@settings(max_examples=80)
@given(comparisons(), st.integers(0, 2**31 - 1))
def test_comparisons_and_verdicts_are_read_back_as_they_were_stored(comparison, seed):
    run = make_run(comparison=comparison, verdict=judge(comparison, EASY, seed))
    assert from_text(Run, to_record(Collection.RUNS, run.id, run).document) == run


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"outcome": "perhaps"}, "perhaps"),
        ({"rule": "mood"}, "mood"),
        ({"numbers": {}}, "numbers"),
    ],
)
def test_stored_verdicts_that_cannot_be_read_are_corrupt(change, named):
    stored = make_run(verdict=judge(compared([LOSS] * 20), GateRules(), seed=1)).model_dump(mode="json")
    with pytest.raises(Corrupt, match=named):
        from_text(Run, seal("Run", {**stored, "verdict": {**stored["verdict"], **change}}))


def test_stored_comparisons_that_cannot_be_read_are_corrupt():
    stored = make_run(comparison=compared([WIN])).model_dump(mode="json")
    stored["comparison"]["scores"][0]["champion"] = 2.0
    with pytest.raises(Corrupt, match="example e0"):
        from_text(Run, seal("Run", stored))
    with pytest.raises(Corrupt, match="comparison"):
        from_text(Run, seal("Run", {**stored, "comparison": {}}))


def test_comparisons_from_before_there_was_a_leak_guard_are_read():
    run = make_run(comparison=compared([WIN]))
    stored = run.model_dump(mode="json")
    del stored["comparison"]["leaks"]
    assert from_text(Run, seal("Run", stored)) == run


def test_later_attempts_ask_for_more():
    levels = [judge(compared(BETTER, attempt=k), GateRules(), seed=1).numbers.level for k in (1, 2, 3, 10)]
    assert all(later < earlier for earlier, later in pairwise(levels))


@pytest.mark.parametrize("is_graded", [False, True])
def test_under_no_difference_fewer_tenants_than_the_significance_ever_promote(is_graded):
    rng = random.Random(11)
    rules = GateRules(min_effect=0)

    def drawn() -> float:
        return rng.betavariate(2, 2) if is_graded else float(rng.random() < 0.6)

    def ever_promotes(attempts: int) -> bool:
        champion = [drawn() for _ in range(40)]
        tries = ([(score, drawn()) for score in champion] for _ in range(attempts))
        return any(isinstance(judge(compared(t, attempt=k), rules, k), Promoted) for k, t in enumerate(tries, start=1))

    tenants = 25 if is_graded else 120
    assert sum(ever_promotes(8) for _ in range(tenants)) <= rules.significance * tenants


def test_a_real_gain_is_seldom_missed():
    rng = random.Random(5)

    def trial() -> bool:
        pairs = [(float(rng.random() < 0.5), float(rng.random() < 0.8)) for _ in range(100)]
        return isinstance(judge(compared(pairs), GateRules(), seed=1), Promoted)

    assert sum(trial() for _ in range(40)) >= 36


def lacking(
    champion: Mapping[str, int], challenger: Mapping[str, int], only: tuple[int, int] = (0, 0), *, left: int = 100
) -> Comparison:
    """A comparison on 100 questions of which `left` are compared; `only`: where just one answer is unusable."""
    return replace(compared([HIT] * left), unusable=UnusableAnswers(100, champion, challenger, *only))


@pytest.mark.parametrize(
    ("comparison", "why"),
    [
        (compared([HIT] * 100), None),
        (lacking({}, {}), None),
        (lacking({"cut off": 20}, {"cut off": 20}), None),
        (lacking({"cut off": 21}, {"cut off": 20}, (1, 0)), "at most 20.0 % are allowed (gate.max_unusable_share)"),
        (lacking({}, {"refused by the server": 15, "no content": 6}, (0, 5)), "21 of the challenger's (15 refused by"),
        (lacking({"no content": 5}, {}, (5, 0)), None),
        (lacking({"no content": 6}, {}, (6, 0)), "no chance (gate.unusable_significance)"),
        (lacking({}, {"no content": 6}, (0, 6)), "no chance (gate.unusable_significance)"),
        (lacking({"no content": 12}, {"no content": 12}, (6, 6)), None),
        (lacking({"no content": 10}, {"no content": 10}, left=19), "19 questions are left, 20 are asked"),
    ],
)
def test_a_comparison_of_unusable_answers_is_no_evidence_and_says_why(comparison: Comparison, why: str | None):
    found = no_evidence(comparison, GateRules())
    assert found is None if why is None else why in (found or "")


def test_what_is_no_evidence_is_the_tenants_to_say():
    assert no_evidence(lacking({"cut off": 50}, {"cut off": 50}), GateRules(max_unusable_share=0.5)) is None
    assert no_evidence(lacking({"cut off": 9}, {}, (9, 0)), GateRules(unusable_significance=0)) is None
    told = no_evidence(lacking({"cut off": 9}, {"cut off": 9}), GateRules(max_unusable_share=0.08))
    assert "at most 8.0 % are allowed" in (told or "")


def test_comparisons_of_releases_that_counted_nothing_unusable_are_read():
    run = make_run(comparison=lacking({"cut off": 1}, {}, (1, 0)))
    document = to_record(Collection.RUNS, run.id, run).document
    assert from_text(Run, document).comparison == run.comparison
    older = json.loads(document)["body"]
    del older["comparison"]["unusable"], older["is_to_repeat"]
    assert Run.model_validate(older).comparison.unusable is None


def test_equal_seeds_give_equal_p_values_of_graded_scores():
    rng = random.Random(4)
    pairs = [(rng.random(), min(1.0, rng.random() + 0.05)) for _ in range(80)]
    graded = compared(pairs, slices=languages(40, 40))
    first, again, other = (judge(graded, EASY, seed).numbers for seed in (1, 1, 2))
    assert first == again
    assert (first.p_value, first.slices) != (other.p_value, other.slices)


def test_a_slice_shows_both_means_and_is_tested_as_the_whole_is():
    numbers = judge(compared([WIN] * 9 + [LOSS] * 12 + [HIT] * 9, slices=languages(30)), GateRules(), seed=1).numbers
    (found,) = numbers.slices
    assert (found.champion_mean, found.challenger_mean) == (pytest.approx(0.7), pytest.approx(0.6))
    assert (found.wins, found.losses, numbers.slice_level) == (9, 12, 0.05)
    assert found.p_worse == mcnemar_exact(9, 12, "worse")


@pytest.mark.parametrize(("margin", "is_rejected"), [(1, False), (0.999, True)])
def test_a_p_value_that_is_just_the_level_passes(margin: float, is_rejected: bool):
    """Of 7 wins the level of the first attempt that is just reached: 2 / 2^7 * pi^2 / 6."""
    rules = GateRules(significance=margin * 2 / 2**7 * math.pi**2 / 6)
    verdict = judge(compared([WIN] * 7 + [HIT] * 13), rules, seed=1)
    assert (verdict.numbers.p_value <= verdict.numbers.level) is not is_rejected
    assert (isinstance(verdict, Rejected) and verdict.rule is Objection.NOT_SIGNIFICANT) is is_rejected


def test_of_slices_that_are_equally_worse_the_first_by_name_is_told():
    slices = [*languages(60), *({"language": name} for name in ("fr", "de") for _ in range(10))]
    reason = judge(compared([WIN] * 60 + [LOSS] * 20, slices=slices), GateRules(), seed=1).reason
    assert "worse where language is de, and 1 more" in reason


@pytest.mark.parametrize(
    ("text", "shown"), [("x" * 60, "x" * 60), ("x" * 61, "x" * 60 + "..."), ("a\x1bb", "'a\\x1bb'")]
)
def test_texts_of_traces_are_cut_and_escaped(text: str, shown: str):
    assert gate._shown(text) == shown
