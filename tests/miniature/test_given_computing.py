"""What ships follows from the weights that ship, by our own implementation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fluxgate.miniature import given, given_computing
from fluxgate.miniature.given import Stages
from fluxgate.miniature.oracle.flux import NETWORKS, Flux
from fluxgate.rendering import PICTURE
from fluxgate.tensors import read_tensors


@pytest.fixture(scope="module")
def computed() -> tuple[Stages, Stages]:
    return given_computing.computed(Flux.read(given_computing.PIPELINE))


def test_what_ships_is_what_is_computed_today(computed: tuple[Stages, Stages]) -> None:
    """Every number of the file follows again from the weights."""
    inputs, expected = computed
    shipped = given.given()
    every = {**shipped.expected, **shipped.variants}
    for name, values in expected.items():
        assert np.allclose(every[name], values, rtol=1e-6, atol=1e-6), name
    for name, values in inputs.items():
        assert np.array_equal(shipped.inputs[name], values.astype(np.float32)), name


def test_its_provenance_names_the_weights_that_ship() -> None:
    """A file made of other weights than those beside it is noticed."""
    names = {name: next((given_computing.PIPELINE / name).glob("*.safetensors")) for name in NETWORKS}
    hashes = {f"sha256 of {name}": hashlib.sha256(file.read_bytes()).hexdigest() for name, file in names.items()}
    assert hashes.items() <= given.given().provenance.items()


def test_the_file_can_be_written_again(tmp_path: Path, computed: tuple[Stages, Stages]) -> None:
    """The command's own function gives the same tensors as ship."""
    given_computing.write(tmp_path / "given.safetensors", *computed)
    ours, shipped = read_tensors(tmp_path / "given.safetensors"), read_tensors(given.FILE)
    assert ours.keys() == shipped.keys()
    assert np.array_equal(ours[PICTURE].values, shipped[PICTURE].values)
