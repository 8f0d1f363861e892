"""Tests of the lines for one's own script: they load what the strategy of that name loads."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.machine import detect
from fluxgate.report.own_script import LINES, script
from fluxgate.report.shipped import shipped
from fluxgate.strategies import STRATEGIES
from fluxgate.strategies.promise import Site
from fluxgate.subjects.catalogue import subjects

ON_A_CPU = (
    "full",
    "model-offload",
    "group-offload-block",
    "group-offload-leaf",
    "vae-slicing",
    "fp8-layerwise",
    "fp8-layerwise-model-offload",
    "staged",
)
ASKED: dict[str, Any] = {"height": 64, "width": 64}


def by_script(name: str, folder: Path, device: str) -> np.ndarray:
    """The picture that a user of the lines gets."""
    import torch

    given: dict[str, Any] = {}
    lines = script(name, source=str(folder))
    assert lines is not None
    exec(lines if device == "cuda" else lines.replace('"cuda"', '"cpu"'), given)
    if "picture" in given:
        return np.asarray(given["picture"]("a red fox", **ASKED, steps=2, guidance=3.5, seed=1))
    return called(given["pipe"], torch)


def called(pipe: Any, torch: Any) -> np.ndarray:
    generator = torch.Generator("cpu").manual_seed(1)
    asked = {**ASKED, "num_inference_steps": 2, "guidance_scale": 3.5, "max_sequence_length": 512}
    return np.asarray(pipe(prompt="a red fox", generator=generator, **asked).images[0])


def by_strategy(name: str, folder: Path, scratch: Path, device: str) -> np.ndarray:
    import torch

    site = Site(subjects()["miniature"], folder, device, scratch, watch=lambda pipe: None)
    (strategy,) = (one for one in STRATEGIES if one.name == name)
    return called(strategy.load(site), torch)


@pytest.mark.parametrize("name", ON_A_CPU)
@pytest.mark.filterwarnings("ignore")  # of the libraries, whose users see them too
def test_the_lines_render_what_the_strategy_renders(name: str, miniature_folder: Path, tmp_path: Path) -> None:
    """To the pixel, wherever a CPU can run them."""
    scripted = by_script(name, miniature_folder, "cpu")
    assert np.array_equal(scripted, by_strategy(name, miniature_folder, tmp_path, "cpu"))


@pytest.mark.parametrize("name", [name for name in [*LINES, "staged"] if name != "vae-tiling"])
@pytest.mark.filterwarnings("ignore")
def test_the_lines_render_what_the_strategy_renders_on_a_gpu(
    name: str, miniature_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quantization, streams and all; what offloads to a folder does it in the working one."""
    if detect().device != "cuda":
        pytest.skip("it needs a GPU")
    monkeypatch.chdir(tmp_path)
    scripted = by_script(name, miniature_folder, "cuda")
    assert np.array_equal(scripted, by_strategy(name, miniature_folder, tmp_path / "scratch", "cuda"))


@pytest.mark.parametrize("name", [*LINES, "staged"])
def test_the_lines_are_python(name: str) -> None:
    """And load the pipeline that was named, whatever stands in its name."""
    lines = script(name, source='a "quoted" name')
    assert lines is not None
    values = {node.value for node in ast.walk(ast.parse(lines)) if isinstance(node, ast.Constant)}
    assert 'a "quoted" name' in values


@pytest.mark.parametrize("name", [name for name, lines in LINES.items() if lines.quantization is not None])
def test_the_quantization_is_one_that_diffusers_takes(name: str) -> None:
    """The installed release checks every setting, and they are those of the strategy."""
    import torch
    from diffusers.quantizers import PipelineQuantizationConfig

    lines = script(name, source="x")
    assert lines is not None
    head = lines[lines.index("quantization = ") : lines.index("pipe = ")]
    given: dict[str, Any] = {"torch": torch, "PipelineQuantizationConfig": PipelineQuantizationConfig}
    exec(head, given)
    assert given["quantization"].quant_kwargs.get("bnb_4bit_quant_type", "int8") == name.partition("-")[0]


@pytest.mark.parametrize("release, keyword", [("0.39.0", "torch_dtype"), ("0.40.0", "dtype"), ("?", "dtype")])
def test_the_dtype_has_the_name_that_the_release_knows(release: str, keyword: str) -> None:
    """Older ones ignore the new name and load in float32."""
    assert f" {keyword}=torch.bfloat16" in (script("full", source="x", diffusers=release) or "")


def test_what_takes_more_than_a_few_lines_has_none() -> None:
    """And every strategy that has lines exists and was measured, if only a run with several pictures shows it."""
    assert script("gguf-q8", source="x") is None
    assert set(LINES) <= {strategy.name for strategy in STRATEGIES}
    assert set(LINES) - {one.strategy for one in shipped().strategies} == {"vae-slicing"}
