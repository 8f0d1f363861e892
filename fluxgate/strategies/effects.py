"""Effects: what the inventory shows when, and only when, a strategy did what it says."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from fluxgate.rendering import AFTER, BEFORE, Component, Inventory
from fluxgate.subjects.decoder_class import weights_read
from fluxgate.subjects.pipeline_class import pipeline_class
from fluxgate.subjects.sources import readable_index
from fluxgate.subjects.subject import Shot, Subject

Names = tuple[str, ...]

# Roles that `for_subject` replaces by names of components. EVERY stays: it is whatever the inventory holds.
EVERY: Names = ("<every component>",)
LARGE: Names = ("<large components>",)
DENOISER: Names = ("<denoiser>",)
ENCODERS: Names = ("<encoders>",)
LARGE_ENCODERS: Names = ("<large encoders>",)
VAE: Names = ("<decoder>",)
IN_GGUF: Names = ("<components that their files hold quantized>",)
DENOISING: Names = ("<components that are there while a staged strategy denoises>",)
STAYING: Names = ("<components that whole offloading leaves on the GPU>",)
SAFETY_CHECKER = "safety_checker"  # of Stable Diffusion: it looks at what was decoded
_WEIGHTLESS = re.compile(r"Tokenizer|Scheduler|Process|Extractor")  # classes of components that have none
SUBJECT_DTYPE = "<the subject's dtype>"
EACH_PICTURE = -1  # as many as the largest batch has pictures; two where no shot says

# Counts that the renderer takes while a pipeline runs.
ALIVE = "components alive at once"
BLOCKS = "blocks on GPU at once"
FILES = "files offloaded"
FILES_TWICE = "hundredths of what was offloaded to files that are there twice"
SLICES = "slices decoded"
TILES = "tiles decoded"
TOKENS = "prompt tokens"
PROCESSES = "processes"
ALTERED = "layers that a fused adapter altered"
RANKS = "processes that share a picture"
SHARED_WEIGHTS = "weights that processes share"
IMAGE_LAYERS = "layers that attend to a picture"
IMAGE_LAYERS_LEFT = "layers that still attend to a picture"
IMAGES_SEEN = "pictures attended to"
REUSED = "calls of the denoiser answered from a cache"
GRAPHS = "graphs compiled"
UNCOMPILED = "blocks that were not compiled"
SAID_TO_BE_FUSED = "LoRAs that the pipeline takes for fused"
SETTINGS_LEFT = "settings that an adapter has left changed"
COMPONENTS_LEFT = "components that an adapter has left in the pipeline"

AnyEffect = TypeVar("AnyEffect")


def for_subject(effect: AnyEffect, subject: Subject, shots: tuple[Shot, ...] | None = None) -> AnyEffect:
    """The effect with its roles replaced by the subject's own components and dtype, and by numbers of the shots that
    are rendered: all of them, unless others are given."""
    roles = {
        LARGE: subject.large,
        DENOISER: (subject.denoiser,),
        ENCODERS: subject.encoders,
        LARGE_ENCODERS: tuple(name for name in subject.large if name in subject.encoders),
        VAE: (subject.decoder,),
        STAYING: staying(subject),
        DENOISING: there_to_denoise(subject),
        IN_GGUF: subject.in_gguf,
    }
    changes: dict[str, Any] = {}
    for entry in fields(effect):  # type: ignore[arg-type]  # each effect is a dataclass
        value = getattr(effect, entry.name)
        if isinstance(value, tuple) and value in roles:
            changes[entry.name] = roles[value]
        elif value == SUBJECT_DTYPE:
            changes[entry.name] = subject.dtype
            changes |= {"apart": tuple(sorted(subject.dtypes.items()))} if isinstance(effect, Stored) else {}
        elif value == EACH_PICTURE:
            asked = subject.shots if shots is None else shots
            changes[entry.name] = max((shot.pictures for shot in asked), default=2)
    return replace(effect, **changes) if changes else effect  # type: ignore[type-var]  # as above


def there_to_denoise(subject: Subject) -> Names:
    """All with weights that neither encodes nor decodes, and what decodes where it encodes pictures that are given, or
    where the call reads its weights."""
    index, installed = readable_index(subject), pipeline_class(subject.pipeline)
    classes = (index.classes if index else {}) or (installed.components if installed else {})
    apart = {*subject.encoders, subject.decoder, SAFETY_CHECKER}
    weighty = [name for name, kinds in classes.items() if not any(map(_WEIGHTLESS.search, kinds))]
    names = tuple(name for name in weighty if name not in apart)
    needed = any(shot.inputs for shot in subject.shots) or weights_read(subject) is not None
    return (*names, subject.decoder) if needed else names


def staying(subject: Subject) -> Names:
    """The components that the pipeline's class has offloading leave where they are, as a safety checker."""
    installed = pipeline_class(subject.pipeline)
    return installed.stays if installed else ()


class EachComponent:
    """An effect that every one of the named components shows: each that has weights, where every one is meant."""

    of: Names
    but: Names = ()

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        """What the first of them lacks; one that is not there lacks everything."""
        if not inventory.components:
            return "the inventory holds no component"
        weighty = [name for name, component in inventory.components.items() if component.total_bytes]
        every = [name for name in weighty if name not in self.but]
        for name in every if self.of == EVERY else self.of:
            component = inventory.components.get(name)
            missing = "is not in the inventory" if component is None else self._missing_of(component)
            if missing:
                return f"{name}: {missing}"
        return None

    def _missing_of(self, component: Component) -> str | None:
        raise NotImplementedError


@dataclass(frozen=True)
class Hooked(EachComponent):
    """Each component carries hooks of a class: so many, or one for every linear layer, or fewer than those."""

    hook: str
    of: Names = EVERY
    at_least: int = 1
    each_linear: bool = False
    fewer_than_linears: bool = False
    but: Names = ()

    def _missing_of(self, component: Component) -> str | None:
        count, linears = component.hooks.get(self.hook, 0), _linears(component)
        least = max(self.at_least, linears if self.each_linear else 0)
        if count < least:
            return f"has {count} {self.hook} hooks, expected at least {least}"
        if self.fewer_than_linears and count >= linears:
            return f"has {count} {self.hook} hooks, expected fewer than its {linears} linear layers"
        return None


@dataclass(frozen=True)
class Unhooked(EachComponent):
    """No component carries a hook."""

    of: Names = EVERY

    def _missing_of(self, component: Component) -> str | None:
        hooks = ", ".join(f"{count} {name}" for name, count in component.hooks.items() if count)
        return f"has hooks, expected none: {hooks}" if hooks else None


@dataclass(frozen=True)
class Layers(EachComponent):
    """A share of each component's linear layers is of the quantizing class.

    Of the seven in a layer of T5, or the six of an older one, the libraries leave `wo` as it is."""

    layer: str
    of: Names = LARGE
    at_least: float = 0.8

    def _missing_of(self, component: Component) -> str | None:
        count, linears = component.module_classes.get(self.layer, 0), _linears(component)
        if linears and count >= self.at_least * linears:
            return None
        return f"{count} of its {linears} linear layers are {self.layer}, expected at least {self.at_least:.0%}"


def _quantizable(component: Component) -> tuple[int, str]:
    """How many bytes of a component can be quantized, and what they are; an older run did not count linear layers."""
    if component.linear_bytes is None:
        return component.total_bytes, "its bytes"
    return component.linear_bytes, "the bytes of its linear layers"


@dataclass(frozen=True)
class Quantized(EachComponent):
    """A share of what can be quantized of each component is: of the weights of its linear layers."""

    of: Names = DENOISER
    at_least: float = 0.75

    def _missing_of(self, component: Component) -> str | None:
        can_be, of = _quantizable(component)
        share = component.quantized_bytes / max(can_be, 1)
        if share >= self.at_least:
            return None
        return f"{share:.1%} of {of} are quantized, expected at least {self.at_least:.0%}"


@dataclass(frozen=True)
class Stored(EachComponent):
    """A share of each component's bytes is of a dtype."""

    dtype: str
    of: Names = EVERY
    at_least: float = 0.99
    spared: bool = False  # beside float16, float32 counts too: transformers keeps some of T5's layers in it
    but: Names = IN_GGUF
    of_linear: bool = False  # a share of what can be quantized: convolutions cannot
    apart: tuple[tuple[str, str], ...] = ()  # components with a dtype of their own, and that

    def _missing_of(self, component: Component) -> str | None:
        due = dict(self.apart).get(component.name, self.dtype)
        dtypes = (due, "float32") if self.spared and due == "float16" else (due,)
        stored = sum(component.bytes_by_dtype.get(dtype, 0) for dtype in dtypes)
        stored += sum(size for dtype, size in component.exempt_bytes.items() if dtype not in dtypes)
        can_be, of = _quantizable(component) if self.of_linear else (component.total_bytes, "its bytes")
        share = stored / max(can_be, 1)
        if share >= self.at_least:
            return None
        return f"{share:.1%} of {of} are {due}, expected at least {self.at_least:.0%}"


@dataclass(frozen=True)
class Cast(EachComponent):
    """A share of what layerwise casting takes of each component is stored in a dtype.

    Norms, embeddings of places, and what else the model's class leaves out do not count."""

    dtype: str
    of: Names = DENOISER
    at_least: float = 0.99

    def _missing_of(self, component: Component) -> str | None:
        if not component.castable_bytes:
            return "has no layer that can be cast"
        share = component.bytes_by_dtype.get(self.dtype, 0) / component.castable_bytes
        if share >= self.at_least:
            return None
        return f"{share:.1%} of the bytes that can be cast are {self.dtype}, expected at least {self.at_least:.0%}"


@dataclass(frozen=True)
class Setting(EachComponent):
    """Each component reports a setting: the dtype that quantized layers compute in, whether groups have a stream."""

    name: str
    value: str | None  # None: it must not be set
    of: Names = LARGE

    def _missing_of(self, component: Component) -> str | None:
        actual = component.settings.get(self.name)
        if actual == self.value:
            return None
        return f"its {self.name} is {actual or 'not set'}, expected {self.value or 'not set'}"


@dataclass(frozen=True)
class Placed(EachComponent):
    """Nearly all bytes of each component are on a device before and after the call. On a CPU only "meta" shows."""

    device: str  # "cuda", "cpu", or "meta" where the weights were taken out of the modules
    of: Names = EVERY
    moments: tuple[str, ...] = (BEFORE, AFTER)
    at_least: float = 0.9
    but: Names = ()

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        if device != "cuda" and self.device != "meta":
            return None
        return super().missing(inventory, device=device)

    def _missing_of(self, component: Component) -> str | None:
        for moment in self.moments:
            places = component.placement.get(moment, {})
            placed = sum(size for place, size in places.items() if place.partition(":")[0] == self.device)
            # Buffers stay where they are, unless a component has parameters of its own beside its parts.
            spared = component.buffer_bytes if self.device == "meta" else 0
            share = placed / max(sum(places.values()) - spared, 1)
            if share < self.at_least:
                return f"{share:.1%} of its bytes are on {self.device} {moment} the call, expected {self.at_least:.0%}"
        return None


@dataclass(frozen=True)
class Spread:
    """The components' bytes are spread over several GPUs before the call. Shows on GPUs only."""

    at_least: int = 2

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        if device != "cuda":
            return None
        places = {place for part in inventory.components.values() for place in part.placement.get(BEFORE, {})}
        gpus = sorted(place for place in places if place.startswith("cuda"))
        if len(gpus) >= self.at_least:
            return None
        return f"the components are on {', '.join(gpus) or 'no GPU'}, expected at least {self.at_least} GPUs"


@dataclass(frozen=True)
class OneStageAtATime:
    """Never are more components alive than one stage has: each frees its own before the next one loads them."""

    of: Names = ENCODERS  # which encode together
    others: int = 2  # that denoise and decode together, or decode and look at what was decoded
    denoising: Names = DENOISING  # which denoise together, as a ControlNet with its denoiser

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        most = max(len(self.of), len(self.denoising), self.others)
        return Counted(ALIVE, at_least=1, at_most=most).missing(inventory, device=device)


@dataclass(frozen=True)
class Counted:
    """A count taken while the pipeline ran lies within its bounds."""

    what: str
    at_least: int = 0
    at_most: int | None = None
    gpu_only: bool = False

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        if self.gpu_only and device != "cuda":
            return None
        number = inventory.counts.get(self.what)
        if number is None:
            return f"{self.what}: not counted"
        if number < self.at_least:
            return f"{self.what}: {number}, expected at least {self.at_least}"
        if self.at_most is not None and number > self.at_most:
            return f"{self.what}: {number}, expected at most {self.at_most}"
        return None


# What a run writes down of an effect is named by its class, so a class that is renamed keeps its old name here too.
EFFECTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Hooked,
        Unhooked,
        Layers,
        Quantized,
        Stored,
        Cast,
        Setting,
        Placed,
        Spread,
        OneStageAtATime,
        Counted,
    )
}


def _linears(component: Component) -> int:
    """Linear layers of any kind: plain, and those that a quantizer put in their place."""
    kinds = ("Linear", "Linear4bit", "Linear8bitLt", "QLinear", "GGUFLinear", "NonDynamicallyQuantizableLinear")
    return sum(component.module_classes.get(kind, 0) for kind in kinds)
