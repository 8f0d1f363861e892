"""Every file that is read may hold anything: what it holds is used, or refused in a sentence. Nothing else is raised.

FLUXGATE_FUZZ says how many damaged copies of each file are tried; the tests try a sample."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fluxgate import pipeline_folder
from fluxgate.baselines.baseline import read_case
from fluxgate.baselines.case_limits import read_limits
from fluxgate.baselines.known_failures import FILE as KNOWN_FAILURES
from fluxgate.baselines.known_failures import read
from fluxgate.baselines.store import Store
from fluxgate.cli.main import main
from fluxgate.pictures import read_png
from fluxgate.refusal import Refusal
from fluxgate.rendering import RENDERING
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import Run
from fluxgate.subjects.catalogue import OWN, read_catalogue
from fluxgate.subjects.weights import numbers_on_disk
from tests.outside import ROOT
from tests.runs.building import CASES, run_of

TRIES = int(os.environ.get("FLUXGATE_FUZZ", "150"))
MACHINE = "h100-80gb-hbm3-torch2.11.0-cu130"  # whose accepted facts are damaged here, in copies

# What stands where something else is due.
ATOMS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    10**30,
    0.5,
    -1e308,
    1e-300,
    float("nan"),
    float("inf"),
    "",
    "\x00",
    "../../etc",
    "a" * 5000,
    "1.0",
    "cuda",
    "full",
    "passed",
    "\ud800",
    "\u202e\x1b[31m",
    [],
    {},
    [[]],
    {"a": 1},
)


def damaged_json(value: Any, chance: random.Random) -> bytes:
    """A copy of a value with something in it replaced, left out or doubled; or its text cut or with another byte."""
    copy = json.loads(json.dumps(value))
    for _ in range(chance.choice((1, 1, 1, 3))):
        copy = _changed(copy, chance)
    data = json.dumps(copy).encode()
    return damaged_bytes(data, chance) if chance.random() < 0.2 else data


def _changed(value: Any, chance: random.Random) -> Any:
    """Walk down to some place and change what is there."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: entry for name, entry in value.items() if name != key}
        return {**value, key: _changed(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        place = chance.randrange(len(value))
        if chance.random() < 0.1:
            return [*value[:place], *value[place + 1 :]]
        return [*value[:place], _changed(value[place], chance), *value[place + chance.choice((0, 1, 1, 1)) :]]
    alike = [atom for atom in ATOMS if isinstance(atom, type(value)) and not isinstance(atom, bool)]
    return chance.choice(alike) if alike and chance.random() < 0.8 else chance.choice(ATOMS)  # most get past the types


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    """Cut short, a byte changed, or some more in between."""
    place = chance.randrange(len(data))
    more = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9)))
    return chance.choice((data[:place], data[:place] + more + data[place + 1 :], data[:place] + more + data[place:]))


def copies(path: Path, *, tries: int = TRIES) -> Iterator[bytes]:
    """Damaged copies of a file, the same in every session."""
    chance, original = random.Random(path.name), path.read_bytes()
    if path.suffix == ".json":
        value = json.loads(original)
        yield from (damaged_json(value, chance) for _ in range(tries))
    else:
        yield from (damaged_bytes(original, chance) for _ in range(tries))


def hold(path: Path, use: Callable[[], object], *, tries: int = TRIES) -> None:
    """Put each damaged copy in the file's place, and use it."""
    original = path.read_bytes()
    for number, data in enumerate(copies(path, tries=tries)):
        path.write_bytes(data)
        try:
            with suppress(Refusal):
                use()
        except Exception as error:
            pytest.fail(f"{path.name}, copy {number}: {type(error).__name__}: {error}\n{data[:2000]!r}")
    path.write_bytes(original)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A whole run with a plan and verdicts."""
    made = run_of(tmp_path / "runs", "full", "offload")
    made.write_json(PLAN, plan_of(CASES.values(), asked=set(CASES)))
    assert main(["judge", str(made.folder), "--baselines", str(tmp_path)]) in (0, 1)
    return made


@pytest.mark.parametrize("name", [runs.FACTS, PLAN, runs.VERDICTS, f"{runs.CASES}/tiny-offload/{RENDERING}"])
@pytest.mark.parametrize("verb", ["judge", "markdown", "json", "terminal"])
def test_a_damaged_run_is_used_or_refused(
    run: Run, name: str, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judged and reported, whatever one of its files says."""

    def use() -> None:
        if verb == "judge":
            main(["judge", str(run.folder), "--baselines", str(tmp_path)])
        else:
            main(["report", str(run.folder), "--format", verb])
        capsys.readouterr()

    hold(run.folder / name, use, tries=TRIES // 3)


def test_damaged_notes_of_a_killed_worker_are_read_as_far_as_they_go(run: Run) -> None:
    """A worker may die in the middle of a line."""
    folder = run.case_folder("tiny-full")
    (folder / RENDERING).unlink()
    (folder / "progress.jsonl").write_text('{"started":true}\n{"phase":"load"}\n{"phase":"encode"}\n')
    hold(folder / "progress.jsonl", run.renderings)


@pytest.mark.parametrize("name", ["facts/nf4.json", "limits.json", "SHA256SUMS"])
def test_damaged_baselines_are_used_or_refused(name: str, tmp_path: Path) -> None:
    """The manifest tells of most; what it does not tell of must be sound."""
    folder = tmp_path / MACHINE / "miniature"
    shutil.copytree(ROOT / "baselines" / MACHINE / "miniature", folder, ignore=shutil.ignore_patterns("pictures"))
    store = Store(tmp_path)

    def use() -> None:
        read_case(store, MACHINE, "miniature", "nf4")
        read_limits(store, MACHINE, "miniature")

    hold(folder / name, use)


def test_damaged_known_failures_are_used_or_refused(tmp_path: Path) -> None:
    """A list that a person edits."""
    path = Path(shutil.copy(ROOT / "baselines" / KNOWN_FAILURES, tmp_path))
    hold(path, lambda: read(path))


def test_a_damaged_catalogue_is_used_or_refused(tmp_path: Path) -> None:
    """A list of subjects that a user writes."""
    path = Path(shutil.copy(OWN, tmp_path))
    hold(path, lambda: read_catalogue(path))


def test_a_damaged_pipeline_is_used_or_refused(tmp_path: Path, miniature_folder: Path) -> None:
    """Its index, and the header of a weight file."""
    folder = tmp_path / "pipeline"
    shutil.copytree(miniature_folder, folder, ignore=shutil.ignore_patterns("diffusion_pytorch_model*"))
    hold(folder / "model_index.json", lambda: pipeline_folder.why_not_loadable(folder))
    weights = folder / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:4000])
    hold(weights, lambda: numbers_on_disk(folder))


def test_a_damaged_picture_is_used_or_refused(tmp_path: Path) -> None:
    """A PNG that somebody else wrote."""
    picture = next((ROOT / "baselines" / "portable").rglob("*.png"))
    path = Path(shutil.copy(picture, tmp_path))
    hold(path, lambda: read_png(path), tries=TRIES // 3)
