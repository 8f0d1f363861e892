"""The miniature's components: the shapes that growth multiplies, and a folder that loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.architecture import DEAD_STRIDE, MINIATURE, TOY, WEIGHT_FILES
from fluxgate.strategies.promise import dtype_setting

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written pipeline folder of toy shapes and random weights."""
    result = tmp_path_factory.mktemp("toy")
    tokenizers.write(captions.words(), result)
    pipeline = architecture.build(TOY, result, seed=3)
    architecture.save({name: getattr(pipeline, name) for name in WEIGHT_FILES}, TOY, result)
    return result


def test_the_miniature_has_the_widths_that_growth_multiplies() -> None:
    """A power of two lies between every width here and FLUX.1-dev's."""
    ratios = {
        3072 // MINIATURE.width,
        4096 // MINIATURE.t5_width,
        10240 // MINIATURE.t5_inner,
        64 // MINIATURE.t5_heads,
        768 // MINIATURE.clip_width,
        12 // MINIATURE.clip_heads,
        *(big // small for big, small in zip((128, 256, 512, 512), MINIATURE.vae_channels, strict=True)),
    }
    assert ratios == {4, 8, 16}
    assert MINIATURE.width % DEAD_STRIDE == 0


def test_every_linear_layer_reads_a_multiple_of_64() -> None:
    """bitsandbytes' CPU kernels are wrong for other widths, and NF4's blocks are 64 wide."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel

    with torch.device("meta"):
        transformer = FluxTransformer2DModel.from_config(architecture.transformer_config(MINIATURE))
        vae = AutoencoderKL.from_config(architecture.vae_config(MINIATURE))
    widths = {m.in_features for part in (transformer, vae) for m in part.modules() if isinstance(m, torch.nn.Linear)}
    assert {width % 64 for width in widths} == {0}


def test_a_written_folder_loads_and_renders(folder: Path) -> None:
    """Stock from_pretrained takes the folder, and its call gives a picture."""
    import diffusers

    pipeline = diffusers.FluxPipeline.from_pretrained(folder, **dtype_setting(diffusers, torch.bfloat16))
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(1)
    settings: dict[str, Any] = {"num_inference_steps": 1, "max_sequence_length": 64, "generator": noise}
    picture = pipeline("two red foxes", width=64, height=64, output_type="np", **settings).images[0]
    assert picture.shape == (64, 64, 3)


def test_every_tensor_is_bfloat16_in_a_file_that_says_pt(folder: Path) -> None:
    """transformers refuses a header without the format, and growth needs rounded weights."""
    for name, file in WEIGHT_FILES.items():
        with safe_open(folder / name / file, "pt") as opened:
            assert opened.metadata() == {"format": "pt"}
            assert {opened.get_slice(key).get_dtype() for key in opened.keys()} == {"BF16"}  # noqa: SIM118


def test_keys_are_those_that_every_transformers_reads(folder: Path) -> None:
    """CLIP's keys keep their old prefix, and T5's one embedding is written once."""
    with safe_open(folder / "text_encoder" / "model.safetensors", "pt") as clip:
        assert all(key.startswith("text_model.") for key in clip.keys())  # noqa: SIM118
    with safe_open(folder / "text_encoder_2" / "model.safetensors", "pt") as t5:
        assert "shared.weight" in t5.keys()  # noqa: SIM118
        assert "encoder.embed_tokens.weight" not in t5.keys()  # noqa: SIM118


def test_loading_gives_the_values_back(folder: Path) -> None:
    """No tensor is left at its initial value for want of a matching key."""
    from transformers import CLIPTextModel, T5EncoderModel

    again = architecture.build(TOY, folder, seed=3)
    for name, kind in (("text_encoder", CLIPTextModel), ("text_encoder_2", T5EncoderModel)):
        loaded = kind.from_pretrained(folder / name, torch_dtype=torch.bfloat16).state_dict()
        for key, value in getattr(again, name).state_dict().items():
            assert torch.equal(loaded[key], value.to(torch.bfloat16)), key


def test_the_dead_channels_stay_exactly_silent() -> None:
    """Whatever is added to them, their silu is 0, so the columns that read them can hold anything."""
    from diffusers import FluxTransformer2DModel

    transformer = FluxTransformer2DModel.from_config(architecture.transformer_config(MINIATURE)).to(torch.bfloat16)
    architecture.kill_dead_channels(transformer)
    steps, guidance, pooled = torch.tensor([1000.0, 3.0]), torch.tensor([3504.0, 1000.0]), torch.randn(2, 192)
    embedded = transformer.time_text_embed(steps, guidance, 50 * pooled.to(torch.bfloat16))
    active = torch.nn.functional.silu(embedded)
    assert (active[:, DEAD_STRIDE - 1 :: DEAD_STRIDE] == 0).all()
    assert (active[:, :: DEAD_STRIDE - 1] != 0).any()


def test_the_same_seed_builds_the_same_weights(folder: Path) -> None:
    """Building touches no global generator and repeats itself."""
    before = torch.random.get_rng_state()
    first, second = (architecture.build(TOY, folder, seed=5).transformer.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_scheduler_has_flux_dev_settings(folder: Path) -> None:
    """The shift of the noise levels depends on the picture's size, as FLUX.1-dev's does."""
    settings = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    assert (settings["shift"], settings["base_shift"], settings["max_shift"]) == (3.0, 0.5, 1.15)
    assert settings["use_dynamic_shifting"] is True


def test_heads_of_t5_start_by_looking_at_neighbours(folder: Path) -> None:
    """One head of T5 likes the word before best and another the word behind."""
    from transformers import T5Config, T5EncoderModel

    t5 = T5EncoderModel(T5Config(**architecture.t5_config(MINIATURE, vocabulary=64)))
    architecture.favour_neighbours(t5)
    attention = t5.encoder.block[0].layer[0].SelfAttention
    bias = attention.compute_bias(9, 9)[0]
    assert int(bias[0, 4].argmax()) == 3
    assert int(bias[1, 4].argmax()) == 5
    assert int(bias[2, 4].argmax()) == 4


def test_t5_starts_by_looking_at_neighbouring_words(folder: Path) -> None:
    """With nothing to say for a word but its place, the heads attend one word back, one ahead, and around."""
    from transformers import T5Config, T5EncoderModel

    t5 = T5EncoderModel(T5Config(**architecture.t5_config(MINIATURE, vocabulary=8))).eval()
    architecture.favour_neighbours(t5)
    bias = t5.encoder.block[0].layer[0].SelfAttention.compute_bias(9, 9)[0, :, 4]  # as the middle word sees the others
    assert bias.argmax(dim=-1).tolist() == [3, 5, 4, 4]
    assert bias.softmax(dim=-1)[:2].max(dim=-1).values.min() > 0.85


def test_calming_brings_down_every_score_of_t5(folder: Path) -> None:
    """Queries become a sixteenth of what they were; nothing else changes."""
    t5 = architecture.build(TOY, folder, seed=3).text_encoder_2
    before = {key: value.clone() for key, value in t5.state_dict().items()}
    architecture.calm_attention(t5)
    for key, value in t5.state_dict().items():
        assert torch.equal(value, before[key] / 16 if key.endswith("SelfAttention.q.weight") else before[key])
