"""Computing anew, by our own implementation, what stages are given and what is expected of them.

`python -m fluxgate.miniature.given_computing` writes the file that ships."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from fluxgate import quantizers
from fluxgate.miniature import bfloat16
from fluxgate.miniature.computed_as import FirstBlockCache, ForetellingCache, ImagePrompt, RepeatingCache
from fluxgate.miniature.given import (
    DOUBLED,
    FILE,
    FIRST_BLOCK_CACHE,
    FORETELLING_CACHE,
    FORMATS,
    FP8,
    IMAGE_PROMPT,
    OTHERWISE,
    PREFIX,
    REPEATING_CACHE,
    TILED,
    Stages,
    embeddings,
    noise,
    sampled,
)
from fluxgate.miniature.given_calls import CALLS, GUIDANCE, ONE, GivenCall
from fluxgate.miniature.oracle import schedule, vae
from fluxgate.miniature.oracle.flux import NETWORKS, Flux
from fluxgate.miniature.oracle.layers import Array, Weights
from fluxgate.miniature.oracle.transformer import Conditions
from fluxgate.rendering import (
    CLIP_TOKENS,
    DECODED,
    LAST_LATENTS,
    LEVELS,
    PICTURE,
    POOLED,
    T5,
    T5_TOKENS,
    TO_DECODE,
    after_step,
    of_call,
    output_of,
    to_denoiser,
)
from fluxgate.tensors import Tensor, stored, write_tensors

PIPELINE = Path(__file__).parent / "pipeline"
PROJECTIONS = (".to_q.weight", ".to_k.weight", ".to_v.weight")  # of which the LoRA doubles some rows
# The file that the strategy of image prompts writes for the miniature.
IP_ADAPTER = Path(__file__).parent / "ip_adapter"
IMAGE_EMBEDDING, IMAGE_SCALE = bfloat16.rounded(np.linspace(-1, 1, 64)), 0.1  # what it gives, and at which scale
THRESHOLD, NEAR = 0.2, 0.05  # of the first block's change, and how near to it, as a share, either decision is right
MIDDLE = (0.1, 0.8)  # levels of noise between which attentions are used again
NORMS = ("norm_q", "norm_k", "norm_added_q", "norm_added_k")


def computed(flux: Flux) -> tuple[Stages, Stages]:
    """What is given, and what is expected."""
    inputs, expected = _start(flux), Stages()
    altered = {form: _altered(flux, form) for form in FORMATS} | computed_as(flux)
    for call in CALLS:
        known = embeddings(inputs, call)
        rows = [_row(known, call, number) for number in range(call.count)]
        pictures = [_picture(flux, call, number, row) for number, row in enumerate(rows)]
        inputs |= _joined([own for own, _ in pictures], call)
        expected |= _encoded(flux, call) | _levels(flux, call) | _joined([wanted for _, wanted in pictures], call)
        for form, other in altered.items():
            wanted = [denoised(other, call, own | row) for (own, _), row in zip(pictures, rows, strict=True)]
            expected |= {f"{form}/{name}": each for name, each in _joined(wanted, call).items()}
            if form in FORMATS and form not in (FP8, DOUBLED):
                expected |= {f"{form}/{name}": each for name, each in _prompts(other, call).items()}
    return inputs, expected


def _start(flux: Flux) -> Stages:
    """The embeddings that all others are made of."""
    clip_ids, t5_ids = flux.ids(ONE.asked[0])
    return {POOLED: bfloat16.rounded(flux.pooled(clip_ids)), T5: bfloat16.rounded(flux.embeddings(t5_ids))}


def _row(known: Stages, call: GivenCall, number: int) -> Stages:
    """The embeddings of one picture."""
    return {name: known[of_call(name, call.name)][number] if call.name else known[name] for name in (T5, POOLED)}


def _joined(rows: Sequence[Stages], call: GivenCall) -> Stages:
    """The stages of all pictures of a call, by the names that they have there."""
    if not call.name:
        return dict(rows[0])
    return {of_call(name, call.name): np.stack([row[name] for row in rows]) for name in rows[0]}


def _encoded(flux: Flux, call: GivenCall) -> Stages:
    """Tokens and embeddings."""
    ids = [flux.ids(asked) for asked in call.asked[:: call.pictures]]
    tokens = [{CLIP_TOKENS: clip.astype(np.float64), T5_TOKENS: t5.astype(np.float64)} for clip, t5 in ids]
    pooled = [{POOLED: flux.pooled(clip)} for clip, _ in ids for _ in range(call.pictures)]
    return _joined(tokens, call) | _joined(pooled, call) | _prompts(flux, call)


def _prompts(flux: Flux, call: GivenCall) -> Stages:
    """T5's embeddings, repeated for each picture of a prompt."""
    found = [flux.embeddings(flux.ids(asked)[1]) for asked in call.asked[:: call.pictures]]
    stages = _joined([{T5: each} for each in found for _ in range(call.pictures)], call)
    return {name: sampled(name, each) for name, each in stages.items()}


def _levels(flux: Flux, call: GivenCall) -> Stages:
    """The noise levels, and what the denoiser is told of them and of guidance."""
    levels, asked = flux.levels(call.asked[0]), call.asked[0]
    stages: Stages = {LEVELS: levels}
    for step in call.steps:
        stages[to_denoiser("timestep", step)] = np.full(call.count, levels[step - 1])
        if step == 1 or not call.whole:
            stages[to_denoiser("guidance", step)] = np.full(call.count, asked.guidance)
    return {of_call(name, call.name): each for name, each in stages.items()}


def _picture(flux: Flux, call: GivenCall, number: int, row: Stages) -> tuple[Stages, Stages]:
    """What the stages of one picture are given, and what is expected of them."""
    asked, levels = call.asked[number], flux.levels(call.asked[number])
    label = f"latents given, {call.name} {number}" if call.name else "latents given"
    inputs: Stages = {after_step(0): bfloat16.rounded(noise(asked.size[0] * asked.size[1] * 64, label).reshape(-1, 64))}
    expected: Stages = {}
    if call.whole:
        expected |= denoised(flux, call, inputs | row)
        inputs[LAST_LATENTS] = bfloat16.rounded(expected[LAST_LATENTS])
    for step, (level, following) in enumerate(pairwise(() if call.whole else levels), start=1):
        expected |= _velocities(flux, call, inputs | row, steps=(step,))
        inputs[output_of(step)] = bfloat16.rounded(expected[output_of(step)])
        expected[after_step(step)] = schedule.step(
            inputs[after_step(step - 1)], inputs[output_of(step)], level, following
        )
        inputs[after_step(step)] = bfloat16.rounded(expected[after_step(step)])
    expected[TO_DECODE] = flux.to_decode(inputs[LAST_LATENTS if call.whole else after_step(asked.steps)], asked)
    inputs[TO_DECODE] = bfloat16.rounded(expected[TO_DECODE])
    expected[DECODED] = flux.decoded(inputs[TO_DECODE])
    inputs[DECODED] = bfloat16.rounded(expected[DECODED])
    expected[PICTURE] = vae.picture(inputs[DECODED])
    if call.tile:
        expected[f"{TILED}/{DECODED}"] = flux.decoded_in_tiles(inputs[TO_DECODE], call.tile)
    return inputs, expected


def denoised(flux: Flux, call: GivenCall, inputs: Stages) -> Stages:
    """What the denoiser makes of what it is given in each step, or of the noise in all of them together."""
    levels = flux.levels(call.asked[0])
    flux = dataclasses.replace(flux, cache=flux.cache.emptied(levels))
    if not call.whole:
        return _velocities(flux, call, inputs)
    latents = inputs[after_step(0)]
    for step, (level, following) in enumerate(pairwise(levels), start=1):
        velocity = _velocities(flux, call, {**inputs, after_step(step - 1): latents}, steps=(step,))
        latents = schedule.step(latents, velocity[output_of(step)], level, following)
    return {LAST_LATENTS: latents}


def _velocities(flux: Flux, call: GivenCall, inputs: Stages, steps: Sequence[int] = ()) -> Stages:
    """What the denoiser makes of what it is given, in these steps or all."""
    found: Stages = {}
    for step in steps or call.steps:
        level, guidance, beside = 1000 * call.steps[step], 1000 * GUIDANCE, (flux.image_prompt, flux.cache)
        conditions = Conditions(inputs[T5], inputs[POOLED], level, guidance, call.asked[0].size, *beside)
        found[output_of(step)] = flux.velocity(inputs[after_step(step - 1)], conditions)
    return found


def computed_as(flux: Flux) -> dict[str, Flux]:
    """The same networks as strategies compute with them that do more, or less."""
    seeing = ImagePrompt(Weights.read(IP_ADAPTER), IMAGE_EMBEDDING, IMAGE_SCALE)
    config = flux.configs["transformer"]
    attentions = config["num_layers"] + config["num_single_layers"]
    return {
        IMAGE_PROMPT: dataclasses.replace(flux, image_prompt=seeing),
        FIRST_BLOCK_CACHE: dataclasses.replace(flux, cache=FirstBlockCache(THRESHOLD * (1 - NEAR))),
        OTHERWISE[FIRST_BLOCK_CACHE]: dataclasses.replace(flux, cache=FirstBlockCache(THRESHOLD * (1 + NEAR))),
        FORETELLING_CACHE: dataclasses.replace(flux, cache=ForetellingCache(attentions)),
        REPEATING_CACHE: dataclasses.replace(flux, cache=RepeatingCache(attentions, MIDDLE)),
    }


def _altered(flux: Flux, form: str) -> Flux:
    """The same with weights of a format."""
    kinds = {"transformer": _in_transformer, "text_encoder_2": _in_t5}
    weights = {name: flux.weights[name].changed(functools.partial(_stored, form, kinds[name])) for name in kinds}
    return dataclasses.replace(flux, weights={**flux.weights, **weights})


def _stored(form: str, is_linear: Callable[[str], bool], name: str, values: Array) -> Array:
    """A tensor as the format stands for it, in bfloat16."""
    layer = name.rpartition(".")[0]
    if form == FP8:  # a layer is cast as a whole, and those that diffusers spares are norms and the last one
        cast = is_linear(f"{layer}.weight") and "norm" not in layer and layer != "proj_out"
        return quantizers.e4m3_values(quantizers.e4m3(values.astype(np.float32))).astype(np.float64) if cast else values
    if form == DOUBLED:
        return _doubled(values) if name.endswith(PROJECTIONS) else values
    if not is_linear(name) or values.ndim != 2:
        return values
    kind, _, double = form.partition(", ")
    narrow = quantizers.through_four_bits(values.astype(np.float32), kind, double=bool(double))
    return bfloat16.rounded(narrow.astype(np.float64))


def _doubled(values: Array) -> Array:
    """Four rows, from the first to the last, twice as large."""
    doubled = values.copy()
    doubled[np.linspace(0, len(values) - 1, 4).astype(np.int64)] *= 2
    return doubled


def _in_transformer(name: str) -> bool:
    return name.endswith(".weight") and not name.rpartition(".")[0].endswith(NORMS)


def _in_t5(name: str) -> bool:
    return name.endswith((".q.weight", ".k.weight", ".v.weight", ".o.weight", ".wi_0.weight", ".wi_1.weight"))


def write(path: Path, inputs: Stages, expected: Stages) -> None:
    """Write what was computed, with what it was computed from."""
    tensors = {
        PREFIX + name: Tensor("BF16", bfloat16.to_bits(each.astype(np.float32))) for name, each in inputs.items()
    }
    tensors |= {
        name: stored(each if each.dtype == np.uint8 else each.astype(np.float32)) for name, each in expected.items()
    }
    write_tensors(path, tensors, metadata=_provenance())


def _provenance() -> dict[str, str]:
    folders = {**{name: PIPELINE / name for name in NETWORKS}, "the IP-Adapter": IP_ADAPTER}
    weights = {name: next(folder.glob("*.safetensors")) for name, folder in folders.items()}
    return {
        "about": f"{len(CALLS)} calls, the first for {ONE.prompts[0]!r}; each stage from what is given",
        "command": "python -m fluxgate.miniature.given_computing",
        "numpy": np.__version__,
        "python": sys.version.split()[0],
        "date": datetime.now(UTC).date().isoformat(),
        **{f"sha256 of {name}": hashlib.sha256(file.read_bytes()).hexdigest() for name, file in weights.items()},
    }


if __name__ == "__main__":
    write(FILE, *computed(Flux.read(PIPELINE)))
