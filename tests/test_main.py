"""Tests of suite/__main__.py: each verb, its exit code and its sentences."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from suite.__main__ import CLOSED, INTERRUPTED, main
from suite.calibration import portability
from suite.machine import detect
from suite.refusal import USAGE
from suite.store import runs
from suite.store.runs import create
from suite.strategies import STRATEGIES
from suite.subjects.catalogue import subjects
from suite.subjects.sources import MINIATURE
from suite.verbs.shared import NOTHING, RED
from tests.outside import BROKEN, CARD, ROOT, call, tiny
from tests.store import building
from tests.store.building import run_of

on_a_cpu = pytest.mark.skipif(detect().device == "cuda", reason="this machine has a GPU")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> dict[str, str]:
    return tiny(tmp_path_factory.mktemp("catalogue"), pipeline=miniature_folder)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """The folder of a run that `python -m suite render` has made."""
    home = tmp_path_factory.mktemp("home")
    ended = call(
        "-m", "suite", "render", "--subject=tiny", "--strategy=model-offload,gguf-q8", within=home, **environment
    )
    assert ended.code == 0, ended.out + ended.err
    *_, last = ended.out.splitlines()
    return home / last.removeprefix("The run is in ")


@pytest.fixture
def tiny_exists(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is where the command is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_verb_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names every verb, and a script that forgets one is not green."""
    assert main([]) == USAGE
    told = capsys.readouterr().out
    assert all(verb in told for verb in ("list", "grow", "render", "judge", "report", "advise", "accept", "calibrate"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["jugde"], "invalid choice: 'jugde'"),
        (["render", "--subjekt=x"], "Unrecognized arguments: --subjekt=x; see python -m suite"),
        (["render", "--subject=teddy"], "--subject 'teddy' does not exist; there is: miniature,"),
        (["render", "--strategy=nf5"], "--strategy 'nf5' does not exist; there is: full,"),
        (["render", "--takes=many"], "--takes is 'many'; it must be a whole number from 1 to 100."),
        (["render", "--case-timeout=-1"], "--case-timeout is '-1'; it must be a number of seconds above 0."),
        (["render", "--vram-limit=12"], "--vram-limit is '12'; write it like '17 GB' or '512 MB'."),
        (["calibrate", "--pictures=0"], "--pictures is '0'; it must be a whole number"),
        (["calibrate", "--controls=x"], "--controls is 'x'; it must be a whole number"),
        (["judge", "nowhere"], "nowhere is not a run: it has no run.json."),
        (["report", "nowhere"], "nowhere is not a run: it has no run.json."),
        (["advise"], "The following arguments are required: --vram; see python -m suite advise --help."),
        (["advise", "--vram=much"], "--vram is 'much'; write it like '17 GB' or '512 MB'."),
        (["advise", "--vram=12GB"], "There is no run in runs that was rendered on a GPU, and what a CPU measures says"),
        (["advise", "--vram=12GB", "nowhere"], "nowhere is not a run: it has no run.json."),
        (["accept"], "Say which run to accept: python -m suite accept RUN --because REASON."),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    elsewhere: Path,
) -> None:
    """Exit code 4, one line on standard error, and nothing is made."""
    assert main(arguments) == USAGE
    told = capsys.readouterr()
    assert sentence in told.err
    assert told.err.count("\n") == 1
    assert list(elsewhere.iterdir()) == []


def test_list_names_subjects_and_strategies(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """Each subject with what it needs and whether it is ready, each strategy with what it does."""
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert "grown: " in told
    assert "needs 33.80 GB of disk, 40.00 GB of GPU memory, a token of the hub" in told
    assert "tiny: the miniature, asked for little\n    needs nothing; ready" in told
    assert all(f"\n{strategy.name}: {strategy.about}" in told for strategy in STRATEGIES)


def test_list_is_there_for_programs(capsys: pytest.CaptureFixture[str], tiny_exists: None) -> None:
    """The JSON has every field of a subject, and what it lacks here."""
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == list(subjects())
    assert found["tiny"]["lacks"] is None
    assert found["tiny"]["shots"][0]["prompts"] == ["a red fox"]


def test_grow_grows_nothing_into_the_miniature_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal comes before the first byte."""
    assert main(["grow", str(MINIATURE / "grown")]) == USAGE
    assert "lies in the small pipeline itself; choose another folder." in capsys.readouterr().err
    assert not (MINIATURE / "grown").exists()


def test_render_makes_a_run_with_the_references(rendered: Path) -> None:
    """What a case is compared with is rendered before it; the run is finished and has no verdicts yet."""
    run = runs.open_run(rendered)
    assert set(run.renderings()) == {"tiny-full", "tiny-model-offload"}
    assert run.finished is not None
    assert not (rendered / runs.VERDICTS).exists()


@on_a_cpu
def test_render_keeps_its_limit_in_the_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """That it is kept to is seen on a GPU only; here one is claimed, so the case crashes."""
    (tmp_path / "card.py").write_text(CARD)
    code = "import sys, card; import suite.__main__; sys.exit(suite.__main__.main(sys.argv[1:]))"
    arguments = ("render", "--subject=tiny", "--strategy=full", "--vram-limit=12GB")
    ended = call("-c", code, *arguments, within=tmp_path, **environment)
    assert ended.code == RED, ended.out + ended.err
    assert runs.latest(tmp_path / "runs").vram_limit == 12 * 10**9


@on_a_cpu
def test_render_is_not_green_when_nothing_is_rendered(tmp_path: Path, environment: dict[str, str]) -> None:
    """Exit code 5, and the reason."""
    ended = call("-m", "suite", "render", "--subject=tiny", "--strategy=gguf-q8", within=tmp_path, **environment)
    assert ended.code == NOTHING
    assert "tiny-gguf-q8 is unsupported: gguf is needed" in ended.out


def test_report_wants_a_judged_run(rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which command judges."""
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "run.json").write_bytes((rendered / "run.json").read_bytes())
    assert main(["report", str(copy)]) == USAGE
    assert capsys.readouterr().err == f"{copy} has not been judged; run python -m suite judge {copy}.\n"


def test_judge_needs_no_torch(rendered: Path, environment: dict[str, str]) -> None:
    """A run is judged where torch, diffusers and a GPU are missing, and the verdicts stay in it."""
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'diffusers', 'transformers', 'accelerate')))"
    code = f"{blocked}; import suite.__main__; sys.exit(suite.__main__.main(['judge', {str(rendered)!r}]))"
    ended = call("-c", code, within=rendered.parent, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert f"The run is in {rendered}" in ended.out
    assert (rendered / runs.VERDICTS).is_file()


@pytest.mark.parametrize(("form", "opening"), [("terminal", "tiny "), ("markdown", "# Fluxgate on "), ("json", "{")])
def test_report_has_three_forms(
    form: str, opening: str, rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_exists: None
) -> None:
    """Each goes to standard output, or whole into a file."""
    assert main(["judge", str(rendered)]) == 0
    capsys.readouterr()
    assert main(["report", str(rendered), "--format", form]) == 0
    told = capsys.readouterr().out
    assert told.startswith(opening)
    assert ("reproduces full" in told) is (form != "terminal")
    assert main(["report", str(rendered), "--format", form, "--output", str(tmp_path / "told")]) == 0
    assert (tmp_path / "told").read_text() == told


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_report_tells_what_published_settings_change(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_exists: None
) -> None:
    """Where the run has pictures made with them: these two strategies gave the very pictures of full."""
    run = run_of(tmp_path, "full", "staged-float16", "staged-256-tokens")
    run.keep(runs.VERDICTS, ())
    assert main(["report", str(run.folder), "--format", form]) == 0
    told = capsys.readouterr().out
    assert "What the published settings change: tiny against full" in told
    assert "Of float16 and 256 tokens, none moved a pixel." in told


def test_judge_is_red_where_a_baseline_is_required(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an empty store and --require-baseline, each case fails; afterwards the run says so."""
    arguments = ["judge", str(rendered), "--baselines", str(tmp_path)]
    assert main(arguments) == 0
    assert main([*arguments, "--require-baseline"]) == RED
    assert "matches its baseline" in capsys.readouterr().out


def test_judge_refuses_a_run_of_a_subject_that_is_gone(
    rendered: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the subject's entry nobody knows what was asked for."""
    monkeypatch.delenv("FLUXGATE_SUBJECTS", raising=False)
    assert main(["judge", str(rendered)]) == USAGE
    assert "has renderings of tiny; there is: miniature" in capsys.readouterr().err


@pytest.fixture
def on_a_gpu(tmp_path: Path) -> Path:
    """A folder of runs, of which the latest but one is from a GPU, and holds two cases."""
    root = tmp_path / "runs"
    made = create(root, replace(building.MACHINE, memory=24 << 30), building.STACK, "x", vram_limit=8 * 10**9)
    for name in ("full", "model-offload"):
        found = building.rendering(name, made.case_folder(f"tiny-{name}"))
        reserved = building.PhaseMemory("denoise", 10**9, 2 * 10**9, None, 1)
        building.put(made, replace(found, memory=building.Memory((reserved,), 0, 1, 1, None)))
    create(root, replace(building.MACHINE, device="cpu"), building.STACK, "x")
    return root


def test_advise_ranks_the_latest_run_of_a_gpu(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both were seen to run with 8 GB; on less they would not fit by their peak."""
    assert main(["advise", f"--runs={on_a_gpu}", "--vram=8GB"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(full|model-offload) +seen +2\.00 GB", told, re.MULTILINE) == ["full", "model-offload"]
    for reason in ("unsupported: optimum-quanto is needed", "not rendered in this run", "the run was not judged"):
        assert reason in " ".join(told.split())
    assert main(["advise", f"--runs={on_a_gpu}", "--vram=2.5 GB", "--subject=tiny"]) == 0
    assert re.findall(r"^full +no +2\.00 GB", capsys.readouterr().out, re.MULTILINE)


def test_reports_tell_cards_and_the_limit(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """In all three forms; the run had 8 GB, and the smallest standard card has as much."""
    run = str(next(iter(sorted(on_a_gpu.iterdir()))))
    main(["judge", run, f"--baselines={on_a_gpu}/none"])
    told = capsys.readouterr().out
    assert re.search(r"^tiny .* whole +card +time", told, re.MULTILINE)
    assert re.search(r"^model-offload .* 1\.00 +8 ", told, re.MULTILINE)
    assert "Every case was held to 8.00 GB of each GPU." in " ".join(told.split())
    assert main(["report", run, "--format=markdown"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# Fluxgate on A tiny GPU, each case held to 8.00 GB of it\n")
    assert "| likeness | card |\n" in told
    assert main(["report", run, "--format=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["vram_limit"] == 8 * 10**9
    assert {row["strategy"]: row["card"] for row in found["cases"]}["model-offload"] == 8


def test_advise_is_given_by_runs_of_a_gpu_only(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a CPU's run measured is the host's memory; and of another subject nothing is known."""
    cpu, gpu = runs.latest(on_a_gpu).folder, next(iter(sorted(on_a_gpu.iterdir())))
    for arguments, sentence in (
        ([str(cpu)], f"{cpu} was rendered on a CPU: its memory figures are the host's, not a card's."),
        ([str(gpu), "--subject=grown"], "--subject 'grown' does not exist; there is: tiny."),
    ):
        assert main(["advise", "--vram=12GB", *arguments]) == USAGE
        assert capsys.readouterr().err == f"{sentence}\n"


def test_advise_needs_no_torch(on_a_gpu: Path, environment: dict[str, str]) -> None:
    """A laptop can be asked about a run of a GPU machine."""
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'diffusers', 'transformers', 'accelerate')))"
    code = f"{blocked}; import suite.__main__; sys.exit(suite.__main__.main(['advise', '--vram=12GB']))"
    ended = call("-c", code, within=on_a_gpu.parent, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert ended.out.startswith("tiny ")


def test_accept_shows_and_writes(
    rendered: Path, tmp_path: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing without a reason, nothing on a dry run; then the run is its machine's baseline, and later runs match."""
    arguments = ["accept", str(rendered), "--baselines", str(tmp_path)]
    assert main(arguments) == USAGE
    assert main([*arguments, "--because", "a test", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("Nothing was written.\n")
    assert not list(tmp_path.glob("*/tiny"))
    assert main([*arguments, "--because", "a test", "--only", "tiny-*"]) == 0
    assert list(tmp_path.glob("*/tiny"))
    assert main(["judge", str(rendered), "--baselines", str(tmp_path), "--require-baseline"]) == 0


def test_accept_prunes_what_no_case_uses(
    rendered: Path,
    tmp_path: Path,
    tiny_exists: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The baselines of a subject that is gone go, too."""
    assert main(["accept", str(rendered), "--baselines", str(tmp_path), "--because", "a test"]) == 0
    monkeypatch.delenv("FLUXGATE_SUBJECTS")
    assert main(["accept", "--prune", "--baselines", str(tmp_path)]) == 0
    assert "tiny-full goes" in capsys.readouterr().out
    assert not list(tmp_path.glob("*/tiny"))


def test_a_crash_makes_render_red(tmp_path: Path, environment: dict[str, str]) -> None:
    """The other cases are rendered, and the exit code says that one was not."""
    (tmp_path / "broken.py").write_text(BROKEN)
    code = "import sys, broken; import suite.__main__; sys.exit(suite.__main__.main(sys.argv[1:]))"
    ended = call("-c", code, "render", "--subject=tiny", "--strategy=killed", within=tmp_path, **environment)
    assert ended.code == RED, ended.out + ended.err
    assert "tiny-full: finished" in ended.out


def test_calibrate_measures_limits_into_a_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """It ends by naming the command that keeps the limits."""
    arguments = ("calibrate", "--subject=tiny", "--strategy=vae-tiling", "--pictures=5", "--controls=1")
    ended = call("-m", "suite", *arguments, within=tmp_path, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert "--because REASON keeps them" in ended.out


def test_calibrate_measures_what_lies_between_runs(
    rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs give bands of drift in a new run; one is refused."""
    assert main(["calibrate", f"--runs={tmp_path}", "--between", str(rendered), str(rendered)]) == 0
    (limits,) = tmp_path.glob("*/limits/tiny.json")
    assert set(json.loads(limits.read_text())["drift"]) == set(_strategies_in(rendered))
    assert main(["calibrate", f"--runs={tmp_path}", "--between", str(rendered)]) == USAGE
    assert "two or more" in capsys.readouterr().err


def test_calibrate_measures_what_threads_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_exists: None) -> None:
    """--portability renders `full` again with other settings of the processor, here with one thread."""
    variants = {portability.AS_IT_IS: {}, "1 thread": portability.VARIANTS["1 thread"]}
    monkeypatch.setattr(portability, "VARIANTS", variants)
    monkeypatch.setattr(portability, "DTYPES", ("bfloat16",))
    assert main(["calibrate", f"--runs={tmp_path}", "--subject=tiny", "--portability"]) == 0
    (table,) = tmp_path.glob("*/calibration/tiny-portability.md")
    assert "| bfloat16 | 1 thread |" in table.read_text()


def _strategies_in(run: Path) -> list[str]:
    return [rendering.strategy for rendering in runs.open_run(run).renderings().values()]


def test_ctrl_c_ends_a_verb_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    """No traceback, the exit code that shells know Ctrl-C by, and a run that can be read."""
    process = subprocess.Popen(
        [sys.executable, "-m", "suite", "render", "--subject=tiny", "--strategy=full,staged"],
        cwd=tmp_path,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    next(line for line in process.stdout if "tiny-staged: started" in line)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)
    assert (process.returncode, told) == (INTERRUPTED, "Interrupted.\n")
    assert runs.latest(tmp_path / "runs").renderings()["tiny-full"].crash is None


def test_a_closed_pipe_is_no_error() -> None:
    """`python -m suite list | head -1` ends without a traceback."""
    code = "import suite.__main__ as m, os; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
    command = code + "import sys; sys.exit(m.main(['list', '--json']))"
    process = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stderr) == (CLOSED, "")
