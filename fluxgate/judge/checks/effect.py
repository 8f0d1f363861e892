"""Checks of what a case was made of: the strategy took effect, and nothing else changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fluxgate import figures
from fluxgate.amounts import amount, distinct
from fluxgate.judge.evidence import Answer, Evidence, failed, passed, unsupported
from fluxgate.judge.sentences import ACCEPT, again, counted, listed
from fluxgate.rendering import AFTER, BEFORE, BESIDE, GRADIENTS, Component, Inventory
from fluxgate.strategies.effects import for_subject

ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
WIDTHS = ("float64", "float32", "float16", "bfloat16")  # dtypes that weights are cast to as a whole
# How transformers and diffusers say that weights were not in the files; a long report is cut off before its notes.
MADE_UP = re.compile(r"newly initialized|LOAD REPORT.*\b(MISSING|MISMATCH)\b", re.DOTALL)
RULE = re.compile(r"[-+|]*-{3,}[-+|]*")  # a line in a table
SPARE = 8 << 20  # bytes of tensors that are no weights: tables, noise levels; 26 kB were seen
SPARE_SHARE = 0.001  # of the weights, added to that: 3.5 MB of scales were seen beside 34 GB
STRAY = 0.001  # share of a component's bytes that buffers may have in another dtype, where its files are not at hand


def effect(evidence: Evidence) -> Answer:
    """Every effect that the strategy promises can be seen in the inventory."""
    effects = evidence.case.strategy.promise.effects
    inventory = evidence.rendering.inventory
    if not effects:
        return unsupported("It promises no effect that could be seen.")
    if inventory is None:
        return failed(f"The worker left no inventory, so no effect can be seen. Run {again(evidence.case)}.")
    said = [
        for_subject(each, evidence.case.subject).missing(inventory, device=evidence.case.device) for each in effects
    ]
    complaints = [complaint.rstrip(".") for complaint in said if complaint]
    if not complaints:
        return passed(f"{counted(len(effects), 'effect')} asked for, none missing.", numbers={"effects": len(effects)})
    sentence = f"{len(complaints)} of {counted(len(effects), 'effect')} missing: {'; '.join(complaints)}."
    sentence += f" The strategy did not do what it says. Run {again(evidence.case)}."
    return failed(sentence, numbers={"effects": len(effects), "missing": len(complaints)})


def inventory(evidence: Evidence) -> Answer:
    """Byte for byte and dtype for dtype: against the subject's dtype, the reference and the baseline."""
    found = evidence.rendering.inventory
    if found is None:
        return failed(f"The worker left no inventory. Run {again(evidence.case)}.")
    against = ["the subject's dtype"]
    for complaint in (*_made_up(evidence), *_strays(evidence, found), *_resized(found), *_burdens(evidence, found)):
        return failed(f"{complaint}. Run {again(evidence.case)}.")
    reference = evidence.reference.rendering if evidence.reference else None
    if reference and reference.inventory and evidence.case.strategy.promise.reproduces:
        against.append(reference.strategy)
        for complaint in _changes(reference.inventory, found, whose=f"{reference.strategy}'s"):
            return failed(f"{complaint}. Run {again(evidence.case)}.")
    accepted = evidence.baseline.case if evidence.baseline and not evidence.baseline.portable else None
    if accepted and accepted.inventory:
        against.append("the baseline")
        for complaint in _changes(accepted.inventory, found, whose="the accepted"):
            return failed(f"{complaint}. If that is right, run {ACCEPT}.")
    said = f"{counted(len(found.components), 'component')} as they should be by {listed(against)}."
    return passed(said, numbers={"bytes": float(found.total_bytes)})


def _made_up(evidence: Evidence) -> Iterator[str]:
    """Weights that a library did not find in the files, and filled with random numbers of its own."""
    for warning in evidence.rendering.warnings:
        if MADE_UP.search(warning):
            said = " ".join(RULE.sub(" ", warning).split())
            yield f"A library made weights up while it loaded: {said[:300]}"


def _burdens(evidence: Evidence, found: Inventory) -> Iterator[str]:
    """What only costs memory: copies of weights, and what a backward pass would need."""
    beside = found.counts.get(BESIDE, 0)
    if beside > SPARE + SPARE_SHARE * found.total_bytes:
        yield f"{amount(beside)} of tensors lie in memory beside the components once they are loaded: copies of weights"
    calls = found.counts.get(GRADIENTS, 0)
    if calls:
        yield f"{counted(calls, 'call')} of its components recorded gradients, which nobody asked for"


def _changes(expected: Inventory, found: Inventory, *, whose: str) -> Iterator[str]:
    """Components and dtypes whose bytes are not the expected ones, in words."""
    for name, component in found.components.items():
        if name not in expected.components:
            yield f"{name} is there, and is not in {whose} inventory"
            continue
        other = expected.components[name]
        for dtype, ours, theirs in _by_dtype(component, other):
            one, before = distinct(ours, theirs)
            yield f"{name} holds {one} of {dtype} where {whose} holds {before}"
    for name in expected.components:
        if name not in found.components:
            yield f"{name} is missing, and is in {whose} inventory"


def _by_dtype(component: Component, other: Component) -> Iterator[tuple[str, int, int]]:
    ours = {**component.bytes_by_dtype, "quantized weights": component.quantized_bytes}
    theirs = {**other.bytes_by_dtype, "quantized weights": other.quantized_bytes}
    for dtype in sorted({*ours, *theirs}):
        if ours.get(dtype, 0) != theirs.get(dtype, 0):
            yield dtype, ours.get(dtype, 0), theirs.get(dtype, 0)


def _strays(evidence: Evidence, found: Inventory) -> Iterator[str]:
    """Weights that a library kept in another dtype than the one it was asked for, whatever `.dtype` says.

    A component that was quantized, or that was cast as a whole to another dtype, is left to the strategy's effects.
    """
    due = evidence.case.subject.dtype
    for name, component in found.components.items():
        sizes = component.bytes_by_dtype
        if component.quantized_bytes or not sizes.get(due) or sizes[due] < max(sizes.values()):
            continue
        for dtype in WIDTHS:
            if dtype != due and _is_stray(component, dtype, due=due, on_disk=evidence.on_disk.get(name)):
                share = figures.percent(sizes[dtype] / component.total_bytes)
                size = distinct(sizes[dtype], 0)[0]
                yield f"{name} holds {size} of {dtype}, {share} of it, where all its weights should be {due}"


def _resized(found: Inventory) -> Iterator[str]:
    """Components that rendering has left with more or fewer bytes: a library has cast or replaced their weights.

    Quantized layers may pack their weights anew at first use; what was freed holds nothing any more.
    """
    for name, component in found.components.items():
        before, after = (sum(component.placement.get(moment, {}).values()) for moment in (BEFORE, AFTER))
        if not component.quantized_bytes and after not in (0, before):
            one, other = distinct(after, before)
            yield f"{name} holds {one} after rendering where it held {other} before: its weights were cast or replaced"


def _is_stray(component: Component, dtype: str, *, due: str, on_disk: int | None) -> bool:
    """Whether bytes of another dtype are weights, not the odd buffer that a module keeps for itself.

    The files on disk tell: if the due dtype holds fewer numbers than they do, weights are missing from it.
    """
    size = component.bytes_by_dtype.get(dtype, 0)
    if not size:
        return False
    if on_disk is not None and due in ITEM_BYTES:
        return component.bytes_by_dtype[due] // ITEM_BYTES[due] < on_disk
    return size > STRAY * component.total_bytes
