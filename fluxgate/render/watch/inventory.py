"""The record of the inventory: what pipelines are made of, and counts taken while they run."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxgate.render.measure.compiled import compiled_graphs
from fluxgate.render.measure.live_tensors import live_tensor_bytes
from fluxgate.render.measure.meter import Meter
from fluxgate.render.measure.written_twice import hundredths_twice
from fluxgate.render.watch.component import lacks_scales, modules_of, plain_tensors
from fluxgate.render.watch.description import describe, hooks_of, placement_of, torch_hooks_of
from fluxgate.render.watch.process_settings import ProcessSettings, process_settings
from fluxgate.render.watch.state_hash import state_sha256, tensor_states
from fluxgate.render.watch.stored import stored_weights
from fluxgate.render.watch.weights_in_use import Placements, WeightsInUse
from fluxgate.rendering import (
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
    SETTING_CHANGED,
    THREADS_AT_END,
    TORCH_HOOKS_GROWN,
    WEIGHTS_AT_END,
    Component,
    Inventory,
    StoredWeights,
)

SMALL = 1 << 30  # bytes of a component: to hash them takes a second


class InventoryRecorder:
    """Describes components as they are met, and holds none of them."""

    def __init__(self, meter: Meter) -> None:
        self.counts: dict[str, int] = {}
        self._meter = meter
        self._components: dict[str, Component] = {}
        self._modules: dict[str, weakref.ref[Any]] = {}  # by name, the one that was met last
        self._met: weakref.WeakSet[Any] = weakref.WeakSet()
        self.source: Path | None = None  # the pipeline on disk, where weights are to be compared with it
        self.variant: str | None = None  # of its files
        self.dtype_of: Callable[[str], str | None] = lambda _: None  # that a component is loaded in
        self.files: Mapping[str, str] = {}  # component -> its weights, where they do not lie in the pipeline's folder
        self.weights: dict[str, StoredWeights] = {}  # by component
        self._hooks: dict[str, dict[str, int]] = {}  # by component, after the first call
        self._at_first: dict[str, int] = {}  # by what must not grow, after the first call
        self._settings: ProcessSettings | None = None  # as they were remembered

    def recorded(self) -> Inventory:
        """The inventory so far."""
        return Inventory(components=dict(self._components), counts=dict(self.counts))

    # Counts

    def count(self, name: str, number: int) -> None:
        """Keep the largest number that was counted."""
        self.counts[name] = max(self.counts.get(name, 0), number)

    def add(self, name: str) -> None:
        """Count one more."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def count_copies(self) -> None:
        """Count the bytes of tensors in host memory, and on a GPU, that belong to no component."""
        own = [tensor for module in self._met for tensor in plain_tensors(module)]
        self.count(BESIDE, live_tensor_bytes(except_for=own))
        if self._meter.device == "cuda":
            self.count(BESIDE_ON_GPU, live_tensor_bytes("cuda", except_for=own))

    def count_files(self, scratch: Path) -> None:
        """Count the files that the strategy has left in its scratch folder, and how much of them is there twice."""
        files = [path for path in scratch.rglob("*") if path.is_file()]
        self.count("files offloaded", len(files))
        self.count("hundredths of what was offloaded to files that are there twice", hundredths_twice(files))

    def count_leftover_files(self, number: int | None) -> None:
        """Count the files that second takes have left, wherever they lie; None if there was no second take."""
        if number is not None:
            self.count(LEFTOVER_FILES, number)

    def count_at_end(
        self, *, files: int, processes: int | None = None, threads: int | None = None, mapped: int | None = None
    ) -> None:
        """Count what is left of loading and all calls; None for what this system does not tell."""
        self.count(FILES_AT_END, files)
        for name, number in ((PROCESSES_AT_END, processes), (THREADS_AT_END, threads), (WEIGHTS_AT_END, mapped)):
            if number is not None:
                self.count(name, number)

    def compare_hooks(self) -> None:
        """Count components whose hooks are others than after the first call; the first may exchange some for good."""
        for name, ref in self._modules.items():
            module = ref()
            if module is not None:
                hooks = hooks_of(module)
                if self._hooks.setdefault(name, hooks) != hooks:
                    self.count(HOOKS_CHANGED, 1)
                self._must_not_grow(f"{TORCH_HOOKS_GROWN}{name}", torch_hooks_of(module))

    def compare_handlers(self) -> None:
        """Count logs that have more handlers than after the first call. One that had none may be set up later."""
        for name, log in {"root": logging.root, **logging.root.manager.loggerDict}.items():
            if isinstance(log, logging.Logger) and log.handlers:
                self._must_not_grow(f"{HANDLERS_GROWN}{name}", len(log.handlers))

    def _must_not_grow(self, name: str, number: int) -> None:
        if number > self._at_first.setdefault(name, number):
            self.count(name, 1)

    def remember_settings(self) -> None:
        """Keep the settings of the process as they are now, to hold later ones to them."""
        self._settings = process_settings()

    def compare_settings(self) -> None:
        """Count each setting that is another one than was remembered."""
        for name in self._settings.changed(process_settings()) if self._settings else ():
            self.count(f"{SETTING_CHANGED}{name}", 1)

    def count_left_hooks(self, pipeline: Any) -> None:
        """Have the pipeline remove its hooks, and count those of accelerate's that stay; it is not called again."""
        remove = getattr(pipeline, "remove_all_hooks", None)
        if remove is None or not _accelerates(pipeline):
            return
        modules = {name: module for name, ref in self._modules.items() if (module := ref()) is not None}
        small = {name: one for name, one in modules.items() if self._components[name].total_bytes <= SMALL}
        before = {name: dict(tensor_states(module)) for name, module in small.items()}
        remove()
        self.count(HOOKS_LEFT, _accelerates(pipeline))
        for name, module in small.items():
            if _is_altered(before[name], dict(tensor_states(module))) or lacks_scales(module):
                self.count(f"{ALTERED_BY_REMOVAL}{name}", 1)

    # Components

    def describe(self, pipeline: Any) -> None:
        """Describe the components of a pipeline as they are before its first call.

        On a GPU the hashes wait for the end: they use memory there. On a CPU they do not: the first use of a 4-bit
        layer may pack its weights anew."""
        self._describe(pipeline, hashed=self._meter.device != "cuda")

    def describe_if_new(self, pipeline: Any) -> None:
        """Describe the components of a pipeline that was built within a call, before their first use."""
        modules = modules_of(pipeline)
        if any(self._modules.get(name, _freed)() is not module for name, module in modules.items()):
            with self._meter.paused():
                self._describe(pipeline, hashed=True)

    def _describe(self, pipeline: Any, *, hashed: bool) -> None:
        for name, module in modules_of(pipeline).items():
            self._modules[name] = weakref.ref(module)
            self._met.add(module)
            if module.training:
                self.count(f"{IN_TRAINING}{name}", 1)
            if name not in self._components:
                placement = {BEFORE: placement_of(module)}
                state = self._hashed(name, module) if hashed else None
                self._components[name] = describe(name, module, placement=placement, state=state)
        self.count("components alive at once", len(self._met))

    def placements(self) -> Placements:
        """Bytes by device of every component that is not freed."""
        return {name: placement_of(module) for name, ref in self._modules.items() if (module := ref()) is not None}

    def place_during(self, weights: WeightsInUse) -> None:
        """Note where everything was while the denoiser ran."""
        if self._meter.device == "cuda" and weights.blocks:
            self.count("blocks", weights.blocks)
            self.count("blocks on GPU at once", weights.most_blocks_on_device)
        self._place(DURING, weights.placements)

    def describe_after(self) -> None:
        """Note where everything is after the calls, and what was compiled; what is freed is nowhere."""
        self.count("graphs compiled", compiled_graphs())
        self._place(AFTER, self.placements())

    def _place(self, moment: str, placements: Placements) -> None:
        for name, component in self._components.items():
            placement = {**component.placement, moment: placements.get(name, {})}
            self._components[name] = replace(component, placement=placement)

    def hash_states(self) -> None:
        """Hash the components that are not freed; done last, because it uses memory of its own."""
        for name, ref in self._modules.items():
            module = ref()
            if module is not None and self._components[name].state_sha256 is None:
                self._components[name] = replace(self._components[name], state_sha256=self._hashed(name, module))

    def _hashed(self, name: str, module: Any) -> str | None:
        """The hash of all weights, and beside it how they compare with the files."""
        weights = None
        if self.source is not None:
            own, dtype = self.files.get(name), self.dtype_of(name)
            weights = stored_weights(module, self.source / name, self.variant, file=own, dtype=dtype)
        if weights is not None:
            self.weights[name] = weights
        return state_sha256(module)

    # Other processes

    def continue_from(self, inventory: Inventory) -> None:
        """Start with the components that earlier processes have described."""
        self._components = dict(inventory.components)

    def add_from_process(self, inventory: Inventory) -> None:
        """Add what another process has described and counted."""
        self._components |= inventory.components
        for name, number in inventory.counts.items():
            self.count(name, number)


def _is_altered(before: dict[str, str | None], after: dict[str, str | None]) -> bool:
    """Whether a tensor that could be read is gone or another one; what could not be may be there now."""
    return any(state is not None and after.get(name) != state for name, state in before.items())


def _accelerates(pipeline: Any) -> int:
    """How many modules of the pipeline have a hook of accelerate's."""
    parts = (part for module in modules_of(pipeline).values() for part in module.modules())
    return sum(hasattr(part, "_hf_hook") for part in parts)


def _freed() -> None:
    """What a weak reference gives once its object is freed."""
