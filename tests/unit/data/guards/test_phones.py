"""Phones: in the forms that people write, and other numbers."""

from __future__ import annotations

import pytest

from argotune.data.guards.masking import mask
from argotune.tenants.masking_rules import MaskingRules

RULES = MaskingRules(kinds=["phone"])


@pytest.mark.parametrize(
    "number",
    [
        *("212-555-0187x123", "(212) 555-0187 ext. 12", "212.555.0187", "(212)555-0187", "(898)666-3621x0135"),
        *("+44 7700 900123", "+49 (0) 1357 528320", "(+45) 12-34-56-78", "(+55)(11)98456-5666", "+41 (0)69 979 80 58"),
    ],
)
def test_a_number_of_known_form_needs_no_word(number: str):
    assert mask(f"and {number}, please", RULES).text == "and <PHONE>, please"


@pytest.mark.parametrize("number", ["78 651 450", "5550187", "010-65980408-8000", "0044 7700 900123", "1234567890"])
@pytest.mark.parametrize(
    "text",
    [
        *(
            "My phone number is %.",
            "tel.: %",
            "Fax %",
            "mobile:%",
            "WhatsApp % only",
            "电话：%。",
            "我的电话号是%",
            "전화번호는 %",
        ),
        *("Meu telefone é %", "Mein Handy: %", "téléphone : %", "phone=%", "मेरा फोन नंबर % है", "% (fax)", "Tel/Fax: %"),
    ],
)
def test_what_is_called_a_phone_number_is_one(text: str, number: str):
    assert mask(text.replace("%", number), RULES).text == text.replace("%", "<PHONE>")


@pytest.mark.parametrize(
    "text",
    [
        *("the probability is 0.19247705", "06/2023 - 08/2023", "0.23456000 of it", "(0.0614122539870913, 0.1074)"),
        *(
            "2019-2023",
            "from 01/2020 to 12/2021",
            "12.05.2024",
            "phone 2024-05-06",
            "call 2.5 of 10.25",
            "at 06.30 - 08.30",
        ),
        *("up 0.123456 %", "ISBN 0-306-40615-2", "order 030 1234567", "Boston, MA 02110-1301, USA", "EIN 04-2103594"),
        *(
            "1 000 000 calls",
            "contact 10 000 000 people",
            "version 1.20.300.4000",
            "52.520008, 13.404954",
            "1,234,567.89",
        ),
        *(
            "401-023-2138",
            "8[02-4679]",
            "(998246378.8556538+1112032928.2)",
            "42-8675309-x",
            "0 1 0 1 0 1 0 1",
            "978-3-16-148410-0",
        ),
    ],
)
def test_other_numbers_stay(text: str):
    assert mask(text, RULES).text == text
