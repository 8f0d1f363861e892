"""Tests of the measurements that ship: they are what was accepted, and they answer for any card."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.report.advice import CONTEXT, LIKELY, MUCH_RAM, NO, YES
from fluxgate.report.advice_terminal import advice_text
from fluxgate.report.shipped import Measurement, Shipped, advise_from_shipped, seconds_of_picture, shipped
from tests.wording import unsaid

ROOT = Path(__file__).parents[2]
GB = 10**9


def measurement(strategy: str, *, reserved: int = GB, **changes: object) -> Measurement:
    one = Measurement(strategy, reserved, reserved // 2, GB, 10.0, 112, 1.0, None, "a-run", "2026-11-21", None)
    return replace(one, **changes)  # type: ignore[arg-type]  # the tests give each field its own type


def of(*strategies: Measurement) -> Shipped:
    return replace(shipped(), strategies=strategies)


def test_the_file_is_what_was_accepted() -> None:
    """Recomputed from the accepted facts and pictures, nothing in it is typed by hand."""
    command = [sys.executable, "-m", "docs.measured", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_strategy_has_its_origin() -> None:
    """The run, the day and the commit of each, if only on the page of measurements; and one machine for all."""
    found, page = shipped(), (ROOT / "docs" / "measurements.md").read_text()
    assert found.machine.startswith("h100-80gb")
    assert {"diffusers", "transformers", "bitsandbytes"} <= found.stack.keys()
    assert all(one.run.endswith(found.machine) and one.accepted for one in found.strategies)
    assert all(one.commit or f"{one.run}, of the commit " in page for one in found.strategies)
    assert len({one.strategy for one in found.strategies}) == len(found.strategies) > 40


def test_releases_that_a_strategy_does_not_share_are_told() -> None:
    """With how many strategies have them; a library that no pipeline is made of is left to the file."""
    older = {"transformers": "5.17.0", "pillow": "12.3.0"}
    one, *others = advise_from_shipped(of(measurement("full"), measurement("nf4", stack=older)), vram=GB).origin
    assert f"transformers {shipped().stack['transformers']}" in one
    assert "1 of the strategies with transformers 5.17.0" in one
    assert "pillow" not in " ".join((one, *others))


def test_what_reproduces_full_has_its_pictures() -> None:
    """And a quantization has not."""
    alike = {one.strategy: one.likeness for one in shipped().strategies}
    assert alike["full"] == alike["model-offload"] == alike["group-offload-leaf-stream"] == 1.0
    assert alike["nf4"] == alike["nf4-model-offload"] < 0.95


@pytest.mark.parametrize(
    ("card", "vram", "fits"), [(12, 12 * GB, YES), (12, 12 * GB - 1, NO), (None, 30 * GB, NO), (None, 40 * GB, LIKELY)]
)
def test_what_was_tried_on_a_smaller_card_outweighs_its_peak(card: int | None, vram: int, fits: str) -> None:
    """Without a trial its peak and the context decide."""
    (row,) = advise_from_shipped(of(measurement("full", reserved=30 * GB, card=card)), vram=vram).ranked
    assert row.fits == fits


def test_a_peak_leaves_room_for_the_context() -> None:
    """To the byte."""
    one = of(measurement("full", reserved=8 * GB))
    assert advise_from_shipped(one, vram=8 * GB + CONTEXT).ranked[0].fits == LIKELY
    assert advise_from_shipped(one, vram=8 * GB + CONTEXT - 1).ranked[0].fits == NO


def test_the_host_must_hold_it_too() -> None:
    """Where somebody says what it can spare, to the byte."""
    one = of(measurement("full", host=32 * GB))
    assert advise_from_shipped(one, vram=80 * GB, ram=32 * GB).best is not None
    assert advise_from_shipped(one, vram=80 * GB, ram=32 * GB - 1).best is None


def test_the_best_is_the_most_alike_and_a_quicker_one_is_told() -> None:
    """Where it takes less than half as long; of those that are nearly as quick, the most alike."""
    slow, quick = measurement("slow", seconds=21.0), measurement("quick", seconds=10.0, likeness=0.9)
    quickest = measurement("quickest", seconds=9.0, likeness=0.8)
    advice = advise_from_shipped(of(quickest, quick, slow), vram=80 * GB)
    assert (advice.best and advice.best.strategy, advice.quicker and advice.quicker.strategy) == ("slow", "quick")
    assert advise_from_shipped(of(quick, replace(slow, seconds=20.0)), vram=80 * GB).quicker is None


def test_the_readme_shows_what_is_advised() -> None:
    """Its lines about a card of 12 GB beside 32 GB of the host are what the command says."""
    _, _, after = (ROOT / "README.md").read_text().partition("fluxgate advise --vram 12GB --ram 32GB\n```\n")
    shown = after.split("```")[1].strip()
    assert shown in advice_text(advise_from_shipped(shipped(), vram=12 * GB, ram=32 * GB), width=100)


def test_the_words_say_that_it_is_not_ones_own_machine() -> None:
    """With the machine, the libraries, the day, and what the likeness is of."""
    words = " ".join(advice_text(advise_from_shipped(shipped(), vram=12 * GB)).split())
    for part in (
        "not measured on your machine",
        shipped().machine,
        "diffusers 0.42.1",
        "2026-11-21",
        "own weights",
    ):
        assert part in words


def test_a_best_that_needs_much_host_memory_asks_how_much_there_is() -> None:
    """Until somebody has said it; the best for that needs no more of it."""
    silent, told = (advise_from_shipped(shipped(), vram=12 * GB, ram=ram) for ram in (None, 32 * GB))
    assert silent.best is not None
    assert told.best is not None
    assert told.best.host is not None
    assert told.best.host <= 32 * GB
    assert not unsaid(advice_text(silent), f"{silent.best.strategy} needs 75.68 GB of host memory", "--ram 32GB")
    assert "--ram" not in advice_text(told)


@pytest.mark.parametrize(("host", "asks"), [(MUCH_RAM, False), (MUCH_RAM + 1, True), (None, False)])
def test_only_what_is_more_than_many_hosts_have_asks_for_it(host: int | None, asks: bool) -> None:
    """To the byte; a host's memory that was not measured is no reason."""
    advice = advise_from_shipped(shipped(), vram=12 * GB)
    assert advice.best is not None
    assert replace(advice, ranked=(replace(advice.best, host=host),)).asks_for_ram is asks


def test_where_nothing_fits_the_smallest_is_named() -> None:
    """And no table is shown."""
    words = advice_text(advise_from_shipped(shipped(), vram=GB))
    assert not unsaid(words, "Nothing fits", "sequential-offload needs the least")
    assert "strategy  fits" not in words


def test_a_pictures_seconds_are_those_of_its_steps() -> None:
    """The mean step as often as a picture needs it, and what is done once."""
    spent = {"load": 9.0, "encode": 4.0, "denoise": 112.0, "decode": 8.0}
    assert seconds_of_picture(spent, steps=112, pictures=4, per_picture=50) == 53.0
    with pytest.raises(ValueError, match="took"):
        seconds_of_picture({"denoise": 0.0}, steps=1, pictures=1, per_picture=1)
