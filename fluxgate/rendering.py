"""A rendering: all that a worker saw of one case, as plain values that outlive the pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

SCHEMA = 1
RENDERING = "rendering.json"  # in the folder of a case

LOAD, ENCODE, DENOISE, DECODE = PHASES = ("load", "encode", "denoise", "decode")

# Where a picture can first leave its reference, in the order of the pipeline.
T5, POOLED, FIRST, MIDDLE, LAST, DECODED = STAGES = (
    "prompt embeddings",
    "pooled embeddings",
    "latents after the first step",
    "latents after the middle step",
    "latents after the last step",
    "decoded picture",
)

# Stages that are told apart only where each starts from what it is given, beside those above.
CLIP_TOKENS, T5_TOKENS = "CLIP's tokens", "T5's tokens"
OF_TEXTS = "of odd texts"  # as a call is named: of no prompt, but of texts that a tokenizer is given by itself
GENERATOR = "generator"  # an argument that a call draws from
LEVELS = "noise levels"
NOISE = "noise drawn"  # from the generator, and packed: what the first step starts from where nothing is given
DRAWN = "drawn by torch"  # beside it in the file: what torch draws from that generator
LAST_LATENTS = "latents of the last step"  # in the call in which each step starts from what the one before it gave
TO_DECODE = "latents for the VAE"
PICTURE = "picture"

# The calls in which each stage is run from what is given, beside the first, whose stages have their names alone.
SEVERAL, SEEDED, WHOLE = "several pictures", "several seeds", "a whole picture"


def of_call(stage: str, call: str) -> str:
    """A stage of one of these calls."""
    return f"{stage}, {call}" if call else stage


def without_call(stage: str) -> str:
    """The same stage of the first call."""
    return stage.partition(", ")[0]


_CALLERS = "caller's "


def callers(argument: str) -> str:
    """The stage of what a call leaves of an argument that the caller has, too."""
    return f"{_CALLERS}{argument}"


def is_callers(stage: str) -> bool:
    """Whether the stage is what a call leaves of some argument."""
    return stage.startswith(_CALLERS)


def to_denoiser(argument: str, step: int) -> str:
    """The stage at which the pipeline hands an argument to the denoiser."""
    return f"{argument} for step {step}"


_OUTPUT, _AFTER = "denoiser's output in step ", "latents after step "


def output_of(step: int) -> str:
    """The stage of what the denoiser gives."""
    return f"{_OUTPUT}{step}"


def is_output(stage: str) -> bool:
    """Whether the stage is what the denoiser gives in some step."""
    return stage.startswith(_OUTPUT)


def after_step(step: int) -> str:
    """The stage of what the scheduler makes of that."""
    return f"{_AFTER}{step}"


def is_after_step(stage: str) -> bool:
    """Whether the stage is what the scheduler makes of it."""
    return stage.startswith(_AFTER)


def tokenized_for(stage: str) -> str:
    """What the tokenizer itself makes of the prompts from which the stage comes."""
    return f"tokenizer's own answer for {stage}"


def tokens_for(stage: str) -> str:
    """What the encoder is given from which the stage comes."""
    return f"tokens for {stage}"


def encoded_for(stage: str) -> str:
    """What the encoder gives from which the stage comes."""
    return f"encoder's output for {stage}"


# Beside the stages, what tells whose doing other embeddings are.
CLUES = tuple(clue(stage) for stage in (T5, POOLED) for clue in (tokenized_for, tokens_for, encoded_for))

OWN_ARGUMENTS = "those of its class"  # what a component's forward says that it takes

BEFORE, DURING, AFTER = MOMENTS = ("before", "during", "after")

GIVEN = "given inputs"  # in place of a shot's name: the call in which each stage is run from what is given

# Counts of the inventory that every case owes to be low, whatever its strategy.
GRADIENTS = "calls with gradients"  # which keep what a backward pass would need
BESIDE = "bytes beside the components"  # of tensors in host memory, once all is loaded
# The same there, of tensors that Python can name: none in nearly all strategies; with bitsandbytes' eight bits behind
# model offloading 22 MB of codes stay, of weights of 57 MB.
BESIDE_ON_GPU = "bytes of a GPU beside the components"
SLEEPS = "sleeps"  # an event of work
OTHER_PROCESSES = "other processes"  # an event of work that is not counted here
HOOKS_CHANGED = "components whose hooks another call changed"
HOOKS_LEFT = "hooks left by remove_all_hooks"  # of accelerate's; not there where a pipeline has none, or no such call
# What a process holds outside of tensors.
MALLOC = "bytes of the C library"
BLOCKS = "blocks of Python"  # each of at most 512 bytes
MAPPED = "bytes of mapped files"  # shared memory is one
FILES_OPEN = "open files"
THREADS = "threads"
GPU_OTHERWISE = "bytes of the GPU outside of torch"  # other processes' are among them
SETTING_CHANGED = "left changed: "  # begins the count of a setting of the process that loading or a call changed
LEFTOVER_FILES = "files left behind"  # by second takes; not there if there was no second take
# Each begins a count of what there is more of after a later call than after the first one.
TORCH_HOOKS_GROWN = "more of torch's hooks: "  # then the component
HANDLERS_GROWN = "more handlers of a log: "  # then the log
# Once the pipeline is freed; not there where the worker did not come so far.
FILES_AT_END = "files left at the end"  # by loading or a call, outside of the strategy's own folder
PROCESSES_AT_END = "processes left at the end"
WEIGHTS_AT_END = "files of weights mapped at the end"
THREADS_AT_END = "threads left at the end"  # of Python's; not there where code is compiled
IN_TRAINING = "in training mode: "  # begins the count of a component that is
DRAWN_IN_LOADING = "draws from torch's own generator while loading"  # 1 if any were, as to make up weights
READ_IN_LOADING = "bytes of weight files opened while loading"  # a file that is opened twice counts twice
TIDIED_IN_LOADING = {  # by what was asked for
    "emptied": "times that loading had torch give its spare memory back",
    "collected": "times that loading had Python collect garbage",
}
NOT_THE_SAME = "not the same with "  # begins the count of an argument that changes what it should not
ALTERED_BY_REMOVAL = "weights that remove_all_hooks alters: "  # begins the count of a component
PRINTED = "writes to standard output"  # by loading and all calls
NETWORK_ASKED = "turns to the network"  # by loading and all calls: names looked up, connections begun
PICTURES_CHANGED = "pictures of one call that a later one changed"


def id_of_case(subject: str, strategy: str) -> str:
    """The name of a case: of its folder in a run, and in every table and option."""
    return f"{subject}-{strategy}"


@dataclass(frozen=True)
class Picture:
    """One picture on disk and the hash of the exact array it was made from."""

    shot: str
    index: int  # within the shot: prompts × pictures per prompt
    take: int  # 0 is the first time the shot was rendered, 1 the second
    file: str  # relative to the case's folder; takes with an equal hash share a file
    sha256: str
    height: int
    width: int
    mode: str
    frames: int | None = None  # of a video, side by side in a grid; None for a picture by itself

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns."""
        return grid_of(self.frames or 1)


@dataclass(frozen=True)
class StepPictures:
    """Small pictures of what the latents of one picture were after some steps: to look at, not to judge."""

    shot: str
    index: int
    file: str  # relative to the case's folder: all of them in it side by side
    steps: tuple[int, ...]  # their numbers, from 1
    height: int  # of one of them
    width: int


def grid_of(frames: int) -> tuple[int, int]:
    """Rows and columns that so many frames of a video are laid out in."""
    columns = math.ceil(math.sqrt(frames))
    return -(-frames // columns), columns


@dataclass(frozen=True)
class Fingerprint:
    """A tensor at a stage, told apart by its hash and described by a summary of its finite values."""

    shot: str
    take: int
    stage: str  # one of STAGES, or of CLUES
    sha256: str
    shape: tuple[int, ...]
    dtype: str
    mean: float
    std: float
    low: float
    high: float
    finite: bool  # False when the tensor holds a NaN or an infinity
    step: int | None = None  # the number of the step, for latents


@dataclass(frozen=True)
class GivenStage:
    """What a stage made of what it was given; its numbers are in a file beside the pictures, in their own dtype."""

    stage: str
    sha256: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    gradients: bool  # whether a backward pass could go through it


@dataclass(frozen=True)
class GivenTake:
    """A call in which each stage was run from what is given, after all that is measured."""

    stages: tuple[GivenStage, ...] = ()
    file: str | None = None  # safetensors, relative to the case's folder; None if nothing was seen
    error: str | None = None  # what ended the call early
    tiled: bool = False  # whether the decoder was told to decode in tiles
    layers: int = 0  # that the first call counts
    miscounted: dict[str, tuple[int, int]] = field(default_factory=dict)  # layer -> calls that were due, and its own
    raised_in: tuple[str, ...] = ()  # the libraries that the error came through, the innermost first
    changed: tuple[str, ...] = ()  # what a call left of its arguments, where it is not what it must be: see `callers`
    tokens: dict[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)  # tokenizer -> a row of each odd text


TENSORS_NAMED = 20  # of a component that are wrong in one way; of more than that the others are not told


@dataclass(frozen=True)
class StoredWeights:
    """What lies in memory of one component beside the tensors of its files, and how its linear layers are stored."""

    tensors: int  # that the files hold
    same: int  # whose every bit is the file's, in the dtype that they are stored in
    unread: int = 0  # whose values could not be read: they lie in a file that the strategy wrote, or in no known format
    differing: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # in the files, and not in memory
    made_up: tuple[str, ...] = ()  # in memory, and not in the files
    layers: dict[str, str] = field(default_factory=dict)  # linear layer -> how it is stored; empty if all are alike
    kinds: dict[str, int] = field(default_factory=dict)  # how linear layers are stored -> how many
    spared: tuple[str, ...] = ()  # last parts of names that the component's class keeps in float32
    codes: dict[str, float] = field(default_factory=dict)  # quantized layer -> the share of wrong codes, if any
    scales: dict[str, float] = field(default_factory=dict)  # quantized layer -> the error of its scales, if any
    offsets: dict[str, float] = field(default_factory=dict)  # doubly quantized layer -> the error of their mean, if any
    adapters: int = 0  # tensors of LoRAs in memory, which are in files of their own
    whole: bool = True  # False: of a large component, only the first numbers of each tensor were looked at


@dataclass(frozen=True)
class Component:
    """One component of the pipeline as it really was, whatever its own `.dtype` says."""

    name: str
    class_name: str
    bytes_by_dtype: dict[str, int]  # parameters and buffers
    quantized_bytes: int
    module_classes: dict[str, int]  # class name -> how many modules
    hooks: dict[str, int]  # hook class name -> how many
    settings: dict[str, str]  # e.g. compute_dtype, quant_type, double_quant of quantized layers
    placement: dict[str, dict[str, int]]  # moment -> device -> bytes
    state_sha256: str | None  # of all parameters and quantized codes and scales; None where it cannot be read
    linear_bytes: int | None = None  # of the weights of linear layers, with their scales: what can be quantized
    castable_bytes: int | None = None  # of the layers that layerwise casting takes; None for no model of diffusers
    buffer_bytes: int = 0
    # By dtype: of what the class keeps in a dtype of its own, as wide modules, and of buffers that no file has.
    exempt_bytes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)  # what it says of itself to whoever asks: dtype, adapter, …

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes_by_dtype.values())


@dataclass(frozen=True)
class Inventory:
    """What the pipeline was made of, and counts taken while it ran."""

    components: dict[str, Component]
    counts: dict[str, int] = field(default_factory=dict)  # e.g. tiles decoded, blocks on the GPU at once

    @property
    def total_bytes(self) -> int:
        return sum(component.total_bytes for component in self.components.values())


@dataclass(frozen=True)
class PhaseMemory:
    """Peaks within one phase, in bytes; None means that the machine cannot say (see Memory.unavailable)."""

    phase: str
    allocated: int | None
    reserved: int | None
    driver: int | None
    host: int | None


@dataclass(frozen=True)
class Memory:
    """Peaks for each phase, what stayed after freeing, and why a figure is missing."""

    phases: tuple[PhaseMemory, ...]
    held_after: int | None  # bytes still allocated on the pipeline's device once it is freed
    host_peak: int | None
    host_after: int | None
    driver_scope: str | None  # "process" or "device": what the driver's figure covers
    unavailable: dict[str, str] = field(default_factory=dict)  # figure -> reason
    host_loaded: int | None = None  # resident bytes once the pipeline was loaded
    host_held: int | None = None  # bytes of tensors in host memory that are alive once the pipeline is freed
    host_grown: int | None = None  # by how much host memory grew while shots were rendered a second time
    host_before: int | None = None  # resident bytes before anything was loaded
    held_by_caches: int = 0  # of what is held after freeing, what libraries keep in caches of their functions

    @property
    def held_by_pipeline(self) -> int | None:
        """What stayed after freeing, but for what a library keeps by itself."""
        return None if self.held_after is None else max(0, self.held_after - self.held_by_caches)

    @property
    def host_own(self) -> int | None:
        """What loading added to the worker's memory at its peak: also what was held only meanwhile."""
        peak = self.peak("host", (LOAD,))
        return None if peak is None or self.host_before is None else max(0, peak - self.host_before)

    def peak(self, figure: str = "allocated", phases: tuple[str, ...] = PHASES) -> int | None:
        """The largest value of a figure over some phases, or None if none of them could be measured."""
        values = [getattr(entry, figure) for entry in self.phases if entry.phase in phases]
        measured = [value for value in values if value is not None]
        return max(measured) if measured else None


@dataclass(frozen=True)
class Duration:
    """Seconds of one phase of one take of one shot; load has no shot."""

    phase: str
    seconds: float
    shot: str | None = None
    take: int | None = None
    steps: tuple[float, ...] = ()  # for denoise: seconds of each step, on a GPU its own
    levels: tuple[float, ...] = ()  # for denoise: the noise levels that the scheduler went through
    processor: float | None = None  # seconds that the processor worked, all threads: waiting for others does not count
    calls: int | None = None  # for denoise: how often the denoiser was called
    steps_processor: tuple[float, ...] = ()  # for denoise: seconds that the processor worked in each step
    repeats: int = 0  # for encode and decode: how often the same was encoded or decoded once more
    gpu: float | None = None  # seconds between the GPU's own marks at both ends; None where there is no GPU
    waited: float | None = None  # of `seconds`, those for which all was asked for and the GPU was not done
    steps_clock: tuple[float, ...] = ()  # for denoise: seconds by the clock until all of each step was asked for
    delayed: float | None = None  # for which its threads could have worked and others had the processor, all together
    # For denoise: seconds of fixed work before and after the take, by the clock and of the processor.
    fixed_work: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Unmoved:
    """Bytes of weights that were used in a phase though nobody had asked to move them: all that shows without a GPU of
    where an offload would have kept them."""

    most: int = 0  # at once, since they were used
    last: int = 0  # the same, when the phase ended
    unasked: int = 0  # before they were used for the first time


@dataclass(frozen=True)
class PhaseWork:
    """What one call of a pipeline did in one phase, counted; what is not there was done not once."""

    phase: str
    operators: dict[str, int] = field(default_factory=dict)  # "aten.mm" -> how often
    flops: dict[str, int] = field(default_factory=dict)  # operator -> floating-point operations
    bytes: dict[str, int] = field(default_factory=dict)  # "host to device" -> bytes
    moves: dict[str, int] = field(default_factory=dict)  # the same -> how often
    components: dict[str, int] = field(default_factory=dict)  # component -> calls
    modules: dict[str, int] = field(default_factory=dict)  # class -> calls
    events: dict[str, int] = field(default_factory=dict)  # hooks that ran, groups that moved, waits for the device
    repeats: dict[str, int] = field(default_factory=dict)  # component -> calls with the same inputs as an earlier one
    unmoved: Unmoved | None = None  # None: nobody counted, or there is a GPU, where it shows what moves
    collected: int | None = None  # how often somebody asked Python to collect garbage; None: nobody counted
    pinned: int | None = None  # bytes that went to the GPU from pinned memory; None: nobody counted, or no GPU
    emptied: int | None = None  # how often torch gave its spare memory back to the GPU; None: nobody counted, or no GPU


@dataclass(frozen=True)
class Work:
    """What a take that is only counted did: one shot with few steps, several times."""

    shot: str
    steps: int
    calls: tuple[tuple[PhaseWork, ...], ...]  # the first, and of the later ones those that did something else
    count: int = 0  # of the calls
    weights: dict[str, int] = field(default_factory=dict)  # component -> bytes of its weights
    # The same, each layer's own as often as it was called in the first call: none in what an older Fluxgate counted.
    layers: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0  # that it took, beside all that is judged
    held: tuple[int, ...] = ()  # bytes of tensors after each call: on the GPU, or in memory where there is none
    held_in_memory: tuple[int, ...] = ()  # the same in memory, where there is a GPU
    held_named: tuple[int, ...] = ()  # the same on the GPU, of those that Python can name: exact, as nothing is rounded
    unavailable: str | None = None  # why nothing was counted

    @property
    def first(self) -> tuple[PhaseWork, ...]:
        return self.calls[0] if self.calls else ()


@dataclass(frozen=True)
class Repeated:
    """What the process held outside of tensors before and after each of several calls whose seconds do not count."""

    readings: dict[str, tuple[int, ...]] = field(default_factory=dict)  # counter -> the first is before all calls
    idle: tuple[int, ...] = ()  # of the GPU outside of torch, just before each call: what has changed since is others'
    types: dict[str, int] = field(default_factory=dict)  # of Python objects -> how many more there are after all calls
    unavailable: str | None = None  # why nothing was read

    def least(self, counter: str) -> int | None:
        """What every one of the calls has added at least; caches that fill now and then are no part of it."""
        readings = self.readings.get(counter, ())
        return min((after - before for before, after in pairwise(readings)), default=None)


LAST_LINES = 20  # of a log or a traceback, that a crash keeps


class CrashKind(StrEnum):
    """What kind of end it was, as far as a reader acts on it."""

    EXCEPTION = "exception"
    IMPORT = "import"  # the libraries cannot be imported
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"
    CUDA_ERROR = "CUDA error"
    SIGNAL = "signal"
    TIMEOUT = "timeout"
    EXIT = "exit"  # without a word, before the work was done
    INTERRUPTED = "interrupted"  # the run was cut short


@dataclass(frozen=True)
class Crash:
    """How a worker ended when it did not end well."""

    kind: str  # a CrashKind; of a run that a newer Fluxgate made, perhaps another one
    sentence: str
    phase: str | None
    last_lines: tuple[str, ...]
    limit: int | None = None  # bytes of a GPU that the worker was held to, where that is what it ran out of
    raised_in: tuple[str, ...] = ()  # the libraries that an exception came through, the innermost first


@dataclass(frozen=True)
class Rendering:
    """Everything one case gave."""

    subject: str
    strategy: str
    device: str  # "cuda" or "cpu"
    recipes: dict[str, str]  # shot -> hash of its recipe
    pictures: tuple[Picture, ...]
    fingerprints: tuple[Fingerprint, ...]
    inventory: Inventory | None
    memory: Memory | None
    durations: tuple[Duration, ...]
    warnings: tuple[str, ...]
    determinism: dict[str, str]
    wall_seconds: float  # of the whole worker, as the parent saw it
    crash: Crash | None = None
    draws: dict[str, tuple[float, ...]] = field(default_factory=dict)  # dtype -> noise that torch draws in it
    libraries: dict[str, str] = field(default_factory=dict)  # package -> the version that the worker imported
    work: Work | None = None
    schema: int = SCHEMA
    given: GivenTake | None = None  # where the subject has an oracle
    weights: dict[str, StoredWeights] = field(default_factory=dict)  # by component
    steps: tuple[StepPictures, ...] = ()  # of the first takes; older renderings have none
    repeated: Repeated | None = None
    beside: dict[str, float] = field(default_factory=dict)  # seconds of the worker beside its durations, by what for
    held_by_others: int | None = None  # bytes of its GPUs, before it began or after it ended; None where nobody says
    at_once: int = 1  # cases that could share its device; its seconds tell something where it had that to itself

    @property
    def case_id(self) -> str:
        return id_of_case(self.subject, self.strategy)

    def pictures_of(self, take: int = 0) -> dict[tuple[str, int], Picture]:
        """The pictures of one take, by shot and index."""
        return {(picture.shot, picture.index): picture for picture in self.pictures if picture.take == take}

    def fingerprints_of(self, shot: str, take: int = 0) -> dict[str, Fingerprint]:
        """The stages of one take of one shot, by name, in the order of the pipeline, and then the clues."""
        by_stage = {each.stage: each for each in self.fingerprints if (each.shot, each.take) == (shot, take)}
        return {stage: by_stage[stage] for stage in (*STAGES, *CLUES) if stage in by_stage}

    def levels(self, take: int = 0) -> dict[str, tuple[float, ...]]:
        """The noise levels of each shot of one take, where its scheduler has any."""
        return {d.shot: d.levels for d in self.durations if d.shot and d.take == take and d.levels}

    def seconds(self, phase: str, take: int | None = None) -> float | None:
        """Seconds spent in a phase, over all shots (of one take), or None if the phase never ended."""
        spent = [d.seconds for d in self.durations if d.phase == phase and (take is None or d.take == take)]
        return sum(spent) if spent else None

    def processor_seconds(self, phase: str, take: int | None = None) -> float | None:
        """Seconds that the processor worked in a phase, or None where that was not noted."""
        return _sum_if_all(d.processor for d in self._of(phase, take))

    def gpu_seconds(self, phase: str, take: int | None = None) -> float | None:
        """Seconds of the GPU's own in a phase, or None where there is none or they were not noted."""
        return _sum_if_all(d.gpu for d in self._of(phase, take))

    def _of(self, phase: str, take: int | None) -> list[Duration]:
        return [d for d in self.durations if d.phase == phase and (take is None or (d.take or 0) == take)]


def _sum_if_all(values: Iterable[float | None]) -> float | None:
    """The sum of what was noted each time."""
    values = tuple(values)
    noted = [value for value in values if value is not None]
    return sum(noted) if noted and len(noted) == len(values) else None
