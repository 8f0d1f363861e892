"""The second stage: the transformer and both text encoders learn, from nothing, to draw what captions ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fluxgate.miniature.training import grammar, layout, steering
from fluxgate.miniature.training.data import T5_LENGTH, Drawn, Frame, Stream
from fluxgate.miniature.training.journal import Journal
from fluxgate.miniature.training.optimisation import Masters, rate_at
from fluxgate.miniature.training.together import Clock, average
from fluxgate.miniature.training.vae import first_weight, normalised_latents, to_pixels

if TYPE_CHECKING:
    from torch import Tensor, nn

RATE = 1e-3
WARMUP, DECAY = 200, 0.5  # steps in which the learning rate rises, and the last share of the time in which it falls
LOOK_EVERY = 200  # steps between two looks at whether the loss is still a number
TOKENS = 80_000  # of one step on one device, text and picture together
# Matrices within blocks, except those that modulate.
HIDDEN = r"blocks\.\d+\.(?!norm)|SelfAttention\.[qkvo]\.|DenseReluDense|self_attn|\.mlp\."
SLOW = r"SelfAttention\.q\."  # T5's scores are not divided by a head's width, so its queries must stay small
TEXT_LENGTHS = {64: 0.65, 128: 0.08, 256: 0.09, 512: 0.18}  # FluxPipeline pads to max_sequence_length, 512 if not told
UNIFORM_SHARE = 0.15  # of the noise levels are uniform, the rest logit-normal, as Stable Diffusion 3 found best
RING_BYTES = 4 << 30
GRAMMAR_WEIGHT, LAYOUT_WEIGHT = 0.1, 0.2
PIPELINE_PARTS = ("transformer", "text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class Learners:
    """The modules that learn in this stage, in the dtype the pipeline runs in."""

    transformer: nn.Module
    text_encoder: nn.Module
    text_encoder_2: nn.Module
    examiner: nn.Module  # of T5's side task; no part of the pipeline
    surveyor: nn.Module  # of the transformer's

    def named(self) -> dict[str, nn.Module]:
        return {name: getattr(self, name) for name in (*PIPELINE_PARTS, "examiner", "surveyor")}


@dataclass(frozen=True)
class Budget:
    """How long to train, and how much one step holds."""

    seconds: float
    tokens: int = TOKENS
    text_lengths: Mapping[int, float] = field(default_factory=lambda: dict(TEXT_LENGTHS))
    done: float = 0.0
    goal: float = 0.0  # seconds of the whole training, of which `done` lie behind; 0: this run is all of it
    without: int = 0  # steps behind in which some captions were empty
    guide: float = 0.0  # how far targets were pushed already: never less again
    patience: int = steering.PATIENCE

    def progress(self, seconds: float) -> float:
        """Share of the whole training that lies behind after this many seconds of this run."""
        return min(1.0, (self.done + seconds) / max(self.goal, self.done + self.seconds, 1e-9))

    def guide_at(self, progress: float, *, steps: int) -> float:
        """How far targets are pushed after this many steps of this run."""
        return max(self.guide, steering.guide_at(progress, steps=self.without + steps, patience=self.patience))


class Ring:
    """The latest scenes of one frame as latents and tokens, on the device; new ones replace the oldest."""

    def __init__(self, *, most: int) -> None:
        self.most = most
        self.count = 0
        self.next = 0
        self.tensors: dict[str, Tensor] = {}

    def add(self, **rows: Tensor) -> None:
        import torch

        number = len(next(iter(rows.values())))
        if not self.tensors:
            for name, value in rows.items():
                self.tensors[name] = torch.empty(self.most, *value.shape[1:], dtype=value.dtype, device=value.device)
        device = next(iter(rows.values())).device
        places = (torch.arange(number, device=device) + self.next) % self.most
        for name, value in rows.items():
            self.tensors[name][places] = value
        self.next = (self.next + number) % self.most
        self.count = min(self.most, self.count + number)

    def pick(self, number: int) -> dict[str, Tensor]:
        import torch

        device = self.tensors["latents"].device
        chosen = torch.randint(self.count, (number,), device=device)
        return {name: value[chosen] for name, value in self.tensors.items()}


class Store:
    """One ring for each frame, filled from the stream through the frozen VAE."""

    def __init__(self, vae: nn.Module, source: Stream) -> None:
        self.vae = vae
        self.source = source
        self.rings: dict[Frame, Ring] = {}
        self.drawn = 0
        self.blank = steering.blank(source.words, first_weight(vae).device)

    @property
    def young(self) -> bool:
        """Few scenes are there yet: drawing new ones is worth more of the time."""
        return self.drawn < 60_000

    def absorb(self, *, wait: bool) -> None:
        drawn = self.source.take(wait=wait)
        if drawn is None:
            return
        ring = self.rings.get(drawn.frame)
        if ring is None:
            most = max(64, RING_BYTES // (drawn.frame.tokens * 64 * 2) // 2)
            ring = self.rings[drawn.frame] = Ring(most=min(most, 100_000))
        ring.add(**self._rows(drawn))
        self.drawn += len(drawn.guidance)

    def _rows(self, drawn: Drawn) -> dict[str, Tensor]:
        import torch

        like = first_weight(self.vae)
        picture = to_pixels(drawn, like)
        parts = picture.split(max(1, 16 * 65536 // (drawn.frame.width * drawn.frame.height)))
        latents = torch.cat([normalised_latents(self.vae, part) for part in parts]).to(like.dtype)
        given = {name: getattr(drawn, name) for name in ("guidance", "clip", "t5", "nouns", "layout")}
        return {"latents": latents, **{name: torch.from_numpy(value).to(like.device) for name, value in given.items()}}


@dataclass(frozen=True)
class Batch:
    """One step's pictures and captions, as the pipeline would hand them to its modules; the last have no caption."""

    frame: Frame
    latents: Tensor
    guidance: Tensor
    clip: Tensor
    t5: Tensor
    nouns: Tensor
    layout: Tensor
    blank: steering.Blank

    @property
    def asked(self) -> int:
        """How many have a caption."""
        return len(self.latents) - steering.dropped(len(self.latents))


@dataclass(frozen=True)
class Lesson:
    """One step's losses: what is minimised, the velocity's error alone where a caption told it, and shares of right
    answers: of what captions say of their nouns, and of tokens that a thing covers.
    """

    loss: Tensor
    error: Tensor
    understood: Tensor
    placed: Tensor


@dataclass(frozen=True)
class Noisy:
    """Packed latents with noise on them, as the transformer gets them: so many rows by columns of tokens each."""

    latents: Tensor
    sigma: Tensor
    guidance: Tensor
    rows: int
    columns: int

    def first(self, number: int) -> Noisy:
        some = self.latents[:number], self.sigma[:number], self.guidance[:number]
        return Noisy(*some, self.rows, self.columns)


@dataclass(frozen=True)
class Outcome:
    """What a run adds to those before it, beside the weights."""

    drawn: int
    steps: int
    guide: float


def train(
    learners: Learners, vae: nn.Module, source: Stream, journal: Journal, *, budget: Budget, masters: Masters
) -> Outcome:
    """Train for this long; the averaged weights stay in `masters`."""
    import torch

    store = Store(vae, source)
    frames = source.plan.frames
    while len(store.rings) < len(frames):
        store.absorb(wait=True)
    rng = np.random.default_rng(masters.steps)  # every device takes the same frame, so that none waits for another
    first = masters.steps
    guard = Guard(masters)
    clock = Clock(first_weight(vae))
    guide = 0.0
    while (passed := clock.passed()) < budget.seconds or masters.steps < first + 3:
        if store.young or masters.steps % 2:
            store.absorb(wait=False)
        progress = budget.progress(passed)
        batch = _batch(store, rng, budget=budget, progress=progress)
        guide = budget.guide_at(progress, steps=masters.steps - first)
        lesson = learn(learners, batch, guide=guide)
        lesson.loss.backward()
        share = rate_at(progress, steps=masters.steps - first, warmup=WARMUP, decay=DECAY)
        norm = masters.step(share * guard.caution)
        figures = {"loss": lesson.error, "understood": lesson.understood, "placed": lesson.placed, "gradient": norm}
        journal.note("flow", step=masters.steps, samples=len(batch.latents), **figures, guide=torch.tensor(guide))
        if masters.steps % LOOK_EVERY == 0:
            guard.look(lesson.loss.detach().clone())
    return Outcome(store.drawn, masters.steps - first, guide)


class Guard:
    """Goes back to the last good weights, and slower, should the loss ever stop being a number."""

    def __init__(self, masters: Masters) -> None:
        self.masters = masters
        self.caution = 1.0
        self.good = masters.state()

    def look(self, value: Tensor) -> None:
        average([value])  # all devices must come to the same judgement
        if np.isfinite(float(value)):
            self.good = self.masters.state()
            return
        print("the loss is not a number: back to the last good weights at half the rate", flush=True)
        self.masters.restore(self.good)
        self.caution *= 0.5


def _batch(store: Store, rng: np.random.Generator, *, budget: Budget, progress: float) -> Batch:
    import torch

    frames = store.source.plan.frames
    shares = np.array([frame.share + (frame.share_at_end - frame.share) * progress for frame in frames])
    frame = frames[int(rng.choice(len(frames), p=shares / shares.sum()))]
    odds = np.array(list(budget.text_lengths.values()))
    length = int(rng.choice(list(budget.text_lengths), p=odds / odds.sum()))
    number = max(2, budget.tokens // (frame.tokens + length) // 8 * 8)
    rows = store.rings[frame].pick(number)
    turn = torch.randint(rows["clip"].shape[1], (number,), device=rows["clip"].device)
    each = torch.arange(number, device=turn.device)
    clip, t5, nouns = (rows[name][each, turn].long() for name in ("clip", "t5", "nouns"))
    bare = slice(number - steering.dropped(number), None)
    clip[bare], t5[bare], nouns[bare] = store.blank.clip, store.blank.t5, grammar.ABSENT
    given = clip, _padded(t5, length), nouns
    return Batch(frame, rows["latents"], rows["guidance"], *given, rows["layout"], store.blank)


def _padded(ids: Tensor, length: int) -> Tensor:
    from torch.nn.functional import pad

    return ids[:, :length] if length <= T5_LENGTH else pad(ids, (0, length - T5_LENGTH))


def learn(learners: Learners, batch: Batch, *, guide: float = 0.0) -> Lesson:
    """Mean squared error of the velocity, at noise levels drawn as densely as the sampler visits them."""
    import torch

    clean = pack(batch.latents.float())
    noise = torch.randn_like(clean)
    sigma = noise_levels(len(clean), tokens=clean.shape[1], device=clean.device)
    mixed = (1 - sigma[:, None, None]) * clean + sigma[:, None, None] * noise
    noisy = Noisy(mixed, sigma, batch.guidance, batch.latents.shape[2] // 2, batch.latents.shape[3] // 2)
    text = learners.text_encoder_2(batch.t5)[0]
    pooled = learners.text_encoder(batch.clip).pooler_output
    with _overheard(layout.block(learners.transformer)) as middle:
        velocity = predict(learners.transformer, noisy, text=text, pooled=pooled).float()
    tokens = layout.picture_tokens(middle[0], number=clean.shape[1])
    plain = noise - clean
    wanted = _pushed(learners, batch, noisy, plain=plain, velocity=velocity, guide=guide) if guide else plain
    answers = grammar.examine(learners.examiner, text, batch.nouns)
    places = layout.examine(learners.surveyor, tokens, batch.layout, sigma=sigma)
    side = GRAMMAR_WEIGHT * answers.loss + LAYOUT_WEIGHT * places.loss
    error = (velocity - plain).detach()[: batch.asked].square().mean()
    return Lesson((velocity - wanted).square().mean() + side, error, answers.right, places.right)


@contextmanager
def _overheard(module: nn.Module) -> Iterator[list[Any]]:
    """What a module within another returns, while the other is called."""
    heard: list[Any] = []
    hook = module.register_forward_hook(lambda _module, _given, output: heard.append(output))
    try:
        yield heard
    finally:
        hook.remove()


def _pushed(learners: Learners, batch: Batch, noisy: Noisy, *, plain: Tensor, velocity: Tensor, guide: float) -> Tensor:
    """The velocity to learn: pushed, in half of the batch, away from what the transformer answers without a caption."""
    import torch

    number = steering.pushed(len(plain))
    with torch.no_grad():
        text = learners.text_encoder_2(batch.blank.t5[None])[0].expand(number, -1, -1)
        pooled = learners.text_encoder(batch.blank.clip[None]).pooler_output.expand(number, -1)
        unasked = predict(learners.transformer, noisy.first(number), text=text, pooled=pooled)
        weight = steering.weights(noisy.sigma, guide=guide, asked=batch.asked)
        return steering.target(plain, velocity, unasked, weight=weight)


def predict(transformer: Any, noisy: Noisy, *, text: Tensor, pooled: Tensor) -> Tensor:
    """The transformer's answer, with every input rounded as FluxPipeline rounds it."""
    import torch

    dtype = first_weight(transformer).dtype
    answer = transformer(
        hidden_states=noisy.latents.to(dtype),
        timestep=(noisy.sigma * 1000).to(dtype) / 1000,
        guidance=noisy.guidance,
        pooled_projections=pooled,
        encoder_hidden_states=text,
        txt_ids=torch.zeros(text.shape[1], 3, dtype=dtype, device=text.device),
        img_ids=position_ids(noisy.rows, noisy.columns, like=pooled),
        return_dict=False,
    )[0]
    assert isinstance(answer, torch.Tensor)
    return answer


def noise_levels(number: int, *, tokens: int, device: Any) -> Tensor:
    """Logit-normal, shifted for the number of picture tokens as FLUX.1-dev's scheduler shifts its steps."""
    import torch

    shift = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    normal = torch.sigmoid(torch.randn(number, device=device) + shift)
    uniform = torch.rand(number, device=device)
    return torch.where(torch.rand(number, device=device) < UNIFORM_SHARE, uniform, normal)


def pack(latents: Tensor) -> Tensor:
    """Two by two latents become one token, as FluxPipeline packs them."""
    number, channels, height, width = latents.shape
    cells = latents.view(number, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(number, (height // 2) * (width // 2), channels * 4)


def position_ids(rows: int, columns: int, *, like: Tensor) -> Tensor:
    import torch

    ids = torch.zeros(rows, columns, 3, device=like.device)
    ids[..., 1] += torch.arange(rows, device=like.device)[:, None]
    ids[..., 2] += torch.arange(columns, device=like.device)[None, :]
    return ids.reshape(-1, 3).to(like.dtype)
