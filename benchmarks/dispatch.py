"""One round over 10,000 tenants of whom 200 may be due, against the cluster that KUBECONFIG names.

    python benchmarks/dispatch.py --store-url redis://127.0.0.1:6379/9 [--phoenix-endpoint URL]

Fills an empty store (it refuses one that holds tenants), makes a namespace with a template that only waits, submits a
round there, counts the calls to store, traces and Kubernetes, and removes both. Without a Phoenix the newest traces
are answered from memory; with --without-cluster workflows are made and thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from datetime import UTC, datetime, timedelta

from kubernetes import client, config

from argotune import wiring
from argotune.adapters.argo import ArgoRunner
from argotune.adapters.memory.traces import MemoryTraces
from argotune.pipeline.stages.dispatch import dispatch
from argotune.scheduling.rounds import RoundRequest
from argotune.scheduling.workflow import TEMPLATE
from argotune.settings import read_settings
from argotune.store.collections import EVERYONE, Collection
from argotune.store.records import to_record
from argotune.store.sealing import digest
from argotune.tenants.agenda import Agenda
from argotune.tenants.catalog import Configs, TenantEntry

PARAMETERS = ("tenant-id", "force", "modules", "optimizer", "max-lm-calls")
WAITS = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": TEMPLATE},
    "spec": {
        "entrypoint": "wait",
        "arguments": {"parameters": [{"name": name, "value": ""} for name in PARAMETERS]},
        "templates": [{"name": "wait", "suspend": {}}],
    },
}


class Counted:
    """Passes everything on, and counts the calls by name."""

    def __init__(self, inner: object) -> None:
        self._inner, self.calls = inner, {}

    def __getattr__(self, name: str):
        method = getattr(self._inner, name)

        def call(*args, **kwargs):
            self.calls[name] = self.calls.get(name, 0) + 1
            return method(*args, **kwargs)

        return call


def main() -> None:
    arguments = _arguments()
    store = wiring.open_store(read_settings(store_url=arguments.store_url))
    assert not Configs(store).tenant_ids(), "the store holds tenants: name an empty one"
    if arguments.without_cluster:
        return _measure_alone(store, arguments)
    config.load_config()
    namespace = f"dispatch-benchmark-{os.urandom(3).hex()}"
    client.CoreV1Api().create_namespace({"metadata": {"name": namespace}})
    api = client.ApiClient()
    requests = _count_requests(api)
    try:
        _fill(store, arguments)
        client.CustomObjectsApi().create_namespaced_custom_object(
            "argoproj.io", "v1alpha1", namespace, "workflowtemplates", WAITS
        )
        _measure(arguments, Counted(store), _traces(arguments), ArgoRunner(api, namespace), requests)
    finally:
        client.CoreV1Api().delete_namespace(namespace)
        for collection in (Collection.TENANTS, Collection.AGENDA):
            store.remove(EVERYONE, collection)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store-url", required=True)
    parser.add_argument("--phoenix-endpoint")
    parser.add_argument("--without-cluster", action="store_true", help="workflows are made and thrown away")
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--due", type=int, default=200)
    parser.add_argument("--rate", type=float, default=50.0)
    return parser.parse_args()


def _fill(store, arguments: argparse.Namespace) -> None:
    """The list of tenants and their agendas: a round reads nothing else of tenants."""
    now = datetime.now(UTC)
    for first in range(0, arguments.tenants, 500):
        records = []
        for number in range(first, min(first + 500, arguments.tenants)):
            tenant_id, due_at = f"tenant/{number:06}", now if number < arguments.due else None
            open_at = now + timedelta(hours=1)
            agenda = Agenda(tenant_id=tenant_id, looked_at=now, due_at=due_at, open_at=open_at)
            records.append(to_record(Collection.TENANTS, digest(tenant_id), TenantEntry(tenant_id=tenant_id)))
            records.append(to_record(Collection.AGENDA, digest(tenant_id), agenda))
        store.write(EVERYONE, records)


class Thrown:
    """A runner whose cluster takes everything and does nothing."""

    def submit(self, manifest: dict) -> bool:
        return bool(json.dumps(manifest))

    def unfinished(self) -> frozenset[str]:
        return frozenset()


def _measure_alone(store, arguments: argparse.Namespace) -> None:
    try:
        _fill(store, arguments)
        _measure(arguments, Counted(store), _traces(arguments), Thrown(), [])
    finally:
        for collection in (Collection.TENANTS, Collection.AGENDA):
            store.remove(EVERYONE, collection)


def _traces(arguments: argparse.Namespace) -> Counted:
    if arguments.phoenix_endpoint:
        return Counted(wiring.open_traces(read_settings(phoenix_endpoint=arguments.phoenix_endpoint)))
    return Counted(MemoryTraces())


def _count_requests(api: client.ApiClient) -> list[str]:
    made, send = [], api.rest_client.request

    def request(method: str, url: str, **kwargs):
        made.append(f"{method} {url.rsplit('/', 1)[-1]}")
        return send(method, url, **kwargs)

    api.rest_client.request = request
    return made


def _measure(
    arguments: argparse.Namespace, store: Counted, traces: Counted, runner: ArgoRunner, made: list[str]
) -> None:
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    request = RoundRequest(
        "benchmark", os.urandom(8).hex(), TEMPLATE, rate_per_s=arguments.rate, max_submissions=arguments.due
    )
    started, cpu = time.perf_counter(), time.process_time()
    done = dispatch(store, traces, runner, request, datetime.now(UTC), time.sleep)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(done.sentence)
    print(f"{seconds:.1f} s at {arguments.rate:g} submissions a second, {cpu_s:.1f} s of CPU")
    print(f"peak memory of the process {peak_mb:.0f} MB ({before_mb:.0f} MB before the round)")
    print(f"calls to the store {store.calls}, to traces {traces.calls}")
    print(f"requests to Kubernetes: {len(made)}, of which {sum(m.startswith('POST') for m in made)} creations")


if __name__ == "__main__":
    main()
