"""Tests of the smallest card that a case was seen to run on, from this run and from those beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.files import write_plain
from fluxgate.rendering import Crash, Rendering
from fluxgate.report.cards import (
    STANDARD,
    Trial,
    cards_of,
    covers,
    ran_on,
    ran_out_on,
    size_of,
    smallest_cards,
    standard,
    trials,
)
from fluxgate.runs import run as runs
from fluxgate.runs.rendered import Rendered
from fluxgate.runs.run import Run
from tests.runs.building import MACHINE, STACK, put, rendering

GB, MIB = 10**9, 2**20
FULL_UNDER = Crash("out of memory", "out of memory under the limit of 12.00 GB: …", "load", (), limit=12 * GB)


@pytest.fixture
def full(tmp_path: Path) -> Rendering:
    return rendering("full", tmp_path)


def trial(size: float, *found: Rendering) -> Trial:
    known = {one.case_id: Rendered(one, Path("nowhere")) for one in found}
    return Trial(f"run-{size}", size, known.get)


def crashed(one: Rendering, **changes: Any) -> Rendering:
    return replace(one, crash=replace(FULL_UNDER, **changes))


def asked(one: Rendering, *shots: str) -> Rendering:
    """The same, asked for other shots."""
    return replace(one, recipes=dict.fromkeys(shots, "a" * 64))


# Of what size a card is


@pytest.mark.parametrize("card", STANDARD)
def test_a_standard_card_is_itself(card: int) -> None:
    """And the next larger one is what a little more needs."""
    assert standard(card) == card
    assert standard(card + 0.01) == next((other for other in STANDARD if other > card), card + 1)


@pytest.mark.parametrize(("size", "card"), [(0.5, 8), (10, 12), (80.5, 81), (141, 141)])
def test_what_lies_between_needs_the_next_larger_card(size: float, card: int) -> None:
    """The smallest there is for next to nothing; beyond the largest standard one, a card of its own."""
    assert standard(size) == card


@pytest.mark.parametrize(
    ("mebibytes", "limit", "size"),
    [
        (81559, None, 80),  # an H100, as the driver counts it
        (143771, None, 141),  # an H200
        (24564, None, 24),  # an RTX 4090
        (15360, None, 15),  # a T4, of which a part is set aside
        (81559, 12 * GB, 12),
        (81559, 12_500_000_000, 12.5),
        (81559, 85_400_000_000, 80),
    ],
)
def test_a_run_stands_for_its_limit_or_for_its_own_card(
    tmp_path: Path, mebibytes: int, limit: int | None, size: float
) -> None:
    """A card is sold by the 2^30 bytes that it has, a limit is told in 10^9."""
    machine = replace(MACHINE, memory=mebibytes * MIB)
    assert size_of(runs.create(tmp_path, machine, STACK, "x", vram_limit=limit)) == size


# Which renderings count


def test_the_smallest_of_all_that_ended_well(full: Rendering) -> None:
    """In whatever order they come."""
    tried = [trial(80, full), trial(24, full), trial(12, crashed(full))]
    assert ran_on(full, tried) == ran_on(full, reversed(tried)) == 24
    assert smallest_cards({"tiny-full": full}, tried) == {"tiny-full": 24}


def test_a_crash_is_no_card(full: Rendering) -> None:
    """Of any kind; nothing is said of a case that never ended well."""
    for crash in (FULL_UNDER, Crash("signal", "SIGSEGV", None, ())):
        broken = replace(full, crash=crash)
        assert smallest_cards({"tiny-full": broken}, [trial(12, broken), trial(80)]) == {}


def test_a_case_that_crashed_here_may_have_run_beside(full: Rendering) -> None:
    """Its card is then the larger one."""
    assert smallest_cards({"tiny-full": crashed(full)}, [trial(12, crashed(full)), trial(80, full)]) == {
        "tiny-full": 80
    }


@pytest.mark.parametrize(
    ("beside", "counts"), [(("one", "two"), True), (("one", "two", "three"), True), (("one",), False), ((), False)]
)
def test_fewer_shots_prove_nothing_of_more(full: Rendering, beside: tuple[str, ...], counts: bool) -> None:
    """The shot that was left out may be the one that needs most."""
    mine = asked(full, "one", "two")
    assert (ran_on(mine, [trial(80, mine), trial(12, asked(full, *beside))]) == 12) is counts


def test_a_shot_of_another_recipe_is_another_shot(full: Rendering) -> None:
    """It may have been smaller."""
    other = replace(full, recipes=dict.fromkeys(full.recipes, "0" * 64))
    assert not covers(other, full)
    assert covers(full, full)


def test_what_was_too_little_is_the_most_of_it(full: Rendering) -> None:
    """Only where it was the limit that ran out, and for these shots or fewer."""
    few = crashed(asked(full, "one"))
    many = crashed(asked(full, "one", "two", "three"))
    mine = asked(full, "one", "two")
    assert ran_out_on(mine, [trial(8, few), trial(12, few), trial(16, many), trial(24, mine)]) == 12
    assert ran_out_on(mine, [trial(24, crashed(mine, kind="exception", limit=None))]) is None


# Which runs count


def run(root: Path, *found: Rendering, limit: int | None = None, **machine: Any) -> Run:
    made = runs.create(root, replace(MACHINE, memory=80 * 2**30, **machine), STACK, "x", vram_limit=limit)
    for one in found:
        put(made, one)
    return made


def test_runs_beside_count_where_machine_and_stack_are_the_same(tmp_path: Path, full: Rendering) -> None:
    """The run itself comes first, then the others, the latest first."""
    root = tmp_path / "runs"
    first, mine = run(root, full, limit=24 * GB), run(root, full)
    last = run(root, crashed(full), limit=12 * GB)
    run(root, full, limit=8 * GB, id="another-machine")
    other = run(root, full, limit=8 * GB)
    facts = replace(other.facts, stack={"diffusers": "0.1"})
    write_plain(other.folder / runs.FACTS, facts)
    assert [one.run_id for one in trials(mine)] == [mine.id, last.id, first.id]
    assert cards_of(mine) == {"tiny-full": 24}


def test_damage_beside_is_no_damage_here(tmp_path: Path, full: Rendering) -> None:
    """Neither facts nor renderings that cannot be read keep this run from being told."""
    root = tmp_path / "runs"
    mine = run(root, full)
    for name in (runs.FACTS, "cases/tiny-full/rendering.json"):
        (run(root, full, limit=8 * GB).folder / name).write_text("{")
    assert cards_of(mine) == {"tiny-full": 80}


def test_a_cpu_says_nothing_of_cards(tmp_path: Path, full: Rendering) -> None:
    """Whatever ran there."""
    assert cards_of(run(tmp_path / "runs", full, device="cpu")) == {}


def test_the_folder_may_be_named_from_within(tmp_path: Path, full: Rendering, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fluxgate report .` sees the same runs beside it."""
    root = tmp_path / "runs"
    run(root, full, limit=8 * GB)
    monkeypatch.chdir(run(root, full).folder)
    assert cards_of(runs.open_run(Path())) == {"tiny-full": 8}
