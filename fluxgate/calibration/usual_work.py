"""Writing down the usual work of runs: what their cases did, for machines of the same kind with the same releases.

`python -m fluxgate.calibration.usual_work FILE RUN…` puts it into the file, in place of what it had of such a machine
and stack."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from fluxgate.files import read_plain, write_whole
from fluxgate.judge.usual_work import SUBJECT, Usual, UsualWork, deciding, watchers
from fluxgate.machine import Machine
from fluxgate.refusal import Refusal
from fluxgate.render.watch.counting import counted_shot
from fluxgate.rendering import Rendering, Work
from fluxgate.runs.run import open_run
from fluxgate.subjects.catalogue import subjects

Key = tuple[str, frozenset[tuple[str, str]]]  # a machine and a stack, whose libraries have no order


def _key(one: Usual) -> Key:
    return one.machine, frozenset(one.stack.items())


def usual(runs: Sequence[Path]) -> tuple[Usual, ...]:
    """What the runs' cases did, by machine and stack; cases whose work is not that of the miniature's shot are left
    out."""
    known: dict[Key, Usual] = {}
    for folder in runs:
        run = open_run(folder)
        for rendering in run.renderings().values():
            for recipe, work in _counted(rendering):
                new = _of(run.machine, rendering, recipe)
                one = known.setdefault(_key(new), new)
                known[_key(new)] = replace(one, work={**one.work, rendering.strategy: work})
    if not known:
        raise Refusal("None of these runs has a case whose work was counted with the miniature's own shot.")
    return tuple(known.values())


def _counted(rendering: Rendering) -> Iterator[tuple[str, Work]]:
    """The recipe and the work, where a case did the same in each call of a shot that the miniature has."""
    work, smallest = rendering.work, counted_shot(subjects()[SUBJECT].shots).name
    recipes = {shot.name: shot.recipe for shot in subjects()[SUBJECT].shots}
    if rendering.crash is not None or work is None or len(work.calls) != 1 or work.shot != smallest:
        return
    if rendering.recipes.get(smallest) == recipes[smallest]:
        yield recipes[smallest], Work(work.shot, work.steps, work.calls)


def _of(machine: Machine, rendering: Rendering, recipe: str) -> Usual:
    return Usual(
        machine=machine.id,
        device=machine.device,
        capability=machine.capability,
        cuda=machine.cuda,
        stack=deciding(rendering.libraries),
        recipe=recipe,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        counted_by=watchers(),
    )


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="python -m fluxgate.calibration.usual_work", description=__doc__)
    result.add_argument("file", type=Path, help="where usual work is kept")
    result.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        new = usual(options.runs)
        before = read_plain(options.file, UsualWork).counted if options.file.exists() else ()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.exit_code
    replaced = {_key(one) for one in new}
    kept = [one for one in before if _key(one) not in replaced]
    data = msgspec.json.encode(UsualWork((*kept, *new)), order="sorted")
    write_whole(options.file, data.replace(b'},{"bytes"', b'},\n{"bytes"') + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
