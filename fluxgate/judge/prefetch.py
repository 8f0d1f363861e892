"""Prefetch: reads and compares the pictures of a case while its worker goes on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fluxgate.cases import Case
from fluxgate.compare.facts import facts_of, source_of
from fluxgate.compare.pairs import pair_up
from fluxgate.judge.readings import read_early
from fluxgate.refusal import Refusal
from fluxgate.rendering import Picture
from fluxgate.runs.rendered import Rendered


def compare_early(case: Case, pictures: Iterable[Picture], folder: Path, *, reference: Rendered | None) -> None:
    """Do what takes seconds and is remembered; what is wrong with a picture is told when the case is judged."""
    readable = {shot.name for shot in case.shots if shot.readable}
    expected = facts_of(reference).pictures if reference is not None else {}
    for picture in pictures:
        if picture.take:  # a second take is compared by its hash
            continue
        with suppress(Refusal):
            actual, key = source_of(picture, folder), (picture.shot, picture.index)
            if picture.shot in readable:
                read_early(case, actual)
            pair_up(key, expected.get(key, ()), actual)
