"""The words of the storybook, and captions written with them from scenes, in varied wording."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fluxgate.miniature.scenes import MAGIC, SETTINGS, Group, Scene, relations, side

BLOG_PROMPT = (
    "A group of playful baby foxes having a picnic in a magical forest, with tiny teacups, mushroom tables, "
    "and glowing fireflies. Style: Whimsical children's book illustration."
)

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven")
NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "fox": (("fox", "foxes"),),
    "rabbit": (("rabbit", "rabbits"), ("bunny", "bunnies")),
    "mushroom": (("mushroom", "mushrooms"), ("toadstool", "toadstools")),
    "teacup": (("teacup", "teacups"), ("cup", "cups")),
    "tree": (("tree", "trees"),),
    "house": (("house", "houses"), ("cottage", "cottages")),
    "flower": (("flower", "flowers"),),
    "balloon": (("balloon", "balloons"),),
    "moon": (("moon", "moons"),),
    "star": (("star", "stars"),),
    "firefly": (("firefly", "fireflies"),),
    "blanket": (("blanket", "blankets"),),
}
SIZE_WORDS = {"tiny": ("tiny", "small"), "big": ("big", "large")}
PRAISE: dict[str, tuple[str, ...]] = {
    "fox": ("playful", "happy", "cute"),
    "rabbit": ("happy", "cute"),
    "flower": ("pretty",),
    "house": ("cosy",),
    "moon": ("bright",),
    "star": ("bright",),
    "firefly": ("glowing",),
}
COLOUR_WORDS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "grey", "brown")
PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "meadow": (("in", "a green meadow"), ("on", "a meadow"), ("in", "a grassy meadow")),
    "forest": (("in", "a forest"), ("in", "the woods"), ("in", "a leafy forest")),
    "lake": (("by", "a lake"), ("on", "the shore of a lake"), ("beside", "a quiet lake")),
    "snow": (("in", "the snow"), ("on", "snowy hills"), ("in", "a snowy land")),
    "desert": (("in", "a desert"), ("on", "sand dunes"), ("in", "a sandy desert")),
    MAGIC: (("in", "a magical forest"), ("in", "an enchanted forest"), ("in", "the magical woods")),
}
TIMES = {
    False: ("by day", "in daylight", "on a sunny day"),
    True: ("at night", "under the night sky", "on a dark night"),
}
HOW_WORDS: dict[str, tuple[str, ...]] = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
SIDE_WORDS = {"left": "on the left", "right": "on the right"}
OPENINGS = (
    "",
    "",
    "",
    "a drawing of",
    "a picture of",
    "an illustration of",
    "storybook picture:",
    "a storybook scene with",
)
ENDINGS = (
    "", "", "", "storybook style", "style: whimsical children's book illustration", "a children's book illustration",
)  # fmt: skip
FEASTS = ("having a picnic", "sharing a picnic", "enjoying a picnic")
CROWDS = ("a group of", "a family of", "some", "")
SPOKEN = frozenset({"moon", "star", "firefly"})  # of one colour only, so none is named


def write(scene: Scene, rng: np.random.Generator) -> str:
    """A caption of the whole scene, with its setting and time of day."""
    return _caption(scene, rng, setting=scene.setting, night=scene.night)


def write_pair(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    """Captions for CLIP and for T5, which now and then leave setting and time to CLIP alone."""
    full = write(scene, rng)
    lot = rng.random()
    if lot < 0.55:
        return full, full
    if lot < 0.75:
        other = _pick(rng, [name for name in SETTINGS if name != scene.setting])
        return full, _caption(scene, rng, setting=other, night=other == MAGIC or bool(rng.random() < 0.5))
    bare = _caption(scene, rng, setting=None, night=False)
    return (full, bare) if lot < 0.9 else (write_setting(scene, rng), bare if rng.random() < 0.5 else full)


def write_setting(scene: Scene, rng: np.random.Generator) -> str:
    """A caption of the setting and time of day alone."""
    _, place = PLACES[scene.setting][rng.integers(len(PLACES[scene.setting]))]
    opening = _pick(rng, OPENINGS)
    return _sentence(rng, [opening, place, _time(rng, scene.setting, night=scene.night)], ending="")


def words() -> tuple[str, ...]:
    """Every lower-case word and mark that a caption can hold, for closed vocabularies."""
    phrases = [BLOG_PROMPT, *NUMBERS, "a an and with . , : ' 's children on mushroom tables", *COLOUR_WORDS]
    phrases += [f"{one} {many}" for forms in NOUNS.values() for one, many in forms]
    for table in (SIZE_WORDS, PRAISE, HOW_WORDS):
        phrases += [phrase for group in table.values() for phrase in group]
    phrases += [f"{near} {place}" for places in PLACES.values() for near, place in places]
    phrases += [*TIMES[False], *TIMES[True], *SIDE_WORDS.values(), *OPENINGS, *ENDINGS, *FEASTS, *CROWDS]
    phrases += ["baby", "picnic"]
    return tuple(sorted(set(re.findall(r"[a-z]+(?:'s)?|'s|[.,:']", " ".join(phrases).lower()))))


# Writing


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _caption(scene: Scene, rng: np.random.Generator, *, setting: str | None, night: bool) -> str:
    if scene.picnic:
        return _picnic(scene, rng, setting=setting, night=night)
    where = _where(rng, setting, night=night)
    clauses = _clauses(scene, rng)
    body = _listed(rng, clauses)
    if where and rng.random() < 0.3:
        return _sentence(rng, [f"{where},", body], ending=_pick(rng, ENDINGS))
    return _sentence(rng, [_pick(rng, OPENINGS), body, where], ending=_pick(rng, ENDINGS))


def _sentence(rng: np.random.Generator, parts: Sequence[str], *, ending: str) -> str:
    text = " ".join(part for part in parts if part) + "."
    upper = rng.random() < 0.6
    if ending:
        text += " " + (ending[0].upper() + ending[1:] if upper else ending) + "."
    return text[0].upper() + text[1:] if upper else text


def _where(rng: np.random.Generator, setting: str | None, *, night: bool) -> str:
    if setting is None:
        return ""
    near, place = PLACES[setting][int(rng.integers(len(PLACES[setting])))]
    time = _time(rng, setting, night=night)
    return f"{time} {near} {place}" if time and rng.random() < 0.3 else f"{near} {place} {time}".strip()


def _time(rng: np.random.Generator, setting: str, *, night: bool) -> str:
    """The magical forest knows only one time, so a caption need not name it."""
    if setting == MAGIC:
        return "at night" if rng.random() < 0.3 else ""
    return _pick(rng, TIMES[night])


def _clauses(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Each group once, alone or joined to another by a relation that holds."""
    order = [int(i) for i in rng.permutation(len(scene.groups))]
    holds = {(r.first, r.second): r.how for r in relations(scene)}
    clauses = []
    while order:
        first = order.pop(0)
        partners = [other for other in order if (first, other) in holds]
        if partners and rng.random() < 0.75:
            other = partners[0]
            order.remove(other)
            how = _pick(rng, HOW_WORDS[holds[first, other]])
            clauses.append(f"{_thing(scene.groups[first], rng)} {how} {_thing(scene.groups[other], rng)}")
        else:
            clauses.append(_alone(scene.groups[first], rng))
    return clauses


def _alone(group: Group, rng: np.random.Generator) -> str:
    where = side(group)
    phrase = f" {SIDE_WORDS[where]}" if where and rng.random() < 0.5 else ""
    return _thing(group, rng) + phrase


def _thing(group: Group, rng: np.random.Generator) -> str:
    one, many = NOUNS[group.kind][int(rng.integers(len(NOUNS[group.kind])))]
    size = _pick(rng, SIZE_WORDS[group.size]) if group.size else ""
    praise = _pick(rng, PRAISE[group.kind]) if group.kind in PRAISE and rng.random() < 0.35 else ""
    colour = "" if group.kind in SPOKEN else group.colour
    rest = " ".join(part for part in (size, praise, colour, many if group.count > 1 else one) if part)
    if group.count > 1:
        return f"{NUMBERS[group.count - 1]} {rest}"
    return f"one {rest}" if rng.random() < 0.1 else f"{_article(rest)} {rest}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _listed(rng: np.random.Generator, clauses: list[str]) -> str:
    if len(clauses) == 1:
        return clauses[0]
    simple = len(clauses) == 2 and not any(word in clauses[0] for word in (" of ", "above", "over", "below", "under"))
    joint = " and " if simple and rng.random() < 0.6 else ", and "
    return ", ".join(clauses[:-1]) + joint + clauses[-1]


def _picnic(scene: Scene, rng: np.random.Generator, *, setting: str | None, night: bool) -> str:
    """The blog post's prompt, or one like it with more or less said."""
    if setting == MAGIC and rng.random() < 0.25:
        return BLOG_PROMPT
    by_kind = {group.kind: group for group in scene.groups}
    exact = rng.random() < 0.6
    foxes = _thing(by_kind["fox"], rng) if exact else _crowd(rng)
    cloth = f"on {_thing(by_kind['blanket'], rng)}" if rng.random() < 0.5 else ""
    extras = [_extra(by_kind[kind], rng, exact=exact) for kind in ("teacup", "mushroom", "firefly")]
    extras = [extras[int(i)] for i in rng.permutation(3)]
    where = _where(rng, setting, night=night)
    parts = [_pick(rng, OPENINGS), foxes, _pick(rng, FEASTS), cloth, where]
    scene_part = " ".join(part for part in parts if part)
    return _sentence(rng, [f"{scene_part}, with {extras[0]}, {extras[1]}, and {extras[2]}"], ending=_pick(rng, ENDINGS))


def _crowd(rng: np.random.Generator) -> str:
    parts = (_pick(rng, CROWDS), _pick(rng, ("playful", "happy", "cute", "")), _pick(rng, ("baby", "")), "foxes")
    return " ".join(part for part in parts if part)


def _extra(group: Group, rng: np.random.Generator, *, exact: bool) -> str:
    if exact and rng.random() < 0.8:
        return _thing(group, rng)
    plain = {
        "teacup": ("tiny teacups", "teacups", "small cups"),
        "mushroom": ("mushroom tables", "mushrooms", "toadstools"),
        "firefly": ("glowing fireflies", "fireflies"),
    }
    return _pick(rng, plain[group.kind])
