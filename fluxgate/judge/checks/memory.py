"""Checks of a case's memory: under its ceilings, less than promised, and all of it given back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fluxgate.amounts import amount, distinct
from fluxgate.baselines.limits import Band
from fluxgate.compare.facts import ALLOCATED, HOST, WHOLE
from fluxgate.judge.evidence import Answer, Evidence, crashed, failed, passed, unsupported
from fluxgate.judge.sentences import ACCEPT, again, counted, listed, origin
from fluxgate.judge.verdict import PASSED, Limit
from fluxgate.rendering import LEFTOVER_FILES, PHASES, Memory, Rendering
from fluxgate.strategies.promise import Promise

UNDER = " Something may not have been loaded; if it is an improvement, fluxgate accept --trim lowers the limits."
TABLES, LIBRARIES = 8 << 20, "tables of the libraries' own"  # bytes of tensors; 252 were seen, of bitsandbytes
LEFT = 16 << 20  # bytes that a second take may leave on a CPU; up to 1.2 MB were seen
LEFT_BY_GPU = 64 << 20  # and beside a GPU, where libraries keep more by themselves; up to 12 MB were seen
LEFT_SHARE = 0.002  # of the weights, added to that: up to 33 MB were seen beside 34 GB
SPARED = 0.25  # share of the weights that waits elsewhere; 0.55 and 0.76 were seen
FEW = 32 << 20  # bytes of weights: a quarter of fewer is less than what else comes and goes while a pipeline loads
LOOSE = 1.1  # a ceiling this many times above what is used has become too loose to notice anything


def ceiling(evidence: Evidence) -> Answer:
    """Each phase's allocated peak, and the largest of them, within what was measured."""
    memory = evidence.rendering.memory
    peaks = dict(_peaks(memory))
    if memory is None or not peaks:
        return unsupported(_unmeasured(memory, ALLOCATED, "GPU memory"))
    numbers = {f"{ALLOCATED} {phase}": float(peak) for phase, peak in peaks.items()}
    bands = evidence.limits.memory
    judged = [(phase, peak, bands[phase]) for phase, peak in peaks.items() if phase in bands]
    published = _published(evidence, memory)
    for phase, peak, band in judged:
        limit = band.broken(peak)
        if limit:
            return failed(_beyond(evidence, phase, peak, band, limit) + published, numbers=numbers, limit=limit)
    if not judged:
        said = f"{_no_ceiling(evidence)} It peaks at {amount(peaks[WHOLE])}.{published}"
        return unsupported(said, numbers=numbers)
    return _under(judged, published, numbers=numbers)


def _under(judged: list[tuple[str, int, Band]], published: str, *, numbers: dict[str, float]) -> Answer:
    phase, peak, band = max(judged, key=lambda entry: (entry[0] == WHOLE, entry[1]))
    limit = band.ceiling or band.floor
    sentence = f"{counted(len(judged), 'peak')} within limits; {_told(phase)} {amount(peak)}"
    if limit:
        sentence += f", {'at most' if band.ceiling else 'at least'} {amount(limit.value)} ({origin(limit)})"
    loose = [name for name, found, b in judged if b.ceiling and b.ceiling.value > max(found, 1) * LOOSE]
    hint = f" Too loose by now: {listed(loose)}; fluxgate accept --trim tightens them." if loose else ""
    return passed(f"{sentence}.{published}{hint}", numbers=numbers, limit=limit)


def _beyond(evidence: Evidence, phase: str, peak: int, band: Band, limit: Limit) -> str:
    found, bound = distinct(peak, limit.value)
    over = limit is band.ceiling
    away = f"{amount(abs(peak - limit.value))} {'more' if over else 'less'}"
    why = "" if over else UNDER
    word = "ceiling" if over else "floor"
    first = f"{_told(phase)} {found}, {away} than the {word} of {bound} ({origin(limit)})."
    return f"{first[0].upper()}{first[1:]}{why} Run {again(evidence.case)}."


def _published(evidence: Evidence, memory: Memory) -> str:
    """How the driver's view compares with what somebody else reported; told, never judged."""
    value = evidence.limits.published.value if evidence.limits.published else None
    seen = [(figure, memory.peak(figure)) for figure in ("driver", "reserved", ALLOCATED)]
    figure, peak = next(((name, found) for name, found in seen if found is not None), ("", None))
    if value is None or peak is None:
        return ""
    if peak <= value:
        return f" The published {amount(value)} is met ({figure}: {amount(peak)})."
    return f" The published {amount(value)} is missed by {amount(peak - value)} ({figure}: {amount(peak)})."


def less(evidence: Evidence) -> Answer:
    """A smaller allocated peak than the strategy that the promise names, in the same run."""
    made = evidence.case.strategy.promise
    named = made.less_memory_than
    if named is None:
        return unsupported("It does not promise to use less memory than another.")
    memory = evidence.rendering.memory
    on_host = made.spares_host and not evidence.gpu
    ours = _used(evidence.rendering, made, on_host=on_host)
    if ours is None:
        what = (HOST, "Host memory") if on_host else (ALLOCATED, "GPU memory")
        return unsupported(_unmeasured(memory, *what))
    if evidence.yardstick is None:
        return unsupported(f"{named}, than which it must use less, was not rendered in this run.")
    other = evidence.yardstick.rendering
    if other.crash is not None and other.crash.limit is not None:
        said = f"{named}, than which it must use less, does not fit into the {amount(other.crash.limit)} asked for."
        return unsupported(said)
    if other.crash is not None:
        return crashed(f"{named}, than which it must use less, crashed: {other.crash.sentence}")
    theirs = _used(other, made, on_host=on_host)
    if theirs is None:
        return unsupported(f"The memory of {named} was not measured in this run.")
    return _spared(evidence, ours, theirs, named=named) if on_host else _compared(evidence, ours, theirs, named=named)


def _used(rendering: Rendering, made: Promise, *, on_host: bool) -> int | None:
    """The bytes that the promise is about: the allocated peak, or what was resident once all was loaded."""
    memory = rendering.memory
    if memory is None:
        return None
    return memory.host_loaded if on_host else memory.peak(ALLOCATED, made.less_during)


def _spared(evidence: Evidence, ours: int, theirs: int, *, named: str) -> Answer:
    """What is not in memory is a share of the weights; the rest of a process's memory is not the same to the byte."""
    inventory = evidence.rendering.inventory
    weights = inventory.total_bytes if inventory else 0
    if weights < FEW:
        return unsupported(f"{amount(weights)} of weights are too few to be missed in the memory of a whole process.")
    limit = Limit(theirs - SPARED * weights, f"{SPARED:.0%} of the weights less than {named} in the same run")
    numbers = {"host loaded": float(ours), f"host loaded by {named}": float(theirs)}
    away = f"{amount(abs(theirs - ours))} {'less' if ours < theirs else 'more'} than {named}"
    said = f"Once loaded, its process has {away} in memory; {amount(SPARED * weights)} less are due"
    if ours <= limit.value:
        return passed(f"{said}.", numbers=numbers, limit=limit)
    said = f"{said}, {SPARED:.0%} of the weights: they stay in memory, too"
    return failed(f"{said}. Run {again(evidence.case)}.", numbers=numbers, limit=limit)


def _compared(evidence: Evidence, ours: int, theirs: int, *, named: str) -> Answer:
    during = evidence.case.strategy.promise.less_during
    when = "" if during == PHASES else f" during {listed(during)}"
    one, other = distinct(ours, theirs)
    numbers = {ALLOCATED: float(ours), f"{ALLOCATED} by {named}": float(theirs)}
    limit = Limit(float(theirs), f"less than {named} in the same run")
    if ours < theirs:
        said = f"It peaks at {one}{when}, {amount(theirs - ours)} less than {named}."
        return passed(said, numbers=numbers, limit=limit)
    more = f"{amount(ours - theirs)} more than" if ours > theirs else "no less than"
    said = f"It peaks at {one}{when}, {more} {named} with {other}, and promises less. Run {again(evidence.case)}."
    return failed(said, numbers=numbers, limit=limit)


def gives_back(evidence: Evidence) -> Answer:
    """Nothing of the pipeline stays once it is freed, and a second take leaves no more behind than the first did."""
    memory = evidence.rendering.memory
    if memory is None or memory.held_after is None:
        return unsupported(_unmeasured(memory, "held_after", "What stays"))
    held = _held(evidence, memory.held_after)
    answer = next(_left(evidence, memory), held) if held.status == PASSED else held
    more = {"held on host": memory.host_held, "host grown": memory.host_grown}
    numbers = {name: float(value) for name, value in more.items() if value is not None}
    return replace(answer, numbers={**held.numbers, **numbers})


def _held(evidence: Evidence, held: int) -> Answer:
    """Bytes on the device: all that is allocated on a GPU, all tensors in memory on a CPU."""
    allowed = _allowance(evidence)
    numbers = {"held after": float(held)}
    one, other = distinct(held, allowed.value)
    at_most = f"at most {other} may ({origin(allowed)})"
    where = "on the GPU" if evidence.gpu else "in memory"
    if held <= allowed.value:
        said = f"{one} stay {where}, {at_most}." if held else "Everything is given back."
        return passed(said, numbers=numbers, limit=allowed)
    said = f"{one} stay {where} once the pipeline is freed, {at_most}: something still refers to its tensors."
    return failed(f"{said} Run {again(evidence.case)}.", numbers=numbers, limit=allowed)


def _left(evidence: Evidence, memory: Memory) -> Iterator[Answer]:
    """What stays elsewhere than on the device: tensors beside a GPU, memory outside of tensors, and files."""
    held, grown = memory.host_held or 0, memory.host_grown or 0
    inventory = evidence.rendering.inventory
    weights, files = (inventory.total_bytes, inventory.counts.get(LEFTOVER_FILES, 0)) if inventory else (0, 0)
    run = f"Run {again(evidence.case)}."
    if evidence.gpu and held > TABLES:
        said = f"{amount(held)} of tensors stay in the host's memory once the pipeline is freed"
        yield failed(f"{said}, at most {amount(TABLES)} may. {run}", limit=Limit(float(TABLES), LIBRARIES))
    most = LEFT_BY_GPU + LEFT_SHARE * weights if evidence.gpu else LEFT
    each = f"each call leaves something behind. {run}"
    if grown > most:
        said = f"Rendering the same again left {amount(grown)} more in memory, at most {amount(most)} may: {each}"
        yield failed(said, limit=Limit(float(most), "what comes and goes in any process"))
    if files:
        yield failed(f"Rendering the same again left {counted(files, 'more file')} on the disk: {each}")


def _allowance(evidence: Evidence) -> Limit:
    """What was measured, else what the reference holds in the same run, what the promise declares and, on a CPU, what
    libraries keep; else nothing."""
    band = evidence.limits.gives_back
    if band is not None and band.ceiling is not None:
        return band.ceiling
    reference = evidence.reference.rendering if evidence.reference else None
    held = reference.memory.held_after if reference and reference.memory else None
    declared = evidence.case.strategy.promise.library_cache
    parts = [(held, f"as much as {reference.strategy} holds in the same run")] if reference and held else []
    parts += [(declared.size, declared.because)] if declared else []
    parts += [] if evidence.gpu else [(TABLES, LIBRARIES)]
    reasons = " and ".join(reason for _, reason in parts)
    return Limit(float(sum(size for size, _ in parts)), reasons or "nothing was seen to stay")


def host(evidence: Evidence) -> Answer:
    """The worker's own peak of resident memory."""
    memory = evidence.rendering.memory
    if memory is None or memory.host_peak is None:
        return unsupported(_unmeasured(memory, "host", "Host memory"))
    peak, numbers = memory.host_peak, {"host peak": float(memory.host_peak)}
    band = evidence.limits.host
    limit = band.ceiling or band.floor if band else None
    if band is None or limit is None:
        said = f"{_no_ceiling(evidence)} It peaks at {amount(peak)}."
        return unsupported(said, numbers=numbers)
    broken = band.broken(peak)
    if broken:
        return failed(_beyond(evidence, "host", peak, band, broken), numbers=numbers, limit=broken)
    found, bound = distinct(peak, limit.value)
    word = "at most" if band.ceiling else "at least"
    return passed(f"It peaks at {found}, {word} {bound} ({origin(limit)}).", numbers=numbers, limit=limit)


def _no_ceiling(evidence: Evidence) -> str:
    if evidence.no_baseline:
        return "What was accepted was not asked for: --no-baseline."
    return f"No ceiling was measured for this machine; run {ACCEPT}."


def _peaks(memory: Memory | None) -> Iterator[tuple[str, int]]:
    """The allocated peak of each phase, and the largest of them."""
    if memory is None:
        return
    for phase, phases in [*((phase, (phase,)) for phase in PHASES), (WHOLE, PHASES)]:
        peak = memory.peak(ALLOCATED, phases)
        if peak is not None:
            yield phase, peak


def _unmeasured(memory: Memory | None, figure: str, what: str) -> str:
    reason = memory.unavailable.get(figure) if memory else "the worker measured no memory"
    return f"{what} was not measured: {(reason or 'not available on this machine').rstrip('.')}."


def _told(phase: str) -> str:
    return {WHOLE: "the whole peaks at", "host": "host memory peaks at"}.get(phase, f"{phase} peaks at")
