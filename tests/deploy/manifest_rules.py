"""What must hold in manifests beside their schema. Each rule yields a sentence for what does not; [] is well."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator
from typing import Any

from deploy.strict_schema import Object, title

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
# What Argo fills in everywhere in a Workflow. `workflow.status` is known only at its end.
GLOBALS = {"workflow.name", "workflow.namespace", "workflow.uid"}
TASK_RESULT = "Succeeded|Failed|Errored|Skipped|Omitted|Daemoned|AnySucceeded|AllFailed"
# Gone in Argo 4, and names that are no text to other tools.
OLD_FIELDS = {"schedule", "mutex", "semaphore", "podPriority"}


def problems(objects: list[Object]) -> list[str]:
    """All that is wrong with objects that are applied together."""
    return [
        *(f"{title(found)}: {problem}" for found in objects for rule in OBJECT_RULES for problem in rule(found)),
        *_unknown_references(objects),
        *_unfit_crons(objects),
    ]


def strings(node: Any) -> Iterator[str]:
    """Every text in an object, values only."""
    return (found for found in _within(node) if isinstance(found, str))


def nodes(node: Any) -> Iterator[Object]:
    """Every mapping in an object, itself first."""
    return (found for found in _within(node) if isinstance(found, dict))


def _within(node: Any) -> Iterator[Any]:
    yield node
    if isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _within(item)


def pod_of(found: Object) -> Object | None:
    """The fields of a pod in an object that makes pods; a WorkflowTemplate's spec has the same names."""
    paths = {"Pod": ["spec"], "Deployment": ["spec", "template", "spec"], "WorkflowTemplate": ["spec"]}
    if found["kind"] not in paths:
        return None
    spec = found
    for key in paths[found["kind"]]:
        spec = spec[key]
    return spec


def containers_of(found: Object) -> list[Object]:
    """Every container that an object would start."""
    pod = pod_of(found)
    if pod is None:
        return []
    return [*pod.get("containers", []), *(t["container"] for t in pod.get("templates", []) if "container" in t)]


def is_ours(container: Object) -> bool:
    """Whether it runs our image, not a server for trials."""
    return re.search(r"/optimization(:[^/]+|@.+)?$", container["image"]) is not None


def _restricted_pods(found: Object) -> Iterator[str]:
    """The restricted Pod Security standard, for what we can set."""
    pod = pod_of(found)
    if pod is None:
        return
    security = pod.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "its pods may run as root or without seccomp"
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for container in containers_of(found):
        if container.get("securityContext") != wanted:
            yield f"container {container['name']}: its securityContext is not {wanted}"


def _whole_containers(found: Object) -> Iterator[str]:
    volumes = {volume["name"] for volume in (pod_of(found) or {}).get("volumes", [])}
    for container in containers_of(found):
        resources = container.get("resources", {})
        if {"cpu", "memory"} - set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
            yield f"container {container['name']}: requests or memory limit are missing"
        if not re.fullmatch(r"[^ ]+(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", container["image"]):
            yield f"container {container['name']}: the image {container['image']} names no version"
        if is_ours(container) and not container.get("command"):
            yield f"container {container['name']}: no command; v3.6 does not look it up in the image"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"container {container['name']}: no volume {mount['name']}"


def _no_shell(found: Object) -> Iterator[str]:
    """A tenant's id in a shell's line would be run by it."""
    for container in containers_of(found):
        words = [*container.get("command", []), *container.get("args", [])]
        if any(re.search(r"(^|/)(ba|da|z)?sh$|^-c$", word) for word in words):
            yield f"container {container['name']}: a shell"
    if any("script" in template for template in found.get("spec", {}).get("templates", [])):
        yield "a script template"


def _no_old_fields(found: Object) -> Iterator[str]:
    if found["apiVersion"].startswith("argoproj.io/"):
        yield from (f"{name} is gone in Argo 4" for node in nodes(found) for name in OLD_FIELDS & node.keys())


def _fit_names(found: Object) -> Iterator[str]:
    """Lengths that Argo adds to, and DNS labels."""
    limit = {"CronWorkflow": 52}.get(found["kind"], 63)
    name = found["metadata"]["name"]
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) or len(name) > limit:
        yield f"the name {name} is no name of at most {limit} characters"
    for key, value in found["metadata"].get("labels", {}).items():
        if not re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value):
            yield f"the label {key}: {value} is no label"


def _sound_templates(found: Object) -> Iterator[str]:
    """Entry point, names, tasks, arguments and dependencies of a WorkflowTemplate."""
    if found["kind"] != "WorkflowTemplate":
        return
    templates = {template["name"]: template for template in found["spec"]["templates"]}
    if len(templates) != len(found["spec"]["templates"]) or found["spec"]["entrypoint"] not in templates:
        yield "two templates of one name, or no template for the entry point"
    for template in templates.values():
        yield from _sound_dag(template, templates)


def _sound_dag(template: Object, templates: dict[str, Object]) -> Iterator[str]:
    tasks = {task["name"]: task for task in template.get("dag", {}).get("tasks", [])}
    for name in [template["name"], *tasks]:
        if not re.fullmatch("[a-zA-Z0-9][-a-zA-Z0-9]{0,127}", name):
            yield f"{name} is no name of a template or task"
    for task in tasks.values():
        yield from (f"task {task['name']}: {problem}" for problem in _task_problems(task, tasks, templates))
    try:
        graphlib.TopologicalSorter({name: depends_on(task) for name, task in tasks.items()}).prepare()
    except graphlib.CycleError as error:
        yield f"a cycle: {error.args[1]}"
    if tasks and "activeDeadlineSeconds" in template:
        yield f"template {template['name']}: Argo allows no deadline on a dag"


def _task_problems(task: Object, tasks: dict[str, Object], templates: dict[str, Object]) -> Iterator[str]:
    given = {parameter["name"] for parameter in task.get("arguments", {}).get("parameters", [])}
    if task["template"] not in templates:
        yield f"no template {task['template']}"
    elif given != (wanted := _inputs(templates[task["template"]])):
        yield f"passes {given}, its template takes {wanted}"
    if unknown := depends_on(task) - set(tasks):
        yield f"depends on {unknown}"
    if re.sub(rf"[\w-]+(\.({TASK_RESULT}))?|[()!\s]|&&|\|\|", "", task.get("depends", "")):
        yield f"depends: {task['depends']}"


def depends_on(task: Object) -> set[str]:
    return set(re.findall(rf"([\w-]+)\.(?:{TASK_RESULT})", task.get("depends", "")))


def _inputs(template: Object) -> set[str]:
    return {parameter["name"] for parameter in template.get("inputs", {}).get("parameters", [])}


def _resolved_placeholders(found: Object) -> Iterator[str]:
    """Every {{...}} of a WorkflowTemplate names something that is there when Argo fills it in."""
    if found["kind"] != "WorkflowTemplate":
        return
    spec = found["spec"]
    known = GLOBALS | {f"workflow.parameters.{p['name']}" for p in spec["arguments"]["parameters"]}
    head = {key: value for key, value in spec.items() if key not in ("templates", "metrics")}
    yield from _unknown(head, known)
    yield from _unknown(spec.get("metrics"), known | {"workflow.status"})
    for expression in strings(spec["workflowMetadata"].get("labelsFrom")):
        yield from (f"{name} is nothing here" for name in _names_in(expression) if name not in known)
    templates = {template["name"]: template for template in spec["templates"]}
    for template in templates.values():
        yield from _unknown_in_template(template, templates, known)


def _unknown_in_template(template: Object, templates: dict[str, Object], known: set[str]) -> Iterator[str]:
    known = known | {f"inputs.parameters.{name}" for name in _inputs(template)}
    tasks = {task["name"]: task for task in template.get("dag", {}).get("tasks", [])}
    yield from _unknown({key: value for key, value in template.items() if key != "dag"}, known)
    for task in tasks.values():
        before = set().union(*(_results(tasks[name], templates) for name in depends_on(task) if name in tasks))
        yield from _unknown(task, known | before)


def _results(task: Object, templates: dict[str, Object]) -> set[str]:
    """What a later task may refer to: never an output of a task that may be skipped."""
    outputs = templates[task["template"]].get("outputs", {}).get("parameters", [])
    named = set() if "when" in task else {f"tasks.{task['name']}.outputs.parameters.{o['name']}" for o in outputs}
    return named | {f"tasks.{task['name']}.status"}


def _unknown(node: Any, known: set[str]) -> Iterator[str]:
    for text in strings(node):
        for placeholder in PLACEHOLDER.findall(text):
            names = _names_in(placeholder) if placeholder.startswith("=") else [placeholder]
            yield from (f"{{{{{name}}}}} is nothing here" for name in names if name not in known)


def _names_in(expression: str) -> list[str]:
    return [f"workflow.parameters.{name}" for name in re.findall(r"workflow\.parameters\['(.+?)'\]", expression)]


def _unknown_references(objects: list[Object]) -> Iterator[str]:
    """Accounts, ConfigMaps, volumes' and templates' names that no object has."""
    known = {(found["kind"], found["metadata"]["name"]) for found in objects}
    settings = [
        ("configMapRef", "ConfigMap"),
        ("configMapKeyRef", "ConfigMap"),
        ("workflowTemplateRef", "WorkflowTemplate"),
    ]
    for found in objects:
        wanted = {(kind, node[key]["name"]) for node in nodes(found) for key, kind in settings if key in node}
        wanted |= {
            ("ServiceAccount", node["serviceAccountName"]) for node in nodes(found) if "serviceAccountName" in node
        }
        if found["kind"] == "RoleBinding":
            wanted |= {(found["roleRef"]["kind"], found["roleRef"]["name"])}
            wanted |= {(subject["kind"], subject["name"]) for subject in found["subjects"]}
        yield from (f"{title(found)}: no {' '.join(missing)}" for missing in wanted - known)


def _unfit_crons(objects: list[Object]) -> Iterator[str]:
    """A schedule cannot ask for a parameter that has no default."""
    templates = {found["metadata"]["name"]: found for found in objects if found["kind"] == "WorkflowTemplate"}
    for cron in (found for found in objects if found["kind"] == "CronWorkflow"):
        template = templates[cron["spec"]["workflowSpec"]["workflowTemplateRef"]["name"]]
        for parameter in template["spec"]["arguments"]["parameters"]:
            if "value" not in parameter:
                yield f"{title(cron)}: {parameter['name']} has no value"


OBJECT_RULES = (
    _restricted_pods,
    _whole_containers,
    _no_shell,
    _no_old_fields,
    _fit_names,
    _sound_templates,
    _resolved_placeholders,
)
