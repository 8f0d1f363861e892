"""Tests of the check of what a case was made of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxgate.baselines.store import PORTABLE
from fluxgate.judge.checks.inventory import A_TABLE, LOAD_SHARE, SPARE
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.verdict import FAILED, INVENTORY, NEW_WARNINGS, PASSED
from fluxgate.rendering import (
    ALTERED_BY_REMOVAL,
    BESIDE,
    GRADIENTS,
    HANDLERS_GROWN,
    HOOKS_CHANGED,
    HOOKS_LEFT,
    IN_TRAINING,
    NETWORK_ASKED,
    NOT_THE_SAME,
    OWN_ARGUMENTS,
    PICTURES_CHANGED,
    SETTING_CHANGED,
    TORCH_HOOKS_GROWN,
    Component,
    Inventory,
)
from fluxgate.strategies.effects import ALTERED, SLICES, TILES, Counted
from fluxgate.strategies.promise import Promise
from tests.judge.made import FULL, accepted, evidence, made, promising, verdict, with_rendering
from tests.runs.building import inventory as tiny
from tests.runs.building import memory
from tests.wording import unsaid


def component(sizes: dict[str, int], *, quantized: int = 0, name: str = "text_encoder_2") -> Component:
    return Component(name, "T5EncoderModel", sizes, quantized, {"Linear": 4}, {}, {}, {}, None)


def holding(tmp_path: Path, *sizes: dict[str, int], on_disk: int | None = None, quantized: int = 0) -> Evidence:
    """A reference whose one component holds these bytes."""
    found = Inventory({"text_encoder_2": component(sizes[0], quantized=quantized)})
    numbers = {} if on_disk is None else {"text_encoder_2": on_disk}
    return with_rendering(evidence(tmp_path, FULL, numbers_on_disk=numbers), inventory=found)


@pytest.mark.parametrize(
    ("warning", "status"),
    [
        ("Some weights of T5EncoderModel were not initialized and are newly initialized: ['shared.weight']", FAILED),
        ("transformers: T5EncoderModel LOAD REPORT\nKey | Status\nshared.weight | MISSING |", FAILED),
        ("transformers: T5EncoderModel LOAD REPORT\nKey | Status\nlm_head.weight | UNEXPECTED |", PASSED),
        ("FutureWarning: this argument is MISSING", PASSED),
    ],
)
def test_weights_that_a_library_made_up_are_noticed(tmp_path: Path, warning: str, status: str) -> None:
    """Libraries only warn of what they did not find in the files, and go on with random numbers."""
    whole = with_rendering(evidence(tmp_path, FULL), warnings=(warning,))
    found = verdict(whole, INVENTORY)
    assert found.status == status
    assert status == PASSED or not unsaid(found.sentence, "made up weights")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("above", "status"), [(-1, PASSED), (0, PASSED), (1, FAILED)])
def test_copies_of_weights_beside_the_components_are_noticed(
    tmp_path: Path, device: str, above: int, status: str
) -> None:
    """The pictures are the same, and the memory is not; what libraries compute from weights grows with them."""
    weights = Inventory({"text_encoder_2": component({"bfloat16": 2_000_000})}, {BESIDE: SPARE + 2000 + above})
    whole = with_rendering(evidence(tmp_path, FULL), inventory=weights)
    found = verdict(replace(whole, case=replace(whole.case, device=device)), INVENTORY)
    assert found.status == status
    assert (unsaid(found.sentence, "8.4 MB of tensors") == []) == (status == FAILED)


def test_gradients_are_noticed(tmp_path: Path) -> None:
    """They cost memory, which only a GPU's ceiling would tell."""
    whole = evidence(tmp_path, FULL)
    found = with_rendering(whole, inventory=replace(tiny(), counts={GRADIENTS: 20}))
    assert not unsaid(verdict(found, INVENTORY).sentence, "20 calls", "gradients")


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (HOOKS_CHANGED, "A later call left other hooks on its components than the first one."),
        (HOOKS_LEFT, "remove_all_hooks leaves accelerate's hooks on 1 module."),
        (f"{IN_TRAINING}text_encoder_2", "text_encoder_2 is in training mode, in which layers may drop numbers out."),
        (PICTURES_CHANGED, "A later call changed the pictures that an earlier one had returned."),
        (NETWORK_ASKED, "Loading the pipeline, or calling it, turns to the network once, though its files are here."),
        (f"{NOT_THE_SAME}latents", "A call that is given latents does not come to the same as one that is not"),
        (f"{ALTERED_BY_REMOVAL}vae", "remove_all_hooks leaves vae with other weights than it had."),
    ],
)
def test_what_calls_and_loading_should_not_leave_is_noticed(tmp_path: Path, count: str, sentence: str) -> None:
    """None of it is right."""
    whole = evidence(tmp_path, FULL)
    for number, status in ((0, PASSED), (1, FAILED)):
        counts = {count: number} if number else {}
        found = verdict(with_rendering(whole, inventory=replace(tiny(), counts=counts)), INVENTORY)
        assert (found.status, found.sentence.startswith(sentence)) == (status, status == FAILED)


@pytest.mark.parametrize(
    ("said", "settings", "status"),
    [
        ({}, {}, PASSED),  # of a worker that did not ask
        ({"arguments": OWN_ARGUMENTS, "adapter": "none"}, {}, PASSED),
        ({"arguments": "args, kwargs"}, {}, FAILED),
        ({"adapter": "none"}, {"adapter": "one"}, FAILED),
        ({"adapter": "loaded"}, {"adapter": "one"}, PASSED),
        ({"adapter": "loaded"}, {"adapter_in_no_layer": "one"}, PASSED),  # which is told as such
        ({"adapter": "loaded"}, {}, FAILED),
        ({"dtype": "bfloat16"}, {}, PASSED),
        ({"dtype": "float8_e4m3fn"}, {}, FAILED),
    ],
)
def test_a_component_says_what_it_is(
    tmp_path: Path, said: dict[str, str], settings: dict[str, str], status: str
) -> None:
    """Or others go by what is not so."""
    one = replace(component({"bfloat16": 1000}), said=said, settings=settings)
    for release, expected in (("0.42.1", status), ("0.43.0.dev0", status), ("0.42.0", PASSED)):
        parts = Inventory({"text_encoder_2": one})
        whole = with_rendering(evidence(tmp_path, FULL), inventory=parts, libraries={"diffusers": release})
        assert verdict(whole, INVENTORY).status == expected, release


@pytest.mark.parametrize(
    ("name", "changes", "who"),
    [
        ("transformer", {"bytes_by_dtype": {"bfloat16": 998}}, "diffusers"),
        (
            "transformer",
            {"bytes_by_dtype": {"bfloat16": 9}, "module_classes": {"Linear4bit": 1}},
            "diffusers or bitsandbytes",
        ),
        ("text_encoder", {"bytes_by_dtype": {"bfloat16": 998}}, "transformers"),
        ("text_encoder", {"bytes_by_dtype": {"bfloat16": 900, "float32": 100}}, "transformers"),
        ("text_encoder", {"placement": {"before": {"cpu": 500}, "after": {"cpu": 600}}}, "transformers"),
        ("text_encoder", None, "diffusers or transformers"),
        ("vae", {}, "diffusers"),
    ],
    ids=["bytes", "quantized", "of an encoder", "strays", "cast", "missing", "new"],
)
def test_whoever_loaded_a_component_is_suspected_of_its_weights(
    tmp_path: Path, name: str, changes: dict[str, Any] | None, who: str
) -> None:
    """And whoever quantized it; of a component that is not there, whoever loads any."""
    parts = dict(tiny().components)
    one = parts.pop(name, replace(parts["transformer"], name=name))
    if changes is not None:
        parts[name] = replace(one, **changes)
    found = verdict(with_rendering(evidence(tmp_path), inventory=replace(tiny(), components=parts)), INVENTORY)
    assert (found.status, found.suspects) == (FAILED, who)


def test_whoever_loaded_the_decoder_is_suspected_of_its_pieces(tmp_path: Path) -> None:
    """Nobody else cuts them."""
    parts = tiny().components
    whole = Inventory({**parts, "vae": replace(parts["transformer"], name="vae")}, {TILES: 2})
    found = verdict(with_rendering(evidence(tmp_path, FULL), inventory=whole), INVENTORY)
    assert (found.status, found.suspects) == (FAILED, "diffusers")


def test_a_case_without_an_inventory_fails(tmp_path: Path) -> None:
    """What left none cannot pass."""
    assert verdict(with_rendering(evidence(tmp_path), inventory=None), INVENTORY).status == FAILED


def test_the_same_inventory_passes(tmp_path: Path) -> None:
    """Subject's dtype, reference and baseline are all told as having been looked at."""
    whole = evidence(tmp_path)
    assert whole.rendered is not None
    whole = replace(whole, baseline=accepted(whole.rendered, tmp_path / "baselines"))
    found = verdict(whole, INVENTORY)
    assert (found.status, found.numbers) == (PASSED, {"bytes": 2000})
    assert not unsaid(found.sentence, "2 components", "dtype", "full", "baseline")


@pytest.mark.parametrize(
    ("sizes", "codes", "status"),
    [
        ({"int8": 20_000, "float32": 400}, 20_400, PASSED),
        ({"int8": 20_000, "float32": 300}, 20_300, PASSED),  # scales or zero points that nobody uses
        ({"int8": 20_000, "float32": 297}, 20_297, FAILED),  # more than 0.5%
        ({"int8": 20_000, "float32": 401}, 20_401, FAILED),
        ({"int8": 20_000, "float32": 300}, 20_400, FAILED),  # weights that are not quantized
        ({"int8": 20_050, "float32": 300}, 20_350, FAILED),
    ],
)
def test_a_quantized_component_may_lack_what_nobody_uses(
    tmp_path: Path, sizes: dict[str, int], codes: int, status: str
) -> None:
    """Next to nothing, all of it beside the codes: other checks hold these to the file."""
    before = Component("transformer", "T", {"int8": 20_000, "float32": 400}, 20_400, {}, {}, {}, {}, None)
    whole = with_rendering(evidence(tmp_path, FULL), inventory=Inventory({"transformer": before}))
    whole = replace(whole, baseline=accepted(whole.rendered_here, tmp_path / "baselines"))
    now = replace(before, bytes_by_dtype=sizes, quantized_bytes=codes)
    assert verdict(with_rendering(whole, inventory=Inventory({"transformer": now})), INVENTORY).status == status


@pytest.mark.parametrize(("more", "status"), [(-2, FAILED), (0, PASSED), (2, FAILED)])
def test_a_byte_more_or_less_than_the_reference_fails(tmp_path: Path, more: int, status: str) -> None:
    """An offload strategy holds exactly what its reference holds."""
    found = verdict(with_rendering(evidence(tmp_path), inventory=tiny(1000 + more)), INVENTORY)
    assert found.status == status
    if status == FAILED:
        said = f"transformer does not hold what it does in full: bfloat16 1,000 B → {1000 + more:,} B."
        assert found.sentence.startswith(said)


@pytest.mark.parametrize(
    ("sizes", "more", "status"),
    [
        ({"float32": A_TABLE}, {"buffer_bytes": A_TABLE, "exempt_bytes": {"float32": A_TABLE}}, PASSED),
        ({"float32": A_TABLE + 1}, {"buffer_bytes": A_TABLE + 1, "exempt_bytes": {"float32": A_TABLE + 1}}, FAILED),
        ({"float32": 256}, {"buffer_bytes": 256}, FAILED),  # it is saved
        ({"float32": 256}, {"exempt_bytes": {"float32": 256}}, FAILED),  # it is a weight that is kept wide
        ({"float32": 256}, {"buffer_bytes": 512, "exempt_bytes": {"float32": 512}}, FAILED),  # more than there is
    ],
)
def test_a_small_table_that_is_in_no_file_is_no_other_model(
    tmp_path: Path, sizes: dict[str, int], more: dict[str, Any], status: str
) -> None:
    """Positions that are computed once are a buffer; whatever is in files is held to the byte."""
    reference = made(tmp_path, "full", inventory=Inventory({"text_encoder_2": component({"bfloat16": 1_000_000})}))
    own = replace(component({"bfloat16": 1_000_000, **sizes}), **more)
    strategy = promising("other", reproduces="full")
    numbers = {"text_encoder_2": 500_000}
    whole = evidence(tmp_path, strategy, reference=reference, numbers_on_disk=numbers)
    found = verdict(with_rendering(whole, inventory=Inventory({"text_encoder_2": own})), INVENTORY)
    assert (found.status, unsaid(found.sentence, "in full") == []) == (status, status == FAILED)


@pytest.mark.parametrize(("float32", "status"), [(512, PASSED), (256 + A_TABLE, PASSED), (257 + A_TABLE, FAILED)])
def test_a_table_may_grow_by_as_much_as_a_new_one_may_take(tmp_path: Path, float32: int, status: str) -> None:
    """What the reference's takes already is no part of it."""

    def tabled(size: int) -> Inventory:
        own = component({"bfloat16": 1_000_000, "float32": size})
        return Inventory({"text_encoder_2": replace(own, buffer_bytes=size, exempt_bytes={"float32": size})})

    reference = made(tmp_path, "full", inventory=tabled(256))
    whole = evidence(tmp_path, promising("other", reproduces="full"), reference=reference)
    assert verdict(with_rendering(whole, inventory=tabled(float32)), INVENTORY).status == status


@pytest.mark.parametrize(("adapts", "status"), [(True, PASSED), (False, FAILED)])
def test_an_adapter_lies_beside_what_the_reference_holds(tmp_path: Path, adapts: bool, status: str) -> None:
    """One that is switched off gives the reference's pictures, and has more in memory."""
    strategy = promising("off", reproduces="full", adapts=adapts)
    reference = made(tmp_path, "full", inventory=Inventory({"text_encoder_2": component({"bfloat16": 1_000})}))
    own = Inventory({"text_encoder_2": component({"bfloat16": 1_100})})
    whole = with_rendering(evidence(tmp_path, strategy, reference=reference), inventory=own)
    assert verdict(whole, INVENTORY).status == status


@pytest.mark.parametrize(("on_disk", "status"), [(500, PASSED), (501, FAILED), (525, FAILED)])
def test_what_is_exempt_in_the_due_dtype_replaces_no_weight(tmp_path: Path, on_disk: int, status: str) -> None:
    """500 numbers of bfloat16, 50 of them exempt, are not 550: 25 of float32 are missing from the due ones."""
    own = replace(component({"bfloat16": 1000, "float32": 100}), exempt_bytes={"bfloat16": 100})
    whole = evidence(tmp_path, FULL, numbers_on_disk={"text_encoder_2": on_disk})
    assert verdict(with_rendering(whole, inventory=Inventory({"text_encoder_2": own})), INVENTORY).status == status


def test_every_dtype_that_moved_is_told_with_the_total(tmp_path: Path) -> None:
    """One may shrink while another grows."""
    some = tiny()
    mixed = replace(some.components["transformer"], bytes_by_dtype={"bfloat16": 999, "float32": 0, "uint8": 9})
    whole = with_rendering(evidence(tmp_path), inventory=Inventory({**some.components, "transformer": mixed}))
    assert not unsaid(
        verdict(whole, INVENTORY).sentence,
        "bfloat16 1,000 B → 999 B",
        "uint8 0 B → 9 B",
        "1,000 B → 1,008 B",
    )


def test_hooks_and_modules_are_a_strategys_own(tmp_path: Path) -> None:
    """An offloaded component has other hooks than its reference's, and the same bytes."""
    some = tiny()
    hooked = {name: replace(one, hooks={"CpuOffload": 1}) for name, one in some.components.items()}
    assert verdict(with_rendering(evidence(tmp_path), inventory=Inventory(hooked)), INVENTORY).status == PASSED


def test_a_component_that_is_missing_or_new_fails(tmp_path: Path) -> None:
    """Components are told by name, in both directions."""
    some = tiny()
    less = Inventory({"transformer": some.components["transformer"]})
    assert "text_encoder is missing, which full has" in verdict(
        with_rendering(evidence(tmp_path), inventory=less), INVENTORY
    ).sentence  # fmt: skip
    without = Inventory({**some.components, "extra": component({})})  # weights, which costs nothing
    assert verdict(with_rendering(evidence(tmp_path), inventory=without), INVENTORY).status == PASSED
    more = Inventory({**some.components, "extra": component({"bfloat16": 2})})
    found = with_rendering(evidence(tmp_path), inventory=more)
    assert not unsaid(verdict(found, INVENTORY).sentence, "extra", "full")


def test_an_approximating_strategy_is_held_against_its_baseline_only(tmp_path: Path) -> None:
    """Quantized weights are not the reference's, and must be the accepted ones."""
    one = promising("nf4", approximates="full")
    whole = with_rendering(evidence(tmp_path, one), inventory=tiny(500))
    assert verdict(whole, INVENTORY).status == PASSED
    whole = replace(whole, baseline=accepted(made(tmp_path, "nf4"), tmp_path / "baselines"))
    found = verdict(whole, INVENTORY)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "baseline: bfloat16")
    assert "fluxgate accept" not in found.sentence


def test_a_portable_baseline_says_nothing_of_what_lies_in_memory(tmp_path: Path) -> None:
    """Only its pictures hold on every machine."""
    portable = accepted(made(tmp_path, "nf4"), tmp_path / "baselines", machine=PORTABLE)
    whole = evidence(tmp_path, promising("nf4", approximates="full"), baseline=portable)
    assert verdict(with_rendering(whole, inventory=tiny(500)), INVENTORY).status == PASSED


@pytest.mark.parametrize(("on_disk", "status"), [(None, FAILED), (1000, FAILED)], ids=["no files", "files"])
def test_weights_that_silently_stay_in_float32_are_caught_without_a_baseline(
    tmp_path: Path, on_disk: int | None, status: str
) -> None:
    """A fifth of T5 in float32 is told, whether or not the files on disk can be looked at."""
    found = verdict(holding(tmp_path, {"bfloat16": 1600, "float32": 800}, on_disk=on_disk), INVENTORY)
    assert found.status == status
    assert not unsaid(found.sentence, "text_encoder_2", "800 B of float32", "33.33%", "bfloat16")


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_any_other_floating_dtype_is_as_wrong(tmp_path: Path, dtype: str) -> None:
    """Narrower and wider are both named."""
    assert f"of {dtype}" in verdict(holding(tmp_path, {"bfloat16": 1600, dtype: 800}), INVENTORY).sentence


@pytest.mark.parametrize(
    ("sizes", "on_disk"),
    [
        ({"bfloat16": 2000, "int64": 900}, None),
        ({"bfloat16": 2_000_000, "float32": 256}, None),
        ({"bfloat16": 1_998_000, "float32": 2000}, None),
        ({"bfloat16": 2000, "float32": 256}, 1000),
        ({"bfloat16": 1800}, 1000),
        ({"float16": 2000, "float32": 400}, 1000),
        ({"float8_e4m3fn": 2000, "bfloat16": 100, "float32": 50}, None),
    ],
    ids=[
        "positions",
        "small buffer",
        "buffer at the edge",
        "buffer, all weights there",
        "unloaded keys",
        "cast whole",
        "fp8",
    ],
)
def test_buffers_unloaded_keys_and_casts_are_no_strays(
    tmp_path: Path, sizes: dict[str, int], on_disk: int | None
) -> None:
    """Only weights that are missing from the due dtype are called stray."""
    assert verdict(holding(tmp_path, sizes, on_disk=on_disk), INVENTORY).status == PASSED


def test_a_buffer_beyond_the_share_is_a_stray(tmp_path: Path) -> None:
    """A byte more than a thousandth, where no file tells whether it is a weight."""
    assert verdict(holding(tmp_path, {"bfloat16": 1_997_999, "float32": 2001}), INVENTORY).status == FAILED


@pytest.mark.parametrize(
    ("float32", "on_disk", "status"),
    [(400, None, PASSED), (440, None, FAILED), (440, 600, PASSED), (440, 601, FAILED), (440, 599, PASSED)],
)
def test_what_a_library_keeps_wide_on_purpose_is_no_stray(
    tmp_path: Path, float32: int, on_disk: int | None, status: str
) -> None:
    """400 bytes of 100 numbers of the file are; 40 more are a buffer only where no number of it is missing."""
    own = replace(component({"bfloat16": 1000, "float32": float32}), exempt_bytes={"float32": 400})
    numbers = {} if on_disk is None else {"text_encoder_2": on_disk}
    whole = evidence(tmp_path, FULL, numbers_on_disk=numbers)
    assert verdict(with_rendering(whole, inventory=Inventory({"text_encoder_2": own})), INVENTORY).status == status


def test_a_quantized_component_hides_no_stray_of_another(tmp_path: Path) -> None:
    """Each is looked at by itself."""
    sizes = {"bfloat16": 1600, "float32": 800}
    parts = {
        "transformer": component(sizes, quantized=800, name="transformer"),
        "text_encoder_2": component(sizes),
    }
    found = verdict(with_rendering(evidence(tmp_path, FULL), inventory=Inventory(parts)), INVENTORY)
    assert (found.status, unsaid(found.sentence, "text_encoder_2")) == (FAILED, [])


def test_a_quantized_component_is_left_to_its_effects(tmp_path: Path) -> None:
    """A quantizer keeps scales in float32."""
    whole = holding(tmp_path, {"bfloat16": 2000, "uint8": 900, "float32": 400}, quantized=1300)
    assert verdict(whole, INVENTORY).status == PASSED


def test_one_number_of_a_norm_is_caught_where_the_files_can_be_read(tmp_path: Path) -> None:
    """With the files at hand the rule is exact: 64 numbers of a million in float32 are seen."""
    sizes = {"bfloat16": 2 * (1_000_000 - 64), "float32": 4 * 64}
    assert verdict(holding(tmp_path, sizes), INVENTORY).status == PASSED
    assert verdict(holding(tmp_path, sizes, on_disk=1_000_000), INVENTORY).status == FAILED


def test_weights_that_are_no_longer_quantized_are_told(tmp_path: Path) -> None:
    """The same bytes of the same dtypes, but not of quantized weights, are another inventory."""
    whole = evidence(tmp_path)
    some = tiny()
    before = {**some.components, "transformer": replace(some.components["transformer"], quantized_bytes=900)}
    reference = made(tmp_path, "full", inventory=replace(some, components=before))
    found = verdict(replace(whole, reference=reference), INVENTORY)
    assert found.status == FAILED
    assert not unsaid(found.sentence, "900 B → 0 B")


@pytest.mark.parametrize(
    ("after", "quantized", "status"),
    [(6_000, 0, FAILED), (2_000, 0, FAILED), (4_000, 0, PASSED), (0, 0, PASSED), (6_000, 4_000, PASSED)],
    ids=["grown", "shrunk", "the same", "freed", "quantized and packed anew"],
)
def test_weights_that_are_cast_while_they_are_used_are_caught(
    tmp_path: Path, after: int, quantized: int, status: str
) -> None:
    """A component holds as many bytes after rendering as before it."""
    places = {"before": {"cpu": 4_000}, "after": {"cpu": after} if after else {}}
    whole = replace(component({"bfloat16": 4_000}, quantized=quantized), placement=places)
    found = verdict(with_rendering(evidence(tmp_path, FULL), inventory=Inventory({"text_encoder_2": whole})), INVENTORY)
    assert found.status == status
    if status == FAILED:
        assert not unsaid(found.sentence, "text_encoder_2", f"{after:,} B after rendering", "held 4,000 B")


@pytest.mark.parametrize("what", [TILES, SLICES])
@pytest.mark.parametrize(
    ("number", "asked", "status"), [(1, False, PASSED), (2, False, FAILED), (2, True, PASSED)], ids=str
)
def test_pieces_that_nobody_asked_for_are_noticed(
    tmp_path: Path, what: str, number: int, asked: bool, status: str
) -> None:
    """Tiles move pixels, slices cost time; a strategy that promises some has them."""
    whole = with_rendering(evidence(tmp_path, FULL), inventory=replace(tiny(), counts={what: number}))
    strategy = replace(FULL, promise=Promise(effects=(Counted(what, at_least=2),) if asked else ()))
    found = verdict(replace(whole, case=replace(whole.case, strategy=strategy)), INVENTORY)
    assert (found.status, f"makes 2 {what}" in found.sentence) == (status, status == FAILED)


@pytest.mark.parametrize(
    ("accepted_ones", "new"), [(None, 0), ((), 2), (("it is slow",), 1), (("it is slow", "it is old"), 0)]
)
def test_new_warnings_are_told_and_fail_nothing(
    tmp_path: Path, accepted_ones: tuple[str, ...] | None, new: int
) -> None:
    """Those that were not there when the case was accepted; of an older acceptance nothing is known."""
    whole = evidence(tmp_path, FULL)
    baseline = accepted(whole.rendered_here, tmp_path / "store")
    baseline = replace(baseline, case=replace(baseline.case, warnings=accepted_ones))
    found = verdict(replace(with_rendering(whole, warnings=("it is slow", "it is old")), baseline=baseline), INVENTORY)
    assert (found.status, found.numbers.get(NEW_WARNINGS, 0)) == (PASSED, new)
    assert (unsaid(found.sentence, "Libraries warn") == []) == bool(new)
    assert ("more warning" in found.sentence, "and 1 more warning)" in found.sentence) == (new == 2, new == 2)


def test_a_setting_of_the_process_that_is_left_changed_is_noticed(tmp_path: Path) -> None:
    """All that computes in the process after it is another computation."""
    counts = {f"{SETTING_CHANGED}torch's default dtype": 1}
    found = verdict(with_rendering(evidence(tmp_path, FULL), inventory=replace(tiny(), counts=counts)), INVENTORY)
    assert (found.status, "leaves torch's default dtype changed" in found.sentence) == (FAILED, True)
    assert found.suspects == "diffusers or transformers or torch"


@pytest.mark.parametrize(
    ("count", "said", "who"),
    [
        (f"{TORCH_HOOKS_GROWN}text_encoder", "torch's hooks on text_encoder", "transformers"),
        (f"{HANDLERS_GROWN}diffusers", "handlers on the log of diffusers", "diffusers or transformers"),
    ],
)
def test_what_a_later_call_hangs_up_beside_the_first_is_named(tmp_path: Path, count: str, said: str, who: str) -> None:
    """With whoever loaded the component, if it is one."""
    found = verdict(with_rendering(evidence(tmp_path, FULL), inventory=replace(tiny(), counts={count: 1})), INVENTORY)
    assert (found.status, said in found.sentence, found.suspects) == (FAILED, True, who)


WEIGHTS = 100_000_000


@pytest.mark.parametrize(
    ("beyond", "promise", "device", "status"),
    [
        (0, Promise(stays=True), "cuda", PASSED),
        (1, Promise(stays=True), "cuda", FAILED),
        (1, Promise(stays=True), "cpu", PASSED),
        (1, Promise(), "cuda", PASSED),
        (1, Promise(stays=True, effects=(Counted(ALTERED, at_least=1),)), "cuda", PASSED),
        (1, Promise(stays=True, effects=(Counted(TILES, at_least=2),)), "cuda", FAILED),
    ],
    ids=["at the edge", "beyond", "on a CPU", "that do not stay", "that are compared", "that are tiled"],
)
def test_weights_that_are_on_the_gpu_twice_while_they_load_are_noticed(
    tmp_path: Path, beyond: int, promise: Promise, device: str, status: str
) -> None:
    """A copy of them, or a load in a wider dtype, where nobody has accepted a peak."""
    whole = with_rendering(
        evidence(tmp_path, FULL),
        inventory=inventory_of(WEIGHTS),
        memory=memory(WEIGHTS + SPARE + round(LOAD_SHARE * WEIGHTS) + beyond),
    )
    case = replace(whole.case, device=device, strategy=replace(FULL, promise=promise))
    found = verdict(replace(whole, case=case), INVENTORY)
    assert (found.status, unsaid(found.sentence, "0.11 GB") == []) == (status, status == FAILED)


def test_the_peak_of_calls_that_compile_is_not_that_of_weights(tmp_path: Path) -> None:
    """They belong to loading, and so do the numbers that they compute."""
    whole = with_rendering(evidence(tmp_path, FULL), inventory=inventory_of(WEIGHTS), memory=memory(10 * WEIGHTS))
    compiled = replace(FULL, promise=Promise(stays=True), compiles=True)
    found = verdict(replace(whole, case=replace(whole.case, device="cuda", strategy=compiled)), INVENTORY)
    assert found.status == PASSED


def test_what_is_computed_later_is_no_weight_that_was_loaded_twice(tmp_path: Path) -> None:
    """Only the peak of loading counts; and a component of which nobody noted where it lay takes nothing there."""
    load, *later = memory(WEIGHTS).phases
    more = replace(memory(WEIGHTS), phases=(load, *(replace(one, allocated=10 * WEIGHTS) for one in later)))
    parts = inventory_of(WEIGHTS)
    parts = replace(parts, components={**parts.components, "vae": component({"bfloat16": 2}, name="vae")})
    whole = with_rendering(evidence(tmp_path, FULL), inventory=parts, memory=more)
    stays = replace(FULL, promise=Promise(stays=True))
    assert verdict(replace(whole, case=replace(whole.case, strategy=stays)), INVENTORY).status == PASSED


def inventory_of(size: int) -> Inventory:
    """Of a transformer that lies on the GPU from the start."""
    parts = tiny(size)
    return replace(parts, components={"transformer": parts.components["transformer"]})
