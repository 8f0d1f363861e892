"""Loading a pipeline whose large components are quantized: by their own libraries, from a saved copy, or by hand."""

from __future__ import annotations

import gc
import importlib
from pathlib import Path
from typing import Any

from fluxgate.pipeline_folder import MODEL_CONFIG, has_variant, is_of_diffusers, read_index
from fluxgate.refusal import Refusal
from fluxgate.strategies.promise import Site, dtype_setting

LIBRARIES = ("diffusers", "transformers")


def quantized(site: Site, settings: dict[str, Any], *, names: tuple[str, ...] = (), dtype: Any = None) -> Any:
    """The pipeline with its large components, or some of them, quantized by bitsandbytes while they are loaded."""
    components = {
        name: component(site, name, config="BitsAndBytesConfig", settings=settings, dtype=dtype)
        for name in names or site.subject.large
    }
    return site.pipeline(dtype=dtype, **components)


def component(site: Site, name: str, *, config: str, settings: dict[str, Any], dtype: Any = None) -> Any:
    """One component, quantized by the library that its class belongs to as that library's configuration says."""
    package, component_class = origin_of(site.folder, name)
    quantization = getattr(package, config)(**settings)
    if package.__name__ == "diffusers" and site.subject.single_file(name):
        return site.from_file(name, dtype=dtype, quantization_config=quantization)
    variant = site.subject.variant
    files = {"variant": variant} if variant and has_variant(site.folder / name, variant) else {}
    return component_class.from_pretrained(
        site.folder,
        subfolder=name,
        use_safetensors=True,
        **files,
        quantization_config=quantization,
        **dtype_setting(package, dtype or site.dtype_of(name)),
    )


def origin_of(folder: Path, name: str) -> tuple[Any, Any]:
    """The library that loads a component, and its class; some are in modules of diffusers' pipelines."""
    import transformers

    library, kind = read_index(folder).components[name]
    if library in LIBRARIES:
        package = importlib.import_module(library)
        return package, getattr(package, kind)
    if not is_of_diffusers(library):
        raise Refusal(f"{folder}: component {name} belongs to {library}; only {' and '.join(LIBRARIES)} are loaded")
    found = getattr(importlib.import_module(f"diffusers.pipelines.{library}"), kind)
    package = transformers if issubclass(found, transformers.PreTrainedModel) else importlib.import_module("diffusers")
    return package, found


def reloaded(site: Site, settings: dict[str, Any], *, names: tuple[str, ...] = ()) -> Any:
    """The quantized pipeline, saved and loaded again as a user would find it."""
    saved = site.scratch / "saved"
    pipe = quantized(site, settings, names=names)
    pipe.save_pretrained(saved, safe_serialization=True)
    del pipe
    gc.collect()
    return site.pipeline(folder=saved)


def exchange_linears(model: Any, site: Site) -> None:
    """Put a Linear4bit in the place of every Linear that the libraries' own loaders would quantize."""
    import torch

    spared = spared_by_loaders(model)
    for path, linear in list(model.named_modules()):
        if type(linear) is not torch.nn.Linear:
            continue
        parent, _, name = path.rpartition(".")
        if not is_spared(path, spared):
            setattr(model.get_submodule(parent), name, four_bit(linear, site))
        elif loaders_spare_in_float32():
            linear.to(torch.float32)


def spared_by_loaders(model: Any) -> set[str]:
    """Names of layers that the libraries' own loaders leave as they are: those that the class keeps wide, and heads of
    language models, which often share their weights with an embedding."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    heads = {path for path, part in model.named_modules() if head is not None and part is head}
    return {*(model._keep_in_fp32_modules or ()), *heads}


def is_spared(path: str, names: set[str]) -> bool:
    """Whether a layer, or a part of the model that it belongs to, is among those."""
    return any(name == path or f"{name}." in path or path.endswith(f".{name}") for name in names)


def four_bit(linear: Any, site: Site) -> Any:
    """The layer that bitsandbytes makes of a linear one; moving its weight to the device quantizes it."""
    import bitsandbytes

    bias = linear.bias is not None
    options = {"compress_statistics": False, "quant_type": "nf4"}
    layer = bitsandbytes.nn.Linear4bit(
        linear.in_features, linear.out_features, bias, compute_dtype=site.dtype, device="meta", **options
    )
    weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, module=layer, **options)
    layer.weight = weight.to(site.device)
    layer.bias = linear.bias
    return layer


def loaders_spare_in_float32() -> bool:
    """Whether this transformers keeps T5's wo in float32 beside quantized layers, as 4.x does."""
    from transformers.quantizers.quantizer_bnb_4bit import Bnb4BitHfQuantizer

    return bool(getattr(Bnb4BitHfQuantizer, "use_keep_in_fp32_modules", False))


def weighty(folder: Path) -> tuple[str, ...]:
    """The components that have weights: all that is listed, less schedulers, tokenizers and image processors."""
    return tuple(name for name in read_index(folder).components if (folder / name / MODEL_CONFIG).is_file())


def modules_of(pipe: Any) -> dict[str, Any]:
    """The components of a pipeline that have weights."""
    import torch

    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
