"""Settings and wiring: every variable is read, a wrong one is named, and no message repeats a secret."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from argotune import wiring
from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.cli import main
from argotune.errors import ConfigInvalid
from argotune.settings import Settings, VespaLayout, environment_names, misread_variable, read_settings
from argotune.tenants.config import RoutingConfigUnified, parse_config

OPERATE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| `([A-Z_]+)` \| ?(.*?) ?\|", OPERATE, re.MULTILINE))

READ = [
    ("CONFIG_STORE_URL", "memory://", "store_url", "memory://"),
    ("PHOENIX_ENDPOINT", "https://phoenix.example", "phoenix_endpoint", "https://phoenix.example"),
    ("PHOENIX_PROJECT_PREFIX", "shop", "phoenix_project_prefix", "shop"),
    ("PHOENIX_API_KEY", "hunter2", "phoenix_api_key", "hunter2"),
    ("ARGOTUNE_PHOENIX_TIMEOUT_SECONDS", "2.5", "phoenix_timeout_s", 2.5),
    ("MLFLOW_TRACKING_URI", "https://mlflow.example", "mlflow_uri", "https://mlflow.example"),
    ("MLFLOW_TRACKING_USERNAME", "kim", "mlflow_username", "kim"),
    ("MLFLOW_TRACKING_PASSWORD", "hunter2", "mlflow_password", "hunter2"),
    ("MLFLOW_TRACKING_TOKEN", "hunter2", "mlflow_token", "hunter2"),
    ("ARGOTUNE_MLFLOW_TIMEOUT_SECONDS", "2.5", "mlflow_timeout_s", 2.5),
    ("ARGOTUNE_MLFLOW_OVERLAP_SECONDS", "0", "mlflow_overlap_s", 0.0),
    ("ARGOTUNE_TRACE_SOURCE", "mlflow", "trace_source", "mlflow"),
    ("ARGOTUNE_TRACKER", "mlflow", "tracker", "mlflow"),
    ("ARGOTUNE_TASK_MODEL", "openai/gpt-4o-mini", "task_model", "openai/gpt-4o-mini"),
    ("ARGOTUNE_TASK_KEY", "hunter2", "task_key", "hunter2"),
    ("ARGOTUNE_TEACHER_MODEL", "openai/gpt-4o", "teacher_model", "openai/gpt-4o"),
    ("ROUTER_OPTIMIZER_TEACHER_KEY", "hunter2", "teacher_key", "hunter2"),
    ("ARGOTUNE_ANNOTATION_MODEL", "anthropic/claude", "annotation_model", "anthropic/claude"),
    ("ANNOTATION_API_KEY", "hunter2", "annotation_key", "hunter2"),
    ("ARGOTUNE_LM_WEIGHTS", "/models/x.gguf", "lm_weights", Path("/models/x.gguf")),
    ("ARGOTUNE_LM_THREADS", "8", "lm_threads", 8),
    ("ARGOTUNE_EMBEDDER", "onnx:e5", "embedder", "onnx:e5"),
    ("ARGOTUNE_EMBEDDER_DIR", "/models", "embedder_dir", Path("/models")),
    ("ARGOTUNE_EMBEDDER_KEY", "hunter2", "embedder_key", "hunter2"),
    ("ARGOTUNE_CONTENT_DIR", "/content", "content_dir", Path("/content")),
    ("VESPA_URL", "https://vespa.example", "vespa_url", "https://vespa.example"),
    ("ARGOTUNE_VESPA_TOKEN", "hunter2", "vespa_token", "hunter2"),
    ("ARGOTUNE_VESPA_CERT", "/tls/cert.pem", "vespa_cert", Path("/tls/cert.pem")),
    ("ARGOTUNE_VESPA_KEY", "/tls/key.pem", "vespa_key", Path("/tls/key.pem")),
    ("ARGOTUNE_VESPA_LAYOUT", '{"schemas": ["scene"]}', "vespa_layout", VespaLayout(schemas=("scene",))),
    ("ARGOTUNE_VESPA_TIMEOUT_SECONDS", "2.5", "vespa_timeout_s", 2.5),
    ("ARGOTUNE_LEASE_SECONDS", "5", "lease_s", 5.0),
    ("ARGOTUNE_SERVICE_TENANTS_AT_ONCE", "2", "service_at_once", 2),
    ("ARGOTUNE_SERVICE_LOOKS_AT_ONCE", "2", "service_looks_at_once", 2),
    ("ARGOTUNE_SERVICE_SPANS_MINUTES", "5", "service_spans_min", 5.0),
    ("ARGOTUNE_SERVICE_ANNOTATION_MINUTES", "5", "service_annotation_min", 5.0),
    ("ARGOTUNE_SERVICE_FEEDBACK_MINUTES", "5", "service_feedback_min", 5.0),
    ("ARGOTUNE_SERVICE_METRICS_MINUTES", "1", "service_metrics_min", 1.0),
    ("ARGOTUNE_SERVICE_BACKOFF_SECONDS", "5", "service_backoff_s", 5.0),
    ("ARGOTUNE_SERVICE_BACKOFF_LONGEST_SECONDS", "7200", "service_backoff_longest_s", 7200.0),
    ("ARGOTUNE_SERVICE_PATIENCE_MINUTES", "5", "service_patience_min", 5.0),
    ("ARGOTUNE_LOG_FORMAT", "json", "log_format", "json"),
    ("KUBERNETES_NAMESPACE", "search", "namespace", "search"),
    ("ARGOTUNE_ARGO_URL", "https://argo.example", "argo_url", "https://argo.example"),
    ("ARGOTUNE_PHOENIX_URL", "https://phoenix.example", "phoenix_url", "https://phoenix.example"),
    ("ARGOTUNE_MLFLOW_URL", "https://mlflow.example", "mlflow_url", "https://mlflow.example"),
]
OPTIONAL = [
    "ARGOTUNE_ARGO_URL",
    "ARGOTUNE_PHOENIX_URL",
    "PHOENIX_API_KEY",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "ARGOTUNE_TRACE_SOURCE",
    "ARGOTUNE_TRACKER",
    "ARGOTUNE_MLFLOW_URL",
    "ARGOTUNE_TASK_KEY",
    "ARGOTUNE_TEACHER_MODEL",
    "ROUTER_OPTIMIZER_TEACHER_KEY",
    "ARGOTUNE_EMBEDDER_DIR",
    "ARGOTUNE_EMBEDDER_KEY",
    "ARGOTUNE_CONTENT_DIR",
    "VESPA_URL",
    "ARGOTUNE_VESPA_TOKEN",
    "ARGOTUNE_VESPA_CERT",
    "ARGOTUNE_VESPA_KEY",
    "ARGOTUNE_ANNOTATION_MODEL",
    "ANNOTATION_API_KEY",
]


pytestmark = pytest.mark.usefixtures("no_variables")


def value_of(settings: Settings, field: str) -> object:
    value = getattr(settings, field)
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_the_documented_variables_are_those_that_are_read():
    assert tuple(sorted(TABLE)) == environment_names() == tuple(sorted(name for name, *_ in READ))


@pytest.mark.parametrize(("variable", "field"), [(variable, field) for variable, _, field, _ in READ])
def test_the_documented_default_is_the_default(variable: str, field: str):
    value = value_of(read_settings(), field)
    is_empty = value is None or value == VespaLayout()
    shown = "" if is_empty else f"{value:g}" if isinstance(value, float) else str(value)
    shown = shown.replace(str(Path.home()), "~")
    assert TABLE[variable].strip("`") == shown


@pytest.mark.parametrize(("variable", "text", "field", "value"), READ)
def test_every_variable_is_read(variable: str, text: str, field: str, value: object, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, text)
    assert value_of(read_settings(), field) == value


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_no_other_variable_is_read(name: str, monkeypatch: pytest.MonkeyPatch):
    before = read_settings()
    if name.upper() not in environment_names():
        monkeypatch.setenv(name.upper(), "7")
    assert read_settings() == before


def test_a_flag_goes_before_the_environment_and_none_is_no_flag(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONFIG_STORE_URL", "sqlite:///env.db")
    assert read_settings(store_url="memory://").store_url == "memory://"
    assert read_settings(store_url=None).store_url == "sqlite:///env.db"


@pytest.mark.parametrize("variable", [*OPTIONAL, "ARGOTUNE_LM_WEIGHTS"])
def test_an_optional_variable_that_is_empty_is_as_if_unset(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "")
    assert read_settings() == Settings.model_construct()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PHOENIX_ENDPOINT", "phoenix:6006"),
        ("PHOENIX_ENDPOINT", ""),
        ("PHOENIX_PROJECT_PREFIX", ""),
        ("ARGOTUNE_TASK_MODEL", ""),
        ("ARGOTUNE_PHOENIX_TIMEOUT_SECONDS", "0"),
        ("ARGOTUNE_PHOENIX_TIMEOUT_SECONDS", "inf"),
        ("ARGOTUNE_LM_THREADS", "two"),
        ("ARGOTUNE_LM_THREADS", "0"),
        ("VESPA_URL", "vespa:8080"),
        ("ARGOTUNE_LEASE_SECONDS", "-1"),
        ("ARGOTUNE_SERVICE_TENANTS_AT_ONCE", "0"),
        ("ARGOTUNE_SERVICE_LOOKS_AT_ONCE", "0"),
        ("ARGOTUNE_SERVICE_SPANS_MINUTES", "0"),
        ("ARGOTUNE_SERVICE_ANNOTATION_MINUTES", "0"),
        ("ARGOTUNE_SERVICE_FEEDBACK_MINUTES", "0"),
        ("ARGOTUNE_SERVICE_METRICS_MINUTES", "0"),
        ("ARGOTUNE_SERVICE_BACKOFF_SECONDS", "0"),
        ("ARGOTUNE_SERVICE_BACKOFF_LONGEST_SECONDS", "0"),
        ("ARGOTUNE_SERVICE_PATIENCE_MINUTES", "0"),
        ("ARGOTUNE_LEASE_SECONDS", "nan"),
        ("ARGOTUNE_LEASE_SECONDS", "inf"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable_on_one_line(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigInvalid) as told:
        read_settings()
    assert str(told.value).startswith(f"{variable}: ")
    assert repr(text) in str(told.value)
    assert "\n" not in str(told.value)


NO_ADDRESSES = [
    "http://[bad", "http://", "http://localhost:99999", "http://localhost:0", "http://localhost:port", "http://a b/",
    "http://x y:80", "http://.:80", "http://a..b", f"http://{'a' * 64}.de", "http://xn--a", "http://300.1.1.1",
    "http://1.2.3.4.5:1", "http://a%00b", "http://h\u00e4%:1", "http://[::1", "http://[v1.x]:1",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_ADDRESSES)
@pytest.mark.parametrize("field", ["phoenix_endpoint", "vespa_url", "argo_url", "phoenix_url", "mlflow_uri"])
def test_what_can_be_no_address_is_a_wrong_setting_and_not_a_server_that_is_down(field: str, text: str):
    variable = str(Settings.model_fields[field].validation_alias)
    with pytest.raises(ConfigInvalid, match=f"^{variable}: ") as told:
        read_settings(**{field: text})
    assert repr(text) in str(told.value)
    with pytest.raises(ConfigInvalid, match=f"^{variable}: ") as told:
        read_settings(**{field: text.replace("http://", "http://kim:s3cret@")})
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    "text",
    ["http://localhost", "http://exa_mple:80", "http://[::1]:6006", "http://127.0.0.1", "http://m\u00fcnchen.example.",
     "https://kim:s3cret@phoenix.ns.svc.cluster.local:443/x?y#z", "http://[fe80::1%25eth0]:1"],
)  # fmt: skip
def test_every_kind_of_address_is_taken(text: str):
    assert read_settings(phoenix_endpoint=text, vespa_url=text).vespa_url == text


@pytest.mark.parametrize("place", ["/dev/null", "/dev/full", "FOLDER", "FILE", "FILE/x.db", "/proc/none/x.db"])
def test_a_store_that_can_be_none_is_a_wrong_setting(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").write_text("no database, and long enough to be taken for none of the kind")
    path = place.replace("FOLDER", str(tmp_path)).replace("FILE", str(tmp_path / "file"))
    assert main(["tenants", "list", "--store-url", f"sqlite:///{path}"]) == ConfigInvalid.exit_code
    told = capsys.readouterr().err
    assert "CONFIG_STORE_URL: " in told
    assert repr(path) in told


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", ": "),
        ("[]", ": "),
        ('{"schemas": ["a; drop"]}', ".schemas.0: "),
        ('{"tenant_field": "a or true"}', ".tenant_field: "),
        ('{"namespace": "everybody"}', ".namespace: "),
        ('{"namespace": "a/{tenant}"}', ".namespace: "),
        ('{"fields": {"colour": "red"}}', ".fields.colour"),
    ],
)
def test_a_wrong_layout_is_named_with_its_field(text: str, field: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARGOTUNE_VESPA_LAYOUT", text)
    with pytest.raises(ConfigInvalid) as told:
        read_settings()
    assert str(told.value).startswith(f"ARGOTUNE_VESPA_LAYOUT{field}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("endpoint", ["ftp://me:hunter2@host", "me:hunter2@host", "ftp://me:" + "x" * 90 + "hunter2@h"])
def test_an_endpoint_with_a_password_is_not_repeated(endpoint: str):
    with pytest.raises(ConfigInvalid, match=r"PHOENIX_ENDPOINT: .*not shown") as told:
        read_settings(phoenix_endpoint=endpoint)
    assert "hunter2" not in str(told.value)
    assert told.value.__cause__ is None


def test_secrets_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch):
    for name in OPTIONAL:
        monkeypatch.setenv(name, f"hunter2-{name}")
    for name in (
        "ARGOTUNE_TEACHER_MODEL", "ARGOTUNE_ANNOTATION_MODEL", "ARGOTUNE_ARGO_URL", "ARGOTUNE_PHOENIX_URL",
        "ARGOTUNE_CONTENT_DIR", "VESPA_URL", "ARGOTUNE_VESPA_CERT", "ARGOTUNE_VESPA_KEY", "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME", "ARGOTUNE_TRACE_SOURCE", "ARGOTUNE_TRACKER", "ARGOTUNE_MLFLOW_URL",
        "ARGOTUNE_EMBEDDER_DIR",
    ):  # fmt: skip
        monkeypatch.delenv(name)
    settings = read_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()}"


# Wiring


def test_memory_works():
    store = wiring.open_store(read_settings(store_url="memory://"))
    assert isinstance(store, MemoryStore)
    assert store.hold("acme_corp", "run/routing", "me", 1.0)


def test_a_sqlite_url_opens_its_file(tmp_path: Path):
    store = wiring.open_store(read_settings(store_url=f"sqlite:///{tmp_path}/a.db"))
    assert isinstance(store, SQLiteStore)
    store.close()
    assert (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:hunter2@db/argotune",
        "mysql+hunter2:pw@host",
        "hunter2@host",
        "hunter2",
        "",
        "://me:hunter2@host",
        "memory",
        "memory://hunter2",
        "SQLITE:///hunter2.db",
        "file:///hunter2",
    ],
)
def test_a_url_that_names_no_store_is_refused_without_its_password(url: str):
    with pytest.raises(ConfigInvalid, match=r"CONFIG_STORE_URL: .* names no store; there are sqlite:///FILE") as told:
        wiring.open_store(read_settings(store_url=url))
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:a.db", "sqlite:///:memory:", "redis://:x:y", "rediss://h:port"])
def test_a_url_that_names_half_a_store_is_refused(url: str):
    with pytest.raises(ConfigInvalid, match=r"^CONFIG_STORE_URL: "):
        wiring.open_store(read_settings(store_url=url))


def test_a_fresh_id_sorts_by_time_and_time_is_aware():
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", wiring.new_id())
    assert wiring.new_id() != wiring.new_id()
    assert wiring.utc_now().utcoffset() == timedelta(0)


def test_ports_take_the_store_they_are_given_and_the_lease_of_the_settings():
    store = MemoryStore()
    ports = wiring.open_ports(read_settings(lease_s=7.0), store=store)
    assert ports.store is store
    assert ports.lease_s == 7.0
    assert ports.embedders().neighbours() is not ports.embedders().neighbours()


@pytest.mark.parametrize(("content", "lacks"), [("file", "ARGOTUNE_CONTENT_DIR"), ("vespa", "VESPA_URL")])
def test_content_that_the_installation_does_not_have_is_named(content: str, lacks: str):
    opened = wiring.open_content(read_settings(), MemoryStore())
    with pytest.raises(ConfigInvalid, match=f"content: {content}: this installation has no {lacks}"):
        opened(RoutingConfigUnified(tenant_id="acme", content=content))


def test_each_kind_of_content_is_opened_without_a_connection(tmp_path: Path):
    settings = read_settings(content_dir=tmp_path, vespa_url="http://127.0.0.1:9")
    opened = wiring.open_content(settings, MemoryStore())
    kinds = [type(opened(RoutingConfigUnified(tenant_id="a", content=c))) for c in ("traces", "file", "vespa")]
    assert [kind.__name__ for kind in kinds] == ["TraceContent", "FileContent", "VespaContent"]


def test_no_config_of_a_tenant_names_a_file(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match="content"):
        parse_config({"tenant_id": "acme", "content": "file:/etc/passwd"})
    (tmp_path / "secret.jsonl").write_text('{"id": "1", "modality": "text", "text": "x"}')
    files = wiring.open_content_files(read_settings(content_dir=tmp_path / "content"))
    (tmp_path / "content").mkdir()
    assert files.count("../secret", ("text",)) == 0


def test_the_default_store_lies_in_the_users_folder_for_data_and_a_new_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("CONFIG_STORE_URL", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data/argotune/argotune.db"
    for is_new in (True, False):
        assert main(["tenants", "list"]) == 0
        assert (f"a new store: {path}" in capsys.readouterr().err) is is_new
        assert path.is_file()
    assert [found.name for found in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("folder", "is_library"),
    [
        ("/opt/argotune/.venv/lib/python3.13/site-packages/dspy", True),
        ("/app/lib/python3.11/site-packages/argotune", False),
        ("/opt/argotune/src/argotune", False),
    ],
)
def test_a_library_is_told_by_what_lies_in_site_packages_wherever_that_lies(folder: str, is_library: bool):
    code = compile("int('a-lot')", f"{folder}/__init__.py", "exec")
    with pytest.raises(ValueError, match="a-lot") as found:
        exec(code, {})
    assert (misread_variable(found.value) is not None) == is_library


@pytest.mark.parametrize(
    ("variables", "source", "tracker"),
    [
        ({}, "phoenix", "phoenix"),
        ({"MLFLOW_TRACKING_URI": "http://mlflow:5000"}, "mlflow", "mlflow"),
        ({"MLFLOW_TRACKING_URI": "http://mlflow:5000", "PHOENIX_ENDPOINT": "http://p:6006"}, "phoenix", "phoenix"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}, "phoenix", "phoenix"),
        ({"MLFLOW_TRACKING_URI": "http://mlflow:5000", "ARGOTUNE_TRACKER": "phoenix"}, "mlflow", "phoenix"),
        ({"PHOENIX_ENDPOINT": "http://p:6006", "ARGOTUNE_TRACE_SOURCE": "mlflow"}, "mlflow", "phoenix"),
    ],
)
def test_traces_and_results_are_in_the_one_product_that_is_named_or_where_it_is_said(
    variables: dict[str, str], source: str, tracker: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.source_of_traces, settings.place_of_results) == (source, tracker)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "MLFLOW_TRACKING_URI names no MLflow server"),
        ({"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}, "MLFLOW_TRACKING_URI: 'sqlite:///mlflow.db' is not an http"),
        ({"MLFLOW_TRACKING_URI": "http://m:1", "MLFLOW_TRACKING_USERNAME": "kim"}, "one is set without the other"),
    ],
)
def test_what_mlflow_lacks_is_told_where_results_are_to_be_there(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {**variables, "ARGOTUNE_TRACKER": "mlflow"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigInvalid, match=told):
        wiring.open_tracker(read_settings())
