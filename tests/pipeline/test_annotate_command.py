"""`argotune annotate`: in a terminal, over a pipe, one label at a time; nothing wrong is ever written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from judge import Judge, annotator
from labelling import annotated, label, run, unlabelled, waiting
from world import AGENTS, World

from argotune import wiring
from argotune.cli import main
from argotune.cli.commands.annotate import _answer, _Skip, _Stop
from argotune.scheduling.next_check import agenda_of
from argotune.tenants.agenda import agendas, keep_agenda, seen_agenda


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A tenant with six spans in its queue, behind the command line."""
    world, config = unlabelled(60, annotation={"daily_limit": 6})
    run(world, config)
    keep_agenda(world.store, agenda_of("acme", [world.look(config)], world.now), seen_agenda(world.store, "acme"))
    monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///never_opened.db")
    monkeypatch.setattr(wiring, "open_ports", lambda _settings, _progress: world.ports)
    monkeypatch.setattr("getpass.getuser", lambda: "kim")
    return world


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def call(*arguments: str) -> int:
    return main(["annotate", "--tenant", "acme", *arguments])


def test_answers_by_number_and_by_name_become_labels_of_the_person(world: World, say, capsys):
    first, second, third, *_ = waiting(world)
    say("1\ns\ntext\nq\n")
    assert call() == 0
    labels = {a.span_id: (a.label, a.kind, a.identifier) for a in annotated(world, "HUMAN")}
    assert labels == {first.span_id: ("audio", "HUMAN", "kim"), third.span_id: ("text", "HUMAN", "kim")}
    assert [item.span_id for item in waiting(world)][:1] == [second.span_id]
    shown = capsys.readouterr().out
    assert "2 of 6 spans labelled as kim" in shown
    assert "  1  audio  finds podcasts" in shown


def test_what_is_no_answer_is_asked_again_and_the_end_of_a_pipe_is_the_end(world: World, say, capsys):
    say("9\n0\njuggler\n\x1b[2J\n-1\n²\n")
    assert call() == 0
    assert annotated(world, "HUMAN") == []
    out, err = capsys.readouterr()
    assert "0 of 6 spans labelled" in out
    assert err.count("is none of the answers") == 6
    assert "\x1b" not in err


def test_nobodys_answer_is_shown_before_a_person_has_answered(world: World, say, capsys):
    say("q\n")
    call()
    shown = capsys.readouterr().out
    assert "query: " in shown
    assert shown.replace("video  finds videos", "").count("video") == 0


def test_the_limit_and_the_name_are_kept_to(world: World, say, capsys):
    say("1\n1\n1\n1\n")
    assert call("--limit", "2", "--who", "Bo Ö") == 0
    assert {a.identifier for a in annotated(world, "HUMAN")} == {"Bo Ö"}
    assert "2 of 2 spans labelled as Bo Ö" in capsys.readouterr().out


def test_the_queue_is_listed_for_people_and_for_programs(world: World, capsys):
    assert call("--list") == 0
    shown = capsys.readouterr().out
    assert shown.endswith("6 spans wait for a label\n")
    assert call("--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["span_id"] for row in rows] == [item.span_id for item in waiting(world)]
    assert rows[0]["answers"] == {"agent": sorted(AGENTS)}
    assert all(0 < row["probability"] <= 1 and row["inputs"]["query"] for row in rows)


def test_one_label_wakes_the_round_and_is_counted(world: World, capsys):
    config = world.tenant(annotation={"daily_limit": 6})
    span_id = waiting(world)[0].span_id
    assert call("--label", span_id, "--answer", "agent=audio", "--who", "bo") == 0
    (given,) = annotated(world, "HUMAN")
    assert (given.span_id, given.label, given.identifier) == (span_id, "audio", "bo")
    assert len(waiting(world)) == 5
    assert agendas(world.store) == {}
    assert world.look(config).labels == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--label", "SPAN", "--answer", "agent=juggler"], 2, "agent is one of audio, text, video, not 'juggler'"),
        (["--label", "SPAN", "--answer", "mood=good"], 2, "'mood=good' is not FIELD=VALUE with each of agent once"),
        (["--label", "SPAN", "--answer", "agent"], 2, "'agent' is not FIELD=VALUE"),
        (["--label", "SPAN", "--answer", "agent=video", "--answer", "agent=text"], 2, "each of agent once"),
        (["--label", "SPAN"], 2, "agent of routing is missing"),
        (["--label", "feedfeedfeedfeed", "--answer", "agent=video"], 4, "no decision is stored under the span id"),
        (["--label", "SPAN", "--answer", "agent=video", "--who", "a\nb"], 2, "--who"),
        (["--label", "SPAN", "--answer", "agent=video", "--who", "argotune-annotator"], 2, "--who"),
        (["--label", "SPAN", "--answer", "agent=video", "--who", " "], 2, "--who"),
        (["--answer", "agent=video"], 2, "--answer: says what --label is"),
        (["--limit", "0"], 2, "--limit"),
        (["--program", "modality"], 2, "'modality' is not one of this tenant's programs: routing"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(
    world: World, capsys, arguments: list[str], code: int, told: str
):
    span_id = waiting(world)[0].span_id
    assert call(*(span_id if a == "SPAN" else a for a in arguments)) == code
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1
    assert annotated(world, "HUMAN") == []
    assert len(waiting(world)) == 6


def test_the_annotator_labels_now_and_the_status_has_its_numbers(world: World, capsys):
    world.annotator = annotator(Judge())
    label(world, waiting(world)[:2])
    assert call("--llm") == 0
    shown = capsys.readouterr().out
    assert "routing: openai/judge: asked about 6 spans, 6 labelled" in shown
    assert len(annotated(world, "LLM")) == 6
    assert call("--status") == 0
    status = capsys.readouterr().out
    assert "6 spans wait for a label; 6 of 6 were queued today" in status
    assert "not used on the test split: compared with people on" in status
    assert call("--status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["waiting"], found["daily_limit"], found["annotators"][0]["labelled"]) == (6, 6, 6)


def test_without_an_annotator_the_command_says_so(world: World, capsys):
    assert call("--llm") == 0
    assert "routing: no LM annotator: ARGOTUNE_ANNOTATION_MODEL is not set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("labels", "typed", "chosen", "prompt"),
    [
        (("2", "1"), "1", "2", "(s: skip, q: quit)"),
        (("2", "1"), "2", "1", "(s: skip, q: quit)"),
        (("7", "x"), "7", "7", "(s: skip, q: quit)"),
        (("q", "s"), "q", "q", "(/s: skip, /q: quit)"),
        (("s", "/s", "x"), "/s", "/s", "(//s: skip, q: quit)"),
        (("s", "q"), "/s", _Skip, "(/s: skip, /q: quit)"),
        (("s", "q"), "/q", _Stop, "(/s: skip, /q: quit)"),
        (None, "s", "s", "(/s: skip, /q: quit)"),
        (None, "/s", _Skip, "(/s: skip, /q: quit)"),
        (("a", "b"), "s", _Skip, "(s: skip, q: quit)"),
        (("a", "b"), f"{'9' * 5000}\n2", "b", "(s: skip, q: quit)"),
    ],
)
def test_a_number_is_a_line_and_no_label_takes_the_keys_of_skip_and_quit(say, capsys, labels, typed, chosen, prompt):
    say(f"{typed}\n")
    if isinstance(chosen, str):
        assert _answer("mood", labels) == chosen
    else:
        with pytest.raises(chosen):
            _answer("mood", labels)
    assert f"mood {prompt} > " in capsys.readouterr().out
