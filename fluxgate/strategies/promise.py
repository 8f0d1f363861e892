"""Strategy, promise and the effects that prove a strategy did something."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fluxgate import configuration
from fluxgate.configuration import NAME
from fluxgate.own_modules import imported
from fluxgate.pipeline_folder import read_index
from fluxgate.refusal import Refusal
from fluxgate.rendering import PHASES, Inventory
from fluxgate.strategies.requirements import Need, Requirements, release
from fluxgate.subjects.subject import Subject


class Effect(Protocol):
    """Something that the inventory shows when, and only when, the strategy worked."""

    def missing(self, inventory: Inventory, *, device: str) -> str | None:
        """What the inventory lacks of the effect, or None; also where the effect cannot show on this device."""


@dataclass(frozen=True)
class LibraryCache:
    """Bytes that a library keeps on the GPU for itself, however often the pipeline is freed, and why."""

    size: int
    because: str


@dataclass(frozen=True)
class Moves:
    """How often a strategy moves its weights to the device, and back."""

    each_use: bool = False  # each weight for each call of its component; else once in a call of the pipeline
    # How many times the bytes that are needed a machine without GPU is asked to move, where nothing has to be copied:
    # hooks ask for weights that are there already, and for some twice. Measured with the miniature, rounded up.
    asked: float = 5.5
    copies: float = 1.0  # how many times each weight is really copied then
    ahead: bool = False  # groups come to the device before they are needed


@dataclass(frozen=True)
class OtherWork:
    """Work that a strategy may do and its reference does not, or the other way round, and why."""

    because: str
    phases: tuple[str, ...] = PHASES
    operators: tuple[str, ...] = ()  # the beginnings of their names; "" is any of them
    flops: float | None = 0.0  # by which share of the reference's its own may differ; None: by any
    given_pictures: bool = False  # only where the call starts from pictures that it is given
    most: int | None = None  # how many more calls of an operator there may be; None: any number, or fewer


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a strategy must do. The reference of all promises nothing but to be rendered."""

    reproduces: str | None = None  # to the pixel
    approximates: str | None = None  # above a measured floor
    less_memory_than: str | None = None  # peak of allocated bytes on a GPU
    less_during: tuple[str, ...] = PHASES  # the phases that the memory promise is about
    spares_host: bool = False  # on a CPU, it holds less of the weights once loaded than the strategy with more memory
    effects: tuple[Effect, ...] = ()
    library_cache: LibraryCache | None = None  # what may stay on the GPU beside what stays of the reference
    changes_weights: bool = False  # stores them otherwise than full does: identical pictures mean that it did nothing
    stays: bool = False  # its weights never move while it works
    moves: Moves | None = None  # how its weights do; neither: nothing is said of them
    other_work: tuple[OtherWork, ...] = ()  # beside its reference's, which it does but for transfers
    adapts: bool = False  # it leaves the weights of an adapter in memory, beside those of the files
    # What of `miniature.given.COMPUTED_AS` it computes, if another thing than the networks by themselves.
    computed_as: str | None = None
    control: str | None = None  # the strategy of `coarse` that keeps half as many levels: no limit may let it through

    @property
    def reference(self) -> str | None:
        return self.reproduces or self.approximates

    @property
    def compared_with(self) -> tuple[str, ...]:
        """The strategies whose renderings it takes to judge the promise."""
        return tuple(name for name in (self.reference, self.less_memory_than) if name)


class PartRunner(Protocol):
    """Runs parts of a strategy's work in processes of their own, watched and measured there as if it were here."""

    def start(self) -> None:
        """Get ready, so that no part waits for imports."""

    def run(self, phase: str, part: Callable[..., None], /, **arguments: Any) -> None:
        """Call a function, which its module has by its name, with a site and with plain data as keyword arguments;
        a process that dies is an error that names the phase."""


def uncounted(what: str, number: int) -> None:
    """Where nobody asks what a strategy counts."""


def unremembered() -> None:
    """Where nobody asks what loading leaves changed."""


@dataclass(frozen=True)
class Site:
    """Where a strategy builds: the subject's files, the device, a folder to write in, and the probe that watches."""

    subject: Subject
    folder: Path  # the pipeline on disk, safetensors only
    device: str  # "cuda" or "cpu"
    scratch: Path
    watch: Callable[[Any], None]  # a staged strategy hands each of its pipelines to the probe as soon as it is built
    part_runner: PartRunner | None = None
    count: Callable[[str, int], None] = uncounted  # notes a number that a strategy saw, for its effects
    begin: Callable[[], None] = unremembered  # from here on, loading must leave the process's settings as they are

    @property
    def dtype(self) -> Any:
        import torch

        return getattr(torch, self.subject.dtype)

    def dtype_of(self, name: str) -> Any:
        """That of a component, where the subject gives it one of its own."""
        import torch

        return getattr(torch, self.subject.dtype_of(name))

    @property
    def dtypes(self) -> Any:
        """The dtype of all, or that of each component that has one of its own and of all others."""
        own = {name: self.dtype_of(name) for name in self.subject.dtypes}
        return {**own, "default": self.dtype} if own else self.dtype

    @property
    def pipeline_class(self) -> Any:
        import diffusers

        name = self.subject.pipeline
        return getattr(diffusers, name) if hasattr(diffusers, name) else own_class(name)

    def pipeline(self, *, folder: Path | None = None, dtype: Any = None, noise: Any = None, **components: Any) -> Any:
        """The subject's pipeline, with some components or settings replaced, still on the CPU; whatever its dtype, it
        starts from the noise that the subject's dtype draws, if not from another's."""
        pipe = (
            self._built(dtype, components)
            if folder is None
            else self._from_folder(folder, dtype or self.dtypes, components)
        )
        if (noise or self.dtype) != (dtype or self.dtype):
            draw_noise_in(pipe, noise or self.dtype)
        return pipe

    def _built(self, dtype: Any, components: dict[str, Any]) -> Any:
        """From the subject's folder, or its one file, with the components that have a file of their own out of that."""
        import diffusers

        own = [name for name in self.subject.files if name not in components]
        components = components | {name: self.from_file(name, dtype=dtype) for name in own}
        if self.subject.checkpoint is None:
            variant = {"variant": self.subject.variant} if self.subject.variant else {}
            return self._from_folder(self.folder, dtype or self.dtypes, components | variant)
        return self.pipeline_class.from_single_file(
            self.subject.checkpoint,
            config=str(self.folder),
            local_files_only=True,
            **dtype_setting(diffusers, dtype or self.dtype),
            **components,
        )

    def _from_folder(self, folder: Path, dtype: Any, settings: dict[str, Any]) -> Any:
        import diffusers

        precision = dtype_setting(diffusers, dtype)
        return self.pipeline_class.from_pretrained(folder, **precision, **{"use_safetensors": True, **settings})

    def from_file(self, name: str, *, dtype: Any = None, **settings: Any) -> Any:
        """A component from the one file that its weights lie in, with the configuration of the subject's folder."""
        import diffusers

        if name in self.subject.in_gguf:
            settings["quantization_config"] = diffusers.GGUFQuantizationConfig(
                compute_dtype=dtype or self.dtype_of(name)
            )
        return getattr(diffusers, read_index(self.folder).components[name][1]).from_single_file(
            self.subject.single_file(name),
            config=str(self.folder),
            subfolder=name,
            local_files_only=True,
            **dtype_setting(diffusers, dtype or self.dtype_of(name)),
            **settings,
        )


@dataclass(frozen=True)
class Strategy:
    """One way to fit a subject into memory. `load` gives what is called like the pipeline itself."""

    name: str
    family: str
    about: str
    load: Callable[[Site], Any]
    promise: Promise
    unsupported: Need  # why it cannot run on a machine, known before anything is rendered
    slow: bool = False  # leaves the long shots out
    noise: str | None = None  # the dtype that its noise is drawn in, if not the subject's
    gpus: int = 1  # how many it must see
    compiles: bool = False  # code is compiled in the first calls, which therefore belong to loading


def strategy(
    promise: Promise,
    *,
    needs: tuple[Need, ...] = (),
    slow: bool = False,
    noise: str | None = None,
    gpus: int = 1,
    compiles: bool = False,
) -> Callable[[Callable[[Site], Any]], Strategy]:
    """Make a strategy of the function that loads it: its name, its docstring and its file say the rest."""

    def made_of(load: Callable[[Site], Any]) -> Strategy:
        _refuse_other_parameters(load)
        name, family = load.__name__.replace("_", "-"), load.__module__.rpartition(".")[2]
        # The module's name now holds the Strategy; a worker finds the function in it by this one.
        load.__qualname__ += ".load"
        unsupported = Requirements(needs)
        return Strategy(name, family, _first_line(load), load, promise, unsupported, slow, noise, gpus, compiles)

    return made_of


def own_class(name: str) -> Any:
    """A class of pipelines in one of the modules that the configuration names."""
    configured = configuration.current()
    modules = (imported(configured, "pipelines", module) for module in configured.pipelines)
    found = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
    if found is None:
        raise Refusal(f"There is no pipeline {name}, neither in diffusers nor in a module that {NAME} names.")
    return found


def _refuse_other_parameters(load: Callable[..., Any]) -> None:
    """A function that cannot be called with a site alone would fail when its first case is rendered."""
    signature = inspect.signature(load)
    try:
        signature.bind(None)
    except TypeError as error:
        written = f"{load.__module__}.{load.__qualname__}{signature}"
        raise Refusal(f"{written} must be a function of one argument, the site.") from error


def draw_noise_in(pipe: Any, dtype: Any) -> None:
    """Let a pipeline draw its noise in another dtype than its own: some releases of torch give each dtype other numbers
    for the same seed, and the picture would be another one. What it encodes beside it, as a picture, stays its own."""
    prepare_latents = pipe.prepare_latents
    homes = [sys.modules[kind.__module__] for kind in type(pipe).__mro__ if "prepare_latents" in vars(kind)]
    module = next((home for home in homes if hasattr(home, "randn_tensor")), None)
    if module is None:  # it draws by another function, which this cannot stand in for
        return

    def prepare(*arguments: Any, **named: Any) -> Any:
        draw = module.randn_tensor  # each of diffusers' pipelines imports it by that name
        module.randn_tensor = _drawing_in(dtype, draw)  # type: ignore[attr-defined]  # a module is no class
        try:
            return prepare_latents(*arguments, **named)
        finally:
            module.randn_tensor = draw  # type: ignore[attr-defined]  # as above

    pipe.prepare_latents = prepare


def _drawing_in(wanted: Any, draw: Callable[..., Any]) -> Callable[..., Any]:
    """What draws in one dtype, and gives it in the dtype that it is asked for."""
    import torch

    def drawn(*arguments: Any, dtype: Any = None, **named: Any) -> Any:
        return draw(*arguments, dtype=wanted, **named).to(dtype or torch.get_default_dtype())

    return drawn


def dtype_setting(library: Any, dtype: Any) -> dict[str, Any]:
    """The dtype to load in, under the name that this release of diffusers or transformers has for it."""
    renamed = {"diffusers": "0.40.0", "transformers": "4.56.0"}[library.__name__]
    return {"dtype" if release(library.__version__) >= release(renamed) else "torch_dtype": dtype}


def _first_line(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]
