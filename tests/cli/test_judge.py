"""Tests of `judge`: verdicts without torch, and its exit codes."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import INTERRUPTED, RED
from fluxgate.files import read_plain, write_plain
from fluxgate.judge.verdict import NO_DATA, Verdict
from fluxgate.refusal import USAGE
from fluxgate.rendering import DENOISE, RENDERING, Crash, CrashKind, Rendering
from fluxgate.runs import run as runs
from fluxgate.runs.plan import FILE as PLAN
from fluxgate.runs.plan import plan_of
from fluxgate.runs.run import Run
from tests.baselines.acceptance import accept
from tests.outside import call
from tests.runs.building import CASES, put, run_of
from tests.wording import unsaid


def test_judge_needs_no_torch(rendered: Path, environment: dict[str, str]) -> None:
    """A run is judged where torch, diffusers and a GPU are missing, and the verdicts stay in it."""
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'diffusers', 'transformers', 'accelerate')))"
    code = f"{blocked}; import fluxgate.cli.main; sys.exit(fluxgate.cli.main.main(['judge', {str(rendered)!r}]))"
    ended = call("-c", code, within=rendered.parent, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert f"The run is in {rendered}" in ended.out
    assert (rendered / runs.VERDICTS).is_file()


def test_a_run_that_cannot_be_written_is_judged_all_the_same(
    rendered: Path, tiny_exists: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one in an archive; what happens to a disk that is full is not passed over."""

    def read_only(run: Run, name: str, value: object) -> None:
        raise OSError(number, "Read-only file system", str(run.folder / name))

    monkeypatch.setattr(Run, "write_json", read_only)
    number = errno.EROFS
    assert main(["judge", str(rendered)]) == 0
    assert "The verdicts are not left in" in capsys.readouterr().out
    number = errno.ENOSPC
    assert main(["judge", str(rendered)]) == USAGE
    assert "cannot be written" in capsys.readouterr().err


def test_judge_is_red_where_a_baseline_is_required(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an empty store and --require-baseline, each case fails; afterwards the run says so."""
    arguments = ["judge", str(rendered), "--baselines", str(tmp_path)]
    assert main(arguments) == 0
    assert main([*arguments, "--require-baseline"]) == RED
    assert "matches its baseline" in capsys.readouterr().out


def test_a_run_in_which_all_has_crashed_is_red(
    rendered: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was measured, and that is a failure before it is nothing."""
    crash = Crash("signal", "the worker was ended by SIGSEGV", "denoise", ())
    for path in rendered.glob(f"{runs.CASES}/*/{RENDERING}"):
        write_plain(path, replace(read_plain(path, Rendering), crash=crash))
    assert main(["judge", str(rendered)]) == RED
    assert not unsaid(capsys.readouterr().out, "0 of 11 checks", "2 cases crashed")


def test_baselines_need_not_be_asked_for(rendered: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor can they be required and passed over at once."""
    assert main(["judge", str(rendered), "--no-baseline"]) == 0
    assert "was left out: --no-baseline" in " ".join(capsys.readouterr().out.split())
    assert main(["judge", str(rendered), "--no-baseline", "--require-baseline"]) == USAGE


def test_a_run_stands_by_itself(rendered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is judged without the catalogue that has its subject; an older run, which has no plan, is refused."""
    monkeypatch.delenv("FLUXGATE_SUBJECTS", raising=False)
    assert main(["judge", str(rendered)]) == 0
    (rendered / PLAN).unlink()
    assert main(["judge", str(rendered)]) == USAGE


def test_a_run_that_was_cut_short_is_not_green(
    rendered: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed, it has no end and lacks a case: what is there is judged, the exit code says that it is not all."""
    facts = read_plain(rendered / runs.FACTS, runs.RunFacts)
    write_plain(rendered / runs.FACTS, replace(facts, finished=None))
    shutil.rmtree(rendered / runs.CASES / "tiny-model-offload")
    assert main(["judge", str(rendered)]) == INTERRUPTED
    verdicts = read_plain(rendered / runs.VERDICTS, tuple[Verdict, ...])
    assert {one.status for one in verdicts if one.strategy == "model-offload"} == {NO_DATA}


def test_the_case_in_whose_middle_a_run_was_killed_did_not_crash(tmp_path: Path) -> None:
    """It was not rendered, as those that come after it."""
    run = run_of(tmp_path, "full", "nf4", finished=False)
    run.write_json(PLAN, plan_of(CASES.values(), asked=set(CASES)))
    crash = Crash(CrashKind.INTERRUPTED, "the run was cut short while the case was rendered", DENOISE, ())
    put(run, replace(run.renderings()["tiny-nf4"], crash=crash))
    assert main(["judge", str(run.folder), f"--baselines={tmp_path / 'none'}"]) == INTERRUPTED
    verdicts = read_plain(run.folder / runs.VERDICTS, tuple[Verdict, ...])
    assert {one.status for one in verdicts if one.strategy in ("nf4", "offload")} == {NO_DATA}


@pytest.mark.parametrize("damage", ["picture gone", "stray file"])
def test_judge_refuses_damaged_baselines(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """A picture that was deleted, or a file that nobody accepted, is named before anything is judged."""
    assert main(["accept", str(rendered), f"--baselines={tmp_path}", "--because=a test", "--yes"]) == 0
    (picture, *_) = tmp_path.glob("*/tiny/pictures/*.png")
    if damage == "stray file":
        picture = picture.with_name("stray.png")
        picture.write_bytes(b"x")
    else:
        picture.unlink()
    assert main(["judge", str(rendered), f"--baselines={tmp_path}"]) == USAGE
    assert str(picture) in capsys.readouterr().err
    assert main(["judge", str(rendered), f"--baselines={tmp_path}", "--no-baseline"]) == RED


def test_judge_names_baselines_that_no_case_uses(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """They fail it, as they fail a session of pytest."""
    assert main(["judge", str(rendered), f"--baselines={tmp_path / 'none'}"]) == 0
    accept(run_of(tmp_path / "runs", "offload"), tmp_path / "baselines")
    assert main(["judge", str(rendered), f"--baselines={tmp_path / 'baselines'}"]) == RED
    last = capsys.readouterr().out.splitlines()[-1]
    assert not unsaid(last, "tiny-torch1.0/tiny/facts/offload.json", "no case")
