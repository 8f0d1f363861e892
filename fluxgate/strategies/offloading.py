"""Weights that wait on the CPU, or on disk, and visit the GPU when they are needed."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from typing import Any

from fluxgate.article import with_article
from fluxgate.machine import Machine, Stack
from fluxgate.pipeline_folder import MODEL_CONFIG, read_json
from fluxgate.rendering import AFTER, BEFORE, DURING
from fluxgate.strategies.effects import (
    BLOCKS,
    DENOISER,
    ENCODERS,
    FILES,
    FILES_TWICE,
    STAYING,
    SUBJECT_DTYPE,
    Counted,
    Hooked,
    Placed,
    Setting,
    Spread,
    Stored,
    Unhooked,
)
from fluxgate.strategies.layer_use import carried_by_layers, layers_of_one
from fluxgate.strategies.loading import modules_of, weighty
from fluxgate.strategies.promise import Effect, Moves, Promise, Site, strategy
from fluxgate.strategies.requirements import Gpu, Release, folder_of_weights
from fluxgate.subjects.decoder_class import BLOCK_NAMES, weights_read
from fluxgate.subjects.definitions import definition_of
from fluxgate.subjects.pipeline_class import package_folder, pipeline_class
from fluxgate.subjects.sources import component_folder, readable_index
from fluxgate.subjects.subject import Subject
from fluxgate.subjects.weights import folder_at_hand, lists_on_disk

GROUPS_ON_CPU = Release("diffusers", "0.41.0", to="offload groups of layers where there is no GPU", on="cpu")
GROUPS_ON_DISK = Release("diffusers", "0.34.0", to="offload groups of layers to disk")
UPCAST = "force_upcast"  # of a VAE's configuration
STREAMS = Gpu("streams copy weights to one while it computes")
IN_BLOCKS = {"offload_type": "block_level", "num_blocks_per_group": 1}
IN_LEAVES = {"offload_type": "leaf_level"}
ONCE = Moves()
EACH_LAYER = Moves(each_use=True, asked=3.1)
# diffusers asks for what a group has of its own once with its modules and once by itself, as for all of an encoder,
# which is one group as a whole; the second time it is there already, so that nothing is copied twice.
EACH_GROUP = Moves(each_use=True, asked=4.2)
EACH_LEAF = Moves(each_use=True, asked=2.1)
GROUP_AHEAD = replace(EACH_GROUP, ahead=True)
LEAF_AHEAD = replace(EACH_LEAF, ahead=True)


def groups_known(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: components whose classes do not say that diffusers must not offload groups of their layers."""
    index, installed, root = readable_index(subject), pipeline_class(subject.pipeline), package_folder()
    if root is None:
        return None
    classes = (index.classes if index else {}) or (installed.parts if installed else {})
    for name, kinds in classes.items():
        for kind in kinds:
            definition = definition_of(kind, root / "models")
            if definition is not None and _refuses_groups(definition):
                return f"diffusers does not offload groups of layers of {with_article(kind)}, which {name} is"
    return None


@cache
def _refuses_groups(definition: ast.ClassDef) -> bool:
    return any(ast.unparse(node) == "_supports_group_offloading = False" for node in definition.body)


def decoder_called(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of files: what lies in one is there while a component is called, and not when its weights are read."""
    read = weights_read(subject)
    return (
        f"the call of {subject.pipeline} reads {read} by itself, and diffusers has it in a file then" if read else None
    )


def dtype_kept(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of files: what lies in one has the dtype that it was written in, whatever the call casts it to since."""
    installed, name = pipeline_class(subject.pipeline), subject.decoder
    if installed is None or name not in installed.widened or subject.dtype_of(name) == "float32":
        return None
    config = component_folder(subject, name) / MODEL_CONFIG
    if not any(shot.inputs for shot in subject.shots) or not config.is_file() or not read_json(config).get(UPCAST):
        return None
    return (
        f"the call of {subject.pipeline} casts {name} to float32 to encode a picture, "
        f"and diffusers has it in a file in {subject.dtype_of(name)}"
    )


def classes_differ(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of one folder for all: diffusers names a file by the class of its component, whichever of two it is."""
    index = readable_index(subject)
    kinds: dict[str, str] = {}
    for name, (_, kind) in index.components.items() if index else ():
        twin = kinds.setdefault(kind, name)
        if twin != name and {twin, name} <= {*subject.encoders, *subject.large, subject.decoder}:
            return (
                f"{twin} and {name} are both {with_article(kind)}, by which diffusers names their files: "
                f"the weights of {twin} would be loaded for both"
            )
    return None


def lists_differ(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of one folder for all: diffusers names the file of a block by the list that it is in, whosever it is."""
    folder, owners = folder_at_hand(subject), dict[str, str]()
    if folder is None:
        return None
    for name in weighty(folder):
        for blocks in sorted(lists_on_disk(folder / name, subject.variant)):
            twin = owners.setdefault(blocks, name)
            if twin != name:
                return (
                    f"{twin} and {name} both have blocks in a list {blocks}, by which diffusers names their files: "
                    f"those of {twin} would be loaded for both"
                )
    return None


IN_FILES = (decoder_called, dtype_kept, layers_of_one)
# Chosen: of the miniature's files none is there twice, and 50 hundredths are if each one is. Small weights that are all
# alike, as norms are before training, may lie in several.
WRITTEN_ONCE = (Counted(FILES_TWICE, at_most=40),)
GROUP_SETTINGS = ("stream", "record_stream", "low_cpu_mem_usage", "offload_to_disk_path")


def grouped(*, leaves: bool = False, on_cpu: float = 0.9, **settings: bool) -> tuple[Effect, ...]:
    """What group offloading shows: hooks of its own, as many as the groups are small, and weights on the CPU."""
    streamed = settings.get("stream", False)
    values = {name: "on" if settings.get(name) else None for name in GROUP_SETTINGS}
    return (
        Hooked("GroupOffloadingHook"),
        Hooked("GroupOffloadingHook", of=DENOISER, at_least=2, each_linear=leaves, fewer_than_linears=not leaves),
        Placed("cpu", at_least=on_cpu),
        Counted(BLOCKS, at_most=2 if streamed else 1, gpu_only=True),
        *(Setting(f"group_{name}", value, of=DENOISER) for name, value in values.items()),
    )


@strategy(
    Promise(
        effects=(Unhooked(), Stored(SUBJECT_DTYPE, spared=True), Placed("cuda", moments=(BEFORE, DURING, AFTER))),
        stays=True,
    )
)
def full(site: Site) -> Any:
    """Everything on the device in the subject's own dtype: the reference of all."""
    return site.pipeline().to(site.device)


@strategy(
    Promise(
        moves=EACH_LAYER,
        reproduces="full",
        less_memory_than="full",
        effects=(
            Hooked("AlignDevicesHook", each_linear=True, but=STAYING),
            Placed("meta", but=STAYING),
            Counted(BLOCKS, at_most=1, gpu_only=True),
        ),
    ),
    needs=(carried_by_layers,),
    slow=True,
)
def sequential_offload(site: Site) -> Any:
    """Every layer waits on the CPU and visits the GPU for its own forward."""
    return offload_layers(site.pipeline(), site)


def offload_layers(pipe: Any, site: Site) -> Any:
    """Sequential offloading by the pipeline's own call, or on a CPU by what that call does to each component.

    The call itself asks for a device "cpu:0", which accelerate does not serve."""
    import accelerate
    import torch

    if site.device == "cuda":
        pipe.enable_sequential_cpu_offload(device=site.device)
    else:
        for name, part in modules_of(pipe).items():
            if name not in pipe._exclude_from_cpu_offload:
                accelerate.cpu_offload(part, torch.device(site.device), offload_buffers=len(part._parameters) > 0)
    return pipe


@strategy(
    Promise(
        moves=ONCE,
        reproduces="full",
        less_memory_than="full",
        effects=(
            Hooked("CpuOffload", but=STAYING),
            Placed("cpu", but=STAYING),
            Placed("cuda", of=DENOISER, moments=(DURING,)),
            Placed("cpu", of=ENCODERS, moments=(DURING,), but=STAYING),
        ),
    )
)
def model_offload(site: Site) -> Any:
    """Whole components wait on the CPU and visit the GPU in turn."""
    pipe = site.pipeline()
    pipe.enable_model_cpu_offload(device=site.device)
    return pipe


@strategy(
    Promise(moves=EACH_GROUP, reproduces="full", less_memory_than="full", effects=grouped()),
    needs=(GROUPS_ON_CPU, groups_known),
    slow=True,
)
def group_offload_block(site: Site) -> Any:
    """Blocks of layers wait on the CPU and visit the GPU one after another."""
    return offload_groups(site.pipeline(), site, **IN_BLOCKS)


@strategy(
    Promise(moves=GROUP_AHEAD, reproduces="full", less_memory_than="full", effects=grouped(stream=True)),
    needs=(STREAMS, groups_known),
)
def group_offload_block_stream(site: Site) -> Any:
    """The next block is copied on a stream of its own while one computes."""
    return offload_groups(site.pipeline(), site, **IN_BLOCKS, use_stream=True)


@strategy(
    Promise(moves=EACH_LEAF, reproduces="full", less_memory_than="full", effects=grouped(leaves=True)),
    needs=(GROUPS_ON_CPU, groups_known),
    slow=True,
)
def group_offload_leaf(site: Site) -> Any:
    """Single layers wait on the CPU and visit the GPU one after another."""
    return offload_groups(site.pipeline(), site, **IN_LEAVES)


@strategy(
    Promise(moves=LEAF_AHEAD, reproduces="full", less_memory_than="full", effects=grouped(leaves=True, stream=True)),
    needs=(STREAMS, groups_known),
)
def group_offload_leaf_stream(site: Site) -> Any:
    """The next layer is copied on a stream of its own while one computes."""
    return offload_groups(site.pipeline(), site, **IN_LEAVES, use_stream=True)


@strategy(
    Promise(
        moves=LEAF_AHEAD,
        reproduces="full",
        less_memory_than="full",
        effects=grouped(leaves=True, stream=True, record_stream=True),
    ),
    needs=(STREAMS, groups_known),
)
def group_offload_leaf_record_stream(site: Site) -> Any:
    """The allocator, not the CPU, keeps a layer's memory until the GPU is done with it."""
    return offload_groups(site.pipeline(), site, **IN_LEAVES, use_stream=True, record_stream=True)


@strategy(
    Promise(
        moves=LEAF_AHEAD,
        reproduces="full",
        less_memory_than="full",
        effects=grouped(leaves=True, stream=True, low_cpu_mem_usage=True),
    ),
    needs=(STREAMS, groups_known),
    slow=True,
)
def group_offload_leaf_low_cpu_mem(site: Site) -> Any:
    """A layer's memory is pinned as it is copied, not all of it beforehand."""
    return offload_groups(site.pipeline(), site, **IN_LEAVES, use_stream=True, low_cpu_mem_usage=True)


@strategy(
    Promise(
        moves=EACH_GROUP,
        reproduces="full",
        less_memory_than="full",
        effects=(Hooked("GroupOffloadingHook"), Placed("cpu"), Counted(BLOCKS, at_most=2, gpu_only=True)),
    ),
    needs=(GROUPS_ON_CPU, groups_known),
    slow=True,
)
def group_offload_by_component(site: Site) -> Any:
    """Each component is offloaded by a call of its own: the denoiser in blocks of two, the others by layers."""
    pipe = site.pipeline()
    for name, component in modules_of(pipe).items():
        blocks = {"offload_type": "block_level", "num_blocks_per_group": 2}
        offload_component(component, site, **(blocks if name == site.subject.denoiser else IN_LEAVES))
    return pipe


@strategy(
    Promise(
        moves=EACH_GROUP,
        reproduces="full",
        less_memory_than="full",
        spares_host=True,
        effects=(*grouped(offload_to_disk_path=True), Counted(FILES, at_least=5), *WRITTEN_ONCE),
    ),
    needs=(GROUPS_ON_CPU, groups_known, GROUPS_ON_DISK, *IN_FILES, classes_differ, lists_differ),
    slow=True,
)
def group_offload_disk(site: Site) -> Any:
    """Blocks of layers wait in files and visit the GPU one after another."""
    return offload_groups(site.pipeline(), site, **IN_BLOCKS, offload_to_disk_path=str(site.scratch))


@strategy(
    Promise(
        moves=EACH_LEAF,
        reproduces="full",
        less_memory_than="full",
        spares_host=True,
        effects=(*grouped(leaves=True, offload_to_disk_path=True), Counted(FILES, at_least=50), *WRITTEN_ONCE),
    ),
    needs=(GROUPS_ON_CPU, groups_known, GROUPS_ON_DISK, *IN_FILES),
    slow=True,
)
def group_offload_leaf_disk(site: Site) -> Any:
    """Single layers wait in files and visit the GPU one after another; the encoders' wait in blocks."""
    return offload_to_files(site.pipeline(), site)


@strategy(
    Promise(
        moves=LEAF_AHEAD,
        reproduces="full",
        less_memory_than="full",
        spares_host=True,
        effects=(
            *grouped(leaves=True, stream=True, offload_to_disk_path=True),
            Counted(FILES, at_least=50),
            *WRITTEN_ONCE,
        ),
    ),
    needs=(STREAMS, groups_known, GROUPS_ON_DISK, *IN_FILES),
    slow=True,
)
def group_offload_leaf_disk_stream(site: Site) -> Any:
    """As group-offload-leaf-disk, with the next layer read on a stream of its own while one computes."""
    return offload_to_files(site.pipeline(), site, use_stream=True)


def offload_to_files(pipe: Any, site: Site, **settings: Any) -> Any:
    """A folder for each component, because layers of two may share a name.

    Each leaf gets a file, and a weight that two leaves share is lost when the second one is written: T5's embedding."""
    for name, part in modules_of(pipe).items():
        groups = IN_BLOCKS if name in site.subject.encoders else IN_LEAVES
        offload_component(part, site, **groups, **settings, offload_to_disk_path=str(site.scratch / name))
    return pipe


@strategy(
    Promise(reproduces="full", effects=(Spread(at_least=2),)),
    needs=(Gpu("components are spread over several", count=2), folder_of_weights),
    gpus=2,
)
def device_map_balanced(site: Site) -> Any:
    """Components are spread over two GPUs, of which each may take as much as the other.

    Left to itself, diffusers begins with the GPU that has most free memory, a few MB more, perhaps, and takes all that
    there are."""
    import torch

    gpus = range(2)
    free = min(torch.cuda.mem_get_info(gpu)[0] for gpu in gpus)
    return site.pipeline(device_map="balanced", max_memory=dict.fromkeys(gpus, free))


def offload_groups(pipe: Any, site: Site, **settings: Any) -> Any:
    """Group offloading of all components: by the pipeline's own call where there is one (0.36), else one by one.

    A VAE that does not notice in blocks that it is asked to decode is offloaded by its layers, in files of its own."""
    if not hasattr(pipe, "enable_group_offload"):
        for component in modules_of(pipe).values():
            offload_component(component, site, **settings)
        return pipe
    apart = by_layers_alone(pipe, site) if settings.get("offload_type") == IN_BLOCKS["offload_type"] else None
    pipe.enable_group_offload(**devices(site), **settings, exclude_modules=[apart] if apart else None)
    if apart:
        files = {"offload_to_disk_path": str(site.scratch / apart)} if "offload_to_disk_path" in settings else {}
        getattr(pipe, apart).to("cpu")
        offload_component(getattr(pipe, apart), site, **{**settings, **IN_LEAVES, **files})
    return pipe


def by_layers_alone(pipe: Any, site: Site) -> str | None:
    """The decoder, if its class does not say in which blocks it can be offloaded."""
    decoder = getattr(pipe, site.subject.decoder, None)
    return site.subject.decoder if decoder is not None and getattr(decoder, BLOCK_NAMES, None) is None else None


def offload_component(component: Any, site: Site, **settings: Any) -> None:
    """Group offloading of one component, by its own method or, for those of transformers, by the function."""
    from diffusers.hooks import apply_group_offloading

    # A VAE is not called but asked to decode; releases before 0.36 notice that by its leaves only.
    if hasattr(component, "decode") and getattr(component, BLOCK_NAMES, None) is None:
        settings = {**settings, **IN_LEAVES}
    if hasattr(component, "enable_group_offload"):
        component.enable_group_offload(**devices(site), **settings)
    else:
        apply_group_offloading(component, **devices(site), **settings)


def devices(site: Site) -> dict[str, Any]:
    import torch

    return {"onload_device": torch.device(site.device), "offload_device": torch.device("cpu")}
