"""Every memory strategy, in the order of the report."""

from __future__ import annotations

from fluxgate.options import suggestion
from fluxgate.refusal import Refusal
from fluxgate.strategies import casting, decoding, offloading, optional, quantization, staging
from fluxgate.strategies.promise import Strategy

STRATEGIES: tuple[Strategy, ...] = (
    offloading.full,
    offloading.sequential_offload,
    offloading.model_offload,
    offloading.group_offload_block,
    offloading.group_offload_block_stream,
    offloading.group_offload_leaf,
    offloading.group_offload_leaf_stream,
    offloading.group_offload_leaf_record_stream,
    offloading.group_offload_leaf_low_cpu_mem,
    offloading.group_offload_by_component,
    offloading.group_offload_disk,
    offloading.group_offload_leaf_disk,
    offloading.group_offload_leaf_disk_stream,
    offloading.device_map_balanced,
    staging.staged,
    staging.staged_processes,
    staging.staged_as_published,
    staging.staged_float16,
    staging.staged_256_tokens,
    decoding.vae_slicing,
    decoding.vae_tiling,
    quantization.nf4,
    quantization.nf4_pipeline,
    quantization.nf4_linear,
    quantization.nf4_reloaded,
    quantization.nf4_model_offload,
    quantization.nf4_group_offload_stream,
    quantization.nf4_group_offload,
    quantization.nf4_sequential_offload,
    quantization.nf4_double_quant,
    quantization.nf4_as_published,
    quantization.nf4_t5,
    quantization.nf4_t5_sequential_offload,
    quantization.fp4,
    quantization.int8,
    quantization.int8_model_offload,
    quantization.int8_reloaded,
    quantization.int8_t5,
    quantization.int8_t5_reloaded,
    quantization.int8_t5_sequential_offload,
    casting.full_float32,
    casting.fp8_layerwise,
    casting.fp8_layerwise_model_offload,
    optional.torchao_int8wo,
    optional.quanto_int8,
    optional.gguf_q8,
)


def strategy_named(name: str) -> Strategy:
    """The strategy of that name, or a refusal that says which there are."""
    by_name = {strategy.name: strategy for strategy in STRATEGIES}
    if name not in by_name:
        raise Refusal(f"The strategy {name!r} is unknown; {suggestion(name, by_name)}")
    return by_name[name]
