"""The layout task: labels agree with what is drawn, and are asked of the right tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fluxgate.miniature import architecture, captions, drawing, sampling, tokenizers
from fluxgate.miniature.pen import COLOURS
from fluxgate.miniature.scenes import COLOURS_OF, Group, Scene
from fluxgate.miniature.training import layout

torch = pytest.importorskip("torch")


def one(kind: str, colour: str, *, x: float = 0.5, y: float = 0.5, tall: float = 0.5) -> Group:
    return Group(kind, colour, 1, "", (x,), (y,), (tall,))


def scene_of(*groups: Group, night: bool = False, aspect: float = 1.0) -> Scene:
    return Scene(groups, "meadow", night, False, 0, aspect)


def grid(scene: Scene, *, width: int = 256, height: int = 256) -> NDArray[np.int8]:
    return layout.labels(scene, width=width, height=height).reshape(height // 16, width // 16)


def tokens(picture: drawing.Picture) -> NDArray[np.uint8]:
    """Rows × columns × pixels × channels."""
    rows, columns = picture.shape[0] // 16, picture.shape[1] // 16
    return picture.reshape(rows, 16, columns, 16, 3).swapaxes(1, 2).reshape(rows, columns, 256, 3)


def label(kind: str, colour: str) -> int:
    return 1 + layout.LOOKS.index((kind, colour))


@pytest.mark.parametrize(("width", "height"), [(256, 256), (320, 192), (192, 320), (1360, 768)])
def test_labelled_tokens_are_those_that_a_drawing_changed(width: int, height: int) -> None:
    """A token has a label exactly where a good part of it differs from the bare backdrop; glows aside."""
    rng = np.random.default_rng(width)
    for _ in range(5):
        scene = sampling.sample(rng, aspect=width / height)
        scene = replace(scene, groups=tuple(group for group in scene.groups if group.kind != "firefly"))
        bare = drawing.draw(replace(scene, groups=()), width=width, height=height)
        changed = (drawing.draw(scene, width=width, height=height) != bare).any(axis=-1, keepdims=True)
        share = tokens(np.repeat(changed, 3, axis=-1)).mean(axis=(2, 3))
        labelled = grid(scene, width=width, height=height) != layout.NOTHING
        assert share[labelled].min(initial=1.0) > 0.15
        assert share[~labelled].max(initial=0.0) < 0.65  # two things may share a token


@pytest.mark.parametrize(("kind", "colour"), [look for look in layout.LOOKS if len(COLOURS_OF[look[0]]) > 1])
def test_labelled_tokens_show_the_colour_they_are_labelled_with(kind: str, colour: str) -> None:
    """Of the colours a kind has, the labelled one is on the most pixels of its tokens."""
    scene = scene_of(one(kind, colour))
    picture = tokens(drawing.draw(scene, width=256, height=256))
    labels = grid(scene)
    assert set(np.unique(labels)) == {layout.NOTHING, label(kind, colour)}
    shown = picture[labels == label(kind, colour)].reshape(-1, 1, 3).astype(int)
    paints = np.array([COLOURS[name] for name in COLOURS_OF[kind]])
    votes = (np.abs(shown - paints).max(axis=-1) < 14).sum(axis=0)
    assert COLOURS_OF[kind][int(votes.argmax())] == colour


def test_what_is_in_front_is_the_label() -> None:
    """A cup on a blanket takes the blanket's place, and the nearer of two things that of the farther."""
    cloth, cup = one("blanket", "red", y=0.6, tall=0.35), one("teacup", "blue", y=0.6, tall=0.2)
    labels = grid(scene_of(cup, cloth))
    assert labels[9, 8] == label("teacup", "blue")
    assert labels[9, 3] == label("blanket", "red")
    far, near = one("tree", "green", y=0.4, tall=0.4), one("house", "red", y=0.6, tall=0.4)
    assert grid(scene_of(near, far))[9, 8] == label("house", "red")


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0), (-0.5, 0.5), (0.5, 1.6)])
def test_a_thing_across_the_frames_edge_is_labelled_where_it_is_seen(x: float, y: float) -> None:
    """The labels of a scene moved halfway out are those of the whole thing's visible half."""
    whole = grid(scene_of(one("mushroom", "red")))
    moved = grid(scene_of(one("mushroom", "red", x=x, y=y)))
    down, across = round((y - 0.5) * 16), round((x - 0.5) * 16)
    expected = np.zeros_like(whole)
    for row, column in np.argwhere(whole):
        if 0 <= row + down < 16 and 0 <= column + across < 16:
            expected[row + down, column + across] = whole[row, column]
    assert (moved != expected).sum() <= 4  # a thing's pixels are rounded to whole ones


def test_mere_guessing_loses_one_and_knowing_nothing() -> None:
    """The loss is 1 for equal odds, 0 for certain right answers; things alone count in the share that is right."""
    given = torch.tensor([[0, 3, 3, 7]], dtype=torch.int8)
    sigma = torch.zeros(1)
    guessed = layout.examine(lambda tokens: torch.zeros(1, 4, 1 + len(layout.LOOKS)), None, given, sigma=sigma)
    assert float(guessed.loss) == pytest.approx(1)
    sure = torch.nn.functional.one_hot(given.long(), 1 + len(layout.LOOKS)) * 100.0
    known = layout.examine(lambda tokens: sure, None, given, sigma=sigma)
    assert float(known.loss) == pytest.approx(0, abs=1e-6)
    assert float(known.right) == 1
    sure[0, 0], sure[0, 1] = sure[0, 1].clone(), sure[0, 0].clone()
    assert float(layout.examine(lambda tokens: sure, None, given, sigma=sigma).right) == pytest.approx(2 / 3)


def test_noise_and_backdrop_count_less() -> None:
    """An error in pure noise weighs a fifth of one in a clean picture, on bare backdrop a quarter of one on a thing."""
    wrong = torch.zeros(2, 2, 1 + len(layout.LOOKS))
    wrong[0] = 100.0 * torch.nn.functional.one_hot(torch.tensor([0, 3]), 1 + len(layout.LOOKS))

    def loss(given: list[list[int]], sigma: list[float]) -> float:
        answers = layout.examine(lambda tokens: wrong, None, torch.tensor(given), sigma=torch.tensor(sigma))
        return float(answers.loss)

    assert loss([[0, 3], [0, 3]], [0.0, 1.0]) == pytest.approx(0.2 / 1.2)
    both = loss([[0, 3], [0, 3]], [1.0, 0.0])
    assert both == pytest.approx(1 / 1.2)
    wrong[0, 0] = 0.0  # now only the backdrop of the first is unknown
    wrong[1] = wrong[0]
    assert loss([[0, 3], [0, 3]], [0.0, 0.0]) == pytest.approx(0.25 / 1.25)


def test_the_tokens_asked_are_the_pictures_own(tmp_path: Path) -> None:
    """In a transformer of one single block they are what its last layers turn into the velocity."""
    tokenizers.write(captions.words(), tmp_path)
    transformer = architecture.build(architecture.TOY, tmp_path, seed=1).transformer
    block, seen = [], []
    layout.block(transformer).register_forward_hook(lambda module, given, output: block.append(output))
    transformer.norm_out.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        transformer(
            hidden_states=torch.randn(2, 6, 64),
            timestep=torch.rand(2),
            guidance=torch.ones(2),
            pooled_projections=torch.randn(2, 64),
            encoder_hidden_states=torch.randn(2, 5, 64),
            txt_ids=torch.zeros(5, 3),
            img_ids=torch.zeros(6, 3),
        )
    assert torch.equal(layout.picture_tokens(block[0], number=6), seen[0])
    joined = torch.cat(block[0], dim=1) if isinstance(block[0], tuple) else block[0]
    assert torch.equal(layout.picture_tokens(joined, number=6), seen[0])  # as diffusers before 0.35 returns them
