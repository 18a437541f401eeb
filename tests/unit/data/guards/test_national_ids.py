"""National ids: as they are written, without separators where they are named, and numbers that only look like them."""

from __future__ import annotations

import pytest

from argotune.data.guards.masking import mask
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules(kinds=["national_id", "card"])


@pytest.mark.parametrize(
    "text",
    [
        *(
            "nino ab 12 34 56 c",
            "NI: AB123456C",
            "dni 12345678z",
            "nie x1234567l",
            "NIF: 1234567l",
            "cf rccmnl83s18d969h",
        ),
        *(
            "SSN 536228726",
            "social security number 536 22 8726",
            "cpf 39053344705",
            "My pesel is 44051401458.",
            "44051401458",
        ),
        *(
            "personnummer 8803200016",
            "mitt pnr är 19880320-0016",
            "BSN 111.222.333",
            "bsn nummer: 111222333",
            "9710139019902",
        ),
        *("Aadhaar 2341 2341 2346", "aadhaar: 234123412346", "RRN 9710139019902", "주민등록번호 210101-3123456"),
    ],
)
def test_ids_are_found_in_each_form_that_people_write(text: str):
    masked = mask(text, RULES).text
    assert masked.endswith(("<NATIONAL_ID>", "<NATIONAL_ID>."))
    assert not any(map(str.isdigit, masked))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "card 4111 1111 1111 1112",
            "3600 0000 0000 009",
            "invoice 44051401458 of May",
            "order 536228726",
            "12345678a",
        ),
        *("timestamps 1701234567890 and 1701234567", "pesel 44051401459", "2341 2341 2346 1234", "971013-9019903"),
    ],
)
def test_numbers_with_other_check_digits_or_more_digits_stay_whole(text: str):
    assert mask(text, RULES).text == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("my card 501864667909 was lost", "my card <CARD> was lost"),
        ("jcb 180016070420458", "jcb <CARD>"),
        ("213161594239298 it is", "<CARD> it is"),
        ("credit card # 3509413199654323", "credit card # <CARD>"),
        ("parcel 501864667909", "parcel 501864667909"),
    ],
)
def test_cards_of_twelve_digits_and_of_unknown_issuers_need_a_word(text: str, masked: str):
    assert mask(text, RULES).text == masked
