"""Tests of what a component is: bytes, quantized layers, hooks, settings and placement of real modules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch.description import (  # noqa: E402
    castable_bytes,
    describe,
    exempt_bytes,
    hooks_of,
    linear_bytes,
    placement_of,
    settings_of,
)
from fluxgate.rendering import OWN_ARGUMENTS  # noqa: E402
from tests.render.watch.modules import BF16, FP32, Flattened, GGUFParameter, four_bit, made  # noqa: E402


def described(module: Any) -> Any:
    return describe("part", module, placement={})


def test_bytes_are_counted_by_dtype_with_buffers() -> None:
    """Weights, biases, running statistics and the counter of batches, each under its own dtype."""
    assert described(made()).bytes_by_dtype == {"bfloat16": BF16, "float32": FP32, "int64": 8}


def test_tied_weights_count_once() -> None:
    """Two names of one storage are one tensor."""
    module = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    module[1].weight = module[0].weight
    assert described(module).bytes_by_dtype == {"float32": 8 * 8 * 4}


def test_tied_weights_that_wait_elsewhere_count_once_too() -> None:
    """Weights that accelerate has taken out of the module leave two shapes behind, and are still one."""
    from accelerate import cpu_offload

    module = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False))
    module[1].weight = module[0].weight
    cpu_offload(module, torch.device("cpu"))
    assert placement_of(module) == {"meta": 8 * 8 * 4}
    assert described(module).bytes_by_dtype == {"float32": 8 * 8 * 4}


def test_what_a_component_says_of_itself_is_kept() -> None:
    """Its dtype, whether its forward takes what its class says, and whether it knows of an adapter."""
    from accelerate.hooks import ModelHook, add_hook_to_module

    part = made()
    part.dtype = torch.bfloat16
    assert described(part).said == {"dtype": "bfloat16", "arguments": OWN_ARGUMENTS, "adapter": "none"}
    add_hook_to_module(part, ModelHook())
    assert described(part).said["arguments"] == OWN_ARGUMENTS
    inner = part[0].forward
    part[0].forward = lambda *args, **kwargs: inner(*args, **kwargs)
    assert described(part).said["arguments"] == OWN_ARGUMENTS  # whoever did that is no hook
    part[0]._hf_hook = ModelHook()
    part._hf_peft_config_loaded = True
    assert described(part).said == {"dtype": "bfloat16", "arguments": "args, kwargs", "adapter": "loaded"}


def test_classes_are_counted() -> None:
    """Every module counts, containers too."""
    assert described(made()).module_classes == {"BatchNorm1d": 1, "Linear": 2, "Sequential": 2}


def test_placement_is_in_bytes_by_device() -> None:
    """A tensor without data is on meta."""
    module = made()
    module[1].to("meta")
    assert placement_of(module) == {"cpu": BF16, "meta": FP32 + 8}


def test_accelerates_hooks_are_named_also_inside_a_sequence() -> None:
    """The classes that a SequentialHook holds count beside it."""
    from accelerate.hooks import ModelHook, SequentialHook, add_hook_to_module

    module = made()
    add_hook_to_module(module[1], SequentialHook(ModelHook(), ModelHook()))
    assert hooks_of(module) == {"ModelHook": 2, "SequentialHook": 1}


def test_diffusers_hooks_and_their_dtypes_are_named() -> None:
    """Layerwise casting shows as hooks, as stored bytes, and as settings."""
    from diffusers.hooks import apply_layerwise_casting

    module = made()[0]
    apply_layerwise_casting(module, storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    assert hooks_of(module)["LayerwiseCastingHook"] == 2
    assert described(module).bytes_by_dtype == {"float8_e4m3fn": BF16 // 2}
    assert settings_of(module) == {"casting_compute_dtype": "bfloat16", "storage_dtype": "float8_e4m3fn"}


def test_several_values_of_a_setting_are_all_told() -> None:
    """Layers that are set differently do not hide each other."""
    from diffusers.hooks import apply_layerwise_casting

    module = made()[0]
    apply_layerwise_casting(module[0], storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
    apply_layerwise_casting(module[1], storage_dtype=torch.float8_e5m2, compute_dtype=torch.bfloat16)
    assert settings_of(module)["storage_dtype"] == "float8_e4m3fn, float8_e5m2"


def test_a_four_bit_layer_shows_codes_scales_and_settings() -> None:
    """Half a byte a weight, a float32 scale for 64 weights, the table of 16 levels; the bias is not quantized."""
    component = described(torch.nn.Sequential(four_bit()))
    scales = 128 * 128 // 64 * 4
    assert component.bytes_by_dtype == {"uint8": 128 * 128 // 2, "float32": scales + 16 * 4, "bfloat16": 128 * 2}
    assert component.quantized_bytes == 128 * 128 // 2 + scales + 16 * 4
    assert component.settings == {"compute_dtype": "bfloat16", "double_quant": "False", "quant_type": "nf4"}
    assert component.module_classes["Linear4bit"] == 1


def test_double_quantization_shows_its_nested_scales() -> None:
    """The scales are bytes themselves, with a table, an offset and one scale of their own for each 256 of them."""
    component = described(torch.nn.Sequential(four_bit(double=True)))
    assert component.settings["double_quant"] == "True"
    assert component.bytes_by_dtype["uint8"] == 128 * 128 // 2 + 128 * 128 // 64
    assert component.bytes_by_dtype["float32"] == (16 + 256 + 1 + 1) * 4
    assert component.quantized_bytes == component.total_bytes - 128 * 2


def test_an_int8_layer_shows_its_scales_before_and_after_its_first_use() -> None:
    """They move from the weight to the layer's state; the inventory finds them in both places."""
    bnb = pytest.importorskip("bitsandbytes")
    layer = bnb.nn.Linear8bitLt(64, 64, bias=False, has_fp16_weights=False, threshold=6.0)
    layer.weight = bnb.nn.Int8Params(torch.randn(64, 64), requires_grad=False, has_fp16_weights=False)
    module = torch.nn.Sequential(layer.to("cpu"))
    fresh = described(module)
    if fresh.bytes_by_dtype.get("int8") is None:
        pytest.skip("this release of bitsandbytes does not quantize to int8 on a CPU")
    module(torch.randn(2, 64, dtype=torch.float16).to(torch.bfloat16))
    assert fresh.bytes_by_dtype == described(module).bytes_by_dtype == {"float32": 64 * 4, "int8": 64 * 64}
    assert fresh.quantized_bytes == 64 * 4 + 64 * 64
    assert settings_of(module) == {"threshold": "6.0"}


def test_settings_of_group_offloading_are_told() -> None:
    """Whether a group has a stream is seen on its hooks."""
    module = made()
    group = SimpleNamespace(stream=object(), record_stream=True, low_cpu_mem_usage=False)
    module._diffusers_hook = SimpleNamespace(hooks={"group_offloading": SimpleNamespace(group=group)})
    assert settings_of(module) == {"group_record_stream": "on", "group_stream": "on"}


def test_tensors_made_of_others_are_taken_apart() -> None:
    """What they are made of counts, not what they pretend to be."""
    module = torch.nn.Module()
    weight = Flattened(torch.ones(4, 8, dtype=torch.int8), torch.ones(4))
    module.weight = torch.nn.Parameter(weight, requires_grad=False)
    component = described(module)
    assert component.bytes_by_dtype == {"float32": 16, "int8": 32}
    assert component.quantized_bytes == 48


def test_a_gguf_weight_is_quantized_and_tells_its_kind() -> None:
    """Packed bytes with a kind that only the parameter knows, as diffusers keeps it."""
    module = torch.nn.Module()
    module.weight = GGUFParameter(torch.arange(68, dtype=torch.uint8).reshape(2, 34), requires_grad=False)
    module.weight.quant_type = 8
    assert described(module).quantized_bytes == 68
    assert settings_of(module) == {"quant_type": "8"}


def test_what_can_be_quantized_is_the_weights_of_linear_layers() -> None:
    """Not biases, norms, convolutions, what an embedding shares, nor what a model of diffusers keeps wide."""

    base: Any = torch.nn.Module

    class Model(base):
        _keep_in_fp32_modules = ("time_embedder",)
        _skip_layerwise_casting_patterns = ("norm",)

        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(7, 4)
            self.head = torch.nn.Linear(4, 7, bias=False)
            self.head.weight = self.embedding.weight
            self.conv = torch.nn.Conv2d(4, 4, 3)
            self.norm = torch.nn.ModuleDict({"linear": torch.nn.Linear(4, 4)})
            self.time_embedder = torch.nn.Linear(4, 4)
            self.audio_time_embedder = torch.nn.Linear(4, 4)  # in bfloat16, and no quantizer takes it
            self.proj_out = torch.nn.Linear(4, 5)

        def enable_layerwise_casting(self) -> None: ...

    model = Model()
    model.register_buffer("positions", torch.zeros(3), persistent=False)
    model.register_buffer("statistics", torch.zeros(2))
    assert linear_bytes(model) == 4 * (4 * 4 + 4 * 5)
    assert castable_bytes(model) == 4 * (7 * 4 + 4 * 4 * 3 * 3 + 4)  # the head shares the embedding's weights
    assert exempt_bytes(model) == {"float32": 4 * (4 * 4 + 4 + 3)}
    assert castable_bytes(model.conv) is None


@pytest.mark.parametrize(("dtype", "exempt"), [(torch.float16, 4 * (4 * 4 + 4)), (torch.bfloat16, 0)])
def test_what_transformers_keeps_wide_in_float16_is_exempt_there_alone(dtype: Any, exempt: int) -> None:
    """As T5's wo; in bfloat16 it would be a stray."""
    model = torch.nn.ModuleDict({"wi": torch.nn.Linear(4, 4), "wo": torch.nn.Linear(4, 4)}).to(dtype)
    model.wo.to(torch.float32)
    model._keep_in_fp32_modules = ["wo"]
    assert exempt_bytes(model) == ({"float32": exempt} if exempt else {})


def test_a_compiled_part_tells_that_it_is() -> None:
    """Whether it was compiled, not whether that was asked for."""
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    assert settings_of(module) == {}
    module[0].compile()
    assert settings_of(module) == {"compiled": "on"}


def test_a_lora_tells_where_its_numbers_are() -> None:
    """Beside the weights or within them; one that is switched off is not told of."""
    layer = adapted()
    assert settings_of(layer) == {"adapter": "ours", "adapter_place": "beside the weights"}
    layer.merged_adapters = ["ours"]
    assert settings_of(layer)["adapter_place"] == "in the weights"
    layer.disable_adapters = True
    assert settings_of(layer) == {}


@pytest.mark.parametrize("widened", ["lora_A", "lora_B"])
def test_a_lora_of_another_dtype_than_its_layer_tells_its_own(widened: str) -> None:
    """Either half of it; with the layer's own dtype there is nothing to tell."""
    layer = adapted()
    layer.to(torch.bfloat16)
    assert "adapter_dtype" not in settings_of(layer)
    getattr(layer, widened).float()
    assert settings_of(layer)["adapter_dtype"] == "float32"


def test_a_lora_that_is_known_and_in_no_layer_is_told() -> None:
    """As one that was unloaded and is still in the model's list."""
    module: Any = torch.nn.Sequential(torch.nn.Linear(2, 2))
    module.peft_config = {"ours": None}
    assert settings_of(module) == {"adapter_in_no_layer": "ours"}
    module.append(adapted())
    assert "adapter_in_no_layer" not in settings_of(module)
    del module[1], module.peft_config
    assert settings_of(module) == {}


def adapted() -> Any:
    """A layer with a LoRA beside it, as far as peft's is looked at."""
    layer: Any = torch.nn.Linear(2, 2)
    layer.lora_A, layer.lora_B = (torch.nn.ModuleDict({"ours": torch.nn.Linear(2, 2)}) for _ in range(2))
    layer.active_adapters, layer.merged_adapters, layer.disable_adapters = ["ours"], [], False
    base = torch.nn.Linear(2, 2)
    layer.base_layer, layer.get_base_layer = base, lambda: base
    return layer
