"""Reads manifests as strictly as an API server: their YAML, fields of Argo's CRDs and of Kubernetes' own kinds."""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import yaml

Object = dict[str, Any]
ARGO_VERSIONS = ("v3.6.19", "v3.7.18", "v4.0.10", "v4.1.2")
_CRDS = Path(__file__).parent / "argo_crds"
"""<version>/crd_<Kind>.json.gz"""


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, and keys that YAML takes for a boolean or a number (`on`, `n`, `1`)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", node.start_mark)
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> list[Object]:
    """The objects in a manifest. Raises yaml.YAMLError."""
    return [found for found in yaml.load_all(text, Loader=_StrictLoader) if found is not None]


def load_files(*paths: Path) -> list[Object]:
    """The objects in several manifests."""
    return [found for path in paths for found in load(path.read_text(encoding="utf-8"))]


def title(found: Object) -> str:
    """Kind and name, for messages."""
    return f"{found['kind']} {found['metadata']['name']}"


def is_argo(found: Object) -> bool:
    return found["apiVersion"].startswith("argoproj.io/")


def argo_problems(found: Object, version: str) -> list[str]:
    """What Argo's CRD of that version would refuse."""
    errors = _argo_validator(version, found["kind"]).iter_errors(found)
    return [f"{version} {title(found)} {error.json_path}: {error.message[:200]}" for error in errors]


@functools.cache
def _argo_validator(version: str, kind: str) -> jsonschema.Draft202012Validator:
    with gzip.open(_CRDS / version / f"crd_{kind}.json.gz") as packed:
        schema = _closed(json.load(packed))
    # A CRD leaves these to the API server.
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


# Annotations, and `format`, which is a hint in JSON schema.
_DROPPED = {"default", "description", "format", "nullable"}


def _closed(node: Any) -> Any:
    """The JSON schema of a CRD's schema that refuses what strict field validation refuses."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _closed_member(key, value) for key, value in node.items() if key not in _DROPPED and key[:2] != "x-"}
    if node.get("x-kubernetes-int-or-string"):
        out.pop("type", None)
    is_open = "additionalProperties" in node or node.get("x-kubernetes-preserve-unknown-fields")
    return out | {"additionalProperties": False} if "properties" in node and not is_open else out


def _closed_member(key: str, value: Any) -> Any:
    """Under `properties` stand names of fields, which may be called `default` or `format`."""
    return {name: _closed(schema) for name, schema in value.items()} if key == "properties" else _closed(value)


@functools.cache
def _model(name: str) -> type | None:
    """A model of the official client, which takes seconds to import."""
    from kubernetes.client import models

    return getattr(models, name, None)


def core_problems(found: Object) -> list[str]:
    """Fields and types that the official client's model of this kind does not know; [] for kinds that it has not."""
    type_name = f"V1{found['kind']}"
    if is_argo(found) or _model(type_name) is None:
        return []
    return [f"{title(found)}{problem}" for problem in _model_problems(found, type_name)]


_SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}


def _model_problems(value: Any, type_name: str) -> Iterator[str]:
    if nested := re.fullmatch(r"list\[(.+)\]", type_name):
        yield from _list_problems(value, nested[1])
    elif nested := re.fullmatch(r"dict\(str, (.+)\)", type_name):
        yield from _fields_problems(value, dict.fromkeys(value, nested[1]) if isinstance(value, dict) else {})
    elif type_name in _SCALARS:
        if not isinstance(value, _SCALARS[type_name]) or (isinstance(value, bool) and type_name != "bool"):
            yield f": {value!r} is no {type_name}"
    elif model := _model(type_name):
        yield from _fields_problems(value, {model.attribute_map[key]: t for key, t in model.openapi_types.items()})


def _list_problems(value: Any, item_type: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f": {value!r} is no list"
        return
    for at, item in enumerate(value):
        yield from (f"[{at}]{problem}" for problem in _model_problems(item, item_type))


def _fields_problems(value: Any, types: dict[str, str]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f": {value!r} is no object"
        return
    for name, item in value.items():
        if name not in types:
            yield f".{name}: unknown field"
        else:
            yield from (f".{name}{problem}" for problem in _model_problems(item, types[name]))
