"""One small picture of the miniature, stage by stage: what each stage is given, and what the oracle makes of it.

Each stage starts from what is given here, not from what came out before it, so that one wrong stage does not hide the
next. `python -m fluxgate.miniature.given` computes the file anew; what is given are numbers of bfloat16, which every
dtype holds exactly."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate import quantizers
from fluxgate.miniature import bfloat16
from fluxgate.miniature.oracle import schedule, vae
from fluxgate.miniature.oracle.flux import NETWORKS, Call, Flux
from fluxgate.miniature.oracle.layers import Array
from fluxgate.miniature.oracle.transformer import Conditions
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    LEVELS,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    after_step,
    output_of,
    to_denoiser,
)
from fluxgate.tensors import Tensor, metadata_of, read_tensors, stored, write_tensors

PIPELINE = Path(__file__).parent / "pipeline"
FILE = Path(__file__).parent / "given.safetensors"
CALL = Call("Two orange foxes in a forest by day.", height=128, width=128, steps=2, guidance=4.0, tokens=64)
EMBEDDINGS = (T5, POOLED, "encoder_hidden_states", "pooled_projections")  # how the names of such stages begin
FP8 = "e4m3"
FORMATS = (
    "nf4",
    "fp4",
    "nf4, double",
    FP8,
)  # of weights, with which stages give other numbers
NORMS = ("norm_q", "norm_k", "norm_added_q", "norm_added_k")
PREFIX = "given/"  # of what is given, in the file
# By step, a share of 1000 that bfloat16 holds exactly, as it holds 1000 times it: so each dtype is given the same.
STEPS = {1: 1.0, 2: 0.5}


@dataclass(frozen=True)
class Given:
    """What stages are given, and what the oracle makes of it, by the names of stages and of their inputs."""

    inputs: dict[str, NDArray[np.float32]]
    expected: dict[str, NDArray[np.float32]]
    formats: dict[str, NDArray[np.float32]]  # "FORMAT/STAGE": with weights of a format
    provenance: dict[str, str]


@functools.cache
def given() -> Given:
    """What ships."""
    tensors = read_tensors(FILE)
    kept = {name.removeprefix(PREFIX): each.values for name, each in tensors.items() if name.startswith(PREFIX)}
    of_formats = tuple(f"{form}/" for form in FORMATS)
    formats = {name: each.values for name, each in tensors.items() if name.startswith(of_formats)}
    expected = {name: each.values for name, each in tensors.items() if not name.startswith((PREFIX, *of_formats))}
    handed = {name: value for step in STEPS for name, value in _to_denoiser(kept, step).items()}
    tokens = {name: expected[name] for name in (CLIP_TOKENS, T5_TOKENS)}
    return Given({**kept, **handed, **tokens}, {**handed, **expected}, formats, metadata_of(FILE))


def widened(stage: str, values: NDArray[Any], width: int) -> NDArray[Any]:
    """What is expected or given, in the width of the twin: its embeddings are the miniature's, repeated."""
    if not stage.startswith(EMBEDDINGS) or width <= values.shape[-1] or width % values.shape[-1]:
        return values
    return np.tile(values, (1,) * (values.ndim - 1) + (width // values.shape[-1],))


def noise(count: int) -> Array:
    """Normal numbers in 256 levels that follow from a text, not from any library's generator."""
    normal = statistics.NormalDist()
    levels = np.array([normal.inv_cdf((index + 0.5) / 256) for index in range(256)])
    drawn = np.frombuffer(hashlib.shake_256(b"latents given").digest(count), np.uint8)
    return levels[drawn]


def computed(flux: Flux) -> tuple[dict[str, Array], dict[str, Array]]:
    """What is given, and what is expected, by our own implementation."""
    inputs, expected = _encoded(flux)
    levels = expected[LEVELS] = flux.levels(CALL)
    inputs[after_step(0)] = _rounded(noise(CALL.size[0] * CALL.size[1] * 64).reshape(-1, 64))
    for step, share in STEPS.items():
        latents = inputs[after_step(step - 1)]
        conditions = Conditions(inputs[T5], inputs[POOLED], 1000 * share, 1000 * CALL.guidance, CALL.size)
        expected[to_denoiser("timestep", step)] = levels[step - 1 : step]
        expected[output_of(step)] = flux.velocity(latents, conditions)
        inputs[output_of(step)] = _rounded(expected[output_of(step)])
        expected[after_step(step)] = schedule.step(latents, inputs[output_of(step)], *levels[step - 1 : step + 1])
        inputs[after_step(step)] = _rounded(expected[after_step(step)])
    expected[TO_DECODE] = flux.to_decode(inputs[after_step(CALL.steps)], CALL)
    inputs[TO_DECODE] = _rounded(expected[TO_DECODE])
    expected[DECODED] = flux.decoded(inputs[TO_DECODE])
    inputs[DECODED] = _rounded(expected[DECODED])
    expected[PICTURE] = vae.picture(inputs[DECODED]).astype(np.float64)
    for form in FORMATS:
        expected |= _of_format(flux, form, inputs)
    return inputs, expected


def _of_format(flux: Flux, form: str, inputs: dict[str, Array]) -> dict[str, Array]:
    """What is expected of the stages that compute with weights of a format, from the same inputs."""
    kinds = {"transformer": _in_transformer, "text_encoder_2": _in_t5}
    weights = {name: flux.weights[name].changed(functools.partial(_stored, form, kinds[name])) for name in kinds}
    altered = dataclasses.replace(flux, weights={**flux.weights, **weights})
    expected = {} if form == FP8 else {T5: altered.embeddings(flux.ids(CALL)[1])}
    for step, share in STEPS.items():
        conditions = Conditions(inputs[T5], inputs[POOLED], 1000 * share, 1000 * CALL.guidance, CALL.size)
        expected[output_of(step)] = altered.velocity(inputs[after_step(step - 1)], conditions)
    return {f"{form}/{name}": value for name, value in expected.items()}


def _stored(form: str, is_linear: Callable[[str], bool], name: str, values: Array) -> Array:
    """A tensor as the format stands for it, in bfloat16."""
    layer = name.rpartition(".")[0]
    if form == FP8:  # a layer is cast as a whole, and those that diffusers spares are norms and the last one
        cast = is_linear(f"{layer}.weight") and "norm" not in layer and layer != "proj_out"
        return quantizers.e4m3_values(quantizers.e4m3(values.astype(np.float32))).astype(np.float64) if cast else values
    if not is_linear(name) or values.ndim != 2:
        return values
    kind, _, double = form.partition(", ")
    narrow = quantizers.through_four_bits(values.astype(np.float32), kind, double=bool(double))
    return _rounded(narrow.astype(np.float64))


def _in_transformer(name: str) -> bool:
    return name.endswith(".weight") and not name.rpartition(".")[0].endswith(NORMS)


def _in_t5(name: str) -> bool:
    return name.endswith((".q.weight", ".k.weight", ".v.weight", ".o.weight", ".wi_0.weight", ".wi_1.weight"))


def format_of(settings: Mapping[str, str]) -> str | None:
    """Which of the formats a component's layers are set to; None if to none of them."""
    if settings.get("storage_dtype") == "float8_e4m3fn":
        return FP8
    kind = settings.get("quant_type")
    form = f"{kind}, double" if settings.get("double_quant") == "True" else kind
    return form if form in FORMATS else None


def _encoded(flux: Flux) -> tuple[dict[str, Array], dict[str, Array]]:
    clip_ids, t5_ids = flux.ids(CALL)
    ids = {CLIP_TOKENS: clip_ids.astype(np.float64), T5_TOKENS: t5_ids.astype(np.float64)}
    embeddings = {POOLED: flux.pooled(clip_ids), T5: flux.embeddings(t5_ids)}
    return {name: _rounded(value) for name, value in embeddings.items()}, {**ids, **embeddings}


def _to_denoiser(inputs: dict[str, NDArray[np.float32]], step: int) -> dict[str, NDArray[np.float32]]:
    """What the denoiser is given, by the names that diffusers' FLUX has for it."""
    rows, columns = np.meshgrid(*map(np.arange, CALL.size), indexing="ij")
    handed = {
        "hidden_states": inputs[after_step(step - 1)],
        "encoder_hidden_states": inputs[T5],
        "pooled_projections": inputs[POOLED],
        "timestep": np.array([STEPS[step]]),
        "guidance": np.array([CALL.guidance]),
        "img_ids": np.stack([np.zeros(rows.size), rows.ravel(), columns.ravel()], axis=1),
        "txt_ids": np.zeros((CALL.tokens, 3)),
    }
    return {to_denoiser(name, step): np.asarray(value, np.float32) for name, value in handed.items()}


def _rounded(values: Array) -> Array:
    """To numbers of bfloat16."""
    return bfloat16.to_floats(bfloat16.to_bits(values.astype(np.float32))).astype(np.float64)


def write(path: Path) -> None:
    """Compute all anew, and write it with what it was computed from."""
    inputs, expected = computed(Flux.read(PIPELINE))
    tensors = {
        PREFIX + name: Tensor("BF16", bfloat16.to_bits(each.astype(np.float32))) for name, each in inputs.items()
    }
    tensors |= {name: stored(each.astype(np.float32)) for name, each in expected.items()}
    write_tensors(path, tensors, metadata=_provenance())


def _provenance() -> dict[str, str]:
    weights = {name: next((PIPELINE / name).glob("*.safetensors")) for name in NETWORKS}
    return {
        "about": f"{CALL.prompt} {CALL.height}x{CALL.width}, {CALL.steps} steps; each stage from what is given",
        "command": "python -m fluxgate.miniature.given",
        "numpy": np.__version__,
        "python": sys.version.split()[0],
        "date": datetime.date.today().isoformat(),
        **{f"sha256 of {name}": hashlib.sha256(file.read_bytes()).hexdigest() for name, file in weights.items()},
    }


if __name__ == "__main__":
    write(FILE)
