"""A difference in words: one line for each thing that is not the same, old first."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate import figures
from fluxgate.amounts import distinct
from fluxgate.compare.difference import Difference
from fluxgate.compare.inventory import ComponentChange
from fluxgate.compare.pairs import Pair


def lines(difference: Difference) -> Iterator[str]:
    """What a person should know before they accept it; memory and seconds have limits, and are not told here."""
    if difference.stack:
        moved = (f"{one.library} {one.before or 'absent'} → {one.after or 'absent'}" for one in difference.stack)
        yield f"stack: {', '.join(moved)}"
    for pair in difference.pictures:
        if not pair.identical:
            how = picture(pair) if pair.expected else "is new"
            yield f"picture {pair.index} of shot {pair.shot!r} {how}"
    for shot, index in difference.missing:
        yield f"picture {index} of shot {shot!r} is gone"
    for mismatch in difference.noise_levels:
        yield mismatch.sentence(whose="the old one")
    for stage in difference.stages:
        yield f"shot {stage.shot!r}: first differs at {stage.place}"
    for change in difference.inventory:
        yield f"{change.name}: {component(change)}"
    if difference.work:
        first, others = difference.work[0], len(difference.work) - 1
        yield f"work: {first.sentence}{_and_more(others)}"


def _and_more(counters: int) -> str:
    if not counters:
        return ""
    return ", and 1 more counter differs" if counters == 1 else f", and {counters} more counters differ"


def picture(pair: Pair) -> str:
    """How far a picture is off, or why that cannot be said: `differs in 50% of its pixels by at most 1/255 …`."""
    if pair.likeness is None:
        return pair.trouble or "cannot be compared"
    if pair.identical:
        return "is the same"
    share, most = figures.percent(pair.likeness.changed_share), f"{pair.likeness.max_difference:.0f}/255"
    where = f", first at row {pair.first[0]}, column {pair.first[1]}" if pair.first else ""
    how = f"SSIM {figures.likeness(pair.likeness.ssim)}, FLIP {pair.likeness.flip:.3f}"
    return f"differs in {share} of its pixels by at most {most}{where} ({how})"


def component(change: ComponentChange) -> str:
    """Its dtypes before and after, with the total where several have moved; and what else of it has changed."""
    if change.before is None or change.after is None:
        return "appears" if change.before is None else "is gone"
    parts = [sizes(change)] if change.sizes else []
    # Where modules are others, so may be the names of the same weights, and the hash is of both.
    renamed = "modules" in change.traits
    traits = [f"{trait} (or their names)" if trait == "weights" and renamed else trait for trait in change.traits]
    parts += [f"its {' and '.join(traits)} change"] if traits else []
    return ", ".join(parts)


def sizes(change: ComponentChange) -> str:
    """`bfloat16 1.00 GB → 0 B, float32 0 B → 2.00 GB, in all 1.00 GB → 2.00 GB`."""
    parts = [f"{size.dtype} {' → '.join(distinct(size.before, size.after))}" for size in change.sizes]
    parts += [f"in all {' → '.join(distinct(*change.total))}"] if len(change.sizes) > 1 else []
    return ", ".join(parts)
