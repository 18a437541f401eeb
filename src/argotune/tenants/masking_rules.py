"""Masking rules: what a tenant wants to be masked in texts of traces."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

NamedKind = Literal["name", "address"]
"""What only a model finds that knows the language (data/guards/names_model.py)."""

WrittenKind = Literal["email", "phone", "card", "iban", "national_id", "ip", "host", "password", "token", "key"]
"""What is found by the way it is written."""

MaskedKind = Literal[WrittenKind, NamedKind]


PHONE_REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "SE", "NO", "CH", "AT", "PT", "GR", "UA", "RU", "TR"),
    *("IL", "AE", "SA", "EG", "IN", "CN", "JP", "KR", "TH", "VN", "AU", "BR", "MX"),
)


KeptText = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^\S(.*\S)?$")]


class MaskingRules(BaseModel):
    """What is masked in queries and other texts of traces before they are kept or shown to an LM (data/guards)."""

    model_config = ConfigDict(extra="forbid", frozen=False, validate_assignment=True, allow_inf_nan=False)

    enabled: bool = True
    kinds: list[MaskedKind] = Field(default_factory=lambda: list(get_args(WrittenKind)))
    phone_regions: list[str] = Field(
        default_factory=lambda: list(PHONE_REGIONS),
        description="countries (ISO 3166) whose national phone numbers are known; those with a + or a name always are",
    )
    keep: list[KeptText] = Field(
        default_factory=list, max_length=1000, description="texts never masked, and domains: support.acme.com"
    )
    names_model: str = Field(
        "en_core_web_sm",
        max_length=500,
        pattern=r"^([A-Za-z_]\w*|[\w.~-]*(/[\w.~ -]+)+)$",
        description="spaCy pipeline that finds `name` and `address`: a package, or the path of a folder",
    )

    @field_validator("phone_regions")
    @classmethod
    def _known_regions(cls, regions: list[str]) -> list[str]:
        if unasked := set(regions) - set(PHONE_REGIONS):
            from phonenumbers import SUPPORTED_REGIONS  # slow to import, and rarely needed

            if unknown := sorted(unasked - SUPPORTED_REGIONS):
                raise ValueError(f"{unknown[0]!r} is no country, write it as in US or DE")
        return regions
