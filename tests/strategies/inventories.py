"""Inventories written by hand: what a GPU would show of a small FLUX under each strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fluxgate.rendering import AFTER, BEFORE, DURING, MOMENTS, Component, Inventory

LINEARS = {"transformer": 62, "text_encoder_2": 14, "text_encoder": 12, "vae": 8}
LEAVES = {"transformer": 78, "text_encoder_2": 22, "text_encoder": 20, "vae": 122}
WO = 2  # linear layers of T5 that no quantizer touches
BYTES = 1_000_000

Change = Callable[[Inventory], Inventory]


def component(name: str) -> Component:
    return Component(
        name=name,
        class_name=name,
        bytes_by_dtype={"bfloat16": BYTES},
        quantized_bytes=0,
        module_classes={"Linear": LINEARS[name], "LayerNorm": 3},
        hooks={},
        settings={},
        placement={moment: {"cuda:0": BYTES} for moment in MOMENTS},
        state_sha256=None,
    )


def plain() -> Inventory:
    """Everything in full on one GPU."""
    counts = {"blocks": 6, "blocks on GPU at once": 6, "components alive at once": 4, "prompt tokens": 512}
    counts |= {"slices decoded": 1, "tiles decoded": 1, "files offloaded": 0}
    counts |= {"hundredths of what was offloaded to files that are there twice": 0}
    return Inventory({name: component(name) for name in LINEARS}, counts)


def changed(*changes: Change) -> Inventory:
    """The plain inventory after some changes, in order."""
    inventory = plain()
    for change in changes:
        inventory = change(inventory)
    return inventory


def every(change: Callable[[Component], Component], *names: str) -> Change:
    """A change of all components, or of those named."""

    def apply(inventory: Inventory) -> Inventory:
        parts = inventory.components
        return replace(inventory, components=parts | {name: change(parts[name]) for name in names or parts})

    return apply


def counted(**counts: int) -> Change:
    return lambda inventory: replace(
        inventory, counts=inventory.counts | {what.replace("_", " "): number for what, number in counts.items()}
    )


def placed(where: str, *names: str, moments: tuple[str, ...] = (BEFORE, AFTER)) -> Change:
    there = {moment: {where: BYTES} for moment in moments}
    return every(lambda part: replace(part, placement=part.placement | there), *names)


def hooked(hook: str, numbers: dict[str, int] | None = None) -> Change:
    return every(
        lambda part: replace(part, hooks=part.hooks | {hook: (numbers or dict.fromkeys(LINEARS, 1))[part.name]})
    )


def with_settings(*names: str, **settings: str) -> Change:
    return every(lambda part: replace(part, settings=part.settings | settings), *names)


def stored(dtype: str, share: float, *names: str, quantized: bool = False) -> Change:
    """A share of the bytes in another dtype, the rest in bfloat16."""

    def store(part: Component) -> Component:
        there = int(share * BYTES)
        sizes = {dtype: there, "bfloat16": BYTES - there}
        return replace(part, bytes_by_dtype=sizes, quantized_bytes=there if quantized else 0)

    return every(store, *names)


def exchanged(layer: str, *names: str) -> Change:
    def exchange(part: Component) -> Component:
        spared = WO if part.name == "text_encoder_2" else 0
        return replace(part, module_classes={"Linear": spared, layer: LINEARS[part.name] - spared})

    return every(exchange, *names)


def narrow(layer: str, dtype: str) -> tuple[Change, ...]:
    """Both large components quantized."""
    large = ("transformer", "text_encoder_2")
    return (
        stored(dtype, 0.95, "transformer", quantized=True),
        stored(dtype, 0.45, "text_encoder_2", quantized=True),
        exchanged(layer, *large),
    )


def four_bits(kind: str = "nf4", double: str = "False", compute: str = "bfloat16") -> tuple[Change, ...]:
    settings = {"quant_type": kind, "double_quant": double, "compute_dtype": compute}
    return (*narrow("Linear4bit", "uint8"), with_settings("transformer", "text_encoder_2", **settings))


def model_offloaded() -> tuple[Change, ...]:
    waiting = placed("cpu", "text_encoder", "text_encoder_2", moments=(DURING,))  # while the denoiser works
    return (hooked("CpuOffload"), placed("cpu"), waiting)


def sequentially_offloaded() -> tuple[Change, ...]:
    return (hooked("AlignDevicesHook", LEAVES), placed("meta"), counted(blocks_on_GPU_at_once=1))


def shared(on_cpu: float) -> Change:
    """A share of the quantized components waits on the CPU, the rest stays on the GPU."""

    def change(part: Component) -> Component:
        size = part.total_bytes
        places = {"cpu": round(on_cpu * size), "cuda:0": size - round(on_cpu * size)}
        return replace(part, placement=dict.fromkeys((BEFORE, DURING, AFTER), places))

    return every(change, "transformer", "text_encoder_2")


def group_offloaded(*, leaves: bool = False, **switched: str) -> tuple[Change, ...]:
    numbers = LEAVES if leaves else {"transformer": 7, "text_encoder_2": 1, "text_encoder": 1, "vae": 10}
    blocks = counted(blocks_on_GPU_at_once=2 if switched else 1)
    return (hooked("GroupOffloadingHook", numbers), placed("cpu"), blocks, with_settings("transformer", **switched))


DISK: dict[str, Any] = {"group_offload_to_disk_path": "on"}
STREAM: dict[str, Any] = {"group_stream": "on"}
NF4 = four_bits()
EIGHT = narrow("Linear8bitLt", "int8")
DENOISER_ONLY = stored("int8", 0.95, "transformer", quantized=True)
CASTABLE = 0.57  # of FLUX's bytes: norms and their projections are not cast
CAST = (
    stored("float8_e4m3fn", CASTABLE, "transformer"),
    every(lambda part: replace(part, castable_bytes=int(CASTABLE * BYTES)), "transformer"),
    every(lambda part: replace(part, hooks={"LayerwiseCastingHook": 52}), "transformer"),
    with_settings("transformer", storage_dtype="float8_e4m3fn", casting_compute_dtype="bfloat16"),
)
APART = counted(components_alive_at_once=2)
HALF = stored("float16", 1.0, "transformer", "text_encoder_2", "text_encoder", "vae")
T5_IN_NF4 = (
    stored("uint8", 0.45, "text_encoder_2", quantized=True),
    exchanged("Linear4bit", "text_encoder_2"),
    with_settings("text_encoder_2", quant_type="nf4", double_quant="False", compute_dtype="bfloat16"),
)
T5_IN_INT8 = (stored("int8", 0.45, "text_encoder_2", quantized=True), exchanged("Linear8bitLt", "text_encoder_2"))

ATTENDING = (counted(layers_that_attend_to_a_picture=6), counted(pictures_attended_to=1))
REUSED = counted(calls_of_the_denoiser_answered_from_a_cache=3)

# What a GPU shows of each strategy that worked.
SOUND: dict[str, Inventory] = {
    "full": plain(),
    "sequential-offload": changed(*sequentially_offloaded()),
    "model-offload": changed(*model_offloaded()),
    "group-offload-block": changed(*group_offloaded()),
    "group-offload-block-stream": changed(*group_offloaded(**STREAM)),
    "group-offload-leaf": changed(*group_offloaded(leaves=True)),
    "group-offload-leaf-stream": changed(*group_offloaded(leaves=True, **STREAM)),
    "group-offload-leaf-record-stream": changed(*group_offloaded(leaves=True, **STREAM, group_record_stream="on")),
    "group-offload-leaf-low-cpu-mem": changed(*group_offloaded(leaves=True, **STREAM, group_low_cpu_mem_usage="on")),
    "group-offload-by-component": changed(*group_offloaded()),
    "group-offload-disk": changed(*group_offloaded(**DISK), counted(blocks_on_GPU_at_once=1, files_offloaded=19)),
    "group-offload-leaf-disk": changed(
        *group_offloaded(leaves=True, **DISK), counted(blocks_on_GPU_at_once=1, files_offloaded=202)
    ),
    "group-offload-leaf-disk-stream": changed(
        *group_offloaded(leaves=True, **STREAM, **DISK), counted(files_offloaded=202)
    ),
    "device-map-balanced": changed(placed("cuda:1", "text_encoder_2", moments=MOMENTS)),
    "staged": changed(APART),
    "staged-processes": changed(APART, counted(processes=6)),
    "staged-as-published": changed(APART, HALF, counted(prompt_tokens=256)),
    "staged-float16": changed(APART, HALF),
    "staged-256-tokens": changed(APART, counted(prompt_tokens=256)),
    "vae-slicing": changed(counted(slices_decoded=4)),
    "vae-tiling": changed(counted(tiles_decoded=9)),
    "nf4": changed(*NF4),
    "nf4-pipeline": changed(*NF4),
    "nf4-linear": changed(*NF4),
    "nf4-reloaded": changed(*NF4),
    "nf4-model-offload": changed(*NF4, *model_offloaded()),
    "nf4-group-offload-stream": changed(*NF4, *group_offloaded(leaves=True, **STREAM), shared(0.889)),
    "nf4-group-offload": changed(*NF4, *group_offloaded(leaves=True)),
    "nf4-sequential-offload": changed(*NF4, *sequentially_offloaded()),
    "nf4-double-quant": changed(*four_bits(double="True")),
    "nf4-as-published": changed(HALF, *four_bits(compute="float16")),
    "nf4-t5": changed(*T5_IN_NF4),
    "nf4-t5-sequential-offload": changed(*T5_IN_NF4, *sequentially_offloaded()),
    "fp4": changed(*four_bits("fp4")),
    "int8": changed(*EIGHT),
    "int8-model-offload": changed(*EIGHT, *model_offloaded()),
    "int8-reloaded": changed(*EIGHT),
    "int8-t5": changed(*T5_IN_INT8),
    "int8-t5-reloaded": changed(*T5_IN_INT8),
    "int8-t5-sequential-offload": changed(*T5_IN_INT8, *sequentially_offloaded()),
    "full-float32": changed(stored("float32", 1.0)),
    "fp8-layerwise": changed(*CAST),
    "fp8-layerwise-model-offload": changed(*CAST, *model_offloaded()),
    "torchao-int8wo": changed(DENOISER_ONLY),
    "quanto-int8": changed(DENOISER_ONLY, exchanged("QLinear", "transformer")),
    "gguf-q8": changed(stored("uint8", 0.99, "transformer", quantized=True), exchanged("GGUFLinear", "transformer")),
    "lora": changed(with_settings("transformer", adapter="doubling", adapter_place="beside the weights")),
    "lora-unloaded": changed(
        counted(layers_that_a_fused_adapter_altered=18, LoRAs_that_the_pipeline_takes_for_fused=0)
    ),
    "first-block-cache": changed(hooked("FBCHeadBlockHook"), REUSED),
    "taylorseer-cache": changed(hooked("TaylorSeerCacheHook"), REUSED),
    "pyramid-attention-broadcast": changed(hooked("PyramidAttentionBroadcastHook"), REUSED),
    "compiled": changed(
        with_settings("transformer", compiled="on"), counted(graphs_compiled=2, blocks_that_were_not_compiled=0)
    ),
    "context-parallel": changed(
        hooked("ContextParallelSplitHook"),
        hooked("ContextParallelGatherHook"),
        counted(processes_that_share_a_picture=2),
    ),
    "tensor-parallel": changed(counted(weights_that_processes_share=30, processes_that_share_a_picture=2)),
    "ip-adapter": changed(*ATTENDING),
    "ip-adapter-off": changed(*ATTENDING),
    "ip-adapter-unloaded": changed(
        counted(
            layers_that_attend_to_a_picture=6,
            layers_that_still_attend_to_a_picture=0,
            settings_that_an_adapter_has_left_changed=0,
            components_that_an_adapter_has_left_in_the_pipeline=0,
        )
    ),
}

# Strategy, what a GPU shows when its effect is gone, and what is missed.
GONE: list[tuple[str, Inventory, str]] = [
    (
        "full",
        changed(placed("cpu", "vae")),
        "vae: 0.0% of its bytes are on cuda before the call, expected 90%",
    ),
    (
        "full",
        changed(stored("float32", 0.4, "text_encoder_2")),
        "text_encoder_2: 60.0% of its bytes are bfloat16, expected at least 99%",
    ),
    (
        "sequential-offload",
        changed(*sequentially_offloaded(), counted(blocks_on_GPU_at_once=6)),
        "blocks on GPU at once: 6, expected at most 1",
    ),
    (
        "sequential-offload",
        changed(*model_offloaded()),
        "transformer: has 0 AlignDevicesHook hooks, expected at least 62",
    ),
    (
        "model-offload",
        changed(hooked("CpuOffload")),
        "transformer: 0.0% of its bytes are on cpu before the call, expected 90%",
    ),
    (
        "model-offload",
        changed(*model_offloaded(), placed("cpu", "transformer", moments=(DURING,))),
        "transformer: 0.0% of its bytes are on cuda during the call, expected 90%",
    ),
    (
        "model-offload",
        changed(*model_offloaded(), placed("cuda:0", "text_encoder_2", moments=(DURING,))),
        "text_encoder_2: 0.0% of its bytes are on cpu during the call, expected 90%",
    ),
    (
        "group-offload-block",
        changed(*group_offloaded(leaves=True)),
        "transformer: has 78 GroupOffloadingHook hooks, expected fewer than its 62 linear layers",
    ),
    (
        "group-offload-block-stream",
        changed(*group_offloaded()),
        "transformer: its group_stream is not set, expected on",
    ),
    (
        "group-offload-block-stream",
        changed(*group_offloaded(**STREAM), counted(blocks_on_GPU_at_once=6)),
        "blocks on GPU at once: 6, expected at most 2",
    ),
    (
        "group-offload-leaf-stream",
        changed(*group_offloaded(**STREAM)),
        "transformer: has 7 GroupOffloadingHook hooks, expected at least 62",
    ),
    (
        "group-offload-leaf",
        changed(*group_offloaded(leaves=True, **STREAM)),
        "transformer: its group_stream is on, expected not set",
    ),
    (
        "group-offload-leaf-record-stream",
        SOUND["group-offload-leaf-stream"],
        "transformer: its group_record_stream is not set, expected on",
    ),
    (
        "group-offload-leaf-low-cpu-mem",
        SOUND["group-offload-leaf-stream"],
        "transformer: its group_low_cpu_mem_usage is not set, expected on",
    ),
    ("group-offload-disk", SOUND["group-offload-block"], "files offloaded: 0, expected at least 5"),
    ("group-offload-leaf-disk", SOUND["group-offload-leaf"], "files offloaded: 0, expected at least 50"),
    ("group-offload-leaf-disk-stream", SOUND["group-offload-leaf-stream"], "files offloaded: 0, expected at least 50"),
    (
        "group-offload-leaf-disk-stream",
        SOUND["group-offload-leaf-disk"],
        "transformer: its group_stream is not set, expected on",
    ),
    ("device-map-balanced", plain(), "the components are on cuda:0, expected at least 2 GPUs"),
    (
        "context-parallel",
        changed(counted(processes_that_share_a_picture=2)),
        "transformer: has 0 ContextParallelSplitHook hooks, expected at least 1",
    ),
    (
        "tensor-parallel",
        changed(counted(weights_that_processes_share=30)),
        "processes that share a picture: not counted",
    ),
    ("staged-float16", changed(APART), "transformer: 0.0% of its bytes are float16, expected at least 99%"),
    ("staged-float16", changed(HALF), "components alive at once: 4, expected at most 2"),
    ("staged-as-published", changed(APART, HALF), "prompt tokens: 512, expected at most 256"),
    ("nf4", plain(), "transformer: 0 of its 62 linear layers are Linear4bit, expected at least 80%"),
    (
        "nf4",
        changed(*NF4, exchanged("Linear", "text_encoder_2")),
        "text_encoder_2: 0 of its 12 linear layers are Linear4bit, expected at least 80%",
    ),
    (
        "nf4-pipeline",
        changed(*NF4, stored("bfloat16", 1.0, "transformer")),
        "transformer: 0.0% of its bytes are quantized, expected at least 75%",
    ),
    (
        "nf4-reloaded",
        changed(*NF4, stored("bfloat16", 1.0, "text_encoder_2")),
        "text_encoder_2: 0.0% of its bytes are quantized, expected at least 25%",
    ),
    (
        "nf4-group-offload-stream",
        changed(*NF4, *group_offloaded(leaves=True, **STREAM), shared(0.87)),
        "transformer: 87.0% of its bytes are on cpu before the call, expected 88%",
    ),
    (
        "nf4-group-offload-stream",
        changed(*NF4, *group_offloaded(leaves=True, **STREAM), shared(0.0)),
        "transformer: 0.0% of its bytes are on cpu before the call, expected 88%",
    ),
    ("nf4-model-offload", SOUND["nf4"], "transformer: has 0 CpuOffload hooks, expected at least 1"),
    (
        "nf4-model-offload",
        SOUND["model-offload"],
        "transformer: 0 of its 62 linear layers are Linear4bit, expected at least 80%",
    ),
    (
        "nf4-group-offload-stream",
        SOUND["nf4-group-offload"],
        "transformer: its group_stream is not set, expected on",
    ),
    ("nf4-group-offload", SOUND["nf4"], "transformer: has 0 GroupOffloadingHook hooks, expected at least 1"),
    ("nf4-sequential-offload", SOUND["nf4"], "transformer: has 0 AlignDevicesHook hooks, expected at least 62"),
    ("nf4-double-quant", SOUND["nf4"], "transformer: its double_quant is False, expected True"),
    ("nf4-as-published", SOUND["nf4"], "transformer: its compute_dtype is bfloat16, expected float16"),
    ("nf4-as-published", SOUND["nf4"], "vae: 0.0% of its bytes are float16, expected at least 99%"),
    (
        "nf4-t5-sequential-offload",
        SOUND["nf4-t5"],
        "transformer: has 0 AlignDevicesHook hooks, expected at least 62",
    ),
    ("fp4", SOUND["nf4"], "transformer: its quant_type is nf4, expected fp4"),
    ("int8", plain(), "transformer: 0 of its 62 linear layers are Linear8bitLt, expected at least 80%"),
    (
        "int8-reloaded",
        changed(*EIGHT, stored("float16", 1.0, "transformer")),
        "transformer: 0.0% of its bytes are quantized, expected at least 75%",
    ),
    ("int8-model-offload", SOUND["int8"], "transformer: has 0 CpuOffload hooks, expected at least 1"),
    ("full-float32", plain(), "transformer: 0.0% of its bytes are float32, expected at least 99%"),
    (
        "fp8-layerwise",
        changed(*CAST, stored("bfloat16", 1.0, "transformer")),
        "transformer: 0.0% of the bytes that can be cast are float8_e4m3fn, expected at least 99%",
    ),
    ("torchao-int8wo", plain(), "transformer: 0.0% of its bytes are quantized, expected at least 75%"),
    (
        "torchao-int8wo",
        changed(lambda one: SOUND["torchao-int8wo"], with_settings("transformer", quantized_activations="on")),
        "transformer: its quantized_activations is on, expected not set",
    ),
    ("quanto-int8", plain(), "transformer: 0 of its 62 linear layers are QLinear, expected at least 80%"),
    ("gguf-q8", plain(), "transformer: 0 of its 62 linear layers are GGUFLinear, expected at least 80%"),
    (
        "lora",
        changed(with_settings("transformer", adapter="doubling", adapter_place="in the weights")),
        "transformer: its adapter_place is in the weights, expected beside the weights",
    ),
    (
        "lora",
        changed(
            with_settings(
                "transformer", adapter="doubling", adapter_place="beside the weights", adapter_dtype="float32"
            )
        ),
        "transformer: its adapter_dtype is float32, expected not set",
    ),
    (
        "lora-unloaded",
        changed(
            counted(layers_that_a_fused_adapter_altered=18, LoRAs_that_the_pipeline_takes_for_fused=0),
            with_settings("transformer", adapter="doubling", adapter_place="beside the weights"),
        ),
        "transformer: its adapter is doubling, expected not set",
    ),
    (
        "lora-unloaded",
        changed(
            counted(layers_that_a_fused_adapter_altered=18, LoRAs_that_the_pipeline_takes_for_fused=0),
            with_settings("transformer", adapter_in_no_layer="doubling"),
        ),
        "transformer: its adapter_in_no_layer is doubling, expected not set",
    ),
    (
        "lora-unloaded",
        changed(counted(layers_that_a_fused_adapter_altered=0, LoRAs_that_the_pipeline_takes_for_fused=0)),
        "layers that a fused adapter altered: 0, expected at least 1",
    ),
    (
        "lora-unloaded",
        changed(counted(layers_that_a_fused_adapter_altered=18, LoRAs_that_the_pipeline_takes_for_fused=1)),
        "LoRAs that the pipeline takes for fused: 1, expected at most 0",
    ),
    (
        "ip-adapter-unloaded",
        changed(
            lambda one: SOUND["ip-adapter-unloaded"], counted(components_that_an_adapter_has_left_in_the_pipeline=1)
        ),
        "components that an adapter has left in the pipeline: 1, expected at most 0",
    ),
    (
        "group-offload-disk",
        changed(
            lambda one: SOUND["group-offload-disk"],
            counted(hundredths_of_what_was_offloaded_to_files_that_are_there_twice=50),
        ),
        "hundredths of what was offloaded to files that are there twice: 50, expected at most 40",
    ),
    (
        "first-block-cache",
        changed(hooked("FBCHeadBlockHook"), counted(calls_of_the_denoiser_answered_from_a_cache=0)),
        "calls of the denoiser answered from a cache: 0, expected at least 1",
    ),
    ("taylorseer-cache", changed(REUSED), "transformer: has 0 TaylorSeerCacheHook hooks, expected at least 1"),
    (
        "compiled",
        changed(
            with_settings("transformer", compiled="on"), counted(graphs_compiled=2, blocks_that_were_not_compiled=4)
        ),
        "blocks that were not compiled: 4, expected at most 0",
    ),
    (
        "compiled",
        changed(
            with_settings("transformer", compiled="on"), counted(graphs_compiled=0, blocks_that_were_not_compiled=0)
        ),
        "graphs compiled: 0, expected at least 1",
    ),
]
