"""The story of a version: where it comes from, what its run measured, why it served, and what its prompts became."""

from __future__ import annotations

import json

import pytest
from factories import after, make_contest, make_run, make_verdict, make_version

from argotune.adapters.memory.store import MemoryStore
from argotune.errors import NotFound
from argotune.promotion.contest_book import ContestBook
from argotune.promotion.contests import Shares
from argotune.promotion.registry import Registry
from argotune.promotion.verdicts import Comparison, UnusableAnswers
from argotune.promotion.versions import Change, Version
from argotune.runs.book import RunBook
from argotune.runs.explain import Explanation, explain
from argotune.runs.run import RunState
from argotune.store.collections import Collection
from argotune.store.port import Store

WRITTEN = make_version("Choose the agent.\nBe brief.")
RUN = make_run(
    state=RunState.REPORTED,
    champion=WRITTEN.id,
    verdict=make_verdict(reason="promoted: 0.30 better"),
)
TUNED = make_version(
    "Choose the agent.\nThink of the medium.",
    parent=WRITTEN.id,
    data_hash="ab" * 32,
    optimizer="copro",
    reason="few examples",
    seed=7,
    lms={"teacher": "openai/y", "task": "local/x"},
    packages={"dspy": "3.4.1"},
    run_id=RUN.id,
    created_at=after(60),
)


def change(sequence: int, version: Version, previous: Version | None, how: str = "promoted") -> Change:
    return Change(
        program=version.program,
        sequence=sequence,
        version=version.id,
        previous=previous.id if previous else None,
        at=after(60 * sequence),
        how=how,
        who=f"mover {sequence}",
        reason=f"reason {sequence}",
    )


def promoted() -> Store:
    """A store in which TUNED was promoted over WRITTEN by RUN, and another version came later."""
    store = MemoryStore()
    registry, later = Registry(store, "acme_corp"), make_version("Later.", parent=TUNED.id)
    last = make_version("Last.", parent=later.id)
    for version in (WRITTEN, TUNED, later, last):
        registry.keep(version)
    RunBook(store, "acme_corp").open(RUN)
    for move in (change(1, TUNED, WRITTEN), change(2, later, TUNED), change(3, last, later, "overridden")):
        registry.set_champion(move, registry.champion("routing")[1])
    return store


def story_of(store: Store, version_id: str) -> Explanation:
    return explain(
        Registry(store, "acme_corp"), RunBook(store, "acme_corp"), ContestBook(store, "acme_corp"), version_id
    )


def test_a_promoted_version_is_told_with_its_run_its_moves_and_its_diff():
    assert story_of(promoted(), TUNED.id).lines() == [
        f"version   {TUNED.id} of routing",
        "made      2026-03-02 12:01:00 by copro: few examples",
        f"from      parent {WRITTEN.id}, data abababababab, seed 7",
        "with      task local/x, teacher openai/y; dspy 3.4.1",
        "run       routing-pass-1",
        "verdict   promoted: 0.30 better",
        "          n = 40",
        "          champion_mean = 0.5",
        "          challenger_mean = 0.8",
        "          effect = 0.3",
        "          p_value = 0.002",
        "          level = 0.03",
        "          labels = 40",
        "          answers = 80",
        "          differ = 20",
        "          interval = +10.0 to +50.0 points",
        "          way = better",
        "history   2026-03-02 12:01:00 promoted by mover 1: reason 1",
        "history   2026-03-02 12:02:00 promoted by mover 2: reason 2",
        "",
        "prompts before and after:",
        "--- answer before",
        "+++ answer after",
        "@@ -1,2 +1,2 @@",
        " Choose the agent.",
        "-Be brief.",
        "+Think of the medium.",
    ]


def test_an_untuned_version_has_no_run_and_all_its_prompts_are_new():
    story = story_of(promoted(), WRITTEN.id)
    assert (story.run, [c.sequence for c in story.changes]) == (None, [1])
    assert story.lines()[:4] == [
        f"version   {WRITTEN.id} of routing",
        "made      2026-03-02 12:00:00 by none: the program as written",
        "from      parent -, data -, seed 0",
        "with      -; -",
    ]
    assert story.prompt_diff[-2:] == ("+Choose the agent.", "+Be brief.")


def test_a_version_that_never_served_has_no_history():
    store = promoted()
    rejected = Registry(store, "acme_corp").keep(make_version("Rejected.", parent=WRITTEN.id))
    assert story_of(store, rejected.id).changes == ()


def test_a_version_whose_prompts_are_those_of_its_parent_says_so():
    store = promoted()
    twin = make_version("Choose the agent.\nBe brief.", parent=WRITTEN.id).model_copy(update={"id": "v" + "0" * 12})
    Registry(store, "acme_corp").keep(twin)
    assert story_of(store, twin.id).lines()[-2:] == ["prompts before and after:", "  (no change)"]


@pytest.mark.parametrize(
    ("collection", "id"), [(Collection.RUNS, RUN.id), (Collection.VERSIONS, WRITTEN.id)], ids=["run", "parent"]
)
def test_a_version_whose_origin_is_gone_is_told_without_it(collection: str, id: str):
    store = promoted()
    assert store.remove("acme_corp", collection, [id]) == 1
    story = story_of(store, TUNED.id)
    assert (story.run is None) is (collection == Collection.RUNS)
    assert story.version == TUNED
    assert [c.sequence for c in story.changes] == [1, 2]
    assert "+Think of the medium." in story.prompt_diff


def test_a_run_that_has_not_ended_is_told_as_far_as_it_came():
    store = promoted()
    RunBook(store, "acme_corp").open(make_run(id="routing-pass-2", state=RunState.TRAINED))
    made = Registry(store, "acme_corp").keep(make_version("Made.", run_id="routing-pass-2"))
    assert "verdict   unfinished, trained" in story_of(store, made.id).lines()


def test_answers_that_could_not_be_used_are_told_of_each_version():
    store, lacks = promoted(), UnusableAnswers(20, {"cut off": 2, "no content": 1}, {}, 3, 0)
    comparison = Comparison("routing", "v1", "v2", (), unusable=lacks)
    RunBook(store, "acme_corp").open(make_run(id="routing-pass-2", comparison=comparison))
    made = Registry(store, "acme_corp").keep(make_version("Made.", run_id="routing-pass-2"))
    assert "unusable  3 answers of the champion: 2 cut off, 1 no content" in story_of(store, made.id).lines()


def test_a_challenger_is_told_with_its_contest_and_by_the_run_that_judged_it_last():
    store = promoted()
    book, contests = RunBook(store, "acme_corp"), ContestBook(store, "acme_corp")
    last = make_run(id="routing-pass-9", state=RunState.REPORTED, verdict=make_verdict("rejected", "rejected: worse"))
    book.open(last)
    judged = {"judged": ("b",), "answers": 80, "differ": 20, "judged_by": last.id}
    contest = make_contest(id=RUN.id, champion=WRITTEN.id, challenger=TUNED.id, sealed_ids=("b",), **judged)
    store.write("acme_corp", list(contests.opening(contest, Shares())))
    story = story_of(store, TUNED.id)
    lines, found = story.lines(), story.as_json()
    assert "contest   open: 1 label, 80 answers of both, 20 of them differ" in lines
    assert f"          opened 2026-03-02 12:00:00 against {WRITTEN.id}, level 0.013" in lines
    assert "verdict   rejected: worse" in lines
    assert (found["contest"]["labels"], found["judged"]["id"]) == (1, last.id)


@pytest.mark.parametrize("version_id", [TUNED.id, WRITTEN.id])
def test_the_json_says_the_same(version_id: str):
    story = story_of(promoted(), version_id)
    told = json.loads(json.dumps(story.as_json()))
    assert Version.model_validate(told["version"]) == story.version
    assert [Change.model_validate(c) for c in told["history"]] == list(story.changes)
    assert told["prompt_diff"] == list(story.prompt_diff)
    assert (told["run"] and told["run"]["outcome"]) == ("promoted" if story.run else None)


@pytest.mark.parametrize("version_id", ["v000000000000", "", "../x"])
def test_an_unknown_version_is_not_found(version_id: str):
    with pytest.raises(NotFound, match="has no version"):
        story_of(promoted(), version_id)


def test_another_tenants_version_is_not_found():
    store = promoted()
    with pytest.raises(NotFound):
        explain(Registry(store, "globex"), RunBook(store, "globex"), ContestBook(store, "globex"), TUNED.id)


def test_prompts_stand_beside_those_of_the_parent_or_of_the_program_as_written():
    store = promoted()
    tuned = story_of(store, TUNED.id)
    assert (tuned.compared_with, [(p.name, p.before, p.after) for p in tuned.prompts]) == (
        WRITTEN.id,
        [("answer", "Choose the agent.\nBe brief.", "Choose the agent.\nThink of the medium.")],
    )
    pooled = make_version("Pooled.", parent=None, optimizer="pooled")
    Registry(store, "acme_corp").keep(pooled)
    found = story_of(store, pooled.id)
    assert (found.compared_with, found.prompts[0].before) == (WRITTEN.id, "Choose the agent.\nBe brief.")
    assert found.as_json()["prompts"][0]["after"] == "Pooled."
    written = story_of(store, WRITTEN.id)
    assert (written.compared_with, written.prompts[0].before) == (None, "")
