"""What could say whose a decision is, as decisions and what is above them tell."""

from __future__ import annotations

from dataclasses import replace

from shop import spans_of

from argotune.data.found_tenants import MOST_KEYS, MOST_VALUES, FoundKey, TenantKeys
from argotune.data.spans import Ancestor, Span
from argotune.data.tenancy import tenant_said
from argotune.tenants.binding import BoundProgram, TraceBinding

BARE = replace(spans_of("01_predict_literal")[0], attributes={"input.value": "{}", "llm.model_name": "m"})


def keys_of(*spans: Span) -> list[FoundKey]:
    keys = TenantKeys()
    for span in spans:
        keys.add(span)
    return keys.keys(lambda text: text.replace("kim@example.com", "<EMAIL>"))


def span(**attributes: object) -> Span:
    return replace(
        BARE, attributes={**BARE.attributes, **{name.replace("__", "."): v for name, v in attributes.items()}}
    )


def test_metadata_user_session_prefix_and_the_roots_attributes_are_candidates() -> None:
    root = Ancestor("POST /x", "", {"tenant.id": "acme", "http.route": "/x", "user.id": "root's", "output.value": "y"})
    inner = Ancestor("work", "CHAIN", {"tenant.id": "inner"})
    said = span(metadata__org="acme", user__id="kim@example.com", session__id="acme:s-1", metadata__deep=[1])
    found = {key.key: key.values for key in keys_of(replace(said, above=(inner, root)))}
    assert found == {
        "metadata.org": {"acme": 1},
        "tenant.id": {"acme": 1},
        "user.id": {"<EMAIL>": 1},
        "session.id": {"acme": 1},
        "http.route": {"/x": 1},
    }


def test_a_key_tells_what_a_binding_to_it_will_read() -> None:
    above = (Ancestor("work", "CHAIN", {"shop": "inner"}), Ancestor("POST /x", "", {"shop": "root's", "shard": 3}))
    said = replace(span(shop="its own", shelf=7, metadata__number=7), above=above)
    found = keys_of(said)
    assert {key.key: list(key.values) for key in found} == {"shop": ["its own"], "shelf": ["7"], "shard": ["3"]}
    for key in found:
        binding = TraceBinding(project="p", tenant_key=key.key, programs={"m": BoundProgram(span="M")})
        assert tenant_said(said, binding) in key.values


def test_those_come_first_that_are_called_like_a_tenant_then_those_that_most_decisions_have() -> None:
    spans = [
        span(metadata__b="x", metadata__channel=f"{n}", **({"metadata__customer": "c"} if n else {})) for n in range(4)
    ]
    found = keys_of(*spans)
    assert [(key.key, key.share, key.different) for key in found] == [
        ("metadata.customer", 0.75, 1),
        ("metadata.b", 1.0, 1),
        ("metadata.channel", 1.0, 4),
    ]


def test_memory_is_bounded_whatever_applications_write() -> None:
    keys = TenantKeys()
    for number in range(MOST_VALUES + 50):
        keys.add(span(**{"metadata__same": str(number), f"metadata__k{number}": "x"}))
    assert sum(len(values) for values in keys._values.values()) <= MOST_KEYS + MOST_VALUES
