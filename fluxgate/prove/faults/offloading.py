"""Faults in what moves weights: hooks that are missing, keep, lose or mix up what they move."""

from __future__ import annotations

from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, not_called
from fluxgate.prove.targets import ACCELERATE, ALIGN, DIFFUSERS, GROUPS
from fluxgate.rendering import T5

ANY_PIPELINE = "diffusers.pipelines.pipeline_utils:DiffusionPipeline"
MODEL, SEQUENTIAL = ("model-offload",), ("sequential-offload",)
BLOCKS, LEAVES, DISK = ("group-offload-block",), ("group-offload-leaf",), ("group-offload-disk",)
STREAMS = ("group-offload-leaf-stream",)


def _nothing(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(args[0])


def _config(**changes: Any) -> Around:
    """Group offloading set up otherwise than it was asked for."""

    def change(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module, config = args
        for name, value in fired(changes).items():
            setattr(config, name, value)
        return original(module, config)

    return Around(f"{GROUPS}:_apply_group_offloading", change)


def _by_blocks(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from diffusers.hooks.group_offloading import GroupOffloadingType

    module, config = args
    config.offload_type, config.num_blocks_per_group = fired(GroupOffloadingType.BLOCK_LEVEL), 1
    return original(module, config)


def _of_the_neighbour(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Weights of the first query layer, wherever they go, are those of the key layer."""
    weights, key = args
    name = f"{weights.prefix}{key}"
    if name.endswith("SelfAttention.q.weight"):
        return fired(weights.dataset[name.replace("SelfAttention.q", "SelfAttention.k")])
    return original(weights, key)


def _doubled(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    tensors = original(*args, **kwargs)
    return {name: fired(tensor) * 1.01 if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _without_encoder(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    others = kwargs.get("exclude_modules") or []
    return original(*args, **{**kwargs, "exclude_modules": [*others, fired("text_encoder_2")]})


def _copying(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Whatever is sent to a device comes as a copy, wherever it lies."""
    moved = original(*args, **kwargs)
    for name, value in moved.items() if isinstance(moved, dict) else ():
        if hasattr(value, "clone"):
            moved[name] = fired(value).clone()
    return tuple(fired(each).clone() for each in moved) if type(moved) is tuple else moved


def _forwards_stay(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A module without its hook whose forward is still the hook's."""
    module, wrapped = args[0], args[0].__dict__.get("forward")
    returned = original(*args, **kwargs)
    if wrapped is not None:
        module.forward = fired(wrapped)
    return returned


FAULTS = (
    Fault(
        "model-hooks-missing",
        "model offloading adds no hooks",
        Around(f"{ANY_PIPELINE}.enable_model_cpu_offload", _nothing),
        "a sequence of components that is empty",
        packages=("diffusers", "accelerate"),
        strategies=MODEL,
    ),
    Fault(
        "model-encoder-left-out",
        "model offloading leaves T5 where it is",
        Edit(
            f"{ANY_PIPELINE}.enable_model_cpu_offload",
            'for model_str in self.model_cpu_offload_seq.split("->"):',
            'for model_str in FIRED(self.model_cpu_offload_seq).replace("text_encoder_2->", "").split("->"):',
        ),
        "model_cpu_offload_seq of a pipeline",
        packages=("diffusers", "accelerate"),
        strategies=MODEL,
        only_on="cuda",
    ),
    Fault(
        "hooks-stay",
        "hooks are not removed when they are to be",
        not_called(f"{ANY_PIPELINE}.remove_all_hooks"),
        "accelerate: hooks that wrap a forward which is wrapped again",
        packages=("diffusers", "accelerate"),
        strategies=MODEL,
    ),
    Fault(
        "models-not-freed",
        "the last component stays on the GPU when the call is over",
        not_called(f"{ANY_PIPELINE}.maybe_free_model_hooks"),
        "maybe_free_model_hooks left out of a call",
        packages=("diffusers", "accelerate"),
        strategies=MODEL,
        only_on="cuda",
    ),
    Fault(
        "layer-hooks-missing",
        "sequential offloading adds no hooks to layers",
        not_called("accelerate.big_modeling:attach_align_device_hook"),
        "hooks attached to named modules",
        packages=ACCELERATE,
        strategies=SEQUENTIAL,
    ),
    Fault(
        "layers-kept",
        "layers stay in memory after their forward",
        Edit(f"{ALIGN}.post_forward", "if self.offload:", "if FIRED(False):"),
        "accelerate: hooks under torch.compile",
        packages=ACCELERATE,
        strategies=SEQUENTIAL,
    ),
    Fault(
        "layers-of-the-neighbour",
        "queries are given the weights of keys",
        Around("accelerate.utils.offload:PrefixedDataset.__getitem__", _of_the_neighbour),
        "weights_map with prefixes",
        packages=ACCELERATE,
        strategies=SEQUENTIAL,
        stage=T5,
    ),
    Fault(
        "group-hooks-missing",
        "group offloading adds no hooks",
        not_called(f"{GROUPS}:_apply_group_offloading"),
        "apply_group_offloading moved to a registry of hooks",
        packages=DIFFUSERS,
        strategies=BLOCKS,
    ),
    Fault(
        "groups-too-large",
        "all blocks are one group",
        _config(num_blocks_per_group=1000),
        "num_blocks_per_group that is not passed on",
        packages=DIFFUSERS,
        strategies=BLOCKS,
    ),
    Fault(
        "groups-of-blocks",
        "blocks are groups where single layers should be",
        Around(f"{GROUPS}:_apply_group_offloading", _by_blocks),
        "offload_type that is not passed on",
        packages=DIFFUSERS,
        strategies=LEAVES,
    ),
    Fault(
        "disk-not-used",
        "groups wait in memory although a folder was given",
        _config(offload_to_disk_path=None),
        "offload_to_disk_path that is not passed on",
        packages=DIFFUSERS,
        strategies=DISK,
    ),
    Fault(
        "disk-other-numbers",
        "what is read from a group's file is not what was written",
        Around("safetensors.torch:load_file", _doubled),
        "files of groups that share a name",
        packages=("diffusers", "safetensors"),
        strategies=DISK,
        stage=T5,
    ),
    Fault(
        "stream-not-used",
        "groups are copied on the stream that computes",
        _config(stream=None),
        "use_stream that is not passed on",
        packages=DIFFUSERS,
        strategies=STREAMS,
        only_on="cuda",
    ),
    Fault(
        "stream-not-waited-for",
        "a group computes before its weights have arrived",
        Edit(
            f"{GROUPS}:ModuleGroup._onload_from_memory",
            "self.stream.synchronize()",
            "FIRED(None)",
        ),
        "diffusers #11981: weights read before they have arrived",
        packages=DIFFUSERS,
        strategies=STREAMS,
        stage=T5,
        only_on="cuda",
    ),
    Fault(
        "record-stream-ignored",
        "memory is not kept until the copying stream is done",
        _config(record_stream=False),
        "diffusers #12673: record_stream on the wrong stream",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-record-stream",),
        only_on="cuda",
    ),
    Fault(
        "groups-kept",
        "groups stay on the GPU after their forward",
        Around(f"{GROUPS}:GroupOffloadingHook.post_forward", lambda original, fired, args, kwargs: fired(args[2])),
        "offload leaders of nested groups",
        packages=DIFFUSERS,
        strategies=BLOCKS,
        only_on="cuda",
    ),
    Fault(
        "model-kept",
        "components stay on the GPU when the next one comes",
        not_called("accelerate.hooks:UserCpuOffloadHook.offload"),
        "prev_module_hook",
        packages=ACCELERATE,
        strategies=MODEL,
        only_on="cuda",
    ),
    Fault(
        "group-encoder-left-out",
        "group offloading leaves T5 out",
        Around(f"{ANY_PIPELINE}.enable_group_offload", _without_encoder),
        "exclude_modules of a pipeline",
        packages=DIFFUSERS,
        strategies=BLOCKS,
    ),
    Fault(
        "hook-inputs-copied",
        "hooks copy what a layer is given, wherever it lies",
        Around("accelerate.hooks:send_to_device", _copying),
        "send_to_device that always copies",
        packages=ACCELERATE,
        strategies=SEQUENTIAL,
    ),
    Fault(
        "disk-written-each-time",
        "a group's file is written each time that it is offloaded",
        Edit(
            f"{GROUPS}:ModuleGroup._offload_to_disk",
            "if not self._is_offloaded_to_disk and not os.path.exists(self.safetensors_file_path):",
            "if FIRED(all(tensor.device.type != 'meta' for tensor in self.tensor_to_key)):",
        ),
        "a file whose existence is not looked up",
        packages=DIFFUSERS,
        strategies=("group-offload-leaf-disk",),
    ),
    Fault(
        "forwards-stay-wrapped",
        "a hook that is removed leaves its forward behind",
        Around("accelerate.hooks:remove_hook_from_module", _forwards_stay),
        "accelerate: the forward of before a hook",
        packages=("accelerate", "diffusers"),
        strategies=MODEL,
    ),
)
