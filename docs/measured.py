"""Writes fluxgate/report/shipped.json: what was accepted of the twin on an H100, for `fluxgate advise`.

    python -m docs.measured            # writes it
    python -m docs.measured --check    # exit code 1 if it is not what the accepted facts say

Nothing in the file is typed by hand. Memory and seconds are from the facts of each strategy, likeness is computed from
the accepted pictures that were kept, and the cards that were tried are read from the tables of docs/measurements.md. A
strategy of which nothing is accepted any more keeps what the file has of it, with the releases that it was measured
with; one that was accepted without seconds keeps the file's seconds."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import msgspec

from fluxgate.baselines.baseline import AcceptedCase, Baseline, accepted_facts, read_case, strategies_in
from fluxgate.baselines.store import Store, folder_of
from fluxgate.compare.facts import ALLOCATED, HOST, RESERVED, WHOLE
from fluxgate.compare.likeness import similarity
from fluxgate.files import read_plain, write_plain
from fluxgate.report.shipped import FILE, Measurement, Shipped, seconds_of_picture
from fluxgate.subjects.catalogue import subjects
from fluxgate.subjects.subject import Subject

ROOT = Path(__file__).parent.parent
MACHINE, SUBJECT, PICTURE = "h100-80gb-hbm3-torch2.11.0-cu130", "grown", "blog"
TAKES = 2  # a GPU renders each shot twice, and the accepted seconds are of both
ABOUT = "the miniature's twin, which has FLUX.1-dev's shapes and other weights"


def measured() -> Shipped:
    store, subject = Store.at(ROOT / "baselines"), subjects()[SUBJECT]
    found = [read_case(store, MACHINE, SUBJECT, name) for name in strategies_in(folder_of(store.own, MACHINE, SUBJECT))]
    baselines = {one.case.strategy: one for one in found if one is not None}
    shot = next(shot for shot in subject.shots if shot.name == PICTURE)
    likenesses, cards = _likenesses(baselines), _cards((ROOT / "docs" / "measurements.md").read_text())
    stacks = [one.case.accepted.stack for one in baselines.values()]
    common = {name: version for name, version in stacks[0].items() if all(s.get(name) == version for s in stacks)}
    before = {one.strategy: one for one in _earlier(common)}
    accepted = [
        _measurement(
            one.case,
            subject,
            per_picture=shot.steps,
            likeness=likenesses[name],
            card=cards.get(name),
            before=before.get(name),
        )
        for name, one in baselines.items()
    ]
    earlier = [one for name, one in before.items() if name not in baselines]
    return Shipped(
        subject=SUBJECT,
        about=ABOUT,
        machine=MACHINE,
        stack=common,
        width=shot.width or 0,
        height=shot.height or 0,
        steps=shot.steps,
        strategies=tuple(sorted((*accepted, *earlier), key=lambda one: one.strategy)),
    )


def _earlier(common: dict[str, str]) -> Iterator[Measurement]:
    """What the file has, each with those of its releases that are others."""
    if FILE.is_file():
        before = read_plain(FILE, Shipped)
        for one in before.strategies:
            stack = {**before.stack, **one.stack}
            yield replace(one, stack={name: version for name, version in stack.items() if common.get(name) != version})


def _measurement(
    case: AcceptedCase,
    subject: Subject,
    *,
    per_picture: int,
    likeness: float,
    card: int | None,
    before: Measurement | None,
) -> Measurement:
    shots = [shot for shot in subject.shots if case.recipes.get(shot.name) == shot.recipe]
    if len(shots) != len(case.recipes):
        raise SystemExit(f"{case.strategy}: a shot that was accepted is no longer the catalogue's")
    steps = TAKES * sum(shot.steps for shot in shots)
    phases = {phase: median(runs) for phase, runs in case.seconds.items()}
    if phases:
        pictures = TAKES * len(shots)
        seconds = seconds_of_picture(phases, steps=steps, pictures=pictures, per_picture=per_picture)
    elif before is not None:
        seconds = before.seconds
    else:
        raise SystemExit(f"{case.strategy}: it was accepted without seconds, and the file has none")
    whole = case.peaks[WHOLE]
    return Measurement(
        strategy=case.strategy,
        reserved=max(whole[RESERVED]),
        allocated=max(whole[ALLOCATED]),
        host=max(whole[HOST]),
        seconds=round(seconds, 2),
        steps=steps,
        likeness=likeness,
        card=card,
        run=case.accepted.run,
        accepted=case.accepted.at[:10],
        commit=case.accepted.commit,
    )


def _likenesses(baselines: dict[str, Baseline]) -> dict[str, float]:
    """Strategy -> SSIM of its picture that is least like full's; those of one picture are measured once."""
    known: dict[tuple[str, str], float] = {}
    full = accepted_facts(baselines["full"]).pictures
    least = {}
    for name, baseline in baselines.items():
        for key, (ours, *_) in accepted_facts(baseline).pictures.items():
            if not ours.kept and ours.sha256 != full[key][0].sha256:
                continue
            pair = (ours.sha256, full[key][0].sha256)
            if pair not in known:
                known[pair] = 1.0 if pair[0] == pair[1] else similarity(full[key][0].read(), ours.read())
            least[name] = min(least.get(name, 1.0), round(known[pair], 6))
    return least


def _cards(page: str) -> dict[str, int]:
    """Strategy -> the last column of the twin's tables, which is headed `card`."""
    section = page.partition("## The blog post's table, measured again")[2].partition("### Smaller cards")[0]
    assert section.count("| card |") == 2
    return {name: int(card) for name, card in re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (\d+) \|$", section, re.MULTILINE)}


if __name__ == "__main__":
    result = measured()
    if "--check" in sys.argv[1:]:
        same = FILE.is_file() and msgspec.json.decode(FILE.read_bytes(), type=Shipped) == result
        sys.exit(0 if same else f"{FILE} is not what was accepted: run python -m docs.measured")
    write_plain(FILE, result)
    print(f"{len(result.strategies)} strategies in {FILE.relative_to(ROOT)}")
