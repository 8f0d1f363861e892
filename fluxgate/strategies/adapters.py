"""A LoRA beside the denoiser's weights, fused into them, and taken away again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.rendering import DENOISE
from fluxgate.strategies.effects import (
    ALTERED,
    DENOISER,
    SAID_TO_BE_FUSED,
    SUBJECT_DTYPE,
    Counted,
    Setting,
    Stored,
    Unhooked,
)
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import Release, unquantized
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import Subject

NAME = "doubling"
FILE = "pytorch_lora_weights.safetensors"  # diffusers' own name for it
RANK = 4  # rows of each layer that the LoRA doubles
LAYERS = ("to_q", "to_k", "to_v")  # of every attention, whichever model of diffusers it is in
PEFT = Release("peft", "0.17.0", to="load a LoRA")
BESIDE = OtherWork("the LoRA computes beside the layers that it changes", phases=(DENOISE,), operators=("",), flops=0.5)


def loads_lora(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a pipeline whose class loads LoRAs."""
    installed = pipeline_class(subject.pipeline)
    if installed is None or any("LoraLoaderMixin" in base for base in installed.bases):
        return None
    return f"{subject.pipeline} loads no LoRA in this release of diffusers"


@strategy(
    Promise(
        stays=True,
        approximates="full",
        changes_weights=True,
        adapts=True,
        other_work=(BESIDE,),
        effects=(
            Setting("adapter", NAME, of=DENOISER),
            Setting("adapter_place", "beside the weights", of=DENOISER),
            Setting("adapter_dtype", None, of=DENOISER),  # that of the layers beside it
        ),
    ),
    needs=(PEFT, loads_lora, unquantized),
)
def lora(site: Site) -> Any:
    """A LoRA that doubles a few rows of each attention's projections, computed beside them."""
    return with_lora(site).to(site.device)


@strategy(
    Promise(
        stays=True,
        reproduces="full",
        effects=(
            Counted(ALTERED, at_least=1),
            Setting("adapter", None, of=DENOISER),
            Setting("adapter_in_no_layer", None, of=DENOISER),
            Counted(SAID_TO_BE_FUSED, at_most=0),
            Unhooked(),
            Stored(SUBJECT_DTYPE, spared=True),
        ),
    ),
    needs=(PEFT, loads_lora, unquantized),
)
def lora_unloaded(site: Site) -> Any:
    """The same LoRA fused into the weights, taken out of them and unloaded: bit for bit what there was before."""
    pipe = with_lora(site).to(site.device)
    layers = adapted(getattr(pipe, site.subject.denoiser))
    before = [layer.weight.detach().clone() for layer in layers]
    parts = [site.subject.denoiser]
    pipe.fuse_lora(components=parts)
    site.count(ALTERED, sum(not same(*each) for each in zip(before, layers, strict=True)))
    pipe.unfuse_lora(components=parts)
    pipe.unload_lora_weights()
    site.count(SAID_TO_BE_FUSED, pipe.num_fused_loras)
    return pipe


def with_lora(site: Site) -> Any:
    """The pipeline with the LoRA loaded from a file, as a user's would be."""
    pipe = site.pipeline()
    folder = site.scratch / "lora"
    write_lora(getattr(pipe, site.subject.denoiser), site.subject.denoiser, folder)
    pipe.load_lora_weights(folder, weight_name=FILE, adapter_name=NAME)
    return pipe


def write_lora(denoiser: Any, prefix: str, folder: Path) -> None:
    """A LoRA for all of the denoiser's attentions, in diffusers' own format.

    Its first matrix is rows of the layer's own weight, its second one puts them back in their places, so that their sum
    is the weight with those rows doubled. To double a number and to halve it again changes no bit in any dtype; what
    another LoRA adds and takes away is rounded twice."""
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Any] = {}
    for path, layer in projections(denoiser):
        rows = torch.linspace(0, layer.out_features - 1, RANK).long()
        down = layer.weight.detach()[rows].clone()
        up = torch.zeros(layer.out_features, RANK, dtype=down.dtype)
        up[rows, torch.arange(RANK)] = 1
        tensors |= {f"{prefix}.{path}.lora_A.weight": down, f"{prefix}.{path}.lora_B.weight": up}
    folder.mkdir()
    save_file(tensors, folder / FILE)


def projections(denoiser: Any) -> list[tuple[str, Any]]:
    """The linear layers that make an attention's queries, keys and values."""
    import torch

    parts = denoiser.named_modules()
    return [
        (path, part)
        for path, part in parts
        if isinstance(part, torch.nn.Linear) and path.rpartition(".")[2] in LAYERS and part.out_features >= RANK
    ]


def adapted(denoiser: Any) -> list[Any]:
    """The layers that have a LoRA beside them."""
    return [part.base_layer for part in denoiser.modules() if hasattr(part, "lora_A")]


def same(before: Any, layer: Any) -> bool:
    import torch

    return bool(torch.equal(before, layer.weight))
