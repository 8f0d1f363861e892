"""Tests of results on disk: each written at once, and none asked for again, even after kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxgate.gate.culprit.find import find
from fluxgate.gate.culprit.journal import ABOUT, Journal
from fluxgate.gate.culprit.outcomes import BAD, FAILED, FLAKY, GOOD, UNRESOLVABLE, Result, Trial, trial
from fluxgate.refusal import Refusal
from fluxgate.report.gate_result import Move
from tests.gate.culprit.worlds import World, groups, move
from tests.outside import ROOT
from tests.test_fuzz import hold

# Searches a world for its culprit, notes each probe before and after it, and dies or waits in one of them.
SEARCHES = """
import os, signal, sys, time
from pathlib import Path
from fluxgate.files import write_whole
from fluxgate.gate.culprit.find import find
from fluxgate.gate.culprit.journal import Journal
from fluxgate.gate.culprit.outcomes import Result
from tests.gate.culprit.worlds import World, groups, names

root, dies, waits = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "waits"
world = World(groups(6), (frozenset("be"),))

def probe(trial):
    log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, f"{''.join(sorted(names(trial.moves)))}/{trial.attempt}\\n".encode())
    if len(world.asked) == dies:
        if waits:
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGKILL)
    return world.probe(trial)

finding = find(world.groups, probe=probe, results=Journal(root, about="world", kind=Result[int]))
print(sorted(move.package for move in finding.moves), finding.environments)
"""


@dataclass(frozen=True)
class Seen:
    """Evidence as a gate hands it through."""

    cases: tuple[str, ...]
    stage: str | None = None


EVIDENCE = Seen(("miniature-full", "miniature-nf4"), "T5 embeddings")
KEY = trial([Move("transformers", "4.56.2", "4.57.0"), Move("httpx", None, "0.28.1"), Move("requests", "2.32.5", None)])


def journal(root: Path, about: object = "one") -> Journal[Seen]:
    return Journal(root, about=about, kind=Result[Seen])


@pytest.mark.parametrize(
    "result",
    [
        Result(BAD, EVIDENCE, seconds=41.5),
        Result(GOOD, seconds=40.0),
        Result(FLAKY, EVIDENCE),
        Result(UNRESOLVABLE, why="diffusers 0.36.0 needs huggingface_hub < 1"),
        Result(FAILED, why="pip ended with 1"),
    ],
)
def test_a_result_reads_back_as_it_was_written(tmp_path: Path, result: Result[Seen]) -> None:
    """By another process, whatever it is."""
    journal(tmp_path)[KEY] = result
    assert journal(tmp_path).get(KEY) == result


def test_what_has_no_result_is_none(tmp_path: Path) -> None:
    """Neither before the first one is written nor after; and reading makes no folder."""
    assert journal(tmp_path / "new").get(KEY) is None
    assert not (tmp_path / "new").exists()
    journal(tmp_path)[KEY] = Result(GOOD)
    assert journal(tmp_path).get(Trial(KEY.moves, attempt=2)) is None
    assert journal(tmp_path).get(trial(KEY.moves[:2])) is None


def test_results_of_something_else_are_not_read(tmp_path: Path) -> None:
    """Another machine or incumbent is another folder, which says what it is about."""
    one = journal(tmp_path, {"incumbent": {"torch": "2.13.0"}, "machine": "cpu"})
    other = journal(tmp_path, {"incumbent": {"torch": "2.13.0"}, "machine": "h100"})
    one[KEY] = Result(GOOD)
    assert other.get(KEY) is None
    assert journal(tmp_path, {"machine": "cpu", "incumbent": {"torch": "2.13.0"}}).get(KEY) == Result(GOOD)
    assert '"machine": "cpu"' in (one.folder / ABOUT).read_text()


def test_what_failed_can_be_asked_for_again(tmp_path: Path) -> None:
    """After the disk has room, or the network is back, without losing the rest."""
    results = journal(tmp_path)
    results[KEY], results[trial([move("a")])] = Result(FAILED), Result(BAD, EVIDENCE)
    assert results.forget(FAILED) == 1
    assert (results.get(KEY), results.get(trial([move("a")]))) == (None, Result(BAD, EVIDENCE))
    assert results.forget(FAILED) == 0


def test_a_result_of_another_environment_is_refused(tmp_path: Path) -> None:
    """A file that was renamed by hand, say, is named."""
    results = journal(tmp_path)
    results[KEY] = Result(GOOD)
    (path,) = (each for each in results.folder.iterdir() if each.name != ABOUT)
    other = trial([move("a")])
    results[other] = Result(BAD)
    (theirs,) = (each for each in results.folder.iterdir() if each.name not in (ABOUT, path.name))
    theirs.replace(path)
    with pytest.raises(Refusal, match=path.name):
        results.get(KEY)


def test_a_damaged_result_is_used_or_refused(tmp_path: Path) -> None:
    """Whatever is in the file, there is no traceback."""
    results = journal(tmp_path)
    results[KEY] = Result(BAD, EVIDENCE, why="why", seconds=1.0)
    (path,) = (each for each in results.folder.iterdir() if each.name != ABOUT)
    hold(path, lambda: (results.get(KEY), results.forget(FAILED)))


def test_a_search_keeps_every_result(tmp_path: Path) -> None:
    """The second time, nothing is probed, and the same is found."""
    world = World(groups(6), (frozenset("be"),))
    first = find(world.groups, probe=world.probe, results=Journal(tmp_path, about=1, kind=Result[int]))
    asked = len(world.asked)
    again = find(world.groups, probe=world.probe, results=Journal(tmp_path, about=1, kind=Result[int]))
    assert (again, len(world.asked)) == (first, asked)


def start(root: Path, dies: int, how: str = "dies") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SEARCHES, str(root), str(dies), how]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def probed(root: Path) -> list[str]:
    return (root / "log").read_text().splitlines() if (root / "log").exists() else []


def test_a_search_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed with -9 in every third probe, it asks again only for what had no result yet, and finds the same."""
    whole = World(groups(6), (frozenset("be"),))
    finding = find(whole.groups, probe=whole.probe)
    deaths, said = 0, ""
    while not said:
        process = start(tmp_path, 2)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == (0 if said else -signal.SIGKILL)
        deaths += not said
    assert said == f"['b', 'e'] {finding.environments}\n"
    lines = probed(tmp_path)
    # What a process died in is asked for once more, and nothing else is.
    assert (len(set(lines)), len(lines)) == (len(whole.asked), len(whole.asked) + deaths)
    assert deaths >= 3


def test_a_search_that_is_killed_from_outside_goes_on_where_it_was(tmp_path: Path) -> None:
    """In the middle of a probe that takes long."""
    process = start(tmp_path, 5, "waits")
    deadline = time.monotonic() + 60
    while len(probed(tmp_path)) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    before = probed(tmp_path)
    ended = start(tmp_path, 10_000)
    assert ended.communicate(timeout=120)[0].startswith("['b', 'e']")
    assert [line for line in probed(tmp_path)[6:] if line in before] == before[5:]
