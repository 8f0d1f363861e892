"""How far each stage of a rendering lies from what the oracle makes of the same inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fluxgate.files import is_name
from fluxgate.miniature import bfloat16
from fluxgate.miniature.given import OTHERWISE, TILED, Stages, format_of, given, widened
from fluxgate.miniature.given_calls import CALLS, GivenCall
from fluxgate.miniature.oracle import vae
from fluxgate.miniature.oracle.layers import Array
from fluxgate.refusal import Refusal
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    DRAWN,
    LAST_LATENTS,
    NOISE,
    PICTURE,
    T5,
    T5_TOKENS,
    GivenStage,
    GivenTake,
    Inventory,
    is_output,
    of_call,
    output_of,
    to_denoiser,
    without_call,
)
from fluxgate.runs.rendered import Rendered
from fluxgate.tensors import Tensor, read_tensors

LARGEST = 32_000_000  # bytes of a file of stages; the twin's has under two million
TOKENS = (CLIP_TOKENS, T5_TOKENS)
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
    padded: bool = False  # it has another number of tokens than was asked for

    @property
    def exact(self) -> bool:
        """Whether nothing but the very same numbers will do."""
        return without_call(self.stage) in (*TOKENS, NOISE) or self.stage.startswith(HANDED)


def distances(rendered: Rendered, computed_as: str | None = None) -> list[StageDistance]:
    """Every stage that the oracle knows, in the order of the pipeline, call by call.

    computed_as: what the strategy promises to compute, if it is another thing than the networks by themselves."""
    rendering, take = rendered.rendering, rendered.rendering.given
    if take is None:
        return []
    stages = {each.stage: each for each in take.stages}
    tensors = _tensors(rendered.folder, take.file)
    return [
        _distance(name, stages.get(name), tensors, expected)
        for call in _calls_of(stages)
        for name, expected in (
            _expected_of(call, stages, tensors)
            | _variants(call, rendering.inventory, take, computed_as)
            | _decided_otherwise(call, tensors, computed_as)
        ).items()
    ]


def _calls_of(stages: Mapping[str, GivenStage]) -> list[GivenCall]:
    """The first call, and those after it that were made; older runs have fewer."""
    made = {name.removeprefix(without_call(name)).removeprefix(", ") for name in stages}
    return [call for call in CALLS if call.name in made or not call.name]


def _expected_of(call: GivenCall, stages: Mapping[str, GivenStage], tensors: Mapping[str, Tensor]) -> Stages:
    """What is expected of each stage of a call, as this rendering's dtype has it."""
    expectations = {**ordered(call)}
    drawn, starts = (of_call(name, call.name) for name in (NOISE, STARTS))
    if drawn in stages or call.name:  # in older runs, latents were given from the start
        expectations = {drawn if name == starts else name: each for name, each in expectations.items()}
        packed = tensors.get(of_call(DRAWN, call.name))
        expectations[drawn] = np.zeros(0, np.float32) if packed is None else packed.values
    return expectations | _picture(call, stages, tensors)


def _picture(call: GivenCall, stages: Mapping[str, GivenStage], tensors: Mapping[str, Tensor]) -> Stages:
    """The levels of the decoded picture that is given, computed in its dtype or in a wider one: either is right."""
    name, decoded = (of_call(stage, call.name) for stage in (PICTURE, DECODED))
    seen, dtype = tensors.get(name), stages[decoded].dtype if decoded in stages else ""
    if seen is None:
        return {}
    values = given().inputs[decoded].astype(np.float64)
    ways = [
        vae.picture(values, rounded).astype(np.float32) for rounded in (_ROUNDED.get(dtype, np.asarray), np.asarray)
    ]
    same_size = [each for each in ways if each.size == seen.values.size]
    return {name: _nearest(same_size, seen)} if same_size else {}


def _nearest(ways: Sequence[NDArray[np.float32]], seen: Tensor) -> NDArray[np.float32]:
    """Of several that are right, the one that what was seen is nearest to."""
    return min(ways, key=lambda each: float(np.abs(each.ravel() - seen.values.ravel().astype(np.float32)).mean()))


_ROUNDED: dict[str, Callable[[Array], Array]] = {
    "bfloat16": bfloat16.rounded,
    "float16": lambda values: values.astype(np.float16).astype(np.float64),
}


def _variants(call: GivenCall, inventory: Inventory | None, take: GivenTake, computed_as: str | None) -> Stages:
    """What is expected where weights are in a format that the oracle knows, where a picture is decoded in tiles, and of
    what a strategy promises to compute."""
    components = inventory.components if inventory else {}
    forms = {name: format_of(component.settings) for name, component in components.items()}
    denoising = computed_as or forms.get("transformer")
    of_stage: dict[str, str | None] = {output_of(step): denoising for step in call.steps}
    of_stage |= {LAST_LATENTS: denoising, T5: forms.get("text_encoder_2"), DECODED: TILED if take.tiled else None}
    named = {of_call(stage, call.name): form for stage, form in of_stage.items()}
    known = {stage: given().variants.get(f"{form}/{stage}") for stage, form in named.items()}
    return {stage: expected for stage, expected in known.items() if expected is not None}


def _decided_otherwise(call: GivenCall, tensors: Mapping[str, Tensor], computed_as: str | None) -> Stages:
    """The last latents as either decision of a cache leads to them that is so near that rounding decides."""
    name = of_call(LAST_LATENTS, call.name)
    known, seen = given().variants, tensors.get(name)
    ways = [
        known[each] for way in (computed_as, OTHERWISE.get(computed_as or "")) if (each := f"{way}/{name}") in known
    ]
    return (
        {name: _nearest(ways, seen)} if seen is not None and len(ways) > 1 and ways[0].size == seen.values.size else {}
    )


def ordered(call: GivenCall) -> Stages:
    """What is expected of each stage of a call, the first stage first."""
    expected = {name: each for name, each in given().expected.items() if name == of_call(without_call(name), call.name)}
    handed = {name for name in expected if " for step " in name}
    order: list[str] = []
    for name in expected:
        if name in handed:
            continue
        if is_output(name):
            order += [other for other in expected if other in handed and _step_of(other) == _step_of(name)]
        if without_call(name) == LAST_LATENTS:
            order += [other for other in expected if other in handed]
        order.append(name)
    return {name: expected[name] for name in order}


def _step_of(stage: str) -> str:
    return without_call(stage).rpartition(" ")[2]


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
    padded = without_call(name) == T5_TOKENS and numbers.size != wanted.size  # a strategy may ask for another number
    if padded:
        wanted = _padded(wanted, numbers)
    if numbers.size != wanted.size:
        return StageDistance(name, actual, reshaped=True)
    wanted = _as_far_as_shown(name, wanted, numbers)
    apart, unit = np.abs(numbers.ravel() - wanted.ravel()), _unit(name, wanted)
    if not np.isfinite(apart).all():
        return StageDistance(name, actual, rms=float("inf"), worst=float("inf"))
    rms = float(np.sqrt((apart**2).mean())) / unit
    return StageDistance(name, actual, rms=rms, worst=float(apart.max()) / unit, padded=padded)


def _as_far_as_shown(name: str, wanted: Array, numbers: Array) -> Array:
    """A decoder may cut off itself what no picture shows: all beyond -1 and 1."""
    cut = without_call(name) == DECODED and float(np.abs(numbers).max(initial=0.0)) <= 1.0
    return np.clip(wanted, -1.0, 1.0) if cut else wanted


def _padded(tokens: Array, actual: Array) -> Array:
    """Each prompt's tokens in another length. Of one that was cut off, nobody says what follows in a longer one, nor
    where a shorter one ends."""
    rows = tokens.reshape(-1, tokens.shape[-1])
    padded = np.zeros((len(rows), actual.shape[-1]))
    most = min(actual.shape[-1], rows.shape[-1])
    padded[:, :most] = rows[:, :most]
    cut = rows[:, -1] != 0
    if len(actual.reshape(-1, actual.shape[-1])) == len(rows):
        padded[cut, most - 1 :] = actual.reshape(len(rows), -1)[cut, most - 1 :]
    return padded


def _unit(name: str, wanted: NDArray[np.float64]) -> float:
    """What distances are told in: levels for a picture, else the size of the expected numbers."""
    return 1.0 if without_call(name) == PICTURE else float(np.sqrt((wanted**2).mean())) or 1.0


def _sha256(stage: GivenStage, tensor: Tensor) -> str:
    digest = hashlib.sha256(f"torch.{stage.dtype} {tuple(stage.shape)}\n".encode())
    digest.update(np.ascontiguousarray(tensor.bits).tobytes())
    return digest.hexdigest()
