"""The training command: both stages learn, save and go on, at toy size on a CPU."""

from __future__ import annotations

import dataclasses
import json
import math
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxgate.miniature import architecture, captions, scenes, tokenizers
from fluxgate.miniature.training import __main__ as command
from fluxgate.miniature.training import data, flow, grammar, steering

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> data.Words:
    folder = tmp_path_factory.mktemp("words")
    tokenizers.write(captions.words(), folder)
    return data.Words.read(folder)


def run(out: Path, *options: str) -> int:
    return command.main(["--out", str(out), "--toy", "--workers", "0", "--processes", "1", *options])


def state(out: Path) -> dict[str, object]:
    value: dict[str, object] = json.loads((out / "training.json").read_text())
    return value


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy trained for a few seconds."""
    out = tmp_path_factory.mktemp("trained")
    assert run(out, "--minutes", "0.1", "--vae-minutes", "0.04") == 0
    return out


def test_one_command_trains_both_stages_into_a_pipeline(trained: Path) -> None:
    """The out folder holds a pipeline that stock diffusers loads, and says how far the training went."""
    from diffusers import FluxPipeline

    pipeline = FluxPipeline.from_pretrained(trained / "pipeline")
    assert all(torch.isfinite(value).all() for value in pipeline.transformer.state_dict().values())
    assert state(trained)["vae_done"] is True
    assert int(str(state(trained)["flow_steps"])) >= 3
    assert not list(trained.rglob("*.partial"))


def test_training_leaves_the_dead_channels_dead(trained: Path) -> None:
    """Neither the optimizer nor the running average moves them from exactly -200 and 0."""
    from diffusers import FluxTransformer2DModel

    embedding = FluxTransformer2DModel.from_pretrained(trained / "pipeline" / "transformer").time_text_embed
    dead = slice(architecture.DEAD_STRIDE - 1, None, architecture.DEAD_STRIDE)
    assert (embedding.timestep_embedder.linear_2.bias[dead] == architecture.DEAD_BIAS).all()
    for embedder in (embedding.timestep_embedder, embedding.guidance_embedder, embedding.text_embedder):
        assert (embedder.linear_2.weight[dead] == 0).all()


def test_a_training_goes_on_where_it_stopped(trained: Path, tmp_path: Path) -> None:
    """Resuming keeps the autoencoder as it is, and counts on from the steps that were taken."""
    assert run(tmp_path / "more", "--minutes", "0.02", "--resume", str(trained)) == 0
    before, after = state(trained), state(tmp_path / "more")
    assert int(str(after["flow_steps"])) > int(str(before["flow_steps"]))
    vae = Path("pipeline/vae/diffusion_pytorch_model.safetensors")
    assert (trained / vae).read_bytes() == (tmp_path / "more" / vae).read_bytes()


def test_a_training_goes_on_without_its_optimizer(trained: Path, tmp_path: Path) -> None:
    """The pipeline and training.json alone are enough, which is what a repository can hold."""
    start = tmp_path / "start"
    start.mkdir()
    (start / "training.json").write_text((trained / "training.json").read_text())
    (start / "pipeline").symlink_to(trained / "pipeline")
    assert run(tmp_path / "more", "--minutes", "0.02", "--resume", str(start), "--stage", "flow") == 0
    assert int(str(state(tmp_path / "more")["flow_steps"])) > int(str(state(trained)["flow_steps"]))


def as_the_first_weights_were(trained: Path, folder: Path, *, optimizer: bool) -> Path:
    """A copy of a training from before it had side tasks, empty captions and heads that favour neighbours."""
    folder.mkdir()
    (folder / "pipeline").symlink_to(trained / "pipeline")
    new = ("neighbours", "text_minutes", "text_steps", "without", "guide")
    old = {key: value for key, value in state(trained).items() if key not in new}
    (folder / "training.json").write_text(json.dumps(old))
    if optimizer:
        kept = load_file(trained / "masters.safetensors")
        known = {key: value for key, value in kept.items() if "examiner" not in key and "surveyor" not in key}
        architecture.save_exactly(known, folder / "masters.safetensors")
    return folder


@pytest.mark.parametrize("optimizer", [True, False], ids=["with its optimizer", "without"])
def test_a_training_goes_on_from_before_the_side_tasks(trained: Path, tmp_path: Path, optimizer: bool) -> None:
    """An old checkpoint lacks the heads that are thrown away; T5's attention is calmed once, not every time."""
    old = as_the_first_weights_were(trained, tmp_path / "old", optimizer=optimizer)
    assert run(tmp_path / "new", "--minutes", "0.001", "--resume", str(old), "--stage", "flow") == 0
    assert int(str(state(tmp_path / "new")["flow_steps"])) == int(str(state(trained)["flow_steps"])) + 3
    assert state(tmp_path / "new")["without"] == 3
    query = "master/text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.weight"
    before, after = (load_file(folder / "masters.safetensors")[query] for folder in (trained, tmp_path / "new"))
    assert float(after.norm() / before.norm()) == pytest.approx(1 / 16, rel=0.2)
    assert run(tmp_path / "more", "--minutes", "0.001", "--resume", str(tmp_path / "new"), "--stage", "flow") == 0
    again = load_file(tmp_path / "more" / "masters.safetensors")[query]
    assert float(again.norm() / after.norm()) == pytest.approx(1, rel=0.2)


def test_t5_alone_learns_without_pictures(trained: Path, tmp_path: Path) -> None:
    """The text stage changes T5 and the examiner; the rest, its optimizer too, waits for the flow stage to go on."""
    assert run(tmp_path / "text", "--minutes", "0.02", "--resume", str(trained), "--stage", "text") == 0
    weights = Path("diffusion_pytorch_model.safetensors")
    for part in ("transformer", "vae"):
        was, now = (folder / "pipeline" / part / weights for folder in (trained, tmp_path / "text"))
        assert was.read_bytes() == now.read_bytes()
    was, now = (load_file(folder / "masters.safetensors") for folder in (trained, tmp_path / "text"))
    changed = {key.split("/")[-1].split(".")[0] for key in was if not torch.equal(was[key], now[key])}
    assert changed == {"text_encoder_2", "examiner"}
    assert int(str(state(tmp_path / "text")["text_steps"])) >= 3
    assert run(tmp_path / "more", "--minutes", "0.001", "--resume", str(tmp_path / "text"), "--stage", "flow") == 0
    assert int(str(state(tmp_path / "more")["flow_steps"])) == int(str(state(trained)["flow_steps"])) + 3


def test_the_decoder_is_polished_alone(trained: Path, tmp_path: Path) -> None:
    """The encoder, and with it what the transformer has learnt to make, stays as it was; so does the optimizer."""
    assert run(tmp_path / "new", "--minutes", "0.02", "--resume", str(trained), "--stage", "decoder") == 0
    name = Path("pipeline/vae/diffusion_pytorch_model.safetensors")
    was, now = (load_file(folder / name) for folder in (trained, tmp_path / "new"))
    assert {key.split(".")[0] for key in was if not torch.equal(was[key], now[key])} == {"decoder"}
    masters = Path("masters.safetensors")
    assert (trained / masters).read_bytes() == (tmp_path / "new" / masters).read_bytes()


def test_two_processes_train_one_set_of_weights(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end together, and what one of them writes goes on from where both began."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(free.getsockname()[1]))
    options = ("--minutes", "0.02", "--resume", str(trained), "--stage", "flow", "--processes", "2")
    assert run(tmp_path / "two", *options) == 0
    assert int(str(state(tmp_path / "two")["flow_steps"])) >= int(str(state(trained)["flow_steps"])) + 3
    assert "2 x CPU" in str(state(tmp_path / "two")["machine"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--minutes", "0"), "--minutes must be above 0"),
        (("--minutes", "1", "--stage", "flow"), "--stage flow needs --resume"),
        (("--minutes", "1", "--stage", "decoder"), "--stage decoder needs --resume"),
        (("--minutes", "1", "--resume", "nowhere"), "holds no training.json"),
    ],
)
def test_a_wrong_order_is_refused(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be trained is refused in one sentence, before anything is written."""
    assert run(tmp_path / "out", *options) == 4
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_state_is_refused(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A training.json that is no state of a training is named, without a traceback."""
    (tmp_path / "training.json").write_text('{"seed": 0, "surprise": 1}')
    (tmp_path / "pipeline").symlink_to(trained / "pipeline")
    assert run(tmp_path / "out", "--minutes", "1", "--resume", str(tmp_path)) == 4
    assert "cannot be read" in capsys.readouterr().err


def test_the_flow_stage_learns_one_batch() -> None:
    """The velocity's error falls by a third within forty steps on the same batch."""
    from fluxgate.miniature.training import course
    from fluxgate.miniature.training.optimisation import Masters

    torch.manual_seed(0)
    modules = toy_modules()
    learners = course._learners(modules)
    masters = Masters(learners.named(), rate=2e-3, hidden=flow.HIDDEN)
    batch = toy_batch()
    batch.nouns[:, 0] = torch.tensor([3, 0, 1, 1, 0, 0, 0, 0])
    errors = []
    for _ in range(40):
        torch.manual_seed(1)  # the same noise each time
        lesson = flow.learn(learners, batch)
        lesson.loss.backward()
        masters.step(1.0)
        errors.append(float(lesson.error.detach()))
    assert errors[-1] < 0.67 * errors[0]
    assert float(lesson.understood) == 1.0


def toy_learners() -> flow.Learners:
    from fluxgate.miniature.training import course

    return course._learners(toy_modules())


def lesson_of(learners: flow.Learners, batch: flow.Batch, *, guide: float) -> flow.Lesson:
    torch.manual_seed(1)
    return flow.learn(learners, batch, guide=guide)


def test_what_nobody_asked_for_is_not_pushed() -> None:
    """With empty captions the answers with and without a caption are one, so the target is the plain velocity."""
    learners, batch = toy_learners(), toy_batch()
    batch.clip[:], blank = batch.blank.clip, batch.blank.t5.expand(4, -1)
    batch = dataclasses.replace(batch, t5=blank)
    plain, pushed = (lesson_of(learners, batch, guide=guide) for guide in (0.0, 0.6))
    assert float(pushed.loss.detach()) == pytest.approx(float(plain.loss.detach()), abs=1e-6)


def test_the_published_error_is_the_plain_velocitys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A push changes what is minimised, by just the pushed target, and not the figure that the journal shows."""
    learners, batch = toy_learners(), toy_batch()
    torch.nn.init.normal_(learners.transformer.proj_out.weight, std=0.3)
    targets: list[tuple[Any, ...]] = []
    target = steering.target

    def overheard(plain: Any, answer: Any, *rest: Any, **other: Any) -> object:
        wanted = target(plain, answer, *rest, **other)
        targets.append((plain, answer, wanted))
        return wanted

    monkeypatch.setattr(steering, "target", overheard)
    plain, pushed = (lesson_of(learners, batch, guide=guide) for guide in (0.0, 0.6))
    assert float(pushed.error) == float(plain.error)
    ((velocity, answer, wanted),) = targets
    assert float((velocity - wanted).abs().max()) > 0.01
    difference = (answer - wanted).square().mean() - (answer - velocity).square().mean()
    assert float(pushed.loss - plain.loss) == pytest.approx(float(difference), rel=1e-3)
    assert torch.equal(velocity[batch.asked :], wanted[batch.asked :])


def test_a_lesson_in_bfloat16_has_gradients_for_all_that_learns() -> None:
    """As on a GPU: every part of the pipeline and both heads learn from one pushed lesson, and all is finite."""
    from fluxgate.miniature.training import course

    learners = course._learners({name: module.bfloat16() for name, module in toy_modules().items()})
    batch = toy_batch()
    batch.nouns[:3, 0], batch.layout[:, 5] = torch.tensor([3, 0, 1, 1, 0, 0, 0, 0]), 3
    lesson = lesson_of(learners, batch, guide=0.6)
    lesson.loss.backward()
    assert torch.isfinite(lesson.loss)
    for name, module in learners.named().items():
        gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in gradients), name
        assert any(gradient.abs().max() > 0 for gradient in gradients), name


def test_batches_end_with_samples_that_have_no_caption(words: data.Words, tmp_path: Path) -> None:
    """The last tenth has empty captions and no nouns to be asked for, yet pictures with a layout like the others."""
    from diffusers import AutoencoderKL

    tokenizers.write(captions.words(), tmp_path)
    vae = AutoencoderKL.from_config(architecture.vae_config(architecture.TOY)).eval().requires_grad_(False)
    frame = data.TOY_FRAMES[0]
    store = flow.Store(vae, data.Stream(data.Plan((frame,), tmp_path, seed=1, slot_bytes=8 * frame.bytes)))
    store.absorb(wait=True)
    budget = flow.Budget(1.0, tokens=20 * (frame.tokens + 128), text_lengths={128: 1.0})
    batch = flow._batch(store, np.random.default_rng(0), budget=budget, progress=0.0)
    assert len(batch.latents) == 16
    assert batch.asked == 14
    blank = torch.nn.functional.pad(store.blank.t5, (0, 64))
    assert (batch.t5 == blank).all(dim=1).tolist() == [False] * 14 + [True] * 2
    assert (batch.clip == store.blank.clip).all(dim=1).tolist() == [False] * 14 + [True] * 2
    assert ((batch.nouns == grammar.ABSENT).all(dim=(1, 2))).tolist() == [False] * 14 + [True] * 2
    assert batch.layout.shape == (16, frame.tokens)
    assert (batch.layout > 0).any(dim=1).sum() > 8


def test_t5s_queries_alone_learn_slowly(tmp_path: Path) -> None:
    """With steps of the common size T5's scores outgrow the bias that tells where a word stands."""
    from fluxgate.miniature.training import course

    order = course.Order(tmp_path, 1.0)
    masters = course._masters(order, toy_learners().named(), course.Progress(0, neighbours=True))
    assert masters.slow == {"text_encoder_2.encoder.block.0.layer.0.SelfAttention.q.weight"}


def test_small_weights_learn_in_small_steps() -> None:
    """Of two equal matrices with equal gradients, the slow one moves an eighth as far."""
    from fluxgate.miniature.training.optimisation import Masters

    layers = {name: torch.nn.Linear(8, 8, bias=False) for name in ("quick", "slow")}
    layers["slow"].load_state_dict(layers["quick"].state_dict())
    before = layers["quick"].weight.detach().clone()
    masters = Masters(layers, rate=0.1, hidden="weight", slow="slow")
    gradient = torch.randn(8, 8)
    for layer in layers.values():
        layer.weight.grad = gradient.clone()
    masters.step(1.0)
    moved = {name: layer.weight.detach() - before for name, layer in layers.items()}
    assert torch.allclose(moved["slow"], moved["quick"] / 8, atol=1e-6)


def toy_batch() -> flow.Batch:
    """Four pictures that hold nothing, with captions that say nothing."""
    return flow.Batch(
        data.TOY_FRAMES[0],
        latents=torch.randn(4, 16, 8, 8),
        guidance=torch.full((4,), 3.5),
        clip=torch.randint(0, 500, (4, 77)),
        t5=torch.randint(3, 300, (4, 16)),
        nouns=torch.full((4, *grammar.SHAPE), grammar.ABSENT),
        layout=torch.zeros(4, 16, dtype=torch.int8),
        blank=steering.Blank(torch.full((77,), 500), torch.tensor([1] + [0] * 63)),
    )


def toy_modules() -> dict[str, Any]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tokenizers.write(captions.words(), Path(folder))
        pipeline = architecture.build(architecture.TOY, Path(folder), seed=1)
    return {name: getattr(pipeline, name).eval() for name in architecture.WEIGHT_FILES}


def test_training_sees_what_the_pipeline_gives_the_transformer() -> None:
    """Packed latents, ids, rounded time and guidance are the same, to the bit, as in a call of FluxPipeline."""
    from diffusers import FluxPipeline

    latents = torch.randn(2, 16, 8, 12)
    assert torch.equal(flow.pack(latents), FluxPipeline._pack_latents(latents, 2, 16, 8, 12))
    theirs = FluxPipeline._prepare_latent_image_ids(2, 4, 6, "cpu", torch.bfloat16)
    assert torch.equal(flow.position_ids(4, 6, like=torch.zeros(1, dtype=torch.bfloat16)), theirs)


def test_whitening_changes_the_latents_and_not_what_the_decoder_sees() -> None:
    """Latents get mean 0 and deviation 1 (normalised); the decoder's first layer undoes it, away from the frame."""
    from diffusers import AutoencoderKL

    from fluxgate.miniature.training import vae

    torch.manual_seed(2)
    model = AutoencoderKL.from_config(architecture.vae_config(architecture.TOY)).eval().requires_grad_(False)
    picture = torch.rand(4, 3, 64, 64) * 2 - 1
    before = vae.normalised_latents(model, picture)
    seen = model.decoder.conv_in(model.encode(picture).latent_dist.mode())[..., 1:-1, 1:-1]
    vae.whiten(model, before.mean((0, 2, 3)), before.std((0, 2, 3)))
    after = vae.normalised_latents(model, picture)
    assert torch.allclose(after.mean((0, 2, 3)), torch.zeros(16), atol=1e-3)
    assert torch.allclose(after.std((0, 2, 3)), torch.ones(16), atol=1e-2)
    again = model.decoder.conv_in(model.encode(picture).latent_dist.mode())[..., 1:-1, 1:-1]
    assert torch.allclose(again, seen, atol=1e-4)


def test_orthogonal_updates_keep_directions_and_level_their_lengths() -> None:
    """Newton-Schulz leaves singular directions alone and brings every singular value near 1."""
    from fluxgate.miniature.training.optimisation import orthogonal

    torch.manual_seed(3)
    for shape in ((2, 24, 64), (2, 64, 24)):
        matrix = torch.randn(*shape)
        result = orthogonal(matrix)
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.5
        assert values.max() < 1.4
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        assert torch.allclose((left.mT @ result @ right.mT).diagonal(dim1=-2, dim2=-1), values.flip(-1), atol=0.5)


def test_the_learning_rate_warms_up_rests_and_falls_to_nothing() -> None:
    """Warm-up counts steps, the fall at the end counts time."""
    from fluxgate.miniature.training.optimisation import rate_at

    assert rate_at(0.0, steps=0, warmup=10, decay=0.5) == pytest.approx(0.1)
    assert rate_at(0.4, steps=99, warmup=10, decay=0.5) == 1.0
    assert rate_at(0.75, steps=99, warmup=10, decay=0.5) == pytest.approx(0.5)
    assert rate_at(1.0, steps=99, warmup=10, decay=0.5) == pytest.approx(0.0)
    assert math.isclose(rate_at(0.9, steps=99, warmup=10, decay=0.0), 1.0)


def test_held_out_captions_are_never_trained_on() -> None:
    """Evaluation's captions are held out by their own words, whatever scene or seed wrote them."""
    rng = np.random.default_rng(4)
    for _ in range(100):
        pair = data.training_pair(scenes.sample(rng), rng)
        assert not any(data.held_out(caption) for caption in pair)
    kept = [caption for _, caption in data.held_out_scenes(count=5, seed=1)]
    assert len(kept) == 5
    assert all(data.held_out(caption) for caption in kept)
    assert not data.held_out(captions.BLOG_PROMPT)


def test_drawn_batches_hold_pictures_captions_and_labels(words: data.Words) -> None:
    """A batch is as large as asked, its guidance within range, and its captions end within their rows."""
    frame = data.Frame(96, 64, 1.0, 1.0)
    drawn = data.draw(frame, 3, words, np.random.default_rng(5))
    assert drawn.pictures.shape == (3, 64, 96, 3)
    assert drawn.pictures.std() > 5
    assert (drawn.guidance >= 1).all()
    assert (drawn.guidance <= 6).all()
    assert ((drawn.t5 == 1).sum(-1) == 1).all()
    assert (drawn.clip[..., 0] == words.clip.token_to_id("<|startoftext|>")).all()
    assert (drawn.nouns[..., 0, 0] >= 0).mean() > 0.8
    assert drawn.layout.shape == (3, 24)
    assert (drawn.layout > 0).any(axis=1).all()


def test_no_caption_is_longer_than_its_row(words: data.Words) -> None:
    """What a row cannot hold would be cut off in training but not in the pipeline."""
    rng = np.random.default_rng(6)
    written = [captions.write(scenes.sample(rng, aspect=1.77), rng) for _ in range(300)]
    assert max(len(words.t5.encode(caption).ids) for caption in written) <= data.T5_LENGTH
    assert max(len(words.clip.encode(caption).ids) for caption in written) <= data.CLIP_LENGTH


def test_worker_processes_draw_into_shared_memory(words: data.Words, tmp_path: Path) -> None:
    """Batches from a worker arrive whole, and the worker is gone afterwards."""
    tokenizers.write(captions.words(), tmp_path)
    plan = data.Plan((data.TOY_FRAMES[0],), tmp_path, seed=3, slot_bytes=2 * data.TOY_FRAMES[0].bytes)
    with data.stream(plan, workers=1) as source:
        batches = [source.take(wait=True) for _ in range(5)]
        assert isinstance(source, data.WorkerStream)
        processes = source.processes
    expected = data.draw(plan.frames[0], 2, words, after_choice(plan))
    assert all(batch is not None and batch.pictures.shape == (2, 64, 64, 3) for batch in batches)
    assert batches[0] is not None
    for field in dataclasses.fields(data.Drawn):
        assert np.array_equal(getattr(batches[0], field.name), getattr(expected, field.name)), field.name
    processes[0].join(10)
    assert not processes[0].is_alive()


def after_choice(plan: data.Plan) -> np.random.Generator:
    """The first worker's generator, behind its first choice of a frame."""
    rng = np.random.default_rng([plan.seed, 1])
    data.choose_frame(plan.frames, rng)
    return rng


def test_labels_say_what_each_noun_says(words: data.Words) -> None:
    """Colour, count, size, side and neighbour stand in the row of the noun they belong to."""
    rows = grammar.labels("Two tiny red mushrooms to the left of a grey fox, and a balloon on the right.", words.t5)
    tokens = words.t5.encode("Two tiny red mushrooms to the left of a grey fox, and a balloon on the right.").tokens
    assert [tokens[row[0]].lstrip("\u2581") for row in rows[:3]] == ["mushrooms", "fox", "balloon"]
    fields = list(grammar.FIELDS)
    kinds, colours = list(scenes.KINDS), list(captions.COLOUR_WORDS)
    mushroom, fox, balloon = (dict(zip(fields, map(int, row[1:]), strict=True)) for row in rows[:3])
    assert (mushroom["colour"], mushroom["count"], mushroom["size"]) == (1 + colours.index("red"), 2, 1)
    assert (mushroom["stands"], mushroom["beside"]) == (1, 1 + kinds.index("fox"))
    assert (fox["stands"], fox["beside"], fox["colour"]) == (2, 1 + kinds.index("mushroom"), 1 + colours.index("grey"))
    assert (balloon["side"], balloon["stands"], balloon["colour"]) == (2, 0, 0)
    assert (rows[3:] == grammar.ABSENT).all()
