"""What was noted of a case beside its pictures, held to what was accepted: with the same releases it is the same."""

from __future__ import annotations

from collections.abc import Iterator

from fluxgate.compare.inventory import lacks_next_to_nothing
from fluxgate.compare.work import of_headers
from fluxgate.judge.damage import other_releases
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import counted
from fluxgate.rendering import (
    AFTER,
    BEFORE,
    BESIDE,
    BESIDE_ON_GPU,
    GRADIENTS,
    READ_IN_LOADING,
    TIDIED_IN_LOADING,
    Component,
    Inventory,
)
from fluxgate.strategies.effects import FILES, GRAPHS, IMAGES_SEEN, PROCESSES, REUSED

# Counts that grow with each take, of which a run may have more or fewer, and into how many files weights are written.
LEFT_OUT = (GRADIENTS, PROCESSES, REUSED, IMAGES_SEEN, FILES)
FEW = 64 << 10  # bytes beside the components that may be more or less; chosen: not one was seen to be
# Of graphs, as a share: torch compiles a more general one when it meets a second size, and two CPUs had 9 and 11.
FEW_GRAPHS = 0.25


def noted_otherwise(evidence: Evidence, parts: Inventory) -> Iterator[tuple[str, str | None]]:
    """What is not as accepted, each with the component that it is about; nothing where another release, or other shots,
    may be the reason."""
    accepted = evidence.accepted_facts.inventory
    baseline = evidence.baseline
    if baseline is None or baseline.portable or accepted is None or other_releases(evidence) != []:
        return
    if evidence.accepted_facts.pictures.keys() != evidence.facts.pictures.keys():
        return
    for name, component in parts.components.items():
        before = accepted.components.get(name)
        if before is not None:
            yield from ((sentence, name) for sentence in _of_component(name, before, component))
    yield from ((sentence, None) for sentence in _of_counts(accepted.counts, parts.counts))


def _of_component(name: str, before: Component, now: Component) -> Iterator[str]:
    """Classes may have other names; how many there are, and where they lie, is the same."""
    for moment, when in ((BEFORE, "before its first call"), (AFTER, "after rendering")):
        then, ours = (one.placement.get(moment) for one in (before, now))
        if then is not None and ours is not None and not _lie_alike(then, ours, quantized=now.quantized_bytes > 0):
            yield f"{name} lies elsewhere {when} than was accepted: {_places(ours)} instead of {_places(then)}"
    for kind, one, other in (
        ("module", before.module_classes, now.module_classes),
        ("hook", before.hooks, now.hooks),
    ):
        if sum(one.values()) != sum(other.values()):
            yield f"{name} has {counted(sum(other.values()), kind)} instead of the {sum(one.values()):,} accepted"
    for what in sorted(before.said.keys() & now.said.keys()):
        if before.said[what] != now.said[what]:
            yield f"{name} says of its {what} that it is {now.said[what]}, and said {before.said[what]} when accepted"
    for setting in sorted(before.settings.keys() & now.settings.keys()):
        if before.settings[setting] != now.settings[setting]:
            was, becomes = before.settings[setting], now.settings[setting]
            yield f"{name} has {setting} {becomes} instead of the accepted {was}"


def _lie_alike(before: dict[str, int], now: dict[str, int], *, quantized: bool) -> bool:
    if not quantized or before.keys() != now.keys():
        return before == now
    return all(size == now[place] or lacks_next_to_nothing(size, now[place]) for place, size in before.items())


def _places(sizes: dict[str, int]) -> str:
    return " and ".join(f"{size:,} B on {place}" for place, size in sorted(sizes.items())) or "nothing"


def _of_counts(before: dict[str, int], now: dict[str, int]) -> Iterator[str]:
    for what in sorted(before.keys() & now.keys()):
        most = {
            BESIDE: FEW,
            BESIDE_ON_GPU: FEW,
            GRAPHS: FEW_GRAPHS * before[what],
            READ_IN_LOADING: of_headers(before[what]),
        }
        if what in TIDIED_IN_LOADING.values() and now[what] < before[what]:
            continue  # that takes less time; what it costs in memory is measured
        if what not in LEFT_OUT and abs(now[what] - before[what]) > most.get(what, 0):
            yield f"The number of {what} is {now[what]:,} instead of the accepted {before[what]:,}"
