"""Renderings whose stages are the oracle's own, rounded to a dtype, for tests that bend them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fluxgate.compare.oracle import TOKENS, ordered
from fluxgate.miniature import bfloat16
from fluxgate.miniature.given_calls import CALLS
from fluxgate.rendering import DRAWN, LEVELS, NOISE, PICTURE, GivenStage, GivenTake, of_call, to_denoiser, without_call
from fluxgate.runs.rendered import Rendered
from fluxgate.tensors import Tensor, stored, write_tensors
from tests.runs.building import rendering

FILE = "given.safetensors"
Change = Callable[[Any], Any]


def rendered_of(take: GivenTake | None, folder: Path, *, strategy: str = "full", **changes: Any) -> Rendered:
    """A rendering with such stages."""
    return Rendered(replace(rendering(strategy, folder / "rendered"), given=take, device="cpu", **changes), folder)


def take_of(
    folder: Path, *, dtype: str = "bfloat16", bent: Mapping[str, Change] | None = None, without: str = ""
) -> GivenTake:
    """The oracle's own stages, some of them bent, in a file of the folder."""
    tensors, stages = {}, []
    for name, expected in expected_stages().items():
        if name == without:
            continue
        values = np.asarray((bent or {}).get(name, lambda same: same)(expected), np.float32)
        tensor, of = _stored(name, values, dtype)
        digest = hashlib.sha256(f"torch.{of} {tuple(values.shape)}\n".encode() + tensor.bits.tobytes())
        tensors[name] = tensor
        if without_call(name) == NOISE:  # what torch draws is not bent
            tensors[name.replace(NOISE, DRAWN)] = _stored(name, np.asarray(expected, np.float32), dtype)[0]
        stages.append(GivenStage(name, digest.hexdigest(), tuple(values.shape), of, "cpu", False))
    write_tensors(folder / FILE, tensors)
    return GivenTake(tuple(stages), FILE)


def expected_stages() -> dict[str, Any]:
    """Those of all calls, where what is drawn is what was given in the older way."""
    starts = to_denoiser("hidden_states", 1)
    return {
        of_call(NOISE, call.name) if name == of_call(starts, call.name) else name: each
        for call in CALLS
        for name, each in ordered(call).items()
    }


def _stored(name: str, values: Any, dtype: str) -> tuple[Tensor, str]:
    if without_call(name) in TOKENS:
        return stored(values.astype(np.int64)), "int64"
    if without_call(name) == PICTURE:
        return stored(values.astype(np.uint8)), "uint8"
    if dtype == "float32" or without_call(name) == LEVELS or name.startswith("guidance"):
        return stored(values), "float32"
    return Tensor("BF16", bfloat16.to_bits(values)), "bfloat16"
