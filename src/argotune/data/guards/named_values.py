"""Named values: what stands in a text as the value of something that is called a password, a token or a key.

`password: x`, `"API_TOKEN", "x"`, `<secret>x</secret>`, `--password x`, `the password of the share is x`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from argotune.data.guards.personal_data import Place


class Relation(IntEnum):
    """How firmly a text says that a value belongs to a name."""

    BESIDE = 1
    """Nothing but a space or a bracket between them."""
    SAID = 2
    """`is`, `was`, `to`: so are other things said of it, as in `password is required`."""
    LABELLED = 3
    """A colon."""
    LISTED = 4
    """The next text of a list of texts in quotes: `put("password", "x")`."""
    ASSIGNED = 5
    """`=` and its like, or the content of an element: somebody set it."""


@dataclass(frozen=True)
class NamedValue:
    """A value, `text[start : start + len(value)]`, and the name before it as it stands in the text.

    `suffix` is the end of a name in code behind the word that was looked for: `_type` of `token_type`.
    """

    name: str
    suffix: str
    relation: Relation
    value: str
    start: int
    is_quoted: bool
    text: str
    name_start: int

    @property
    def after(self) -> str:
        """What stands behind the value and its quote."""
        end = self.start + len(self.value)
        return self.text[end + self.is_quoted : end + 20]

    @property
    def before_name(self) -> str:
        """What stands before the name."""
        return self.text[max(0, self.name_start - 12) : self.name_start]

    @property
    def is_qualified(self) -> bool:
        """Whether the name is more than the word alone: `apiKey`, `signing key`, not `key`."""
        before = self.before_name
        return before[-1:].isalnum() or before[-1:] in ("_", "-", ".") or _QUALIFIER.search(before) is not None

    @property
    def before(self) -> str:
        """What stands before the value, name and all."""
        return self.text[max(0, self.start - 90) : self.start]


_QUALIFIER = re.compile(
    r"(?i)(?:api|access|secret|private|account|sign(?:ing)?|encryption|master|auth|server|client|license|service|app"
    r"|deploy|consumer|subscription|webhook|security|integration|project|rest|user)\W$"
)
_CLAUSE = (
    r"(?:\s(?:for|of|on|in|at|from|I|you|we|he|she|they|that|which|für|vom|von|zum|de|del|du|pour|para|per|do|da|от|для)\b"
    r"(?:\s[^\s,;:!?\"'`]{0,39}[^\s.,;:!?\"'`]){1,6}?)?"
)
_IS = (
    r"(?:(?:(?:has|had|have) been|was|is|got|will be) )?(?:changed|set|reset|updated|switched)(?: back)?"
    r"(?: from \S{1,60})? to"
    r"|(?:should|might|may|will|could|must) be|(?:is|was|are|ist|lautet|est|es|è|é|to|as|это|będzie|to jest)"
    r"(?:\s(?:now|still|currently|jetzt)|\s[\w-]{2,20}(?=\s[\"'`“„«*]))?"
)
_LINKS = (
    (
        Relation.ASSIGNED,
        r"(?:\s{0,3}:\s{0,2}[A-Za-z]{2,12}\??|\s(?:string|str|char|text|\[\]byte))?"
        r"\s{0,30}(?:[:=]{0,3}=>?|[?.+|]{1,2}=|->|→)\s{0,30}|[\s,]{1,12}\\?[\"']?value\\?[\"']?\s{0,3}[:=]\s{0,3}",
    ),
    (
        Relation.LISTED,
        r"(?<=[\"'`])\s{0,3},\s{0,9}(?=\\?[\"'`])",
    ),
    (Relation.LABELLED, r"\s{0,12}:{1,2}\s{0,12}"),
    (Relation.SAID, rf"{_CLAUSE}(?:\s(?:{_IS})[\s:]{{1,3}}|\s?(?:是|为|為|は|는|은|설정)\s?)"),
    (Relation.BESIDE, r"(?:(?:\sof)?\s{1,3}-?\s?|\s?[(\[]|\s{0,3}\|\s{0,3}|는\s?)"),
)
_QUOTED = (
    r"\\?\"(?P<double>[^\s\"\\<>]{3,4000}+)(?=\\?\")|\\?'(?P<single>[^\s'\\<>]{3,4000}+)(?=\\?')"
    r"|`{1,3}(?P<back>[^\s`<>]{3,4000}+)(?=`)|\*\*(?P<bold>[^\s*<>]{3,200}+)(?=\*\*)"
    r"|[“„«‘](?P<curly>[^\s“”„«»‘’<>]{3,4000}+)(?=[“”»‘’])"
)
_QUOTES = ("double", "single", "back", "bold", "curly")
_BARE = r"(?P<bare>[^\s\"'`<>,;“”„«»‘’]{3,4000}+)"
_LINK = "|".join(f"(?P<r{relation.value}>{link})" for relation, link in _LINKS)


def _pattern_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for `_values_of`: one of the words, also within a name of code such as `DB_PASSWORD_2`, and a value."""
    starts = "|".join(map(_start, sorted(words, key=len, reverse=True)))
    suffix = r"(?P<suffix>(?:[_-][\w.-]{0,24}|[A-Z0-9]\w{0,24})?)"
    return re.compile(
        rf"(?P<name>(?:{starts}){suffix})(?![a-zA-Z])(?:\\?[\"'`]|[*_)\]]){{0,4}}(?:{_LINK})"
        rf"(?:[({{\[]|<[a-z]{{1,8}}\d?>){{0,3}}(?:[A-Za-z](?=[\"']))?(?:{_QUOTED}|\**{_BARE})"
    )


def _start(word: str) -> str:
    """A short word counts at its start only, or as the next word of a name: `pin`, `myPin`, not `spin`."""
    if not word.isascii() or len(word) > 4:
        return f"(?i:{word}s?)" if word.isascii() else f"(?i:{word})"
    return rf"(?<![a-zA-Z])(?i:{word})|(?<=[a-z])(?:{word.capitalize()}|{word.upper()})"


def _values_of(pattern: re.Pattern[str], text: str) -> Iterator[NamedValue]:
    """The values that stand behind the words of a pattern."""
    for found in pattern.finditer(text):
        relation = next(relation for relation, _ in _LINKS if found[f"r{relation.value}"] is not None)
        quote = next((name for name in _QUOTES if found[name] is not None), None)
        value = found[quote] if quote else _trimmed(found["bare"])
        start = found.start(quote or "bare")
        yield NamedValue(found["name"], found["suffix"], relation, value, start, quote is not None, text, found.start())


def _trimmed(value: str) -> str:
    """Without the end of the sentence, emphasis and brackets that were opened before it."""
    while value and (value[-1] in ".:*\\" or value.count(value[-1]) > value.count(_OPENED.get(value[-1], value[-1]))):
        value = value[:-1]
    return value


_OPENED = {")": "(", "]": "[", "}": "{"}
_ELEMENT = re.compile(
    r"<(?P<tag>[A-Za-z][\w:.-]{0,60}+)(?:\s[^<>]{0,200}+)?>\s{0,40}(?P<value>[^\s<>]{3,4000}+)\s{0,40}</(?P=tag)>"
)


def _elements_of(words: re.Pattern[str], text: str) -> Iterator[NamedValue]:
    """The contents of elements of a name in which the words are: `<apiToken>x</apiToken>`."""
    for found in _ELEMENT.finditer(text):
        if words.search(found["tag"]):
            start = found.start("value")
            yield NamedValue(found["tag"], "", Relation.ASSIGNED, found["value"], start, True, text, found.start())


_EXPRESSION = re.compile(
    r"[$%#]?\{.*|\$\(?\w.*|%[sd({].*|[\[(].*|[*xX.•_-]{3,}|#[A-Za-z]+(?:-[A-Za-z]+)+|arn:.*|.*:"
    r"|[A-Za-z_$][\w$]*(?:(?:\.|->|::)\$?[A-Za-z_][\w$]*)*[(\[].*"
    r"|(?:process|os|env|self|this|config|settings?|args|opts?|options|req|request|ctx|user|data|event|secrets?|var|vars"
    r"|local|inputs|credentials|params|module|resource|std|System)(?:\.|->|::)\w.*"
    r"|(?:\.{1,2}|~)?/.*|[A-Za-z]+://.*|[\w.-]+@[\w-]+\.[A-Za-z]{2,}.*"
)
_TYPES_AND_STATES = frozenset(
    [
        "string",
        "str",
        "text",
        "char",
        "varchar",
        "bool",
        "boolean",
        "number",
        "int",
        "integer",
        "bytes",
        "object",
        "any",
        "null",
        "none",
        "nil",
        "undefined",
        "true",
        "false",
        "empty",
        "required",
        "optional",
        "missing",
        "invalid",
        "incorrect",
        "correct",
        "wrong",
        "valid",
        "expired",
        "hidden",
        "masked",
        "redacted",
        "removed",
        "secret",
        "not",
        "yes",
        "no",
        "unset",
        "default",
        "encrypted",
        "hashed",
        "weak",
        "strong",
        "unknown",
        "changed",
        "reset",
        "forgotten",
        "lost",
        "the",
        "your",
        "this",
        "that",
        "and",
        "from",
        "see",
        "in",
        "on",
        "at",
        "with",
        "use",
        "via",
        "set",
        "same",
        "as",
        "if",
        "when",
        "for",
        "is",
        "are",
        "be",
        "can",
        "will",
        "must",
        "should",
        "password",
        "passwd",
        "username",
        "token",
        "key",
        "value",
        "here",
        "example",
        "placeholder",
    ]
)


_CHOSEN_IN_QUOTES = ("secret", "default", "password")
"""States that in quotes are what somebody chose."""


def is_expression(named: NamedValue) -> bool:
    """Code, a variable, a path or a stand-in: it says where the value comes from and is none."""
    value, word = named.value, named.value.casefold()
    if word in _TYPES_AND_STATES and not (named.is_quoted and word in _CHOSEN_IN_QUOTES):
        return True
    return _EXPRESSION.fullmatch(value) is not None or (not named.is_quoted and named.after[:1] in ("(", "["))


def is_variable(named: NamedValue) -> bool:
    """A bare name of letters behind an `=`, of which code would say that it is another variable.

    In a file of settings, `Password = tiger` stands alone on its line.
    """
    if named.is_quoted or not re.fullmatch(r"[A-Za-z_][A-Za-z_.]*", named.value):
        return False
    if named.after[:1] in (")", ",") or named.value.casefold() in named.name.casefold():
        return True
    is_setting = named.name[0].isupper() and named.value.isalpha() and named.after[:1] in ("", "\n")
    return named.text[named.start - 1].isspace() and not is_setting


_OF_IT = re.compile(
    r"(?i)[_-]?(?:\w+[_-])?(?:id|name|type|count|path|file|url|uri|index|len|length|size|limit|field|header|format|prefix"
    r"|version|ref|class|provider|tag|node|label|status|expiry|expires\w{0,8}|ttl|algorithm|alg|store|dir|env|var"
    r"|fingerprint|hint)s?"
)


def is_explained(named: NamedValue) -> bool:
    """The name says that the value is something of a secret, such as its file, and not the secret: `token_type`.

    Or it is another word: `TOKENIZER`.
    """
    is_longer = named.suffix[:1].isalpha() and named.name[: -len(named.suffix)].isupper()
    return is_longer or _OF_IT.fullmatch(named.suffix) is not None


class Words:
    """Words for one kind of secret, and what a text calls by them."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self._pattern = _pattern_of(words)
        self._tag = re.compile(rf"(?i)(?:{'|'.join(words)})\d{{0,2}}$")

    def are_in(self, lowered: str) -> bool:
        """Whether one of the words is in a text of small letters; quick."""
        return any(word in lowered for word in self._words)

    def places(self, text: str, accepts: Callable[[NamedValue], bool]) -> Iterator[Place]:
        """Where the values stand that are accepted, and where long ones of them stand once more."""
        named = [*_values_of(self._pattern, text), *(_elements_of(self._tag, text) if "</" in text else ())]
        accepted = [cut for cut in map(_of_query, named) if accepts(cut)]
        yield from ((cut.start, cut.start + len(cut.value)) for cut in accepted)
        yield from _again({cut.value for cut in accepted if len(cut.value) >= 8}, text)


_PIECE = re.compile(r"[^\s\"'`<>,;]{8,4000}+")


def _again(secrets: Collection[str], text: str) -> Iterator[Place]:
    for found in _PIECE.finditer(text if secrets else ""):
        piece = found[0].rstrip(".:)]}")
        if piece in secrets:
            yield found.start(), found.start() + len(piece)


def _of_query(named: NamedValue) -> NamedValue:
    """In a query string the next field follows, in a link its end."""
    if named.is_quoted or named.relation is not Relation.ASSIGNED:
        return named
    return replace(named, value=named.value.partition("&")[0].partition(")](")[0])
