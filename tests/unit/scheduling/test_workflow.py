"""Names, labels and manifests of workflows, and reading what the API says of them."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.errors import BadAnswer, ConfigInvalid
from argotune.scheduling.workflow import Submission, manifest, workflow_name, workflow_of
from argotune.tenants.ids import check_tenant_id, label_value

LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@pytest.mark.parametrize(
    ("tenant_id", "label"),
    [
        ("acme_corp", "acme_corp"),
        ("Größe/ä", "t-6268ea83692106a5"),
        ("a" * 63, "a" * 63),
        ("a.b-C_9", "a.b-C_9"),
        ("t-6268ea83692106a5", "t-" + hashlib.sha256(b"t-6268ea83692106a5").hexdigest()[:16]),
        ("t-6268ea8", "t-6268ea8"),
    ],
)
def test_an_id_that_is_no_label_becomes_the_digest_that_the_template_makes_too(tenant_id: str, label: str) -> None:
    assert label_value(tenant_id) == label


@given(st.text(max_size=250), st.text(max_size=40))
def test_every_tenant_id_gives_names_that_kubernetes_takes(tenant_id: str, occasion: str) -> None:
    try:
        check_tenant_id(tenant_id)
    except ConfigInvalid:
        return
    name = workflow_name(tenant_id, occasion.encode("utf-8", "replace").decode())
    assert NAME.fullmatch(name)
    assert len(name) <= 55
    assert LABEL.fullmatch(label_value(tenant_id))


def test_no_two_tenants_share_a_label_even_where_one_is_called_as_the_label_of_the_other() -> None:
    ids = ["Größe/ä"]
    for _ in range(5):
        ids.append(label_value(ids[-1]))
    assert len({label_value(tenant_id) for tenant_id in ids}) == len(ids)


def test_a_name_is_the_same_in_one_round_and_another_in_the_next() -> None:
    assert workflow_name("acme", "uid-1") == workflow_name("acme", "uid-1")
    assert workflow_name("acme", "uid-1") != workflow_name("acme", "uid-2")
    assert workflow_name("acme_corp", "uid-1") != workflow_name("acme-corp", "uid-1")


@given(st.text(min_size=1, max_size=100))
def test_a_tenant_id_reaches_a_manifest_as_a_value_only(tenant_id: str) -> None:
    made = manifest(Submission(tenant_id, is_forced=True), "auto-opt-x-bcdfg", "round")
    assert json.loads(json.dumps(made)) == made
    assert made["spec"].keys() == {"workflowTemplateRef", "arguments", "priority"}
    assert made["metadata"].keys() == {"name", "labels", "annotations"}
    dated = {**made, "metadata": {**made["metadata"], "creationTimestamp": "2026-11-21T12:00:00Z"}}
    assert workflow_of(dated).submission == Submission(tenant_id, is_forced=True)


def test_the_state_of_a_workflow_is_read_with_its_nodes_outcomes_and_exit_codes() -> None:
    body = {
        "metadata": {"name": "w", "creationTimestamp": "2026-11-21T12:00:00Z"},
        "spec": {"arguments": {"parameters": [{"name": "tenant-id", "value": "acme"}]}},
        "status": {
            "phase": "Failed",
            "message": "child failed",
            "finishedAt": "2026-11-21T12:01:00Z",
            "outputs": {"parameters": [{"name": "links", "value": "http://phoenix"}]},
            "nodes": {
                "w-2": {"id": "w-2", "displayName": "routing", "type": "Pod", "phase": "Failed", "message": "bad",
                        "startedAt": "2026-11-21T12:00:30Z", "outputs": {"exitCode": "2"}},
                "w-1": {"id": "w-1", "displayName": "trigger-check", "type": "Pod", "phase": "Succeeded",
                        "startedAt": "2026-11-21T12:00:10Z", "finishedAt": None,
                        "outputs": {"parameters": [{"name": "outcome", "value": "routing due"}, {"name": "any"}]}},
                "w": {"id": "w", "displayName": "w", "type": "DAG"},
            },
        },
    }  # fmt: skip
    found = workflow_of(body)
    assert (found.phase, found.is_over, found.outputs) == ("Failed", True, {"links": "http://phoenix"})
    assert [(n.name, n.phase, n.outcome, n.exit_code, n.is_pod) for n in found.nodes] == [
        ("trigger-check", "Succeeded", "routing due", None, True),
        ("routing", "Failed", "", 2, True),
        ("w", "Pending", "", None, False),
    ]


@pytest.mark.parametrize("body", [{}, {"metadata": {}, "spec": {}}, {"metadata": None, "spec": {}}, {"spec": 3}])
def test_an_object_that_is_no_workflow_is_a_bad_answer(body: dict) -> None:
    with pytest.raises(BadAnswer):
        workflow_of(body)
