"""The releases of a package between two of its versions."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from fluxgate.report.gate_result import Move


@dataclass(frozen=True)
class Release:
    """A version, or a commit, of the package."""

    version: str
    yanked: bool = False  # these are not probed


def between(releases: Iterable[Release], *, move: Move) -> tuple[Release, ...]:
    """The releases on the way from the old version to the new one, without these; final ones only, as the ends are."""
    old, new = _version(move.old or "0"), _version(move.new or "0")
    if old is None or new is None:
        return ()
    placed = [(version, each) for each in releases if (version := _version(each.version)) is not None]
    before_final = old.is_prerelease or new.is_prerelease
    inner = [pair for pair in placed if min(old, new) < pair[0] < max(old, new)]
    final = [pair for pair in inner if before_final or not pair[0].is_prerelease]
    return tuple(each for _, each in sorted(final, key=lambda pair: pair[0], reverse=old > new))


def _version(text: str) -> Version | None:
    """Without what comes after a plus: the same release built otherwise. None: a version that no resolver knows."""
    with suppress(InvalidVersion):
        return Version(Version(text).public)
    return None
