"""The lines that load a pipeline under a strategy in one's own script, without Fluxgate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

DTYPE_RENAMED = Version("0.40.0")  # diffusers' `torch_dtype` is `dtype` since then

TO_DEVICE = 'pipe.to("cuda")'
BY_COMPONENT = 'pipe.enable_model_cpu_offload(device="cuda")'
BY_LAYER = 'pipe.enable_sequential_cpu_offload(device="cuda")'
LEAVES = 'offload_type="leaf_level"'
BLOCKS = 'offload_type="block_level", num_blocks_per_group=1'
STREAM = "use_stream=True"


@dataclass(frozen=True)
class Lines:
    """What a strategy adds to loading and what it calls then; the quantization is bitsandbytes' own settings."""

    then: tuple[str, ...]
    quantization: Mapping[str, Any] | None = None


def _groups(*settings: str) -> str:
    devices = 'onload_device=torch.device("cuda"), offload_device=torch.device("cpu")'
    return f"pipe.enable_group_offload({', '.join((devices, *settings))})"


NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16"}
INT8 = {"load_in_8bit": True}
FLOAT8 = "pipe.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)"

LINES: dict[str, Lines] = {
    "full": Lines((TO_DEVICE,)),
    "sequential-offload": Lines((BY_LAYER,)),
    "model-offload": Lines((BY_COMPONENT,)),
    "group-offload-block": Lines((_groups(BLOCKS),)),
    "group-offload-block-stream": Lines((_groups(BLOCKS, STREAM),)),
    "group-offload-leaf": Lines((_groups(LEAVES),)),
    "group-offload-leaf-stream": Lines((_groups(LEAVES, STREAM),)),
    "group-offload-leaf-record-stream": Lines((_groups(LEAVES, STREAM, "record_stream=True"),)),
    "group-offload-leaf-low-cpu-mem": Lines((_groups(LEAVES, STREAM, "low_cpu_mem_usage=True"),)),
    "group-offload-disk": Lines((_groups(BLOCKS, 'offload_to_disk_path="offloaded"'),)),
    "vae-slicing": Lines((TO_DEVICE, "pipe.vae.enable_slicing()")),
    "vae-tiling": Lines((TO_DEVICE, "pipe.vae.enable_tiling()")),
    "nf4": Lines((TO_DEVICE,), NF4),
    "nf4-pipeline": Lines((TO_DEVICE,), NF4),
    "nf4-model-offload": Lines((BY_COMPONENT,), NF4),
    "nf4-group-offload-stream": Lines((_groups(LEAVES, STREAM),), NF4),
    "nf4-double-quant": Lines((TO_DEVICE,), {**NF4, "bnb_4bit_use_double_quant": True}),
    "fp4": Lines((TO_DEVICE,), {**NF4, "bnb_4bit_quant_type": "fp4"}),
    "int8": Lines((TO_DEVICE,), INT8),
    "int8-model-offload": Lines((BY_COMPONENT,), INT8),
    "fp8-layerwise": Lines((FLOAT8, TO_DEVICE)),
    "fp8-layerwise-model-offload": Lines((FLOAT8, BY_COMPONENT)),
}

STAGED = """\
import gc

import torch
from diffusers import AutoencoderKL, FluxPipeline

MODEL = {source}
settings = dict({dtype}=torch.bfloat16, use_safetensors=True)


def free():
    gc.collect()
    torch.cuda.empty_cache()


@torch.no_grad()
def picture(prompt, height=768, width=1360, steps=50, guidance=3.5, seed=42):
    pipe = FluxPipeline.from_pretrained(MODEL, transformer=None, vae=None, **settings).to("cuda")
    embeds, pooled, _ = pipe.encode_prompt(prompt, None, max_sequence_length=512)
    del pipe
    free()
    encoders = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    pipe = FluxPipeline.from_pretrained(MODEL, **encoders, vae=None, **settings).to("cuda")
    latents = pipe(prompt_embeds=embeds, pooled_prompt_embeds=pooled, height=height, width=width,
                   num_inference_steps=steps, guidance_scale=guidance, output_type="latent",
                   generator=torch.Generator("cpu").manual_seed(seed)).images
    latents = pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
    processor = pipe.image_processor
    del pipe
    free()
    vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae", **settings).to("cuda")
    latents = latents / vae.config.scaling_factor + vae.config.shift_factor
    return processor.postprocess(vae.decode(latents).sample)[0]
"""


def script(strategy: str, *, source: str, diffusers: str | None = None) -> str | None:
    """The lines for a FLUX pipeline; None for a strategy that takes more than a few.

    diffusers: the release that is installed; None for one that is not known, which is taken for a new one."""
    if strategy == "staged":
        return STAGED.format(source=_quoted(source), dtype=_dtype(diffusers))
    lines = LINES.get(strategy)
    if lines is None:
        return None
    imports, settings = ["import torch", "from diffusers import FluxPipeline"], ""
    if lines.quantization is not None:
        imports.append("from diffusers.quantizers import PipelineQuantizationConfig")
        settings = ", quantization_config=quantization"
    load = f"pipe = FluxPipeline.from_pretrained({_quoted(source)}, {_dtype(diffusers)}=torch.bfloat16{settings})"
    return "\n".join((*imports, "", *_quantization(lines), load, *lines.then)) + "\n"


def _dtype(diffusers: str | None) -> str:
    try:
        return "torch_dtype" if diffusers is not None and Version(diffusers) < DTYPE_RENAMED else "dtype"
    except InvalidVersion:
        return "dtype"


def _quantization(lines: Lines) -> tuple[str, ...]:
    """One configuration for the large components."""
    if lines.quantization is None:
        return ()
    bits = "8bit" if "load_in_8bit" in lines.quantization else "4bit"
    values = ", ".join(f'"{name}": {_value(value)}' for name, value in lines.quantization.items())
    return (
        "quantization = PipelineQuantizationConfig(",
        f'    quant_backend="bitsandbytes_{bits}",',
        f"    quant_kwargs={{{values}}},",
        '    components_to_quantize=["transformer", "text_encoder_2"],',
        ")",
    )


def _value(value: object) -> str:
    if value == "bfloat16":
        return "torch.bfloat16"
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text)
