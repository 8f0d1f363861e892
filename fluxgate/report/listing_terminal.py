"""The listing for a terminal: subjects, then strategies; those that cannot run here at the end, by reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fluxgate.amounts import amount
from fluxgate.judge.sentences import listed
from fluxgate.report.escaping import plain, wrapped
from fluxgate.report.listing import ListedStrategy, ListedSubject, Listing
from fluxgate.subjects.subject import Needs

CHOOSING = "Choose with --subject=NAME[,NAME] and --strategy=NAME[,NAME], or by a mark: pytest -m offloading."


def listing_text(listing: Listing, *, width: int) -> str:
    """All of it."""
    here: list[ListedStrategy] = []
    by_reason: dict[str, list[ListedStrategy]] = {}
    for one in listing.strategies.values():
        reason = _why_not_here(one, listing)
        (here if reason is None else by_reason.setdefault(reason, [])).append(one)
    blocks = [
        [f"This machine: {plain(listing.machine.name)} ({plain(listing.machine.id)})"],
        ["Subjects", *_subjects(listing.subjects.values(), width)],
        [f"{_counted(here)} can run here", *_rows(here, listing, width)],
    ]
    for reason, those in by_reason.items():
        heading = wrapped(f"{_counted(those)} cannot run here: {reason}", width)
        blocks.append([*heading, *_rows(those, listing, width)])
    blocks.append(wrapped(CHOOSING, width))
    return "\n\n".join("\n".join(block) for block in blocks)


def _why_not_here(one: ListedStrategy, listing: Listing) -> str | None:
    """Why a strategy can run with no subject at all; None for one that can with some."""
    none_left = bool(one.unsupported) and len(one.unsupported) == len(listing.subjects)
    return "; ".join(dict.fromkeys(one.unsupported.values())) if none_left else None


def _counted(those: Sequence[ListedStrategy]) -> str:
    return "1 strategy" if len(those) == 1 else f"{len(those)} strategies"


def _subjects(subjects: Iterable[ListedSubject], width: int) -> Iterator[str]:
    for one in subjects:
        yield from wrapped(f"{one.subject.name}: {one.subject.about}", width, indent="  ")
        ready = f"not ready: {one.not_ready}" if one.not_ready else "ready"
        yield from wrapped(f"needs {_needs(one.subject.needs)}; {ready}", width, indent="    ")


def _needs(needs: Needs) -> str:
    words = [f"{amount(needs.disk)} of disk"] if needs.disk else []
    words += [f"{amount(needs.vram)} of GPU memory"] if needs.vram else []
    words += ["a token of the hub"] if needs.token else []
    return listed(words) or "nothing"


def _rows(strategies: Iterable[ListedStrategy], listing: Listing, width: int) -> Iterator[str]:
    """Name, promise and marks in columns that all strategies share, and below them what each does.

    Where there is no room for the marks, they stand before what it does."""
    every = listing.strategies.values()
    name, promise = max(len(one.strategy.name) for one in every), max(len(one.promise) for one in every)
    roomy = 6 + name + promise + max(len(", ".join(one.marks)) for one in every) <= width
    for one in strategies:
        marks, about = ", ".join(one.marks), one.strategy.about
        row = f"  {one.strategy.name:<{name}}  {one.promise:<{promise}}  "
        yield f"{row}{marks}" if roomy else row.rstrip()
        yield from wrapped(about if roomy else f"[{marks}] {about}", width, indent="    ")
        if _why_not_here(one, listing) is None:
            for subject, reason in one.unsupported.items():
                yield from wrapped(f"Not with {subject}: {reason}", width, indent="    ")
