"""Masking: what is found in many scripts, what is left alone, and that any text is masked once and for all."""

from __future__ import annotations

import runpy
from importlib.resources import files
from pathlib import Path

import pytest
from factories import FIELDS, make_annotation, make_config, make_example, make_experience
from hypothesis import given, settings
from hypothesis import strategies as st

from argotune.data.fields import Fields
from argotune.data.guards import masking
from argotune.data.guards.masking import Mask, MaskedText, findable, findings, mask, rules_digest
from argotune.errors import ConfigInvalid
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("send it to anna.schmidt@example.com.", "send it to <EMAIL>."),
        ("почта: мария@пример.рф", "почта: <EMAIL>"),
        ("请把合同发到zhang.wei@example.cn谢谢", "请把合同发到<EMAIL>谢谢"),
        ("write to lucia(at)ejemplo(dot)es", "write to <EMAIL>"),
        ("call +1 202-555-0143 now", "call <PHONE> now"),
        ("携帯は０９０－１２３４－５６７８です", "携帯は<PHONE>です"),
        ("رقمي ٠١٠١٢٣٤٥٦٧٨ اتصل بي", "رقمي <PHONE> اتصل بي"),
        ("tel. 0041 44 668 18 00", "tel. <PHONE>"),
        ("visa 4242 4242 4242 4242 12/27", "visa <CARD> 12/27"),
        ("to DE89 3704 0044 0532 0130 00 and no further", "to <IBAN> and no further"),
        ("SSN 536-22-8726, CPF 390.533.447-05", "SSN <NATIONAL_ID>, CPF <NATIONAL_ID>"),
        ("ping 10.12.0.37:8443 and [2001:db8::25]:80", "ping <IP>:8443 and [<IP>]:80"),
        ("ssh root@web-07, then db01.prod.internal", "ssh root@<HOST>, then <HOST>"),
        ("MAC 00:1A:2B:3C:4D:5E", "MAC <HOST>"),
        ("postgres://app:9xK!s7@example.com/main", "postgres://<PASSWORD>@example.com/main"),
        ("密码：Abc@12345", "密码：<PASSWORD>"),
        ('{"password": "N0tMyR3al1"}', '{"password": "<PASSWORD>"}'),
        ("Authorization: Bearer mF_9.B5f-4.1JqM", "Authorization: Bearer <TOKEN>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", "<TOKEN>"),
        ("?api_key=9f8b7c6d5e4f3a2b&lang=en", "?api_key=<KEY>&lang=en"),
        ("key -----BEGIN PRIVATE KEY-----\nMIIEvQIB", "key <KEY>"),
        ("what does 7Gk2pQx9ZvT4mWc8LrN1bYh5DsJ3fA6e open", "what does <KEY> open"),
    ],
)
def test_each_kind_is_replaced_by_its_placeholder(text: str, masked: str):
    assert mask(text, RULES).text == masked


@pytest.mark.parametrize(
    "text",
    [
        *(
            "order number 100200300400",
            "ISBN 978-3-16-148410-0",
            "10.2 release notes",
            "version 10.2.3.4 of the player",
        ),
        *("§ 12.3.4.5 der Satzung", "12.05.2024 bis 14.05.2024", "at 12:30:45 the goal falls", "52.520008, 13.404954"),
        *("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "1. e4 e5 2. Nf3 Nc6", "John 3:16", "#ff8800"),
        *("uuid 123e4567-e89b-12d3-a456-426614174000", "case 4111 1111 1111 1112", "127.0.0.1", "a::b::c namespace"),
        *("npm install @types/node@20.1.0", "look at booking dot com prices", "password must be 12 characters"),
        *(
            "secret: a novel",
            "Donaudampfschifffahrtsgesellschaftskapitän",
            ".env.local is ignored",
            "2^64 = 18446744",
        ),
    ],
)
def test_what_only_looks_alike_stays(text: str):
    assert mask(text, RULES) == mask(text, MaskingRules(enabled=False))


def test_a_placeholder_says_nothing_of_what_stands_behind_it():
    for text in (
        "<PHONE> or 901820199",
        "<CARD> 501864667909",
        "<KEY> 4c1f0e9b7a62d8355e3b9a10c7f4d286",
        "<IP> 1.2.3.4",
    ):
        assert mask(text, RULES).text == text


def test_counts_are_given_by_kind():
    assert mask("a@b.example, c@d.example and 10.12.0.37", RULES).counts == {"email": 2, "ip": 1}


def test_kinds_regions_and_what_is_kept_are_the_tenants_choice():
    text = "support@acme.com, jo@acme.com, tel. 030 23125 042"
    assert mask(text, MaskingRules(kinds=["phone"])).text == "support@acme.com, jo@acme.com, tel. <PHONE>"
    assert mask("030 23125 042", MaskingRules(phone_regions=["DE"])).text == "<PHONE>"
    assert mask("030 23125 042", MaskingRules(phone_regions=["JP"])).text == "030 23125 042"
    assert mask(text, MaskingRules(keep=["Support@acme.com"])).text == "support@acme.com, <EMAIL>, tel. <PHONE>"
    assert mask(text, MaskingRules(keep=["acme.com"], kinds=["email", "host"])).text == text
    assert mask("x@acme.internal", MaskingRules(keep=["acme.internal"])).text == "x@acme.internal"
    assert mask(text, MaskingRules(enabled=False)).text == text


@pytest.mark.parametrize(
    ("masking", "said"),
    [
        ({"kinds": ["shoe_size"]}, "masking.kinds.0"),
        ({"phone_regions": ["Germany"]}, "masking.phone_regions"),
        ({"keep": [" "]}, "masking.keep.0"),
        ({"enable": True}, "masking.enable: unknown field"),
    ],
)
def test_a_wrong_rule_is_named(masking: dict, said: str):
    with pytest.raises(ConfigInvalid, match=said):
        make_config(masking=masking)


def test_the_digest_tells_rules_and_finders_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = rules_digest(RULES)
    sources = files("argotune.data.guards")
    for source in sources.iterdir():
        if source.name.endswith(".py"):
            (tmp_path / source.name).write_text(source.read_text("utf-8"), "utf-8")
    masking._finders.cache_clear()
    monkeypatch.setattr(masking, "files", lambda _package: tmp_path)
    assert rules_digest(RULES) == before
    masking._finders.cache_clear()
    (tmp_path / "phones.py").write_text("_NUMBER = '1'", "utf-8")
    changed = rules_digest(RULES)
    masking._finders.cache_clear()
    assert changed != before


def test_the_digest_tells_rules_apart():
    assert rules_digest(RULES) == rules_digest(MaskingRules())
    assert rules_digest(RULES) != rules_digest(MaskingRules(keep=["acme.com"]))


PIECES = st.sampled_from(
    [
        *("a@b.cc", "@", ".", " at ", " dot ", "+49 30 23125 042", "0", "12", " ", "-", "4242424242424242"),
        *("DE89370400440532013000", "10.1.2.3", "fe80::1", ":", "/", "\\\\", "host=", "ssh ", "x-1", ".local", "://"),
        *("password", "=", " is ", "token ", "Aa1", "sk-", "AKIA", "eyJ", "bearer ", "-----BEGIN PRIVATE KEY-----"),
        *(
            "<EMAIL>",
            "<",
            ">",
            "&",
            '"',
            "\n",
            "\x00",
            "中",
            "٣",
            "９",
            "é",
            "call ",
            "536-22-8726",
            "0:1A:2B:3C:4D:5E",
        ),
    ]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join))
@settings(max_examples=400)
def test_any_text_can_be_masked_and_masking_again_changes_nothing(text: str):
    once = mask(text, RULES)
    assert mask(once.text, RULES) == mask(once.text, MaskingRules(enabled=False))
    assert not findings(once.text, RULES)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "a.",
            "a@",
            "a@b.",
            "1",
            "1 ",
            "1.",
            "12:",
            "+1 ",
            "a'",
            "://a:",
            "password ",
            "token a1",
            "a dot b at ",
        ),
        *("Aa1", "Aa1-", "DE89", "4111 ", "host=a-", "ssh a ", "fe80:", "中a@", "call 01 ", "<", "eyJaaaaa.", "(at)"),
    ],
)
def test_long_texts_made_to_be_slow_are_not(piece: str):
    text = piece * (20_000 // len(piece))  # with a pattern that is not linear this runs into the time limit
    once = mask(text, RULES).text
    assert mask(once, RULES).text == once


def test_an_experience_loses_texts_and_keeps_its_labels():
    fields = Fields("own", ("query",), {"agent": ("a@b.example", "other"), "reply": None})
    told = Mask(RULES)
    masked = told.experience(
        make_experience(
            inputs={"query": "mail c@d.example"},
            answers={"agent": "a@b.example", "reply": "to e@f.example"},
            language="g@h.example",
        ),
        fields,
    )
    assert masked.inputs == {"query": "mail <EMAIL>"}
    assert masked.answers == {"agent": "a@b.example", "reply": "to <EMAIL>"}
    assert masked.language == "<EMAIL>"
    assert told.counts == {"email": 3}


def test_free_labels_are_masked_and_those_of_a_closed_set_are_not():
    fields = Fields("own", ("query",), {"agent": ("a@b.example",), "reply": None})
    told = Mask(RULES)
    assert told.annotation(make_annotation("a@b.example", name="agent"), fields).label == "a@b.example"
    assert told.annotation(make_annotation("a@b.example", name="reply"), fields).label == "<EMAIL>"


def test_a_text_that_never_settles_is_hidden_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(masking, "MAX_PASSES", 1)
    assert mask("to bo@example.com", RULES) == MaskedText("<TEXT>", {"email": 1, "text": 1})


def test_counts_go_on_from_those_that_are_known():
    known = Mask(RULES, {"email": 2})
    known.text("to bo@example.com")
    assert known.counts == {"email": 3}


def test_slices_and_free_answers_of_an_example_are_masked_and_its_label_is_not():
    mail, free = "bo@example.com", Fields("routing", ("query",), {"agent": None})
    slices = {"label": mail, "language": mail, "modality": "text"}
    found = Mask(RULES).example(make_example("alps", expected={"agent": mail}, slices=slices), free)
    assert found.slices == {"label": mail, "language": "<EMAIL>", "modality": "text"}
    assert found.expected == {"agent": "<EMAIL>"}
    experience = Mask(RULES).experience(make_experience("alps", modality=mail, language=mail), FIELDS)
    assert (experience.modality, experience.language) == ("<EMAIL>", "<EMAIL>")
    unchanged = make_annotation("text")
    assert Mask(RULES).annotation(unchanged, free) is unchanged


def test_one_pass_finds_pieces_of_all_kinds():
    found = findings("bo@example.com or +1 202-555-0143, ping 10.12.0.37", RULES)
    assert [finding.kind for finding in found] == ["email", "phone", "ip"]


def test_hosts_of_a_kept_domain_are_kept():
    rules = MaskingRules(keep=["prod.internal"])
    assert mask("see db01.prod.internal and db01.dev.internal", rules).text == "see db01.prod.internal and <HOST>"


def test_places_that_overlap_are_one_and_neighbours_are_two():
    assert masking._apart([(4, 9), (0, 3), (3, 4), (7, 8)]) == [(0, 3), (3, 4), (4, 9)]
    assert masking._apart([(0, 5), (2, 8)]) == [(0, 8)]
    assert masking._without("abcdef", [(1, 2), (4, 6)]) == "a<cd<<"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("！＂～", '!"~'),
        ("\uff5f\uff00", "\uff5f\uff00"),
        ("–—‐−", "----"),
        ("∓", "∓"),
        ("a\u00a0b\u3000c", "a b c"),
        ("٣３", "33"),
        ("é", "é"),
    ],
)
def test_signs_of_other_scripts_are_read_as_those_that_finders_know(text: str, read: str):
    assert findable(text) == read


def test_a_masked_example_keeps_its_split_and_changes_its_id():
    example = make_example("mail a@b.example")
    masked = Mask(RULES).example(example, FIELDS)
    assert (masked.split, masked.expected, masked.slices) == (example.split, example.expected, example.slices)
    assert masked.inputs["query"] == "mail <EMAIL>"
    assert masked.id != example.id


def test_precision_and_recall_on_the_published_set_do_not_fall():
    benchmark = runpy.run_path(str(Path(__file__).parents[4] / "benchmarks" / "masking.py"))
    result = benchmark["measure"](benchmark["rows"]())
    right, found = result.precision()
    assert right / found >= 0.97
    right, wanted = result.recall()
    assert right / wanted >= 0.95
