"""Tests of growth: the large pipeline computes what the small one does, and its folder is whole or not there."""

import dataclasses
import importlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fluxgate.miniature import architecture, growth, tokenizers
from fluxgate.miniature.architecture import WEIGHT_FILES, Sizes
from fluxgate.miniature.bfloat16 import Noise
from fluxgate.miniature.growth import FLUX_DEV, FLUX_DEV_PARAMETERS, MANIFEST, Target, damage, grow, why_not_usable
from fluxgate.miniature.growth_mapping import Growth
from fluxgate.miniature.small_pipeline import configurations, read_weights, sizes_of
from fluxgate.refusal import Refusal

torch = pytest.importorskip("torch")

SMALL = Sizes(
    heads=1,
    single_blocks=3,
    t5_width=64,
    t5_inner=128,
    t5_heads=1,
    clip_width=64,
    clip_inner=128,
    clip_heads=1,
    vae_channels=(8, 8, 16, 16),
    vae_groups=8,
)
BIG = Target(
    Sizes(
        double_blocks=3,
        single_blocks=5,
        heads=2,
        t5_width=256,
        t5_inner=512,
        t5_heads=4,
        t5_layers=4,
        clip_width=128,
        clip_inner=256,
        clip_heads=2,
        clip_layers=3,
        vae_channels=(32, 32, 64, 64),
        vae_groups=8,
    ),
    clip_words=900,
    t5_words=300,
    shard_bytes=1_500_000,
)
CLASSES = {
    "transformer": ("diffusers", "FluxTransformer2DModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "text_encoder_2": ("transformers", "T5EncoderModel"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pipeline whose random weights all matter: none is near zero, no norm is 1."""
    folder = tmp_path_factory.mktemp("small")
    tokenizers.write(["fox", "mushroom", "teacup", "a", "in", "the", "forest", "."], folder)
    pipe = architecture.build(SMALL, folder, seed=0)
    generator = torch.Generator().manual_seed(1)
    modules = {name: getattr(pipe, name) for name in WEIGHT_FILES}
    with torch.no_grad():
        for module in modules.values():
            for name, parameter in module.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                spread = noise / max(1, parameter[0].numel()) ** 0.5
                parameter.copy_(
                    1 + 0.2 * noise if "norm" in name and name.endswith("weight") and noise.ndim == 1 else spread
                )
    architecture.kill_dead_channels(pipe.transformer)
    architecture.save(modules, SMALL, folder)
    return folder


@pytest.fixture(scope="module")
def big(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pipeline, grown."""
    folder = tmp_path_factory.mktemp("big") / "grown"
    grow(folder, source=small, target=BIG)
    return folder


def component(folder: Path, name: str) -> Any:
    """One component in float32."""
    library, kind = CLASSES[name]
    loaded = getattr(importlib.import_module(library), kind).from_pretrained(
        folder, subfolder=name, torch_dtype=torch.float32
    )
    return loaded.eval()


def close(actual: Any, expected: Any) -> bool:
    """Equal to a few millionths of the expected spread."""
    return bool((actual - expected).abs().max() < 2e-5 * expected.std())


def transformer_output(folder: Path, *, seed: int = 0) -> Any:
    """The small or large transformer's answer to the same latents, and to the same texts, tiled where it is wider."""
    model = component(folder, "transformer")
    generator = torch.Generator().manual_seed(seed)
    texts, pooled = torch.randn(1, 7, 64, generator=generator), torch.randn(1, 64, generator=generator)
    with torch.no_grad():
        return model(
            hidden_states=torch.randn(1, 12, 64, generator=generator),
            encoder_hidden_states=texts.repeat(1, 1, model.config.joint_attention_dim // 64),
            pooled_projections=pooled.repeat(1, model.config.pooled_projection_dim // 64),
            timestep=torch.tensor([0.7]),
            guidance=torch.tensor([3.5]),
            txt_ids=torch.zeros(7, 3),
            img_ids=torch.tensor([[0, row, column] for row in range(3) for column in range(4)], dtype=torch.float32),
        ).sample


# What it computes


def test_the_grown_transformer_gives_the_same_latents(small: Path, big: Path) -> None:
    """Twice the heads and three more blocks change nothing."""
    assert close(transformer_output(big), transformer_output(small))


def test_the_transformers_weights_all_matter(small: Path) -> None:
    """The comparison above would notice another input."""
    assert not close(transformer_output(small, seed=1), transformer_output(small))


def test_the_grown_t5_gives_every_channel_several_times(small: Path, big: Path) -> None:
    """Every copy of a T5 channel holds what the small encoder's channel does."""
    tokens = torch.tensor([[5, 9, 30, 1, 0, 0]])
    with torch.no_grad():
        few, many = (component(folder, "text_encoder_2")(tokens).last_hidden_state for folder in (small, big))
    assert close(many, few.repeat(1, 1, 4))


def test_the_grown_clip_pools_the_same_vector(small: Path, big: Path) -> None:
    """CLIP's pooled vector is the small one twice, taken at the end token although the vocabulary has grown."""
    end = json.loads((small / "tokenizer" / "vocab.json").read_text())["<|endoftext|>"]
    tokens = torch.tensor([[end - 1, 70, 300, 12, end, end, end]])
    with torch.no_grad():
        few, many = (component(folder, "text_encoder")(tokens).pooler_output for folder in (small, big))
        other = component(small, "text_encoder")(tokens.roll(1, 1)).pooler_output
    assert close(many, few.repeat(1, 2))
    assert not close(other, few)


def test_the_grown_vae_decodes_the_same_picture(small: Path, big: Path) -> None:
    """Four times the channels decode the same latents to the same picture."""
    latents = torch.randn(1, 16, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        few, many = (component(folder, "vae").decode(latents).sample for folder in (small, big))
    assert close(many, few)


def test_the_grown_vae_encodes_to_the_same_latents(small: Path, big: Path) -> None:
    """Four times the channels encode the same picture to the same latents."""
    picture = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        few, many = (component(folder, "vae").encode(picture).latent_dist.mean for folder in (small, big))
    assert close(many, few)


def test_an_open_gate_would_be_seen(big: Path, small: Path, tmp_path: Path) -> None:
    """The added blocks are not empty: with one gate opened by hand, the latents change."""
    copy = shutil.copytree(big, tmp_path / "opened")
    key = "single_transformer_blocks.1.norm.linear.bias"
    index = json.loads((copy / "transformer" / "diffusion_pytorch_model.safetensors.index.json").read_text())
    file = copy / "transformer" / index["weight_map"][key]
    tensors = load_file(file)
    assert not tensors[key][2 * 256 :].any()
    tensors[key][2 * 256 :] = 0.5
    save_file(tensors, file, metadata={"format": "pt"})
    assert not close(transformer_output(copy), transformer_output(small))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_added_gates_are_shut_in_every_precision(big: Path, dtype: str) -> None:
    """An added block gives back exactly what went in, although its gates' matrices are not all zero."""
    model = component(big, "transformer").to(getattr(torch, dtype))
    block, embed = model.single_transformer_blocks[1], model.time_text_embed
    assert block.norm.linear.weight[2 * 256 :].abs().sum() > 0
    step, guidance = torch.tensor([700.0]).to(model.dtype), torch.tensor([3504.0]).to(model.dtype)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(1, n, 256, generator=generator).to(model.dtype) for n in (12, 7)]
    rotary = model.pos_embed(torch.zeros(19, 3))
    with torch.no_grad():
        time = embed(step, guidance, torch.randn(1, 128, generator=generator).to(model.dtype))
        given = block(hidden_states=inputs[0], encoder_hidden_states=inputs[1], temb=time, image_rotary_emb=rotary)
    assert torch.equal(given[0], inputs[1])
    assert torch.equal(given[1], inputs[0])


def test_four_bit_codes_of_the_grown_matrices_are_the_grown_codes(small: Path, big: Path) -> None:
    """NF4 rounds the copies as it rounds the originals: block maxima shrink by the factor, codes repeat."""
    functional = pytest.importorskip("bitsandbytes.functional")
    few = component(small, "transformer").transformer_blocks[0].ff.net[2].weight.to(torch.bfloat16)
    many = component(big, "transformer").transformer_blocks[0].ff.net[2].weight.to(torch.bfloat16)
    small_codes, small_state = functional.quantize_4bit(few, quant_type="nf4")
    big_codes, big_state = functional.quantize_4bit(many, quant_type="nf4")
    codes = small_codes.reshape(128, -1)
    assert torch.equal(big_codes.reshape(256, -1), codes.repeat(2, 2))
    assert torch.equal(big_state.absmax.reshape(256, -1), small_state.absmax.reshape(128, -1).repeat(2, 2) / 2)


def test_no_block_of_an_added_layer_is_all_zero(big: Path) -> None:
    """The dead columns keep every NF4 block of every gate alive."""
    for name, tensor in tensors_in(big / "transformer").items():
        if tensor.ndim == 2 and "blocks" in name:
            assert tensor.reshape(-1, 64).any(dim=1).all(), name


def tensors_in(folder: Path) -> dict[str, Any]:
    """All tensors of a folder's safetensors files."""
    return {name: tensor for file in sorted(folder.glob("*.safetensors")) for name, tensor in load_file(file).items()}


# What it is made of


@pytest.mark.parametrize("name", list(CLASSES))
def test_the_grown_files_hold_exactly_the_classs_own_tensors(big: Path, name: str) -> None:
    """Names and shapes are those that the library's class makes from the grown configuration."""
    written = {key: tuple(tensor.shape) for key, tensor in tensors_in(big / name).items()}
    assert written == shapes_of(name, json.loads((big / name / "config.json").read_text()))


@pytest.mark.parametrize("name", list(CLASSES))
def test_flux_devs_tensors_are_planned_exactly(miniature_folder: Path, name: str) -> None:
    """At the real shapes, too, every tensor of the class is planned, with its shape, and no other."""
    mapping = Growth(sizes_of(miniature_folder), FLUX_DEV.sizes, FLUX_DEV.vocabularies, Noise(0, length=997))
    weights = read_weights(miniature_folder / name / WEIGHT_FILES[name], name)
    planned = {tensor.name: tensor.shape for tensor in mapping.plan(name, weights)}
    configs = configurations(FLUX_DEV.sizes, t5_words=FLUX_DEV.t5_words, clip_words=FLUX_DEV.clip_words)
    assert planned == shapes_of(name, configs[name])


def shapes_of(name: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The tensors that the library's class makes from a configuration, without their memory."""
    library, kind = CLASSES[name]
    made = getattr(importlib.import_module(library), kind)
    with torch.device("meta"):
        model = made.from_config(config) if library == "diffusers" else made(made.config_class(**config))
    return {key: tuple(tensor.shape) for key, tensor in architecture.component_tensors(name, model)}


def test_flux_devs_parameters_are_counted_exactly(miniature_folder: Path) -> None:
    """The plan for the real shapes has FLUX.1-dev's number of parameters in every component."""
    manifest, jobs = growth.survey(miniature_folder, FLUX_DEV)
    assert manifest.parameters == FLUX_DEV_PARAMETERS
    assert sum(job.bytes for job in jobs) == pytest.approx(33.74e9, rel=1e-3)
    shards = [job.file for job in jobs if job.bytes > 1e9]
    assert [file.rpartition("-of-")[2] for file in shards] == ["00002.safetensors"] * 2 + ["00003.safetensors"] * 3
    assert max(job.bytes for job in jobs) < 10e9


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


def test_shards_are_indexed_as_the_libraries_expect(big: Path) -> None:
    """More than one shard comes with an index that names every tensor's file and the total size."""
    folder = big / "transformer"
    index = json.loads((folder / "diffusion_pytorch_model.safetensors.index.json").read_text())
    files = sorted(path.name for path in folder.glob("*.safetensors"))
    assert files[0] == f"diffusion_pytorch_model-00001-of-{len(files):05}.safetensors"
    assert sorted(set(index["weight_map"].values())) == files
    tensors = tensors_in(folder)
    assert set(index["weight_map"]) == set(tensors)
    assert index["metadata"]["total_size"] == sum(tensor.numel() * 2 for tensor in tensors.values())
    assert all(path.stat().st_size < 3_100_000 for path in folder.glob("*.safetensors"))


def test_the_headers_say_pytorch(big: Path) -> None:
    """Both libraries refuse a file whose header does not name its format."""
    for path in big.glob("*/*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert file.metadata() == {"format": "pt"}


def test_growing_twice_gives_the_same_bytes(small: Path, big: Path, tmp_path: Path) -> None:
    """The noise in what changes nothing is seeded, so that the same miniature gives the same hashes."""
    assert grow(tmp_path / "again", source=small, target=BIG).files == read_manifest(big).files


def test_a_grown_folder_holds_a_pipeline_and_its_manifest(big: Path) -> None:
    """Nothing of the work is left in it."""
    names = ["model_index.json", "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"]
    assert left_in(big) == [MANIFEST, *names, "transformer", "vae"]


# Whole or not at all


def read_manifest(folder: Path) -> growth.Manifest:
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=growth.Manifest)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_grown_is_not_grown_again(small: Path, big: Path) -> None:
    """A second call finds the folder as it should be and writes nothing."""
    before = (big / MANIFEST).stat().st_mtime_ns
    calls: list[int] = []
    grow(big, source=small, target=BIG, progress=lambda done, total: calls.append(done))
    assert (calls, (big / MANIFEST).stat().st_mtime_ns) == ([], before)
    assert left_in(big.parent) == ["grown"]
    assert why_not_usable(big, source=small, target=BIG) is None


def test_every_byte_is_reported_once(small: Path, tmp_path: Path) -> None:
    """Progress climbs to exactly the bytes of all files."""
    seen: list[tuple[int, int]] = []
    manifest = grow(tmp_path / "grown", source=small, target=BIG, progress=lambda *now: seen.append(now))
    total = sum(entry.bytes for entry in manifest.files.values())
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


KILLED_GROWTH = """
import os, signal, sys
from pathlib import Path
import msgspec
from fluxgate.miniature.growth import Target, grow

def progress(done, total):
    if done >= float(sys.argv[4]) * total:
        os.kill(os.getpid(), signal.SIGKILL)

target = msgspec.json.decode(sys.argv[3], type=Target)
grow(Path(sys.argv[1]), source=Path(sys.argv[2]), target=target, progress=progress)
"""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_killed_growth_leaves_no_folder_and_is_resumed(small: Path, big: Path, tmp_path: Path, share: float) -> None:
    """After SIGKILL the folder does not exist; the next call keeps what is whole and ends with the same bytes."""
    folder = tmp_path / "grown"
    target = msgspec.json.encode(BIG).decode()
    child = subprocess.run([sys.executable, "-c", KILLED_GROWTH, folder, small, target, str(share)], timeout=120)
    assert child.returncode == -signal.SIGKILL
    assert left_in(tmp_path) == ["grown.partial"]
    finished = read_manifest(tmp_path / "grown.partial").files
    times = {file: (tmp_path / "grown.partial" / file).stat().st_mtime_ns for file in finished}
    manifest = grow(folder, source=small, target=BIG)
    assert manifest.files == read_manifest(big).files
    assert {file: (folder / file).stat().st_mtime_ns for file in finished} == times
    assert damage(folder) is None
    assert left_in(tmp_path) == ["grown"]
    assert set(left_in(folder)) == {*left_in(big)}


def test_an_interruption_by_hand_keeps_the_whole_files_only(small: Path, tmp_path: Path) -> None:
    """Ctrl-C passes through; half a file is removed, whole ones wait for the next call."""

    def interrupt(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grow(tmp_path / "grown", source=small, target=BIG, progress=interrupt)
    partial = tmp_path / "grown.partial"
    files = {path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file()}
    assert files - {MANIFEST, growth.LOCK} == set(read_manifest(partial).files)
    assert not (tmp_path / "grown").exists()


def test_a_kept_file_that_was_touched_is_written_again(small: Path, big: Path, tmp_path: Path) -> None:
    """A finished file of an interrupted growth is kept only if its hash is still right."""
    folder, partial = tmp_path / "grown", tmp_path / "grown.partial"
    shutil.copytree(big, partial)
    touched = partial / "vae" / "config.json"
    touched.write_bytes(touched.read_bytes().replace(b"512", b"513").replace(b"64", b"65"))
    (partial / "vae" / "stray.safetensors.unfinished").write_bytes(b"half")
    grow(folder, source=small, target=BIG)
    assert damage(folder) is None
    assert not list(folder.rglob("*.unfinished"))


def test_a_full_disk_is_refused_before_the_first_byte(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The free space is compared with what is still to be written, and nothing is left behind."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5_000_000))
    with pytest.raises(Refusal, match=r"Growing writes \d+\.\d MB more, and only 5\.0 MB are free in "):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert left_in(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real 'no space left' from the kernel in the middle of a shard: one sentence, and all of it is removed."""
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("this system has no /dev/full")
    real_write = os.write

    def write(handle: int, block: Any) -> int:
        if len(block) < 100_000:
            return real_write(handle, block)
        with device.open("wb", buffering=0) as full:
            return real_write(full.fileno(), block)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(Refusal, match="is full; what was grown so far is removed"):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert left_in(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk takes a Linux root")
def test_a_small_disk_fills_up(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real disk of 8 MB, whose free space is misreported, growth stops and cleans up."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=8m tmpfs '{disk}' 2>/dev/null"):
        pytest.skip("no disk may be mounted here")
    try:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(Refusal, match="is full; what was grown so far is removed"):
            grow(disk / "grown", source=small, target=BIG)
        assert left_in(disk) == []
    finally:
        os.system(f"umount '{disk}'")


def test_two_growths_of_one_folder_do_not_mix(small: Path, tmp_path: Path) -> None:
    """While one process grows a folder, another is refused in a sentence."""
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        if not refused:
            with pytest.raises(Refusal) as caught:
                grow(tmp_path / "grown", source=small, target=BIG)
            refused.append(str(caught.value))

    grow(tmp_path / "grown", source=small, target=BIG, progress=second)
    assert refused == [f"{tmp_path / 'grown'} is being grown by another process."]
    assert damage(tmp_path / "grown") is None


# What is refused, and what is stale


def another_miniature(small: Path, folder: Path) -> Path:
    """A copy of the small pipeline with one number changed."""
    other = shutil.copytree(small, folder)
    file = other / "vae" / WEIGHT_FILES["vae"]
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"] += 1
    save_file(tensors, file, metadata={"format": "pt"})
    return other


def test_an_interrupted_growth_of_another_miniature_is_not_resumed(small: Path, big: Path, tmp_path: Path) -> None:
    """Whole files of another miniature are not kept, however right their hashes are."""
    other = another_miniature(small, tmp_path / "other")
    shutil.copytree(big, tmp_path / "grown.partial")
    grown = grow(tmp_path / "grown", source=other, target=BIG)
    assert grown.files == grow(tmp_path / "afresh", source=other, target=BIG).files
    assert grown.files != read_manifest(big).files


def test_another_miniature_makes_the_grown_one_stale(small: Path, big: Path, tmp_path: Path) -> None:
    """The manifest knows its miniature's hash; growing again replaces the stale folder."""
    other = another_miniature(small, tmp_path / "other")
    folder = shutil.copytree(big, tmp_path / "grown")
    assert "grown from another miniature" in str(why_not_usable(folder, source=other, target=BIG))
    grow(folder, source=other, target=BIG)
    assert why_not_usable(folder, source=other, target=BIG) is None
    assert damage(folder) is None


def test_the_room_of_a_stale_folder_counts_as_free(
    small: Path, big: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What will be removed first needs no room beside the new one."""
    folder = shutil.copytree(big, tmp_path / "grown")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2_000_000))
    grow(folder, source=another_miniature(small, tmp_path / "other"), target=BIG)
    assert damage(folder) is None


def test_a_truncated_shard_is_noticed(small: Path, big: Path, tmp_path: Path) -> None:
    """A shard of another length is a reason not to use the folder; one changed byte is found by reading it all."""
    folder = shutil.copytree(big, tmp_path / "grown")
    shard = next(folder.glob("transformer/*-00002-*"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    assert why_not_usable(folder, source=small, target=BIG) == f"{shard} is missing or has another length"
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert why_not_usable(folder, source=small, target=BIG) is None
    assert damage(folder) == f"{shard} is not as it was written"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"source": 1}', b"\xff\xfe", b'{"files": {"../../x": {"bytes": 1, "sha256": ""}}}']
)
def test_a_damaged_manifest_is_refused_by_name(small: Path, big: Path, tmp_path: Path, content: bytes) -> None:
    """A manifest that cannot be read is an error that names it; the folder is not silently grown over."""
    folder = shutil.copytree(big, tmp_path / "grown")
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(Refusal, match=r"manifest\.json is damaged: .*; remove .*grown and grow again\.$"):
        grow(folder, source=small, target=BIG)
    assert (folder / MANIFEST).read_bytes() == content


def test_a_manifest_cannot_point_outside_its_folder(small: Path, big: Path, tmp_path: Path) -> None:
    """A name with a path in it is damage, not a file to look at."""
    folder = shutil.copytree(big, tmp_path / "grown")
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../secret"] = manifest["files"].pop("vae/config.json")
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert "it names '../secret'" in str(why_not_usable(folder, source=small, target=BIG))


def test_a_foreign_folder_is_left_alone(small: Path, tmp_path: Path) -> None:
    """Growth never writes into, or removes, a folder that it did not make."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "fox.png").write_bytes(b"mine")
    with pytest.raises(Refusal, match="exists and was not grown here"):
        grow(folder, source=small, target=BIG)
    assert left_in(tmp_path) == ["pictures"]
    assert (folder / "fox.png").read_bytes() == b"mine"


def test_a_foreign_partial_folder_is_left_alone(small: Path, tmp_path: Path) -> None:
    """The same holds for the place where growth would work."""
    folder = tmp_path / "grown.partial"
    folder.mkdir()
    (folder / "fox.png").write_bytes(b"mine")
    with pytest.raises(Refusal, match="is no unfinished growth"):
        grow(tmp_path / "grown", source=small, target=BIG)
    assert (folder / "fox.png").read_bytes() == b"mine"


def test_growing_into_the_miniature_itself_is_refused(small: Path) -> None:
    """A folder inside the source is refused."""
    with pytest.raises(Refusal, match="lies in the small pipeline itself"):
        grow(small / "grown", source=small, target=BIG)


def test_a_source_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    """A wrong folder is refused before anything is written."""
    with pytest.raises(Refusal, match=r"^Nothing can grow: there is no folder"):
        grow(tmp_path / "grown", source=tmp_path / "nowhere", target=BIG)
    assert left_in(tmp_path) == []


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


# Telling the user


class Stream(io.StringIO):
    """A text stream that is or is not a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(("terminal", "lines", "returns"), [(True, 1, 1001), (False, 11, 0)])
def test_the_bar_fits_a_terminal_and_a_log(terminal: bool, lines: int, returns: int) -> None:
    """One line that is drawn over on a terminal, eleven short ones in a log, and both end at 100%."""
    stream = Stream(terminal=terminal)
    show = growth.bar(stream)
    for done in range(0, 5_000_001, 500):
        show(done, 5_000_000)
    assert stream.getvalue().count("\n") == lines
    assert stream.getvalue().count("\r") == returns
    assert stream.getvalue().rstrip().endswith("100%  5.0 MB of 5.0 MB")
