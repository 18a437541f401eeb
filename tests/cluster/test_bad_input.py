"""Wrong secrets, images, parameters, ids and configs: one clear sentence, no useless retries, nobody else disturbed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cluster.installed import RUN_LIMIT_S, Installed, described, pods, step
from cluster.manifests import TEMPLATE, Object, containers, for_tests, objects, renamed

from argotune.scheduling.workflow import Submission, Workflow, manifest, workflow_name
from argotune.store.collections import Collection
from argotune.store.port import Record
from argotune.store.sealing import seal
from argotune.tenants.catalog import Configs
from argotune.tenants.ids import label_value

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * RUN_LIMIT_S)]
EVIL = "$(reboot) {{workflow.uid}} '\";../x"
DEADLINE_S = 90


def _template(site: Installed) -> Object:
    found = objects("workflows/auto-optimization-multi-tenant.yaml", site.namespace, site.image)
    return for_tests(next(item for item in found if item["metadata"]["name"] == TEMPLATE))


def _with_store_url_from(secret_name: str) -> Callable[[Object], None]:
    def change(container: Object) -> None:
        (variable,) = (item for item in container["env"] if item["name"] == "CONFIG_STORE_URL")
        variable["valueFrom"]["secretKeyRef"]["name"] = secret_name

    return change


def _with_image(image: str) -> Callable[[Object], None]:
    def change(container: Object) -> None:
        container["image"] = image

    return change


VARIANTS = {
    "wrong-store": _with_store_url_from("wrong-store"),
    "missing-secret": _with_store_url_from("no-such-secret"),
    "wrong-image": _with_image("docker.io/cogniverse/optimization:no-such-tag"),
}


@pytest.fixture(scope="module")
def names(site: Installed) -> dict[str, str]:
    """All wrong runs go on at once; each test waits for its own."""
    return dict(_submit_all(site))


@pytest.fixture
def ended(site: Installed, names: dict[str, str]) -> Callable[[str], Workflow]:
    return lambda which: site.ended(names[which])


def _submit_all(site: Installed):
    site.kubectl("delete", "secret", "wrong-store", "--ignore-not-found")
    site.kubectl("create", "secret", "generic", "wrong-store", "--from-literal=store-url=redsi://anna:hunter2@nowhere")
    for name, change in VARIANTS.items():
        template = renamed(_template(site), name)
        for one_step in template["spec"]["templates"]:
            if "container" in one_step:
                one_step["activeDeadlineSeconds"] = DEADLINE_S
        for container in containers(template):
            change(container)
        site.apply([template])
        yield name, site.submit("nobody", template=name)
    site.tenant(EVIL, spans=0)
    yield "evil", site.submit(EVIL, force="true")
    yield "unknown", site.submit("never_heard_of", force="true")
    yield "parameter", site.submit(_plain(site), modules="bogus")
    yield "malformed", site.submit(_malformed(site))
    yield "deleted", _deleted(site)


def _plain(site: Installed) -> str:
    return site.tenant("plain", spans=0).tenant_id


def _malformed(site: Installed) -> str:
    config = site.tenant("malformed", spans=0)
    body = {**config.model_dump(mode="json"), "optimization_interval_seconds": "hourly"}
    record = Record(Collection.CONFIG, "routing", seal(type(config).__name__, body))
    site.store.write(config.tenant_id, [record])
    return config.tenant_id


def _deleted(site: Installed) -> str:
    """As a round does it that found the tenant a moment before it was removed."""
    config = site.tenant("deleted", spans=0)
    name = workflow_name(config.tenant_id, f"a round of {id(config)}")
    found = manifest(Submission(config.tenant_id), name, "a-round")
    Configs(site.store).remove(config.tenant_id)
    site.runner.submit(found)
    return name


def only_pod(run: Workflow, exit_code: int) -> str:
    """The message of a run that failed in its first pod and was not tried again."""
    assert run.phase == "Failed", described(run)
    (pod,) = pods(run)
    assert pod.name == "trigger-check(0)"
    assert pod.exit_code == exit_code, described(run)
    return pod.message


@pytest.mark.parametrize(("which", "told"), [("missing-secret", "no-such-secret"), ("wrong-image", "no-such-tag")])
def test_what_keeps_a_pod_from_starting_is_named_while_it_waits_and_it_ends_once_at_the_deadline(
    site: Installed, names: dict[str, str], which: str, told: str
) -> None:
    waiting = site.when(names[which], lambda run: told in described(run), f"names {told}", DEADLINE_S)
    assert not waiting.is_over
    run = site.ended(names[which])
    assert run.phase == "Failed", described(run)
    (pod,) = pods(run)
    assert "deadline" in pod.message


def test_a_wrong_store_url_is_named_without_its_password(ended: Callable[[str], Workflow]) -> None:
    message = only_pod(ended("wrong-store"), exit_code=2)
    assert "CONFIG_STORE_URL" in message
    assert "hunter2" not in message


def test_a_parameter_out_of_range_is_named(ended: Callable[[str], Workflow]) -> None:
    assert "--module: 'bogus' is not one of" in only_pod(ended("parameter"), exit_code=2)


def test_a_malformed_config_is_named_and_not_tried_again(ended: Callable[[str], Workflow]) -> None:
    message = only_pod(ended("malformed"), exit_code=2)
    assert "optimization_interval_seconds" in message


def test_an_evil_tenant_id_is_only_a_text(site: Installed, ended: Callable[[str], Workflow]) -> None:
    run = ended("evil")
    assert run.phase == "Succeeded", described(run)
    assert run.tenant_id == EVIL
    assert "no traces yet" in step(run, "trigger-check").outcome
    metadata = site.get("workflow", run.name)["metadata"]
    assert metadata["labels"]["tenant-id"] == label_value(EVIL)
    assert metadata["annotations"]["argotune/tenant-id"] == EVIL


def test_a_tenant_that_nobody_knows_cannot_be_forced(ended: Callable[[str], Workflow]) -> None:
    assert "never_heard_of" in only_pod(ended("unknown"), exit_code=4)


def test_a_tenant_deleted_after_its_discovery_is_nothing_to_do(ended: Callable[[str], Workflow]) -> None:
    run = ended("deleted")
    assert run.phase == "Succeeded", described(run)
    assert "has no routing config any more" in step(run, "trigger-check").outcome
    assert len(pods(run)) == 1


def test_out_of_memory_is_tried_again_and_then_red_and_still_summed_up(site: Installed, new_id: str) -> None:
    tenant_id = f"big_{new_id}"
    site.tenant(tenant_id)
    run = site.ended(site.submit(tenant_id, force="true", memory="64Mi", memory_limit="64Mi"))
    assert run.phase == "Failed", described(run)
    tried = pods(run, "routing")
    assert [pod.exit_code for pod in tried] == [137] * 4, described(run)
    assert "OOM" in tried[-1].message, described(run)
    assert step(run, "aggregate").outcome.startswith("routing failed"), described(run)
    assert site.champion_of(tenant_id) is None
