"""What a caption asks for, by the words that captions are written with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fluxgate.miniature.captions import (
    COLOUR_WORDS,
    HOW_WORDS,
    NOUNS,
    NUMBERS,
    PLACES,
    PRAISE,
    SIDE_WORDS,
    SIZE_WORDS,
    TIMES,
)
from fluxgate.miniature.scenes import MAGIC, Relation

_KIND_OF = {form: (kind, form == many) for kind, forms in NOUNS.items() for one, many in forms for form in (one, many)}
_SIZE_OF = {word: size for size, forms in SIZE_WORDS.items() for word in forms}
_ASPECT_OF = {
    **dict.fromkeys(NUMBERS, "count"),
    **dict.fromkeys(("a", "an", "the"), "article"),
    **dict.fromkeys(COLOUR_WORDS, "colour"),
    **dict.fromkeys(_SIZE_OF, "size"),
}
_MUTE = frozenset({word for forms in PRAISE.values() for word in forms} | {"baby", "picnic"})
_HOW_OF = {phrase: how for how, phrases in HOW_WORDS.items() for phrase in phrases}
_SETTING_SIGNS = (
    (r"magical|enchanted", MAGIC), (r"meadow", "meadow"), (r"forest|woods", "forest"), (r"lake", "lake"),
    (r"snow|snowy", "snow"), (r"desert|dunes", "desert"),
)  # fmt: skip
_TOKEN = re.compile(
    "|".join(rf"\b{phrase}\b" for phrase in [*HOW_WORDS["left of"], *HOW_WORDS["right of"], *SIDE_WORDS.values()])
    + r"|\bmushroom tables\b|[a-z]+|[.,:;]"
)


@dataclass(frozen=True)
class Asked:
    """What a caption asks of one group; None is left open, and a count of None is more than one."""

    kind: str
    colour: str | None
    count: int | None
    size: str | None
    side: str | None


@dataclass(frozen=True)
class Expected:
    """What a caption asks for, whole."""

    groups: tuple[Asked, ...]
    relations: tuple[Relation, ...]
    setting: str | None
    night: bool | None
    picnic: bool


def parse(caption: str) -> Expected:
    """What a caption of this grammar asks for; words outside it are passed over."""
    text = caption.lower()
    setting = next((name for signs, name in _SETTING_SIGNS if re.search(rf"\b({signs})\b", text)), None)
    night = True if re.search(r"\bnight\b", text) or setting == MAGIC else None
    if night is None and re.search(r"\b(day|daylight)\b", text):
        night = False
    groups, related = _read(_without_places(text))
    return Expected(tuple(groups), tuple(related), setting, night, re.search(r"\bpicnic\b", text) is not None)


def _without_places(text: str) -> str:
    places = [place for forms in PLACES.values() for _, place in forms]
    phrases = sorted([*places, *TIMES[False], *TIMES[True]], key=len, reverse=True)
    return re.sub("|".join(rf"\b{phrase}\b" for phrase in phrases), " ; ", text)


def _read(text: str) -> tuple[list[Asked], list[Relation]]:
    groups: list[Asked] = []
    related: list[Relation] = []
    how: str | None = None
    said: dict[str, str] = {}
    for token in _TOKEN.findall(text):
        kind, many = ("mushroom", True) if token == "mushroom tables" else _KIND_OF.get(token, ("", False))
        if kind:
            groups.append(_asked(kind, said, many=many))
            related += [Relation(len(groups) - 2, how, len(groups) - 1)] if how else []
            how, said = None, {}
        elif token in _HOW_OF:
            how, said = (_HOW_OF[token] if groups else None), {}
        elif token in SIDE_WORDS.values() and groups:
            groups[-1] = _sided(groups[-1], token)
        elif token not in _MUTE and not _note(token, said):
            said = {}
    return groups, related


def _note(token: str, said: dict[str, str]) -> bool:
    """Remember a word that says more about the next noun; False when it does not."""
    key = _ASPECT_OF.get(token)
    if key:
        said[key] = token
    return key is not None


def _asked(kind: str, said: dict[str, str], *, many: bool) -> Asked:
    count = NUMBERS.index(said["count"]) + 1 if "count" in said else None if many else 1
    size = _SIZE_OF[said["size"]] if "size" in said else None
    return Asked(kind, said.get("colour"), count, size, None)


def _sided(asked: Asked, phrase: str) -> Asked:
    where = next(name for name, words_ in SIDE_WORDS.items() if words_ == phrase)
    return Asked(asked.kind, asked.colour, asked.count, asked.size, where)
