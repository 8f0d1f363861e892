"""The training command: both stages learn, save and go on, at toy size on a CPU."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fluxgate.miniature import architecture
from fluxgate.miniature.training import __main__ as command

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402


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


@pytest.mark.long
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
