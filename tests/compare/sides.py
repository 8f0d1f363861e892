"""Sides of a comparison made by hand, without a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.compare.facts import Facts, Source
from fluxgate.pictures import Pixels, hash_of
from fluxgate.rendering import LAST
from tests.runs.building import fingerprint, inventory, pixels

SHOTS = ("fox", "pair")


def shown(picture: Pixels, path: str = "a.png") -> Source:
    """A picture that is read from memory."""
    return Source(hash_of(picture), Path(path), lambda: picture)


def facts(*, seed: int = 0, **changes: Any) -> Facts:
    """Two shots of one picture each; another seed gives other pictures and other last latents."""
    whole = Facts(
        pictures={(shot, 0): (shown(pixels(seed, shot=shot)),) for shot in SHOTS},
        fingerprints={shot: {LAST: fingerprint(shot, LAST, value=str(seed))} for shot in SHOTS},
        recipes=dict.fromkeys(SHOTS, "a recipe"),
        inventory=inventory(),
        peaks={"load": {"allocated": (100, 200)}},
        seconds={"load": (1.0, 2.0)},
        stack={"diffusers": "0.42.1"},
    )
    return replace(whole, **changes)
