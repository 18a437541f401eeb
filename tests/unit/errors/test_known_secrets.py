"""No secret that the process was given leaves it: not in errors, logs, results, files, records or tracebacks."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from factories import NOON
from hypothesis import example, given
from hypothesis import strategies as st

from argotune.cli.files import write_text
from argotune.cli.streams import prepare_streams
from argotune.errors import ArgotuneError, BadAnswer, ConfigInvalid, Conflict, Unavailable
from argotune.errors.known_secrets import forget_all, masked, masked_data, remember
from argotune.logs import json_line
from argotune.settings import read_settings
from argotune.store.sealing import seal, tag_of, unseal

CANARY = 'Canary-7"ä/§&x'


@pytest.mark.parametrize(
    ("variable", "value", "secrets"),
    [
        ("ARGOTUNE_TASK_KEY", CANARY, [CANARY]),
        ("ROUTER_OPTIMIZER_TEACHER_KEY", CANARY, [CANARY]),
        ("ANNOTATION_API_KEY", CANARY, [CANARY]),
        ("PHOENIX_API_KEY", CANARY, [CANARY]),
        ("ARGOTUNE_VESPA_TOKEN", CANARY, [CANARY]),
        ("CONFIG_STORE_URL", "redis://me:canary%2F77@host", ["canary%2F77", "canary/77", "bWU6Y2FuYXJ5Lzc3"]),
        ("CONFIG_STORE_URL", "sqlite://me:canary77@x", ["canary77"]),
        ("PHOENIX_ENDPOINT", "http://me:canary%2F77@host", ["canary%2F77", "canary/77"]),
        ("VESPA_URL", "https://me:canary77@host", ["canary77"]),
        ("ARGOTUNE_PHOENIX_URL", "https://me:canary77@host", ["canary77"]),
        ("ARGOTUNE_ARGO_URL", "https://me:canary77@host", ["canary77"]),
        ("HTTPS_PROXY", "http://me:canary77@proxy", ["canary77"]),
        ("OPENAI_API_KEY", CANARY, [CANARY]),
        ("AWS_SECRET_ACCESS_KEY", CANARY, [CANARY]),
        ("HF_TOKEN", CANARY, [CANARY]),
        ("SOME_DB_PASSWORD", CANARY, [CANARY]),
    ],
)
def test_every_secret_of_settings_and_environment_is_known(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, secrets: list[str]
):
    monkeypatch.setenv(variable, value)
    read_settings()
    for secret in secrets:
        for text in (secret, json.dumps({"said": f"<{secret}>"}), f"Bearer {secret}", repr([secret])):
            assert secret not in masked(text)
            assert json.dumps(secret)[1:-1] not in masked(text)
    assert masked("an everyday sentence about path /tls/key.pem") == "an everyday sentence about path /tls/key.pem"


@pytest.mark.parametrize("url", ["http://me:canary/77@host", "http://me:canary77@"])
def test_a_password_in_a_url_that_is_refused_is_known_all_the_same(url: str):
    with pytest.raises(ConfigInvalid, match="PHOENIX_ENDPOINT") as told:
        read_settings(phoenix_endpoint=url)
    assert "canary" not in str(told.value)
    assert "77" not in masked(f"cannot use {url.partition('//')[2]}")


def test_a_variable_that_names_a_file_or_a_word_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARGOTUNE_VESPA_KEY", "/tls/key.pem")
    monkeypatch.setenv("PARTITION_KEY", "tenant")
    read_settings()
    assert masked("tenant /tls/key.pem") == "tenant /tls/key.pem"


@pytest.mark.parametrize("kind", [ArgotuneError, ConfigInvalid, Unavailable, BadAnswer, Conflict])
def test_no_error_says_a_secret(kind: type[ArgotuneError]):
    remember(CANARY)
    assert str(kind(f"the server says: {CANARY}")) == "the server says: ***"


@pytest.mark.parametrize("url", ["sqlite://u:PW@x", "redis://:p/w@h:1", "http://a:b:c@d/e", "postgres+x://u:p@w@h"])
def test_a_login_in_a_url_is_hidden_though_nobody_knew_it(url: str):
    told = masked(f"{url!r} is not a store")
    assert told == f"'{url.partition('://')[0]}://***@{url.rpartition('@')[2]}' is not a store"


def leave_by_record() -> str:
    text = seal("note", {"said": [CANARY], "by": "me"})
    assert unseal("note", text) == {"said": ["***"], "by": "me"}
    assert tag_of(text)
    return text


def leave_by_line() -> str:
    return masked(json_line("error", f"got {CANARY}", NOON, {}, traceback=CANARY))


WAYS: dict[str, Callable[[], str]] = {"record": leave_by_record, "log line": leave_by_line}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_leaves_by_no_way(way: str):
    remember(CANARY)
    text = WAYS[way]()
    assert CANARY not in text
    assert json.dumps(CANARY)[1:-1] not in text
    assert "***" in text


def test_whoever_prints_or_logs_gets_no_secret_through(capsys: pytest.CaptureFixture[str], tmp_path):
    remember(CANARY)
    prepare_streams()
    print(f"a program of a user prints {CANARY}")
    print(f"a library warns of {CANARY}", file=sys.stderr)
    logging.StreamHandler(sys.stderr).emit(logging.LogRecord("x", 40, "", 1, "told %s", (CANARY,), None))
    write_text(str(tmp_path / "report.json"), json.dumps({"said": CANARY}))
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert (out.count("***"), err.count("***")) == (1, 2)
    assert json.loads((tmp_path / "report.json").read_text()) == {"said": "***"}


def test_the_traceback_of_an_unforeseen_error_shows_none():
    code = (
        "from argotune.cli.streams import prepare_streams; from argotune.settings import read_settings\n"
        "prepare_streams(); read_settings(); raise ValueError('server says canary-of-a-key-77')"
    )
    for log_format in ("text", "json"):
        env = {"OPENAI_API_KEY": "canary-of-a-key-77", "ARGOTUNE_LOG_FORMAT": log_format, "PATH": "/usr/bin:/bin"}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "server says ***" in done.stderr
        assert "canary" not in done.stderr.replace("-c", "")


def test_a_password_that_is_an_everyday_word_harms_no_record_and_no_result():
    remember("routing")
    assert unseal("note", seal("note", {"module": "routing"})) == {"module": "routing"}
    assert masked_data('{"module": "routing"}') == '{"module": "routing"}'
    assert str(Unavailable("WRONGPASS routing")) == "WRONGPASS ***"


NO_STAR = st.characters(exclude_characters="*")


@example("00000000", "\x00")  # as JSON spells the zero character
@example("12345678", "")  # as JSON spells the number
@given(st.text(NO_STAR, min_size=8, max_size=40), st.text(NO_STAR, max_size=60))
def test_masking_hides_any_secret_in_any_text_and_in_any_record(secret: str, around: str):
    forget_all()
    remember(secret)
    assert secret not in masked(f"{around}{secret}{around}")
    body = {"said": f"{around}{secret}", "count": 12345678}
    found = unseal("note", seal("note", body))
    assert found["count"] == 12345678
    if not (secret.isalpha() and secret.islower()):
        assert secret not in found["said"]
