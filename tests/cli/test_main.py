"""Tests of fluxgate/cli/main.py: the table of verbs, what is refused before one begins, and how they end."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from fluxgate.cli.main import CLOSED, ERROR, VERBS, main, run
from fluxgate.cli.shared import INTERRUPTED
from fluxgate.environment import fluxgate_version
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from tests.outside import ROOT, tiny
from tests.wording import unsaid


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is where the command is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_verb_help_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The help says of every verb what it is for, and a script that forgets one is not green."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == USAGE
    told = capsys.readouterr().out
    assert [verb for verb in VERBS if not re.search(rf"^  {verb} +[a-z]", told, re.MULTILINE)] == []
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_help(
    verb: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In 80 columns, with every option in words, whatever a repository calls its folders."""
    monkeypatch.setenv("COLUMNS", "80")
    (elsewhere / "pyproject.toml").write_text('[tool.fluxgate]\nruns = "100%runs"\nbaselines = "50%"\n')
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert max(map(len, shown.splitlines())) <= 80 + len(str(elsewhere))  # a path is not broken
    assert re.findall(r"^  (--[a-z-]+(?: \S+)?)\n  -", shown, re.MULTILINE) == []
    assert "%%" not in shown


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As a bug report wants it."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"fluxgate {fluxgate_version()}\n")


def test_no_verb_is_left_out_of_the_table() -> None:
    """Each module of fluxgate/cli is a verb that the help tells, but for what they share and a gate on a cluster."""
    modules = {path.stem for path in (ROOT / "fluxgate" / "cli").glob("[!_]*.py")}
    assert {
        name: import_module(f"fluxgate.cli.{name}") for name in modules - {"main", "shared", "finding", "gate_on"}
    } == VERBS


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["jugde"], "VERB 'jugde' is unknown; did you mean 'judge'?"),
        (["render", "--subjekt=x"], "Unrecognized arguments: --subjekt=x; see fluxgate"),
        (["render", "--subject=teddy"], "--subject 'teddy' is unknown; choose from miniature,"),
        (["render", "--strategy=staggd"], "--strategy 'staggd' is unknown; did you mean 'staged'?"),
        (["render", "--takes=many"], "--takes is 'many'; it must be a whole number from 1 to 100."),
        (["render", "--case-timeout=-1"], "--case-timeout is '-1'; it must be a number of seconds above 0."),
        (["render", "--vram-limit=12"], "--vram-limit is '12'; write it like '17 GB' or '512 MB'."),
        (["calibrate", "--pictures=0"], "--pictures is '0'; it must be a whole number"),
        (["calibrate", "--controls=x"], "--controls is 'x'; it must be a whole number"),
        (["judge", "nowhere"], "nowhere does not exist."),
        (["report", "nowhere"], "nowhere does not exist."),
        (["report", "--format=htm"], "--format 'htm' is unknown; did you mean 'html'?"),
        (["advise"], "The following arguments are required: --vram; see fluxgate advise --help."),
        (["advise", "--vram=much"], "--vram is 'much'; write it like '17 GB' or '512 MB'."),
        (["advise", "--vram=12GB", "nowhere"], "nowhere does not exist."),
        (["accept"], "Name the run to accept: fluxgate accept RUN."),
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


def test_a_faulty_configuration_is_told_in_a_sentence(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever verb is asked for: the defaults of options are read from it; the version is none of its business."""
    (elsewhere / "pyproject.toml").write_text('[tool.fluxgate]\nbaselinez = "x"\n')
    for verb in ("list", "judge"):
        assert main([verb]) == USAGE
        assert not unsaid(capsys.readouterr().err, "'baselinez'", "'baselines'")
    with pytest.raises(SystemExit):
        main(["--version"])


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "cannot be read or written"),
        (errno.EROFS, "cannot be written"),
        (errno.ENOSPC, "cannot be written"),
        (errno.EBUSY, "cannot be read or written"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_in_a_sentence(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a folder that is not this user's nobody knows here whether it was to be read or written."""

    def failing(arguments: object) -> int:
        raise OSError(number, os.strerror(number), "some/place")

    monkeypatch.setattr("fluxgate.cli.list.act", failing)
    assert main(["list"]) == USAGE
    assert capsys.readouterr().err == f"some/place {words}: {os.strerror(number)}.\n"


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", LONG],
        ["report", f"--runs={LONG}"],
        ["judge", "RUN", f"--baselines={LONG}"],
        ["report", "RUN", "--format=json", f"--output={LONG}"],
        ["report", "RUN", "--format=json", "--output=loop/told"],
        ["report", "RUN", "--format=json", "--output=."],
        ["report", "RUN", "--format=html", "--output=."],
        ["report", "RUN", "--format=html", "--output="],
        ["accept", "RUN", "--because=x", "--yes", "--baselines=loop"],
        ["history", LONG],
        ["init", LONG],
        ["grow", "loop"],
    ],
)
def test_a_path_that_no_system_takes_is_told_in_a_sentence(
    arguments: list[str],
    elsewhere: Path,
    rendered: Path,
    tiny_exists: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Too long, a link to itself, or a folder where a file is to be: one line, and nothing is left there."""
    assert main(["judge", str(rendered)]) == 0
    (elsewhere / "loop").symlink_to("loop")
    capsys.readouterr()
    assert main([str(rendered) if word == "RUN" else word for word in arguments]) == USAGE
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in elsewhere.iterdir()] == ["loop"]


def test_a_mistake_in_fluxgate_is_no_answer(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A traceback, and the code that pytest has for it: to a gate, 1 would mean that an upgrade is not safe."""

    def failing(arguments: object) -> int:
        raise ZeroDivisionError("nobody thought of that")

    monkeypatch.setattr("fluxgate.cli.list.act", failing)
    monkeypatch.setattr("sys.argv", ["fluxgate", "list"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == ERROR
    assert "nobody thought of that" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("output", "encoding", "code", "told"),
    [
        (">&-", "utf-8", 0, ""),
        ("> told", "ascii", 0, ""),
        ("> /dev/full", "utf-8", USAGE, "The output cannot be written: No space left on device.\n"),
    ],
)
def test_output_that_cannot_be_taken_is_no_traceback(
    output: str, encoding: str, code: int, told: str, elsewhere: Path
) -> None:
    """Closed, without the letters of a sentence, or on a full disk."""
    ended = subprocess.run(
        f"exec {sys.executable} -m fluxgate init --dry-run {output}",
        shell=True,
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (code, told)


@pytest.mark.long
def test_ctrl_c_ends_a_verb_in_one_line(tmp_path: Path, miniature_folder: Path) -> None:
    """No traceback, the exit code that shells know Ctrl-C by, and a run that can be read."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fluxgate", "render", "--subject=tiny", "--strategy=full,staged"],
        cwd=tmp_path,
        env={**os.environ, **tiny(tmp_path, pipeline=miniature_folder), "PYTHONPATH": str(ROOT)},
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
    """`fluxgate list | head -1` ends without a traceback."""
    code = "import fluxgate.cli.main as m, os; r, w = os.pipe(); os.close(r); os.dup2(w, 1); "
    command = code + "import sys; sys.exit(m.main(['list', '--json']))"
    process = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stderr) == (CLOSED, "")
