"""Settings: every knob of an installation, and the only reader of the environment.

What differs between tenants is in their RoutingConfigUnified instead (tenants/config.py).
"""

from __future__ import annotations

import functools
import json
import os
import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from argotune.errors import ConfigInvalid, first_problem
from argotune.errors.known_secrets import remember, remember_environment, remember_login
from argotune.errors.lines import one_line, told
from argotune.hosts import ASKED, has_address

ContentField = Literal["modality", "title", "text", "agent"]
"""What is read of a document beside its id."""

_HTTP = ("http://", "https://")

TraceProduct = Literal["phoenix", "mlflow"]
"""Where traces are, and where people look at results."""

VespaName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
"""Names are parts of a query's text, so nothing else can be one."""


class VespaLayout(BaseModel):
    """Where a Vespa application keeps what. `fields` maps modality, title, text and agent to its own names.

    With a `namespace` (it must name `{tenant}`, which is percent-encoded), tenants are told apart by namespace and
    documents are visited; without one `tenant_field` must hold the tenant's id exactly, and documents are searched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schemas: tuple[VespaName, ...] = Field(("content",), min_length=1)
    cluster: VespaName = "content"
    tenant_field: VespaName = "tenant_id"
    namespace: str = Field("", pattern=r"^$|^[^:/]*\{tenant\}[^:/]*$")
    fields: dict[ContentField, VespaName] = Field(default_factory=dict)


def default_store_url() -> str:
    """A SQLite file in the user's folder for data, the same in whatever folder a command is given."""
    return f"sqlite:///{platformdirs.user_data_path('argotune', appauthor=False) / 'argotune.db'}"


class Settings(BaseSettings):
    """Read from the environment; the names are in the validation aliases, and no other name is read."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    store_url: str = Field(default_factory=default_store_url, validation_alias="CONFIG_STORE_URL")
    phoenix_endpoint: str = Field("http://localhost:6006", validation_alias="PHOENIX_ENDPOINT", pattern="^https?://")
    phoenix_project_prefix: str = Field("cogniverse", validation_alias="PHOENIX_PROJECT_PREFIX", min_length=1)
    phoenix_api_key: SecretStr | None = Field(None, validation_alias="PHOENIX_API_KEY")
    phoenix_timeout_s: FiniteFloat = Field(30.0, validation_alias="ARGOTUNE_PHOENIX_TIMEOUT_SECONDS", gt=0)
    mlflow_uri: str | None = Field(None, validation_alias="MLFLOW_TRACKING_URI")
    mlflow_username: str | None = Field(None, validation_alias="MLFLOW_TRACKING_USERNAME")
    mlflow_password: SecretStr | None = Field(None, validation_alias="MLFLOW_TRACKING_PASSWORD")
    mlflow_token: SecretStr | None = Field(None, validation_alias="MLFLOW_TRACKING_TOKEN")
    mlflow_timeout_s: FiniteFloat = Field(30.0, validation_alias="ARGOTUNE_MLFLOW_TIMEOUT_SECONDS", gt=0)
    mlflow_overlap_s: FiniteFloat = Field(3600.0, validation_alias="ARGOTUNE_MLFLOW_OVERLAP_SECONDS", ge=0)
    trace_source: TraceProduct | None = Field(None, validation_alias="ARGOTUNE_TRACE_SOURCE")
    tracker: TraceProduct | None = Field(None, validation_alias="ARGOTUNE_TRACKER")
    task_model: str = Field("local/smollm2", validation_alias="ARGOTUNE_TASK_MODEL", min_length=1)
    task_key: SecretStr | None = Field(None, validation_alias="ARGOTUNE_TASK_KEY")
    teacher_model: str | None = Field(None, validation_alias="ARGOTUNE_TEACHER_MODEL")
    teacher_key: SecretStr | None = Field(None, validation_alias="ROUTER_OPTIMIZER_TEACHER_KEY")
    annotation_model: str | None = Field(None, validation_alias="ARGOTUNE_ANNOTATION_MODEL")
    annotation_key: SecretStr | None = Field(None, validation_alias="ANNOTATION_API_KEY")
    lm_weights: Path | None = Field(None, validation_alias="ARGOTUNE_LM_WEIGHTS")
    lm_threads: int = Field(2, validation_alias="ARGOTUNE_LM_THREADS", ge=1, le=256)
    embedder: str = Field("use-multilingual", validation_alias="ARGOTUNE_EMBEDDER", min_length=1)
    embedder_dir: Path | None = Field(None, validation_alias="ARGOTUNE_EMBEDDER_DIR")
    embedder_key: SecretStr | None = Field(None, validation_alias="ARGOTUNE_EMBEDDER_KEY")
    content_dir: Path | None = Field(None, validation_alias="ARGOTUNE_CONTENT_DIR")
    vespa_url: str | None = Field(None, validation_alias="VESPA_URL", pattern="^https?://")
    vespa_token: SecretStr | None = Field(None, validation_alias="ARGOTUNE_VESPA_TOKEN")
    vespa_cert: Path | None = Field(None, validation_alias="ARGOTUNE_VESPA_CERT")
    vespa_key: Path | None = Field(None, validation_alias="ARGOTUNE_VESPA_KEY")
    vespa_timeout_s: FiniteFloat = Field(30.0, validation_alias="ARGOTUNE_VESPA_TIMEOUT_SECONDS", gt=0)
    vespa_layout: Annotated[VespaLayout, NoDecode] = Field(
        default_factory=VespaLayout, validation_alias="ARGOTUNE_VESPA_LAYOUT"
    )
    lease_s: FiniteFloat = Field(30.0, validation_alias="ARGOTUNE_LEASE_SECONDS", gt=0)
    service_at_once: int = Field(4, validation_alias="ARGOTUNE_SERVICE_TENANTS_AT_ONCE", ge=1, le=256)
    service_looks_at_once: int = Field(4, validation_alias="ARGOTUNE_SERVICE_LOOKS_AT_ONCE", ge=1, le=256)
    service_spans_min: FiniteFloat = Field(15.0, validation_alias="ARGOTUNE_SERVICE_SPANS_MINUTES", gt=0, le=527040)
    service_annotation_min: FiniteFloat = Field(
        30.0, validation_alias="ARGOTUNE_SERVICE_ANNOTATION_MINUTES", gt=0, le=527040
    )
    service_feedback_min: FiniteFloat = Field(
        15.0, validation_alias="ARGOTUNE_SERVICE_FEEDBACK_MINUTES", gt=0, le=527040
    )
    service_metrics_min: FiniteFloat = Field(5.0, validation_alias="ARGOTUNE_SERVICE_METRICS_MINUTES", gt=0, le=527040)
    service_backoff_s: FiniteFloat = Field(60.0, validation_alias="ARGOTUNE_SERVICE_BACKOFF_SECONDS", gt=0, le=31622400)
    service_backoff_longest_s: FiniteFloat = Field(
        3600.0, validation_alias="ARGOTUNE_SERVICE_BACKOFF_LONGEST_SECONDS", gt=0, le=31622400
    )
    service_patience_min: FiniteFloat = Field(
        10.0, validation_alias="ARGOTUNE_SERVICE_PATIENCE_MINUTES", gt=0, le=527040
    )
    log_format: Literal["text", "json"] = Field("text", validation_alias="ARGOTUNE_LOG_FORMAT")

    namespace: str = Field(
        "cogniverse", validation_alias="KUBERNETES_NAMESPACE", pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
    )
    argo_url: str | None = Field(None, validation_alias="ARGOTUNE_ARGO_URL", pattern="^https?://")
    phoenix_url: str | None = Field(None, validation_alias="ARGOTUNE_PHOENIX_URL", pattern="^https?://")
    mlflow_url: str | None = Field(None, validation_alias="ARGOTUNE_MLFLOW_URL", pattern="^https?://")

    @field_validator(
        "argo_url",
        "phoenix_url",
        "phoenix_api_key",
        "mlflow_uri",
        "mlflow_username",
        "mlflow_password",
        "mlflow_token",
        "mlflow_url",
        "trace_source",
        "tracker",
        "task_key",
        "teacher_model",
        "teacher_key",
        "annotation_model",
        "annotation_key",
        "lm_weights",
        "embedder_dir",
        "embedder_key",
        "content_dir",
        "vespa_url",
        "vespa_token",
        "vespa_cert",
        "vespa_key",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        """Manifests pass optional variables as empty texts when nobody set them."""
        return None if value == "" else value

    @field_validator("phoenix_endpoint", "vespa_url", "argo_url", "phoenix_url", "mlflow_url", "mlflow_uri")
    @classmethod
    def _has_host(cls, value: str | None) -> str | None:
        """MLflow's own variable may name a file, which is meant for others."""
        try:
            is_address = value is None or not value.startswith(_HTTP) or has_address(urlsplit(value))
        except ValueError:  # its message may hold a part of the password
            is_address = False
        if is_address:
            return value
        raise ValueError(f"no URL with {ASKED}, or a password in it is not percent-encoded")

    @property
    def source_of_traces(self) -> TraceProduct:
        """Where the traces of tenants are that no binding says otherwise of."""
        return self.trace_source or self._only_product

    @property
    def place_of_results(self) -> TraceProduct:
        """Where people look at results."""
        return self.tracker or self._only_product

    @property
    def _only_product(self) -> TraceProduct:
        """MLflow where a server of it is named and no Phoenix is."""
        is_server = self.mlflow_uri is not None and self.mlflow_uri.startswith(_HTTP)
        return "mlflow" if is_server and "phoenix_endpoint" not in self.model_fields_set else "phoenix"

    @property
    def named_task_model(self) -> str | None:
        """The task model that somebody named: where nobody did, a key's provider goes before the default."""
        return self.task_model if "task_model" in self.model_fields_set else None

    @field_validator("vespa_layout", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def read_settings(**overrides: Any) -> Settings:
    """The settings of this process; an override (a field's name, not None) goes before the environment.

    Raises ConfigInvalid that names the variable and the value, unless a password may be in the value.
    """
    remember_environment(os.environ)
    remember_environment({name: value for name, value in overrides.items() if isinstance(value, str)})
    names = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
    try:
        found = Settings(**{names[name]: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise ConfigInvalid(_problem(error)) from None
    _remember(found)
    return found


def _remember(settings: Settings) -> None:
    for value in settings.__dict__.values():
        if isinstance(value, SecretStr):
            remember(value.get_secret_value())
        elif isinstance(value, str) and "://" in value:
            remember_login(value)


def _problem(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    if "@" in str(detail["input"]):
        return f"{detail['loc'][0]}: {detail['msg']} (the value is not shown: it may hold a password)"
    return first_problem(error)


def misread_variable(error: BaseException) -> str | None:
    """What a library refused of the environment while it was imported, with the variable's name where its value is in
    the message; None for any other error."""
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    loaded = [Path(code.co_filename).parts for code in codes if code.co_name == "<module>"]
    is_of_import = any(map(_is_of_a_library, loaded))
    if not is_of_import or not isinstance(error, ValueError | TypeError | AttributeError | OSError):
        return None
    text = one_line(str(error))
    words = set(re.findall(r"[\w./:+-]+", text.lower()))
    names = sorted(name for name, value in os.environ.items() if value.strip().lower() in words)
    return told(f"{' or '.join(names) or 'a variable'}: a library cannot be loaded with it: {text}", 400)


def _is_of_a_library(parts: Sequence[str]) -> bool:
    """Whether a file, by the parts of its path, is another package's than ours."""
    return "site-packages" in parts and parts[parts.index("site-packages") + 1] != "argotune"


def wants_json_logs() -> bool:
    """Whether ARGOTUNE_LOG_FORMAT says `json`; known when another variable is wrong too, whose error is told so."""
    return os.environ.get("ARGOTUNE_LOG_FORMAT") == "json"


@functools.cache
def environment_names() -> tuple[str, ...]:
    """Every environment variable that is read, sorted."""
    return tuple(sorted(str(field.validation_alias) for field in Settings.model_fields.values()))
