"""Tests of `render`: the run that it makes, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.cli.shared import NOTHING, RED
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from tests.devices import on_a_cpu
from tests.outside import BROKEN, CARD, NOWHERE, call
from tests.wording import unsaid


def test_render_makes_a_run_with_the_references(rendered: Path) -> None:
    """What a case is compared with is rendered before it; the run is finished and has no verdicts yet."""
    run = runs.open_run(rendered)
    assert set(run.renderings()) == {"tiny-full", "tiny-model-offload"}
    assert run.finished is not None
    assert not (rendered / runs.VERDICTS).exists()


@pytest.mark.long
@on_a_cpu
def test_render_keeps_its_limit_in_the_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """That it is kept to is seen on a GPU only; here one is claimed, so the case crashes."""
    (tmp_path / "card.py").write_text(CARD)
    code = "import sys, card; import fluxgate.cli.main; sys.exit(fluxgate.cli.main.main(sys.argv[1:]))"
    arguments = ("render", "--subject=tiny", "--strategy=full", "--vram-limit=12GB")
    ended = call("-c", code, *arguments, within=tmp_path, **environment)
    assert ended.code == RED, ended.out + ended.err
    assert runs.latest(tmp_path / "runs").vram_limit == 12 * 10**9


@on_a_cpu
def test_render_is_not_green_when_nothing_is_rendered(tmp_path: Path, environment: dict[str, str]) -> None:
    """Exit code 5, and the reason."""
    ended = call("-m", "fluxgate", "render", "--subject=tiny", f"--strategy={NOWHERE}", within=tmp_path, **environment)
    assert ended.code == NOTHING
    assert not unsaid(ended.out, f"tiny-{NOWHERE}", "GPU is needed")


def test_a_crash_makes_render_red(tmp_path: Path, environment: dict[str, str]) -> None:
    """The other cases are rendered, and the exit code says that one was not."""
    (tmp_path / "broken.py").write_text(BROKEN)
    code = "import sys, broken; import fluxgate.cli.main; sys.exit(fluxgate.cli.main.main(sys.argv[1:]))"
    ended = call("-c", code, "render", "--subject=tiny", "--strategy=killed", within=tmp_path, **environment)
    assert ended.code == RED, ended.out + ended.err
    assert "tiny-full: finished" in ended.out


def test_a_cluster_needs_ray(tmp_path: Path, environment: dict[str, str]) -> None:
    """Without it, the sentence says what to install; nothing is rendered."""
    (tmp_path / "ray.py").write_text("raise ImportError('as where it is not installed')")
    ended = call("-m", "fluxgate", "render", "--on=ray", "--subject=tiny", within=tmp_path, **environment)
    assert ended.code == USAGE
    assert 'pip install "ray[client]>=' in ended.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [("--on=H100",), ("--on=ray://",), ("--each",), ("--each=L4",)])
def test_what_is_no_cluster_is_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything of Ray is looked for, and anything is rendered."""
    assert main(["render", *arguments]) == USAGE
    assert "--on" in capsys.readouterr().err


def test_nothing_of_ray_is_imported_without_a_cluster(tmp_path: Path, environment: dict[str, str]) -> None:
    """By no verb: the whole command is imported, and this one acts as far as its choice."""
    code = (
        "import sys, fluxgate.cli.main as m; code = m.main(['render', '--shard=0/2']); sys.exit('ray' in sys.modules)"
    )
    assert call("-c", code, within=tmp_path, **environment).code == 0
