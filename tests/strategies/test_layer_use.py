"""Tests of what is read of a denoiser's use of its linear layers, held against the libraries themselves."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("bitsandbytes")

from fluxgate.pictures import write_png
from fluxgate.strategies.layer_use import Packed, carried_by_layers, cast_before_int8, wide_outside
from fluxgate.strategies.promise import Strategy
from fluxgate.subjects.entries import input_picture
from fluxgate.subjects.subject import Shot, Subject
from tests.pipelines.beyond_matrix import BEYOND_MATRIX
from tests.pipelines.matrix import saved
from tests.pipelines.matrix import write as write_pipeline
from tests.strategies.looking import look
from tests.strategies.machines import CPU, H100, NEW
from tests.strategies.named import strategy_named
from tests.wording import unsaid

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # what diffusers warns itself of
PACKED = ("nf4", "nf4-linear", "nf4-pipeline", "int8", "fp4", "gguf-q8")  # with weights in bytes
CAST = ("fp8-layerwise", "fp8-layerwise-model-offload")
SHOT = Shot("s", ("a red circle",), seed=1, height=64, width=64, steps=2, guidance=None, max_sequence_length=None)


@pytest.mark.parametrize(
    ("pipeline", "denoiser", "reader"),
    [
        ("HunyuanDiTPipeline", "transformer", "HunyuanDiTAttentionPool"),
        ("FluxPipeline", "transformer", None),
        ("StableDiffusionXLPipeline", "unet", None),
    ],
)
def test_layers_that_are_not_called_cannot_be_brought(pipeline: str, denoiser: str, reader: str | None) -> None:
    """A class within the denoiser that hands matrices of its layers to torch is named, however deep it lies."""
    pytest.importorskip("diffusers")
    subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline, denoiser=denoiser)
    reason = carried_by_layers(subject, CPU, NEW)
    assert (reason is None) is (reader is None)
    assert reader is None or f"{reader} reads them without" in str(reason)
    for name in ("nf4", "nf4-pipeline", "nf4-linear", "int8"):
        packed = str(strategy_named(name).unsupported(subject, H100, NEW))
        assert ("bitsandbytes packs a layer's weights" in packed) is (reader is not None)


def test_the_classes_of_a_denoiser_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred of them, about which each strategy asks for each subject: other subjects of the class read none."""
    first, other = (Subject(name, name, "hub:o/n", (), pipeline="WanPipeline", denoiser="transformer") for name in "ab")
    needs = (carried_by_layers, wide_outside, cast_before_int8, Packed("diffusers", "GGUFLinear"))
    answers = [need(first, H100, NEW) for need in needs]
    monkeypatch.delattr(ast, "walk")
    assert [need(other, H100, NEW) for need in needs] == answers


def written(name: str, folder: Path, *, denoiser: str = "unet", **more: Any) -> Subject:
    kind, _ = BEYOND_MATRIX[name]
    saved(*BEYOND_MATRIX[name], folder / name)
    own: dict[str, Any] = {"pipeline": kind, "denoiser": denoiser, "large": (denoiser,), **more}
    return Subject("s", "s", f"folder:{folder / name}", (SHOT,), **own)


def test_a_part_whose_dtype_something_goes_by_must_keep_it(tmp_path: Path) -> None:
    """AnyFlow casts to the dtype of two embedders' weights, of which its class keeps one in float32; layerwise casting
    leaves both alone."""
    subject = written("anyflow", tmp_path, denoiser="transformer")
    for name in PACKED:
        reason = str(strategy_named(name).unsupported(subject, H100, NEW))
        assert not unsaid(reason, "casts what comes in to the dtype of the weights of delta_embedder")
    assert [strategy_named(name).unsupported(subject, H100, NEW) for name in CAST] == [None, None]
    assert fails(strategy_named("nf4-linear"), subject, tmp_path, NotImplementedError)


def test_a_part_that_a_class_keeps_wide_is_no_reason(tmp_path: Path) -> None:
    """Lucy Edit's denoiser is Wan's, which casts to the dtype of an embedder that it keeps in float32, and no other."""
    subject = written("lucy", tmp_path, denoiser="transformer")
    assert [strategy_named(name).unsupported(subject, H100, NEW) for name in (*PACKED, *CAST)] == [None] * 8


@pytest.mark.parametrize("name", ["sequential-offload", "nf4-sequential-offload", "int8-t5-sequential-offload"])
def test_a_prompt_must_not_follow_an_encoder_to_meta(name: str) -> None:
    """Ideogram 4 and others ask their text encoder where it is; most ask the pipeline where it computes."""
    own: dict[str, Any] = {"pipeline": "Ideogram4Pipeline", "large": ("text_encoder",), "encoders": ("text_encoder",)}
    subject = Subject("s", "s", "hub:o/n", (), **own)
    reason = str(strategy_named(name).unsupported(subject, H100, NEW))
    assert not unsaid(reason, "Ideogram4Pipeline moves a prompt to the device that text_encoder says", "meta")
    assert strategy_named(name).unsupported(replace(subject, pipeline="FluxPipeline"), H100, NEW) is None
    assert strategy_named("model-offload").unsupported(subject, H100, NEW) is None


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("framepack", ("torch's attention in image_encoder reads them without",), RuntimeError),
        ("z-image-controlnet", ("controlnet has layers of transformer",), NotImplementedError),
    ],
)
def test_weights_that_others_read_or_have_are_not_put_aside(
    name: str, words: tuple[str, ...], kind: type[Exception], tmp_path: Path
) -> None:
    """By the names of the weights, and by what the pipeline's constructor does."""
    subject = written(name, tmp_path, denoiser="transformer", encoders=("text_encoder",))
    for strategy in ("sequential-offload", "nf4-sequential-offload"):
        assert not unsaid(str(strategy_named(strategy).unsupported(subject, H100, NEW)), *words)
    assert strategy_named("model-offload").unsupported(subject, H100, NEW) is None
    into_files = strategy_named("group-offload-leaf-disk").unsupported(subject, H100, NEW)
    assert (into_files is None) is (name == "framepack")
    assert fails(strategy_named("sequential-offload"), given_a_picture(subject, tmp_path), tmp_path, kind)


def given_a_picture(subject: Subject, folder: Path) -> Subject:
    """What both follow, or go on from."""
    argument = {"ZImageControlNetPipeline": "control_image"}.get(subject.pipeline, "image")
    write_png(folder / "picture.png", np.zeros((64, 64, 3), np.uint8))
    return replace(subject, shots=(replace(SHOT, inputs=(input_picture(argument, "picture.png", folder),)),))


def test_a_prompt_on_meta_is_lost(tmp_path: Path) -> None:
    """Once it is not, sequential offload need not refuse it."""
    shot = replace(SHOT, steps=48)  # its guidance has a value for each
    subject = written("ideogram4", tmp_path, denoiser="transformer", encoders=("text_encoder",))
    assert fails(strategy_named("sequential-offload"), replace(subject, shots=(shot,)), tmp_path, NotImplementedError)


def test_a_layer_called_by_an_argument_of_its_own_cannot_be_exchanged(tmp_path: Path) -> None:
    """AnimateDiff's motion modules name torch's argument, which other layers call otherwise; casting does not mind."""
    subject = written("animatediff", tmp_path)
    for name in PACKED:
        reason = str(strategy_named(name).unsupported(subject, H100, NEW))
        assert not unsaid(reason, "AnimateDiffTransformer3D calls proj_in with input=")
    assert [strategy_named(name).unsupported(subject, H100, NEW) for name in CAST] == [None, None]
    assert fails(strategy_named("nf4-linear"), subject, tmp_path, TypeError)


def test_an_argument_that_the_layer_has_is_no_reason(tmp_path: Path) -> None:
    """quanto's takes torch's own, and of a package that is not installed nothing is said."""
    subject = written("animatediff", tmp_path)
    assert Packed("torch", "Linear")(subject, H100, NEW) is None
    assert Packed("not_installed", "Linear")(subject, H100, NEW) is None
    assert strategy_named("quanto-int8").unsupported(subject, H100, NEW) is None


@pytest.mark.parametrize(("pipeline", "reader"), [("WanPipeline", "WanTimeTextImageEmbedding"), ("FluxPipeline", None)])
def test_int8_must_be_cast_for(pipeline: str, reader: str | None) -> None:
    """Wan's time embedding stays in float32 where its layers are int8; torchao's layers cast it, quanto's do not."""
    subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline, denoiser="transformer")
    why = strategy_named("quanto-int8").unsupported(subject, H100, NEW)
    assert (why is None) is (reader is None)
    assert reader is None or not unsaid(why, reader, "int8")
    assert strategy_named("torchao-int8wo").unsupported(subject, H100, NEW) is None


def test_a_dtype_that_something_goes_by_must_stay(tmp_path: Path) -> None:
    """Kandinsky's projection casts a picture's embedding to the dtype of its weights: to bytes, or to float8."""
    subject = written("kandinsky22", tmp_path)
    for name in (*PACKED, *CAST):
        reason = str(strategy_named(name).unsupported(subject, H100, NEW))
        assert not unsaid(reason, "ImageProjection casts what comes in to the dtype of the weights of image_embeds")
    for name in ("nf4-linear", "fp8-layerwise"):
        assert fails(strategy_named(name), subject, tmp_path, RuntimeError)


def fails(strategy: Strategy, subject: Subject, scratch: Path, kind: type[Exception]) -> bool:
    """Once the libraries do not, the strategy need not refuse this."""
    with pytest.raises(kind):
        look(strategy, Path(subject.source.removeprefix("folder:")), scratch, subject=subject)
    return True


def test_a_layer_that_the_files_do_not_have_is_no_reason(tmp_path: Path) -> None:
    """Stable Diffusion's denoiser is of Kandinsky's class, without a projection; and a hub's files may not be here."""
    folder = write_pipeline("sd15", tmp_path / "sd15")
    there = Subject("s", "s", f"folder:{folder}", (), pipeline="StableDiffusionPipeline", denoiser="unet")
    for subject in (there, replace(there, source="hub:o/n")):
        assert (Packed("bitsandbytes", "Linear4bit")(subject, CPU, NEW), wide_outside(subject, CPU, NEW)) == (
            None,
            None,
        )
