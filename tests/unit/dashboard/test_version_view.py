"""The page of a version: numbers, lineage, prompts as a diff, links."""

from __future__ import annotations

from dataclasses import replace

from factories import make_run, make_verdict, make_version

from argotune.dashboard.views.version import version_view
from argotune.pipeline.operations.versions import VersionStanding
from argotune.runs.explain import Explanation, PromptChange

PARENT = make_version("First.")
CHILD = make_version("Second.", parent=PARENT.id, run_id="routing-pass-1", optimizer="nearest")
LISTED = [VersionStanding(PARENT, False, True), VersionStanding(CHILD, True, False)]
RUN = make_run(
    verdict=make_verdict(),
    comparison_link="http://127.0.0.1:6006/datasets/1/compare",
    dataset_link="javascript:alert(1)",
)
TOLD = Explanation(
    CHILD,
    RUN,
    (),
    (),
    prompts=(PromptChange("answer", "Same.\nFirst.", "Same.\nSecond."), PromptChange("other", "x", "x")),
    compared_with=PARENT.id,
)


def test_numbers_are_those_of_the_verdict():
    view = version_view(TOLD, LISTED)
    assert [(tile.name, tile.figure) for tile in view.tiles][:4] == [
        ("Gain in points", "+30.0"),
        ("Champion", "50.0 %"),
        ("This version", "80.0 %"),
        ("Labels of people", "40"),
    ]
    assert view.gain is not None
    assert round(view.gain.low) == 10
    assert view.standing == "serves"


def test_prompts_are_a_diff_against_what_they_were():
    changed, same = version_view(TOLD, LISTED).prompts
    assert changed.lines[2:] == ("@@ -1,2 +1,2 @@", " Same.", "-First.", "+Second.")
    assert (same.lines, same.after) == ((), "x")


def test_the_lineage_goes_back_to_the_first_version_that_is_known():
    (ancestor,) = version_view(TOLD, LISTED).ancestors
    assert (ancestor.id, ancestor.optimizer) == (PARENT.id, "none")
    (gone,) = version_view(TOLD, LISTED[1:]).ancestors
    assert (gone.id, gone.optimizer) == (PARENT.id, "not stored any more")


def test_a_version_in_a_circle_of_parents_is_shown_once():
    circle = make_version("Second.", parent=CHILD.id, run_id="routing-pass-1", optimizer="nearest")
    assert len(version_view(replace(TOLD, version=circle), [VersionStanding(circle, True, False)]).ancestors) == 1


def test_only_addresses_of_servers_are_links():
    assert [link.url for link in version_view(TOLD, LISTED).links] == ["http://127.0.0.1:6006/datasets/1/compare"]


def test_the_program_as_written_has_no_numbers():
    view = version_view(Explanation(PARENT, None, (), ()), LISTED)
    assert (view.tiles, view.gain, view.slices, view.links, view.verdict) == ((), None, (), (), "")
    assert view.standing == "rolled back"
    assert version_view(Explanation(PARENT, None, (), ()), []).standing == "not listed"
