"""Comparison: the pictures of a case beside those they are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fluxgate.baselines.baseline import AcceptedPicture, Baseline, read_picture
from fluxgate.compare.likeness import IDENTICAL, Likeness, coarse, compare, first_change, mismatch, similarity
from fluxgate.files import is_name
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import picture_name
from fluxgate.pictures import Pixels, read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import Picture
from fluxgate.runs.pictures import sound_pixels
from fluxgate.runs.rendered import Rendered

FOLDER = "pictures"  # within the run: differences, and copies of what lies outside of it
COMPARED: dict[tuple[str, str], Likeness] = {}  # by hashes: comparing takes a second for each million pixels


@dataclass(frozen=True)
class Pair:
    """An expected and an actual picture of one shot: how alike they are, or why they cannot be compared."""

    shot: str
    index: int
    expected: Path
    actual: Path
    likeness: Likeness | None
    trouble: str | None = None
    first: tuple[int, int] | None = None  # row and column of the first pixel that differs

    @property
    def identical(self) -> bool:
        return self.likeness is not None and self.likeness.identical

    @property
    def alike(self) -> float:
        """For sorting the worst pair first: one that cannot be compared is the worst."""
        return -2.0 if self.likeness is None else self.likeness.ssim


@dataclass(frozen=True)
class Source:
    """Where a picture lies, and how to read it so that it is known to be the one that was meant."""

    path: Path
    sha256: str
    read: Callable[[], Pixels]


def rendered_source(folder: Path, picture: Picture) -> Source:
    """A rendered picture; a name that could lead out of the folder is refused."""
    if not is_name(picture.file):
        raise Refusal(f"{folder} names a picture {picture.file[:120]!r}, which is no file name.")
    return Source(folder / picture.file, picture.sha256, partial(sound_pixels, picture, folder))


def accepted_source(baseline: Baseline, picture: AcceptedPicture) -> Source:
    """An accepted picture is read at once: where it is damaged there is nothing to judge by."""
    pixels = read_picture(baseline, picture)
    return Source(baseline.path_of(picture), picture.sha256, lambda: pixels)


def pair_up(ours: Rendered, reference: Rendered) -> list[Pair]:
    """Each picture of a case's first take beside the reference's; what the reference lacks is trouble."""
    pictures = ours.rendering.pictures_of().values()
    return [beside(picture, ours.folder, reference) for picture in pictures]


def beside(picture: Picture, folder: Path, reference: Rendered) -> Pair:
    """A picture in a folder beside the reference's of the same shot."""
    actual = rendered_source(folder, picture)
    other = reference.rendering.pictures_of().get((picture.shot, picture.index))
    if other is None:
        return Pair(picture.shot, picture.index, actual.path, actual.path, None, "has no picture to be held against")
    expected = rendered_source(reference.folder, other)
    if (picture.sha256, picture.mode) == (other.sha256, other.mode):
        return Pair(picture.shot, picture.index, expected.path, actual.path, IDENTICAL)
    return pair_of(picture.shot, picture.index, expected=expected, actual=actual)


def pair_of(shot: str, index: int, *, expected: Source, actual: Source) -> Pair:
    """Compare two pictures, whatever their files hold."""
    try:
        one, other = expected.read(), actual.read()
    except Refusal as refusal:
        return Pair(shot, index, expected.path, actual.path, None, f"cannot be compared: {refusal}".rstrip("."))
    trouble = mismatch(one, other)
    if trouble:
        return Pair(shot, index, expected.path, actual.path, None, trouble)
    hashes = (expected.sha256, actual.sha256)
    if hashes not in COMPARED:
        COMPARED[hashes] = compare(one, other)
    return Pair(shot, index, expected.path, actual.path, COMPARED[hashes], first=first_change(one, other))


def stranger(evidence: Evidence, reference: Rendered, pairs: Iterable[Pair]) -> str | None:
    """The first picture that is more like another shot's reference than its own, in a sentence."""
    theirs = {
        key: coarse(sound_pixels(picture, reference.folder))
        for key, picture in reference.rendering.pictures_of().items()
    }
    for pair in pairs:
        if pair.likeness is None or pair.identical:
            continue
        rival = _rival((pair.shot, pair.index), coarse(read_png(pair.actual)), theirs)
        if rival:
            own = picture_name(evidence.case, pair.shot, pair.index)
            return f"{own} is more like {picture_name(evidence.case, *rival)} than like its own reference"
    return None


def pictures_of(evidence: Evidence, check: str, pair: Pair) -> dict[str, str]:
    """Where expected, actual and difference lie within the run; the difference is yet to be drawn."""
    shot = pair.shot if is_name(pair.shot) else "picture"
    name = f"{evidence.case.id}-{'-'.join(check.split())}-{shot}-{pair.index}-difference.png"
    return {
        "expected": _within(evidence.run, pair.expected),
        "actual": _within(evidence.run, pair.actual),
        "difference": f"{FOLDER}/{name}",
    }


def where_to_look(evidence: Evidence, pictures: Mapping[str, str]) -> str:
    """`See runs/…/pictures/…-difference.png.`"""
    path = Path(pictures["difference"])
    return f"See {evidence.run / path if evidence.run is not None else path}."


def _rival(key: tuple[str, int], actual: Pixels, theirs: Mapping[tuple[str, int], Pixels]) -> tuple[str, int] | None:
    """A reference that a picture resembles more than its own, and that is not its own reference's twin."""
    own = theirs[key]
    near = similarity(own, actual)
    for other, pixels in theirs.items():
        if (
            other != key
            and pixels.shape == actual.shape
            and similarity(pixels, actual) > near > similarity(pixels, own)
        ):
            return other
    return None


def _within(run: Path | None, path: Path) -> str:
    try:
        return path.relative_to(run).as_posix() if run is not None else path.as_posix()
    except ValueError:
        return path.as_posix()
