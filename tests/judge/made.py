"""Evidence made by hand for the tests of the judge: tiny renderings that can be bent one way at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.baselines import manifest
from fluxgate.baselines.baseline import Acceptance, AcceptedCase, AcceptedPicture, AcceptedShot, Baseline
from fluxgate.baselines.limits import Limit
from fluxgate.cases import Case
from fluxgate.judge.case import judge_case
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import Verdict
from fluxgate.pictures import Pixels, hash_of, read_png, write_png
from fluxgate.rendering import Crash, Rendering
from fluxgate.runs.rendered import Rendered
from fluxgate.strategies.promise import Promise, Strategy
from tests.runs.building import FULL, NF4, OFFLOAD, SUBJECT, rendering, strategy

__all__ = ["FULL", "NF4", "OFFLOAD", "SUBJECT", "rendering", "strategy"]

MEASURED = Limit(0.9, "measured", mean=0.95, spread=0.01, n=40, machine="tiny", stack={"diffusers": "0.42.1"})
ACCEPTANCE = Acceptance("somebody", "2026-03-01T12:30:00Z", "it looks right", "run", None, {"diffusers": "0.42.1"})
PIECES_BADLY_JOINED = re.compile(r"  |^ | $| [.,;:](\s|$)|\.\.(\s|$)|%s| None\b(?! of)")
CRASH = Crash("signal", "It was killed by SIGSEGV.", "denoise", ("step 3 of 8", "Segmentation fault"))


def made(folder: Path, name: str = "full", **changes: Any) -> Rendered:
    """A rendering of the tiny subject under a strategy, with its pictures in a folder of its own."""
    place = folder / "cases" / f"tiny-{name}"
    return Rendered(replace(rendering(name, place), **changes), place)


def evidence(folder: Path, one: Strategy = OFFLOAD, **changes: Any) -> Evidence:
    """All is well: the case, its reference in the same run, and nothing else."""
    case = Case(SUBJECT, one, "cuda")
    reference = made(folder, one.promise.reference) if one.promise.reference else None
    less_than = made(folder, one.promise.less_memory_than) if one.promise.less_memory_than else None
    whole = Evidence(case, made(folder, one.name), reference=reference, memory_reference=less_than, run=folder)
    return replace(whole, **changes)


def promising(name: str = "nf4", family: str = "quantization", **promise: Any) -> Strategy:
    """A strategy that is never loaded."""
    return replace(strategy(name), family=family, promise=Promise(**promise))


def changed(found: Rendered, change: Callable[[Pixels], Pixels], *, shot: str = "", take: int = 0) -> Rendered:
    """The same with some pictures changed on disk and in the record: of one shot or all, of one take."""
    pictures = []
    for picture in found.rendering.pictures:
        if picture.take == take and shot in ("", picture.shot):
            pixels = np.ascontiguousarray(change(read_png(found.folder / picture.file)))
            file = f"{picture.file.removesuffix('.png')}-changed{take}.png"
            write_png(found.folder / file, pixels)
            mode = {2: "L"}.get(pixels.ndim) or {3: "RGB", 4: "RGBA"}[pixels.shape[2]]
            height, width = pixels.shape[:2]
            picture = replace(picture, file=file, sha256=hash_of(pixels), height=height, width=width, mode=mode)
        pictures.append(picture)
    return replace(found, rendering=replace(found.rendering, pictures=tuple(pictures)))


def left_at(found: Rendered, *stages: str, take: int = 0) -> Rendered:
    """The same with other hashes at some stages of one take."""
    prints = tuple(
        replace(entry, sha256="f" * 64) if entry.stage in stages and entry.take == take else entry
        for entry in found.rendering.fingerprints
    )
    return replace(found, rendering=replace(found.rendering, fingerprints=prints))


def with_rendering(found: Evidence, **changes: Any) -> Evidence:
    """The same evidence with the case's own rendering changed."""
    assert found.rendered is not None
    return replace(found, rendered=replace(found.rendered, rendering=replace(found.rendered.rendering, **changes)))


def nudge(pixels: Pixels) -> Pixels:
    """Every other pixel one level away."""
    moved = pixels.copy()
    moved[::2] ^= 1
    return moved


def tiled(pixels: Pixels) -> Pixels:
    """The same many times: so large that one pixel is less than a thousandth of it."""
    return np.tile(pixels, (8, 8, 1))


def one_level(pixels: Pixels) -> Pixels:
    """A single pixel one level away; as rounding moves float32, in a large picture."""
    moved = pixels.copy()
    moved[0, 0] ^= 1
    return moved


def scramble(pixels: Pixels) -> Pixels:
    """Another picture altogether."""
    return np.random.default_rng(99).integers(0, 256, pixels.shape, dtype=np.uint8)


def verdict(found: Evidence, check: str) -> Verdict:
    """The answer to a check, once its sentence has been seen to be whole and to suspect whom its field does."""
    answer = next(each for each in judge_case(found) if each.check == check)
    assert_suspects_agree(answer)
    assert not PIECES_BADLY_JOINED.search(answer.sentence.partition("\n")[0])
    return answer


def assert_suspects_agree(answer: Verdict) -> None:
    likely = f"ost likely {answer.suspects}" if answer.suspects else ""
    assert likely in answer.sentence
    assert ("ost likely" in answer.sentence) == bool(likely)


def crashed(found: Rendered) -> Rendered:
    return replace(found, rendering=replace(found.rendering, crash=CRASH))


def only(found: Rendering, shot: str) -> Rendering:
    """A rendering that stopped after one shot."""
    return replace(
        found,
        pictures=tuple(picture for picture in found.pictures if picture.shot == shot),
        fingerprints=tuple(entry for entry in found.fingerprints if entry.shot == shot),
        recipes={name: recipe for name, recipe in found.recipes.items() if name == shot},
    )


def accepted(found: Rendered, store: Path, *, machine: str = "tiny-torch1.0") -> Baseline:
    """A baseline of exactly what was rendered."""
    rendering = found.rendering
    shots = tuple(
        AcceptedShot(shot, index, (AcceptedPicture(picture.sha256, picture.file, "it looks right"),))
        for (shot, index), picture in rendering.pictures_of().items()
    )
    case = AcceptedCase(
        subject=rendering.subject,
        strategy=rendering.strategy,
        machine=machine,
        recipes=rendering.recipes,
        shots=shots,
        fingerprints=tuple(entry for entry in rendering.fingerprints if entry.take == 0),
        inventory=rendering.inventory,
        peaks={},
        held_after=(0,),
        seconds={},
        accepted=ACCEPTANCE,
    )
    baseline = Baseline(case, store)
    for shot in shots:
        write_png(baseline.path_of(shot.pictures[0]), read_png(found.folder / shot.pictures[0].file))
    manifest.seal(store)
    return baseline
