"""Tests of `merge`: shards rendered apart are, together, what one session gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fluxgate.cli.main import main
from fluxgate.files import read_plain
from fluxgate.judge.verdict import Verdict
from fluxgate.refusal import USAGE
from fluxgate.runs import run as runs
from tests.outside import NOWHERE, call

ASKED = ("--subject=tiny", f"--strategy=full,model-offload,full-float32,{NOWHERE}")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> list[Path]:
    """The runs of both shards, each from a machine of its own."""
    found = []
    for number in (1, 2):
        home = tmp_path_factory.mktemp(f"machine-{number}")
        ended = call("-m", "fluxgate", "render", *ASKED, f"--shard={number}/2", within=home, **environment)
        assert ended.code == 0, ended.out + ended.err
        found.append(runs.latest(home / "runs").folder)
    return found


def cells(run: Path) -> Mapping[tuple[str, str], str]:
    """The status of every cell."""
    verdicts = read_plain(run / runs.VERDICTS, tuple[Verdict, ...])
    return {(verdict.case_id, verdict.check): verdict.status for verdict in verdicts}


def hashes(run: Path) -> set[tuple[str, str, int, str]]:
    """Every picture of the first take."""
    return {
        (case_id, *where, picture.sha256)
        for case_id, rendering in runs.open_run(run).renderings().items()
        for where, picture in rendering.pictures_of().items()
    }


@pytest.mark.long
def test_the_merged_run_is_the_unsharded_one(
    shards: list[Path], rendered: Path, tmp_path: Path, tiny_exists: None
) -> None:
    """Cell for cell, and picture for picture."""
    assert main(["judge", str(rendered)]) == 0
    assert main(["merge", *map(str, shards), f"--runs={tmp_path}"]) == 0
    merged = runs.latest(tmp_path).folder
    assert hashes(merged) >= hashes(rendered)
    of_both = {cell: status for cell, status in cells(merged).items() if cell[0] == "tiny-model-offload"}
    assert of_both == {cell: cells(rendered)[cell] for cell in of_both}


@pytest.mark.long
def test_each_shard_renders_its_part(shards: list[Path]) -> None:
    """And what that is compared with."""
    parts = [set(runs.open_run(shard).renderings()) for shard in shards]
    assert parts[0] | parts[1] == {"tiny-full", "tiny-model-offload", "tiny-full-float32"}
    assert parts[0] & parts[1] == {"tiny-full"}


def test_a_bad_shard_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is rendered."""
    assert main(["render", "--shard=3/2", f"--runs={tmp_path}"]) == USAGE
    assert "--shard" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
