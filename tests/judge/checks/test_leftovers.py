"""Tests of the check of what stays behind, each at its limit and one byte to either side."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.limits import Band, CaseLimits, Limit
from fluxgate.compare.work import FILES_READ
from fluxgate.judge.checks.leftovers import COMES_AND_GOES, COUNTERS, FEW, GROWTH, GROWTH_BY_GPU, LIBRARIES, TABLES
from fluxgate.judge.verdict import FAILED, GIVES_BACK, NO_DATA, PASSED
from fluxgate.rendering import (
    AFTER,
    BLOCKS,
    FILES_AT_END,
    FILES_OPEN,
    GPU_OTHERWISE,
    LEFTOVER_FILES,
    MALLOC,
    MAPPED,
    PROCESSES_AT_END,
    THREADS,
    THREADS_AT_END,
    WEIGHTS_AT_END,
    Component,
    Inventory,
    PhaseWork,
    Repeated,
    Work,
)
from fluxgate.strategies.promise import LibraryCache
from tests.judge.checks.memories import memory, on_cpu, using
from tests.judge.made import FULL, accepted, evidence, made, promising, verdict, with_rendering
from tests.wording import unsaid


def weighing(size: int, counts: dict[str, int] | None = None) -> Inventory:
    """Weights of so many bytes; a second take has left no file."""
    vae = Component("vae", "V", {"bfloat16": size}, 0, {}, {}, {}, {}, None)
    return Inventory({"vae": vae}, {LEFTOVER_FILES: 0} if counts is None else counts)


@pytest.mark.parametrize(("held", "status"), [(0, PASSED), (FEW, PASSED), (FEW + 1, FAILED)])
def test_next_to_nothing_may_stay(tmp_path: Path, held: int, status: str) -> None:
    """Where nothing was seen to stay: a number that a library knows again is no leak."""
    found = verdict(using(tmp_path, memory(held=held)), GIVES_BACK)
    assert (found.status, found.numbers["held after"]) == (status, held)
    assert (found.sentence == "Everything is given back.") is (held == 0)
    assert status == PASSED or not unsaid(found.sentence, "on the GPU")


@pytest.mark.parametrize(("held", "status"), [(9999, PASSED), (10_000, PASSED), (10_001, FAILED)])
def test_as_much_may_stay_as_was_measured(tmp_path: Path, held: int, status: str) -> None:
    """A measured allowance comes first; without one, what the reference holds in the same run."""
    limits = CaseLimits(gives_back=Band(ceiling=Limit(10_000.0, "measured", n=3)))
    found = verdict(using(tmp_path, memory(held=held), limits=limits), GIVES_BACK)
    assert (found.status, "(measured, n=3)" in found.sentence) == (status, True)
    other = made(tmp_path, "full", memory=memory(held=10_000))
    found = verdict(using(tmp_path, memory(held=held), reference=other), GIVES_BACK)
    assert (found.status, unsaid(found.sentence, "as much as full")) == (status, [])


@pytest.mark.parametrize(("held", "status"), [(1000 + FEW, PASSED), (1001 + FEW, FAILED)])
def test_what_caches_of_a_library_kept_is_told_and_is_no_leak(tmp_path: Path, held: int, status: str) -> None:
    """Neither of the strategy nor of the reference that it is held to."""
    found = verdict(using(tmp_path, replace(memory(held=held), held_by_caches=1000)), GIVES_BACK)
    assert (found.status, found.numbers["held after"]) == (status, held - 1000)
    assert (unsaid(found.sentence, "1.0 KB of their own") == []) is (status == PASSED)
    other = made(tmp_path, "full", memory=replace(memory(held=1000), held_by_caches=1000))
    assert verdict(using(tmp_path, memory(held=FEW + 1), reference=other), GIVES_BACK).status == FAILED


KEEPING = promising("nf4", approximates="full", library_cache=LibraryCache(10_240, "bitsandbytes keeps a codebook"))


@pytest.mark.parametrize(("held", "status"), [(0, PASSED), (10_239, PASSED), (10_240, PASSED), (10_241, FAILED)])
def test_what_a_library_keeps_may_stay_and_no_byte_more(tmp_path: Path, held: int, status: str) -> None:
    """The promise declares it, and the sentence names its reason."""
    found = verdict(with_rendering(evidence(tmp_path, KEEPING), memory=memory(held=held)), GIVES_BACK)
    assert (found.status, found.limit) == (status, Limit(10_240.0, "bitsandbytes keeps a codebook"))
    assert (" may (bitsandbytes keeps a codebook)" in found.sentence) == (held > 0)


@pytest.mark.parametrize(("held", "status"), [(11_240, PASSED), (11_241, FAILED)])
def test_what_a_library_keeps_comes_beside_what_the_reference_holds(tmp_path: Path, held: int, status: str) -> None:
    """Both may stay, and both are named."""
    other = made(tmp_path, "full", memory=memory(held=1000))
    found = verdict(with_rendering(evidence(tmp_path, KEEPING, reference=other), memory=memory(held=held)), GIVES_BACK)
    assert (found.status, found.numbers["held after"]) == (status, held)
    assert not unsaid(found.sentence, "as much as full", "bitsandbytes keeps a codebook")


def test_what_was_measured_counts_instead_of_what_is_declared(tmp_path: Path) -> None:
    """A measured allowance holds what the library keeps already."""
    limits = CaseLimits(gives_back=Band(ceiling=Limit(1000.0, "measured", n=3)))
    found = with_rendering(evidence(tmp_path, KEEPING, limits=limits), memory=memory(held=1001))
    assert verdict(found, GIVES_BACK).status == FAILED


@pytest.mark.parametrize(("held", "status"), [(TABLES - 1, PASSED), (TABLES, PASSED), (TABLES + 1, FAILED)])
def test_libraries_may_keep_tables_on_a_cpu(tmp_path: Path, held: int, status: str) -> None:
    """There all tensors that are alive count, not the pipeline's alone."""
    found = verdict(on_cpu(evidence(tmp_path, FULL), held_after=held), GIVES_BACK)
    assert (found.status, found.limit) == (status, Limit(float(TABLES), LIBRARIES))
    assert not unsaid(found.sentence, "in memory")


@pytest.mark.parametrize(("grown", "status"), [(GROWTH - 1, PASSED), (GROWTH, PASSED), (GROWTH + 1, FAILED)])
def test_rendering_the_same_again_leaves_nothing_behind_on_a_cpu(tmp_path: Path, grown: int, status: str) -> None:
    """What libraries keep outside of tensors is seen by what a second take costs."""
    found = verdict(on_cpu(evidence(tmp_path, FULL), host_grown=grown), GIVES_BACK)
    assert (found.status, found.numbers["host grown"]) == (status, grown)
    assert found.limit == Limit(float(GROWTH), COMES_AND_GOES) or status == PASSED


@pytest.mark.parametrize(
    ("held", "grown", "status"),
    [
        (TABLES, GROWTH_BY_GPU + 30_000, PASSED),
        (TABLES + 1, 0, FAILED),
        (0, GROWTH_BY_GPU + 30_001, FAILED),
    ],
)
def test_what_stays_on_the_host_beside_a_gpu_is_seen_too(tmp_path: Path, held: int, grown: int, status: str) -> None:
    """Tensors to the byte, and what a second take costs: with more room than on a CPU, that grows with the weights."""
    whole = using(tmp_path, replace(memory(), host_held=held, host_grown=grown))
    found = verdict(with_rendering(whole, inventory=weighing(2_000_000)), GIVES_BACK)
    assert found.status == status
    assert found.numbers == {"held after": 0, "held on host": held, "host grown": grown, "files left": 0}


@pytest.mark.parametrize(
    ("held", "status"),
    [
        ((2_000_000, 2_000_000), PASSED),
        ((TABLES + 2_002_000,) * 2, PASSED),
        ((TABLES + 2_002_001,) * 2, FAILED),
        ((0, 4096), PASSED),
        ((0, 4097), FAILED),
    ],
)
def test_tensors_that_a_call_keeps_in_memory_beside_a_gpu_are_seen(
    tmp_path: Path, held: tuple[int, ...], status: str
) -> None:
    """Weights may all lie there, and the libraries' tables; what each call adds is a leak."""
    whole = with_rendering(using(tmp_path, memory()), inventory=weighing(2_000_000))
    found = verdict(with_rendering(whole, work=Work("fox", 3, (), held_in_memory=held)), GIVES_BACK)
    assert found.status == status, found.sentence
    assert "in memory" in found.sentence or status == PASSED


@pytest.mark.parametrize(("files", "status"), [(0, PASSED), (1, FAILED), (2, FAILED)])
def test_files_that_a_second_take_leaves_are_seen(tmp_path: Path, files: int, status: str) -> None:
    """A disk fills up as memory does."""
    whole = using(tmp_path, memory())
    whole = with_rendering(whole, inventory=weighing(1000, {LEFTOVER_FILES: files}))
    found = verdict(whole, GIVES_BACK)
    assert found.status == status
    those = "file stays" if files == 1 else "files stay"
    said = f"{files} {those} on the disk after the same was rendered again; none may"
    assert found.sentence.startswith(said) == (status == FAILED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (FILES_AT_END, "1 file stays on the disk"),
        (PROCESSES_AT_END, "1 program still runs"),
        (THREADS_AT_END, "1 thread still runs"),
        (WEIGHTS_AT_END, "1 weight file is mapped"),
    ],
)
def test_what_is_there_once_the_pipeline_is_freed_is_seen(tmp_path: Path, name: str, said: str) -> None:
    """Files and processes of loading, which no second take makes again."""
    for number, status, who in ((0, PASSED, None), (1, FAILED, "diffusers or transformers")):
        counts = {LEFTOVER_FILES: 0, name: number}
        found = verdict(with_rendering(using(tmp_path, memory()), inventory=weighing(1000, counts)), GIVES_BACK)
        assert (found.status, found.suspects, found.numbers[name]) == (status, who, number)
        assert found.sentence.startswith(f"{said} once the pipeline is freed") == (status == FAILED)


def test_what_the_twin_left_on_an_h200_is_no_leak(tmp_path: Path) -> None:
    """Reading its 34 GB of weights once more left 0.25 GB; twice as much, and a little more, is a leak."""
    for grown, status in ((250_000_000, PASSED), (510_000_000, PASSED), (600_000_000, FAILED)):
        whole = using(tmp_path, replace(memory(), host_grown=grown))
        whole = with_rendering(whole, inventory=weighing(33_740_000_000))
        assert verdict(whole, GIVES_BACK).status == status


# What was not measured


def test_without_a_second_take_nothing_is_known_of_what_it_leaves(tmp_path: Path) -> None:
    """With --takes=1 it is not said that everything was given back; what was measured is judged all the same."""
    once = with_rendering(
        using(tmp_path, replace(memory(), host_grown=None)),
        pictures=tuple(picture for picture in made(tmp_path, "offload").rendering.pictures if not picture.take),
        inventory=weighing(1000, {}),
    )
    found = verdict(once, GIVES_BACK)
    assert (found.status, found.numbers) == (NO_DATA, {"held after": 0, "held on host": 0})
    assert not unsaid(found.sentence, "not measured", "pytest --subject tiny --strategy offload --takes 2")
    leaking = with_rendering(once, memory=replace(memory(held=FEW + 1), host_grown=None))
    assert verdict(leaking, GIVES_BACK).status == FAILED


@pytest.mark.parametrize("missing", ["held_after", "host_held", "host_grown"])
def test_a_figure_that_was_not_measured_is_not_zero(tmp_path: Path, missing: str) -> None:
    """Its reason is told, and the other figures are not."""
    figures: dict[str, Any] = {missing: None, "unavailable": {missing: "the system does not tell"}}
    found = verdict(using(tmp_path, replace(memory(), **figures)), GIVES_BACK)
    assert found.status == NO_DATA
    assert not unsaid(found.sentence, "not measured", "the system does not tell")
    assert len(found.numbers) == 3


def test_a_worker_that_measured_nothing_gave_back_nothing_that_is_known(tmp_path: Path) -> None:
    """Neither memory nor an inventory."""
    assert verdict(using(tmp_path, None), GIVES_BACK).status == NO_DATA
    assert verdict(with_rendering(using(tmp_path, memory()), inventory=None), GIVES_BACK).status == NO_DATA


@pytest.mark.parametrize("left, status", [(4 << 10, PASSED), ((4 << 10) + 1, FAILED), (-5000, PASSED)])
def test_what_each_call_leaves_behind_is_judged(tmp_path: Path, left: int, status: str) -> None:
    """To the byte, by the calls whose work is counted; 4 KiB may be a cache."""
    work = Work("fox", 3, ((),), count=2, held=(1000, 1000 + left))
    found = verdict(with_rendering(evidence(tmp_path), work=work), GIVES_BACK)
    assert (found.status, found.numbers["held by a call"]) == (status, float(left))


@pytest.mark.parametrize(("left", "status"), [(2 * (4 << 10) + 1, PASSED), (2 * (4 << 10) + 2, FAILED)])
def test_what_calls_leave_behind_is_told_for_one_of_them(tmp_path: Path, left: int, status: str) -> None:
    """The mean from the first to the last, whatever lay there in between, in whole bytes."""
    work = Work("fox", 3, ((),), count=3, held=(1000, 1000, 1000 + left))
    found = verdict(with_rendering(evidence(tmp_path), work=work), GIVES_BACK)
    assert (found.status, found.numbers["held by a call"]) == (status, left // 2)


@pytest.mark.parametrize(
    ("more", "releases", "status"),
    [(4096, "0.42.1", PASSED), (4097, "0.42.1", FAILED), (-9000, "0.42.1", PASSED), (9000, "0.43.0", PASSED)],
)
def test_a_call_keeps_what_it_did_when_it_was_accepted(tmp_path: Path, more: int, releases: str, status: str) -> None:
    """In memory, and with the same releases; beside a GPU, too, and on it what Python can name."""
    before = PhaseWork("denoise", {"aten.mm": 1})
    works = [Work("fox", 3, ((before,),), 1, held=(size,)) for size in (10_000, 10_000 + more)]
    whole = with_rendering(on_cpu(evidence(tmp_path, FULL)), memory=memory(), libraries={"diffusers": releases})
    baseline = accepted(whole.rendered_here, tmp_path / "store")
    whole = replace(whole, baseline=replace(baseline, case=replace(baseline.case, work=works[0])))
    found = verdict(with_rendering(whole, work=works[1]), GIVES_BACK)
    assert found.status == status, found.sentence
    whole = with_rendering(evidence(tmp_path, FULL), memory=memory(), libraries={"diffusers": releases})
    for name in ("held_in_memory", "held_named"):
        beside = [replace(replace(work, held=(0,)), **{name: work.held}) for work in works]  # type: ignore[arg-type]  # fields by name
        whole = replace(whole, baseline=replace(baseline, case=replace(baseline.case, work=beside[0])))
        assert verdict(with_rendering(whole, work=beside[1]), GIVES_BACK).status == status, name


@pytest.mark.parametrize(("more", "status"), [(1 << 20, PASSED), ((1 << 20) + 11, FAILED)])
def test_what_python_can_name_on_a_gpu_is_held_to_the_weights(tmp_path: Path, more: int, status: str) -> None:
    """As closely as in memory without one, since no allocator rounds it; 10 bytes are a share of the weights."""
    inventory = weighing(10_000)
    work = Work("fox", 3, ((),), count=1, held_named=(inventory.total_bytes + more,))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=inventory), GIVES_BACK)
    assert (found.status, found.numbers["held and named beside weights"]) == (status, more)


def test_one_call_tells_what_it_keeps_and_not_what_the_next_leaves(tmp_path: Path) -> None:
    """There is nothing to compare it with."""
    inventory = weighing(10_000)
    work = Work("fox", 3, ((),), count=1, held=(inventory.total_bytes + 5,))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=inventory), GIVES_BACK)
    assert found.numbers["held beside weights"] == 5
    assert "held by a call" not in found.numbers


def test_what_a_call_keeps_is_what_the_first_kept(tmp_path: Path) -> None:
    """What later ones add is told of each."""
    inventory = weighing(10_000)
    first = inventory.total_bytes + 5
    work = Work("fox", 3, ((),), count=2, held=(first, first + 1000))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=inventory), GIVES_BACK)
    assert (found.numbers["held beside weights"], found.numbers["held by a call"]) == (5, 1000)


@pytest.mark.parametrize(("device", "most"), [("cuda", (8 << 20) + 100), ("cpu", (1 << 20) + 10)])
@pytest.mark.parametrize(("more", "status"), [(0, PASSED), (1, FAILED), (-(1 << 24), PASSED)])
def test_what_a_call_keeps_beside_the_weights_is_judged(
    tmp_path: Path, device: str, most: int, more: int, status: str
) -> None:
    """A wide copy of narrow weights is made once, and no second call adds to it."""
    beside = most + more
    inventory = weighing(10_000)
    held = inventory.total_bytes + beside
    work = Work("fox", 3, ((),), count=2, held=(held, held))
    one = evidence(tmp_path) if device == "cuda" else on_cpu(evidence(tmp_path))
    found = verdict(with_rendering(one, work=work, inventory=inventory), GIVES_BACK)
    assert (found.status, found.numbers["held beside weights"]) == (status, float(max(0, beside)))


@pytest.mark.parametrize(
    ("layers", "placement", "kept"),
    [
        ("Linear", {AFTER: {"cpu": 20 << 20}}, 20 << 20),  # all of it is kept for something else
        ("Linear", {AFTER: {"cpu": 12 << 20, "cuda:0": 8 << 20}}, 12 << 20),
        ("Linear", {AFTER: {"cuda:0": 20 << 20}}, 0),
        ("Linear", {}, 0),  # nobody has looked
        ("Linear8bitLt", {AFTER: {"cpu": 20 << 20}}, 0),  # they leave what they have computed with
    ],
)
def test_what_a_call_keeps_on_the_gpu_is_beside_the_weights_that_lie_there(
    tmp_path: Path, layers: str, placement: dict[str, dict[str, int]], kept: int
) -> None:
    """Weights that wait in memory are no reason for anything on the GPU."""
    vae = weighing(20 << 20).components["vae"]
    inventory = Inventory({"vae": replace(vae, placement=placement, module_classes={layers: 1})})
    work = Work("fox", 3, ((),), count=2, held=(20 << 20, 20 << 20))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=inventory), GIVES_BACK)
    assert found.numbers["held beside weights"] == kept
    assert (found.status == FAILED) is (kept > 0)


@pytest.mark.parametrize(
    ("strategy", "weights", "held"),
    [
        ("full", 33_741_198_894, 33_755_799_040),
        ("nf4", 11_428_075_566, 11_458_956_800),
        ("fp8-layerwise", 25_087_454_766, 25_145_570_816),
        ("quanto-int8", 21_849_009_806, 21_946_437_632),
    ],
)
def test_what_torch_gave_out_beyond_the_twins_weights_is_not_red(
    tmp_path: Path, strategy: str, weights: int, held: int
) -> None:
    """As it was measured on an H100, where no call had left anything."""
    work = Work("fox", 3, ((),), count=2, held=(held, held))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=weighing(weights)), GIVES_BACK)
    assert (found.status, found.numbers["held beside weights"]) == (PASSED, held - weights)


@pytest.mark.parametrize("inventory", [weighing(0), None])
def test_where_no_weights_were_seen_nothing_is_beside_them(tmp_path: Path, inventory: Inventory | None) -> None:
    """All that is held would count as more."""
    work = Work("fox", 3, ((),), count=2, held=(1 << 30, 1 << 30))
    found = verdict(with_rendering(evidence(tmp_path), work=work, inventory=inventory), GIVES_BACK)
    assert "held beside weights" not in found.numbers
    assert found.status != FAILED


def repeating(**changes: tuple[int, ...]) -> Repeated:
    """Four equal calls that leave nothing, but for what is said of a counter."""
    steady = dict.fromkeys(COUNTERS, (100,) * 5)
    return Repeated(readings={**steady, **{NAMED[name]: readings for name, readings in changes.items()}})


NAMED = {"malloc": MALLOC, "blocks": BLOCKS, "mapped": MAPPED, "files": FILES_OPEN, "threads": THREADS}


@pytest.mark.parametrize(
    ("name", "most", "words"),
    [
        ("malloc", 48 << 10, "of the C library's memory"),
        ("blocks", 2000, "small objects"),
        ("mapped", 64 << 10, "of files are mapped"),
        ("files", 0, "file"),
        ("threads", 0, "thread"),
    ],
)
def test_what_every_call_leaves_outside_of_tensors_is_told(tmp_path: Path, name: str, most: int, words: str) -> None:
    """At the limit of each counter, and one beyond it; a call that leaves nothing makes it no leak."""
    one = with_rendering(evidence(tmp_path, FULL), memory=memory())
    for by, status in ((most, PASSED), (most + 1, FAILED)):
        leaking = repeating(**{name: tuple(100 + by * call for call in range(5))})
        found = verdict(with_rendering(one, repeated=leaking), GIVES_BACK)
        assert (found.status, found.numbers[f"{NAMED[name]} by a call"]) == (status, by)
        assert (words in found.sentence and "after each call" in found.sentence) == (status == FAILED)
    by = 10 * (most + 1)
    rests = repeating(**{name: (0, by, by, 2 * by, 3 * by)})
    assert verdict(with_rendering(one, repeated=rests), GIVES_BACK).status == PASSED


def test_the_types_of_what_stays_are_named(tmp_path: Path) -> None:
    """Where objects stay, they say whose they are."""
    leaking = replace(repeating(blocks=(0, 3000, 6000, 9000, 12000)), types={"Kept": 7000, "dict": 900})
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), repeated=leaking)
    assert "(most are Kept and dict)" in verdict(one, GIVES_BACK).sentence


@pytest.mark.parametrize(("files", "status"), [(0, FAILED), (1, PASSED)])
def test_what_safetensors_leaves_of_each_tensor_is_no_leak_of_a_call(tmp_path: Path, files: int, status: str) -> None:
    """It keeps two small objects for each that it reads: a staged strategy reads hundreds in each call."""
    read = (PhaseWork("denoise", moves={FILES_READ: files}),)
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), work=Work("picnic", 3, calls=(read,)))
    leaking = repeating(blocks=(0, 3000, 6000, 9000, 12000))
    assert verdict(with_rendering(one, repeated=leaking), GIVES_BACK).status == status


MIB = 1 << 20


@pytest.mark.parametrize(
    ("after", "idle", "status"),
    [
        ((0, 2, 2, 4, 4), (0, 2, 2, 4), FAILED),  # a megabyte a call, in pieces of two
        ((0, 2, 2, 2, 2), (0, 2, 2, 2), PASSED),  # once
        ((0, 2, 4, 2, 4), (0, 2, 4, 2), PASSED),  # it comes and goes
        ((0, 2, 4, 6, 8), (0, 2, 5, 6), PASSED),  # another process took some between two calls
        ((0, 0, 0, 0, 0), (0, 0, 0, 0), PASSED),
    ],
)
def test_memory_of_the_gpu_that_is_not_torchs_is_told_if_it_is_the_calls(
    tmp_path: Path, after: tuple[int, ...], idle: tuple[int, ...], status: str
) -> None:
    """Two growths and no fall; nothing is said where others use the GPU."""
    readings = {GPU_OTHERWISE: tuple(each * MIB for each in after)}
    repeated = Repeated(readings=readings, idle=tuple(each * MIB for each in idle))
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), repeated=repeated)
    found = verdict(one, GIVES_BACK)
    assert found.status == status
    name, each = f"{GPU_OTHERWISE} by a call", float(MIB if status == FAILED else 0)
    assert found.numbers.get(name) == (each if after[:-1] == idle else None)


@pytest.mark.parametrize(
    ("after", "each", "status"),
    [
        ((0, 9 * MIB), 0, PASSED),  # one call alone shows no growth of each
        ((0, 64 << 10, (128 << 10) + 1), 64 << 10, PASSED),
        ((0, 64 << 10, (128 << 10) + 2), (64 << 10) + 1, FAILED),
        ((0, 1, 2), 1, PASSED),
    ],
)
def test_memory_of_the_gpu_may_grow_by_a_little_with_each_call(
    tmp_path: Path, after: tuple[int, ...], each: int, status: str
) -> None:
    """64 KiB on average, in whole bytes."""
    repeated = Repeated(readings={GPU_OTHERWISE: after}, idle=after[:-1])
    found = verdict(with_rendering(evidence(tmp_path, FULL), memory=memory(), repeated=repeated), GIVES_BACK)
    assert (found.status, found.numbers[f"{GPU_OTHERWISE} by a call"]) == (status, each)


def test_memory_of_a_gpu_that_others_use_is_not_the_calls(tmp_path: Path) -> None:
    """Whatever it does between them."""
    repeated = Repeated(readings={GPU_OTHERWISE: (0, 2 * MIB, 4 * MIB)}, idle=(0, 2 * MIB))
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), repeated=repeated, held_by_others=512 * MIB)
    assert verdict(one, GIVES_BACK).status == PASSED
    assert verdict(with_rendering(one, held_by_others=100 * MIB), GIVES_BACK).status == FAILED
    assert verdict(with_rendering(one, held_by_others=None, at_once=2), GIVES_BACK).status == PASSED


def test_without_equal_calls_nothing_is_said_of_them(tmp_path: Path) -> None:
    """Older renderings have none, and some calls cannot be repeated."""
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), repeated=Repeated(unavailable="x"))
    assert verdict(one, GIVES_BACK).status == PASSED


def test_a_call_that_fails_when_it_is_repeated_is_told(tmp_path: Path) -> None:
    """It went well while its work was counted: what it leaves is not known, and why must not go unsaid."""
    failed = Repeated(unavailable="a call that was only repeated failed: RuntimeError: the cache is closed")
    work = Work("fox", 3, ((PhaseWork("denoise"),),), count=2)
    one = with_rendering(evidence(tmp_path, FULL), memory=memory(), work=work, repeated=failed)
    answer = verdict(one, GIVES_BACK)
    assert answer.status == NO_DATA
    assert not unsaid(answer.sentence, "outside of tensors", "RuntimeError: the cache is closed.")
