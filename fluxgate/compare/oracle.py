"""How far each stage of a rendering lies from what the oracle makes of the same inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fluxgate.files import is_name
from fluxgate.miniature.given import STEPS, format_of, given, widened
from fluxgate.refusal import Refusal
from fluxgate.rendering import (
    CLIP_TOKENS,
    DRAWN,
    NOISE,
    PICTURE,
    T5,
    T5_TOKENS,
    GivenStage,
    Inventory,
    output_of,
    to_denoiser,
)
from fluxgate.runs.rendered import Rendered
from fluxgate.tensors import Tensor, read_tensors

LARGEST = 32_000_000  # bytes of a file of stages; the twin's has under two million
TOKENS = (CLIP_TOKENS, T5_TOKENS)
OUTPUTS = tuple(output_of(step) for step in STEPS)
STARTS = to_denoiser("hidden_states", 1)
# What the pipeline hands on as it was given it: no dtype rounds it.
HANDED = ("hidden_states", "encoder_hidden_states", "pooled_projections", "guidance", "img_ids", "txt_ids")


@dataclass(frozen=True)
class StageDistance:
    """One stage beside the oracle's: relative to the expected numbers' root mean square, in levels for the picture."""

    stage: str
    actual: GivenStage | None  # None: the stage was passed over
    rms: float = 0.0  # of the differences
    worst: float = 0.0  # the largest difference
    reshaped: bool = False  # it has another number of values, and no distance
    padded: bool = False  # it has more tokens than were asked for

    @property
    def exact(self) -> bool:
        """Whether nothing but the very same numbers will do."""
        return self.stage in (*TOKENS, NOISE) or self.stage.startswith(HANDED)


def distances(rendered: Rendered) -> list[StageDistance]:
    """Every stage that the oracle knows, in the order of the pipeline."""
    take = rendered.rendering.given
    if take is None:
        return []
    stages = {each.stage: each for each in take.stages}
    tensors = _tensors(rendered.folder, take.file)
    expectations = dict(ordered())
    if NOISE in stages:  # in older runs, latents were given from the start
        expectations = {NOISE if name == STARTS else name: each for name, each in expectations.items()}
        expectations[NOISE] = tensors[DRAWN].values if DRAWN in tensors else np.zeros(0, np.float32)
    expectations |= _with_own_weights(rendered.rendering.inventory)
    return [_distance(name, stages.get(name), tensors, expected) for name, expected in expectations.items()]


def _with_own_weights(inventory: Inventory | None) -> dict[str, NDArray[np.float32]]:
    """What is expected of the stages whose component's weights are in a format that the oracle knows."""
    if inventory is None:
        return {}
    forms = {name: format_of(component.settings) for name, component in inventory.components.items()}
    of_stage = {stage: forms.get("text_encoder_2" if stage == T5 else "transformer") for stage in (T5, *OUTPUTS)}
    known = {stage: given().formats.get(f"{form}/{stage}") for stage, form in of_stage.items()}
    return {stage: expected for stage, expected in known.items() if expected is not None}


def ordered() -> Mapping[str, NDArray[np.float32]]:
    """What is expected of each stage, the first stage first."""
    expected = given().expected
    handed = {name for name in expected if " for step " in name}
    order: list[str] = []
    for name in expected:
        if name in handed:
            continue
        if name.startswith("denoiser's output"):
            order += [other for other in expected if other in handed and other[-1] == name[-1]]
        order.append(name)
    return {name: expected[name] for name in order}


def _tensors(folder: Path, file: str | None) -> dict[str, Tensor]:
    if file is None:
        return {}
    path = folder / file
    if not is_name(file) or not path.is_file() or path.stat().st_size > LARGEST:
        raise Refusal(f"{folder} has no file {file[:120]!r} of stages, or one that is too large")
    return read_tensors(path)


def _distance(
    name: str, actual: GivenStage | None, tensors: Mapping[str, Tensor], expected: NDArray[np.float32]
) -> StageDistance:
    if actual is None:
        return StageDistance(name, None)
    tensor = tensors.get(name)
    if tensor is None or _sha256(actual, tensor) != actual.sha256:
        raise Refusal(f"the numbers of stage '{name[:120]}' are missing, or are not those that were recorded")
    numbers = tensor.values.astype(np.float64)
    wanted = widened(name, expected.astype(np.float64), numbers.shape[-1] if numbers.ndim else 1)
    padded = name == T5_TOKENS and numbers.size > wanted.size  # a strategy may ask for more of them
    if padded:
        wanted = np.concatenate([wanted.ravel(), np.zeros(numbers.size - wanted.size)])
    if numbers.size != wanted.size:
        return StageDistance(name, actual, reshaped=True)
    apart, unit = np.abs(numbers.ravel() - wanted.ravel()), _unit(name, wanted)
    if not np.isfinite(apart).all():
        return StageDistance(name, actual, rms=float("inf"), worst=float("inf"))
    rms = float(np.sqrt((apart**2).mean())) / unit
    return StageDistance(name, actual, rms=rms, worst=float(apart.max()) / unit, padded=padded)


def _unit(name: str, wanted: NDArray[np.float64]) -> float:
    """What distances are told in: levels for a picture, else the size of the expected numbers."""
    return 1.0 if name == PICTURE else float(np.sqrt((wanted**2).mean())) or 1.0


def _sha256(stage: GivenStage, tensor: Tensor) -> str:
    digest = hashlib.sha256(f"torch.{stage.dtype} {tuple(stage.shape)}\n".encode())
    digest.update(np.ascontiguousarray(tensor.bits).tobytes())
    return digest.hexdigest()
