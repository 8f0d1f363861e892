"""Tests of `advise`: the ranking for a card, and the runs that say nothing about one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import NOTHING
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from tests.outside import call
from tests.wording import unsaid


def test_advise_ranks_the_latest_run_of_a_gpu(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both were seen to run with 8 GB; on less they would not fit by their peak."""
    assert main(["advise", f"--runs={on_a_gpu}", "--vram=8GB"]) == 0
    told = capsys.readouterr().out
    assert re.findall(r"^(full|model-offload) +yes +2\.00 GB", told, re.MULTILINE) == ["full", "model-offload"]
    for reason in ("cannot run here: optimum-quanto is needed", "not rendered in this run", "The run was not judged"):
        assert reason in " ".join(told.split())
    assert main(["advise", f"--runs={on_a_gpu}", "--vram=2.5 GB", "--subject=tiny"]) == 0
    assert re.findall(r"^full +no +2\.00 GB", capsys.readouterr().out, re.MULTILINE)


def test_advise_is_given_by_runs_of_a_gpu_only(
    on_a_gpu: Path, tiny_exists: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a CPU's run measured is the host's memory; and of another subject nothing is known."""
    cpu, gpu = runs.latest(on_a_gpu).folder, next(iter(sorted(on_a_gpu.iterdir())))
    for arguments, sentence in (
        ([str(cpu)], f"{cpu} was rendered on a CPU: its memory is the host's, and says nothing about cards."),
        ([str(gpu), "--subject=grown"], "--subject 'grown' is unknown; choose from tiny."),
    ):
        assert main(["advise", "--vram=12GB", *arguments]) == USAGE
        assert capsys.readouterr().err == f"{sentence}\n"


def test_without_a_run_the_shipped_measurements_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What fits 12 GB, to the pixel, with lines that load it; nothing fits 1 GB."""
    assert main(["advise", f"--runs={tmp_path}", "--vram=12GB", "--ram=128GB"]) == 0
    told = capsys.readouterr().out
    assert "not measured on your machine" in " ".join(told.split())
    assert re.search(r"^Take group-offload-leaf-stream: 5\.84 GB", told, re.MULTILINE)
    assert "pipe.enable_group_offload(" in told
    assert main(["advise", f"--runs={tmp_path}", "--vram=12GB"]) == 0
    assert capsys.readouterr().out.count("--ram 32GB") == 1
    assert main(["advise", f"--runs={tmp_path}", "--vram=1GB"]) == NOTHING


def test_the_shipped_measurements_can_be_asked_beside_a_run(on_a_gpu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of a small pipeline says nothing about FLUX.1-dev's size."""
    assert main(["advise", f"--runs={on_a_gpu}", "--vram=12GB", "--shipped"]) == 0
    assert "not measured on your machine" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--vram=12"], "--vram is '12'; write it like '17 GB' or '512 MB'."),
        (["--vram=12GB", "--ram=none"], "--ram is 'none'; write it like '17 GB' or '512 MB'."),
        (["--vram=12GB", "--ram=0GB"], "--ram is '0GB'; it must be above 0."),
        (["--vram=12GB", "--subject=fluxdev"], "--subject 'fluxdev' is unknown; did you mean 'flux-dev'?"),
        (["runs/x", "--vram=12GB", "--shipped"], "--shipped and runs/x exclude each other."),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the option that must be changed."""
    assert main(["advise", f"--runs={tmp_path}", *arguments]) == USAGE
    assert capsys.readouterr().err == f"{sentence}\n"


def test_a_subject_that_was_never_rendered_is_told_what_cannot_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its weights, the largest of its components, and what to run; FLUX.1-dev has the shapes that were measured."""
    assert main(["advise", f"--runs={tmp_path}", "--vram=12GB", "--subject=miniature"]) == USAGE
    said = capsys.readouterr().err
    assert not unsaid(said, "miniature", "not rendered on a GPU", "57", "transformer")
    assert "fluxgate render --subject miniature" in said
    assert main(["advise", f"--runs={tmp_path}", "--vram=12GB", "--subject=flux-dev"]) == 0
    assert "FLUX.1-dev's shapes" in capsys.readouterr().out


def test_advise_needs_no_torch(on_a_gpu: Path, environment: dict[str, str]) -> None:
    """A laptop can be asked about a run of a GPU machine."""
    blocked = "import sys; sys.modules.update(dict.fromkeys(('torch', 'diffusers', 'transformers', 'accelerate')))"
    code = f"{blocked}; import fluxgate.cli.main; sys.exit(fluxgate.cli.main.main(['advise', '--vram=12GB']))"
    ended = call("-c", code, within=on_a_gpu.parent, **environment)
    assert ended.code == 0, ended.out + ended.err
    assert not unsaid(ended.out.splitlines()[0], "tiny", "12.00 GB")
