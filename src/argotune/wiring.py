"""Wiring: Settings -> ports. The only importer of adapters, each when it is needed."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from argotune.data.bound_sources import BoundSources
from argotune.data.project_survey import ProjectSurvey
from argotune.data.source import TraceSink, TraceSource
from argotune.errors import ConfigInvalid
from argotune.lm.names import Defaults, Keys, annotator_of_key
from argotune.lm.port import LMSource
from argotune.pipeline.ports import Ports, Progress, silent
from argotune.runs.service_figures import WatchedService
from argotune.runs.tracker import Tracker
from argotune.scheduling.chores import Backoff, Periods, ServiceRules
from argotune.scheduling.runner import WorkflowRunner
from argotune.scheduling.workflow import TEMPLATE
from argotune.settings import Settings
from argotune.store.port import Store
from argotune.synthetic.source import ContentSource
from argotune.tenants.binding import SourceName
from argotune.tenants.config import RoutingConfigUnified

if TYPE_CHECKING:
    from argotune.adapters.mlflow.connection import MlflowHttp
    from argotune.adapters.phoenix.connection import PhoenixHttp
    from argotune.adapters.phoenix.traces import PhoenixTraces
    from argotune.adapters.prometheus import MetricsServer
    from argotune.pipeline.operations.checkup import Installation
    from argotune.programs.embedder import Embedder, Embedders, SentenceEmbedder


def open_store(settings: Settings) -> Store:
    """The store that CONFIG_STORE_URL names. Raises ConfigInvalid for a URL that names none."""
    scheme = settings.store_url.partition(":")[0]
    if scheme == "sqlite":
        from argotune.adapters.sqlite import SQLiteStore

        return SQLiteStore.from_url(settings.store_url)
    if scheme in ("redis", "rediss", "redis+cluster", "rediss+cluster"):
        from argotune.adapters.redis import RedisStore

        return RedisStore.from_url(settings.store_url)
    if settings.store_url == "memory://":
        from argotune.adapters.memory.store import MemoryStore

        return MemoryStore()
    shown = f"{scheme[:20]}://..." if "://" in settings.store_url else "a text without ://"  # never its password
    known = "sqlite:///FILE, redis://, rediss://, redis+cluster://, rediss+cluster:// and memory://"
    raise ConfigInvalid(f"CONFIG_STORE_URL: {shown} names no store; there are {known}")


def open_sink(settings: Settings) -> TraceSink:
    """Where the demo's application writes its traces: the same Phoenix."""
    return _phoenix_traces(settings)


def open_traces(settings: Settings) -> TraceSource:
    """Where tenants' traces are: where the settings say, and where a tenant's config binds them to."""
    openers: dict[SourceName, Callable[[], TraceSource]] = {
        "phoenix": lambda: _phoenix_traces(settings),
        "mlflow": lambda: _mlflow_traces(settings),
    }
    return BoundSources(settings.source_of_traces, openers)


def open_survey(settings: Settings, source: SourceName) -> ProjectSurvey:
    """What is in a project of one product. Raises ConfigInvalid where no server of it is named."""
    if source == "mlflow":
        from argotune.adapters.mlflow.survey import MlflowSurvey

        return MlflowSurvey(_mlflow_http(settings))
    from argotune.adapters.phoenix.survey import PhoenixSurvey

    return PhoenixSurvey(_phoenix_http(settings))


def _phoenix_traces(settings: Settings) -> PhoenixTraces:
    from argotune.adapters.phoenix.traces import PhoenixTraces

    return PhoenixTraces(_phoenix_http(settings), settings.phoenix_project_prefix)


def open_tracker(settings: Settings) -> Tracker:
    """Where people look at results: datasets and experiments of Phoenix, or runs of MLflow."""
    if settings.place_of_results == "mlflow":
        from argotune.adapters.mlflow.tracker import MlflowTracker

        return MlflowTracker(_mlflow_http(settings), settings.phoenix_project_prefix, settings.mlflow_url)
    from argotune.adapters.phoenix.tracker import PhoenixTracker

    return PhoenixTracker(_phoenix_http(settings), settings.phoenix_project_prefix, settings.phoenix_url)


def _phoenix_http(settings: Settings) -> PhoenixHttp:
    from argotune.adapters.phoenix.connection import PhoenixHttp

    return PhoenixHttp(settings.phoenix_endpoint, _secret(settings.phoenix_api_key), settings.phoenix_timeout_s)


def _mlflow_traces(settings: Settings) -> TraceSource:
    from argotune.adapters.mlflow.traces import MlflowTraces

    overlap = timedelta(seconds=settings.mlflow_overlap_s)
    return MlflowTraces(_mlflow_http(settings), settings.phoenix_project_prefix, overlap, utc_now)


def _mlflow_http(settings: Settings) -> MlflowHttp:
    """Raises ConfigInvalid where no server is named."""
    from argotune.adapters.mlflow.connection import Credentials, MlflowHttp

    if settings.mlflow_uri is None:
        raise ConfigInvalid("MLFLOW_TRACKING_URI names no MLflow server, and something is to be there")
    password, token = _secret(settings.mlflow_password), _secret(settings.mlflow_token)
    credentials = Credentials(settings.mlflow_username, password, token)
    return MlflowHttp(settings.mlflow_uri, credentials, settings.mlflow_timeout_s)


@contextmanager
def phoenix_server(python: Path, folder: Path, port: int, progress: Progress = silent) -> Iterator[str]:
    """A local Phoenix for the demo and the tests, stopped at the end; yields its URL."""
    from argotune.adapters.phoenix.server import PhoenixServer

    server = PhoenixServer(python, folder, port)
    server.start(lambda seconds: progress("starting Phoenix", int(seconds), 0))
    try:
        yield server.url
    finally:
        server.stop()


def open_runner(settings: Settings, template: str = TEMPLATE) -> WorkflowRunner:
    """Argo in the settings' namespace. Raises ConfigInvalid without the extra `kubernetes`."""
    try:
        from argotune.adapters.argo import ArgoRunner
    except ModuleNotFoundError as error:
        raise ConfigInvalid("the client for Kubernetes is missing: pip install 'argotune[kubernetes]'") from error

    return ArgoRunner.from_environment(settings.namespace, template)


def open_exporter(settings: Settings, address: str, port: int, service: WatchedService | None = None) -> MetricsServer:
    """/metrics of the store, and of a service that runs in this process, not yet served. Raises ConfigInvalid without
    the extra `exporter` or for a port in use."""
    try:
        from argotune.adapters.prometheus import MetricsServer
    except ModuleNotFoundError as error:
        raise ConfigInvalid("the client for Prometheus is missing: pip install 'argotune[exporter]'") from error

    return MetricsServer(lambda: open_store(settings), utc_now, address, port, service)


def service_rules(settings: Settings) -> ServiceRules:
    """How often the continuous service does what, and how much at once. Raises ConfigInvalid."""
    return ServiceRules(
        periods=Periods(
            spans=timedelta(minutes=settings.service_spans_min),
            annotation=timedelta(minutes=settings.service_annotation_min),
            feedback=timedelta(minutes=settings.service_feedback_min),
            metrics=timedelta(minutes=settings.service_metrics_min),
        ),
        backoff=Backoff(
            timedelta(seconds=settings.service_backoff_s), timedelta(seconds=settings.service_backoff_longest_s)
        ),
        at_once=settings.service_at_once,
        looks_at_once=settings.service_looks_at_once,
        patience=timedelta(minutes=settings.service_patience_min),
    )


def open_lms(settings: Settings) -> LMSource:
    """The embedded LM under `local/`, and any LiteLLM name."""
    from argotune.adapters.litellm.lms import RemoteLMs
    from argotune.adapters.llama_cpp.lm import EmbeddedLMs
    from argotune.lm.named import NamedLMs

    named = lm_defaults(settings)
    openers = (EmbeddedLMs(settings.lm_weights, settings.lm_threads), RemoteLMs(named.keys))
    return NamedLMs(openers, named.task, named.teacher, utc_now, keys=named.keys)


def lm_defaults(settings: Settings) -> Defaults:
    """The models that the environment names, and its keys."""
    keys = Keys(task=_secret(settings.task_key), teacher=_secret(settings.teacher_key))
    return Defaults(settings.named_task_model, settings.teacher_model, keys)


def open_content(settings: Settings, store: Store) -> Callable[[RoutingConfigUnified], ContentSource]:
    """The content source that a tenant's config asks for. Raises ConfigInvalid when the installation has none such."""

    def opened(config: RoutingConfigUnified) -> ContentSource:
        if config.content == "vespa":
            return open_vespa(settings)
        if config.content == "file":
            return open_content_files(settings)
        from argotune.synthetic.trace_content import TraceContent

        return TraceContent(store, config)

    return opened


def open_content_files(settings: Settings) -> ContentSource:
    """The folder at ARGOTUNE_CONTENT_DIR. Raises ConfigInvalid where none is named."""
    from argotune.adapters.files import FileContent

    if settings.content_dir is None:
        raise ConfigInvalid("content: file: this installation has no ARGOTUNE_CONTENT_DIR")
    return FileContent(settings.content_dir)


def open_vespa(settings: Settings) -> ContentSource:
    """The Vespa application at VESPA_URL. Raises ConfigInvalid without a URL or the extra `vespa`."""
    if settings.vespa_url is None:
        raise ConfigInvalid("content: vespa: this installation has no VESPA_URL")
    try:
        from argotune.adapters.vespa import VespaAccess, VespaContent
    except ModuleNotFoundError as error:
        raise ConfigInvalid("the client for Vespa is missing: pip install 'argotune[vespa]'") from error

    for variable, file in (("ARGOTUNE_VESPA_CERT", settings.vespa_cert), ("ARGOTUNE_VESPA_KEY", settings.vespa_key)):
        if file and not file.is_file():
            raise ConfigInvalid(f"{variable}: no file {str(file)!r}")
    if settings.vespa_key and not settings.vespa_cert:
        raise ConfigInvalid("ARGOTUNE_VESPA_KEY is the key of a certificate: ARGOTUNE_VESPA_CERT names none")
    access = VespaAccess(
        url=settings.vespa_url,
        token=_secret(settings.vespa_token),
        certificate=settings.vespa_cert,
        key=settings.vespa_key,
        timeout_s=settings.vespa_timeout_s,
    )
    return VespaContent(access, settings.vespa_layout)


def open_annotator_lms(settings: Settings) -> LMSource:
    """The LM that labels: a writer with a key of its own. Opening raises ConfigInvalid where it is off."""
    from argotune.adapters.litellm.lms import RemoteLMs
    from argotune.adapters.llama_cpp.lm import EmbeddedLMs
    from argotune.lm.named import AnnotatorLMs

    key = _secret(settings.annotation_key)
    openers = (
        EmbeddedLMs(settings.lm_weights, settings.lm_threads),
        RemoteLMs(Keys(task=key, task_variable="ANNOTATION_API_KEY")),
    )
    model = settings.annotation_model or (annotator_of_key(key, settings.task_model) if key else None)
    return AnnotatorLMs(openers, model, key is not None, utc_now)


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value else None


def open_embedders(settings: Settings) -> Embedders:
    """Embedders by name, each opened when it is first asked for; the same ones for the whole process."""
    return _embedders(settings.embedder, settings.embedder_dir, _secret(settings.embedder_key))


@functools.cache
def _embedders(own: str, models: Path | None, key: str | None) -> Embedders:
    from argotune.programs.embedder import Embedders

    opened: dict[str, Callable[[str], SentenceEmbedder]] = {
        "use-multilingual": lambda _name: _shipped_embedder(),
        "onnx:": lambda name: _onnx_embedder(name, own, models),
        "static:": lambda name: _static_embedder(name, own, models),
        "litellm:": lambda name: _remote_embedder(name, own, key),
    }
    return Embedders({"tfidf": _tfidf_embedder}, opened, own)


def _tfidf_embedder() -> Embedder:
    from argotune.adapters.tfidf import TfidfEmbedder

    return TfidfEmbedder()


def _shipped_embedder() -> SentenceEmbedder:
    from argotune.adapters.universal_sentence_encoder import UniversalSentenceEncoder

    return UniversalSentenceEncoder()


def _onnx_embedder(name: str, own: str, models: Path | None) -> SentenceEmbedder:
    from argotune.adapters.model_files import folder_of

    folder = folder_of(name, own, models)
    try:
        from argotune.adapters.onnx import OnnxSentences
    except ModuleNotFoundError as error:
        raise ConfigInvalid(f"embedder: {name[:80]!r} needs ONNX: pip install 'argotune[onnx]'") from error

    return OnnxSentences(name, folder)


def _static_embedder(name: str, own: str, models: Path | None) -> SentenceEmbedder:
    from argotune.adapters.model_files import folder_of

    folder = folder_of(name, own, models)
    try:
        from argotune.adapters.static_vectors import StaticVectors
    except ModuleNotFoundError as error:
        raise ConfigInvalid(f"embedder: {name[:80]!r} needs safetensors: pip install 'argotune[onnx]'") from error

    return StaticVectors(name, folder)


def _remote_embedder(name: str, own: str, key: str | None) -> SentenceEmbedder:
    """The installation's key goes to the model that the installation names, and to no other."""
    from argotune.adapters.litellm.embedder import RemoteSentences

    if name == own:
        return RemoteSentences(name, key, "ARGOTUNE_EMBEDDER_KEY" if key else "ARGOTUNE_EMBEDDER_KEY (not set)")
    return RemoteSentences(name, None, "the variable of its provider's key")


def open_ports(settings: Settings, progress: Progress = silent, store: Store | None = None) -> Ports:
    """Everything a run needs."""
    store = store or open_store(settings)
    return Ports(
        store=store,
        traces=open_traces(settings),
        tracker=open_tracker(settings),
        lms=open_lms(settings),
        embedders=functools.partial(open_embedders, settings),
        content=open_content(settings, store),
        clock=utc_now,
        new_id=new_id,
        progress=progress,
        lease_s=settings.lease_s,
        annotator=open_annotator_lms(settings),
    )


def installation_of(settings: Settings) -> Installation:
    """What `argotune doctor` tries, nothing of it opened yet."""
    from argotune.pipeline.operations.checkup import Installation

    content: dict[str, Callable[[], ContentSource]] = {}
    if settings.vespa_url:
        content["vespa"] = lambda: open_vespa(settings)
    if settings.content_dir:
        content["content files"] = lambda: open_content_files(settings)
    return Installation(
        settings=settings,
        defaults=lm_defaults(settings),
        store=lambda: open_store(settings),
        products=_products(settings),
        lms=lambda: open_lms(settings),
        annotator=lambda: open_annotator_lms(settings),
        embedders=lambda: open_embedders(settings),
        content=content,
    )


def _products(settings: Settings) -> dict[str, Callable[[], str]]:
    """What tells version and address of each product in which there can be traces or results."""
    return {
        "phoenix": lambda: f"version {_phoenix_http(settings).version()} at {settings.phoenix_endpoint}",
        "mlflow": lambda: f"version {_mlflow_http(settings).version()} at {settings.mlflow_uri}",
    }


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def new_id() -> str:
    """A fresh id that sorts by time: 20261121T121500-1f3c9a."""
    return f"{utc_now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
