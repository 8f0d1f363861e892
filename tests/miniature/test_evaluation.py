"""The report card: what the shipped miniature draws, read and put into a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluxgate.miniature import captions, drawing, evaluation, reader
from fluxgate.miniature.training.data import held_out_scenes

SHIPPED = Path(evaluation.__file__).parent / "pipeline"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The held-out scenes as our own code draws them, in place of pictures that the miniature rendered."""
    out = tmp_path_factory.mktemp("card")
    (out / "held-out").mkdir()
    for index, (scene, _) in enumerate(held_out_scenes(count=3, seed=evaluation.SEED)):
        Image.fromarray(drawing.draw(scene, width=256, height=256)).save(out / "held-out" / f"{index:03d}.png")
    return out


def test_drawn_scenes_get_full_marks(drawn: Path) -> None:
    """Pictures that show what their captions ask are found to, and the table counts every question once."""
    findings = evaluation.read_pictures(drawn, count=3)
    assert all(finding.found for finding in findings if finding.about in ("thing", "colour", "setting", "time"))
    scores = {(score.about, score.kind): score for score in evaluation.scores(findings)}
    things = [finding for finding in findings if finding.about == "thing"]
    assert scores["thing", "all"].asked == len(things) > 0


def test_pictures_of_other_captions_fail(drawn: Path, tmp_path: Path) -> None:
    """The same pictures in another order lose marks: the report does not praise whatever it is shown."""
    (tmp_path / "held-out").mkdir()
    for index in range(3):
        picture = Image.open(drawn / "held-out" / f"{(index + 1) % 3:03d}.png")
        picture.save(tmp_path / "held-out" / f"{index:03d}.png")
    findings = evaluation.read_pictures(tmp_path, count=3)
    assert sum(not finding.found for finding in findings) > len(findings) / 4


def test_the_command_writes_a_table_and_figures(drawn: Path) -> None:
    """--reading reads what --pictures left, without a pipeline."""
    assert evaluation.main(["nowhere", "--out", str(drawn), "--count", "2", "--reading"]) == 0
    assert (drawn / "table.md").read_text().startswith("| | thing | colour |")
    scores = json.loads((drawn / "scores.json").read_text())
    assert {"about", "kind", "found", "asked"} == set(scores[0])


def test_missing_pictures_and_pipelines_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is one sentence that says what is missing."""
    assert evaluation.main(["nowhere", "--out", str(tmp_path), "--reading"]) == 4
    assert evaluation.main([str(tmp_path), "--out", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert "000.png is missing" in said
    assert "holds no pipeline" in said


def test_a_sheet_holds_every_picture_and_title() -> None:
    """Pictures of several shapes fit into their cells, none over another."""
    green = np.array([9, 200, 9], np.uint8)
    pictures = [np.tile(green, (height, width, 1)) for height, width in ((40, 40), (20, 60), (60, 20))]
    sheet = np.asarray(evaluation.sheet(pictures, ["a", "a longer title", ""], columns=2, width=30))
    assert (sheet == green).all(axis=-1).sum() == 30 * 30 + 30 * 10 + 10 * 30


@pytest.mark.skipif(not (SHIPPED / "model_index.json").is_file(), reason="no weights are shipped yet")
def test_the_shipped_weights_draw_what_they_draw_best() -> None:
    """On a CPU, in a dozen steps: the blog post's picnic, and two foxes in a forest by day, as the reader sees them."""
    pytest.importorskip("diffusers")
    pipeline = evaluation.load(SHIPPED, device="cpu")
    prompts = [captions.BLOG_PROMPT, "Two playful orange foxes in a leafy forest on a sunny day."]
    pictures = evaluation.render(
        pipeline, prompts, size=evaluation.SQUARE, seeds=[42, 7], num_inference_steps=12, guidance_scale=3.5
    )
    picnic, forest = (reader.read(picture) for picture in pictures)
    assert (picnic.setting, picnic.night) == ("magical forest", True)
    assert sum(thing.kind == "fox" for thing in picnic.things) >= 2
    assert {"blanket", "firefly"} <= {thing.kind for thing in picnic.things}
    assert (forest.setting, forest.night) == ("forest", False)
    assert {(thing.kind, thing.colour) for thing in forest.things} == {("fox", "orange")}
