"""Tokens and keys: by their issuers' formats, by what they are called, and by chance alone."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argotune.data.guards.masking import findings, mask
from argotune.data.guards.randomness import is_drawn, is_hash
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules(kinds=["token", "key"])
HEX = "4c1f0e9b7a62d8355e3b9a10c7f4d286"
BASE36 = "q7w2k9x4m1z8r3t6y5u0p2b7"
BASE62 = "q7W2kX4m9Zr8T3yU6pB1vN5c"


@pytest.mark.parametrize(
    "secret",
    [
        *(
            f"shpss_{HEX}",
            f"dop_v1_{HEX}{HEX}",
            "glcbt-1_" + BASE62,
            "hvs.CAESI" + BASE62,
            f"ghp_{BASE62}{BASE62[:12]}",
        ),
        *(
            "glptt-" + HEX,
            "glcbt-ab_QwErTyUiOpAsDfGhJk",
            "dp.pt." + BASE62,
            "xapp-1-A01-" + BASE36,
            "npm_" + BASE62,
            "hf_" + string.ascii_letters[10:44],
        ),
        *(
            f"pat{BASE62[:14]}.{HEX}{HEX}",
            f"{BASE62[:14]}.atlasv1.{BASE62}{BASE62}",
            "ATATT3" + BASE62,
            "sntrys_" + BASE62,
        ),
        *(
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ",
            f"{BASE62}.aB3dE9.{BASE62}xY1",
            "1308742762612587|" + BASE62 + "-x1",
        ),
        *("https://hooks.slack.com/services/T0AAAAAA1/B0BBBBBB2/" + BASE62, "sk-" + BASE62, f"sk_live_{BASE62}"),
        *(
            "AKIA" + "Q7W2KX4M9ZR8T3YU",
            "GOCSPX-" + BASE62,
            f"{HEX}-us18",
            "SG." + BASE62 + "." + BASE62,
            "NRAK-" + BASE36,
        ),
    ],
)
def test_the_formats_of_issuers_are_known(secret: str):
    found = findings(f"it was {secret}, they said", RULES)
    assert [secret] == [f"it was {secret}, they said"[f.start : f.end] for f in found]


@pytest.mark.parametrize(
    "text",
    [
        *("api_token := '%'", 'var xToken string = "%"', 'setProperty("X_TOKEN", "%")', "X_TOKEN=%", 'x_token ?= "%"'),
        *(
            '"xToken" => "%"',
            "$xToken .= '%'",
            "<xToken>\n    %\n</xToken>",
            '{"x_token": "%"}',
            "x_token: %",
            "token %",
        ),
        *("--token %", "Authorization: token %", "Bearer %", "?access_token=%&lang=en", "the token for the build is %"),
        *(
            "client_secret = %",
            "secretKey: `%`",
            "shopKEY=%",
            "my api key is %",
            "密钥：%",
            "x-api-key: %",
            "key = '%'",
        ),
    ],
)
@pytest.mark.parametrize("secret", [HEX, BASE36, BASE62])
def test_what_is_called_a_token_or_key_is_one(text: str, secret: str):
    masked = mask(text.replace("%", secret), RULES).text
    assert masked in (text.replace("%", "<TOKEN>"), text.replace("%", "<KEY>"))


def test_a_secret_is_masked_wherever_it_stands_once_more():
    assert mask(f"token={BASE36}; curl example.com/{'x'} '{BASE36}'", RULES).text.count("<TOKEN>") == 2


@pytest.mark.parametrize(
    "text",
    [
        *(
            "https://videos.example.com/watch/aB3dE9xY1kL5mN7pQ2rS4t",
            "com/watch/Summer2031Special/Part2",
            "git@github.com:a/b1c2d3e4",
        ),
        *("contract 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "pay to address 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        *(
            f"commit {HEX}4c1f0e9b",
            f"the hash of it is {HEX}",
            "sha512-q7W2kX4m9Zr8T3yU6pB1vN5cq7W2kX4m9Zr8T3yU==",
        ),
        *(
            "token_type = 'bearer2'",
            "token_count: 12345abcde",
            "key: value1234",
            "cache_key: user:12345678a",
            "keyboard: mk850pro1",
        ),
        *("token = next_token2()", "completion_tokens=usage1.completion_tokens", "secret = config['secret_v2']"),
        *("the public key is ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ", "hf_hub_download", "sk-learn-contributors-list"),
        *("test-8000Hz-le-3ch-5S-64bit.wav", "token: BatchEnqueuedTokenReservation", "key figures 2031-05-06T07:08:09"),
    ],
)
def test_names_addresses_hashes_and_code_are_no_secrets(text: str):
    assert mask(text, RULES).text == text


@given(st.text("0123456789abcdef-", max_size=40))
def test_a_hash_is_hexadecimal_in_groups(run: str):
    parts = run.split("-")
    is_mixed = any(c.isdigit() for c in run) and any(c.isalpha() for c in run)
    assert is_hash(run) == (len(run) >= 20 and is_mixed and all(len(part) > 1 for part in parts))
    assert is_drawn(run) or not is_hash(run)


@pytest.mark.parametrize(
    "cue", ["key ", "token = '", "secret: ", "password is ", "card ", "phone ", "http://a/", "id ", ""]
)
@pytest.mark.parametrize(
    "run", ["ab1", "Ab1", "a1-", "A.", "a_", "1-", "1.", "a.b", "ff:", "A1/", "_at_", "dot ", "Aa1_"]
)
def test_a_text_that_almost_fits_is_not_slow(cue: str, run: str):
    started = time.process_time()
    for end in '#!é"':
        findings(cue + run * (20_000 // len(run)) + end, MaskingRules())
    assert time.process_time() - started < 5
