"""Tests of the LoRA: loaded it changes pictures, fused it changes weights, and unloaded it leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

from fluxgate.strategies.adapters import FILE, RANK, loads_lora, write_lora  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies.looking import Seen, look, skip_without  # noqa: E402
from tests.strategies.machines import CPU, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import PIPELINE, Patch, no_call  # noqa: E402
from tests.wording import unsaid  # noqa: E402


def test_a_loaded_lora_changes_the_pictures(seen: Callable[[str], Seen]) -> None:
    """Its effects show, each call gives the same, and that is not what full gives."""
    assert seen("lora").missing == ()
    assert seen("lora").again == seen("lora").pictures != seen("full").pictures


def test_an_unloaded_lora_leaves_the_pictures_as_they_were(seen: Callable[[str], Seen]) -> None:
    """It had been fused into weights, and full's pictures come back to the pixel."""
    assert seen("lora-unloaded").missing == ()
    assert seen("lora-unloaded").pictures == seen("full").pictures


@pytest.mark.filterwarnings("ignore:Already unmerged:UserWarning")  # peft's, of a LoRA that was never fused
@pytest.mark.parametrize(
    "call, missing",
    [
        ("fuse_lora", "layers that a fused adapter altered: 0, expected at least 1"),
        ("unload_lora_weights", "transformer: its adapter is doubling, expected not set"),
    ],
)
def test_a_call_that_does_nothing_is_missed(
    call: str, missing: str, miniature_folder: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Neither a LoRA that was never fused nor one that stayed passes for one that came and went."""
    skip_without("lora-unloaded")
    no_call(PIPELINE, call)(monkeypatch)
    assert missing in look(strategy_named("lora-unloaded"), miniature_folder, tmp_path).missing


def test_a_lora_that_stays_fused_shows_in_the_pictures(
    seen: Callable[[str], Seen], miniature_folder: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Its hooks and layers are gone, so that nothing but the pipeline's own count, pictures and weights can tell."""
    skip_without("lora-unloaded")
    no_call(PIPELINE, "unfuse_lora")(monkeypatch)
    rendered = look(strategy_named("lora-unloaded"), miniature_folder, tmp_path)
    assert "LoRAs that the pipeline takes for fused: 1, expected at most 0" in rendered.missing
    assert rendered.pictures != seen("full").pictures


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_what_it_adds_is_taken_away_to_the_bit(dtype: object, tmp_path: Path) -> None:
    """A few rows of each layer are doubled, and subtracting what was added gives every number back."""
    layer = torch.nn.Linear(24, 12).to(dtype)
    write_lora(torch.nn.ModuleDict({"to_q": layer, "other": torch.nn.Linear(2, 2)}), "net", tmp_path / "lora")
    tensors = safetensors.load_file(tmp_path / "lora" / FILE)
    added = tensors.pop("net.to_q.lora_B.weight") @ tensors.pop("net.to_q.lora_A.weight")
    assert not tensors
    doubled = (layer.weight + added != layer.weight).any(dim=1)
    assert int(doubled.sum()) == RANK
    assert torch.equal((layer.weight + added)[doubled], 2 * layer.weight[doubled])
    assert torch.equal(layer.weight + added - added, layer.weight)


def test_a_pipeline_without_loras_is_left_out() -> None:
    """Its class is asked, not a list of ours."""
    flux, pixart = (Subject("s", "s", "hub:o/n", (), pipeline=name) for name in ("FluxPipeline", "PixArtSigmaPipeline"))
    assert loads_lora(flux, CPU, NEW) is None
    assert not unsaid(loads_lora(pixart, CPU, NEW), "PixArtSigmaPipeline", "no LoRA")
