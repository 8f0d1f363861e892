"""Quantization of the denoiser by packages that need not be installed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.pipeline_folder import read_index
from fluxgate.rendering import DECODE, ENCODE, LOAD
from fluxgate.strategies.coarse import coarse_eight_bit
from fluxgate.strategies.effects import DENOISER, Layers, Quantized, Setting, Stored
from fluxgate.strategies.layer_use import Packed, cast_before_int8
from fluxgate.strategies.loading import component
from fluxgate.strategies.promise import Effect, OtherWork, Promise, Site, dtype_setting, strategy
from fluxgate.strategies.requirements import GGUF, Release, unquantized
from fluxgate.subjects.denoiser_class import denoiser_class
from fluxgate.subjects.pipeline_class import package_folder
from fluxgate.subjects.single_files import LOADER, inherits
from fluxgate.subjects.subject import Subject

BLOCK = 32  # numbers of a row that GGUF packs together
AT_ONCE = 16  # tensors in float32 at a time: all of a large denoiser would not fit into memory
LESS = (LOAD, ENCODE, DECODE)  # products with widened weights need room that a small denoiser's weights may not make
OTHER_KERNELS = OtherWork(
    "its layers are a package's own, some of whose products torch cannot count", operators=("",), flops=None
)
MOSTLY: tuple[Effect, ...] = (Quantized(of=DENOISER, at_least=0.75),)

eight_bit_promise = partial(
    Promise,
    approximates="full",
    less_memory_than="full",
    less_during=LESS,
    changes_weights=True,
    control=coarse_eight_bit.name,
)


def denoiser_in_folder(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: weights of the denoiser under the names that the GGUF file is to have."""
    if subject.single_file(subject.denoiser) is None:
        return None
    return f"{subject.denoiser} comes from a single file already, and its GGUF file is written from a folder's weights"


@strategy(
    eight_bit_promise(
        other_work=(OTHER_KERNELS,),
        effects=(
            *MOSTLY,
            Stored("int8", of=DENOISER, at_least=0.75, of_linear=True),
            Setting("quantized_activations", None, of=DENOISER),
        ),
    ),
    needs=(
        Release("torchao", "0.15.0", to="quantize with it"),
        Release("diffusers", "0.36.0", to="take torchao's configurations"),
        unquantized,
    ),
)
def torchao_int8wo(site: Site) -> Any:
    """The denoiser's weights in eight bits by torchao; activations stay as they are."""
    from torchao.quantization import Int8WeightOnlyConfig

    settings = {"quant_type": Int8WeightOnlyConfig()}
    return with_denoiser(site, component(site, site.subject.denoiser, config="TorchAoConfig", settings=settings))


@strategy(
    eight_bit_promise(other_work=(OTHER_KERNELS,), effects=(*MOSTLY, Layers("QLinear", of=DENOISER))),
    needs=(Release("optimum-quanto", "0.2.6", to="quantize with it"), unquantized, cast_before_int8),
)
def quanto_int8(site: Site) -> Any:
    """The denoiser's weights in eight bits by optimum-quanto."""
    settings = {"weights_dtype": "int8"}
    return with_denoiser(site, component(site, site.subject.denoiser, config="QuantoConfig", settings=settings))


def in_one_file(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a denoiser whose class can be loaded from a single file."""
    known, root = denoiser_class(subject), package_folder()
    if known is None or root is None or inherits(known.name, LOADER, root / "models"):
        return None
    return f"{known.name} loads no single file in this release of diffusers"


@strategy(
    eight_bit_promise(other_work=(OTHER_KERNELS,), effects=(*MOSTLY, Layers("GGUFLinear", of=DENOISER))),
    needs=(
        Release("gguf", GGUF, to="write and read GGUF files"),
        Release("diffusers", "0.35.0", to="load a GGUF file with diffusers' own names"),
        denoiser_in_folder,
        Packed("diffusers", "GGUFLinear"),
        in_one_file,
    ),
)
def gguf_q8(site: Site) -> Any:
    """The denoiser from a GGUF file, written from the subject's own weights with matrices in blocks of eight bits."""
    import diffusers

    name = site.subject.denoiser
    file = site.scratch / "denoiser.gguf"
    kind = getattr(diffusers, read_index(site.folder).components[name][1])
    write_gguf(site.folder / name, file, wide=kind._keep_in_fp32_modules or ())
    denoiser = kind.from_single_file(
        str(file),
        config=str(site.folder),
        subfolder=name,
        quantization_config=diffusers.GGUFQuantizationConfig(compute_dtype=site.dtype),
        **dtype_setting(diffusers, site.dtype),
    )
    return with_denoiser(site, denoiser)


def with_denoiser(site: Site, denoiser: Any) -> Any:
    return site.pipeline(**{site.subject.denoiser: denoiser}).to(site.device)


def write_gguf(weights: Path, file: Path, *, wide: Collection[str] = ()) -> None:
    """Every tensor of a component's safetensors files: matrices of layers in Q8_0, the rest in float32, and so what
    lies in a module that the component's class keeps in it, and matrices whose rows are no whole blocks."""
    import gguf

    writer = gguf.GGUFWriter(file, "flux", use_temp_file=True)  # a large denoiser need not fit into memory twice
    with ThreadPoolExecutor() as pool:
        for tensors in few_at_once(weights):
            packed = [name.endswith(".weight") and not set(wide) & set(name.split(".")) for name in tensors]
            for name, (values, kind) in zip(tensors, pool.map(in_blocks, tensors.values(), packed), strict=True):
                writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def few_at_once(weights: Path) -> Iterator[dict[str, Any]]:
    """All tensors of a component's safetensors files, some of them at a time."""
    from safetensors import safe_open

    for part in sorted(weights.glob("*.safetensors")):
        with safe_open(part, framework="pt") as tensors:
            names = list(tensors.keys())
            for start in range(0, len(names), AT_ONCE):
                yield {name: tensors.get_tensor(name) for name in names[start : start + AT_ONCE]}


def in_blocks(tensor: Any, packed: bool) -> tuple[Any, Any]:
    """The tensor's values as a GGUF file has them, matrices packed or not, and their type if it is not float32."""
    import gguf

    values, eight = tensor.float().numpy(), gguf.GGMLQuantizationType.Q8_0
    whole = values.ndim == 2 and values.shape[1] % BLOCK == 0  # else a row is no number of blocks
    return (gguf.quants.quantize(values, eight), eight) if packed and whole else (values, None)
