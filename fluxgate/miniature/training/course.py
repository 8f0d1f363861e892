"""One training run from start to finish: its stages, its checkpoints, and how it goes on from one."""

from __future__ import annotations

import copy
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxgate.miniature import architecture, captions, tokenizers
from fluxgate.miniature.architecture import MINIATURE, TOY, Sizes
from fluxgate.miniature.training import data, flow, grammar, layout, text, vae
from fluxgate.miniature.training.journal import EVERY, Journal
from fluxgate.miniature.training.optimisation import Masters
from fluxgate.miniature.training.together import agreed, processes, rank, spread
from fluxgate.refusal import Refusal

if TYPE_CHECKING:
    import torch

STAGES = ("all", "vae", "flow", "text", "decoder")
LATER = {"flow": "autoencoder", "decoder": "encoder"}  # stages that go on from another's work
VAE_SHARE = 0.25  # of a run that trains both stages
STATE, MASTERS = "training.json", "masters.safetensors"


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    out: Path
    minutes: float
    resume: Path | None = None
    stage: str = "all"
    goal: float = 0.0
    vae_minutes: float = 0.0
    workers: int = 0
    seed: int = 0
    toy: bool = False
    processes: int = 0  # one for each device, if not told

    @property
    def sizes(self) -> Sizes:
        return TOY if self.toy else MINIATURE

    @property
    def pixels(self) -> int:
        """Of one step of the autoencoder."""
        return 64 * 64 * 8 if self.toy else vae.PIXELS


@dataclass
class Progress:
    """What lies behind, over all runs that went on from one another; kept as training.json."""

    seed: int
    vae_done: bool = False
    neighbours: bool = False  # whether T5 began with heads that favour neighbours; the first weights did not
    text_minutes: float = 0.0
    text_steps: int = 0
    vae_minutes: float = 0.0
    flow_minutes: float = 0.0
    flow_steps: int = 0
    without: int = 0  # steps in which some captions were empty; none were at first
    guide: float = 0.0  # how far targets were pushed in the end
    scenes_drawn: int = 0
    machine: list[str] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)


def run(order: Order) -> None:
    """Train as ordered, on every device there is, and leave a pipeline folder and a checkpoint in the out folder."""
    import torch

    _check(order)
    _tokenizers(order, order.out / "pipeline")
    spread(train, order, over=order.processes or max(1, torch.cuda.device_count()))


def train(order: Order) -> None:
    """One device's part of the work."""
    folder = order.out / "pipeline"
    modules = _modules(order, folder)
    progress = _progress(order)
    journal = Journal(every=0.5 if order.toy else EVERY)
    journal.lines = progress.lines
    progress.machine.append(_machine(modules["transformer"]))
    frames = data.TOY_FRAMES if order.toy else data.FRAMES
    slot = 4 * frames[0].bytes if order.toy else data.SLOT_BYTES
    plan = data.Plan(frames, folder, seed=order.seed + 1000 * len(progress.machine) + 100 * rank(), slot_bytes=slot)
    if order.stage == "text":
        _train_text(order, modules, plan, journal, progress)
        return
    with data.stream(plan, workers=order.workers) as source:
        if order.stage == "decoder":
            _polish(order, modules, source, journal, progress)
            return
        if order.stage != "flow" and not progress.vae_done:
            _train_vae(order, modules, source, journal, progress)
            _write(order, modules, progress)
        if order.stage != "vae":
            _train_flow(order, modules, source, journal, progress)


def _check(order: Order) -> None:
    if order.minutes <= 0:
        raise Refusal(f"--minutes must be above 0, not {order.minutes:g}.")
    if order.resume and not (order.resume / STATE).is_file():
        raise Refusal(f"{order.resume} holds no {STATE}, so there is no training to go on with.")
    if order.stage in LATER and not order.resume:
        raise Refusal(f"--stage {order.stage} needs --resume FOLDER, whose {LATER[order.stage]} is trained already.")


def _tokenizers(order: Order, folder: Path) -> None:
    """Write the vocabularies, or take those the resumed weights were trained with."""
    folder.mkdir(parents=True, exist_ok=True)
    if order.resume is None:
        tokenizers.write(captions.words(), folder)
    elif order.resume.resolve() != order.out.resolve():
        for name in ("tokenizer", "tokenizer_2"):
            shutil.copytree(order.resume / "pipeline" / name, folder / name, dirs_exist_ok=True)


def _modules(order: Order, folder: Path) -> dict[str, torch.nn.Module]:
    import torch

    if order.resume:
        from diffusers import FluxPipeline

        pipeline = FluxPipeline.from_pretrained(order.resume / "pipeline").to(torch.float32)
    else:
        pipeline = architecture.build(order.sizes, folder, seed=order.seed)
    place = ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)
    torch.set_float32_matmul_precision("high")
    _attend_plainly(pipeline.text_encoder_2)
    # Two of torch's attention kernels have lost a training on odd batches and a learned bias: NaN, then a dead context.
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.manual_seed(order.seed + rank())
    return {name: getattr(pipeline, name).to(*place).eval() for name in architecture.WEIGHT_FILES}


def _attend_plainly(t5: torch.nn.Module) -> None:
    """Without fused attention: fused kernels get the gradient of T5's learned position bias wrong on a GPU."""
    for module in t5.modules():
        if hasattr(module, "config"):
            module.config._attn_implementation = "eager"


def _progress(order: Order) -> Progress:
    if order.resume is None:
        return Progress(order.seed, neighbours=True)
    try:
        return Progress(**json.loads((order.resume / STATE).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise Refusal(f"{order.resume / STATE} cannot be read as a training's state ({error}).") from error


def _machine(module: torch.nn.Module) -> str:
    import torch

    where = vae.first_weight(module).device
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else "CPU"
    return f"{processes()} x {name}, torch {torch.__version__}"


def _train_vae(order: Order, modules: Any, source: data.Stream, journal: Journal, progress: Progress) -> None:
    share = 1.0 if order.stage == "vae" else VAE_SHARE
    minutes = order.vae_minutes or share * order.minutes
    start = time.monotonic()
    fresh = progress.vae_minutes == 0
    vae.train(modules["vae"], source, journal, seconds=60 * minutes, fresh=fresh, pixels=order.pixels)
    progress.vae_minutes += (time.monotonic() - start) / 60
    progress.vae_done = True


def _polish(order: Order, modules: Any, source: data.Stream, journal: Journal, progress: Progress) -> None:
    """The decoder alone: latents stay what the transformer has learnt, and its optimizer waits beside it."""
    start = time.monotonic()
    seconds = 60 * order.minutes
    vae.train(modules["vae"], source, journal, seconds=seconds, fresh=False, polish=True, pixels=order.pixels)
    progress.vae_minutes += (time.monotonic() - start) / 60
    _write(order, modules, progress)
    if rank() == 0 and (kept := _kept(order)):
        architecture.save_exactly(kept, order.out / MASTERS)


def _train_flow(order: Order, modules: Any, source: data.Stream, journal: Journal, progress: Progress) -> None:
    vae_minutes = (time.monotonic() - journal.start) / 60
    done = 60 * progress.flow_minutes
    small: dict[str, Any] = {"tokens": 600, "text_lengths": {32: 1.0}, "patience": 2} if order.toy else {}
    seconds = agreed(60 * max(0.0, order.minutes - vae_minutes), vae.first_weight(modules["vae"]))
    budget = flow.Budget(
        seconds, done=done, goal=60 * order.goal, without=progress.without, guide=progress.guide, **small
    )
    learners = _learners(modules)
    masters = _masters(order, learners.named(), progress)
    modules["vae"].requires_grad_(False)
    start = time.monotonic()
    outcome = flow.train(learners, modules["vae"], source, journal, budget=budget, masters=masters)
    progress.flow_minutes += (time.monotonic() - start) / 60
    progress.flow_steps = masters.steps
    progress.scenes_drawn += outcome.drawn * processes()
    progress.without += outcome.steps
    progress.guide = outcome.guide
    for name in flow.PIPELINE_PARTS:
        modules[name].load_state_dict(masters.averaged(name), strict=False)
    _write(order, modules, progress)
    if rank() == 0:
        architecture.save_exactly(masters.state(), order.out / MASTERS)


def _train_text(order: Order, modules: Any, plan: data.Plan, journal: Journal, progress: Progress) -> None:
    """T5 and its examiner alone; what the checkpoint holds of the other weights' optimizer stays beside them."""
    import torch

    learners = _learners(modules)
    parts = {name: learners.named()[name] for name in ("text_encoder_2", "examiner")}
    before = copy.deepcopy(learners.text_encoder_2) if progress.flow_steps else None
    masters = _masters(order, parts, progress)
    masters.steps = 0  # else the running average would still remember what T5 was before
    start = time.monotonic()
    pupil = text.Pupil(learners.text_encoder_2, learners.examiner, before)
    steps = text.train(pupil, plan, journal, seconds=60 * order.minutes, masters=masters)
    progress.text_minutes += (time.monotonic() - start) / 60
    progress.text_steps += steps
    modules["text_encoder_2"].load_state_dict(masters.averaged("text_encoder_2"), strict=False)
    _write(order, modules, progress)
    if rank() == 0:
        steps_of_flow = {"steps": torch.tensor(progress.flow_steps)}
        architecture.save_exactly({**_kept(order), **masters.state(), **steps_of_flow}, order.out / MASTERS)


def _learners(modules: Any) -> flow.Learners:
    t5, transformer = (vae.first_weight(modules[name]) for name in ("text_encoder_2", "transformer"))
    examiner = grammar.examiner(t5.shape[1]).to(t5)
    surveyor = layout.surveyor(modules["transformer"].inner_dim).to(transformer)
    parts = {name: modules[name] for name in flow.PIPELINE_PARTS}
    return flow.Learners(**parts, examiner=examiner, surveyor=surveyor)


def _masters(order: Order, modules: dict[str, torch.nn.Module], progress: Progress) -> Masters:
    """Go on with the exact optimizer where its file is still there; else from the averaged weights, warming up anew."""
    masters = Masters(modules, rate=flow.RATE, hidden=flow.HIDDEN, slow=flow.SLOW)
    masters.steps = progress.flow_steps
    if kept := _kept(order):
        masters.restore(kept)
    if not progress.neighbours:
        architecture.calm_attention(modules["text_encoder_2"])
        architecture.favour_neighbours(modules["text_encoder_2"])
        masters.reset()
        progress.neighbours = True
    return masters


def _kept(order: Order) -> dict[str, torch.Tensor]:
    """The resumed training's optimizer, nothing where its file is gone."""
    path = order.resume / MASTERS if order.resume else None
    if path is None or not path.is_file():
        return {}
    from safetensors.torch import load_file

    kept: dict[str, torch.Tensor] = load_file(path)
    return kept


def _write(order: Order, modules: Any, progress: Progress) -> None:
    if rank():
        return
    architecture.save(modules, order.sizes, order.out / "pipeline")
    architecture.write_json(order.out / STATE, vars(progress))
