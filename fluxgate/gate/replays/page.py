"""The page about the replays: what was played, what the gate said, and what was not played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fluxgate.figures import seconds
from fluxgate.gate.replays.played import Played, Status
from fluxgate.gate.replays.rows import Row
from fluxgate.judge.sentences import counted, listed
from fluxgate.report.escaping import markdown as safe

INTRODUCTION = (
    "# Replays",
    "The gate's answers to real releases: regressions, which it must catch and whose culprit it must name, and"
    " harmless upgrades, which it must let pass. `fluxgate replay --write docs/replays.md` writes this page, and"
    " `docs/replays.json` beside it.",
    "The rows are data, in [`fluxgate/gate/replays/`](../fluxgate/gate/replays). A row pins the *good* stack and what"
    " differs in the *bad* one; anything else is what the Python that plays it has installed. It says what must go"
    " red, at which stage, and which package did it. In most rows, packages that are not to blame move as well, so the"
    " culprit must be found among several.",
)
# What is known and no row, and why.
NOT_ROWS = (
    "## Known regressions without a row\n",
    "- Group offload with streams read weights too early in diffusers 0.35.0"
    " ([#11981](https://github.com/huggingface/diffusers/issues/11981)): even on an H100, the miniature is too small"
    " to show it.",
    "- transformers 5.0 in development put full-precision tensors on the GPU while it loaded four bits"
    " ([#43032](https://github.com/huggingface/transformers/issues/43032)): no release had it.",
    "- torch 2.9 doubled the peak of three-dimensional convolutions"
    " ([#177406](https://github.com/pytorch/pytorch/issues/177406)): FLUX's VAE has none.",
    "- diffusers 0.40 replaces timesteps that the caller gives"
    " ([#14461](https://github.com/huggingface/diffusers/issues/14461)): FLUX gives sigmas, so for it the upgrade is"
    " harmless, and a row there. kernels 0.15 and transformers 5.8 are the same kind.",
    "- NF4 with sequential offload has never worked"
    " ([#10800](https://github.com/huggingface/diffusers/issues/10800)): a known failure in"
    " `baselines/known_failures.toml`; Fluxgate will notice when it is fixed.",
)
HEADER = ("row", "what moved", "the gate's answer", "first at", "culprit", "environments", "seconds", "on")
FITTED = "†"  # marks a row of which something was written after a gate had answered


def page(rows: Mapping[str, Row], results: Sequence[Played]) -> str:
    """The whole page, as Markdown."""
    return "\n".join(_blocks(rows, results)).rstrip() + "\n"


def _blocks(rows: Mapping[str, Row], results: Sequence[Played]) -> Iterator[str]:
    by_row = {result.row: result for result in results}
    regressions = {name: row for name, row in rows.items() if not row.is_harmless}
    harmless = {name: row for name, row in rows.items() if row.is_harmless}
    places = _places(results)
    yield from (f"{paragraph}\n" for paragraph in INTRODUCTION)
    yield from _machines(places, results)
    yield "## Regressions\n"
    yield f"{_count(regressions, by_row, done='caught, with the right stage and the right culprit')}\n"
    yield from _table(regressions, by_row, places)
    yield "## Harmless upgrades\n"
    yield f"{_count(harmless, by_row, done='let pass')}\n"
    yield from _table(harmless, by_row, places)
    yield from _fitted(rows)
    yield from _wrong(results)
    yield from _missing(rows, by_row)
    yield from _threads(regressions)
    yield ""
    yield from NOT_ROWS


def _place(result: Played) -> str:
    """Where a row was played."""
    return f"{result.machine}, Python {result.python}, torch {result.torch}"


def _places(results: Iterable[Played]) -> dict[str, str]:
    """Each place with the letter that stands for it in the tables."""
    places = dict.fromkeys(_place(one) for one in results if one.machine)
    return {place: chr(ord("A") + number) for number, place in enumerate(places)}


def _machines(places: Mapping[str, str], results: Sequence[Played]) -> Iterator[str]:
    """The places, with how many rows each has played, and what else it had to do."""
    if not places:
        return
    yield "Seconds are by the clock and include building environments. Played on:\n"
    for place, letter in places.items():
        there = [one for one in results if one.machine and _place(one) == place]
        loads = [one.load for one in there if one.load is not None]
        days = sorted({one.date for one in there if one.date})
        yield f"- **{letter}**: {safe(place)}: {counted(len(there), 'row')}{_days(days)}{_load(loads)}"
    yield ""


def _days(days: Sequence[str]) -> str:
    """When they were played: a row that is played again has its newest result alone."""
    return f", {listed(days)}" if days else ""


def _load(loads: Sequence[float]) -> str:
    """How much else the machine had to do."""
    ends = dict.fromkeys(f"{load:.0f}" for load in (min(loads), max(loads))) if loads else ()
    return f", with a load of {' to '.join(ends)}" if ends else ""


def _count(rows: Mapping[str, Row], results: Mapping[str, Played], *, done: str) -> str:
    """How many were played, and how many of those came out as they must."""
    status = [results[name].status for name in rows if name in results]
    right = status.count(Status.AS_EXPECTED)
    not_installed = status.count(Status.NOT_INSTALLED)
    played = len(status) - not_installed
    gone = f" {counted(not_installed, 'row')} could not be installed any more." if not_installed else ""
    return f"{played} of {len(rows)} played; {right} of these {done}.{gone}"


def _table(rows: Mapping[str, Row], results: Mapping[str, Played], places: Mapping[str, str]) -> Iterator[str]:
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{' --- |' * len(HEADER)}"
    for name in rows:
        if name in results:
            letter = places.get(_place(results[name]), "")
            yield f"| {' | '.join((*_cells(rows[name], results[name]), letter))} |"
    yield ""


def _cells(row: Row, result: Played) -> Iterator[str]:
    mark = FITTED if row.fitted else ""
    yield f"[{safe(row.name)}]({row.thread}){mark}" if row.thread else f"{safe(row.name)}{mark}"
    if result.status is Status.NOT_INSTALLED:
        yield from ("", f"not installable: {safe(result.sentence)}", "", "", "", "")
        return
    yield safe(", ".join(result.moved))
    wrong = "" if result.status is Status.AS_EXPECTED else "**wrong:** "
    yield f"{wrong}{safe(result.answer or '')}"
    yield safe(result.stage or "")
    yield safe(", ".join(result.culprit))
    yield str(result.environments)
    yield seconds(result.seconds)


def _fitted(rows: Mapping[str, Row]) -> Iterator[str]:
    """What of which row is no forecast."""
    fitted = [row for row in rows.values() if row.fitted]
    if fitted:
        yield "## Written after the fact\n"
        yield (
            f"A row is a forecast: what it expects stands before it is played. Of {counted(len(fitted), 'row')}, marked"
            f" {FITTED}, something was written or changed after a gate had answered; they prove less.\n"
        )
        yield from (f"- {safe(row.name)}: {safe(row.fitted or '')}" for row in fitted)
        yield ""


def _wrong(results: Iterable[Played]) -> Iterator[str]:
    wrong = [result for result in results if result.status is Status.WRONG]
    if wrong:
        yield "## Wrong answers\n"
        yield from (f"- {safe(one.row)}: {safe(' '.join(one.differences))}" for one in wrong)
        yield ""


def _missing(rows: Mapping[str, Row], results: Mapping[str, Played]) -> Iterator[str]:
    missing = [row for name, row in rows.items() if name not in results]
    if missing:
        yield "## Not played\n"
        yield from (f"- {safe(row.name)}{' (needs a GPU)' if row.device == 'cuda' else ''}" for row in missing)
        yield ""


def _threads(rows: Mapping[str, Row]) -> Iterator[str]:
    yield "## What happened\n"
    yield from (f"- **{safe(row.name)}**: {safe(row.about)} [Thread]({row.thread})" for row in rows.values())
