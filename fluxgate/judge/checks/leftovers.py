"""Check of what stays behind: on the device, in host memory and on the disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from fluxgate.amounts import amount, distinct
from fluxgate.compare.work import FILES_READ, MOVES, total
from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.counted_work.accepted import accepted_work
from fluxgate.judge.damage import other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted, listed, origin, unmeasured
from fluxgate.judge.suspects import DIFFUSERS, TORCH, TRANSFORMERS, joined, most_likely, movers, of_whole_case
from fluxgate.judge.verdict import GIVES_BACK, Limit, Verdict
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
    Inventory,
    Memory,
    Repeated,
    Work,
)

TABLES, LIBRARIES = 8 << 20, "tables of the libraries' own"  # bytes of tensors; 252 were seen, of bitsandbytes
TABLES_SHARE = 0.001  # of the weights, added to that: 3.5 MB of scales were seen beside 34 GB, before any call
# The same on a GPU, where torch gives out more than it is asked for, and how much more depends on what was free: beside
# the twin's 11 to 34 GB it was 0.03% to 0.45%, and all but 1 MB of that was there before any call. Twice the largest
# share may.
ROUNDED_SHARE, ROUNDED = 0.01, f"{LIBRARIES}, and what torch gives out beyond what it is asked for"
# Bytes of tensors that a call may keep beside the weights on a CPU, where all are seen: 0.53 MB were, of Qwen-Image's
# positions; on an H100, where torch rounds what it gives out, 1.9 MB, and as much may as of the libraries' tables.
KEPT = 1 << 20
FEW = 4 << 10  # bytes of a GPU, chosen: nothing was seen to stay there once the pipeline is freed
# How much memory outside of tensors a second take may leave. Libraries fill caches and the C library keeps pieces of
# pages, which is no leak; Python can name every tensor, so that tensors are counted to the byte beside this.
GROWTH = 16 << 20  # bytes on a CPU; up to 1.2 MB were seen
GROWTH_BY_GPU = 64 << 20  # bytes beside a GPU, where libraries keep more by themselves; up to 12 MB were seen
# What a process keeps after it has read weights once more grows with the weights: of the twin's 34 GB, at most 33 MB
# stayed beside an H100, and once 0.25 GB, 0.7% of them, beside an H200. Twice the largest share that was seen may.
GROWTH_SHARE = 0.015
EIGHT_BIT = "Linear8bitLt"
COMES_AND_GOES = "what comes and goes in any process"
EACH_CALL_MAY = 64 << 10  # bytes of a GPU, chosen: not one was seen to stay
TENSORS_MAY = 4 << 10  # bytes, chosen: not one was seen to stay, and the latents of one small step are 8 KB
EACH_CALL = "each call leaves something behind"
# By counter of what is no tensor: how much every one of several equal calls may leave, in which unit, in which words.
COUNTERS = {
    MALLOC: (48 << 10, None, "more of the C library's memory stay in use"),
    BLOCKS: (2000, "small object", "more stay"),  # of 512 bytes at most: a megabyte is more of them
    MAPPED: (64 << 10, None, "more of files are mapped"),
    FILES_OPEN: (0, "file", "more are open"),
    THREADS: (0, "thread", "more run"),
}
SEEN_OF_CALLS = "chosen; every call of 48 strategies on CPUs and GPUs left at most 29 KB and 178 objects"
ENDS = "nobody ends what loading or a call has started"
SINGULAR = {"stay": "stays", "run": "runs", "are": "is"}  # verbs of what is counted one by one
OF_OBJECTS = (MALLOC, BLOCKS)  # which Python's objects may be


@dataclass(frozen=True)
class Leftover:
    """Something that may stay behind: how much did, and how much may."""

    name: str  # in a verdict's numbers
    value: int | None  # bytes, or how many files; None: it was not measured
    limit: Limit
    stay: str  # "stay on the GPU"
    why: str  # of too much: what it must come from
    unmeasured: str  # the whole sentence, where it was not measured
    unit: str | None = None  # of what is counted one by one; None for bytes
    suspects: str = ""  # nobody: whoever does anything in the case

    @property
    def too_much(self) -> bool:
        return self.value is not None and self.value > self.limit.value

    @property
    def sentence(self) -> str:
        """`12.3 KB stay on the GPU once the pipeline is freed; at most 4.1 KB may (…)`."""
        if self.unit is not None:
            most = f"at most {self.limit.value:,.0f} may" if self.limit.value else "none may"
            return (
                f"{counted(self.value or 0, self.unit)} {_of_one(self.stay) if self.value == 1 else self.stay}; {most}"
            )
        value, most = distinct(self.value or 0, self.limit.value)
        return f"{value} {self.stay}; at most {most} may ({origin(self.limit)})"


def _of_one(stay: str) -> str:
    """`stays on the disk` for `stay on the disk`."""
    return re.sub("|".join(SINGULAR), lambda verb: SINGULAR[verb[0]], stay, count=1)


def gives_back(evidence: Evidence) -> Verdict:
    """Nothing of the pipeline stays once it is freed, and a second take leaves no more behind than the first did."""
    memory = evidence.rendering.memory
    if memory is None:
        return no_data(evidence, GIVES_BACK, unmeasured(memory, "held_after", "What stays"))
    leftovers = tuple(_leftovers(evidence, memory))
    numbers = {one.name: float(one.value) for one in leftovers if one.value is not None}
    for one in leftovers:
        if one.too_much:
            who = one.suspects or joined([*of_whole_case(evidence.rendering.inventory), TORCH])
            sentence = f"{one.sentence}: {one.why}. {most_likely(who)} Run {again(evidence.case)}."
            return failed(evidence, GIVES_BACK, sentence, numbers=numbers, limit=one.limit, suspects=who)
    missing = dict.fromkeys(one.unmeasured for one in leftovers if one.value is None)
    if missing:
        return no_data(evidence, GIVES_BACK, " ".join(missing), numbers=numbers)
    device, *_ = leftovers
    sentence = f"{device.sentence}." if device.value else "Everything is given back."
    if memory.held_by_caches:
        numbers |= {"held by caches": float(memory.held_by_caches)}
        sentence += f" Libraries keep {amount(memory.held_by_caches)} of their own in caches of their functions."
    return passed(evidence, GIVES_BACK, sentence, numbers=numbers, limit=device.limit)


def _leftovers(evidence: Evidence, memory: Memory) -> Iterator[Leftover]:
    """What may stay, that on the device first: all that is allocated on a GPU, all tensors in memory on a CPU."""
    refers = "something still refers to its tensors"
    where = "on the GPU" if evidence.gpu else "in memory"
    yield Leftover(
        "held after",
        memory.held_by_pipeline,
        _allowance(evidence),
        f"stay {where} once the pipeline is freed",
        refers,
        unmeasured(memory, "held_after", f"What stays {where}"),
    )
    if evidence.gpu:
        yield Leftover(
            "held on host",
            memory.host_held,
            Limit(float(TABLES), LIBRARIES),
            "of tensors stay in host memory once the pipeline is freed",
            refers,
            unmeasured(memory, "host_held", "What stays in host memory"),
        )
    yield from _after_a_call(evidence)
    yield from _outside_of_tensors(evidence)
    yield from _after_a_second_take(evidence, memory)
    yield from _at_the_end(evidence)


def _after_a_second_take(evidence: Evidence, memory: Memory) -> Iterator[Leftover]:
    """Memory outside of tensors, and files, that rendering the same again leaves."""
    inventory = evidence.rendering.inventory
    weights = inventory.total_bytes if inventory else 0
    most = GROWTH_BY_GPU + GROWTH_SHARE * weights if evidence.gpu else float(GROWTH)
    again_ = "after the same was rendered again"
    yield Leftover(
        "host grown",
        memory.host_grown,
        Limit(most, COMES_AND_GOES),
        f"more stay in memory {again_}",
        EACH_CALL,
        _without_second_take(evidence) or unmeasured(memory, "host_grown", "What a second take leaves in memory"),
    )
    yield Leftover(
        "files left",
        inventory.counts.get(LEFTOVER_FILES) if inventory else None,
        Limit(0.0, "no file was seen to stay"),
        f"stay on the disk {again_}",
        EACH_CALL,
        _without_second_take(evidence) or "What a second take leaves on the disk was not counted.",
        unit="file",
    )


def _at_the_end(evidence: Evidence) -> Iterator[Leftover]:
    """What loading or a call has made that is still there once the pipeline is freed; nothing where nobody looked."""
    counts = evidence.rendering.inventory.counts if evidence.rendering.inventory else {}
    limit, who = Limit(0.0, "none was seen to stay"), joined([DIFFUSERS, TRANSFORMERS])
    for name, unit, stay, why in (
        (FILES_AT_END, "file", "stay on the disk", "nobody removes what loading or a call has made"),
        (PROCESSES_AT_END, "program", "still run", ENDS),
        (THREADS_AT_END, "thread", "still run", ENDS),
        (WEIGHTS_AT_END, "weight file", "are mapped", "something keeps what has read them"),
    ):
        if name in counts:
            stays = f"{stay} once the pipeline is freed"
            yield Leftover(name, counts[name], limit, stays, why, "", unit=unit, suspects=who)


def _after_a_call(evidence: Evidence) -> Iterator[Leftover]:
    """Tensors that a call leaves beside the weights, and those that one more leaves behind; told where there are calls
    that were counted."""
    work, inventory = evidence.rendering.work, evidence.rendering.inventory
    if work is None:
        return
    if inventory is not None and inventory.total_bytes:
        yield from _beside_weights(work, inventory, gpu=evidence.gpu)
    yield from _beyond_accepted(evidence, work)
    for name, held, where in (
        ("held by a call", work.held, ""),
        ("held in memory by a call", work.held_in_memory, " in memory"),
    ):
        if len(held) > 1:
            most = Limit(float(TENSORS_MAY), "nothing was seen to stay; a scalar of a cache is no leak")
            each, stay = (held[-1] - held[0]) // (len(held) - 1), f"more of tensors stay{where} after each call"
            yield Leftover(name, each, most, stay, EACH_CALL, "")


def _beside_weights(work: Work, inventory: Inventory, *, gpu: bool) -> Iterator[Leftover]:
    """What the first call left. In memory beside a GPU, all weights may lie, or none."""
    weights, who = inventory.total_bytes, joined([DIFFUSERS, *movers(inventory)])
    keeps, beside = "something keeps what loading or a call has made", "beside the weights once it was called"
    tables = Limit(TABLES + TABLES_SHARE * weights, LIBRARIES)
    rounded = Limit(TABLES + ROUNDED_SHARE * weights, ROUNDED)
    few = Limit(KEPT + TABLES_SHARE * weights, LIBRARIES)
    where, most = ("on the GPU", rounded) if gpu else ("in memory", few)
    lying = _weights_on_gpu(inventory) if gpu else weights
    for held in work.held[:1]:
        stay = f"of tensors stay {where} {beside}"
        yield Leftover("held beside weights", max(0, held - lying), most, stay, keeps, "")
    for held in work.held_named[:1]:
        stay = f"of tensors that Python can name stay on the GPU {beside}"
        yield Leftover("held and named beside weights", max(0, held - lying), few, stay, keeps, "")
    for held in work.held_in_memory[:1]:
        stay = f"of tensors stay in memory {beside}"
        yield Leftover("held in memory beside weights", max(0, held - weights), tables, stay, keeps, "", suspects=who)


def _weights_on_gpu(inventory: Inventory) -> int:
    """The bytes of weights that lie there once all is rendered. A component of bitsandbytes' 8-bit layers counts whole:
    what they have computed with stays there when they are sent away. So does one that nobody has looked at."""
    return sum(
        sum(size for place, size in part.placement[AFTER].items() if place.startswith("cuda"))
        if AFTER in part.placement and EIGHT_BIT not in part.module_classes
        else part.total_bytes
        for part in inventory.components.values()
    )


def _beyond_accepted(evidence: Evidence, work: Work) -> Iterator[Leftover]:
    """What the first call left beyond what it did when it was accepted, with the same releases. On a GPU, of those
    tensors that Python can name: its allocator gives out more, and how much more depends on what was free."""
    accepted = accepted_work(evidence, work)
    if accepted is None or other_releases(evidence) != []:
        return
    most = Limit(float(TENSORS_MAY), "as much was seen in every session with the same releases")
    keeps = "something keeps what loading or a call has made"
    for name, where, before, now in (
        ("held beyond accepted", "in memory", accepted.held, () if evidence.gpu else work.held),
        ("held beyond accepted", "in memory", accepted.held_in_memory, work.held_in_memory),
        ("held on the GPU beyond accepted", "on the GPU", accepted.held_named, work.held_named),
    ):
        if before and now:
            stay = f"more of tensors stay {where} once it was called than did when it was accepted"
            yield Leftover(name, max(0, now[0] - before[0]), most, stay, keeps, "")


def _outside_of_tensors(evidence: Evidence) -> Iterator[Leftover]:
    """What every one of several equal calls leaves in the process; nothing where no such calls were made.

    safetensors leaves two small objects for each tensor that it reads: where a call reads weights they say nothing."""
    repeated, work = evidence.rendering.repeated, evidence.rendering.work
    if repeated is None:
        return
    if repeated.unavailable is not None:
        # The very call whose work was counted; without that, nobody knows whether it can be repeated at all.
        if work is not None and work.calls:
            told = f"What equal calls leave outside of tensors was not measured: {repeated.unavailable.rstrip('.')}."
            yield Leftover("left by a call", None, Limit(0.0, SEEN_OF_CALLS), "", "", told)
        return
    kinds = f" (most are {listed(repeated.types)})" if repeated.types else ""
    for counter, (most, unit, stay) in COUNTERS.items():
        least = repeated.least(counter)
        if least is not None and not (counter == BLOCKS and work is not None and total(work, MOVES, FILES_READ)):
            limit = Limit(float(most), SEEN_OF_CALLS)
            why = f"{EACH_CALL}{kinds if counter in OF_OBJECTS else ''}"
            yield Leftover(f"{counter} by a call", max(0, least), limit, f"{stay} after each call", why, "", unit=unit)
    on_gpu = _gpu_outside_of_torch(repeated)
    if on_gpu is not None and evidence.gpu_shared is None and evidence.at_once == 1:
        limit = Limit(float(EACH_CALL_MAY), "a driver gives memory in pieces of 2 MiB")
        stay = "more of the GPU are in use, and are not torch's, after each call"
        yield Leftover(f"{GPU_OTHERWISE} by a call", on_gpu, limit, stay, EACH_CALL, "")


def _gpu_outside_of_torch(repeated: Repeated) -> int | None:
    """Bytes by which the calls let it grow, each on average, if at least two of them did and none gave back; None where
    another process has taken or given some meanwhile."""
    after = repeated.readings.get(GPU_OTHERWISE, ())
    if len(after) < 2 or after[:-1] != repeated.idle:
        return None
    steps = [later - earlier for earlier, later in pairwise(after)]
    grew = min(steps) >= 0 and sum(step > 0 for step in steps) >= 2
    return sum(steps) // len(steps) if grew else 0


def _without_second_take(evidence: Evidence) -> str | None:
    """Why nothing is known of a second take, if there was none, and what would tell."""
    if any(picture.take for picture in evidence.rendering.pictures):
        return None
    sentence = "What a second take leaves behind was not measured: no shot was rendered a second time."
    return f"{sentence} Run {again(evidence.case, takes=2)}."


def _allowance(evidence: Evidence) -> Limit:
    """What was measured, else what the reference holds in the same run, what the promise declares and, on a CPU, what
    libraries keep; else next to nothing."""
    band = evidence.limits.gives_back
    if band is not None and band.ceiling is not None:
        return band.ceiling
    reference = evidence.reference.rendering if evidence.reference else None
    held = reference.memory.held_by_pipeline if reference and reference.memory else None
    declared = evidence.case.strategy.promise.library_cache
    parts = [(held, f"as much as {reference.strategy} holds in the same run")] if reference and held else []
    parts += [(declared.size, declared.because)] if declared else []
    parts += [] if evidence.gpu else [(TABLES, LIBRARIES)]
    size = sum(size for size, _ in parts)
    if size < FEW:
        return Limit(float(FEW), "a number or two that a library knows again")
    return Limit(float(size), " and ".join(reason for _, reason in parts))
