"""Tests of the small pipeline that growth starts from: its configurations are FLUX's, and any other is refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fluxgate.miniature.architecture import WEIGHT_FILES
from fluxgate.miniature.growth.grown_folder import grow
from fluxgate.miniature.growth.small_pipeline import configurations
from fluxgate.miniature.growth.target import FLUX_DEV
from fluxgate.refusal import Refusal
from tests.miniature.growth.sizes import BIG, left_in

torch = pytest.importorskip("torch")


def test_flux_devs_configurations_are_its_own() -> None:
    """Every setting that FLUX.1-dev's published configurations make stands in the grown ones."""
    configs = configurations(FLUX_DEV.sizes, t5_words=FLUX_DEV.t5_words, clip_words=FLUX_DEV.clip_words)
    published: dict[str, dict[str, object]] = {
        "transformer": {
            "attention_head_dim": 128,
            "guidance_embeds": True,
            "in_channels": 64,
            "joint_attention_dim": 4096,
            "num_attention_heads": 24,
            "num_layers": 19,
            "num_single_layers": 38,
            "patch_size": 1,
            "pooled_projection_dim": 768,
        },
        "text_encoder": {
            "attention_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "hidden_act": "quick_gelu",
            "hidden_size": 768,
            "intermediate_size": 3072,
            "layer_norm_eps": 1e-05,
            "max_position_embeddings": 77,
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "pad_token_id": 1,
            "projection_dim": 768,
            "vocab_size": 49408,
        },
        "text_encoder_2": {
            "d_ff": 10240,
            "d_kv": 64,
            "d_model": 4096,
            "decoder_start_token_id": 0,
            "dense_act_fn": "gelu_new",
            "dropout_rate": 0.1,
            "eos_token_id": 1,
            "feed_forward_proj": "gated-gelu",
            "is_gated_act": True,
            "layer_norm_epsilon": 1e-06,
            "num_decoder_layers": 24,
            "num_heads": 64,
            "num_layers": 24,
            "pad_token_id": 0,
            "relative_attention_max_distance": 128,
            "relative_attention_num_buckets": 32,
            "tie_word_embeddings": False,
            "vocab_size": 32128,
        },
        "vae": {
            "block_out_channels": [128, 256, 512, 512],
            "force_upcast": True,
            "latent_channels": 16,
            "layers_per_block": 2,
            "mid_block_add_attention": True,
            "norm_num_groups": 32,
            "sample_size": 1024,
            "scaling_factor": 0.3611,
            "shift_factor": 0.1159,
            "use_post_quant_conv": False,
            "use_quant_conv": False,
        },
    }
    for component_name, settings in published.items():
        assert {key: configs[component_name].get(key) for key in settings} == settings


def changed_source(small: Path, folder: Path, file: str, **changes: object) -> Path:
    copy = shutil.copytree(small, folder)
    config = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**config, **changes}))
    return copy


@pytest.mark.parametrize(
    ("file", "changes", "sentence"),
    [
        (
            "transformer/config.json",
            {"guidance_embeds": False},
            "guidance_embeds of its transformer is False, not True",
        ),
        ("vae/config.json", {"scaling_factor": 0.18215}, "scaling_factor of its vae is 0.18215, not 0.3611"),
        ("text_encoder_2/config.json", {"num_heads": "four"}, "is not a miniature: Expected `int`, got `str`"),
        ("transformer/config.json", {"num_attention_heads": 3}, "cannot grow from 3 to 2: the ratio must be a power"),
        ("transformer/config.json", {"num_layers": 9}, "cannot grow into one with fewer layers"),
    ],
)
def test_another_pipeline_is_refused(
    small: Path, tmp_path: Path, file: str, changes: dict[str, object], sentence: str
) -> None:
    """A configuration that is not a miniature's is refused with the setting and its value."""
    with pytest.raises(Refusal, match=sentence):
        grow(tmp_path / "grown", source=changed_source(small, tmp_path / "source", file, **changes), target=BIG)


def test_a_ratio_that_is_not_exact_is_refused(small: Path, tmp_path: Path) -> None:
    """Three times the heads, or twice the VAE's channels, would not divide exactly."""
    for sizes in (
        dataclasses.replace(BIG.sizes, heads=3),
        dataclasses.replace(BIG.sizes, vae_channels=(16, 16, 32, 32)),
        dataclasses.replace(BIG.sizes, t5_inner=1024),
    ):
        with pytest.raises(Refusal):
            grow(tmp_path / "grown", source=small, target=dataclasses.replace(BIG, sizes=sizes))
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("change", ["awake", "float32", "nan", "unknown", "garbage", "vocabulary"])
def test_weights_that_cannot_grow_are_refused(small: Path, tmp_path: Path, change: str) -> None:
    """Dead channels awake, another precision, a NaN, an unknown tensor, damage, too many words: each a sentence."""
    source = shutil.copytree(small, tmp_path / "source")
    file = source / "transformer" / WEIGHT_FILES["transformer"]
    tensors = load_file(file)
    target = BIG
    if change == "awake":
        tensors["time_text_embed.timestep_embedder.linear_2.bias"][63] = -3.0
    elif change == "float32":
        tensors["proj_out.bias"] = tensors["proj_out.bias"].float()
    elif change == "nan":
        tensors["proj_out.bias"][0] = float("nan")
    elif change == "unknown":
        tensors["lora.weight"] = torch.zeros(3, 3, dtype=torch.bfloat16)
    elif change == "vocabulary":
        target = dataclasses.replace(BIG, t5_words=20)
    save_file(tensors, file, metadata={"format": "pt"})
    if change == "garbage":
        file.write_bytes(b"\xff" * 100)
    sentences = {
        "awake": "has no dead channels",
        "float32": "holds proj_out.bias as F32; only bfloat16 grows without loss",
        "nan": "holds a number in proj_out.bias that is not finite",
        "unknown": "No rule of growth matches the tensor lora.weight",
        "garbage": "is damaged: ",
        "vocabulary": "a vocabulary of 20 cannot hold them",
    }
    with pytest.raises(Refusal, match=sentences[change]):
        grow(tmp_path / "grown", source=source, target=target)
    assert left_in(tmp_path) == ["source"]
