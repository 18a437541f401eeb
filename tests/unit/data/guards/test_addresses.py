"""Addresses of people and machines: spelled mail addresses, IP and hardware addresses."""

from __future__ import annotations

import pytest

from argotune.data.guards.masking import mask
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules(kinds=["email", "ip", "host"])


@pytest.mark.parametrize(
    "address",
    [
        *(
            "ann dot lee at gmail dot com",
            "ann.lee AT example DOT org",
            "ann[at]example[dot]org",
            "ann [at] example.org",
        ),
        *("ann(at)example.org", "ann {at} example {dot} org", "ann_at_gmail.com", "ann_lee_at_example_dot_org"),
        *("ann . lee @ gmail . com", "ann[DOT]lee[AT]example[DOT]org", "ann (@) example.org", "ann-at-example-dot-org"),
    ],
)
def test_a_spelled_mail_address_is_one(address: str):
    assert mask(f"<{address}> it is", RULES).text == "<<EMAIL>> it is"


@pytest.mark.parametrize("text", ["<ann at basho dot com>", "<ann at yahoo.co.uk>", "<ann arroba eftec dot cl>"])
def test_brackets_make_an_address_of_what_prose_could_say(text: str):
    assert mask(text, RULES).text == "<<EMAIL>>"


@pytest.mark.parametrize(
    "text", ["// ann at gmail.com\n//", "ann at cs dot example dot edu", "x\nann собака example dot org\ny"]
)
def test_a_line_of_its_own_makes_one_too(text: str):
    assert "<EMAIL>" in mask(text, RULES).text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "look at booking dot com",
            "search at yahoo dot com",
            "I bought it at walmart.com",
            "meet @ cafe.de",
            "YARN at Yahoo!",
        ),
        *(
            "pixels[at+1]",
            "EVENTS[at].store(packed)",
            "if (at) await this.load(at.index)",
            "f(at) x.y",
            "launch-at-login",
        ),
        *(
            "updated_at_least.once",
            "encryption_at_rest.enabled",
            "created_at_utc.isoformat()",
            "2021-05-10-at-10.21.26.jpeg",
        ),
        *(
            "updated to 10.2.3.4",
            "v10.2.3.4",
            "release 10.2.3.4",
            "x[1::3] + y[::2]",
            "§ 12.3.4.5 der Satzung",
            "1.2.3.4",
        ),
        *("12-30-45-10-20-30", "1234.5678.9012", "3.0.5.130.2"),
    ],
)
def test_prose_code_and_versions_stay(text: str):
    assert mask(text, RULES).text == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("from 10.2.3.4,10.2.3.5", "from <IP>,<IP>"),
        ("updated 10.2.3.4 in the list", "updated <IP> in the list"),
        ("the ip is 8.8.4.4", "the ip is <IP>"),
        ("8.8.4.4 é um endereço IP", "<IP> é um endereço IP"),
        ("server version 3, address 10.2.3.4", "server version 3, address <IP>"),
        ("MAC aabb.ccdd.eeff", "MAC <HOST>"),
        ("00:11:22:33:44:55", "<HOST>"),
    ],
)
def test_addresses_of_machines_are_found_next_to_signs_and_words(text: str, masked: str):
    assert mask(text, RULES).text == masked
