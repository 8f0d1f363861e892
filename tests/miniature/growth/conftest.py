"""The small pipeline that grows in these tests, and what it grew into."""

from pathlib import Path

import pytest

from fluxgate.miniature import architecture, tokenizers
from fluxgate.miniature.architecture import WEIGHT_FILES
from fluxgate.miniature.growth.grown_folder import grow
from tests.miniature.growth.sizes import BIG, SMALL

torch = pytest.importorskip("torch")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pipeline whose random weights all matter: none is near zero, no norm is 1."""
    folder = tmp_path_factory.mktemp("small")
    tokenizers.write(["fox", "mushroom", "teacup", "a", "in", "the", "forest", "."], folder)
    pipe = architecture.build(SMALL, folder, seed=0)
    generator = torch.Generator().manual_seed(1)
    modules = {name: getattr(pipe, name) for name in WEIGHT_FILES}
    with torch.no_grad():
        for module in modules.values():
            for name, parameter in module.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                spread = noise / max(1, parameter[0].numel()) ** 0.5
                parameter.copy_(
                    1 + 0.2 * noise if "norm" in name and name.endswith("weight") and noise.ndim == 1 else spread
                )
    architecture.kill_dead_channels(pipe.transformer)
    architecture.save(modules, SMALL, folder)
    return folder


@pytest.fixture(scope="session")
def big(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pipeline, grown."""
    folder = tmp_path_factory.mktemp("big") / "grown"
    grow(folder, source=small, target=BIG)
    return folder
