"""Argo Workflows through the Kubernetes API, by the official client: submit, list, stop, read logs.

Argo's own server is not needed. Pods use their service account, people their KUBECONFIG.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration

from argotune.adapters.retrying import Passing, Patience, seconds_asked
from argotune.errors import AccessDenied, BadAnswer, ConfigInvalid, NotFound, RateLimited, Unavailable
from argotune.errors.lines import told
from argotune.scheduling.workflow import (
    TEMPLATE,
    TEMPLATE_LABEL,
    TENANT_LABEL,
    Manifest,
    Workflow,
    workflow_of,
)
from argotune.tenants.ids import label_value, percent_encoded

PAGE_OBJECTS = 500
TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two pieces of an answer."""

PATIENCE = Patience(retries=3, first_pause_s=2.0)
"""An API server that is replaced is back within ten seconds."""

LISTINGS = 4
"""How often a list is begun whose pages expire while they are read."""

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""A finished workflow is 20 kB; its labels are 1 kB."""


_log = logging.getLogger(__name__)


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
        patience: Patience = PATIENCE,
    ) -> None:
        self._api, self._patience = api, patience
        self._ours = f"{TEMPLATE_LABEL}={template}"
        self._path = f"/apis/argoproj.io/v1alpha1/namespaces/{percent_encoded(namespace)}/workflows"
        self._pods = f"/api/v1/namespaces/{percent_encoded(namespace)}/pods"

    @classmethod
    def from_environment(cls, namespace: str, template: str = TEMPLATE) -> ArgoRunner:
        """With the KUBECONFIG of a person, or the service account of a pod. Raises ConfigInvalid without either."""
        found, is_in_pod = Configuration(), "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ
        with _reading_the_login():
            (config.load_incluster_config if is_in_pod else config.load_kube_config)(client_configuration=found)
            found.retries, found.refresh_api_key_hook = False, _guarded(found.refresh_api_key_hook)
            api = ApiClient(found)
        return cls(api, namespace, template)

    def submit(self, manifest: Manifest) -> bool:
        """See WorkflowRunner. A lost answer is no harm: the second attempt finds the workflow there."""
        try:
            self._call("POST", self._path, body=manifest)
        except _AlreadyThere:
            return False
        return True

    def unfinished(self) -> frozenset[str]:
        """See WorkflowRunner."""
        selector = f"{self._ours},workflows.argoproj.io/completed!=true"
        found = self._all(self._path, selector, accept=METADATA_ONLY)
        with _as_documented("a list of Workflows"):
            return frozenset(self._tenant_label(item["metadata"]) for item in found)

    def workflows(self, tenant_id: str | None = None) -> list[Workflow]:
        """See WorkflowRunner."""
        selectors = [self._ours]
        if tenant_id is not None:
            selectors = [f"{self._ours},{TENANT_LABEL}={label_value(tenant_id)}", f"{self._ours},!{TENANT_LABEL}"]
        found = [workflow for selector in selectors for workflow in _readable(self._all(self._path, selector))]
        wanted = [workflow for workflow in found if tenant_id in (None, workflow.tenant_id)]
        return sorted(wanted, key=lambda workflow: (workflow.created_at, workflow.name))

    def workflow(self, name: str) -> Workflow:
        """See WorkflowRunner."""
        return workflow_of(self._call("GET", self._of(name)))

    def stop(self, name: str) -> None:
        """See WorkflowRunner. As `argo stop` does."""
        self._call("PATCH", self._of(name), body={"spec": {"shutdown": "Stop"}})

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """See WorkflowRunner. Pods that have not begun say nothing."""
        self.workflow(name)
        pods = self._all(self._pods, f"workflows.argoproj.io/workflow={name}")
        with _as_documented("a list of pods"):
            begun = sorted((str(pod["metadata"]["creationTimestamp"]), str(pod["metadata"]["name"])) for pod in pods)
        for _, pod_name in begun:
            try:
                text = self._call(
                    "GET", f"{self._pods}/{percent_encoded(pod_name)}/log", {"container": "main"}, as_text=True
                )
            except (ConfigInvalid, NotFound):
                continue
            yield from ((pod_name, line) for line in text.splitlines())

    def _tenant_label(self, metadata: Mapping[str, Any]) -> str:
        known = (metadata.get("labels") or {}).get(TENANT_LABEL)
        return known or label_value(self.workflow(metadata["name"]).tenant_id)

    def _of(self, name: str) -> str:
        return f"{self._path}/{percent_encoded(name)}"

    def _all(self, path: str, selector: str, accept: str = "application/json") -> list[Mapping[str, Any]]:
        """The objects of a list, begun anew when the API server no longer knows where its next page begins."""
        for _ in range(LISTINGS - 1):
            with suppress(_Expired):
                return list(self._pages(path, selector, accept))
        return list(self._pages(path, selector, accept))

    def _pages(self, path: str, selector: str, accept: str) -> Iterator[Mapping[str, Any]]:
        query: dict[str, str | int] = {"labelSelector": selector, "limit": PAGE_OBJECTS}
        while True:
            page = self._call("GET", path, query, accept=accept)
            with _as_documented(f"the list {path}"):
                items, following = list(page["items"] or ()), page["metadata"].get("continue")  # null: an empty list
            yield from items
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

        def once() -> Any:
            try:
                return self._once(method, path, query, body, accept, as_text)
            except _Expired:
                raise
            except Unavailable as error:
                raise Passing(error, _seconds_asked(error)) from error.__cause__

        return self._patience.call(once)

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
            raise _not_reached(error, f"{method} {path}") from error
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"Kubernetes: {method} {path}: the answer is not JSON") from error


class _AlreadyThere(Exception):
    """409 to a creation: the object exists. Stays in this file."""


class _Expired(Unavailable):
    """A list changed for so long while it was read that its next page is gone. Read it again."""


@contextmanager
def _reading_the_login() -> Iterator[None]:
    """The client library lets out whatever the file, a login program or a cloud's own login code raises."""
    try:
        yield
    except Exception as error:
        said = told(f"{type(error).__name__}: {error}")
        raise ConfigInvalid(f"KUBECONFIG: no cluster to talk to: {said}") from error


def _guarded(refresh: Callable[[Configuration], None] | None) -> Callable[[Configuration], None] | None:
    """The client's hook that logs in again before a call, with its errors told as those of the login."""
    if refresh is None:
        return None

    def guarded(configuration: Configuration) -> None:
        with _reading_the_login():
            refresh(configuration)

    return guarded


@contextmanager
def _as_documented(what: str) -> Iterator[None]:
    """Raises BadAnswer for an answer in JSON that is not what Kubernetes documents."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadAnswer(told(f"Kubernetes: {what} is not as documented: {error!r}")) from error


def _readable(items: list[Mapping[str, Any]]) -> Iterator[Workflow]:
    """The workflows in a list. One that cannot be read is named in the log and hides no other."""
    for item in items:
        try:
            yield workflow_of(item)
        except BadAnswer as error:
            _log.warning("left out: %s", error)


def _not_reached(error: Exception, what: str) -> Exception:
    """An address or certificate that is wrong stays wrong; all else may pass. The client tells TLS as a status of 0."""
    reason = f"{type(error).__name__}: {error}" if not isinstance(error, ApiException) else str(error.reason)
    said = told(f"Kubernetes: {what}: {reason}")
    is_tls = reason.startswith("SSLError") and "EOF" not in reason
    if is_tls or isinstance(error, urllib3.exceptions.LocationValueError):
        return ConfigInvalid(f"KUBECONFIG: {said}")
    return Unavailable(said)


def _translated(error: ApiException, what: str) -> Exception:
    said = f"Kubernetes: {what}: {error.status} {_reason(error)}"
    if error.status == 409 and "already exists" in said:
        return _AlreadyThere(said)
    if error.status in (401, 403) and not _is_policy(error):
        return AccessDenied(said)
    if error.status == 404:
        return NotFound(said)
    if error.status == 429:
        return RateLimited(said)
    if not error.status:
        return _not_reached(error, what)
    if error.status == 410:
        return _Expired(said)
    if error.status >= 500 or error.status in (408, 409):
        return Unavailable(said)
    return ConfigInvalid(said)


def _is_policy(error: ApiException) -> bool:
    return "ValidatingAdmissionPolicy" in str(error.body)


def _seconds_asked(error: Unavailable) -> float | None:
    headers = getattr(error.__cause__, "headers", None)
    return seconds_asked(headers.get("Retry-After")) if headers else None


def _reason(error: ApiException) -> str:
    """The sentence in a Status object, on one line."""
    try:
        text = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        text = str(error.reason or "")
    return told(str(text), 500)
