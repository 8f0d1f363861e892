"""An IP-Adapter: a picture as a second prompt, attended to, at a scale of nothing, and taken away again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxgate.machine import Machine, Stack
from fluxgate.miniature.given import IMAGE_PROMPT
from fluxgate.rendering import DENOISE, ENCODE
from fluxgate.strategies.effects import (
    COMPONENTS_LEFT,
    IMAGE_LAYERS,
    IMAGE_LAYERS_LEFT,
    IMAGES_SEEN,
    SETTINGS_LEFT,
    Counted,
    Unhooked,
)
from fluxgate.strategies.promise import OtherWork, Promise, Site, strategy
from fluxgate.strategies.requirements import unquantized
from fluxgate.strategies.stages import guided
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.subject import Subject

FILE = "ip_adapter.safetensors"
SCALE = 0.1  # of what is added to each attention: a picture that is still the prompt's
WIDTH = 64  # of the picture's embedding, as CLIP would give it
TOKENS = 4  # that it becomes: what diffusers takes for granted of an adapter of the first kind
EMBEDS, NEGATIVE = "ip_adapter_image_embeds", "negative_ip_adapter_image_embeds"
FLUX = "FluxIPAdapterMixin"
LOADERS = ("IPAdapterMixin", FLUX)
ATTENDS = OtherWork("a picture is attended to beside the prompt", phases=(ENCODE, DENOISE), operators=("",), flops=0.5)
SEES = (Counted(IMAGE_LAYERS, at_least=1), Counted(IMAGES_SEEN, at_least=1))


def loads_ip_adapter(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need: a pipeline whose class loads IP-Adapters, and takes a picture that is embedded already."""
    installed = pipeline_class(subject.pipeline)
    if installed is None or (EMBEDS in installed.takes and any(base in LOADERS for base in installed.bases)):
        return None
    if any(base.endswith("IPAdapterMixin") for base in installed.bases):
        return f"{subject.pipeline} loads IP-Adapters with an image encoder and a resampler of its own alone"
    return f"{subject.pipeline} loads no IP-Adapter in this release of diffusers"


def rounds_alike(subject: Subject, machine: Machine, stack: Stack) -> str | None:
    """A need of the same pixels: FLUX's attention multiplies tensors as they lie, which with several pictures is apart,
    and without an IP-Adapter it puts them together first."""
    installed = pipeline_class(subject.pipeline)
    several = any(shot.pictures > 1 for shot in subject.shots)
    if installed is None or FLUX not in installed.bases or not several:
        return None
    return "FLUX's attention multiplies several pictures with another kernel if it has an IP-Adapter, even at scale 0"


NEEDS = (loads_ip_adapter, unquantized)


@strategy(
    Promise(
        stays=True,
        approximates="full",
        changes_weights=True,
        adapts=True,
        computed_as=IMAGE_PROMPT,
        other_work=(ATTENDS,),
        effects=SEES,
    ),
    needs=NEEDS,
)
def ip_adapter(site: Site) -> Any:
    """An IP-Adapter at a scale of 0.1, with a picture given as an embedding."""
    return prompted(site, scale=SCALE)


@strategy(
    Promise(stays=True, reproduces="full", adapts=True, other_work=(ATTENDS,), effects=SEES),
    needs=(*NEEDS, rounds_alike),
)
def ip_adapter_off(site: Site) -> Any:
    """The same IP-Adapter and picture at a scale of 0: nothing is added to any attention."""
    return prompted(site, scale=0.0)


@strategy(
    Promise(
        stays=True,
        reproduces="full",
        effects=(
            Counted(IMAGE_LAYERS, at_least=1),
            Counted(IMAGE_LAYERS_LEFT, at_most=0),
            Counted(SETTINGS_LEFT, at_most=0),
            Counted(COMPONENTS_LEFT, at_most=0),
            Unhooked(),
        ),
    ),
    needs=NEEDS,
)
def ip_adapter_unloaded(site: Site) -> Any:
    """The same IP-Adapter, loaded and unloaded again: attention as it was before."""
    pipe = site.pipeline().to(site.device)
    denoiser, before = getattr(pipe, site.subject.denoiser), present(pipe)
    load_ip_adapter(pipe, site)
    pipe.unload_ip_adapter()
    site.count(IMAGE_LAYERS_LEFT, len(image_layers(denoiser)))
    site.count(SETTINGS_LEFT, len(settings_left(denoiser)))
    site.count(COMPONENTS_LEFT, len(present(pipe) - before))
    return pipe


def present(pipe: Any) -> set[str]:
    """The components that a pipeline has: one that reads pictures for an adapter is there with it alone."""
    return {name for name, one in pipe.components.items() if one is not None}


def settings_left(denoiser: Any) -> list[str]:
    """The settings of the denoiser that are not those of its files any more; one that is None is none."""
    now = {name: value for name, value in vars(denoiser.config).items() if not name.startswith("_")}
    return [name for name, value in now.items() if value is not None and value != denoiser.config.get(name)]


@dataclass(frozen=True)
class Prompted:
    """Called like the pipeline itself, it gives it a picture beside the prompt."""

    pipe: Any

    def __call__(self, **arguments: Any) -> Any:
        return self.pipe(**arguments, **image_prompt(self.pipe, arguments))


def prompted(site: Site, *, scale: float) -> Prompted:
    pipe = site.pipeline().to(site.device)
    load_ip_adapter(pipe, site)
    pipe.set_ip_adapter_scale(scale)
    projection = getattr(pipe, site.subject.denoiser).encoder_hid_proj
    projection.register_forward_hook(lambda *_: site.count(IMAGES_SEEN, 1))
    site.watch(pipe)
    return Prompted(pipe)


def load_ip_adapter(pipe: Any, site: Site) -> None:
    """Load an IP-Adapter from a file, as a user's would be, and no image encoder."""
    denoiser = getattr(pipe, site.subject.denoiser)
    folder = site.scratch / "ip-adapter"
    write_ip_adapter(denoiser, folder)
    places = {"subfolder": ""} if hasattr(pipe, "unet") else {}
    encoder = {"image_encoder_folder": None} if places else {"image_encoder_pretrained_model_name_or_path": None}
    pipe.load_ip_adapter(str(folder), weight_name=FILE, **places, **encoder)
    site.count(IMAGE_LAYERS, len(image_layers(denoiser)))


def image_layers(denoiser: Any) -> list[Any]:
    """The attentions that have weights for a picture's tokens, and what makes those tokens."""
    left = [] if getattr(denoiser, "encoder_hid_proj", None) is None else [denoiser.encoder_hid_proj]
    return [*(part for part in denoiser.attn_processors.values() if hasattr(part, "to_k_ip")), *left]


def image_prompt(pipe: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """The embedding of a picture for each prompt, and nothing for the negative one: of its own where the call takes it,
    else before it."""
    import torch

    prompt = arguments.get("prompt")
    number = len(prompt) if isinstance(prompt, list) else 1
    place = {"device": pipe._execution_device, "dtype": pipe.dtype}
    image = torch.linspace(-1, 1, WIDTH).repeat(number, 1, 1).to(**place)
    nothing = torch.zeros_like(image)
    if not hasattr(pipe, "unet"):
        return {EMBEDS: [image], NEGATIVE: [nothing]}
    return {EMBEDS: [torch.cat([nothing, image]) if guided(pipe, arguments) else image]}


def write_ip_adapter(denoiser: Any, folder: Path) -> None:
    """Random weights of the shapes that the denoiser's attentions ask for, the same each time, in diffusers' format."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> Any:
        return (torch.randn(rows, columns, generator=draw) / columns**0.5).to(denoiser.dtype)

    shapes = list(attention_shapes(denoiser))
    width = shapes[0][2]
    tensors = {
        "image_proj.proj.weight": drawn(TOKENS * width, WIDTH),
        "image_proj.proj.bias": torch.zeros(TOKENS * width, dtype=denoiser.dtype),
        "image_proj.norm.weight": torch.ones(width, dtype=denoiser.dtype),
        "image_proj.norm.bias": torch.zeros(width, dtype=denoiser.dtype),
    }
    for number, rows, columns in shapes:
        for name in ("to_k_ip", "to_v_ip"):
            tensors[f"ip_adapter.{number}.{name}.weight"] = drawn(rows, columns)
            tensors[f"ip_adapter.{number}.{name}.bias"] = torch.zeros(rows, dtype=denoiser.dtype)
    folder.mkdir()
    save_file(tensors, folder / FILE)


def attention_shapes(denoiser: Any) -> list[tuple[int, int, int]]:
    """For each attention that gets one: the number that its weights go by, and their rows and columns.

    A UNet's, which look at the prompt, go by odd numbers; FLUX's, of its double blocks, by their order."""
    if hasattr(denoiser.config, "cross_attention_dim"):
        width = denoiser.config.cross_attention_dim
        across = [part for name, part in denoiser.named_modules() if name.endswith(".attn2")]
        return [(2 * place + 1, part.to_q.out_features, width) for place, part in enumerate(across)]
    blocks = denoiser.transformer_blocks
    return [(place, denoiser.inner_dim, denoiser.config.joint_attention_dim) for place, _ in enumerate(blocks)]
