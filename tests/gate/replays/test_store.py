"""Tests of the results on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fluxgate.files import write_plain
from fluxgate.gate.environments.pins import Pins
from fluxgate.gate.replays.rows import Row
from fluxgate.gate.replays.store import Store, digest_of, merged, read_results
from tests.gate.replays.made import NEIGHBOUR, REGRESSION, result
from tests.runs.building import MACHINE

COMMON = Pins.of({"torch": "2.13.0", "pillow": "13.0.0"})


def digest(row: Row = REGRESSION, *, common: Pins = COMMON) -> str:
    return digest_of(row, common=common, machine=MACHINE)


def test_a_result_is_found_again(tmp_path: Path) -> None:
    """Whole, and under what it depends on."""
    store, known = Store(tmp_path / "replays"), result(REGRESSION, digest=digest())
    assert store.get(REGRESSION.name, digest()) is None
    store.put(known)
    assert store.get(REGRESSION.name, digest()) == known
    assert store.get(REGRESSION.name, "another") is None


def test_what_a_result_depends_on() -> None:
    """Both stacks, to the last package, what is expected, and the machine; but not how the row is told."""
    assert digest(replace(REGRESSION, about="else")) == digest()
    others = [
        digest(common=Pins.of({"torch": "2.14.0", "pillow": "13.0.0"})),
        digest(replace(REGRESSION, bad=Pins.of({"transformers": "4.57.1"}))),
        digest(replace(REGRESSION, expected=replace(REGRESSION.expected, stage="import"))),
        digest(replace(REGRESSION, strategies=("full",))),
        digest_of(REGRESSION, common=COMMON, machine=replace(MACHINE, id="other")),
    ]
    assert len({digest(), *others}) == 6


def test_a_page_keeps_the_newest_result_of_each_kind_of_machine(tmp_path: Path) -> None:
    """A CPU's result does not replace a GPU's; one of a row that is gone is dropped."""
    rows = {REGRESSION.name: REGRESSION, NEIGHBOUR.name: NEIGHBOUR}
    on_gpu = result(REGRESSION, machine="h100")
    old, new = result(REGRESSION, seconds=1.0), result(REGRESSION, seconds=2.0)
    gone = replace(old, row="gone")
    assert merged([old, on_gpu, gone], [result(NEIGHBOUR), new], rows=rows) == (new, on_gpu, result(NEIGHBOUR))
    path = tmp_path / "replays.json"
    assert read_results(path) == ()
    write_plain(path, (new, on_gpu))
    assert read_results(path) == (new, on_gpu)
