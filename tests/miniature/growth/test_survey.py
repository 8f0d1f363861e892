"""Tests of the survey: FLUX.1-dev's tensors and parameters are planned exactly, and a wrong folder is refused."""

from pathlib import Path

import pytest

from fluxgate.miniature.architecture import WEIGHT_FILES
from fluxgate.miniature.bfloat16 import Noise
from fluxgate.miniature.growth.grown_folder import grow
from fluxgate.miniature.growth.mapping import Growth
from fluxgate.miniature.growth.small_pipeline import configurations, read_weights, sizes_of
from fluxgate.miniature.growth.survey import survey
from fluxgate.miniature.growth.target import FLUX_DEV, FLUX_DEV_PARAMETERS
from fluxgate.refusal import Refusal
from tests.miniature.growth.sizes import BIG, CLASSES, left_in, shapes_of

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", list(CLASSES))
def test_flux_devs_tensors_are_planned_exactly(miniature_folder: Path, name: str) -> None:
    """At the real shapes, too, every tensor of the class is planned, with its shape, and no other."""
    mapping = Growth(sizes_of(miniature_folder), FLUX_DEV.sizes, FLUX_DEV.vocabularies, Noise(0, length=997))
    weights = read_weights(miniature_folder / name / WEIGHT_FILES[name], name)
    planned = {tensor.name: tensor.shape for tensor in mapping.plan(name, weights)}
    configs = configurations(FLUX_DEV.sizes, t5_words=FLUX_DEV.t5_words, clip_words=FLUX_DEV.clip_words)
    assert planned == shapes_of(name, configs[name])


def test_flux_devs_parameters_are_counted_exactly(miniature_folder: Path) -> None:
    """The plan for the real shapes has FLUX.1-dev's number of parameters in every component."""
    manifest, files = survey(miniature_folder, FLUX_DEV)
    assert manifest.parameters == FLUX_DEV_PARAMETERS
    assert sum(file.bytes for file in files) == pytest.approx(33.74e9, rel=1e-3)
    shards = [file.file for file in files if file.bytes > 1e9]
    assert [name.rpartition("-of-")[2] for name in shards] == ["00002.safetensors"] * 2 + ["00003.safetensors"] * 3
    assert max(file.bytes for file in files) < 10e9


def test_a_source_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    """A wrong folder is refused before anything is written."""
    with pytest.raises(Refusal, match="there is no folder"):
        grow(tmp_path / "grown", source=tmp_path / "nowhere", target=BIG)
    assert left_in(tmp_path) == []
