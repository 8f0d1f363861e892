"""Tests of the meters and the worker on a real GPU."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxgate.render.pool.workers import Workers
from fluxgate.rendering import BEFORE, DECODE, DENOISE, DURING, ENCODE, LOAD
from tests.devices import NEEDS_GPU
from tests.render import making

SIZE = 256 << 20
SLACK = {"allocated": 0, "reserved": 2 << 20, "driver": 64 << 20}  # blocks of the allocator; code of kernels


pytestmark = NEEDS_GPU


def allocate(load: Any) -> Any:
    import torch

    return torch.empty(SIZE, dtype=torch.uint8, device="cuda").fill_(1)


def test_the_meter_sees_an_allocation_of_known_size() -> None:
    """Allocated, reserved and the driver's figure rise by it in its phase; it is held until it is freed."""
    import torch

    from fluxgate.render.measure.meter import Meter, allocated_on_gpu

    torch.zeros(1, device="cuda").fill_(1)  # now, so that the kernel's code is no part of what is measured
    meter = Meter("cuda")
    meter.switch(LOAD)
    meter.switch(ENCODE)
    block = allocate(None)
    meter.switch(None)
    phases = {entry.phase: entry for entry in meter.memory().phases}
    for figure in ("allocated", "reserved", "driver"):
        grown = getattr(phases[ENCODE], figure) - getattr(phases[LOAD], figure)
        assert SIZE <= grown <= SIZE + SLACK[figure], figure
    assert meter.driver_scope in ("process", "device")
    assert allocated_on_gpu() == SIZE
    del block
    assert allocated_on_gpu() == 0
    meter.close()


def test_a_pause_hides_an_allocation() -> None:
    """What is allocated and freed in a pause raises no peak."""
    import torch

    from fluxgate.render.measure.meter import Meter

    before = torch.cuda.memory_allocated()
    meter = Meter("cuda")
    meter.switch(DENOISE)
    with meter.paused():
        allocate(None)
    meter.switch(None)
    assert (meter.memory().peak("allocated") or 0) < before + SIZE
    meter.close()
    gc.collect()


def test_a_gpu_is_timed_by_its_own_marks() -> None:
    """Its seconds are within the clock's, those of the steps within its phase's, and no step waits for them."""
    import torch

    from fluxgate.render.measure.meter import Meter
    from fluxgate.render.watch.take import TakeRecorder

    wide = torch.rand(8192, 8192, device="cuda")
    meter = Meter("cuda")
    take = TakeRecorder("one", 0, meter=meter, announce=lambda phase: None)
    take.enter(DENOISE)
    for _ in range(3):
        for _ in range(8):
            wide = wide @ wide
        take.end_step()
        take.begin_step()
    (duration,) = take.end()[1]
    meter.close()
    assert duration.gpu is not None
    assert duration.waited is not None
    assert 0 < sum(duration.steps) <= duration.gpu <= duration.seconds
    assert sum(duration.steps_clock) < duration.waited < duration.seconds


def takes_all_gpu_memory(site: Any) -> Any:
    import torch

    return [torch.empty(8 << 30, dtype=torch.uint8, device="cuda") for _ in range(1000)]


def reads_where_it_must_not(site: Any) -> Any:
    """An index out of range: a device-side assertion, which no process survives."""
    import torch

    table = torch.zeros(4, device="cuda")
    table[torch.tensor([1 << 20], device="cuda")]
    torch.cuda.synchronize()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as workers:
        yield workers


def test_the_gpus_own_crashes_have_their_kinds(workers: Workers, tmp_path: Path) -> None:
    """Out of memory and a CUDA error, each in a process of its own."""
    for load, kind in ((takes_all_gpu_memory, "out of memory"), (reads_where_it_must_not, "CUDA error")):
        case = making.case(load, device="cuda")
        rendering = workers.render(case, tmp_path / kind, source=tmp_path, timeout=300)
        assert rendering.crash is not None
        assert rendering.crash.kind == kind, rendering.crash


LIMIT = 2 * 10**9
MORE, LESS = LIMIT + (64 << 20), LIMIT - (64 << 20)


def takes(site: Any, *, size: int) -> Any:
    """Takes so many bytes at once, and gives up when it has them."""
    import torch

    torch.empty(size, dtype=torch.uint8, device="cuda")
    raise ValueError("it had them")


def takes_more(site: Any) -> Any:
    takes(site, size=MORE)


def takes_less(site: Any) -> Any:
    takes(site, size=LESS)


def takes_more_apart(site: Any) -> Any:
    site.part_runner.run(DENOISE, takes, size=MORE)


def takes_less_apart(site: Any) -> Any:
    site.part_runner.run(DENOISE, takes, size=LESS)


@pytest.mark.parametrize("more, less", [(takes_more, takes_less), (takes_more_apart, takes_less_apart)])
def test_more_than_the_limit_is_out_of_memory_that_names_it(more: Any, less: Any, tmp_path: Path) -> None:
    """In the worker and in the process of a stage; what is less than the limit can be had in both."""
    for load, kind, sentence in (
        (more, "out of memory", "out of memory under the limit of 2.00 GB: OutOfMemoryError: "),
        (less, "exception", "ValueError: it had them"),
    ):
        with Workers(vram_limit=LIMIT) as limited:
            case = making.case(load, device="cuda")
            rendering = limited.render(case, tmp_path / kind, source=tmp_path, timeout=300)
        assert rendering.crash is not None
        stage = "PartDied: the process for the stage 'denoise' died: " if more is takes_more_apart else ""
        assert rendering.crash.kind == kind, rendering.crash
        assert rendering.crash.sentence.startswith(stage + sentence)
        assert rendering.crash.limit == (LIMIT if kind == "out of memory" else None)


def raises_nothing_to_render(site: Any) -> Any:
    allocate(None)
    raise ValueError("that was all")


def test_what_another_program_holds_of_the_gpu_is_told(workers: Workers, tmp_path: Path) -> None:
    """At least as much as it has allocated; the worker's own memory is not among it."""
    case = making.case(raises_nothing_to_render, device="cuda")
    alone = workers.render(case, tmp_path / "alone", source=tmp_path, timeout=300).held_by_others
    holder = f"import torch; held = torch.ones({4 * SIZE}, dtype=torch.uint8, device='cuda'); print('holds'); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holds\n"
        beside = workers.render(case, tmp_path / "beside", source=tmp_path, timeout=300).held_by_others
        other.communicate("\n")
    assert alone is not None
    assert beside is not None
    assert 4 * SIZE <= beside - alone < 8 * SIZE


@pytest.fixture(scope="module")
def rendered(workers: Workers, tmp_path_factory: pytest.TempPathFactory, miniature_folder: Path) -> Any:
    """Full and model-offload, both shots."""
    renderings = {}
    for load in (making.full, making.model_offload):
        case = making.case(load, making.ONE, making.FOUR, device="cuda")
        folder = tmp_path_factory.mktemp(load.__name__)
        renderings[load.__name__] = workers.render(case, folder, source=miniature_folder, timeout=300)
    return renderings


def test_workers_are_forked_although_bitsandbytes_asks_for_the_gpu(workers: Workers, rendered: Any) -> None:
    """The fork server has imported everything and not touched the GPU."""
    assert workers.fallback is None
    assert rendered["full"].crash is None


def test_every_shot_is_rendered_twice_and_the_same(rendered: Any) -> None:
    """On a GPU the second take tells determinism and the warm seconds."""
    for rendering in rendered.values():
        first, second = rendering.pictures_of(0), rendering.pictures_of(1)
        assert first.keys() == second.keys()
        assert all(second[key].sha256 == picture.sha256 for key, picture in first.items())


def test_offloading_moves_no_pixel_and_takes_less_memory(rendered: Any) -> None:
    """The pictures of the two are equal; the placement and the peaks are not."""
    full, offload = rendered["full"], rendered["model_offload"]
    assert {k: p.sha256 for k, p in full.pictures_of().items()} == {
        k: p.sha256 for k, p in offload.pictures_of().items()
    }
    assert offload.memory.peak("allocated") < full.memory.peak("allocated")
    transformer = offload.inventory.components["transformer"]
    assert list(transformer.placement[BEFORE]) == ["cpu"]
    assert list(transformer.placement[DURING]) == ["cuda:0"]
    assert transformer.state_sha256 == full.inventory.components["transformer"].state_sha256


def test_every_figure_of_the_gpu_is_there(rendered: Any) -> None:
    """All phases have all four peaks, and everything is given back."""
    for rendering in rendered.values():
        assert [entry.phase for entry in rendering.memory.phases] == [LOAD, ENCODE, DENOISE, DECODE]
        for entry in rendering.memory.phases:
            assert None not in (entry.allocated, entry.reserved, entry.driver, entry.host)
        assert rendering.memory.held_after == 0
        assert rendering.memory.unavailable == {}


def test_the_seconds_of_steps_fit_into_denoising(rendered: Any) -> None:
    """Measured by the GPU's own events."""
    for duration in rendered["full"].durations:
        if duration.phase == DENOISE:
            assert 0 < sum(duration.steps) <= duration.seconds * 1.05


def test_all_blocks_of_a_whole_pipeline_are_on_the_gpu_at_once(rendered: Any) -> None:
    """The count that group offloading lowers."""
    counts = rendered["full"].inventory.counts
    assert counts["blocks on GPU at once"] == counts["blocks"] > 1
