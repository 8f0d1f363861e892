"""Tests of the strategies whose packages need not be installed, where they are: effects, promises, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.strategies import STRATEGIES  # noqa: E402
from fluxgate.strategies.optional import in_one_file, write_gguf  # noqa: E402
from fluxgate.strategies.promise import dtype_setting  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.strategies.looking import SUBJECT, Seen, look, skip_without  # noqa: E402
from tests.strategies.machines import CPU, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import DENOISER, Patch, other_settings  # noqa: E402
from tests.wording import unsaid  # noqa: E402

NAMES = [strategy.name for strategy in STRATEGIES if strategy.family == "optional"]
# diffusers 0.42.1 says so of what its own guide has one write.
pytestmark = pytest.mark.filterwarnings("ignore:`Quanto(Config|Quantizer)` is deprecated:FutureWarning")


@pytest.mark.parametrize("name", NAMES)
def test_every_effect_shows(name: str, seen: Callable[[str], Seen]) -> None:
    """A strategy that ran has nothing to complain of, and what it did to the weights can be hashed."""
    rendered = seen(name)
    assert rendered.missing == ()
    assert rendered.inventory.components["transformer"].state_sha256 is not None


@pytest.mark.parametrize("name", NAMES)
def test_two_calls_give_the_same_pictures_and_other_than_full(name: str, seen: Callable[[str], Seen]) -> None:
    """Eight bits change the pictures, and change them alike each time."""
    assert seen(name).again == seen(name).pictures
    assert seen(name).pictures != seen("full").pictures


def from_the_weights(patch: Patch) -> None:
    """In place of a GGUF file, the component's own weights are loaded."""

    def load(file: str, *, config: str, subfolder: str, **settings: Any) -> Any:
        return DENOISER.from_pretrained(config, subfolder=subfolder, **dtype_setting(diffusers, torch.bfloat16))

    patch.setattr(DENOISER, "from_single_file", load)


CONFIGURATION_LOST = other_settings(DENOISER, "from_pretrained", "quantization_config")


@pytest.mark.parametrize(
    "name, take_away",
    [("torchao-int8wo", CONFIGURATION_LOST), ("quanto-int8", CONFIGURATION_LOST), ("gguf-q8", from_the_weights)],
)
def test_an_effect_taken_away_is_missed(
    name: str,
    take_away: Callable[[Patch], None],
    seen: Callable[[str], Seen],
    miniature_folder: Path,
    tmp_path: Path,
    monkeypatch: Patch,
) -> None:
    """Pictures as good as `full`'s own are no excuse for weights that were not quantized."""
    skip_without(name)
    take_away(monkeypatch)
    rendered = look(strategy_named(name), miniature_folder, tmp_path)
    assert [one for one in rendered.missing if not unsaid(one, "transformer: 0.0%", "quantized", "at least 75%")]
    assert rendered.pictures == seen("full").pictures


def test_a_gguf_file_holds_every_weight(tmp_path: Path) -> None:
    """Matrices within half a step of eight bits, and what 127 steps of a scale in float16 are off; the rest exactly."""
    skip_without("gguf-q8")
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from safetensors.torch import save_file

    weights = {"a.weight": torch.randn(4, 64).to(torch.bfloat16), "a.bias": torch.randn(4).to(torch.bfloat16)}
    save_file(weights, tmp_path / "part.safetensors")
    write_gguf(tmp_path, tmp_path / "all.gguf")
    entries = {entry.name: entry for entry in GGUFReader(tmp_path / "all.gguf").tensors}
    assert {name: entry.tensor_type.name for name, entry in entries.items()} == {"a.weight": "Q8_0", "a.bias": "F32"}
    assert torch.equal(torch.from_numpy(entries["a.bias"].data.copy()), weights["a.bias"].float())
    back = torch.from_numpy(dequantize(entries["a.weight"].data, entries["a.weight"].tensor_type)).reshape(4, 64)
    steps = weights["a.weight"].float().reshape(-1, 32).abs().amax(dim=1, keepdim=True) / 127
    assert ((back - weights["a.weight"].float()).reshape(-1, 32).abs() <= 0.57 * steps).all()


def test_what_a_class_keeps_wide_is_not_packed(tmp_path: Path) -> None:
    """diffusers unpacks it while it loads the file, rounded: Wan's embedding of the time."""
    skip_without("gguf-q8")
    from gguf import GGUFReader
    from safetensors.torch import save_file

    save_file({f"{name}.weight": torch.randn(4, 64) for name in ("time.one", "times.one")}, tmp_path / "x.safetensors")
    write_gguf(tmp_path, tmp_path / "all.gguf", wide=("time",))
    kinds = {entry.name: entry.tensor_type.name for entry in GGUFReader(tmp_path / "all.gguf").tensors}
    assert kinds == {"time.one.weight": "F32", "times.one.weight": "Q8_0"}


def test_a_matrix_that_is_no_layer_is_not_packed(tmp_path: Path) -> None:
    """Sana adds its table of scales to something as it is: nothing would unpack it."""
    skip_without("gguf-q8")
    from gguf import GGUFReader
    from safetensors.torch import save_file

    save_file({name: torch.randn(4, 64) for name in ("table", "layer.weight")}, tmp_path / "x.safetensors")
    write_gguf(tmp_path, tmp_path / "all.gguf")
    kinds = {entry.name: entry.tensor_type.name for entry in GGUFReader(tmp_path / "all.gguf").tensors}
    assert kinds == {"table": "F32", "layer.weight": "Q8_0"}


def test_a_matrix_whose_rows_are_no_whole_blocks_is_not_packed(tmp_path: Path) -> None:
    """Krea 2 weighs its encoder's twelve layers by one matrix of as many columns."""
    skip_without("gguf-q8")
    from gguf import GGUFReader
    from safetensors.torch import save_file

    save_file({"one.weight": torch.randn(1, 12), "two.weight": torch.randn(4, 96)}, tmp_path / "x.safetensors")
    write_gguf(tmp_path, tmp_path / "all.gguf")
    kinds = {entry.name: entry.tensor_type.name for entry in GGUFReader(tmp_path / "all.gguf").tensors}
    assert kinds == {"one.weight": "F32", "two.weight": "Q8_0"}


def test_a_denoiser_that_no_single_file_is_loaded_into_is_left_out() -> None:
    """PixArt's transformer comes from a folder only."""
    subject = Subject("s", "s", "hub:o/n", (), pipeline="PixArtSigmaPipeline", denoiser="transformer")
    assert not unsaid(in_one_file(subject, CPU, NEW), "PixArtTransformer2DModel", "no single file")
    assert in_one_file(SUBJECT, CPU, NEW) is None
