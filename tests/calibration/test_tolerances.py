"""Tests of measuring tolerances: what was seen of a run, and of which device."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from fluxgate.calibration.tolerances import main, measured, together
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.tolerances import Measured, Seen, Session, Tolerance, Tolerances
from fluxgate.refusal import USAGE, Refusal
from fluxgate.rendering import DECODED, T5, T5_TOKENS, Component, Inventory, output_of
from fluxgate.runs.run import Run
from tests.judge.checks.stages import rendered_of, take_of
from tests.runs.building import run_of

ONCE = Seen(0.02, 0.02, 0.0, 1)
EIGHT_BITS = Component("transformer", "FluxTransformer2DModel", {"float8_e4m3fn": 100}, 0, {}, {}, {}, {}, None)


def run_with(folder: Path, *, strategy: str = "full", eight_bits: bool = False) -> Run:
    """A run of one case whose embeddings are off by 2%, and whose denoiser may have been cast to eight bits."""
    run = run_of(folder)
    place = run.case_folder(f"tiny-{strategy}")
    take = take_of(place, bent={T5: lambda values: values * 1.02})
    inventory = Inventory({"transformer": EIGHT_BITS} if eight_bits else {}, {})
    rendering = rendered_of(take, place, strategy=strategy, inventory=inventory).rendering
    write_plain(place / "rendering.json", rendering)
    return run


def test_a_tolerance_is_what_was_seen(tmp_path: Path) -> None:
    """Stages that must be exact have none."""
    tolerances = {tolerance.stage: tolerance for tolerance in measured([run_with(tmp_path)]).tolerances}
    assert tolerances[T5].rms.most == pytest.approx(0.02, rel=0.02)
    assert tolerances[output_of(1)].rms.most < 0.005
    assert T5_TOKENS not in tolerances


def test_measuring_one_device_keeps_what_was_measured_on_others(tmp_path: Path) -> None:
    """And replaces what was known of its own."""
    file, run = tmp_path / "tolerances.json", run_with(tmp_path / "run")
    old = tuple(Measured(device, (Session(("old",), {}, "2025-01-01"),), ()) for device in ("cpu", "cuda"))
    write_plain(file, Tolerances(old))
    main([str(file), str(run.folder)])
    groups = {each.device: each.sessions[0].machines for each in read_plain(file, Tolerances).measured}
    assert groups == {"cuda": ("old",), "cpu": (run.machine.id,)}


def test_another_stack_can_be_added(tmp_path: Path) -> None:
    """The largest of both counts, and the mean and spread of all."""
    one, other = Seen(0.02, 0.02, 0.0, 1), Seen(0.04, 0.03, 0.01, 2)
    tolerances = [Tolerance("full", T5, "bfloat16", seen, seen) for seen in (one, other)]
    sets = [
        Measured("cpu", (Session((name,), {"name": name}, ""),), (tolerance,))
        for name, tolerance in zip("ab", tolerances, strict=True)
    ]
    both = together(*sets)
    assert [each.machines for each in both.sessions] == [("a",), ("b",)]
    assert both.tolerances[0].sessions == (0, 1)
    seen = both.tolerances[0].rms
    assert (seen.most, seen.n) == (0.04, 3)
    assert seen.mean == pytest.approx(0.08 / 3)
    assert seen.spread == pytest.approx(statistics.pstdev([0.02, 0.02, 0.04]))
    file, run = tmp_path / "tolerances.json", run_with(tmp_path / "run")
    main([str(file), str(run.folder)])
    main(["--add", str(file), str(run.folder)])
    counts = {tolerance.rms.n for each in read_plain(file, Tolerances).measured for tolerance in each.tolerances}
    assert counts == {2}


def test_each_tolerance_knows_its_own_sessions() -> None:
    """What was seen in one of them alone has more room in the others'."""
    t5, picture = (Tolerance("full", stage, "bfloat16", ONCE, ONCE) for stage in (T5, DECODED))
    one = Measured("cuda", (Session(("a",), {}, ""),), (t5,))
    other = Measured("cuda", (Session(("b",), {}, ""),), (picture, t5))
    third = Measured("cuda", (Session(("c",), {}, ""),), (picture,))
    joined = together(together(one, other), third)
    assert [each.machines for each in joined.sessions] == [("a",), ("b",), ("c",)]
    assert {each.stage: each.sessions for each in joined.tolerances} == {T5: (0, 1), DECODED: (1, 2)}


ROUNDED = ("bfloat16", False, "miniature")
PICTURE = ("uint8", False, "miniature")
LEVELS_IN_FLOAT32 = ("float32", False, "tiny")
CAST = ("bfloat16", True, "tiny")


@pytest.mark.parametrize(
    ("strategy", "own_only", "found"),
    [
        ("full", False, {ROUNDED, PICTURE, LEVELS_IN_FLOAT32}),
        ("full", True, {LEVELS_IN_FLOAT32}),
        ("fp8-layerwise", True, {CAST, LEVELS_IN_FLOAT32}),
    ],
)
def test_what_is_of_a_subjects_own_weights_can_be_had_alone(
    tmp_path: Path, strategy: str, own_only: bool, found: set[tuple[str, bool, str]]
) -> None:
    """All else is the miniature's, whoever has its numbers."""
    run = run_with(tmp_path, strategy=strategy, eight_bits=strategy != "full")
    tolerances = measured([run], own_only=own_only).tolerances
    assert {(tolerance.dtype, tolerance.altered, tolerance.weights) for tolerance in tolerances} == found


def test_what_computes_otherwise_is_not_measured(tmp_path: Path) -> None:
    """An adapter's weights are not the file's: what it gives would hide any fault."""
    run = run_with(tmp_path, strategy="lora")
    assert measured([run]).tolerances == ()


def test_a_run_without_renderings_is_refused(tmp_path: Path) -> None:
    """There is nothing to measure."""
    with pytest.raises(Refusal, match="none"):
        measured([])


def test_what_is_no_run_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    file = tmp_path / "tolerances.json"
    assert main([str(file), str(tmp_path / "nowhere")]) == USAGE
    assert ("does not exist" in capsys.readouterr().err, file.exists()) == (True, False)
