"""Tests of what strategies need: the reason is known without importing torch, and says what would help."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from fluxgate.machine import Machine
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.requirements import Gpu, Release, Requirements, release
from fluxgate.subjects.subject import Needs, Shot, Subject
from tests.strategies.machines import CPU, H100, NEW, OLD, TWO
from tests.strategies.named import strategy_named
from tests.wording import unsaid

SUBJECT = Subject("small", "a small pipeline", "folder:.", ())


def reason(name: str, machine: Machine = H100, stack: dict[str, str] = NEW) -> str | None:
    return strategy_named(name).unsupported(SUBJECT, machine, stack)


def test_everything_but_several_gpus_runs_on_an_h100_with_all_packages() -> None:
    """One GPU and the newest libraries leave out those that need two."""
    several = {"device-map-balanced", "context-parallel", "tensor-parallel"}
    assert {s.name for s in STRATEGIES if reason(s.name)} == several


def test_two_gpus_run_everything() -> None:
    """With a second GPU nothing is left out."""
    assert [s.name for s in STRATEGIES if reason(s.name, TWO)] == []


def test_a_cpu_runs_these() -> None:
    """What has a form on a CPU is supported there, and nothing else."""
    assert [s.name for s in STRATEGIES if reason(s.name, CPU) is None] == [
        "full",
        "sequential-offload",
        "model-offload",
        "group-offload-block",
        "group-offload-leaf",
        "group-offload-by-component",
        "group-offload-disk",
        "group-offload-leaf-disk",
        "staged",
        "staged-processes",
        "staged-256-tokens",
        "vae-slicing",
        "vae-tiling",
        "nf4-linear",
        "nf4-t5",
        "nf4-t5-sequential-offload",
        "int8-t5",
        "int8-t5-reloaded",
        "int8-t5-sequential-offload",
        "full-float32",
        "fp8-layerwise",
        "fp8-layerwise-model-offload",
        "torchao-int8wo",
        "quanto-int8",
        "gguf-q8",
        "lora",
        "lora-unloaded",
        "ip-adapter",
        "ip-adapter-off",
        "ip-adapter-unloaded",
        "first-block-cache",
        "taylorseer-cache",
        "pyramid-attention-broadcast",
        "compiled",
    ]


@pytest.mark.parametrize(
    "name, machine, stack, expected",
    [
        ("nf4", CPU, NEW, "a GPU is needed: diffusers' loader for bitsandbytes refuses a CPU"),
        ("device-map-balanced", H100, NEW, "2 GPUs are needed: components are spread over several; this machine has 1"),
        (
            "nf4-pipeline",
            H100,
            OLD,
            "diffusers 0.34.0 or newer is needed to quantize a whole pipeline by one configuration; "
            "0.33.1 is installed",
        ),
        (
            "group-offload-disk",
            H100,
            OLD,
            "diffusers 0.34.0 or newer is needed to offload groups of layers to disk; 0.33.1 is installed",
        ),
        (
            "group-offload-block",
            CPU,
            OLD,
            "diffusers 0.41.0 or newer is needed to offload groups of layers where there is no GPU; "
            "0.33.1 is installed",
        ),
        (
            "nf4-t5",
            CPU,
            OLD,
            "transformers 4.56.0 or newer is needed to quantize where there is no GPU; 4.48.0 is installed",
        ),
        (
            "int8-model-offload",
            H100,
            OLD,
            "diffusers 0.40.0 or newer is needed to offload 8-bit components; 0.33.1 is installed",
        ),
        ("lora", H100, OLD, "peft is needed to load a LoRA; it is not installed"),
        (
            "taylorseer-cache",
            H100,
            {**NEW, "diffusers": "0.35.1"},
            "diffusers 0.36.0 or newer is needed to foretell what an attention gives; 0.35.1 is installed",
        ),
        ("gguf-q8", H100, OLD, "gguf is needed to write and read GGUF files; it is not installed"),
    ],
)
def test_the_reason_is_one_sentence(name: str, machine: Machine, stack: dict[str, str], expected: str) -> None:
    """It names what is missing, what it is for, and what is there instead."""
    assert reason(name, machine, stack) == expected


def test_twice_the_memory_must_be_there() -> None:
    """A GPU with exactly that much will do; on a CPU it does not matter."""
    small, large = (replace(SUBJECT, needs=Needs(vram=size)) for size in (H100.memory // 2, 50_000_000_000))
    float32 = strategy_named("full-float32").unsupported
    assert (float32(small, H100, NEW), float32(large, CPU, NEW)) == (None, None)
    reason = float32(large, replace(H100, memory=80 * 10**9), NEW)
    assert not unsaid(reason, "100.00 GB is needed", "float32 takes twice the memory", "this one has 80.00 GB")


def test_bitsandbytes_that_is_not_installed_is_named() -> None:
    """Without it every strategy that quantizes with it is left out for that reason."""
    without = {package: version for package, version in NEW.items() if package != "bitsandbytes"}
    reasons = {reason(s.name, H100, without) for s in STRATEGIES if s.family == "quantization"}
    (named,) = reasons
    assert not unsaid(named, "bitsandbytes is needed", "not installed")


def shot(**fields: Any) -> Shot:
    return Shot("one", ("a tree",), seed=1, **fields)


def test_slicing_needs_several_pictures() -> None:
    """A subject whose shots give one picture each has nothing to slice."""
    single, pair = (replace(SUBJECT, shots=(shot(pictures_per_prompt=number),)) for number in (1, 2))
    needs = strategy_named("vae-slicing").unsupported
    assert not unsaid(needs(single, H100, NEW), "no shot of small", "several pictures")
    assert needs(pair, H100, NEW) is None


def test_tiling_needs_a_picture_larger_than_a_tile() -> None:
    """Judged where the subject says how large a tile is; a picture as large as the tile is one tile."""
    needs = strategy_named("vae-tiling").unsupported
    subject = replace(SUBJECT, shots=(shot(height=128, width=256),))
    assert not unsaid(needs(replace(subject, vae_tile=256), H100, NEW), "no shot of small", "256 pixels")
    assert needs(replace(subject, vae_tile=255), H100, NEW) is None
    assert needs(subject, H100, NEW) is None


def test_a_shot_for_gpus_only_is_no_help_on_a_cpu() -> None:
    """Needs look at the shots that are rendered on the machine at hand."""
    subject = replace(SUBJECT, shots=(shot(), shot(pictures_per_prompt=4, only_on="cuda")))
    assert strategy_named("vae-slicing").unsupported(subject, H100, NEW) is None
    assert strategy_named("vae-slicing").unsupported(subject, CPU, NEW) is not None


def test_a_need_of_cpus_is_not_asked_of_a_gpu() -> None:
    """Group offloading works on a GPU with the oldest release."""
    assert reason("group-offload-block", H100, OLD) is None


def test_the_first_reason_is_told() -> None:
    """Needs are looked at in order."""
    needs = Requirements((Gpu("of this"), Release("nothing", "1.0", to="do that")))
    assert needs(SUBJECT, CPU, {}) == "a GPU is needed: of this"
    assert not unsaid(needs(SUBJECT, H100, {}), "nothing is needed", "not installed")


@pytest.mark.parametrize(
    "installed, enough",
    [
        ("0.40.9", False),
        ("0.41.0", True),
        ("0.41.0.dev0", True),
        ("0.41.0+cu130", True),
        ("0.41.0rc1", True),
        ("1", True),
    ],
)
def test_a_release_is_compared_without_its_suffix(installed: str, enough: bool) -> None:
    """A development version counts as the release that it becomes."""
    assert (release(installed) >= release("0.41.0")) is enough
    need = Release("diffusers", "0.41.0", to="do that")
    assert (need(SUBJECT, replace(CPU), {"diffusers": installed}) is None) is enough


def test_no_reason_needs_torch() -> None:
    """The whole matrix is known before anything heavy is imported."""
    code = (
        "import sys; from fluxgate.cases import matrix; from fluxgate.machine import detect, stack;"
        "from fluxgate.strategies import STRATEGIES; from fluxgate.subjects.subject import Subject;"
        "matrix([Subject('s', '', 'folder:.', ())], STRATEGIES, machine=detect(), stack=stack());"
        "sys.exit(bool({'torch', 'diffusers', 'transformers', 'bitsandbytes'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("pipeline", "words"),
    [
        ("DiTPipeline", "does not offload groups of layers of a DiTTransformer2DModel, which transformer is"),
        ("KandinskyV22CombinedPipeline", "of a VQModel, which movq is"),
        ("FluxPipeline", None),
    ],
)
def test_a_class_may_refuse_to_be_offloaded_in_groups(pipeline: str, words: str | None) -> None:
    """Its own attribute says so; by blocks, by leaves and in files alike."""
    pytest.importorskip("diffusers")
    subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline)
    for name in ("group-offload-block", "group-offload-leaf", "group-offload-leaf-disk"):
        reason = strategy_named(name).unsupported(subject, CPU, NEW)
        assert (reason is None) is (words is None)
        assert words is None or words in str(reason)


def test_noise_that_a_call_draws_itself_cannot_be_drawn_in_another_dtype() -> None:
    """DiT has no method for it, which would be given the subject's own noise in float32."""
    pytest.importorskip("diffusers")
    for pipeline, drawn_apart in (("DiTPipeline", False), ("FluxPipeline", True)):
        subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline)
        reason = strategy_named("full-float32").unsupported(subject, CPU, NEW)
        assert ("draws its noise itself" in str(reason)) is not drawn_apart


@pytest.mark.parametrize("name", ["staged-float16", "staged-as-published", "nf4-as-published"])
def test_float16_for_all_needs_no_component_in_a_dtype_of_its_own(name: str) -> None:
    """What must be wide would be narrowed with the rest."""
    own = replace(SUBJECT, dtypes={"vae": "float32"})
    assert reason(name) is None
    assert not unsaid(strategy_named(name).unsupported(own, H100, NEW), "all in float16", "vae is to be in float32")
