"""Check of what a case was made of, byte for byte and dtype for dtype."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fluxgate import figures
from fluxgate.amounts import amount, distinct
from fluxgate.compare import words
from fluxgate.compare.inventory import QUANTIZED, ComponentChange, component_changes, lacks_next_to_nothing
from fluxgate.compare.library_warnings import new_warnings
from fluxgate.judge.answers import failed, passed
from fluxgate.judge.damage import CAUSE
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.noted import noted_otherwise
from fluxgate.judge.sentences import again, counted, listed
from fluxgate.judge.suspects import TORCH, joined, loader_of, most_likely, of_whole_case, quantizer_of
from fluxgate.judge.verdict import INVENTORY, NEW_WARNINGS, Verdict
from fluxgate.rendering import (
    AFTER,
    ALTERED_BY_REMOVAL,
    BEFORE,
    BESIDE,
    GRADIENTS,
    HANDLERS_GROWN,
    HOOKS_CHANGED,
    HOOKS_LEFT,
    IN_TRAINING,
    LOAD,
    NETWORK_ASKED,
    NOT_THE_SAME,
    OWN_ARGUMENTS,
    PICTURES_CHANGED,
    SETTING_CHANGED,
    TORCH_HOOKS_GROWN,
    Component,
    Inventory,
)
from fluxgate.strategies.effects import ALTERED, SLICES, TILES, Counted
from fluxgate.support import is_older

TRUE_SINCE = "0.42.1"  # of diffusers; 0.33.1 hides the arguments of what is hooked
NOT_COMPUTED_IN = ("float8", "int", "uint")  # dtypes that weights wait in
ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
WIDTHS = ("float64", "float32", "float16", "bfloat16")  # dtypes that weights are cast to as a whole
# How transformers and diffusers say that weights were not in the files; a long report is cut off before its notes.
MADE_UP = re.compile(r"newly initialized|LOAD REPORT.*\b(MISSING|MISMATCH)\b", re.DOTALL)
RULE = re.compile(r"[-+|]*-{3,}[-+|]*")  # a line in a table
SPARE = 8 << 20  # bytes of tensors that are no weights: tables, noise levels; 26 kB were seen
LOAD_SHARE = 0.05  # of the weights on a GPU, added to that while they load: 1.6% were seen of what it was to hold
SPARE_SHARE = 0.001  # of the weights, added to that: 3.5 MB of scales were seen beside 34 GB
A_TABLE = 64 << 10  # bytes of a buffer that is not saved, as of positions; chosen: one of 256 was tried
SHOWN = 300  # characters of a warning
STRAY = 0.001  # share of a component's bytes that buffers may have in another dtype, where its files are not at hand


@dataclass(frozen=True)
class Complaint:
    """Something that is not as it must be, and the component that it is about, if it is about one."""

    sentence: str
    component: str | None = None
    of_torch: bool = False  # whether torch's own doing is as likely


def inventory(evidence: Evidence) -> Verdict:
    """Against the subject's dtype, the reference and the baseline."""
    parts = evidence.rendering.inventory
    if parts is None:
        return failed(evidence, INVENTORY, f"The worker left no inventory. Run {again(evidence.case)}.")
    for complaint in (
        *_made_up(evidence),
        *_strays(evidence, parts),
        *_resized(parts),
        *_burdens(parts),
        *_twice_on_the_way(evidence, parts),
        *_hooks(parts),
        *_says(parts, evidence.rendering.libraries.get("diffusers", "")),
        *_pieces(evidence, parts),
    ):
        return _failed(evidence, complaint, f"Run {again(evidence.case)}.")
    against = ["the subject's dtype"]
    for name, expected, then in _expected(evidence):
        against.append(name)
        for complaint in _differences(expected, parts, name):
            return _failed(evidence, complaint, then)
    for told, component in noted_otherwise(evidence, parts):
        return _failed(evidence, Complaint(told, component), CAUSE)
    sentence = f"{counted(len(parts.components), 'component')} match {listed(against)}."
    numbers, new = {"bytes": float(parts.total_bytes)}, _new_warnings(evidence)
    if new:
        numbers[NEW_WARNINGS] = float(len(new))
        sentence = f"{sentence} {_warned(new)}"
    return passed(evidence, INVENTORY, sentence, numbers=numbers)


def _failed(evidence: Evidence, complaint: Complaint, then: str) -> Verdict:
    who = joined([_who(evidence, complaint.component), *([TORCH] if complaint.of_torch else [])])
    return failed(evidence, INVENTORY, f"{complaint.sentence}. {most_likely(who)} {then}", suspects=who)


def _new_warnings(evidence: Evidence) -> tuple[str, ...]:
    """What libraries warn of, and did not when this case was accepted; that is told, and fails nothing."""
    accepted = evidence.baseline.case.warnings if evidence.baseline and not evidence.baseline.portable else None
    return () if accepted is None else new_warnings(accepted, evidence.rendering.warnings)


def _warned(new: tuple[str, ...]) -> str:
    first = " ".join(new[0].split())[:SHOWN]
    others = f" (and {counted(len(new) - 1, 'more warning')})" if len(new) > 1 else ""
    return f"Libraries warn of what they did not when it was accepted: {first}{others}"


def _who(evidence: Evidence, component: str | None) -> str:
    """Who loaded a component, and quantized it; what is of no component that is there is of whoever loads, moves or
    quantizes at all."""
    parts = evidence.rendering.inventory
    if component is None or parts is None or component not in parts.components:
        return joined(of_whole_case(parts))
    quantizer = quantizer_of(parts.components[component])
    return joined([loader_of(component, evidence.case.subject), *([quantizer] if quantizer else [])])


def _expected(evidence: Evidence) -> Iterator[tuple[str, Inventory, str]]:
    """The inventories that this one must equal: whose each is, and what to do where it does not.

    An adapter's weights lie in memory beside those of the reference, which are held to the files."""
    promise, baseline = evidence.case.strategy.promise, evidence.baseline
    if promise.reproduces and not promise.adapts and evidence.reference_facts.inventory:
        yield promise.reproduces, evidence.reference_facts.inventory, f"Run {again(evidence.case)}."
    if baseline and not baseline.portable and evidence.accepted_facts.inventory:
        yield "the baseline", evidence.accepted_facts.inventory, CAUSE


def _differences(expected: Inventory, parts: Inventory, name: str) -> Iterator[Complaint]:
    """Components whose bytes are not the expected ones; modules and hooks are a strategy's own."""
    for change in component_changes(expected, parts):
        if change.before is None:
            if change.total[1]:  # what has no weights costs nothing
                yield Complaint(f"{change.name} is there, which {name} does not have", change.name)
        elif change.after is None:
            yield Complaint(f"{change.name} is missing, which {name} has", change.name)
        elif change.sizes and not _is_a_table(change) and not _are_fewer_scales(change):
            yield Complaint(f"{change.name} does not hold what it does in {name}: {words.sizes(change)}", change.name)


def _is_a_table(change: ComponentChange) -> bool:
    """Whether all that is more or less is small, and of buffers that are in no file."""
    before, after = change.before, change.after
    if before is None or after is None:
        return False
    beside_files = {name: after.exempt_bytes.get(name, 0) - before.exempt_bytes.get(name, 0) for name in WIDTHS}
    apart = {one.dtype: one.after - one.before for one in change.sizes}
    if sum(apart.values()) != after.buffer_bytes - before.buffer_bytes:  # weights that are kept wide are in files
        return False
    return all(abs(more) <= A_TABLE and beside_files.get(dtype) == more for dtype, more in apart.items())


def _are_fewer_scales(change: ComponentChange) -> bool:
    """Whether all that a quantized component lacks is next to nothing; what is computed with the rest, other checks
    hold to the file."""
    before, after = change.total
    less = {one.dtype: one.before - one.after for one in change.sizes}
    return min(less.values()) > 0 and less.get(QUANTIZED) == before - after and lacks_next_to_nothing(before, after)


def _made_up(evidence: Evidence) -> Iterator[Complaint]:
    """Weights that a library did not find in the files, and filled with random numbers of its own."""
    for warning in evidence.rendering.warnings:
        if MADE_UP.search(warning):
            sentence = " ".join(RULE.sub(" ", warning).split())
            yield Complaint(f"A library made up weights that it did not find in the files: {sentence[:SHOWN]}")


def _burdens(parts: Inventory) -> Iterator[Complaint]:
    """What only costs memory, or shows in other pipelines alone: copies of weights, what a backward pass would need,
    what is for training, and memory that calls share."""
    beside = parts.counts.get(BESIDE, 0)
    if beside > SPARE + SPARE_SHARE * parts.total_bytes:
        yield Complaint(
            f"Besides the components, {amount(beside)} of tensors are in memory once all is loaded: copies of weights"
        )
    for name in _after(IN_TRAINING, parts):
        yield Complaint(f"{name} is in training mode, in which layers may drop numbers out", name)
    for what in _after(NOT_THE_SAME, parts):
        yield Complaint(f"A call that is given {what} does not come to the same as one that is not, as it should")
    if parts.counts.get(PICTURES_CHANGED):
        yield Complaint("A later call changed the pictures that an earlier one had returned")
    asked = parts.counts.get(NETWORK_ASKED, 0)
    if asked:
        times = "once" if asked == 1 else f"{asked} times"
        yield Complaint(f"Loading the pipeline, or calling it, turns to the network {times}, though its files are here")
    calls = parts.counts.get(GRADIENTS, 0)
    if calls:
        yield Complaint(f"{counted(calls, 'call')} of its components recorded gradients, which nobody asked for")


def _twice_on_the_way(evidence: Evidence, parts: Inventory) -> Iterator[Complaint]:
    """Weights that lie on a GPU while they load and are not there any more, or are narrower, once they stay there.

    Not where code is compiled: the calls that compile it belong to loading, and their numbers lie there as well."""
    if evidence.case.strategy.compiles:
        return
    promise, memory = evidence.case.strategy.promise, evidence.rendering.memory
    keeps = any(isinstance(one, Counted) and one.what == ALTERED for one in promise.effects)  # weights to compare with
    if not evidence.gpu or not promise.stays or keeps or memory is None:
        return
    places = (component.placement.get(BEFORE, {}) for component in parts.components.values())
    weights = sum(size for each in places for place, size in each.items() if place.startswith("cuda"))
    peak = memory.peak("allocated", (LOAD,))
    if peak is not None and weights and peak > weights + SPARE + LOAD_SHARE * weights:
        yield Complaint(
            f"Loading peaks at {amount(peak)} on the GPU, where the weights that stay there take {amount(weights)}"
        )


def _hooks(parts: Inventory) -> Iterator[Complaint]:
    """What hangs in the components from call to call, and what is left of it once it is to be removed."""
    if parts.counts.get(HOOKS_CHANGED):
        yield Complaint("A later call left other hooks on its components than the first one")
    for name in _after(TORCH_HOOKS_GROWN, parts):
        yield Complaint(f"A later call leaves more of torch's hooks on {name} than the first one", name)
    for name in _after(HANDLERS_GROWN, parts):
        yield Complaint(f"A later call leaves more handlers on the log of {name} than the first one")
    for what in _after(SETTING_CHANGED, parts):
        sentence = f"Loading the pipeline, or calling it, leaves {what} changed for the whole process"
        yield Complaint(sentence, of_torch=what.startswith("torch's"))
    for name in _after(ALTERED_BY_REMOVAL, parts):
        yield Complaint(f"remove_all_hooks leaves {name} with other weights than it had")
    left = parts.counts.get(HOOKS_LEFT, 0)
    if left:
        yield Complaint(f"remove_all_hooks leaves accelerate's hooks on {counted(left, 'module')}")


def _says(parts: Inventory, diffusers: str) -> Iterator[Complaint]:
    """What a component says of itself and is not so: other code, and other libraries, go by it. Older releases of
    diffusers are known for it, and nobody is to be blamed for that any more."""
    if not diffusers or is_older(diffusers, TRUE_SINCE):
        return
    for name, component in parts.components.items():
        for sentence in _untrue(component.said, any(one.startswith("adapter") for one in component.settings)):
            yield Complaint(f"{name} {sentence}", name)


def _untrue(said: Mapping[str, str], adapted: bool) -> Iterator[str]:
    takes, dtype, adapter = said.get("arguments", OWN_ARGUMENTS), said.get("dtype", ""), said.get("adapter")
    if takes != OWN_ARGUMENTS:
        yield f"has a forward that says it takes {takes or 'nothing'}, which is not what its class takes"
    if dtype.startswith(NOT_COMPUTED_IN):
        yield f"says that its dtype is {dtype}, in which nothing is computed"
    if adapter == "none" and adapted:
        yield "says that no adapter is loaded, and has layers of one"
    if adapter == "loaded" and not adapted:
        yield "says that an adapter is loaded, and has no layer of one"


def _after(prefix: str, parts: Inventory) -> list[str]:
    """What the counts are of that begin so."""
    return [name.removeprefix(prefix) for name in parts.counts if name.startswith(prefix)]


def _pieces(evidence: Evidence, parts: Inventory) -> Iterator[Complaint]:
    """Tiles and slices that the decoder makes although the strategy does not ask for them."""
    asked = {one.what for one in evidence.case.strategy.promise.effects if isinstance(one, Counted)}
    decoder = evidence.case.subject.decoder
    for what in (TILES, SLICES):
        if what not in asked and parts.counts.get(what, 1) > 1:
            sentence = f"{decoder} makes {parts.counts[what]} {what} of a call, which nobody asked for"
            yield Complaint(sentence, decoder)


def _strays(evidence: Evidence, parts: Inventory) -> Iterator[Complaint]:
    """Weights that a library kept in another dtype than the one it was asked for, whatever `.dtype` says.

    A component that was quantized, or that was cast as a whole to another dtype, is left to the strategy's effects.
    """
    for name, component in parts.components.items():
        sizes, due = component.bytes_by_dtype, evidence.case.subject.dtype_of(name)
        if component.quantized_bytes or not sizes.get(due) or sizes[due] < max(sizes.values()):
            continue
        for dtype in WIDTHS:
            if dtype != due and _is_stray(component, dtype, due=due, on_disk=evidence.numbers_on_disk.get(name)):
                share = figures.percent(sizes[dtype] / component.total_bytes)
                size, _ = distinct(sizes[dtype], 0)
                yield Complaint(
                    f"{name} holds {size} of {dtype}, {share} of it, where all its weights should be {due}", name
                )


def _is_stray(component: Component, dtype: str, *, due: str, on_disk: int | None) -> bool:
    """Whether bytes of another dtype are weights, not the odd buffer that a module keeps for itself.

    The files on disk tell: if the due dtype holds fewer numbers than they do, weights are missing from it.
    """
    exempt = component.exempt_bytes
    size = component.bytes_by_dtype.get(dtype, 0) - exempt.get(dtype, 0)
    if size <= 0:
        return False
    if on_disk is not None and due in ITEM_BYTES:
        others = sum(size // ITEM_BYTES[kind] for kind, size in exempt.items() if kind in ITEM_BYTES and kind != due)
        return component.bytes_by_dtype[due] // ITEM_BYTES[due] + others < on_disk
    return size > STRAY * component.total_bytes


def _resized(parts: Inventory) -> Iterator[Complaint]:
    """Components that rendering has left with more or fewer bytes: a library has cast or replaced their weights.

    Quantized layers may pack their weights anew at first use; what was freed holds nothing any more.
    """
    for name, component in parts.components.items():
        before, after = (sum(component.placement.get(moment, {}).values()) for moment in (BEFORE, AFTER))
        if not component.quantized_bytes and after not in (0, before):
            one, other = distinct(after, before)
            yield Complaint(
                f"{name} holds {one} after rendering where it held {other} before: its weights were cast or replaced",
                name,
            )
