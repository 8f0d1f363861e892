"""A gate made by hand for the tests of the reports: two runs of the tiny subject, and what came of them."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.cases import Case
from fluxgate.rendering import Crash
from fluxgate.report.gate_folder import create_gate, place_of, write_gate_result
from fluxgate.report.gate_result import (
    CANDIDATE,
    INCUMBENT,
    Answer,
    CaseOutcome,
    CaseResult,
    CulpritResult,
    EvidenceResult,
    FigureResult,
    GateResult,
    Move,
    Trend,
)
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import Run
from tests.runs import building

STARTED = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)
MOVES = (
    Move("accelerate", "1.10.0", "1.10.1"),
    Move("tokenizers", "0.21.0", "0.21.4"),
    Move("transformers", "4.49.0", "4.50.0"),
)
STACK = {"accelerate": "1.10.0", "diffusers": "0.36.0", "tokenizers": "0.21.0", "transformers": "4.49.0"}
CULPRIT = CulpritResult(
    kind="single",
    sentence="The culprit is transformers 4.49.0 → 4.50.0: the incumbent fails with it alone.",
    packages=MOVES[2:],
    pin=("transformers==4.49.0",),
    environments=2,
)
MOVE = Move("transformers", "4.56.2", "4.57.0")  # the one of `result`
BROKEN = building.strategy("broken", reproduces="full")
CASES = {**building.CASES, "tiny-broken": Case(building.SUBJECT, BROKEN, "cuda")}
LAST_WORDS = "TypeError: unexpected keyword argument"


def gate(root: Path, **changes: Any) -> Path:
    """The folder of a gate in a folder of runs, whose candidate moved one case, broke another and left two alone."""
    folder = create_gate(root, building.MACHINE.id, now=STARTED)
    before = stack_run(root / "stacks" / "before", offload=0, broken=0)
    after = stack_run(root / "stacks" / "after", offload=7)
    crashed = building.rendering("broken", after.case_folder("tiny-broken"))
    crash = Crash("exception", LAST_WORDS, "load", ("Traceback", LAST_WORDS))
    building.put(after, replace(crashed, pictures=(), fingerprints=(), inventory=None, memory=None, crash=crash))
    runs = {INCUMBENT: place_of(before, gate=folder), CANDIDATE: place_of(after, gate=folder)}
    write_gate_result(folder, replace(full_result(folder.name, runs=runs), **changes))
    return folder


def stack_run(root: Path, **seeds: int) -> Run:
    """What a stack rendered; a case's pictures come of its seed."""
    run = building.run_of(root, "full", "nf4", finished=False)
    for name, seed in seeds.items():
        building.put(run, building.rendering(name, run.case_folder(f"tiny-{name}"), seed=seed))
    run.write_json(PLAN, plan_of(CASES.values(), asked=set(CASES)))
    return run


def full_result(name: str, *, runs: dict[str, str]) -> GateResult:
    """What the gate found."""
    seconds = FigureResult(Trend.UNDECIDED, "seconds", "whole", 3.0, 3.1)
    memory = FigureResult(Trend.WORSE, "allocated", "denoise", 1e9, 2e9, "1.00 GB more")
    return GateResult(
        id=name,
        answer=Answer.NOT_SAFE,
        sentence="Not safe: of 4 cases, 1 changed and 1 broken, first at the prompt embeddings.",
        machine=building.MACHINE,
        incumbent=STACK,
        candidate={**STACK, **{move.package: move.new for move in MOVES if move.new}},
        moves=MOVES,
        tier="short",
        command="fluxgate gate old.txt new.txt",
        started=STARTED.isoformat(),
        contrasts=("Only offloaded cases moved.",),
        cases=(
            CaseResult("tiny-full", "tiny", "full", CaseOutcome.IDENTICAL, "the same", pictures_compared=5),
            CaseResult(
                "tiny-offload",
                "tiny",
                "offload",
                CaseOutcome.CHANGED,
                "5 of 5 pictures moved",
                stage="prompt embeddings",
                shots=("fox", "pair"),
                pictures_compared=5,
                pictures_moved=5,
                least_ssim=0.01,
                largest_difference=251.0,
                checks=("keeps its promise to its reference",),
                memory=memory,
                seconds=seconds,
            ),
            CaseResult("tiny-nf4", "tiny", "nf4", CaseOutcome.DRIFTED, "within", pictures_compared=5),
            CaseResult("tiny-broken", "tiny", "broken", CaseOutcome.BROKEN, f"it crashes during load: {LAST_WORDS}"),
        ),
        culprit=CULPRIT,
        next="Upgrade with transformers==4.49.0 kept, and run the gate on that.",
        seconds={"environments": 60.0, "rendering": 240.0, "culprit": 360.0},
        runs=runs,
    )


def result(**more: Any) -> GateResult:
    """A result of one case, without its runs; more: other fields."""
    figure = FigureResult(Trend.WORSE, "allocated", "load", 100.0, 150.0, "50 B more")
    case = CaseResult("tiny-full", "tiny", "full", CaseOutcome.CHANGED, "it moved", "prompt embeddings", memory=figure)
    evidence = EvidenceResult("tiny-full", "changed", "prompt embeddings", ("fox",))
    culprit = CulpritResult("single", "It did.", (MOVE,), evidence=(evidence,), pin=("transformers==4.56.2",))
    every: dict[str, Any] = {
        "id": "20261126-120000-cpu",
        "answer": Answer.NOT_SAFE,
        "sentence": "Not safe.",
        "machine": building.MACHINE,
        "incumbent": building.STACK,
        "candidate": building.STACK,
        "moves": (MOVE,),
        "tier": "short",
        "command": "fluxgate gate transformers==4.57.0",
        "started": STARTED.isoformat(),
        "cases": (case,),
        "culprit": culprit,
        "seconds": {"rendering": 12.5},
    }
    return GateResult(**{**every, **more})
