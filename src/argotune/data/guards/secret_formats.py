"""Secret formats: tokens and keys that their issuers made recognisable, and blocks and addresses that hold secrets.

Each format is one that its issuer documents: what it begins with, and of which characters the rest is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from argotune.data.guards.personal_data import Place
from argotune.data.guards.randomness import is_mixed, is_random

_NARROW = r"[\w-]{12,500}+"
_WIDE = r"(?:[\w~-]|[.=+/](?=[\w~-])){12,4000}+={0,2}"
_NARROW_TOKENS = (
    *(r"gh[pousr]_", r"github_pat_"),  # GitHub
    *(r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-", r"GR1348941"),  # GitLab
    *(r"xox[a-eoprs]-", r"xapp-"),  # Slack
    *(r"shp(?:at|ca|pa|ss|tka|ua)_", r"do[opr]_v1_"),  # Shopify, DigitalOcean
    *(r"npm_", r"pypi-", r"rubygems_", r"CLOJARS_", r"oy2", r"dckr_[po]at_"),  # registries of packages and images
    *(r"hf_", r"api_org_", r"r8_", r"lsv2_[ps][tk]_", r"jina_", r"rpa_"),  # Hugging Face, Replicate, LangSmith, Runpod
    *(r"glsa_", r"sntr[ysu]{1,2}_", r"sq[apu]_", r"sgp_", r"phx_"),  # Grafana, Sentry, Sonar, Sourcegraph, PostHog
    *(
        r"nf[pcobu]_",
        r"vc[aikpr]_",
        r"rnd_",
        r"ddp_",
        r"sbp_",
        r"napi_",
    ),  # Netlify, Vercel, Render, Deno, Supabase, Neon
    *(r"dapi(?=[0-9a-f]{32})", r"pul-", r"cf(?:ut|at|k)_", r"v1\.0-[0-9a-f]{16,32}-"),  # Databricks, Pulumi, Cloudflare
    *(
        r"ntn_",
        r"secret_(?=[A-Za-z0-9]{40})",
        r"figd_",
        r"lin_(?:api|oauth)_",
        r"tfp_",
    ),  # Notion, Figma, Linear, Typeform
    *(
        r"bkua_",
        r"CCIPAT_",
        r"pn[ub]_",
        r"sm_[aps]at_",
        r"waka_",
        r"rdme_",
        r"AKCp",
        r"HRKU-",
        r"PM[AS][KT]-",
    ),  # for developers
    *(
        r"whsec_",
        r"FLWSECK(?:_TEST)?-",
        r"duffel_(?:test|live)_",
        r"shippo_(?:test|live)_",
        r"EZ[AT]K",
    ),  # payment, trade
    *(r"(?:live|test)_(?:pub_)?(?=[0-9a-f]{20})", r"access-(?:production|development|sandbox)-", r"sq0[a-z]{3}-"),
    *(r"ico-", r"fio-u-", r"CFPAT-", r"tskey-", r"SWMTKN-1-", r"BB(?:DC|FF)-", r"ATBB", r"s-s4t2(?:ud|af)-", r"tk-us-"),
)
_WIDE_TOKENS = (
    *(r"hv[sbr]\.", r"\w{14}\.atlasv1\.", r"dp\.(?:pt|st|ct|sa|scim|audit)\."),  # HashiCorp, Doppler
    *(
        r"ATATT3",
        r"ATCTT3",
        r"cmVmd",
        r"dt0[a-z]\d\d\.",
        r"pat[A-Za-z0-9]{14}\.",
    ),  # Atlassian, JFrog, Dynatrace, Airtable
    *(r"pscale_(?:tkn|oauth|pw)_", r"glc_", r"eyJrIjoi", r"ops_eyJ"),  # PlanetScale, Grafana, 1Password
    *(r"ya29\.", r"1//0", r"EAA[A-Z]", r"IGQV", r"sl\.(?=[\w-]{60})", r"amzn\.mws\."),  # Google, Meta, Dropbox, Amazon
    *(r"fm[12][ar]?_", r"fo1_", r"FlyV1 fm2_", r"tkn\.v1_", r"1000\.(?=[0-9a-f]{32}\.)", r"t1\.(?=[\w-]{60})", r"y0_"),
)
_OTHER_TOKENS = (
    r"eyJ[\w-]{5,4000}+\.eyJ[\w-]{5,4000}+(?:\.[\w-]{0,4000}+)?",  # JWT, RFC 7519
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{22,40}+",  # Azure DevOps
    r"\d{8,10}:[\w-]{35}(?![\w-])",  # Telegram
    r"\d{13,17}\|[\w-]{27}(?![\w-])",  # Facebook
    r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6,7}\.[\w-]{27,40}(?![\w-])",  # Discord
)
_NARROW_KEYS = (
    *(r"GOCSPX-", r"LTAI", r"AKID", r"AQVN", r"ABSK"),  # Google, Alibaba, Tencent, Yandex, Amazon Bedrock
    *(r"sk-", r"gsk_", r"xai-", r"pplx-", r"tvly-", r"nvapi-", r"csk-", r"fw_(?=\w{20})"),  # LMs
    *(
        r"[rsp]k_(?:live|test|prod)_",
        r"[sp]k_(?=[0-9a-f]{32})",
        r"rzp_(?:live|test)_",
        r"FLWPUBK(?:_TEST)?-",
    ),  # payment
    *(r"NR(?:AK|JS|II|AA|RA|SP|AL)-", r"phc_", r"xkeysib-", r"xsmtpsib-", r"key-(?=[0-9a-f]{32})"),  # New Relic, mail
    *(r"mdb_sa_sk_", r"sb_secret_", r"da2-", r"dvc_(?:server|client|mobile)_", r"pri_(?=[0-9a-f]{32})"),
    *(
        r"(?:sdk|api|mob)-(?=[0-9a-f]{8}-[0-9a-f]{4}-)",
        r"A3-(?=[A-Z0-9]{6}-)",
        r"API-(?=[A-Z0-9]{25})",
        r"AGE-SECRET-KEY-1",
    ),
    *(r"aio_(?=\w{28}(?!\w))", r"re_(?=[A-Za-z0-9]{8}_)", r"b_(?=\w{40})", r"(?:flb|lob)_(?:live|test)_"),
)
_WIDE_KEYS = (r"[sp]k\.eyJ", r"bedrock-api-key-")
_OTHER_KEYS = (
    r"A(?:KIA|SIA|GPA|IDA|ROA|NPA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    r"AIza[\w-]{35}(?![\w-])",  # Google
    r"SG\.[\w-]{16,64}+\.[\w-]{16,64}+",  # SendGrid
    r"SK[0-9a-f]{32}(?!\w)",  # Twilio
    r"[0-9a-f]{32}-us\d{1,2}(?!\w)",  # Mailchimp
    r"[\w~.-]{3}\dQ~[\w~.-]{31,34}+",  # Microsoft Entra
)
_IN_ADDRESSES = (
    r"(?:https?://)?(?:hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{20,200}+"
    r"|(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,80}+"
    r"|(?:[\w-]{1,63}\.webhook|outlook)\.office(?:365)?\.com/webhook(?:b2)?/[\w@/-]{60,300}+)"
    r"|(?<=api\.telegram\.org/bot)\d{8,10}:[\w-]{35}"
)


def _any_of(narrow: Iterable[str], wide: Iterable[str], others: Iterable[str]) -> str:
    listed = "|".join([f"(?:{'|'.join(narrow)}){_NARROW}", f"(?:{'|'.join(wide)}){_WIDE}", *others])
    return rf"(?<![A-Za-z0-9_-])(?:{listed})"


_TOKENS = re.compile(f"{_any_of(_NARROW_TOKENS, _WIDE_TOKENS, _OTHER_TOKENS)}|{_IN_ADDRESSES}")
_KEYS = re.compile(_any_of(_NARROW_KEYS, _WIDE_KEYS, _OTHER_KEYS))
_THREE_PARTS = re.compile(r"(?<![\w.-])[\w-]{10,200}+\.[\w-]{6,2000}+\.[\w-]{16,2000}+(?![\w.-])")
_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)


def tokens_by_format(text: str) -> Iterator[Place]:
    """Where tokens of known issuers stand, and three random parts with dots between them."""
    if _has_long_word(text):
        yield from (found.span() for found in _TOKENS.finditer(text) if _is_no_word(found[0]))
        for found in _THREE_PARTS.finditer(text):
            first, _, last = found[0].split(".")
            if is_random(first) and is_random(last):
                yield found.span()


def keys_by_format(text: str) -> Iterator[Place]:
    """Where keys of known issuers stand, and private keys as PEM blocks, to the end of the text where it was cut."""
    if "-----BEGIN" in text:
        yield from (found.span() for found in _BLOCK.finditer(text))
    if _has_long_word(text):
        yield from (found.span() for found in _KEYS.finditer(text) if _is_no_word(found[0][3:]))


def _is_no_word(piece: str) -> bool:
    """With a digit, or at the end 20 letters without a break or 16 drawn ones: `hf_hub_download` is none."""
    letters = re.search(r"[A-Za-z]*$", piece[-200:])
    return any(map(str.isdigit, piece)) or (letters is not None and (len(letters[0]) >= 20 or is_mixed(letters[0])))


def _has_long_word(text: str) -> bool:
    return max(map(len, text.split()), default=0) >= 16
