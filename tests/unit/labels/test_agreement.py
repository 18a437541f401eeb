"""How far LM labels meet those of people, and when they may judge."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from factories import AGENTS, FIELDS, FUSION, NOON, after
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, cohen_kappa_score
from watched_store import Meanwhile, WatchedStore

from argotune.adapters.memory.store import MemoryStore
from argotune.data.annotations import Annotation, AnnotatorKind, strongest
from argotune.data.fields import Fields
from argotune.labels.agreement import AnnotatorReport, compare, disputed
from argotune.labels.annotator_book import keep_report, report_of, reports_of
from argotune.tenants.config import AnnotationRules

RULES = AnnotationRules()


def note(span: int, label: str, kind: AnnotatorKind = "HUMAN", who: str = "kim", name: str = "agent") -> Annotation:
    return Annotation(f"{span:016x}", name, label, kind, who, NOON)


def both(pairs: list[tuple[str, str]], who: str = "judge") -> list[Annotation]:
    """(LM, person) for each span."""
    lm = [note(n, label, "LLM", who) for n, (label, _) in enumerate(pairs)]
    return lm + [note(n, label) for n, (_, label) in enumerate(pairs)]


def agreeing(n: int) -> list[tuple[str, str]]:
    return [(AGENTS[i % 3], AGENTS[i % 3]) for i in range(n)]


def wrong(n: int) -> list[tuple[str, str]]:
    return [(AGENTS[i % 3], AGENTS[(i + 1) % 3]) for i in range(n)]


def judged(pairs: list[tuple[str, str]], rules: AnnotationRules = RULES):
    return compare(both(pairs), FIELDS, rules)["judge"]


@pytest.mark.parametrize(
    ("pairs", "obstacle"),
    [
        (agreeing(60), ""),
        (agreeing(95) + wrong(5), ""),
        (agreeing(29), "compared with people on 29 spans, 30 are asked"),
        (agreeing(30), ""),
        (agreeing(26) + wrong(4), "agreement may be as low as 70.3 %, 80.0 % is asked"),
        ([(AGENTS[0], agent) for agent in AGENTS * 20], f"it always says {AGENTS[0]!r}"),
        ([(AGENTS[0], AGENTS[0])] * 60, f"it always says {AGENTS[0]!r}"),
        (
            [(AGENTS[0], AGENTS[0])] * 194 + [(AGENTS[1], AGENTS[0])] * 3 + [(AGENTS[0], AGENTS[1])] * 3,
            "kappa may be as low as",
        ),
    ],
)
def test_an_annotator_may_judge_when_it_agrees_beyond_luck_and_habit(pairs, obstacle: str):
    found = judged(pairs)
    assert found.obstacle.startswith(obstacle) if obstacle else not found.obstacle
    assert found.is_trusted is (obstacle == "")


@pytest.mark.parametrize(
    ("rules", "is_compared", "obstacle"),
    [
        ({"min_compared": 61}, False, "compared with people on 60 spans, 61 are asked"),
        ({"min_compared": 60, "min_kappa": -1, "min_agreement": 0.75}, True, ""),
        ({"min_agreement": 0.9}, True, "agreement may be as low as 77.8 %, 90.0 % is asked"),
        ({"min_kappa": 0.95}, True, "kappa may be as low as 0.70, 0.95 is asked"),
    ],
)
def test_what_is_asked_of_an_annotator_is_what_the_tenant_says(rules, is_compared: bool, obstacle: str):
    found = judged(agreeing(53) + wrong(7), AnnotationRules(**rules))
    assert (found.is_compared, found.obstacle) == (is_compared, obstacle)


def test_agreement_where_one_label_dominates_is_not_trusted_however_high():
    found = judged([(AGENTS[0], AGENTS[0])] * 194 + [(AGENTS[1], AGENTS[0])] * 3 + [(AGENTS[0], AGENTS[1])] * 3)
    assert found.share.low > 0.9
    assert found.kappa == pytest.approx(0, abs=0.05)
    assert found.is_refuted


def test_spans_that_were_chosen_because_they_are_hard_are_left_out():
    pairs = agreeing(40) + wrong(40)
    hard = frozenset(f"{n:016x}" for n in range(40, 80))
    found = compare(both(pairs), FIELDS, RULES, hard)["judge"]
    assert (found.labels, found.compared, found.agreed) == (80, 40, 40)


def test_each_annotator_is_compared_on_its_own():
    annotations = [*both(agreeing(60)), *(note(n, AGENTS[0], "LLM", "other model") for n in range(60))]
    found = compare(annotations, FIELDS, RULES)
    assert {name: agreement.is_trusted for name, agreement in found.items()} == {"judge": True, "other model": False}


def test_labels_that_are_incomplete_unknown_or_by_code_are_no_labels():
    annotations = [
        note(1, "true", "LLM", "judge", "needed"),
        note(2, "maybe", "LLM", "judge", "needed"),
        note(2, "score", "LLM", "judge", "strategy"),
        note(3, "true", "CODE", "rule", "needed"),
        note(3, "score", "CODE", "rule", "strategy"),
        *(
            note(n, label, "HUMAN", "kim", name)
            for n in (1, 2, 3)
            for name, label in (("needed", "true"), ("strategy", "score"))
        ),
    ]
    found = compare(annotations, FUSION, RULES)
    assert {name: (a.labels, a.compared) for name, a in found.items()} == {"judge": (0, 0)}
    assert "compared with people on 0 spans" in found["judge"].sentence


def test_all_answers_of_a_span_must_be_equal_to_agree():
    annotations = []
    for n in range(40):
        for name, label in (("needed", "true" if n % 2 else "false"), ("strategy", "score")):
            annotations.append(note(n, label, "HUMAN", "kim", name))
            annotations.append(note(n, "none" if n < 10 and name == "strategy" else label, "LLM", "judge", name))
    assert compare(annotations, FUSION, RULES)["judge"].agreed == 30


def test_answers_in_free_text_are_not_compared_so_an_lms_never_judge():
    free = Fields("reply", ("query",), {"agent": None})
    found = compare(both(agreeing(60)), free, RULES)["judge"]
    assert (found.labels, found.compared, found.is_trusted) == (60, 0, False)


def test_the_sentence_has_the_numbers():
    told = judged(agreeing(95) + wrong(5)).sentence
    assert told.startswith("100 labels, agrees with people on 95 of 100, 95.0 % (88.8 % to 97.8 %), kappa 0.92 (")
    assert told.endswith("; counts on the test split")


def test_disputed_are_spans_on_which_a_person_is_contradicted_by_anybody_who_is_not_refuted():
    annotations = [
        note(1, AGENTS[0]),
        note(1, AGENTS[1], "LLM", "judge"),
        note(2, AGENTS[0]),
        note(2, AGENTS[1], "HUMAN", "bo"),
        note(3, AGENTS[0]),
        note(3, AGENTS[1], "LLM", "liar"),
        note(4, AGENTS[0], "LLM", "judge"),
        note(4, AGENTS[1], "LLM", "other"),
        note(5, AGENTS[0]),
        note(5, AGENTS[0], "LLM", "judge"),
        note(6, AGENTS[0]),
        note(6, AGENTS[1], "CODE", "rule"),
    ]
    assert disputed(annotations, FIELDS, ["liar"]) == {f"{n:016x}" for n in (1, 2)}


@pytest.mark.parametrize("seed", range(3))
def test_of_fifty_people_who_contradict_one_another_the_newest_is_believed_and_the_span_is_disputed(seed: int):
    said = [
        replace(note(1, AGENTS[n % len(AGENTS)], who=f"person-{n}"), updated_at=NOON + timedelta(minutes=n))
        for n in range(50)
    ]
    agreed = [note(2, AGENTS[0], who=f"person-{n}") for n in range(50)]
    annotations = random.Random(seed).sample([*said, *agreed], 100)
    assert disputed(annotations, FIELDS, []) == {f"{1:016x}"}
    assert strongest(annotations)[f"{1:016x}", "agent"] == said[-1]


def test_reports_are_stored_one_for_each_program():
    store = MemoryStore()
    reports = [
        AnnotatorReport(program=name, at=after(n), agreements=(judged(agreeing(n)),))
        for n, name in ((3, "b"), (4, "a"))
    ]
    for report in (*reports, reports[0]):
        keep_report(store, "acme", report)
    assert reports_of(store, "acme") == sorted(reports, key=lambda report: report.program)
    assert reports_of(store, "other") == []


def test_spans_that_two_annotators_asked_about_in_vain_at_once_are_paid_for_by_neither_again():
    store = WatchedStore()
    report = AnnotatorReport(program="a", at=NOON, agreements=())
    store.before = Meanwhile(lambda: keep_report(store, "acme", report.model_copy(update={"unlabelled": ("1", "2")})))
    kept = keep_report(store, "acme", report.model_copy(update={"unlabelled": ("2", "3")}))
    assert kept == report_of(store, "acme", "a")
    assert kept.unlabelled == ("1", "2", "3")
    later = report.model_copy(update={"at": NOON + timedelta(days=1)})
    assert keep_report(store, "acme", later).unlabelled == ()


@given(st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(AGENTS)), min_size=1, max_size=60))
def test_what_is_told_of_an_annotator_is_what_scikit_learn_and_scipy_say(pairs: list[tuple[str, str]]):
    assume(len({label for pair in pairs for label in pair}) > 1)
    said, right = zip(*pairs, strict=True)
    found = judged(pairs)
    assert found.agreed / found.compared == pytest.approx(accuracy_score(right, said))
    assert found.kappa == pytest.approx(cohen_kappa_score(right, said), abs=1e-9)
    share = binomtest(found.agreed, len(pairs)).proportion_ci(0.95, method="wilson")
    assert (found.share.low, found.share.high) == pytest.approx((share.low, share.high), abs=1e-9)
