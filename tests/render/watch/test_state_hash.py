"""Tests of the hash over all that a component holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from fluxgate.render.watch import state_hash  # noqa: E402
from fluxgate.render.watch.description import placement_of  # noqa: E402
from fluxgate.render.watch.state_hash import checksums, state_sha256  # noqa: E402
from tests.render.watch.modules import BF16, Flattened, GGUFParameter, four_bit, made  # noqa: E402


def test_the_state_hash_tells_one_changed_bit() -> None:
    """Equal for equal modules, another one for the smallest change in a weight or a buffer."""
    module, same = made(), made()
    assert state_sha256(module) == state_sha256(same)
    same[1].num_batches_tracked += 1
    assert state_sha256(module) != state_sha256(same)
    other = made()
    other[0][1].bias.data.view(torch.int16)[3] ^= 1
    assert state_sha256(module) != state_sha256(other)


def test_the_state_hash_tells_quantized_codes_scales_and_levels_apart() -> None:
    """Same shapes, other contents."""
    states = {state_sha256(four_bit(seed=0)), state_sha256(four_bit(seed=1)), state_sha256(four_bit(kind="fp4"))}
    assert len(states | {state_sha256(four_bit(seed=0))}) == 3


def test_the_state_hash_does_not_see_where_the_weights_wait() -> None:
    """Weights that accelerate has taken out of the module are read from its map."""
    from accelerate import cpu_offload

    module, offloaded = made()[0], made()[0]
    cpu_offload(offloaded, torch.device("cpu"))
    assert placement_of(offloaded) == {"meta": BF16}
    assert state_sha256(offloaded) == state_sha256(module)


def test_there_is_no_hash_of_weights_that_cannot_be_read() -> None:
    """A tensor that is only a shape has no state."""
    assert state_sha256(made().to("meta")) is None


def test_there_is_no_hash_of_weights_that_wait_in_files(tmp_path: Path) -> None:
    """Group offloading to disk leaves uninitialised memory in the modules."""
    hooks = pytest.importorskip("diffusers.hooks")
    module = made()[0]
    try:
        hooks.apply_group_offloading(
            module,
            onload_device=torch.device("cpu"),
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            offload_to_disk_path=str(tmp_path),
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        pytest.skip(f"this release of diffusers cannot: {error}")
    assert state_sha256(module) is None


def test_checksums_cover_every_byte() -> None:
    """Flipping any single byte of a tensor whose size is no multiple of four changes them."""
    tensor = torch.arange(23, dtype=torch.uint8)
    whole = checksums(tensor, {})
    for place in range(23):
        changed = tensor.clone()
        changed[place] ^= 128
        assert checksums(changed, {}) != whole


def test_checksums_do_not_depend_on_what_was_summed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers that words are multiplied by are kept from one tensor to the next, and made as far as needed."""
    monkeypatch.setattr(state_hash, "CHUNK", 16)
    tensors = [torch.arange(count, dtype=torch.int32) for count in (3, 40, 5, 16, 0)]
    kept: dict[Any, Any] = {}
    assert [checksums(each, kept) for each in tensors] == [checksums(each, {}) for each in tensors]
    assert [len(factors) for factors in kept.values()] == [16]


def test_checksums_tell_the_order() -> None:
    """Two words in each other's place are not the same tensor."""
    assert checksums(torch.tensor([1, 2, 3], dtype=torch.int32), {}) != checksums(
        torch.tensor([2, 1, 3], dtype=torch.int32), {}
    )


def test_checksums_of_a_view_are_those_of_its_copy() -> None:
    """An offset that is not aligned to words does not matter."""
    view = torch.arange(64, dtype=torch.uint8)[3:40]
    assert checksums(view, {}) == checksums(view.clone(), {})


def test_a_gguf_weight_is_hashed_like_any_other() -> None:
    """Its parameter would make one of its own kind of whatever is computed from it."""
    module, plain = torch.nn.Module(), torch.nn.Module()
    values = torch.arange(68, dtype=torch.uint8).reshape(2, 34)
    module.weight = GGUFParameter(values, requires_grad=False)
    plain.weight = torch.nn.Parameter(values, requires_grad=False)
    assert state_sha256(module) == state_sha256(plain)


def test_a_tensor_made_of_others_is_hashed_by_its_parts() -> None:
    """One code that is another changes it."""

    def hashed(codes: Any) -> str | None:
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(Flattened(codes, torch.ones(4)), requires_grad=False)
        return state_sha256(module)

    codes = torch.ones(4, 8, dtype=torch.int8)
    assert hashed(codes) == hashed(codes.clone()) != hashed(codes.clone().fill_(2))
