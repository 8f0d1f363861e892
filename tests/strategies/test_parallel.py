"""Tests of two processes that share a pipeline, here over gloo on a CPU; diffusers itself serves GPUs alone."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from fluxgate.machine import Machine  # noqa: E402
from fluxgate.strategies import parallel  # noqa: E402
from fluxgate.strategies.parallel import SIZE, Together, context_parallel, even_heads, tensor_parallel  # noqa: E402
from fluxgate.strategies.promise import Site  # noqa: E402
from fluxgate.subjects.subject import Subject  # noqa: E402
from tests.pipelines.matrix import write  # noqa: E402
from tests.strategies.looking import SUBJECT, look, rendered  # noqa: E402
from tests.strategies.machines import CPU, H100, NEW, OLD, TWO  # noqa: E402
from tests.strategies.named import strategy_named  # noqa: E402
from tests.wording import unsaid  # noqa: E402

TWO_ACCELERATORS = "import torch; torch.accelerator.device_count = lambda: 2"
SERVE = "from fluxgate.strategies.second_rank import main; main()"
SMALL = replace(SUBJECT, shots=(replace(SUBJECT.shots[0], height=64, width=64, pictures_per_prompt=1),))

if not hasattr(diffusers, "ContextParallelConfig") or not torch.distributed.is_gloo_available():
    pytest.skip("this diffusers shares no tokens, or this torch has no gloo", allow_module_level=True)


@pytest.fixture
def two_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both processes see two accelerators, which diffusers counts; what they do is a CPU's."""
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: SIZE)
    monkeypatch.setattr(parallel, "SECOND", (sys.executable, "-P", "-c", f"{TWO_ACCELERATORS}; {SERVE}"))
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch's, for what diffusers calls
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.usefixtures("two_of_a_cpu")
def test_two_processes_render_one_picture(miniature_folder: Path, tmp_path: Path) -> None:
    """Each call gives the same, near full's, with three heads shared by two; and the group ends with the pipeline."""
    (tmp_path / "one").mkdir()
    full = look(strategy_named("full"), miniature_folder, tmp_path / "one", subject=SMALL)
    shared = look(context_parallel, miniature_folder, tmp_path, subject=SMALL)
    process = shared.pipeline.process
    assert (shared.missing, shared.again) == ((), shared.pictures)
    one, other = (np.frombuffer(each.pictures[0], np.uint8).astype(int) for each in (full, shared))
    assert np.abs(one - other).mean() < 1
    assert process.poll() is None
    shared.pipeline._end()
    assert (process.poll(), torch.distributed.is_initialized()) == (0, False)


def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a call that waits for ever."""
    monkeypatch.setattr(parallel, "SECOND", (sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)"))
    site = Site(SUBJECT, tmp_path, "cpu", tmp_path, watch=lambda _: None)
    together = Together(site, "context", process=parallel.second_process(site, "context", tmp_path / "meeting"))
    with pytest.raises(RuntimeError, match="exit code 3"):
        together._answered()
    parallel.end(together.process)


@pytest.mark.parametrize(
    ("machine", "stack", "reason"),
    [
        (CPU, NEW, "a GPU is needed: two processes share the work"),
        (H100, NEW, "2 GPUs are needed"),
        (TWO, OLD, "or newer is needed to share"),
        (TWO, NEW, None),
    ],
)
def test_what_they_need(machine: Machine, stack: dict[str, str], reason: str | None) -> None:
    """Two GPUs, and a release that shares."""
    for one in (context_parallel, tensor_parallel):
        said = one.unsupported(Subject("s", "s", "hub:o/n", ()), machine, stack)
        assert (said is None) is (reason is None)
        assert reason is None or reason in str(said)


@pytest.mark.parametrize(
    ("pipeline", "shares"),
    [("FluxPipeline", (True, True)), ("WanPipeline", (True, False)), ("SanaPipeline", (False, False))],
)
def test_a_class_says_what_it_shares(pipeline: str, shares: tuple[bool, bool]) -> None:
    """The source of the denoiser's class has a plan, or has not."""
    subject = Subject("s", "s", "hub:o/n", (), pipeline=pipeline)
    said = tuple(one.unsupported(subject, TWO, NEW) for one in (context_parallel, tensor_parallel))
    assert tuple(each is None for each in said) == shares
    assert all("does not say how its" in each for each in said if each)


def test_heads_are_dealt_out_evenly(miniature_folder: Path) -> None:
    """Three heads cannot be halved; where tokens are shared, diffusers is told that they are uneven."""
    heads = json.loads((miniature_folder / "transformer" / "config.json").read_text())["num_attention_heads"]
    said = even_heads(replace(SUBJECT, source=f"folder:{miniature_folder}"), TWO, NEW)
    assert (said is None) is (heads % SIZE == 0)
    assert said is None or not unsaid(said, f"{heads} heads of transformer")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.usefixtures("two_of_a_cpu")
def test_a_prompt_of_an_odd_number_of_tokens_is_shared(tmp_path: Path) -> None:
    """Qwen-Image pads a prompt to no fixed length: diffusers is told that what it shares may be uneven."""
    folder = write("qwen-image", tmp_path / "pipeline")
    subject = replace(SMALL, source=f"folder:{folder}", pipeline="QwenImagePipeline")
    assert rendered("context-parallel", subject, tmp_path)


@pytest.mark.parametrize(
    ("pipeline", "stack", "facts"),
    [
        ("LTXPipeline", NEW, ("LTXVideoAttnProcessor", "mask")),
        ("QwenImagePipeline", {**NEW, "diffusers": "0.36.0"}, ("diffusers 0.37.0", "0.36.0 is installed")),
        ("QwenImagePipeline", NEW, ()),
    ],
)
def test_texts_that_cannot_be_shared(pipeline: str, stack: dict[str, str], facts: tuple[str, ...]) -> None:
    """A mask for all heads, or a number of tokens that an older release cannot halve."""
    said = context_parallel.unsupported(Subject("s", "s", "hub:o/n", (), pipeline=pipeline), TWO, stack)
    assert (said is None) is (not facts)
    assert said is None or not unsaid(said, *facts)
