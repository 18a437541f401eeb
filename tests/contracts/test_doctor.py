"""What `argotune doctor` finds: every LM is asked once, and what is wrong is told with its variable and exit code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_server import Answer, OpenAIServer, completion, failure, running
from tls_server import untrusted

from argotune.pipeline.operations import checkup
from argotune.pipeline.operations.checkup import Check, check_all, exit_code_of
from argotune.settings import read_settings
from argotune.wiring import installation_of

MINI, KEY = "openai/gpt-4o-mini", "sk-of-the-task-0123456789"
NOWHERE = "http://127.0.0.1:9/v1"
OF_PROVIDERS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@pytest.fixture(autouse=True)
def _no_variables(no_variables: None, monkeypatch: pytest.MonkeyPatch):
    for name in OF_PROVIDERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(checkup, "_check", _only_lms(checkup._check))


def _only_lms(check):
    return lambda what, look: Check(what, True, "", 0) if what in ("store", "phoenix") else check(what, look)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with running() as found:
        found.answers = [completion("yes")]
        at(monkeypatch, found.url)
        yield found


def at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.setenv(name, url)


def found(monkeypatch: pytest.MonkeyPatch, **env: str) -> tuple[dict[str, Check], int]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    checks = check_all(installation_of(read_settings()))
    return {check.what: check for check in checks}, exit_code_of(checks)


def test_one_model_with_one_key_is_asked_once(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch):
    checks, code = found(monkeypatch, ARGOTUNE_TASK_MODEL=MINI, ARGOTUNE_TASK_KEY=KEY)
    assert (code, server.keys) == (0, [KEY])
    assert checks["task lm"].detail == f"{MINI} answers (14 tokens)"
    assert checks["teacher lm"].detail.startswith("the task LM: ")


@pytest.mark.parametrize(
    ("environment", "is_ok", "says"),
    [
        ({}, True, "use-multilingual makes vectors of 512 numbers"),
        ({"ARGOTUNE_EMBEDDER": "static:/no/model"}, False, "embedder: 'static:/no/model': no such folder"),
        ({"ARGOTUNE_EMBEDDER": "tfidf"}, False, "embedder: tfidf finds neighbours and makes no vectors"),
        ({"ARGOTUNE_EMBEDDER": "litellm:openai/small"}, False, "check ARGOTUNE_EMBEDDER_KEY"),
    ],
)
def test_the_embedder_is_asked_once(
    environment: dict[str, str], is_ok: bool, says: str, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    server.answers = [failure(401, "no key")]
    given = {"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": KEY, "OPENAI_API_KEY": "wrong"}
    checks, code = found(monkeypatch, **given, **environment)
    assert checks["embedder"].is_ok is is_ok
    assert says in checks["embedder"].detail
    assert code == 2


def test_task_teacher_and_annotator_are_each_asked_once_with_their_own_key(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
):
    teacher, annotator = "sk-of-the-teacher-01234", "sk-of-the-annotator-012"
    env = {"ROUTER_OPTIMIZER_TEACHER_KEY": teacher, "ANNOTATION_API_KEY": annotator}
    checks, code = found(monkeypatch, ARGOTUNE_TASK_MODEL=MINI, ARGOTUNE_TASK_KEY=KEY, **env)
    assert (code, server.keys) == (0, [KEY, teacher, annotator])
    assert [body["model"] for body in server.bodies] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    assert checks["annotator"].detail == "openai/gpt-4o answers (14 tokens)"


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}"), 2, "check ARGOTUNE_TASK_KEY"),
        (failure(404, "The model does not exist"), 2, "does not exist"),
        (failure(500), 75, ""),
        (failure(429), 75, ""),
        (Answer(200, "<html>"), 75, ""),
        (completion(""), 75, ""),
    ],
    ids=["key", "model", "error", "busy", "garbage", "empty"],
)
def test_an_lm_that_fails_is_asked_no_second_time_and_told_with_its_exit_code(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: int, told: str
):
    server.answers = [answer]
    checks, ended = found(monkeypatch, ARGOTUNE_TASK_MODEL=MINI, ARGOTUNE_TASK_KEY=KEY)
    check = checks["task lm"]
    assert (check.is_ok, check.exit_code, ended, len(server.bodies)) == (False, code, code, 1)
    assert told in check.detail
    assert KEY not in check.detail


@pytest.mark.parametrize(
    ("env", "what", "code", "told"),
    [
        ({"ARGOTUNE_TASK_MODEL": "nosuch/gpt"}, "task lm", 2, "nosuch/gpt: "),
        ({"ARGOTUNE_TASK_MODEL": MINI}, "task lm", 2, "ARGOTUNE_TASK_KEY (not set)"),
        ({"ARGOTUNE_TASK_MODEL": "anthropic/claude-haiku-4-5"}, "task lm", 2, "ARGOTUNE_TASK_KEY (not set)"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": KEY}, "task lm", 75, "Connection refused"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": "sk-a\nb"}, "task lm", 2, "ARGOTUNE_TASK_KEY holds a char"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "OPENAI_API_KEY": "sk-ä"}, "task lm", 2, "holds a character that no key has"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": KEY, "OPENAI_BASE_URL": "there"}, "task lm", 2, "address"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": KEY, "OPENAI_BASE_URL": "http://a.invalid/v1",
          "HTTP_PROXY": "ftp://x"}, "task lm", 2, "HTTP_PROXY"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_TASK_KEY": KEY, "OPENAI_BASE_URL": "http://nowhere.invalid/v1"},
         "task lm", 75, "host name is not known"),
        ({"ARGOTUNE_TASK_MODEL": "local/smollm2", "ARGOTUNE_TASK_KEY": KEY}, "keys", 2, "ARGOTUNE_TASK_KEY is set"),
        ({"ARGOTUNE_TASK_MODEL": "local/smollm2", "ROUTER_OPTIMIZER_TEACHER_KEY": "your-api-key"}, "keys", 2,
         "ROUTER_OPTIMIZER_TEACHER_KEY is set, but no teacher is named"),
        ({"ROUTER_OPTIMIZER_TEACHER_KEY": "your-api-key"}, "task lm", 2, "ROUTER_OPTIMIZER_TEACHER_KEY: no model"),
        ({"ANNOTATION_API_KEY": "your-api-key"}, "annotator", 2, "ANNOTATION_API_KEY: no model is named"),
        ({"ARGOTUNE_TASK_MODEL": MINI, "ARGOTUNE_ANNOTATION_MODEL": "azure/gpt-4o-mini", "ANNOTATION_API_KEY": KEY},
         "annotator", 2, "is the model that is tuned"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_environment_is_told_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], what: str, code: int, told: str
):
    at(monkeypatch, NOWHERE)
    checks, _ = found(monkeypatch, **env)
    assert (checks[what].is_ok, checks[what].exit_code) == (False, code), checks[what]
    assert told in checks[what].detail
    assert "\n" not in checks[what].detail


@pytest.mark.lm
def test_the_embedded_lm_is_asked_too_and_without_keys_nothing_else_is_wanted(monkeypatch: pytest.MonkeyPatch):
    checks, code = found(monkeypatch, ARGOTUNE_TEACHER_MODEL="local/smollm2")
    assert code == 0
    assert checks["task lm"].detail.startswith("local/smollm2 answers (")
    assert checks["teacher lm"].detail.startswith("local/smollm2 answers (")
    assert checks["annotator"].detail.startswith("off: ")


def test_what_waiting_mends_is_the_exit_code_only_where_nothing_else_is_wrong():
    codes = [Check("a", False, "", code) for code in (75, 2)]
    assert exit_code_of([*codes, Check("b", True, "", 0)]) == 2
    assert exit_code_of(codes[:1]) == 75
    assert exit_code_of([]) == 0


@pytest.mark.parametrize("model", [MINI, "lm_studio/any"])
def test_a_certificate_that_nobody_trusts_is_no_outage(monkeypatch: pytest.MonkeyPatch, model: str):
    with untrusted() as port:
        url = f"https://127.0.0.1:{port}/v1"
        at(monkeypatch, url)
        env = {"ARGOTUNE_TASK_MODEL": model, "ARGOTUNE_TASK_KEY": KEY, "LM_STUDIO_API_BASE": url}
        checks, code = found(monkeypatch, **env)
    assert code == 2
    assert "certificate is not trusted" in checks["task lm"].detail
    assert "SSL_CERT_FILE" in checks["task lm"].detail
