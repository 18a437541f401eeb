"""Instructions to an LM inside texts that should be data: "ignore the above", role marks, marks of prompt templates.

A list of what is known, in several languages: it finds the clumsy and the common. What it misses meets the reader, who
never sees the content, and the gate.
"""

from __future__ import annotations

import re
import unicodedata

_BEFORE = (
    r"(?:above|previous|prior|preceding|earlier|foregoing|all|any|every|your|these|those|the|my|system|former|"
    r"instructions?|rules?|prompts?|guidelines?|directions?|commands?|messages?|context)"
)
_PHRASES = (
    # English
    rf"\b(?:ignore|disregard|forget|override|bypass|skip)\s+(?:{_BEFORE}\s+){{1,4}}?"
    r"(?:above|instructions?|rules?|prompts?|guidelines?|directions?|commands?|messages?|context|text)\b",
    r"\b(?:ignore|disregard|forget)\s+(?:everything|all\s+of\s+(?:this|that|the)|what(?:ever)?\s+(?:was|you\s+were))\b",
    r"\byou\s+are\s+now\s+(?:an?|the|in|no\s+longer)\b",
    r"\b(?:new|updated|real|actual)\s+(?:system\s+)?instructions?\s*[:;-]",
    r"\b(?:reveal|print|show|repeat|output)\s+(?:me\s+)?(?:your|the)\s+(?:system\s+|hidden\s+|initial\s+)?prompt\b",
    r"\b(?:respond|reply|answer)\s+only\s+with\b",
    # German, Dutch
    r"\b(?:ignoriere|ignorieren\s+sie|vergiss|vergessen\s+sie|missachte)\s+(?:\w+\s+){0,4}"
    r"(?:anweisung\w*|befehle?|obige\w*|vorherige\w*|regeln)",
    r"\b(?:negeer|vergeet)\s+(?:\w+\s+){0,4}(?:instructies|bovenstaande|opdrachten)",
    # French, Spanish, Portuguese, Italian
    r"\b(?:ignore[zr]?|oublie[zr]?)\s+(?:\w+\s+){0,4}(?:instructions?|consignes?|ci-dessus|precedent\w*)",
    r"\b(?:ignor[ae]n?|olvid[ae]n?)\s+(?:\w+\s+){0,4}(?:instruccion\w*|anterior\w*|reglas)",
    r"\b(?:ignor[ea]m?|esqueca)\s+(?:\w+\s+){0,4}(?:instruco\w*|anterior\w*|acima|regras)",
    r"\b(?:ignora|ignorate|dimentica)\s+(?:\w+\s+){0,4}(?:istruzion\w*|precedent\w*|sopra|regole)",
    # Polish, Turkish, Russian, Ukrainian
    r"\b(?:zignoruj|ignoruj|zapomnij)\s+(?:\w+\s+){0,4}(?:instrukcj\w*|polecen\w*|powyzsz\w*|poprzedni\w*)",
    r"(?:onceki|yukaridaki)\s+(?:\w+\s+){0,3}(?:talimat\w*|komut\w*)\S*\s+(?:\w+\s+){0,2}(?:yok\s*say|unut|gormezden)",
    r"(?:игнорируи\w*|проигнорируи\w*|забудь\w*|ігноруи\w*)\s+(?:\w+\s+){0,4}(?:инструкц\w*|предыдущ\w*|указани\w*|"
    r"выше\w*|інструкц\w*|попередн\w*)",
    # Arabic, Hindi, Chinese, Japanese, Korean
    r"تجاهل\s+(?:\S+\s+){0,3}\S*(?:تعليمات|سابق|اعلاه)",
    r"(?:निर्देश|आदेश)\S*\s+(?:\S+\s+){0,3}(?:अनदेखा|नजरअंदाज|भूल)",
    r"(?:忽略|无视|忘记|忘掉|請忽略|無視)\S{0,8}(?:指令|指示|说明|說明|提示|以上|上面|之前|规则)",
    r"(?:指示|命令|プロンプト|上記|ルール)\S{0,8}(?:無視|忘れ)",
    r"(?:지시|명령|프롬프트|위의\s*내용)\S{0,4}\s*(?:\S+\s+){0,2}(?:무시|잊)",
)
_MARKS = (
    r"<\|[\w ]{1,40}\|?>",
    r"\[/?(?:inst|sys|system)\]|<</?sys>>",
    r"\[\[\s*##",
    r"<\/?(?:system|assistant|instructions?|prompt)>",
    r"^\W{0,4}#{1,6}\s*(?:instructions?|system|response|prompt)\b",
    r"(?:^|[\n.!?\"'])\W{0,4}(?:system|assistant|developer|human)\s*:",
    r"\{\{.*?\}\}|\{%.*?%\}|\$\{[^}]*\}",
)
_FOUND = re.compile("|".join(f"(?:{pattern})" for pattern in (*_PHRASES, *_MARKS)), re.IGNORECASE | re.MULTILINE)


def holds_instructions(text: str) -> bool:
    """Whether a text speaks to an LM. Accents, width, letter case and invisible characters make no difference."""
    return _FOUND.search(_undisguised(text)) is not None


def _undisguised(text: str) -> str:
    """Latin, Greek and Cyrillic letters lose their accents; what stands in no sight, such as a soft hyphen, goes."""
    compatible = unicodedata.normalize("NFKD", text)
    visible = (c for c in compatible if unicodedata.category(c) != "Cf" and not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", "".join(visible))
