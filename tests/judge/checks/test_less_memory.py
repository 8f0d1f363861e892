"""Tests of the promise to use less memory than another strategy."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.judge.checks.less_memory import FEW, FEW_ON_GPU
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import CRASHED, FAILED, LESS, NO_DATA, PASSED
from fluxgate.rendering import DENOISE, Component, Inventory, Memory
from tests.judge.checks.memories import GB, memory, on_cpu, using
from tests.judge.made import CRASH, crashed, evidence, made, promising, verdict, with_rendering
from tests.wording import unsaid


def large(found: Evidence, weights: int = FEW_ON_GPU) -> Evidence:
    """The same with so many bytes of weights."""
    parts = Component("transformer", "T", {"bfloat16": weights}, 0, {}, {}, {}, {}, None)
    return with_rendering(found, inventory=Inventory({"transformer": parts}))


# On a GPU


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, FAILED), (1, FAILED)])
def test_less_means_less(tmp_path: Path, above: int, status: str) -> None:
    """As much as the other is not less."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    found = verdict(large(using(tmp_path, memory(5 * GB + above), memory_reference=other)), LESS)
    assert found.status == status
    assert (found.numbers["allocated"], found.numbers["allocated by full"]) == (5 * GB + above, 5 * GB)
    assert found.limit is not None
    assert (found.limit.value, unsaid(found.limit.source, "less than full")) == (5 * GB, [])
    assert ("no less than" in found.sentence) is (above == 0)


def test_less_is_told_with_both_figures(tmp_path: Path) -> None:
    """By how much it misses, and what to run."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    assert verdict(using(tmp_path, memory(6 * GB), memory_reference=other), LESS).sentence == (
        "It peaks at 6.00 GB, 1.00 GB more than full's 5.00 GB, and promises to use less. "
        "Run pytest --subject tiny --strategy offload."
    )
    assert not unsaid(
        verdict(using(tmp_path, memory(2 * GB), memory_reference=other), LESS).sentence,
        "peaks at 2.00 GB",
        "3.00 GB less than full",
    )


def test_only_the_promised_phases_count(tmp_path: Path) -> None:
    """A strategy that promises less while it denoises may load as much as the other."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    one = promising("offload", reproduces="full", less_memory_than="full", less_during=(DENOISE,))
    whole = with_rendering(evidence(tmp_path, one, memory_reference=other), memory=memory(5 * GB, denoise=GB))
    found = verdict(whole, LESS)
    assert found.status == PASSED
    assert not unsaid(found.sentence, "1.00 GB during denoise")


def test_less_than_what_is_not_there_is_not_judged(tmp_path: Path) -> None:
    """No rendering, no measure: no data, and what would give it; a crash of the other is told as that."""
    found = verdict(using(tmp_path, memory(), memory_reference=None), LESS)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "not rendered", "pytest --subject tiny --strategy full,offload")
    unmeasured = made(tmp_path, "full", memory=None)
    found = verdict(using(tmp_path, memory(), memory_reference=unmeasured), LESS)
    assert (found.status, unsaid(found.sentence, "full", "--strategy full,offload")) == (NO_DATA, [])
    found = verdict(using(tmp_path, memory(), memory_reference=crashed(made(tmp_path))), LESS)
    assert (found.status, "full, which crashed: see tiny-full." in found.sentence) == (CRASHED, True)
    full = crashed(made(tmp_path))
    full = replace(full, rendering=replace(full.rendering, crash=replace(CRASH, limit=16 * GB)))
    found = verdict(using(tmp_path, memory(), memory_reference=full), LESS)
    assert (found.status, unsaid(found.sentence, "16.00 GB", "--strategy full,offload")) == (NO_DATA, [])


@pytest.mark.parametrize("memories", [memory(None, held=None), None])
def test_less_of_what_was_not_measured_is_not_judged(tmp_path: Path, memories: Memory | None) -> None:
    """The reason is told, and never a figure of 0."""
    found = verdict(using(tmp_path, memories), LESS)
    assert (found.status, found.sentence.startswith("GPU memory was not measured: ")) == (NO_DATA, True)


# On a CPU


SPARING = promising("disk", "offloading", reproduces="full", less_memory_than="full", spares_host=True)
LOADED = Inventory({"transformer": Component("transformer", "T", {"bfloat16": 4 * FEW}, 0, {}, {}, {}, {}, None)})


def sparing(tmp_path: Path, loaded: int | None, *, inventory: Inventory | None = LOADED) -> Evidence:
    """A strategy whose weights wait in files, on a CPU where full has 1 GB in memory once loaded."""
    other = made(tmp_path, "full", memory=replace(memory(None), host_loaded=GB))
    whole = on_cpu(evidence(tmp_path, SPARING, memory_reference=other), host_loaded=loaded)
    return with_rendering(whole, inventory=inventory)


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
def test_weights_that_wait_in_files_are_not_in_memory_too(tmp_path: Path, above: int, status: str) -> None:
    """A quarter of them at the least is missing from the process."""
    found = verdict(sparing(tmp_path, GB - FEW + above), LESS)
    assert (found.status, found.numbers) == (status, {"host loaded": GB - FEW + above, "host loaded by full": GB})
    said = "Once loaded, its process has 33.6 MB less than full in memory; at least 33.6 MB less are due"
    assert found.sentence.startswith(said)
    assert (unsaid(found.sentence, "stay in memory", "Run pytest") == []) == (status == FAILED)
    assert found.limit is not None
    assert found.limit.value == GB - FEW
    assert not unsaid(found.limit.source, "25% of the weights", "full")


@pytest.mark.parametrize(("above", "word"), [(-1, "less"), (0, "more"), (1, "more")])
def test_what_is_in_memory_is_told_as_less_or_more(tmp_path: Path, above: int, word: str) -> None:
    """Beside the process that has all of them."""
    assert f" {word} than full in memory" in verdict(sparing(tmp_path, GB + above), LESS).sentence


def test_what_cannot_be_seen_in_a_process_is_not_judged(tmp_path: Path) -> None:
    """Few weights, and memory that nobody measured; on a GPU its own peak is judged as ever."""
    few = Inventory({"vae": Component("vae", "V", {"bfloat16": FEW - 1}, 0, {}, {}, {}, {}, None)})
    found = verdict(sparing(tmp_path, GB, inventory=few), LESS)
    assert (found.status, "too few to be missed" in found.sentence) == (NO_DATA, True)
    assert found.numbers == {"host loaded": GB, "host loaded by full": GB}
    unknown = verdict(sparing(tmp_path, GB, inventory=None), LESS)
    assert (unknown.status, unsaid(unknown.sentence, "0 B of weights")) == (NO_DATA, [])
    enough = Inventory({"vae": Component("vae", "V", {"bfloat16": FEW}, 0, {}, {}, {}, {}, None)})
    assert verdict(sparing(tmp_path, GB, inventory=enough), LESS).status == FAILED
    found = verdict(sparing(tmp_path, None), LESS)
    assert (found.status, found.sentence.startswith("Host memory was not measured")) == (NO_DATA, True)
    other = made(tmp_path, "full", memory=memory(5 * GB))
    gpu = with_rendering(evidence(tmp_path, SPARING, memory_reference=other), memory=memory(4 * GB))
    assert verdict(gpu, LESS).numbers["allocated"] == 4 * GB


@pytest.mark.parametrize(("weights", "status"), [(FEW_ON_GPU - 1, NO_DATA), (FEW_ON_GPU, FAILED)])
def test_a_tiny_pipeline_shows_nothing_on_a_gpu(tmp_path: Path, weights: int, status: str) -> None:
    """What kernels take beside its weights varies by as much; a leak larger than all of them fails all the same."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    for more, expected in ((1000, status), (weights, FAILED)):
        held = large(using(tmp_path, memory(5 * GB + more), memory_reference=other), weights)
        found = verdict(held, LESS)
        assert (found.status, found.numbers["allocated"]) == (expected, 5 * GB + more)
        assert found.limit is not None
        assert found.limit.value == 5 * GB
