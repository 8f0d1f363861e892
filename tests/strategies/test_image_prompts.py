"""Tests of the IP-Adapter: it changes pictures, at a scale of 0 it does not, and unloaded it leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.miniature.given_computing import IMAGE_EMBEDDING, IMAGE_SCALE, IP_ADAPTER  # noqa: E402
from fluxgate.render.watch.stored import stored_weights  # noqa: E402
from fluxgate.rendering import Component, Inventory  # noqa: E402
from fluxgate.strategies.effects import COMPONENTS_LEFT, IMAGE_LAYERS, IMAGE_LAYERS_LEFT, SETTINGS_LEFT  # noqa: E402
from fluxgate.strategies.image_prompts import (  # noqa: E402
    EMBEDS,
    FILE,
    SCALE,
    image_prompt,
    loads_ip_adapter,
    settings_left,
    write_ip_adapter,
)
from fluxgate.strategies.promise import Site  # noqa: E402
from fluxgate.subjects.catalogue import read_catalogue  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from fluxgate.tensors import read_tensors  # noqa: E402
from tests.pipelines.catalogued import catalogue  # noqa: E402
from tests.strategies.looking import SUBJECT, Seen, folder_of, look, missing_effects  # noqa: E402
from tests.strategies.machines import CPU, NEW  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.strategies.taking import PIPELINE, Patch, no_call  # noqa: E402
from tests.wording import unsaid  # noqa: E402


def test_an_adapter_changes_the_pictures(seen: Callable[[str], Seen], miniature_folder: Path) -> None:
    """Its effects show, each call gives the same, and that is not what full gives; the file's weights are untouched."""
    rendered = seen("ip-adapter")
    assert rendered.missing == ()
    assert rendered.again == rendered.pictures != seen("full").pictures
    stored = stored_weights(rendered.pipeline.pipe.transformer, miniature_folder / "transformer")
    assert stored is not None
    assert (stored.made_up, stored.missing, stored.differing) == ((), (), ())
    assert stored.adapters == 4 * 2 + 4


def test_unloaded_it_leaves_the_pictures_as_they_were(seen: Callable[[str], Seen]) -> None:
    """full's pictures come back to the pixel."""
    assert seen("ip-adapter-unloaded").missing == ()
    assert seen("ip-adapter-unloaded").pictures == seen("full").pictures


def test_a_setting_that_an_adapter_leaves_is_told(miniature_folder: Path, tmp_path: Path) -> None:
    """As that there are embeddings of pictures; None is what was there before."""
    denoiser = Site(SUBJECT, miniature_folder, "cpu", tmp_path, watch=lambda _: None).pipeline().transformer
    assert settings_left(denoiser) == []
    denoiser.config.encoder_hid_dim_type = None
    assert settings_left(denoiser) == []
    denoiser.config.encoder_hid_dim_type = "ip_image_proj"
    assert settings_left(denoiser) == ["encoder_hid_dim_type"]


def test_the_oracle_has_the_adapter_the_picture_and_the_scale_of_the_strategy(
    miniature_folder: Path, tmp_path: Path
) -> None:
    """The file that ships is the one that is written for the miniature, to a rounding of another processor."""
    site = Site(SUBJECT, miniature_folder, "cpu", tmp_path, watch=lambda _: None)
    pipe = site.pipeline(dtype=torch.bfloat16)
    write_ip_adapter(pipe.transformer, tmp_path / "written")
    written, shipped = (read_tensors(folder / FILE) for folder in (tmp_path / "written", IP_ADAPTER))
    assert written.keys() == shipped.keys()
    for name, tensor in written.items():
        assert tensor.dtype == shipped[name].dtype == "BF16"
        assert np.allclose(tensor.values, shipped[name].values, rtol=2**-7, atol=0), name
    (image,) = image_prompt(pipe, {"prompt": "A fox."})[EMBEDS]
    assert np.array_equal(image.float().numpy()[0, 0], IMAGE_EMBEDDING)
    assert SCALE == IMAGE_SCALE


ONE = replace(SUBJECT, shots=(replace(SUBJECT.shots[0], pictures_per_prompt=1),))


def test_at_a_scale_of_nothing_one_picture_is_as_it_was(miniature_folder: Path, tmp_path: Path) -> None:
    """To the pixel; several at once are rounded otherwise by FLUX's other attention, which the reason says."""
    needs = strategy_named("ip-adapter-off").unsupported
    assert needs(ONE, CPU, NEW) is None
    assert not unsaid(str(needs(SUBJECT, CPU, NEW)), "several pictures", "another kernel")
    rendered = {}
    for name in ("full", "ip-adapter-off"):
        (tmp_path / name).mkdir()
        rendered[name] = look(strategy_named(name), miniature_folder, tmp_path / name, subject=ONE)
    assert rendered["ip-adapter-off"].missing == ()
    assert rendered["ip-adapter-off"].pictures == rendered["full"].pictures


@pytest.mark.parametrize(("unloads", "left"), [(True, 0), (False, 3)])
def test_an_adapter_that_stays_is_counted(
    unloads: bool, left: int, miniature_folder: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    """Two double blocks' attentions, what makes tokens of a picture and what reads one, if nobody takes them away."""
    if not unloads:
        no_call(PIPELINE, "unload_ip_adapter")(monkeypatch)
    counts: dict[str, int] = {}
    site = Site(SUBJECT, miniature_folder, "cpu", tmp_path, watch=lambda _: None, count=counts.__setitem__)
    strategy_named("ip-adapter-unloaded").load(site)
    stays = int(not unloads)
    assert counts == {IMAGE_LAYERS: 3, IMAGE_LAYERS_LEFT: left, SETTINGS_LEFT: stays, COMPONENTS_LEFT: stays}
    inventory = Inventory({"transformer": Component("transformer", "T", {}, 0, {}, {}, {}, {}, None)}, counts)
    assert bool(missing_effects(strategy_named("ip-adapter-unloaded"), inventory)) is (left > 0)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    """Pipelines with a UNet, whose adapters and guidance are laid out otherwise."""
    return read_catalogue(catalogue(tmp_path_factory.mktemp("pipelines"), ("sdxl",)))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_unet_has_its_own_layout(others: dict[str, Subject], tmp_path: Path) -> None:
    """With guidance, where the picture and its absence go in one tensor."""
    subject = others["sdxl"]
    rendered = {}
    for name in ("full", "ip-adapter", "ip-adapter-off", "ip-adapter-unloaded"):
        (tmp_path / name).mkdir()
        rendered[name] = look(strategy_named(name), folder_of(subject), tmp_path / name, subject=subject)
        assert rendered[name].missing == ()
    assert rendered["ip-adapter"].pictures != rendered["full"].pictures
    assert rendered["ip-adapter-off"].pictures == rendered["full"].pictures
    assert rendered["ip-adapter-unloaded"].pictures == rendered["full"].pictures


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("FluxPipeline", None),
        ("StableDiffusionPipeline", None),
        ("SanaPipeline", "SanaPipeline loads no IP-Adapter in this release of diffusers"),
        ("StableDiffusion3Pipeline", "a resampler of its own alone"),
    ],
)
def test_a_class_is_asked_whether_it_loads_one(pipeline: str, reason: str | None) -> None:
    """Not a list of ours."""
    said = loads_ip_adapter(Subject("s", "s", "hub:o/n", (), pipeline=pipeline), CPU, NEW)
    assert (said is None) is (reason is None)
    assert reason is None or reason in str(said)
