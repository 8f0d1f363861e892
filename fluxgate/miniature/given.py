"""Small pictures of the miniature, stage by stage: what each stage is given, and what the oracle makes of it.

Each stage starts from what is given here, not from what came out before it, so that one wrong stage does not hide the
next. What is given are numbers of bfloat16, which every dtype holds exactly."""

from __future__ import annotations

import functools
import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature.given_calls import CALLS, FEW, GUIDANCE, GivenCall
from fluxgate.rendering import (
    CLIP_TOKENS,
    POOLED,
    T5,
    T5_TOKENS,
    after_step,
    of_call,
    to_denoiser,
    without_call,
)
from fluxgate.tensors import metadata_of, read_tensors

FILE = Path(__file__).parent / "given.safetensors"
EMBEDDINGS = (T5, POOLED, "encoder_hidden_states", "pooled_projections")  # how the names of such stages begin
LONG = (T5, "encoder_hidden_states")  # of these, those of several prompts are kept
EVERY = 32  # tokens one
FP8 = "e4m3"
DOUBLED = "rows doubled"  # by the LoRA of `fluxgate.strategies.adapters`
FORMATS = ("nf4", "fp4", "nf4, double", FP8, DOUBLED)  # of weights, with which stages give other numbers
IMAGE_PROMPT = "image prompt"  # beside the text, as `fluxgate.strategies.image_prompts` gives one
# Those of `fluxgate.strategies.caching`.
FIRST_BLOCK_CACHE, FORETELLING_CACHE, REPEATING_CACHE = "first-block cache", "foretelling cache", "repeating cache"
# Where a decision of a cache is so near that either is right, what the other one leads to begins with this.
OTHERWISE = {FIRST_BLOCK_CACHE: f"{FIRST_BLOCK_CACHE}, decided otherwise"}
# Layers with this in their names may be called once less than there are steps in the first call: of two in one.
LEFT_OUT = {REPEATING_CACHE: ".attn."}
COMPUTED_AS = (
    IMAGE_PROMPT,
    FIRST_BLOCK_CACHE,
    FORETELLING_CACHE,
    REPEATING_CACHE,
    *OTHERWISE.values(),
)  # what strategies compute that is another thing than the networks by themselves
ADAPTER = "doubling"  # what the strategies call that LoRA
PREFIX = "given/"  # of what is given, in the file
TILED = "tiled"  # a decoder that decodes in tiles gives other numbers, too

Stages = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Given:
    """What stages are given, and what the oracle makes of it, by the names of stages and of their inputs."""

    inputs: Stages
    expected: Stages
    variants: Stages  # "FORMAT/STAGE": with weights of a format, in tiles, or as a strategy computes it
    provenance: dict[str, str]


@functools.cache
def given() -> Given:
    """What ships."""
    tensors = {name: each.values for name, each in read_tensors(FILE).items()}
    inputs = {name.removeprefix(PREFIX): values for name, values in tensors.items() if name.startswith(PREFIX)}
    variants = {
        name: each for name, each in tensors.items() if name.partition("/")[0] in (*FORMATS, *COMPUTED_AS, TILED)
    }
    computed = {name: each for name, each in tensors.items() if "/" not in name}
    handed: Stages = {}
    for call in CALLS:
        inputs |= embeddings(inputs, call)
        handed |= to_denoisers(inputs, call)
    tokens = {name: each for name, each in computed.items() if without_call(name) in (CLIP_TOKENS, T5_TOKENS)}
    passed_on = {name: sampled(name, each) for name, each in handed.items() if _is_passed_on(name)}
    return Given({**inputs, **handed, **tokens}, {**passed_on, **computed}, variants, metadata_of(FILE))


def embeddings(inputs: Mapping[str, NDArray[Any]], call: GivenCall) -> Stages:
    """What the denoiser is given: the first call's, and other orders of them, one for each further picture."""
    if not call.name:
        return {name: inputs[name] for name in (T5, POOLED)}
    few = {T5: inputs[T5][:FEW], POOLED: inputs[POOLED]}
    turned = {name: [np.roll(few[name], 7 * number, axis=0) for number in range(call.count)] for name in few}
    return {of_call(name, call.name): np.stack(each) for name, each in turned.items()}


def to_denoisers(inputs: Mapping[str, NDArray[Any]], call: GivenCall) -> Stages:
    """What the denoiser is given in each step, by the names that diffusers' FLUX has for it."""
    rows, columns = np.meshgrid(*map(np.arange, call.asked[0].size), indexing="ij")
    handed: Stages = {}
    for step, share in call.steps.items():
        arguments = {
            "timestep": np.full(call.count, share),
            "txt_ids": np.zeros((inputs[of_call(T5, call.name)].shape[-2], 3)),
        }
        if step == 1 or not call.whole:
            arguments |= {
                "hidden_states": inputs[of_call(after_step(step - 1), call.name)],
                "encoder_hidden_states": inputs[of_call(T5, call.name)],
                "pooled_projections": inputs[of_call(POOLED, call.name)],
                "guidance": np.full(call.count, GUIDANCE),
                "img_ids": np.stack([np.zeros(rows.size), rows.ravel(), columns.ravel()], axis=1),
            }
        stages = {of_call(to_denoiser(name, step), call.name): value for name, value in arguments.items()}
        handed |= {name: np.asarray(value, np.float32) for name, value in stages.items()}
    return handed


def _is_passed_on(stage: str) -> bool:
    """Whether it must come as it was given; the text's positions of later calls are of prompts of another length."""
    return stage == without_call(stage) or not stage.startswith("txt_ids")


def sampled(stage: str, values: Any) -> Any:
    """What is kept of a stage: of long prompts' embeddings, those of some tokens."""
    return values[:, ::EVERY] if stage != without_call(stage) and stage.startswith(LONG) else values


def widened(stage: str, values: NDArray[Any], width: int) -> NDArray[Any]:
    """What is expected or given, in the width of the twin: its embeddings are the miniature's, repeated."""
    if not stage.startswith(EMBEDDINGS) or width <= values.shape[-1] or width % values.shape[-1]:
        return values
    return np.tile(values, (1,) * (values.ndim - 1) + (width // values.shape[-1],))


def noise(count: int, name: str = "latents given") -> NDArray[np.float64]:
    """Normal numbers in 256 levels that follow from a text, not from any library's generator."""
    normal = statistics.NormalDist()
    levels = np.array([normal.inv_cdf((index + 0.5) / 256) for index in range(256)])
    drawn = np.frombuffer(hashlib.shake_256(name.encode()).digest(count), np.uint8)
    return levels[drawn]


def format_of(settings: Mapping[str, str]) -> str | None:
    """Which of the formats a component's layers are set to; None if to none of them."""
    if settings.get("storage_dtype") == "float8_e4m3fn":
        return FP8
    if settings.get("adapter") == ADAPTER:
        return DOUBLED
    kind = settings.get("quant_type")
    form = f"{kind}, double" if settings.get("double_quant") == "True" else kind
    return form if form in FORMATS else None
