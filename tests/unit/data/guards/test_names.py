"""Person names and addresses: masked only where asked for, by a model that is the user's choice."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spacy
from factories import make_config

from argotune.adapters.memory.store import MemoryStore
from argotune.data.guards import names_model
from argotune.data.guards.masking import mask, rules_digest
from argotune.errors import ConfigInvalid
from argotune.pipeline.operations.tenants import add_tenant, change_tenant, import_tenants
from argotune.tenants.catalog import Configs
from argotune.tenants.masking_rules import MaskingRules

ENTITIES = {
    "PERSON": ["Anna Schmidt", "Anna Schmidt's", "Obama", "J. R."],
    "GPE": ["Springfield", "München"],
    "STREET_ADDRESS": ["Markt 3b"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that knows a few names."""
    nlp = spacy.blank("en")
    patterns = [{"label": label, "pattern": text} for label, texts in ENTITIES.items() for text in texts]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    nlp.to_disk(folder := tmp_path_factory.mktemp("models") / "few_names")
    return folder


@pytest.fixture
def rules(model: Path) -> MaskingRules:
    return MaskingRules(kinds=["email", "name", "address"], names_model=str(model))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ask Anna Schmidt, a@b.example", "ask <NAME>, <EMAIL>"),
        ("Anna Schmidt's order and J. R.", "<NAME>'s order and <NAME>"),
        ("send it to 221B Baker Street, Springfield, IL 62704 today", "send it to <ADDRESS> today"),
        ("12 baker street", "<ADDRESS>"),
        ("Apt 4, 1600 N Main St. in front", "<ADDRESS> in front"),
        ("wohnt in der Hauptstraße 12a, 80331 München", "wohnt in der <ADDRESS>"),
        ("Berliner Str. 7 und 80331 München", "<ADDRESS> und <ADDRESS>"),
        ("au 12 bis, rue de la Paix demain", "au <ADDRESS> demain"),
        ("en la Calle de Alcalá 42", "en la <ADDRESS>"),
        ("P.O. Box 1234, Springfield", "<ADDRESS>"),
        ("6750 Koskikatu 25 Apt. 864\nArtilleros\nUruguay 64677", "<ADDRESS>"),
        ("at Markt 3b", "at <ADDRESS>"),
    ],
)
def test_people_and_addresses_are_replaced_where_asked_for(text: str, masked: str, rules: MaskingRules):
    once = mask(text, rules)
    assert once.text == masked
    assert mask(once.text, rules).text == masked
    assert mask(text, MaskingRules()).text == text.replace("a@b.example", "<EMAIL>")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "hotels in Springfield",
            "3 days in München",
            "5 things about wall street",
            "a 2 hour drive",
            "15 ways to win",
        ),
        *(
            "send it via email 5 times",
            "12 people, room 4",
            "12345 Springfield Rovers".replace("5 S", " s"),
            "<NAME> lives here",
        ),
    ],
)
def test_a_place_or_a_number_alone_is_no_address(text: str, rules: MaskingRules):
    assert mask(text, rules).text == text


def test_what_is_to_be_kept_is_kept(rules: MaskingRules):
    kept = rules.model_copy(update={"keep": ["Obama"]})
    assert mask("speeches of Obama for Anna Schmidt", kept).text == "speeches of Obama for <NAME>"


def test_texts_of_many_threads_are_masked_alike(rules: MaskingRules):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: mask(f"{n} Anna Schmidt", rules).text, range(60)))
    assert found == [f"{n} <NAME>" for n in range(60)]


def test_another_version_of_a_model_masks_again_what_is_stored(rules: MaskingRules, model: Path):
    before = rules_digest(rules)
    meta = model / "meta.json"
    said = meta.read_text("utf-8")
    meta.write_text(json.dumps({**json.loads(said), "version": "9"}), "utf-8")
    names_model.model_edition.cache_clear()
    try:
        assert rules_digest(rules) != before
    finally:
        meta.write_text(said, "utf-8")
        names_model.model_edition.cache_clear()


@pytest.mark.parametrize("asked", ["no_such_model", "os", "/no/such/folder"])
def test_a_model_that_is_not_there_is_named_before_anything_is_stored(asked: str):
    store, masking = MemoryStore(), {"kinds": ["name"], "names_model": asked}
    Configs(store).save(make_config())
    for change in (
        lambda: add_tenant(store, "new", {"masking": masking}),
        lambda: change_tenant(store, "acme_corp", {"masking": masking}),
        lambda: import_tenants(store, [{"tenant_id": "new", "masking": masking}]),
        lambda: rules_digest(MaskingRules(**masking)),
        lambda: mask("x", MaskingRules(**masking)),
    ):
        with pytest.raises(ConfigInvalid, match=f"^masking.names_model: '{asked}' is no spaCy pipeline"):
            change()
    assert Configs(store).tenant_ids() == ["acme_corp"]


def test_without_the_extra_it_is_named_where_names_are_asked_for_and_only_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names_model, "find_spec", lambda _name: None)
    names_model.model_edition.cache_clear()
    with pytest.raises(ConfigInvalid, match=r"^masking.kinds: .*pip install 'argotune\[names\]'$") as raised:
        add_tenant(MemoryStore(), "new", {"masking.kinds": ["address"]})
    assert raised.value.exit_code == 2
    assert mask("Anna Schmidt", MaskingRules()).text == "Anna Schmidt"
    add_tenant(MemoryStore(), "new", {"masking.kinds": ["email"], "masking.names_model": "other"})


def test_a_folder_that_holds_no_pipeline_is_named(tmp_path: Path):
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(ConfigInvalid, match=r"masking\.names_model"):
        mask("x", MaskingRules(kinds=["name"], names_model=str(tmp_path)))
