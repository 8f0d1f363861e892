"""Weights of the large components stored in four or eight bits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.rendering import DECODE, DENOISE, ENCODE, LOAD
from fluxgate.strategies.coarse import coarse_eight_bit, coarse_four_bit
from fluxgate.strategies.effects import (
    DENOISER,
    LARGE,
    LARGE_ENCODERS,
    STAYING,
    SUBJECT_DTYPE,
    VAE,
    Hooked,
    Layers,
    Names,
    Placed,
    Quantized,
    Setting,
    Stored,
)
from fluxgate.strategies.layer_use import Packed, carried_by_layers
from fluxgate.strategies.loading import exchange_linears, quantized, reloaded
from fluxgate.strategies.offloading import (
    EACH_LAYER,
    EACH_LEAF,
    IN_LEAVES,
    LEAF_AHEAD,
    ONCE,
    STREAMS,
    grouped,
    offload_groups,
    offload_layers,
)
from fluxgate.strategies.promise import Effect, LibraryCache, OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import (
    Gpu,
    Release,
    encoders_in_folder,
    folder_of_weights,
    one_dtype,
    saved_again,
    unquantized,
)
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import folder_at_hand, matrices_on_disk

BITSANDBYTES = Release("bitsandbytes", "0.46.0", to="quantize")
LOADER = Gpu("diffusers' loader for bitsandbytes refuses a CPU")
T5_ON_CPU = Release("transformers", "4.56.0", to="quantize where there is no GPU", on="cpu")
PACKED = Packed("bitsandbytes", "Linear4bit")
PLAIN = (unquantized, PACKED, encoders_in_folder)
MAPPED = Release("diffusers", "0.34.0", to="quantize a whole pipeline by one configuration")
INT8_MOVES = (
    Release("diffusers", "0.40.0", to="offload 8-bit components"),
    Release("transformers", "4.58.0", to="offload 8-bit components"),
    Release("bitsandbytes", "0.48.0", to="offload 8-bit components"),
)
INT8_LAYERS_MOVE = (
    Release("accelerate", "1.13.0", to="offload 8-bit layers"),
    Release("bitsandbytes", "0.48.0", to="offload 8-bit layers"),
)
AT_WORK = (ENCODE, DENOISE, DECODE)  # while loading, an offloaded pipeline was on the GPU like its sibling
# Eight-bit products need room of their own, which a small denoiser's weights do not make up for.
INT8_LESS = (LOAD, ENCODE, DECODE)

OWN_KERNELS = OtherWork(
    "its layers are bitsandbytes' own: they widen weights, or quantize what comes in, and add a bias themselves",
    operators=("bitsandbytes.", "aten.add"),
)
SCALES_WIDENED = OtherWork("the scales of its blocks are widened, and their mean is added", operators=("aten.add",))
CLAMPED = OtherWork(
    "float16 is clamped where it could overflow, and has kernels of its own", operators=("",), flops=0.05
)
BLOCK = 64  # numbers that share a scale


def large_encoder(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a text encoder among what is worth quantizing."""
    if set(subject.large) & set(subject.encoders):
        return None
    return f"a large text encoder is needed; {subject.name} has none: large names {' and '.join(subject.large)}"


ENCODER_NARROWED = (BITSANDBYTES, large_encoder, encoders_in_folder, T5_ON_CPU)


@dataclass(frozen=True)
class WholeBlocks:
    """Layers as wide as whole blocks of 4-bit weights: a CPU's kernels give wrong numbers, or crash, for others."""

    encoders_only: bool = False

    def __call__(self, subject: Subject, machine: Machine, stack: Stack) -> str | None:
        folder = folder_at_hand(subject) if machine.device == "cpu" else None
        if folder is None:
            return None
        names = (name for name in subject.large if name in subject.encoders or not self.encoders_only)
        wrong = (
            (name, layer, width) for name in names for layer, width in _broken_widths(folder / name, subject.variant)
        )
        first = next(wrong, None)
        return (
            None
            if first is None
            else (
                f"on a CPU, bitsandbytes multiplies with layers of a multiple of {BLOCK} inputs only; "
                f"{first[1]} of {first[0]} has {first[2]}"
            )
        )


def _broken_widths(component: Path, variant: str | None) -> Iterator[tuple[str, int]]:
    """Linear layers whose rows are no whole blocks. An embedding is a matrix, too, but no layer of this kind."""
    for name, (_, columns) in matrices_on_disk(component, variant).items():
        if name.endswith(".weight") and columns % BLOCK and not NO_LINEAR.search(name):
            yield name.removesuffix(".weight"), columns


NO_LINEAR = re.compile(r"embed_tokens|shared|token_embedding|position_embedding|relative_attention_bias|wte")
INT8_SETTINGS = {"load_in_8bit": True}

four_bit_promise = partial(Promise, changes_weights=True, control=coarse_four_bit.name)
eight_bit_promise = partial(Promise, changes_weights=True, control=coarse_eight_bit.name)


def nf4_settings(site: Site, **changes: Any) -> dict[str, Any]:
    return {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": site.dtype, **changes}


def four_bits(
    kind: str = "nf4", *, of: Names = LARGE, double: bool = False, compute: str = SUBJECT_DTYPE
) -> tuple[Effect, ...]:
    """What 4-bit quantization shows."""
    return (
        *narrow("Linear4bit", of),
        Setting("quant_type", kind, of=of),
        Setting("double_quant", str(double), of=of),
        Setting("compute_dtype", compute, of=of),
    )


def narrow(layer: str, of: Names = LARGE) -> tuple[Effect, ...]:
    """Most layers exchanged and most bytes quantized; T5 keeps one linear layer in seven, half of its bytes then."""
    denoiser = (Quantized(of=DENOISER, at_least=0.75),) if of == LARGE else ()
    return (Layers(layer, of=of), *denoiser, Quantized(of=LARGE_ENCODERS, at_least=0.25))


EIGHT_BITS = narrow("Linear8bitLt")
OFFLOADED = (Hooked("CpuOffload", but=STAYING), Placed("cpu", but=STAYING))
# With a stream, groups move parameters and buffers. A 4-bit weight's scales are neither, and stay on the GPU where
# they were made: 4 bytes beside each 32 of codes, a ninth of what is quantized, and a codebook of 64 bytes a layer.
ALL_BUT_SCALES = 0.88  # the miniature's denoiser 88.95%, FLUX.1-dev's 88.90%, T5-XXL 95.05%; nothing offloaded: none
# bitsandbytes keeps the codebook of double quantization for the next weights: functional.name2qmap, made once.
CODEBOOK = LibraryCache(
    256 * 4, "bitsandbytes keeps the codebook of double quantization for as long as the process lives"
)


# --- bitsandbytes through the libraries' own loaders


@strategy(
    four_bit_promise(
        stays=True, other_work=(OWN_KERNELS,), approximates="full", less_memory_than="full", effects=four_bits()
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def nf4(site: Site) -> Any:
    """The large components in NF4, each loaded by its own library."""
    return quantized(site, nf4_settings(site)).to(site.device)


@strategy(
    four_bit_promise(stays=True, reproduces="nf4", less_memory_than="full", effects=four_bits()),
    needs=(BITSANDBYTES, LOADER, MAPPED, PACKED, folder_of_weights),
)
def nf4_pipeline(site: Site) -> Any:
    """As nf4, by one configuration given to the pipeline."""
    from diffusers.quantizers import PipelineQuantizationConfig

    large = list(site.subject.large)
    config = PipelineQuantizationConfig(
        quant_backend="bitsandbytes_4bit", quant_kwargs=nf4_settings(site), components_to_quantize=large
    )
    return site.pipeline(quantization_config=config).to(site.device)


@strategy(
    four_bit_promise(stays=True, reproduces="nf4", less_memory_than="full", effects=four_bits()),
    needs=(BITSANDBYTES, WholeBlocks(), unquantized, PACKED),
)
def nf4_linear(site: Site) -> Any:
    """Linear layers replaced by hand with bitsandbytes' own, which also run on a CPU."""
    pipe = site.pipeline()
    for name in site.subject.large:
        exchange_linears(getattr(pipe, name), site)
    return pipe.to(site.device)


@strategy(
    four_bit_promise(stays=True, reproduces="nf4", less_memory_than="full", effects=four_bits()),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def nf4_reloaded(site: Site) -> Any:
    """The large components in NF4, saved and loaded again."""
    return reloaded(site, nf4_settings(site)).to(site.device)


@strategy(
    four_bit_promise(
        moves=ONCE, reproduces="nf4", less_memory_than="nf4", less_during=AT_WORK, effects=(*four_bits(), *OFFLOADED)
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def nf4_model_offload(site: Site) -> Any:
    """As nf4, with whole components waiting on the CPU."""
    pipe = quantized(site, nf4_settings(site))
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe


@strategy(
    four_bit_promise(
        moves=LEAF_AHEAD,
        reproduces="nf4",
        less_memory_than="nf4",
        less_during=AT_WORK,
        effects=(*four_bits(), *grouped(leaves=True, on_cpu=ALL_BUT_SCALES, stream=True)),
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN, STREAMS),
)
def nf4_group_offload_stream(site: Site) -> Any:
    """As nf4, with single layers waiting on the CPU and copied on a stream of their own."""
    return offload_groups(quantized(site, nf4_settings(site)), site, **IN_LEAVES, use_stream=True)


@strategy(
    four_bit_promise(
        moves=EACH_LEAF,
        reproduces="nf4",
        less_memory_than="nf4",
        less_during=AT_WORK,
        effects=(*four_bits(), *grouped(leaves=True)),
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
    slow=True,
)
def nf4_group_offload(site: Site) -> Any:
    """As nf4, with single layers waiting on the CPU."""
    return offload_groups(quantized(site, nf4_settings(site)), site, **IN_LEAVES)


@strategy(
    four_bit_promise(
        moves=EACH_LAYER,
        reproduces="nf4",
        less_memory_than="nf4",
        less_during=AT_WORK,
        effects=(*four_bits(), Hooked("AlignDevicesHook", each_linear=True, but=STAYING)),
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN, carried_by_layers),
    slow=True,
)
def nf4_sequential_offload(site: Site) -> Any:
    """As nf4, with every layer waiting on the CPU for its own forward."""
    return offload_layers(quantized(site, nf4_settings(site)), site)


@strategy(
    four_bit_promise(
        stays=True,
        other_work=(OWN_KERNELS, SCALES_WIDENED),
        approximates="full",
        less_memory_than="nf4",
        less_during=AT_WORK,
        library_cache=CODEBOOK,
        effects=four_bits(double=True),
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def nf4_double_quant(site: Site) -> Any:
    """As nf4, with the scales of its blocks quantized too."""
    return quantized(site, nf4_settings(site, bnb_4bit_use_double_quant=True)).to(site.device)


@strategy(
    four_bit_promise(
        stays=True,
        other_work=(OWN_KERNELS, CLAMPED),
        approximates="full",
        less_memory_than="full",
        effects=(*four_bits(compute="float16"), Stored("float16", of=VAE)),
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN, one_dtype),
)
def nf4_as_published(site: Site) -> Any:
    """NF4 computing in float16, with everything else in float16: the lines of the published guide."""
    import torch

    settings = nf4_settings(site, bnb_4bit_compute_dtype=torch.float16)
    return quantized(site, settings, dtype=torch.float16).to(site.device)


@strategy(
    four_bit_promise(
        stays=True, other_work=(OWN_KERNELS,), approximates="full", less_memory_than="full", effects=four_bits("fp4")
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def fp4(site: Site) -> Any:
    """The large components in four bits of floating point."""
    return quantized(site, nf4_settings(site, bnb_4bit_quant_type="fp4")).to(site.device)


@strategy(
    eight_bit_promise(
        stays=True,
        other_work=(OWN_KERNELS,),
        approximates="full",
        less_memory_than="full",
        less_during=INT8_LESS,
        effects=EIGHT_BITS,
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def int8(site: Site) -> Any:
    """The large components in eight bits, outliers in float16."""
    return quantized(site, INT8_SETTINGS).to(site.device)


@strategy(
    eight_bit_promise(
        moves=ONCE, reproduces="int8", less_memory_than="int8", less_during=AT_WORK, effects=(*EIGHT_BITS, *OFFLOADED)
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN, *INT8_MOVES),
)
def int8_model_offload(site: Site) -> Any:
    """As int8, with whole components waiting on the CPU."""
    pipe = quantized(site, INT8_SETTINGS)
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe


@strategy(
    eight_bit_promise(
        stays=True, reproduces="int8", less_memory_than="full", less_during=INT8_LESS, effects=EIGHT_BITS
    ),
    needs=(BITSANDBYTES, LOADER, *PLAIN),
)
def int8_reloaded(site: Site) -> Any:
    """The large components in eight bits, saved and loaded again."""
    return reloaded(site, INT8_SETTINGS).to(site.device)


# --- only text encoders such as T5, by transformers' loader, which serves a CPU too


@strategy(
    four_bit_promise(
        stays=True,
        other_work=(OWN_KERNELS,),
        approximates="full",
        less_memory_than="full",
        less_during=AT_WORK,
        effects=four_bits(of=LARGE_ENCODERS),
    ),
    needs=(*ENCODER_NARROWED, WholeBlocks(encoders_only=True)),
)
def nf4_t5(site: Site) -> Any:
    """Only T5 in NF4, by transformers' loader, which also works on a CPU."""
    return quantized(site, nf4_settings(site), names=large_encoders(site)).to(site.device)


@strategy(
    four_bit_promise(
        moves=EACH_LAYER,
        reproduces="nf4-t5",
        less_memory_than="nf4-t5",
        less_during=AT_WORK,
        effects=(*four_bits(of=LARGE_ENCODERS), Hooked("AlignDevicesHook", each_linear=True, but=STAYING)),
    ),
    needs=(*ENCODER_NARROWED, WholeBlocks(encoders_only=True), carried_by_layers),
    slow=True,
)
def nf4_t5_sequential_offload(site: Site) -> Any:
    """As nf4-t5, with every layer waiting on the CPU for its own forward."""
    return offload_layers(quantized(site, nf4_settings(site), names=large_encoders(site)), site)


@strategy(
    eight_bit_promise(
        stays=True,
        other_work=(OWN_KERNELS,),
        approximates="full",
        less_memory_than="full",
        less_during=AT_WORK,
        effects=narrow("Linear8bitLt", LARGE_ENCODERS),
    ),
    needs=ENCODER_NARROWED,
)
def int8_t5(site: Site) -> Any:
    """Only T5 in eight bits."""
    return quantized(site, INT8_SETTINGS, names=large_encoders(site)).to(site.device)


@strategy(
    eight_bit_promise(
        stays=True,
        reproduces="int8-t5",
        less_memory_than="full",
        less_during=AT_WORK,
        effects=narrow("Linear8bitLt", LARGE_ENCODERS),
    ),
    needs=(*ENCODER_NARROWED, saved_again),
)
def int8_t5_reloaded(site: Site) -> Any:
    """Only T5 in eight bits, saved and loaded again."""
    return reloaded(site, INT8_SETTINGS, names=large_encoders(site)).to(site.device)


@strategy(
    eight_bit_promise(
        moves=EACH_LAYER,
        reproduces="int8-t5",
        less_memory_than="int8-t5",
        less_during=AT_WORK,
        effects=(
            *narrow("Linear8bitLt", LARGE_ENCODERS),
            Hooked("AlignDevicesHook", each_linear=True, but=STAYING),
            Placed("meta", but=STAYING),
        ),
    ),
    needs=(*ENCODER_NARROWED, *INT8_LAYERS_MOVE, carried_by_layers),
    slow=True,
)
def int8_t5_sequential_offload(site: Site) -> Any:
    """As int8-t5, with every layer waiting on the CPU for its own forward."""
    return offload_layers(quantized(site, INT8_SETTINGS, names=large_encoders(site)), site)


def large_encoders(site: Site) -> tuple[str, ...]:
    return tuple(name for name in site.subject.large if name in site.subject.encoders)
