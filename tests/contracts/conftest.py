"""Stores and trace sources that contracts are run on, private Redis servers, and what several suites share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from bad_server import BadServer, misbehaving
from mlflow_in_tests import MlflowInTests
from required import lacking

from argotune.adapters.memory.store import MemoryStore
from argotune.adapters.memory.traces import MemoryTraces
from argotune.adapters.phoenix.connection import PhoenixHttp
from argotune.adapters.phoenix.traces import PhoenixTraces
from argotune.adapters.redis import RedisStore
from argotune.adapters.sqlite import SQLiteStore
from argotune.data.annotations import Annotation, AnnotatorKind
from argotune.data.spans import Span
from argotune.scheduling.runner import WorkflowRunner
from argotune.store.port import Record, Store
from argotune.store.read_once import ReadOnce
from argotune.store.sealing import seal

PREFIX = "contract"
SpanMaker = Callable[..., Span]
NOW = datetime.now(UTC).replace(microsecond=123456)

PARAMETERS = ("tenant-id", "force", "modules", "optimizer", "max-lm-calls")
REDIS = [pytest.param(name, marks=pytest.mark.redis) for name in ("redis", "redis cluster", "redis with TLS")]


@dataclass(frozen=True)
class Certificates:
    """Files of an authority of our own, and of what it gave to a server on loopback and to a client."""

    authority: Path
    server: Path
    client: Path


class RedisServer:
    """A Redis of our own that keeps nothing. Starts and stops at the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._command = [redis_server_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._command += ["--dir", str(folder), "--appendonly", "no", "--loglevel", "warning", *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(lambda: self._process.poll() is not None or self._answers(), "Redis answers")
        assert self._process.poll() is None, f"redis-server ended with {self._process.returncode}"
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def call(self, *command: str | int) -> object:
        with closing(redis.Redis(port=self.port, decode_responses=True)) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(1) in (b"+", b"-")
        except OSError:
            return False


class TLSRedisServer(RedisServer):
    """Wants a certificate of its clients. The port without TLS is for the tests' own calls."""

    def __init__(self, folder: Path, files: Certificates) -> None:
        self.tls_port, self._files = free_port(), files
        own = ["--tls-cert-file", str(files.server), "--tls-key-file", str(files.server)]
        super().__init__(folder, "--tls-port", str(self.tls_port), "--tls-ca-cert-file", str(files.authority), *own)

    @property
    def url(self) -> str:
        own = f"ssl_certfile={self._files.client}&ssl_keyfile={self._files.client}"
        return f"rediss://127.0.0.1:{self.tls_port}/0?ssl_ca_certs={self._files.authority}&{own}"


def redis_server_program() -> str:
    program = shutil.which("redis-server")
    if program is None:
        lacking("redis-server is not on PATH: `apt-get install redis-server`")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so: Callable[[], bool], what: str, limit_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s: {what}"
        time.sleep(0.02)


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts a Redis that a test may stop, fill or lock."""
    with ExitStack() as stack:

        def start(*options: str) -> RedisServer:
            server = RedisServer(tmp_path, *options)
            stack.callback(server.stop)
            return server.start()

        yield start


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with ExitStack() as stack:
        stack.callback(server.stop)
        yield server.start()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    files = Certificates(folder / "authority.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(files.authority)
    for file, subject in ((files.server, "127.0.0.1"), (files.client, "argotune@example.org")):
        authority.issue_cert(subject).private_key_and_cert_chain_pem.write_to_path(file)
    return files


@pytest.fixture(scope="session")
def tls_redis(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[TLSRedisServer]:
    server = TLSRedisServer(tmp_path_factory.mktemp("tls"), certificates)
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    """Two servers that share the slots: keys of one script in different slots are refused, half of them redirected."""
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        nodes = []
        for number in (1, 2):
            options = ["--cluster-config-file", f"nodes-{number}.conf", "--cluster-port", str(free_port())]
            node = RedisServer(folder, "--cluster-enabled", "yes", *options)
            stack.callback(node.stop)
            nodes.append(node.start())
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number)
        nodes[0].call("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        nodes[1].call("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        bus_port = nodes[1].call("CONFIG GET", "cluster-port")["cluster-port"]
        nodes[0].call("CLUSTER", "MEET", "127.0.0.1", nodes[1].port, bus_port)
        wait_until(lambda: all(_sees_whole_cluster(node) for node in nodes), "the cluster is formed")
        yield nodes


def _sees_whole_cluster(node: RedisServer) -> bool:
    info = node.call("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_slots_ok"] == "16384"


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Opens an empty store by its name in this suite, and closes it at the end."""
    with ExitStack() as stack:

        def open_one(name: str) -> Store:
            if name == "memory":
                return MemoryStore()
            if name == "read once":
                return ReadOnce(MemoryStore(), "acme_corp", lambda _collection, _id: True)
            store: RedisStore | SQLiteStore
            if name == "sqlite":
                store = SQLiteStore(tmp_path / "store.db")
            else:
                store = RedisStore.from_url(_empty_redis(request, name))
            stack.callback(store.close)
            return store

        yield open_one


def _empty_redis(request: pytest.FixtureRequest, name: str) -> str:
    if name == "redis cluster":
        nodes = request.getfixturevalue("redis_cluster")
    else:
        nodes = [request.getfixturevalue("tls_redis" if name == "redis with TLS" else "redis_server")]
    for node in nodes:
        node.call("FLUSHALL")
    return nodes[0].url + ("?cluster=true" if name == "redis cluster" else "")


@pytest.fixture
def reading() -> list[Callable[[Store], object]]:
    """Every call that reads."""
    return [
        lambda store: store.read("acme_corp", "runs", "r1"),
        lambda store: list(store.scan("acme_corp", "runs")),
        lambda store: store.holder("acme_corp", "routing"),
    ]


@pytest.fixture
def writing() -> list[Callable[[Store], object]]:
    """Every call that changes something."""
    r1, r2 = (Record("runs", id, seal("made", 0)) for id in ("r1", "r2"))
    return [
        lambda store: store.write("acme_corp", [r1]),
        lambda store: store.write("acme_corp", [r2], {("runs", "r2"): None}),
        lambda store: store.remove("acme_corp", "runs", ["r1"]),
        lambda store: store.remove("acme_corp", "runs"),
        lambda store: store.hold("acme_corp", "routing", "me", 1),
        lambda store: store.renew("acme_corp", "routing", "me", 1),
        lambda store: store.let_go("acme_corp", "routing", "me"),
    ]


@pytest.fixture(params=["memory", "read once", "sqlite", *REDIS])
def store(request: pytest.FixtureRequest, open_store: Callable[[str], Store]) -> Store:
    return open_store(request.param)


@pytest.fixture(params=["sqlite", REDIS[0]])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a real store that is still empty."""
    return f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else _empty_redis(request, "redis")


WAITS = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "tenant-auto-optimization"},
    "spec": {
        "entrypoint": "wait",
        "arguments": {"parameters": [{"name": name, "value": ""} for name in PARAMETERS]},
        "templates": [{"name": "wait", "suspend": {}}],
    },
}
"""Stands for the template of a tenant's run: it waits until it is stopped, and needs no image."""


@pytest.fixture(scope="session")
def argo_runner() -> Iterator[WorkflowRunner]:
    """In a namespace of its own on the cluster that KUBECONFIG names."""
    if "KUBECONFIG" not in os.environ:
        pytest.skip("KUBECONFIG names no cluster")
    from kubernetes import client, config

    from argotune.adapters.argo import ArgoRunner

    config.load_config()
    name = f"argotune-contract-{os.urandom(3).hex()}"
    core, custom = client.CoreV1Api(), client.CustomObjectsApi()
    core.create_namespace({"metadata": {"name": name}})
    try:
        custom.create_namespaced_custom_object("argoproj.io", "v1alpha1", name, "workflowtemplates", WAITS)
        yield ArgoRunner.from_environment(name)
    finally:
        core.delete_namespace(name)


@pytest.fixture
def bad_server() -> Iterator[BadServer]:
    with misbehaving() as server:
        yield server


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test writes to."""
    return f"acme/ä {os.urandom(6).hex()}"


@pytest.fixture(scope="session")
def make_span(now: datetime) -> SpanMaker:
    """Makes a span with fresh ids that started `number` seconds ago, with attributes `routing.<field>`."""

    def make(
        number: int = 0, module: str = "routing", trace_id: str = "", at: datetime | None = None, **fields
    ) -> Span:
        started_at = at or now - timedelta(seconds=number)
        own = {f"routing.{name}": value for name, value in fields.items()}
        return Span(
            span_id=os.urandom(8).hex(),
            trace_id=trace_id or os.urandom(16).hex(),
            name=f"{PREFIX}.{module}",
            started_at=started_at,
            ended_at=started_at + timedelta(milliseconds=1500),
            attributes={"routing.query": f"query {number}"} | own,
            status="OK",
        )

    return make


@pytest.fixture(scope="session")
def make_annotation(now: datetime) -> Callable[..., Annotation]:
    def make(
        span_id: str, label: str, name: str = "agent", kind: AnnotatorKind = "HUMAN", identifier: str = "ann"
    ) -> Annotation:
        return Annotation(span_id, name, label, kind, identifier, now, "because")

    return make


@pytest.fixture(scope="session")
def phoenix(phoenix_url: str) -> Iterator[PhoenixTraces]:
    with closing(PhoenixTraces(PhoenixHttp(phoenix_url), PREFIX)) as traces:
        yield traces


@pytest.fixture(scope="session")
def mlflow(mlflow_url: str) -> Iterator[MlflowInTests]:
    with closing(MlflowInTests(mlflow_url, PREFIX)) as traces:
        yield traces


@pytest.fixture(
    params=[
        "memory",
        pytest.param("phoenix", marks=pytest.mark.phoenix),
        pytest.param("mlflow", marks=pytest.mark.mlflow),
    ]
)
def traces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each adapter of TraceSource, with what writes into it."""
    monkeypatch.setattr("argotune.adapters.mlflow.traces.TRACES_AT_ONCE", 1)  # a cursor with each span
    return MemoryTraces(PREFIX) if request.param == "memory" else request.getfixturevalue(request.param)
