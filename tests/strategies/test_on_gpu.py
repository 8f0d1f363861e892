"""Tests of strategies on a real GPU: each effect taken away in earnest, and missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.devices import NEEDS_GPU

pytestmark = NEEDS_GPU

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.strategies import STRATEGIES, quantization  # noqa: E402
from tests.strategies.looking import look, skip_without  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import DENOISER, PIPELINE, T5, Patch, no_call, other_settings  # noqa: E402

DEADLY = {"nf4-sequential-offload", "nf4-group-offload", "nf4-t5-sequential-offload"}  # they take the process with them
SAFE = [strategy.name for strategy in STRATEGIES if strategy.name not in DEADLY]
NO_LAYERS = "{}: 0 of its {} linear layers are {}, expected at least 80%"
TAKEN_AWAY = [
    (
        "group-offload-block-stream",
        other_settings(PIPELINE, "enable_group_offload", use_stream=False),
        "transformer: its group_stream is not set, expected on",
    ),
    (
        "group-offload-leaf-stream",
        other_settings(PIPELINE, "enable_group_offload", offload_type="block_level", num_blocks_per_group=1),
        "transformer: has 7 GroupOffloadingHook hooks, expected at least 62",
    ),
    (
        "group-offload-leaf-record-stream",
        other_settings(PIPELINE, "enable_group_offload", record_stream=False),
        "transformer: its group_record_stream is not set, expected on",
    ),
    (
        "group-offload-leaf-low-cpu-mem",
        other_settings(PIPELINE, "enable_group_offload", low_cpu_mem_usage=False),
        "transformer: its group_low_cpu_mem_usage is not set, expected on",
    ),
    (
        "nf4",
        other_settings(DENOISER, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("transformer", 62, "Linear4bit"),
    ),
    (
        "nf4",
        other_settings(T5, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("text_encoder_2", 14, "Linear4bit"),
    ),
    (
        "nf4-pipeline",
        other_settings(PIPELINE, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("transformer", 62, "Linear4bit"),
    ),
    (
        "nf4-double-quant",
        other_settings(quantization, "nf4_settings", bnb_4bit_use_double_quant=False),
        "transformer: its double_quant is False, expected True",
    ),
    (
        "fp4",
        other_settings(quantization, "nf4_settings", bnb_4bit_quant_type="nf4"),
        "transformer: its quant_type is nf4, expected fp4",
    ),
    (
        "nf4-model-offload",
        no_call(PIPELINE, "enable_model_cpu_offload"),
        "vae: has 0 CpuOffload hooks, expected at least 1",
    ),
    (
        "int8",
        other_settings(DENOISER, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("transformer", 62, "Linear8bitLt"),
    ),
]


@pytest.mark.parametrize("name", SAFE)
def test_every_effect_shows(name: str, miniature_folder: Path, tmp_path: Path) -> None:
    """A strategy that ran has nothing to complain of, and two calls give the same pictures."""
    skip_without(name)
    rendered = look(strategy_named(name), miniature_folder, tmp_path, device="cuda")
    assert rendered.missing == ()
    assert rendered.again == rendered.pictures


@pytest.mark.parametrize("name, take_away, missing", TAKEN_AWAY)
def test_an_effect_taken_away_is_missed(
    name: str,
    take_away: Callable[[Patch], None],
    missing: str,
    miniature_folder: Path,
    tmp_path: Path,
    monkeypatch: Patch,
) -> None:
    """The sentence names component, number and what was expected."""
    skip_without(name)
    take_away(monkeypatch)
    assert missing in look(strategy_named(name), miniature_folder, tmp_path, device="cuda").missing
