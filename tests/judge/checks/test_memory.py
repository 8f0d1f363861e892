"""Tests of the memory checks, each at its limit and one byte to either side."""

from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.compare.facts import WHOLE
from fluxgate.judge.checks.memory import FEW, LEFT, LEFT_BY_GPU, LIBRARIES, TABLES
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import CEILING, CRASHED, FAILED, GIVES_BACK, HOST, LESS, PASSED, UNSUPPORTED
from fluxgate.rendering import DENOISE, LEFTOVER_FILES, PHASES, Component, Inventory, Memory, PhaseMemory
from fluxgate.strategies.promise import LibraryCache
from tests.judge.made import CRASH, FULL, crashed, evidence, made, promising, verdict, with_rendering

GB = 10**9
THRIFTY = promising("offload", "offloading", reproduces="full", less_memory_than="full")


def memory(allocated: int | None = 5 * GB, *, held: int | None = 0, host: int | None = 2 * GB, **phases: int) -> Memory:
    """Peaks that are alike in all phases but those named."""
    found = tuple(
        PhaseMemory(phase, phases.get(phase, allocated), allocated, None if allocated is None else allocated + GB, host)
        for phase in PHASES
    )
    reasons = {"allocated": "there is no GPU", "held_after": "there is no GPU"} if allocated is None else {}
    return Memory(found, held, host, host, None, reasons)


def using(tmp_path: Path, found: Memory | None, **changes: object) -> Evidence:
    return with_rendering(evidence(tmp_path, THRIFTY, **changes), memory=found)


def ceiling(value: float, phase: str = WHOLE) -> CaseLimits:
    return CaseLimits(memory={phase: Band(ceiling=Limit(value, "measured", n=5, machine="tiny"))})


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
@pytest.mark.parametrize("phase", [*PHASES, WHOLE])
def test_a_ceiling_is_kept_to_the_byte(tmp_path: Path, above: int, status: str, phase: str) -> None:
    """One byte above a ceiling fails, in every phase and over all."""
    found = verdict(using(tmp_path, memory(5 * GB + above), limits=ceiling(5 * GB, phase)), CEILING)
    assert found.status == status
    assert found.limit == Limit(5 * GB, "measured", n=5, machine="tiny")
    assert found.numbers[f"allocated {phase}"] == 5 * GB + above


@pytest.mark.parametrize(("above", "status"), [(-1, FAILED), (0, PASSED), (1, PASSED)])
def test_a_floor_is_kept_to_the_byte(tmp_path: Path, above: int, status: str) -> None:
    """Less than the weights need is as wrong as too much."""
    limits = CaseLimits(memory={WHOLE: Band(floor=Limit(5 * GB, "inventory: weights on the GPU"))})
    found = verdict(using(tmp_path, memory(5 * GB + above), limits=limits), CEILING)
    assert found.status == status
    assert ("Something may not have been loaded" in found.sentence) == (status == FAILED)


def test_a_missed_ceiling_is_told_whole(tmp_path: Path) -> None:
    """Which phase, what was found, by how much, the ceiling and its source, what to run."""
    found = verdict(using(tmp_path, memory(denoise=6 * GB), limits=ceiling(5.5 * GB, DENOISE)), CEILING)
    assert found.sentence == (
        "Denoise peaks at 6.00 GB, 0.50 GB more than the ceiling of 5.50 GB (measured, n=5, tiny). "
        "Run pytest --subject tiny --strategy offload."
    )


def test_bytes_are_told_where_rounding_would_hide_them(tmp_path: Path) -> None:
    """5.00 GB is not told to be more than 5.00 GB."""
    found = verdict(using(tmp_path, memory(5 * GB + 1), limits=ceiling(5 * GB)), CEILING)
    assert "The whole peaks at 5,000,000,001 B, 1 B more than the ceiling of 5,000,000,000 B" in found.sentence


def test_a_loose_ceiling_is_reported(tmp_path: Path) -> None:
    """A ceiling far above what is used passes, and says what tightens it."""
    found = verdict(using(tmp_path, memory(4 * GB), limits=ceiling(5 * GB)), CEILING)
    assert found.status == PASSED
    assert "Too loose by now: whole; fluxgate accept --trim tightens them." in found.sentence
    assert "Too loose" not in verdict(using(tmp_path, memory(4.9 * GB), limits=ceiling(5 * GB)), CEILING).sentence


def test_a_published_figure_is_told_and_never_judged(tmp_path: Path) -> None:
    """What somebody else reported is met or missed by how much, as the driver sees it."""
    published = replace(ceiling(5 * GB), published=Limit(5.5 * GB, "published"))
    found = verdict(using(tmp_path, memory(), limits=published), CEILING)
    assert found.status == PASSED
    assert "The published 5.50 GB is missed by 0.50 GB (driver: 6.00 GB)." in found.sentence
    met = replace(ceiling(5 * GB), published=Limit(6 * GB, "published"))
    assert (
        "The published 6.00 GB is met (driver: 6.00 GB)."
        in verdict(using(tmp_path, memory(), limits=met), CEILING).sentence
    )


def test_without_limits_or_a_gpu_ceilings_are_unsupported(tmp_path: Path) -> None:
    """The reason is told, and never a figure of 0."""
    found = verdict(using(tmp_path, memory()), CEILING)
    assert (found.status, "No ceiling was measured for this machine; run" in found.sentence) == (UNSUPPORTED, True)
    for check in (CEILING, LESS, GIVES_BACK):
        found = verdict(using(tmp_path, memory(None, held=None)), check)
        assert (found.status, "was not measured: there is no GPU." in found.sentence) == (UNSUPPORTED, True)
        found = verdict(using(tmp_path, None), check)
        assert (found.status, "the worker measured no memory" in found.sentence) == (UNSUPPORTED, True)


# Uses less


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, FAILED), (1, FAILED)])
def test_less_means_less(tmp_path: Path, above: int, status: str) -> None:
    """As much as the other is not less."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    found = verdict(using(tmp_path, memory(5 * GB + above), yardstick=other), LESS)
    assert found.status == status
    assert (found.numbers["allocated"], found.numbers["allocated by full"]) == (5 * GB + above, 5 * GB)


def test_less_is_told_with_both_figures(tmp_path: Path) -> None:
    """By how much it misses, and what to run."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    assert verdict(using(tmp_path, memory(6 * GB), yardstick=other), LESS).sentence == (
        "It peaks at 6.00 GB, 1.00 GB more than full with 5.00 GB, and promises less. "
        "Run pytest --subject tiny --strategy offload."
    )
    assert (
        verdict(using(tmp_path, memory(2 * GB), yardstick=other), LESS).sentence
        == "It peaks at 2.00 GB, 3.00 GB less than full."
    )


def test_only_the_promised_phases_count(tmp_path: Path) -> None:
    """A strategy that promises less while it denoises may load as much as the other."""
    other = made(tmp_path, "full", memory=memory(5 * GB))
    one = promising("offload", reproduces="full", less_memory_than="full", less_during=(DENOISE,))
    whole = with_rendering(evidence(tmp_path, one, yardstick=other), memory=memory(5 * GB, denoise=GB))
    found = verdict(whole, LESS)
    assert found.status == PASSED
    assert "It peaks at 1.00 GB during denoise" in found.sentence


def test_less_than_what_is_not_there_is_not_judged(tmp_path: Path) -> None:
    """No promise, no rendering, no measure: unsupported; a crash of the other is told as that."""
    assert "does not promise" in verdict(evidence(tmp_path), LESS).sentence
    assert "was not rendered in this run" in verdict(using(tmp_path, memory(), yardstick=None), LESS).sentence
    unmeasured = made(tmp_path, "full", memory=None)
    assert "was not measured in this run" in verdict(using(tmp_path, memory(), yardstick=unmeasured), LESS).sentence
    found = verdict(using(tmp_path, memory(), yardstick=crashed(made(tmp_path))), LESS)
    assert (found.status, "crashed: It was killed" in found.sentence) == (CRASHED, True)
    full = crashed(made(tmp_path))
    full = replace(full, rendering=replace(full.rendering, crash=replace(CRASH, limit=16 * GB)))
    found = verdict(using(tmp_path, memory(), yardstick=full), LESS)
    assert (found.status, "does not fit into the 16.00 GB asked for" in found.sentence) == (UNSUPPORTED, True)


# Gives everything back


@pytest.mark.parametrize(("held", "status"), [(0, PASSED), (1, FAILED)])
def test_a_single_byte_that_stays_is_seen(tmp_path: Path, held: int, status: str) -> None:
    """Where nothing was seen to stay, nothing may."""
    found = verdict(using(tmp_path, memory(held=held)), GIVES_BACK)
    assert (found.status, found.numbers) == (status, {"held after": held})


@pytest.mark.parametrize(("held", "status"), [(999, PASSED), (1000, PASSED), (1001, FAILED)])
def test_as_much_may_stay_as_was_measured(tmp_path: Path, held: int, status: str) -> None:
    """A measured allowance comes first; without one, what the reference holds in the same run."""
    limits = CaseLimits(gives_back=Band(ceiling=Limit(1000.0, "measured", n=3)))
    found = verdict(using(tmp_path, memory(held=held), limits=limits), GIVES_BACK)
    assert (found.status, "(measured, n=3)" in found.sentence) == (status, True)
    other = made(tmp_path, "full", memory=memory(held=1000))
    found = verdict(using(tmp_path, memory(held=held), reference=other), GIVES_BACK)
    assert (found.status, "as much as full holds in the same run" in found.sentence) == (status, True)


KEEPING = promising("nf4", approximates="full", library_cache=LibraryCache(1024, "bitsandbytes keeps a codebook"))


@pytest.mark.parametrize(("held", "status"), [(0, PASSED), (1023, PASSED), (1024, PASSED), (1025, FAILED)])
def test_what_a_library_keeps_may_stay_and_no_byte_more(tmp_path: Path, held: int, status: str) -> None:
    """The promise declares it, and the sentence names its reason."""
    found = verdict(with_rendering(evidence(tmp_path, KEEPING), memory=memory(held=held)), GIVES_BACK)
    assert (found.status, found.limit) == (status, Limit(1024.0, "bitsandbytes keeps a codebook"))
    assert (" may (bitsandbytes keeps a codebook)" in found.sentence) == (held > 0)


@pytest.mark.parametrize(("held", "status"), [(2024, PASSED), (2025, FAILED)])
def test_what_a_library_keeps_comes_beside_what_the_reference_holds(tmp_path: Path, held: int, status: str) -> None:
    """Both may stay, and both are named."""
    other = made(tmp_path, "full", memory=memory(held=1000))
    found = verdict(with_rendering(evidence(tmp_path, KEEPING, reference=other), memory=memory(held=held)), GIVES_BACK)
    assert (found.status, found.numbers) == (status, {"held after": held})
    assert "(as much as full holds in the same run and bitsandbytes keeps a codebook)" in found.sentence


def test_what_was_measured_counts_instead_of_what_is_declared(tmp_path: Path) -> None:
    """A measured allowance holds what the library keeps already."""
    limits = CaseLimits(gives_back=Band(ceiling=Limit(1000.0, "measured", n=3)))
    found = with_rendering(evidence(tmp_path, KEEPING, limits=limits), memory=memory(held=1001))
    assert verdict(found, GIVES_BACK).status == FAILED


def on_cpu(found: Evidence, **changes: object) -> Evidence:
    """The same on a CPU, with other figures of memory."""
    whole = replace(found, case=replace(found.case, device="cpu"))
    return with_rendering(whole, memory=replace(memory(None, held=0), unavailable={}, **changes))


@pytest.mark.parametrize(("held", "status"), [(TABLES - 1, PASSED), (TABLES, PASSED), (TABLES + 1, FAILED)])
def test_libraries_may_keep_tables_on_a_cpu(tmp_path: Path, held: int, status: str) -> None:
    """There all tensors that are alive count, not the pipeline's alone."""
    found = verdict(on_cpu(evidence(tmp_path, FULL), held_after=held), GIVES_BACK)
    assert (found.status, found.limit) == (status, Limit(float(TABLES), LIBRARIES))


@pytest.mark.parametrize(("grown", "status"), [(LEFT - 1, PASSED), (LEFT, PASSED), (LEFT + 1, FAILED)])
def test_rendering_the_same_again_leaves_nothing_behind_on_a_cpu(tmp_path: Path, grown: int, status: str) -> None:
    """What libraries keep outside of tensors is seen by what a second take costs."""
    found = verdict(on_cpu(evidence(tmp_path, FULL), host_grown=grown), GIVES_BACK)
    assert (found.status, found.numbers["host grown"]) == (status, grown)
    assert found.sentence.startswith("Rendering the same again left 16.8 MB more in memory") == (status == FAILED)


@pytest.mark.parametrize(
    ("held", "grown", "status"),
    [
        (TABLES, LEFT_BY_GPU + 4000, PASSED),
        (TABLES + 1, 0, FAILED),
        (0, LEFT_BY_GPU + 4001, FAILED),
    ],
)
def test_what_stays_on_the_host_beside_a_gpu_is_seen_too(tmp_path: Path, held: int, grown: int, status: str) -> None:
    """Tensors to the byte, and what a second take costs: with more room than on a CPU, that grows with the weights."""
    whole = using(tmp_path, replace(memory(), host_held=held, host_grown=grown))
    weights = Inventory({"vae": Component("vae", "V", {"bfloat16": 2_000_000}, 0, {}, {}, {}, {}, None)})
    found = verdict(with_rendering(whole, inventory=weights), GIVES_BACK)
    assert found.status == status
    assert found.numbers == {"held after": 0, "held on host": held, "host grown": grown}


@pytest.mark.parametrize(("files", "status"), [(0, PASSED), (1, FAILED), (2, FAILED)])
def test_files_that_a_second_take_leaves_are_seen(tmp_path: Path, files: int, status: str) -> None:
    """A disk fills up as memory does."""
    whole = using(tmp_path, memory())
    whole = with_rendering(whole, inventory=replace(whole.rendering.inventory, counts={LEFTOVER_FILES: files}))
    found = verdict(whole, GIVES_BACK)
    assert found.status == status
    said = f"Rendering the same again left {files} more {'file' if files == 1 else 'files'} on the disk: each call"
    assert found.sentence.startswith(said) == (status == FAILED)


# Spares the host


SPARING = promising("disk", "offloading", reproduces="full", less_memory_than="full", spares_host=True)
LOADED = Inventory({"transformer": Component("transformer", "T", {"bfloat16": 4 * FEW}, 0, {}, {}, {}, {}, None)})


def sparing(tmp_path: Path, loaded: int | None, *, inventory: Inventory = LOADED) -> Evidence:
    """A strategy whose weights wait in files, on a CPU where full has 1 GB in memory once loaded."""
    other = made(tmp_path, "full", memory=replace(memory(None), host_loaded=GB))
    whole = on_cpu(evidence(tmp_path, SPARING, yardstick=other), host_loaded=loaded)
    return with_rendering(whole, inventory=inventory)


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
def test_weights_that_wait_in_files_are_not_in_memory_too(tmp_path: Path, above: int, status: str) -> None:
    """A quarter of them at the least is missing from the process."""
    found = verdict(sparing(tmp_path, GB - FEW + above), LESS)
    assert (found.status, found.numbers) == (status, {"host loaded": GB - FEW + above, "host loaded by full": GB})
    said = "Once loaded, its process has 33.6 MB less than full in memory; 33.6 MB less are due"
    assert found.sentence.startswith(said)
    assert ("they stay in memory, too. Run pytest" in found.sentence) == (status == FAILED)


def test_what_cannot_be_seen_in_a_process_is_not_judged(tmp_path: Path) -> None:
    """Few weights, and memory that nobody measured; on a GPU its own peak is judged as ever."""
    few = Inventory({"vae": Component("vae", "V", {"bfloat16": FEW - 1}, 0, {}, {}, {}, {}, None)})
    found = verdict(sparing(tmp_path, GB, inventory=few), LESS)
    assert (found.status, "too few to be missed" in found.sentence) == (UNSUPPORTED, True)
    enough = Inventory({"vae": Component("vae", "V", {"bfloat16": FEW}, 0, {}, {}, {}, {}, None)})
    assert verdict(sparing(tmp_path, GB, inventory=enough), LESS).status == FAILED
    found = verdict(sparing(tmp_path, None), LESS)
    assert (found.status, found.sentence.startswith("Host memory was not measured")) == (UNSUPPORTED, True)
    other = made(tmp_path, "full", memory=memory(5 * GB))
    gpu = with_rendering(evidence(tmp_path, SPARING, yardstick=other), memory=memory(4 * GB))
    assert verdict(gpu, LESS).numbers["allocated"] == 4 * GB


# Host memory


@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
def test_host_memory_has_a_ceiling_of_its_own(tmp_path: Path, above: int, status: str) -> None:
    """The worker's own peak, to the byte."""
    limits = CaseLimits(host=Band(ceiling=Limit(2 * GB, "measured")))
    found = verdict(using(tmp_path, memory(host=2 * GB + above), limits=limits), HOST)
    assert (found.status, found.numbers) == (status, {"host peak": 2 * GB + above})
    assert ("Host memory peaks at 2,000,000,001 B, 1 B more than the ceiling" in found.sentence) == (above > 0)


def test_host_memory_without_limit_or_measure_is_unsupported(tmp_path: Path) -> None:
    """Why there is nothing to say is said."""
    assert "No ceiling was measured" in verdict(using(tmp_path, memory()), HOST).sentence
    empty = CaseLimits(host=Band())
    assert verdict(using(tmp_path, memory(), limits=empty), HOST).status == UNSUPPORTED
    assert "Host memory was not measured" in verdict(using(tmp_path, memory(host=None)), HOST).sentence
