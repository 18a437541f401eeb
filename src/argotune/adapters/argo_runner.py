"""Argo Workflows through the Kubernetes API, by the official client: submit, list, stop, read logs.

Argo's own server is not needed. Pods use their service account, people their KUBECONFIG.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration
from kubernetes.config import ConfigException

from argotune.errors import AccessDenied, BadAnswer, ConfigInvalid, NotFound, RateLimited, Unavailable
from argotune.workflows import TEMPLATE, TEMPLATE_LABEL, TENANT_LABEL, Manifest, Workflow, label_value, workflow_of

PAGE_OBJECTS = 500
TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two pieces of an answer."""

PAUSES_S = (0.5, 2.0, 5.0)
"""Between the attempts of a call, up to half as much again by chance."""

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A finished workflow is 20 kB; its labels are 1 kB."""


class ArgoRunner:
    """WorkflowRunner in one namespace, for runs of one WorkflowTemplate.

    Runs are found by the label that `argo submit --from` sets, and not by those in the template's workflowMetadata:
    Argo 3.7 and 4.0 forget these for a workflow that has to wait at first (namespaceParallelism). Such a run lacks the
    tenant's label too, and is asked for its parameters.
    """

    def __init__(
        self,
        api: ApiClient,
        namespace: str,
        template: str = TEMPLATE,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._api, self._sleep, self._jitter = api, sleep, jitter
        self._ours = f"{TEMPLATE_LABEL}={template}"
        self._path = f"/apis/argoproj.io/v1alpha1/namespaces/{quote(namespace, safe='')}/workflows"
        self._pods = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"

    @classmethod
    def from_environment(cls, namespace: str, template: str = TEMPLATE) -> ArgoRunner:
        """With the KUBECONFIG of a person, or the service account of a pod. Raises ConfigInvalid without either."""
        found, is_in_pod = Configuration(), "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ
        try:
            (config.load_incluster_config if is_in_pod else config.load_kube_config)(client_configuration=found)
        except (ConfigException, OSError, ValueError) as error:
            raise ConfigInvalid(f"KUBECONFIG: no cluster to talk to: {error}") from error
        found.retries = False
        return cls(ApiClient(found), namespace, template)

    def submit(self, manifest: Manifest) -> bool:
        """See ports.WorkflowRunner. A lost answer is no harm: the second attempt finds the workflow there."""
        try:
            self._call("POST", self._path, body=manifest)
        except _AlreadyThere:
            return False
        return True

    def unfinished(self) -> frozenset[str]:
        """See ports.WorkflowRunner."""
        selector = f"{self._ours},workflows.argoproj.io/completed!=true"
        found = list(self._pages(self._path, selector, accept=METADATA_ONLY))
        return frozenset(self._tenant_label(item["metadata"]) for item in found)

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        """See ports.WorkflowRunner."""
        selectors = [self._ours]
        if tenant_id is not None:
            selectors = [f"{self._ours},{TENANT_LABEL}={label_value(tenant_id)}", f"{self._ours},!{TENANT_LABEL}"]
        found = [workflow_of(item) for selector in selectors for item in self._pages(self._path, selector)]
        wanted = [workflow for workflow in found if tenant_id in (None, workflow.tenant_id)]
        return sorted(wanted, key=lambda workflow: (workflow.created_at, workflow.name))

    def workflow(self, name: str) -> Workflow:
        """See ports.WorkflowRunner."""
        return workflow_of(self._call("GET", self._of(name)))

    def stop(self, name: str) -> None:
        """See ports.WorkflowRunner. As `argo stop` does."""
        self._call("PATCH", self._of(name), body={"spec": {"shutdown": "Stop"}})

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """See ports.WorkflowRunner. Pods that have not begun say nothing."""
        self.workflow(name)
        pods = list(self._pages(self._pods, f"workflows.argoproj.io/workflow={name}"))
        for pod in sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"]):
            pod_name = pod["metadata"]["name"]
            try:
                text = self._call(
                    "GET", f"{self._pods}/{quote(pod_name, safe='')}/log", {"container": "main"}, as_text=True
                )
            except (ConfigInvalid, NotFound):
                continue
            yield from ((pod_name, line) for line in text.splitlines())

    def _tenant_label(self, metadata: Mapping[str, Any]) -> str:
        known = (metadata.get("labels") or {}).get(TENANT_LABEL)
        return known or label_value(self.workflow(metadata["name"]).tenant_id)

    def _of(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"

    def _pages(self, path: str, selector: str, accept: str = "application/json") -> Iterator[Mapping[str, Any]]:
        query: dict[str, str | int] = {"labelSelector": selector, "limit": PAGE_OBJECTS}
        while True:
            page = self._call("GET", path, query, accept=accept)
            yield from page["items"] or ()  # an empty list is null where metadata alone was asked for
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        *,
        body: Manifest | None = None,
        accept: str = "application/json",
        as_text: bool = False,
    ) -> Any:
        """The answer as JSON or text, asked for again while the API server is away or busy."""
        for pause_s in (*PAUSES_S, None):
            try:
                return self._once(method, path, query, body, accept, as_text)
            except Unavailable:
                if pause_s is None:
                    raise
                self._sleep(pause_s * (1 + self._jitter() / 2))
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, query: Any, body: Manifest | None, accept: str, as_text: bool) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            answer = self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": accept, "Content-Type": kind},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=TIMEOUT_S,
            )
            text = answer.data.decode("utf-8", "replace")
            return text if as_text else json.loads(text)
        except ApiException as error:
            raise _translated(error, f"{method} {path}") from error
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"Kubernetes: {method} {path}: {error}"[:300]) from error
        except ValueError as error:
            raise BadAnswer(f"Kubernetes: {method} {path}: the answer is not JSON") from error


class _AlreadyThere(Exception):
    """409 to a creation: the object exists. Stays in this file."""


def _translated(error: ApiException, what: str) -> Exception:
    told = f"Kubernetes: {what}: {error.status} {_reason(error)}"
    if error.status == 409 and "already exists" in told:
        return _AlreadyThere(told)
    if error.status in (401, 403) and not _is_policy(error):
        return AccessDenied(told)
    if error.status == 404:
        return NotFound(told)
    if error.status == 429:
        return RateLimited(told)
    if error.status is None or error.status == 0 or error.status >= 500 or error.status in (408, 409, 410):
        return Unavailable(told)
    return ConfigInvalid(told)


def _is_policy(error: ApiException) -> bool:
    return "ValidatingAdmissionPolicy" in str(error.body)


def _reason(error: ApiException) -> str:
    """The sentence in a Status object, on one line."""
    try:
        text = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError):
        text = str(error.reason or "")
    return " ".join(str(text).split())[:500]
