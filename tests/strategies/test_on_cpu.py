"""Tests of every strategy that runs on a CPU: it keeps its promise, its effects show, and they are missed when gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
accelerate = pytest.importorskip("accelerate")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.render.process.parts import PartRunner  # noqa: E402
from fluxgate.strategies import STRATEGIES, loading, quantization, staging  # noqa: E402
from fluxgate.strategies.offloading import IN_LEAVES, offload_component  # noqa: E402
from fluxgate.strategies.promise import Site, dtype_setting  # noqa: E402
from tests.strategies.looking import SHOT, SUBJECT, Seen, look, skip_without, unsupported  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import DENOISER, PIPELINE, T5, VAE, Patch, no_call, other_settings  # noqa: E402
from tests.wording import unsaid  # noqa: E402

BROKEN = {"nf4-t5-sequential-offload"}  # by upstream, see baselines/known_failures.toml
RUNNING = [s.name for s in STRATEGIES if s.name not in BROKEN and unsupported(s) is None and s.family != "optional"]


# One that compiles for a minute or more, and those that hardly differ from another one that is tried each time.
LONG = {
    "compiled",
    "staged-256-tokens",
    "group-offload-leaf-disk",
    "int8-t5-reloaded",
    "int8-t5-sequential-offload",
    "fp8-layerwise-model-offload",
    "ip-adapter-unloaded",
    "lora-unloaded",
}


def marked(tried: Iterable[Any]) -> list[Any]:
    """Names of strategies, or what begins with one, of which some are marked as long."""
    return [_marked(one if isinstance(one, tuple) else (one,)) for one in tried]


def _marked(values: tuple[Any, ...]) -> Any:
    return pytest.param(*values, marks=[pytest.mark.long] if values[0] in LONG else [])


@pytest.mark.parametrize("name", marked(RUNNING))
def test_every_effect_shows(name: str, seen: Callable[[str], Seen]) -> None:
    """A strategy that ran has nothing to complain of."""
    assert seen(name).missing == ()


@pytest.mark.parametrize("name", marked(RUNNING))
def test_two_calls_give_the_same_pictures(name: str, seen: Callable[[str], Seen]) -> None:
    """The second call of a pipeline renders what the first one did."""
    assert seen(name).again == seen(name).pictures


@pytest.mark.parametrize("name", marked(RUNNING))
def test_a_second_call_leaves_no_file(name: str, seen: Callable[[str], Seen]) -> None:
    """What a strategy hands over in files goes with the call."""
    assert seen(name).leftover_files == 0


@pytest.mark.parametrize("name", marked(n for n in RUNNING if strategy_named(n).promise.reproduces in RUNNING))
def test_what_reproduces_a_reference_does_so_to_the_byte(name: str, seen: Callable[[str], Seen]) -> None:
    """A promise to reproduce another strategy's pictures is kept on this machine."""
    reference = strategy_named(name).promise.reproduces
    assert reference is not None
    assert seen(name).pictures == seen(reference).pictures


@pytest.mark.parametrize("name", marked(n for n in RUNNING if strategy_named(n).promise.approximates))
def test_what_approximates_full_moves_a_pixel(name: str, seen: Callable[[str], Seen]) -> None:
    """A strategy that only approximates does change something: it is not `full` under another name."""
    assert seen(name).pictures != seen("full").pictures


# --- the effect taken away


def hoarding(patch: Patch) -> None:
    """Stages that free nothing."""
    hoard: list[Any] = []
    build = staging.pipeline_of

    def build_and_keep(*args: Any) -> Any:
        hoard.append(build(*args))
        return hoard[-1]

    patch.setattr(staging, "pipeline_of", build_and_keep)


def in_one_process(patch: Patch) -> None:
    patch.setattr(staging, "in_own_process", staging.in_this_process)
    patch.setattr(PartRunner, "start", lambda self: None)


HOOKS = "has 0 {} hooks, expected at least {}"
NO_LAYERS = "{}: 0 of its {} linear layers are {}, expected at least 80%"
TAKEN_AWAY = [
    ("sequential-offload", no_call(accelerate, "cpu_offload"), f"vae: {HOOKS.format('AlignDevicesHook', 8)}"),
    ("model-offload", no_call(PIPELINE, "enable_model_cpu_offload"), f"vae: {HOOKS.format('CpuOffload', 1)}"),
    (
        "group-offload-block",
        no_call(PIPELINE, "enable_group_offload"),
        f"vae: {HOOKS.format('GroupOffloadingHook', 1)}",
    ),
    (
        "group-offload-block",
        other_settings(PIPELINE, "enable_group_offload", offload_type="leaf_level"),
        "transformer: has 78 GroupOffloadingHook hooks, expected fewer than its 62 linear layers",
    ),
    (
        "group-offload-leaf",
        other_settings(PIPELINE, "enable_group_offload", offload_type="block_level", num_blocks_per_group=1),
        "transformer: has 7 GroupOffloadingHook hooks, expected at least 62",
    ),
    (
        "group-offload-by-component",
        no_call(DENOISER, "enable_group_offload"),
        f"transformer: {HOOKS.format('GroupOffloadingHook', 1)}",
    ),
    (
        "group-offload-disk",
        other_settings(PIPELINE, "enable_group_offload", "offload_to_disk_path"),
        "files offloaded: 0, expected at least 5",
    ),
    (
        "group-offload-leaf-disk",
        other_settings(DENOISER, "enable_group_offload", "offload_to_disk_path"),
        "transformer: its group_offload_to_disk_path is not set, expected on",
    ),
    ("staged", hoarding, "components alive at once: 8, expected at most 2"),
    ("staged-processes", in_one_process, "processes: not counted"),
    ("staged-256-tokens", other_settings(staging, "Staged", "overrides"), "prompt tokens: 64, expected at least 256"),
    ("vae-slicing", no_call(VAE, "enable_slicing"), "slices decoded: 1, expected at least 2"),
    ("vae-tiling", no_call(VAE, "enable_tiling"), "tiles decoded: 1, expected at least 2"),
    ("nf4-linear", no_call(quantization, "exchange_linears"), NO_LAYERS.format("transformer", 62, "Linear4bit")),
    (
        "nf4-t5",
        other_settings(T5, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("text_encoder_2", 14, "Linear4bit"),
    ),
    (
        "nf4-t5",
        other_settings(quantization, "nf4_settings", bnb_4bit_quant_type="fp4"),
        "text_encoder_2: its quant_type is fp4, expected nf4",
    ),
    (
        "nf4-t5",
        other_settings(quantization, "nf4_settings", bnb_4bit_use_double_quant=True),
        "text_encoder_2: its double_quant is True, expected False",
    ),
    (
        "int8-t5",
        other_settings(T5, "from_pretrained", "quantization_config"),
        NO_LAYERS.format("text_encoder_2", 14, "Linear8bitLt"),
    ),
    (
        "int8-t5-sequential-offload",
        no_call(accelerate, "cpu_offload"),
        f"vae: {HOOKS.format('AlignDevicesHook', 8)}",
    ),
    (
        "full-float32",
        other_settings(PIPELINE, "from_pretrained", **dtype_setting(diffusers, torch.bfloat16)),
        "vae: 0.0% of its bytes are float32, expected at least 99%",
    ),
    (
        "fp8-layerwise",
        no_call(DENOISER, "enable_layerwise_casting"),
        f"transformer: {HOOKS.format('LayerwiseCastingHook', 2)}",
    ),
    (
        "fp8-layerwise-model-offload",
        no_call(PIPELINE, "enable_model_cpu_offload"),
        f"vae: {HOOKS.format('CpuOffload', 1)}",
    ),
]


@pytest.mark.parametrize(("name", "take_away", "missing"), marked(TAKEN_AWAY))
def test_an_effect_taken_away_is_missed(
    name: str,
    take_away: Callable[[Patch], None],
    missing: str,
    seen: Callable[[str], Seen],
    miniature_folder: Path,
    tmp_path: Path,
    monkeypatch: Patch,
) -> None:
    """The sentence names component, number and what was expected, even where no pixel tells that the effect is gone."""
    if name not in RUNNING:
        pytest.skip(str(unsupported(strategy_named(name))))
    reference = strategy_named(name).promise.reproduces
    expected = seen(reference).pictures if reference in RUNNING else None
    take_away(monkeypatch)
    rendered = look(strategy_named(name), miniature_folder, tmp_path)
    assert missing in rendered.missing
    assert expected in (None, rendered.pictures)  # without its effect it is nothing but the strategy it reproduces


def test_every_effect_of_a_running_strategy_is_taken_away_once() -> None:
    """No strategy that runs here is left without a test of its effect's absence."""
    reloaded = {"int8-t5-reloaded"}  # shows what int8-t5 shows
    elsewhere = {  # in test_compiling.py, test_caching.py and test_adapters.py
        "compiled",
        "first-block-cache",
        "taylorseer-cache",
        "pyramid-attention-broadcast",
        "ip-adapter",
        "ip-adapter-unloaded",
        "lora",
        "lora-unloaded",
    }
    assert {name for name, *_ in TAKEN_AWAY} | reloaded | elsewhere | {"full"} >= set(RUNNING)


def test_full_complains_of_a_hook(miniature_folder: Path, tmp_path: Path) -> None:
    """A reference that is offloaded after all is noticed, although its pictures are the same."""
    rendered = look(strategy_named("full"), miniature_folder, tmp_path, load=strategy_named("model-offload").load)
    assert [unsaid(one, "vae: has hooks, expected none", "1 CpuOffload") for one in rendered.missing] == [[]]


def test_a_tile_larger_than_the_picture_is_noticed(miniature_folder: Path, tmp_path: Path) -> None:
    """Tiling that is enabled but never tiles has no effect."""
    subject = replace(SUBJECT, vae_tile=None)
    rendered = look(strategy_named("vae-tiling"), miniature_folder, tmp_path, subject=subject)
    assert [unsaid(one, "tiles decoded: 1", "at least 2") for one in rendered.missing] == [[]]


# --- and given back


@pytest.mark.parametrize("name", ["model-offload", "sequential-offload", "fp8-layerwise-model-offload"])
def test_removing_the_hooks_gives_the_plain_pipeline_again(
    name: str, seen: Callable[[str], Seen], miniature_folder: Path, tmp_path: Path
) -> None:
    """After `remove_all_hooks` the weights are where they were, and the pictures are what they were."""
    reference = strategy_named(name).promise.reproduces
    assert reference is not None

    def load(site: Site) -> Any:
        pipe = strategy_named(name).load(site)
        pipe(**SHOT.arguments(), generator=torch.Generator("cpu").manual_seed(0))
        pipe.remove_all_hooks()
        return pipe.to(site.device)

    rendered = look(strategy_named(reference), miniature_folder, tmp_path, load=load)
    assert (rendered.missing, rendered.pictures) == ((), seen(reference).pictures)


def test_removing_groups_gives_the_plain_pipeline_again(
    seen: Callable[[str], Seen], miniature_folder: Path, tmp_path: Path
) -> None:
    """Group offloading, whose hooks are diffusers' own, goes by its own registry."""

    def load(site: Site) -> Any:
        pipe = strategy_named("group-offload-block").load(site)
        pipe(**SHOT.arguments(), generator=torch.Generator("cpu").manual_seed(0))
        for part in loading.modules_of(pipe).values():
            registry = diffusers.hooks.HookRegistry.check_if_exists_or_initialize(part)
            registry.remove_hook("group_offloading", recurse=True)
        return pipe.to(site.device)

    if "group-offload-block" not in RUNNING:
        pytest.skip(str(unsupported(strategy_named("group-offload-block"))))
    rendered = look(strategy_named("full"), miniature_folder, tmp_path, load=load)
    assert (rendered.missing, rendered.pictures) == ((), seen("full").pictures)


# --- what upstream has broken


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # what is not initialised
def test_leaves_on_disk_lose_tied_weights(miniature_folder: Path, tmp_path: Path, seen: Callable[[str], Seen]) -> None:
    """Where T5 has two layers for one embedding, they become two files, the second of uninitialised memory.

    This is why the strategy keeps encoders in blocks; once it fails, that can go."""
    skip_without("group-offload-leaf-disk")

    def load(site: Site) -> Any:
        pipe = site.pipeline()
        if pipe.text_encoder_2.shared is pipe.text_encoder_2.encoder.embed_tokens:
            pytest.skip("this transformers has one layer for it")
        offload_component(pipe.text_encoder_2, site, **IN_LEAVES, offload_to_disk_path=str(site.scratch))
        return pipe

    rendered = look(strategy_named("full"), miniature_folder, tmp_path, load=load)
    assert rendered.pictures != seen("full").pictures


def test_four_bits_do_not_survive_sequential_offloading(miniature_folder: Path, tmp_path: Path) -> None:
    """The quantization state is lost on the way through the meta device."""
    skip_without("nf4-t5-sequential-offload")
    with pytest.raises(NotImplementedError, match="meta tensor"):
        look(strategy_named("nf4-t5-sequential-offload"), miniature_folder, tmp_path)
