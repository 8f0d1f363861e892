"""Tests of the record of the inventory: counts, and components as they come and go."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.measure.meter import Meter  # noqa: E402
from fluxgate.render.watch.inventory import InventoryRecorder, _is_altered  # noqa: E402
from fluxgate.render.watch.weights_in_use import WeightsInUse  # noqa: E402
from fluxgate.rendering import (  # noqa: E402
    AFTER,
    ALTERED_BY_REMOVAL,
    BEFORE,
    BESIDE,
    BESIDE_ON_GPU,
    DURING,
    FILES_AT_END,
    HANDLERS_GROWN,
    HOOKS_CHANGED,
    HOOKS_LEFT,
    IN_TRAINING,
    LEFTOVER_FILES,
    PROCESSES_AT_END,
    THREADS_AT_END,
    TORCH_HOOKS_GROWN,
    WEIGHTS_AT_END,
    Inventory,
)

SIZE = 8 * 8 * 4


@pytest.fixture
def recorder() -> InventoryRecorder:
    return InventoryRecorder(Meter("cpu"))


def pipeline(**components: Any) -> Any:
    return SimpleNamespace(components=components or {"vae": torch.nn.Linear(8, 8, bias=False)})


def test_the_largest_number_that_was_counted_stays(recorder: InventoryRecorder) -> None:
    """Other counts add up."""
    for number in (2, 5, 3):
        recorder.count("tiles decoded", number)
        recorder.add("processes")
    assert recorder.recorded().counts == {"tiles decoded": 5, "processes": 3}


def test_files_in_the_scratch_folder_are_counted(recorder: InventoryRecorder, tmp_path: Path) -> None:
    """In folders of it, too."""
    (tmp_path / "deep").mkdir()
    for name in ("a", "deep/b"):
        (tmp_path / name).touch()
    recorder.count_files(tmp_path)
    assert recorder.counts["files offloaded"] == 2


@pytest.mark.parametrize("number", [None, 0, 3])
def test_leftover_files_that_were_not_counted_are_no_count(recorder: InventoryRecorder, number: int | None) -> None:
    """Without a second take nobody knows whether files are left, and 0 would say that none are."""
    recorder.count_leftover_files(number)
    assert recorder.counts.get(LEFTOVER_FILES) == number


def test_blocks_on_the_gpu_are_counted_there_only(recorder: InventoryRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU all blocks are always there, and the count would say nothing."""
    weights = WeightsInUse(blocks=6, most_blocks_on_device=2)
    recorder.place_during(weights)
    assert "blocks" not in recorder.counts
    monkeypatch.setattr(recorder._meter, "device", "cuda")
    recorder.place_during(weights)
    assert (recorder.counts["blocks on GPU at once"], recorder.counts["blocks"]) == (2, 6)


def test_copies_are_what_belongs_to_no_component(recorder: InventoryRecorder) -> None:
    """To the byte."""
    kept = pipeline()
    recorder.describe(kept)
    recorder.count_copies()
    before = recorder.counts[BESIDE]
    copy = kept.components["vae"].weight.detach().clone()
    recorder.count_copies()
    assert recorder.counts[BESIDE] == before + copy.nbytes
    assert BESIDE_ON_GPU not in recorder.counts


def test_where_there_is_a_gpu_what_lies_there_is_counted_too(
    recorder: InventoryRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself: a copy in host memory is none on the GPU, and that there is none is a count as well."""
    kept = pipeline()
    recorder.describe(kept)
    copy = kept.components["vae"].weight.detach().clone()
    monkeypatch.setattr(recorder._meter, "device", "cuda")
    recorder.count_copies()
    assert recorder.counts[BESIDE] >= copy.nbytes > recorder.counts[BESIDE_ON_GPU] == 0


def hooked(**components: Any) -> Any:
    """A pipeline whose one component has a hook of accelerate's, as offloading adds it."""
    from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module

    kept = pipeline(**components)
    module = kept.components["vae"]
    add_hook_to_module(module, ModelHook())
    kept.remove_all_hooks = lambda: remove_hook_from_module(module)
    return kept


def test_hooks_that_a_later_call_changes_are_noticed(recorder: InventoryRecorder) -> None:
    """What the first call exchanges for good is not: prefetching learns the order of layers there."""
    from accelerate.hooks import ModelHook, add_hook_to_module

    kept = hooked()
    recorder.describe(kept)
    for hooks, changed in ((1, None), (1, None), (2, 1)):
        if hooks == 2:
            add_hook_to_module(kept.components["vae"], ModelHook(), append=True)
        recorder.compare_hooks()
        assert recorder.counts.get(HOOKS_CHANGED) == changed


def test_hooks_of_torchs_that_pile_up_are_noticed(recorder: InventoryRecorder) -> None:
    """By component; those that the first call leaves may stay."""
    kept = pipeline()
    recorder.describe(kept)
    for more in (None, 1):
        kept.components["vae"].register_forward_pre_hook(lambda *_: None)
        recorder.compare_hooks()
        assert recorder.counts.get(f"{TORCH_HOOKS_GROWN}vae") == more


def test_handlers_that_pile_up_are_noticed(recorder: InventoryRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """By log; the first may come with any call, as where a library is imported late."""
    log = logging.getLogger("some.library")
    monkeypatch.setattr(log, "handlers", [])
    for more in (None, None, 1):
        recorder.compare_handlers()
        assert recorder.counts.get(f"{HANDLERS_GROWN}some.library") == more
        log.handlers.append(logging.NullHandler())
    recorder.compare_handlers()


@pytest.mark.parametrize("processes", [None, 0, 2])
def test_what_is_left_at_the_end_is_counted(recorder: InventoryRecorder, processes: int | None) -> None:
    """Where the system does not tell of processes, there is no count of them."""
    recorder.count_at_end(files=3, processes=processes, threads=processes, mapped=processes)
    assert (recorder.counts[FILES_AT_END], recorder.counts.get(PROCESSES_AT_END)) == (3, processes)
    assert (recorder.counts.get(THREADS_AT_END), recorder.counts.get(WEIGHTS_AT_END)) == (processes, processes)


def test_a_component_in_training_mode_is_counted(recorder: InventoryRecorder) -> None:
    """A layer alone may be, as one that a quantizer has put there."""
    encoder = torch.nn.Sequential(torch.nn.Linear(2, 2)).eval()
    encoder[0].train()
    recorder.describe(SimpleNamespace(components={"encoder": encoder}))
    assert f"{IN_TRAINING}encoder" not in recorder.counts
    encoder.train()
    recorder.describe(SimpleNamespace(components={"encoder": encoder}))
    assert recorder.counts[f"{IN_TRAINING}encoder"] == 1


def test_hooks_that_cannot_be_removed_are_counted(recorder: InventoryRecorder) -> None:
    """And none are left by a call that works."""
    recorder.count_left_hooks(hooked())
    assert recorder.counts[HOOKS_LEFT] == 0
    kept = hooked()
    kept.remove_all_hooks = lambda: None
    recorder.count_left_hooks(kept)
    assert recorder.counts[HOOKS_LEFT] == 1


@pytest.mark.parametrize("alters", [False, True])
def test_weights_that_the_removal_of_hooks_alters_are_counted(recorder: InventoryRecorder, alters: bool) -> None:
    """By component."""
    kept = hooked()
    recorder.describe(kept)
    remove = kept.remove_all_hooks

    def removing() -> None:
        remove()
        if alters:
            next(kept.components["vae"].parameters()).data.zero_()

    kept.remove_all_hooks = removing
    recorder.count_left_hooks(kept)
    assert recorder.counts.get(f"{ALTERED_BY_REMOVAL}vae") == (1 if alters else None)


def test_weights_that_could_not_be_read_before_are_not_altered() -> None:
    """As scales that accelerate keeps elsewhere; what could be read must be there, and the same."""
    assert not _is_altered({"a": "1", "b": None}, {"a": "1", "b": "2", "c": "3"})
    assert _is_altered({"a": "1"}, {"a": "2"})
    assert _is_altered({"a": "1"}, {})


def test_a_pipeline_without_hooks_has_none_to_be_left(recorder: InventoryRecorder) -> None:
    """Nothing is counted there, and nothing is called."""
    recorder.count_left_hooks(pipeline())
    assert HOOKS_LEFT not in recorder.counts


def test_a_component_is_described_where_it_lies(recorder: InventoryRecorder) -> None:
    """Before, during and after; and its weights are hashed at once, where that uses no memory of a GPU."""
    kept = pipeline()
    recorder.describe(kept)
    recorder.place_during(WeightsInUse(placements={"vae": {"cpu": SIZE}}))
    recorder.describe_after()
    component = recorder.recorded().components["vae"]
    assert component.placement == {when: {"cpu": SIZE} for when in (BEFORE, DURING, AFTER)}
    assert component.state_sha256 is not None


def test_a_component_that_is_freed_is_nowhere_afterwards(recorder: InventoryRecorder) -> None:
    """What it was made of stays recorded."""
    kept = pipeline()
    recorder.describe(kept)
    del kept
    gc.collect()
    recorder.describe_after()
    recorder.hash_states()
    component = recorder.recorded().components["vae"]
    assert (component.placement[AFTER], component.total_bytes) == ({}, SIZE)


def test_on_a_gpu_the_weights_are_hashed_last(recorder: InventoryRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing uses memory there, which must not be taken for the pipeline's."""
    monkeypatch.setattr(recorder._meter, "device", "cuda")
    kept = pipeline()
    recorder.describe(kept)
    assert recorder.recorded().components["vae"].state_sha256 is None
    recorder.hash_states()
    assert recorder.recorded().components["vae"].state_sha256 is not None


def test_a_pipeline_of_known_components_is_not_described_again(recorder: InventoryRecorder) -> None:
    """One with a new component of the same name is, and counts as alive beside the first."""
    first, second = pipeline(), pipeline()
    recorder.describe(first)
    recorder.describe_if_new(first)
    assert recorder.counts["components alive at once"] == 1
    recorder.describe_if_new(second)
    assert recorder.counts["components alive at once"] == 2


def test_what_another_process_has_recorded_is_added(recorder: InventoryRecorder) -> None:
    """A process that goes on starts with the components, and counts for itself."""
    kept = pipeline()
    recorder.describe(kept)
    recorder.count("prompt tokens", 64)
    later = InventoryRecorder(Meter("cpu"))
    later.continue_from(recorder.recorded())
    assert later.recorded() == Inventory(recorder.recorded().components, {})
    later.add_from_process(Inventory({}, {"prompt tokens": 128}))
    assert later.counts == {"prompt tokens": 128}
