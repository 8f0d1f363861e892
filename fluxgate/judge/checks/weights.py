"""Check that what lies in memory is the file's bytes, and what is quantized is what its format makes of them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

from fluxgate.judge.answers import failed, no_data, passed
from fluxgate.judge.evidence import Evidence
from fluxgate.judge.sentences import again, counted
from fluxgate.judge.suspects import joined, loader_of, most_likely, quantizer_of
from fluxgate.judge.verdict import WEIGHTS, Verdict
from fluxgate.rendering import LOAD, TENSORS_NAMED, StoredWeights
from fluxgate.strategies.effects import Layers, Setting

BLOCK = 64
PLAIN = ("bfloat16", "float16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
# Classes of which every linear layer is quantized, but for those that the class itself keeps in float32.
WHOLE = ("FluxTransformer2DModel", "T5EncoderModel")
THRESHOLD = "6.0"  # of LLM.int8, above which activations stay in float16: the paper's, and every release's default
WRONG_CODES = 1e-3  # the share of a layer's codes that rounding may move where a weight lies between two; none was seen
WRONG_SCALES = 2e-3  # relative: float16's rounding, where a library keeps scales in it
WRONG_OFFSET = 1e-4  # relative: of the miniature's none was off by more than 5e-8; bfloat16 rounds by up to 4e-3
NAMED = 3
ALL = "all of its linear layers"


def weights(evidence: Evidence) -> Verdict:
    """Every tensor of the files is in memory bit for bit, in its dtype or in its format, and nothing else is."""
    stored = evidence.rendering.weights
    if not stored:
        sentence = f"This rendering does not tell how its weights compare with the files. Run {again(evidence.case)}."
        return no_data(evidence, WEIGHTS, sentence)
    wrong = [(name, complaint) for name, each in stored.items() for complaint in _complaints(evidence, name, each)]
    numbers = _numbers(stored.values())
    if wrong:
        first, *others = (f"{name}: {complaint}" for name, complaint in wrong)
        more = f" {counted(len(others), 'further complaint')}: {'; '.join(others)}." if others else ""
        who = _suspects(evidence, wrong[0][0])
        sentence = f"{first}.{more} {most_likely(who)} Run {again(evidence.case)}."
        return failed(evidence, WEIGHTS, sentence, numbers=numbers, stage=LOAD, suspects=who)
    read = int(numbers["tensors"] - numbers["unread"])
    if not read:
        sentence = (
            "None of its weights could be read: they lie in files that the strategy wrote, or in unknown formats."
        )
        return no_data(evidence, WEIGHTS, sentence, numbers=numbers)
    return passed(evidence, WEIGHTS, _all_well(stored.values(), numbers), numbers=numbers)


def _numbers(stored: Iterable[StoredWeights]) -> dict[str, float]:
    sums = Counter[str]()
    for each in stored:
        sums.update(tensors=each.tensors, same=each.same, unread=each.unread)
    return {name: float(sums[name]) for name in ("tensors", "same", "unread")}


def _all_well(stored: Iterable[StoredWeights], numbers: dict[str, float]) -> str:
    tensors, same, unread = (int(numbers[name]) for name in ("tensors", "same", "unread"))
    quantized = tensors - same - unread
    sentence = f"{counted(same, 'tensor')} of the files' {tensors} lie in memory bit for bit"
    sentence += f", {quantized} as their format makes of them" if quantized else ""
    sentence += f"; {unread} could not be read" if unread else ""
    sentence += "" if all(each.whole for each in stored) else "; of each large tensor the first numbers were looked at"
    return f"{sentence}."


def _complaints(evidence: Evidence, name: str, stored: StoredWeights) -> Iterator[str]:
    """What is wrong with one component, the plainest first."""
    if stored.missing:
        yield f"{_counted(stored.missing)} of the files {_are(stored.missing)} not in memory: {_named(stored.missing)}"
    if stored.made_up:
        yield f"{_counted(stored.made_up)} came from no file: {_named(stored.made_up)}"
    if stored.differing:
        least = "at least " if len(stored.differing) == TENSORS_NAMED else ""
        number = f"{least}{len(stored.differing)} of {stored.tensors}"
        differ = f"{number} tensors {_are(stored.differing)} not the file's bytes"
        yield f"{differ}: {_named(stored.differing)}"
    if stored.adapters and not evidence.case.strategy.promise.adapts:
        yield f"{counted(stored.adapters, 'tensor')} of an adapter lie in memory, which should be gone"
    yield from _of_layers(evidence, name, stored)
    codes = [layer for layer, share in stored.codes.items() if share > WRONG_CODES]
    if codes:
        worst = max(stored.codes.values())
        yield f"the codes of {_layers(codes)} are not those of the file's weights ({worst:.1%} of them at worst)"
    scales = [layer for layer, error in stored.scales.items() if error > WRONG_SCALES]
    if scales:
        worst = max(stored.scales.values())
        yield f"the scales of {_layers(scales)} are not those of the file's weights (off by {worst:.1%} at worst)"
    offsets = [layer for layer, error in stored.offsets.items() if error > WRONG_OFFSET]
    if offsets:
        worst = max(stored.offsets.values())
        yield f"the offset of the scales of {_layers(offsets)} is not their mean (off by {worst:.2%} at worst)"


def _of_layers(evidence: Evidence, name: str, stored: StoredWeights) -> Iterator[str]:
    """Linear layers that are stored otherwise than promised, or than their like in other blocks."""
    component = evidence.rendering.inventory.components.get(name) if evidence.rendering.inventory else None
    expected = expected_kind(evidence, name)
    if expected is None:
        yield from (f"{count} of its linear layers are {kind}" for kind, count in _unpromised(evidence, stored))
    elif set(stored.kinds) != {expected}:
        others = _others(stored, expected, whole=component is not None and component.class_name in WHOLE)
        if others:
            kinds = " and ".join(dict.fromkeys(others.values()))
            yield f"{_layers(list(others))} {_are(others)} stored as {kinds}, not as {expected}"
    odd = odd_layers(stored.layers) if expected is None else {}
    if odd:
        kinds = " and ".join(dict.fromkeys(odd.values()))
        yield f"{_layers(list(odd))} {_are(odd)} stored as {kinds}, unlike the same layer of other blocks"
    threshold = component.settings.get("threshold") if component else None
    if threshold not in (None, THRESHOLD):
        yield f"the threshold of its 8-bit layers is {threshold}, expected {THRESHOLD}"


def expected_kind(evidence: Evidence, name: str) -> str | None:
    """How the promise says that the component's linear layers are stored; None if it does not say."""
    effects = evidence.case.strategy.promise.effects
    layer = next((one.layer for one in effects if isinstance(one, Layers) and name in one.of), None)
    settings = {one.name: one.value for one in effects if isinstance(one, Setting) and name in one.of}
    if layer == "Linear4bit":
        double = ", double" if settings.get("double_quant") == "True" else ""
        return f"{settings.get('quant_type')}, blocks of {BLOCK}{double}"
    return {"Linear8bitLt": "int8", "GGUFLinear": "GGUF Q8_0"}.get(layer or "")


def _unpromised(evidence: Evidence, stored: StoredWeights) -> Iterator[tuple[str, int]]:
    """Kinds that no strategy stores on purpose, and those that one which changes no weights should not have."""
    for kind, count in stored.kinds.items():
        half_done = " in a " in kind
        if half_done or (kind not in PLAIN and not evidence.case.strategy.promise.changes_weights):
            yield kind, count


def _others(stored: StoredWeights, expected: str, *, whole: bool) -> dict[str, str]:
    """Layers that are not as promised. Of a class that we do not know, those alone whose like are."""
    layers = stored.layers or dict.fromkeys([ALL], next(iter(stored.kinds), "nothing"))
    plain = {name: kind for name, kind in layers.items() if kind != expected and not _is_spared(name, kind, stored)}
    like_them = {_pattern(name) for name, kind in layers.items() if kind == expected}
    return {name: kind for name, kind in plain.items() if whole or kind not in PLAIN or _pattern(name) in like_them}


def _is_spared(name: str, kind: str, stored: StoredWeights) -> bool:
    last = name.rpartition(".")[2]
    return kind in PLAIN and last in (*stored.spared, "lm_head")


def odd_layers(layers: dict[str, str]) -> dict[str, str]:
    """Layers that are stored otherwise than most of those with the same place in other blocks."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in layers:
        alike[_pattern(name)].append(name)
    odd: dict[str, str] = {}
    for names in alike.values():
        usual = Counter(layers[name] for name in names).most_common(1)[0][0]
        odd |= {name: layers[name] for name in names if layers[name] != usual}
    return odd


def _pattern(name: str) -> str:
    return re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", name)


def _counted(names: tuple[str, ...]) -> str:
    return counted(len(names), "tensor") if len(names) < TENSORS_NAMED else f"{TENSORS_NAMED} tensors or more"


def _are(names: Collection[str]) -> str:
    return "is" if len(names) == 1 and ALL not in names else "are"


def _named(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def _layers(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} layers ({_named(names)})"


def _suspects(evidence: Evidence, name: str) -> str:
    """The library that the component's class belongs to loads it; what is quantized another one has stored."""
    inventory = evidence.rendering.inventory
    component = inventory.components.get(name) if inventory else None
    reader = [] if component is None else [quantizer_of(component) or "safetensors"]
    return joined([loader_of(name, evidence.case.subject), *reader])
