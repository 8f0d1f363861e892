"""Endless training data: worker processes draw scenes and write captions into shared memory."""

from __future__ import annotations

import multiprocessing
import queue
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fluxgate.miniature import captions, drawing, sampling, scenes
from fluxgate.miniature.training import grammar, layout
from fluxgate.variables import variables

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GUIDANCE = (1.0, 6.0)
CAPTIONS_EACH = 4  # captions written per drawn scene; a batch picks one of them
CLIP_LENGTH, T5_LENGTH = 77, 64  # tokens kept of a caption; no caption of the grammar is longer
HELD_OUT_SHARE = 32
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # of each worker


@dataclass(frozen=True)
class Frame:
    """One size of picture; the share is the part of the work spent on it at the start and at the end of training."""

    width: int
    height: int
    share: float
    share_at_end: float

    @property
    def tokens(self) -> int:
        return self.width * self.height // 256

    @property
    def bytes(self) -> int:
        return self.width * self.height * 3


FRAMES = (
    Frame(256, 256, 0.50, 0.42),
    Frame(128, 128, 0.06, 0.04),
    Frame(320, 192, 0.05, 0.05),
    Frame(192, 320, 0.05, 0.05),
    Frame(384, 384, 0.07, 0.07),
    Frame(512, 512, 0.08, 0.10),
    Frame(768, 512, 0.03, 0.04),
    Frame(512, 768, 0.03, 0.04),
    Frame(1360, 768, 0.13, 0.19),
)
TOY_FRAMES = (Frame(64, 64, 0.7, 0.7), Frame(96, 64, 0.3, 0.3))
SLOT_BYTES = 4 * 1360 * 768 * 3


@dataclass(frozen=True)
class Drawn:
    """Some drawn scenes of one frame, with the guidance they are coloured for and several captions each, as tokens."""

    frame: Frame
    pictures: NDArray[np.uint8]
    guidance: NDArray[np.float32]
    clip: NDArray[np.int16]
    t5: NDArray[np.int16]
    nouns: NDArray[np.int8]  # what T5's caption says of each noun, see grammar.py
    layout: NDArray[np.int8]  # what covers each token of the picture, see layout.py


def held_out(caption: str) -> bool:
    """Whether a caption is kept for evaluation: a fixed thirty-second of all wordings, never trained on."""
    return caption != captions.BLOG_PROMPT and zlib.crc32(caption.lower().encode()) % HELD_OUT_SHARE == 0


def training_pair(scene: scenes.Scene, rng: np.random.Generator) -> tuple[str, str]:
    while True:
        pair = captions.write_pair(scene, rng)
        if not any(held_out(caption) for caption in pair):
            return pair


def held_out_scenes(*, count: int, seed: int) -> Iterator[tuple[scenes.Scene, str]]:
    """Scenes with captions that no training ever used."""
    rng = np.random.default_rng([seed, 0x0E7A])
    while count:
        scene = sampling.sample(rng)
        caption = captions.write(scene, rng)
        if held_out(caption):
            count -= 1
            yield scene, caption


@dataclass(frozen=True)
class Words:
    """The two tokenizers as the pipeline uses them, without the weight of its libraries."""

    clip: Tokenizer
    t5: Tokenizer

    @classmethod
    def read(cls, folder: Path) -> Words:
        from tokenizers import Tokenizer

        clip = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json"))
        t5 = Tokenizer.from_file(str(folder / "tokenizer_2" / "tokenizer.json"))
        return cls(clip, t5)

    def clip_ids(self, caption: str) -> NDArray[np.int16]:
        return _fixed(self.clip.encode(caption).ids, CLIP_LENGTH, pad=self.clip.get_vocab_size() - 1)

    def t5_ids(self, caption: str) -> NDArray[np.int16]:
        return _fixed(self.t5.encode(caption).ids, T5_LENGTH, pad=0)


def _fixed(ids: list[int], length: int, *, pad: int) -> NDArray[np.int16]:
    kept = [*ids[: length - 1], ids[-1]] if len(ids) > length else ids  # the end token stays
    return np.array(kept + [pad] * (length - len(kept)), dtype=np.int16)


@dataclass(frozen=True)
class Told:
    """The tokens of a scene's captions for CLIP and for T5, and what the latter's nouns say."""

    clip: NDArray[np.int16]
    t5: NDArray[np.int16]
    nouns: NDArray[np.int8]


def tell(scene: scenes.Scene, words: Words, rng: np.random.Generator) -> Told:
    for_clip, for_t5 = training_pair(scene, rng)
    return Told(words.clip_ids(for_clip), words.t5_ids(for_t5), grammar.labels(for_t5, words.t5))


def draw(frame: Frame, count: int, words: Words, rng: np.random.Generator) -> Drawn:
    pictures = np.empty((count, frame.height, frame.width, 3), np.uint8)
    guidance = rng.uniform(*GUIDANCE, count).astype(np.float32)
    clip = np.empty((count, CAPTIONS_EACH, CLIP_LENGTH), np.int16)
    t5 = np.empty((count, CAPTIONS_EACH, T5_LENGTH), np.int16)
    nouns = np.empty((count, CAPTIONS_EACH, *grammar.SHAPE), np.int8)
    covered = np.empty((count, frame.tokens), np.int8)
    for index in range(count):
        scene = sampling.sample(rng, aspect=frame.width / frame.height)
        saturation = drawing.saturation_of(float(guidance[index]))
        pictures[index] = drawing.draw(scene, width=frame.width, height=frame.height, saturation=saturation)
        covered[index] = layout.labels(scene, width=frame.width, height=frame.height)
        for turn in range(CAPTIONS_EACH):
            told = tell(scene, words, rng)
            clip[index, turn], t5[index, turn], nouns[index, turn] = told.clip, told.t5, told.nouns
    return Drawn(frame, pictures, guidance, clip, t5, nouns, covered)


def choose_frame(frames: tuple[Frame, ...], rng: np.random.Generator) -> Frame:
    shares = np.array([(frame.share + frame.share_at_end) / 2 for frame in frames])
    return frames[int(rng.choice(len(frames), p=shares / shares.sum()))]


@dataclass(frozen=True)
class Plan:
    """What the workers draw, and from which seed."""

    frames: tuple[Frame, ...]
    folder: Path  # holds the tokenizers
    seed: int
    slot_bytes: int = SLOT_BYTES


class Stream:
    """Drawn scenes as they come: `take` returns some, or None when none is ready and waiting was not asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.words = Words.read(plan.folder)
        self.rng = np.random.default_rng([plan.seed, 0])

    def take(self, *, wait: bool) -> Drawn | None:
        frame = choose_frame(self.plan.frames, self.rng)
        return draw(frame, max(1, self.plan.slot_bytes // frame.bytes), self.words, self.rng)


class WorkerStream(Stream):
    """The same from worker processes, through slots of shared memory; `close` ends them."""

    def __init__(self, plan: Plan, *, workers: int) -> None:
        super().__init__(plan)
        context = multiprocessing.get_context("spawn")
        self.slots = [context.RawArray("B", plan.slot_bytes) for _ in range(3 * workers)]
        self.free: Any = context.Queue()
        self.full: Any = context.Queue()
        for index in range(len(self.slots)):
            self.free.put(index)
        with variables(ONE_THREAD):
            self.processes = [self._start(context, index) for index in range(workers)]

    def _start(self, context: Any, index: int) -> Any:
        arguments = (self.plan, index, self.slots, self.free, self.full)
        process = context.Process(target=_work, args=arguments, daemon=True)
        process.start()
        return process

    def take(self, *, wait: bool) -> Drawn | None:
        """The pictures are copied out of the slot, which goes back to the workers at once."""
        try:
            slot, frame, guidance, *rest = self.full.get(block=wait, timeout=120 if wait else None)
        except queue.Empty:
            if wait:
                raise RuntimeError("no worker has drawn anything for two minutes") from None
            return None
        pictures = _view(self.slots[slot], len(guidance), frame).copy()
        self.free.put(slot)
        return Drawn(frame, pictures, guidance, *rest)

    def close(self) -> None:
        for process in self.processes:
            process.terminate()


@contextmanager
def stream(plan: Plan, *, workers: int) -> Iterator[Stream]:
    """Drawn scenes from this many worker processes; none draws in this one."""
    if not workers:
        yield Stream(plan)
        return
    source = WorkerStream(plan, workers=workers)
    try:
        yield source
    finally:
        source.close()


def _view(slot: Any, count: int, frame: Frame) -> NDArray[np.uint8]:
    return np.frombuffer(slot, np.uint8, count * frame.bytes).reshape(count, frame.height, frame.width, 3)


def _work(plan: Plan, index: int, slots: list[Any], free: Any, full: Any) -> None:
    rng = np.random.default_rng([plan.seed, index + 1])
    words = Words.read(plan.folder)
    while True:
        frame = choose_frame(plan.frames, rng)
        drawn = draw(frame, max(1, plan.slot_bytes // frame.bytes), words, rng)
        slot = free.get()
        _view(slots[slot], len(drawn.guidance), frame)[:] = drawn.pictures
        full.put((slot, frame, drawn.guidance, drawn.clip, drawn.t5, drawn.nouns, drawn.layout))
