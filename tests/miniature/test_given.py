"""What stages are given, and what is expected of them: it ships, and follows from the weights that ship."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fluxgate.miniature import given
from fluxgate.miniature.oracle.flux import NETWORKS, Flux
from fluxgate.rendering import DECODED, PICTURE, T5, output_of, to_denoiser
from fluxgate.tensors import read_tensors


@pytest.fixture(scope="module")
def computed() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return given.computed(Flux.read(given.PIPELINE))


def test_what_ships_is_what_is_computed_today(computed: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    """Every number of the file follows again from the weights."""
    inputs, expected = computed
    shipped = given.given()
    every = {**shipped.expected, **shipped.formats}
    for name, values in expected.items():
        assert np.allclose(every[name], values, rtol=1e-6, atol=1e-6), name
    for name, values in inputs.items():
        assert np.array_equal(shipped.inputs[name], values.astype(np.float32)), name


def test_its_provenance_names_the_weights_that_ship() -> None:
    """A file made of other weights than those beside it is noticed."""
    names = {name: next((given.PIPELINE / name).glob("*.safetensors")) for name in NETWORKS}
    hashes = {f"sha256 of {name}": hashlib.sha256(file.read_bytes()).hexdigest() for name, file in names.items()}
    assert hashes.items() <= given.given().provenance.items()


def test_each_stage_is_given_what_the_one_before_makes_within_bfloat16() -> None:
    """What is given is realistic: the expected value of the stage before, to 8 bits."""
    shipped = given.given()
    for name in (T5, output_of(1), output_of(2), DECODED):
        assert np.allclose(shipped.inputs[name], shipped.expected[name], rtol=2**-8, atol=1e-30), name
    assert np.array_equal(shipped.inputs[to_denoiser("encoder_hidden_states", 2)], shipped.inputs[T5])


def test_noise_levels_and_guidance_are_exact_in_bfloat16() -> None:
    """As shares and times 1000, so that no dtype rounds what the denoiser is given."""
    from fluxgate.miniature import bfloat16

    for share in (*given.STEPS.values(), given.CALL.guidance):
        for value in (share, 1000 * share):
            exact = np.array([value], np.float32)
            assert np.array_equal(bfloat16.to_floats(bfloat16.to_bits(exact)), exact)


def test_the_file_can_be_written_again(tmp_path: Path) -> None:
    """The command's own function gives the same tensors as ship."""
    given.write(tmp_path / "given.safetensors")
    ours, shipped = read_tensors(tmp_path / "given.safetensors"), read_tensors(given.FILE)
    assert ours.keys() == shipped.keys()
    assert np.array_equal(ours[PICTURE].values, shipped[PICTURE].values)
