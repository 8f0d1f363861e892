"""The mapping of a small FLUX pipeline's tensors onto a large one's shapes, after which both compute the same picture.

Every channel of the small model stands several times in the large one, and a matrix that reads copies is divided by
their number. The ratios are powers of two, so the division is exact in bfloat16. Blocks without a counterpart change
nothing: their gates are shut or their norms are zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fluxgate.miniature.architecture import DEAD_BIAS, DEAD_STRIDE, Sizes
from fluxgate.miniature.bfloat16 import ONE, Bits, Noise, scaled, to_floats
from fluxgate.refusal import Refusal


@dataclass(frozen=True)
class Spread:
    """How one axis grows: its parts (of these relative lengths) are each repeated whole, or every element is."""

    times: int = 1
    parts: tuple[int, ...] = (1,)
    elementwise: bool = False

    def split(self, array: Bits, axis: int) -> list[Bits]:
        unit = array.shape[axis] // sum(self.parts)
        ends = np.cumsum([part * unit for part in self.parts])[:-1]
        return list(np.split(array, ends, axis=axis))

    def grown(self, array: Bits, axis: int) -> Bits:
        if self.elementwise:
            return np.repeat(array, self.times, axis=axis)
        return np.concatenate([piece for part in self.split(array, axis) for piece in [part] * self.times], axis=axis)


SAME = Spread()


@dataclass(frozen=True)
class Rule:
    """What happens to the tensors whose name, without `.weight` or `.bias`, matches the pattern."""

    pattern: str
    rows: Spread
    columns: Spread = SAME
    weight: float | None = None  # factor; unless said, one over the number of input copies
    bias: float = 1.0

    @property
    def weight_factor(self) -> float:
        return 1 / self.columns.times if self.weight is None else self.weight


@dataclass(frozen=True)
class Planned:
    """A tensor of the large pipeline that can be written piece by piece."""

    name: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[Bits]]

    @property
    def count(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Ratios:
    """How many times wider the large components are."""

    transformer: int
    t5: int
    clip: int
    vae: int


def ratios(small: Sizes, big: Sizes) -> Ratios:
    """The widths' ratios, or a refusal where growth would not be exact."""
    _refuse_other_shapes(small, big)
    widths = Ratios(
        transformer=_ratio("transformer's heads", small.heads, big.heads),
        t5=_ratio("T5's width", small.t5_width, big.t5_width),
        clip=_ratio("CLIP's width", small.clip_width, big.clip_width),
        vae=_ratio("VAE's channels", small.vae_channels[0], big.vae_channels[0]),
    )
    if math.isqrt(widths.vae) ** 2 != widths.vae:
        raise Refusal(f"The VAE cannot grow {widths.vae} times: its attention is exact for 1, 4 and 16 times only.")
    _same("T5", widths.t5, (small.t5_heads, big.t5_heads), (small.t5_inner, big.t5_inner))
    _same("CLIP", widths.clip, (small.clip_heads, big.clip_heads), (small.clip_inner, big.clip_inner))
    _same("the VAE", widths.vae, *zip(small.vae_channels, big.vae_channels, strict=True))
    return widths


def _ratio(what: str, small: int, big: int) -> int:
    times = big // small if small else 0
    if times < 1 or small * times != big or times & (times - 1):
        raise Refusal(f"The {what} cannot grow from {small} to {big}: the ratio must be a power of two.")
    return times


def _same(what: str, times: int, *pairs: tuple[int, int]) -> None:
    if any(small * times != big for small, big in pairs):
        raise Refusal(f"All widths of {what} must grow {times} times alike.")


def _refuse_other_shapes(small: Sizes, big: Sizes) -> None:
    depths = [(s.double_blocks, s.single_blocks, s.t5_layers, s.clip_layers) for s in (small, big)]
    if any(few > many for few, many in zip(*depths, strict=True)):
        raise Refusal("A pipeline cannot grow into one with fewer layers.")
    if small.width % DEAD_STRIDE:
        raise Refusal(f"The transformer's width is {small.width}; only multiples of {DEAD_STRIDE} can grow.")
    unchanged = [(s.axes, s.t5_head, s.clip_width // s.clip_heads, s.vae_groups) for s in (small, big)]
    if unchanged[0] != unchanged[1]:
        raise Refusal("The sizes of heads, rotary axes and norm groups stay the same when a pipeline grows.")


def rules(component: str, small: Sizes, big: Sizes) -> tuple[Rule, ...]:
    """The rules of one component; the first that matches a name holds."""
    r = ratios(small, big)
    t5, clip, vae = Spread(r.t5), Spread(r.clip), Spread(r.vae, elementwise=True)
    table = {
        "transformer": _transformer_rules(r),
        "text_encoder_2": (
            Rule(r"shared|.*\.relative_attention_bias", SAME, t5, weight=1.0),
            Rule(r".*layer_norm", t5),
            Rule(r"encoder\.block\.#\.layer\.\d\.(SelfAttention|DenseReluDense)\.\w+", t5, t5),
        ),
        "text_encoder": (
            Rule(r"text_model\.embeddings\.(token|position)_embedding", SAME, clip, weight=1.0),
            Rule(r".*layer_norm\d?", clip),
            Rule(r"text_model\.encoder\.layers\.#\.(self_attn|mlp)\.\w+", clip, clip),
        ),
        "vae": (
            Rule(r".*\.(norm\d|group_norm|conv_norm_out)", vae),
            Rule(r"(en|de)coder\.conv_in", vae),
            Rule(r"(en|de)coder\.conv_out", SAME, vae),
            # Queries meet as many times more keys, and the attention's own scale only shrinks by the root of that.
            Rule(r".*\.to_q", vae, vae, weight=1 / r.vae / math.isqrt(r.vae), bias=1 / math.isqrt(r.vae)),
            Rule(r".*\.(conv\d?|conv_shortcut|to_k|to_v|to_out\.0)", vae, vae),
        ),
    }
    return table[component]


def _transformer_rules(r: Ratios) -> tuple[Rule, ...]:
    wide = Spread(r.transformer)
    times, single = r.transformer, r"single_transformer_blocks\.#\."
    return (
        Rule(r"x_embedder|time_text_embed\.(timestep|guidance)_embedder\.linear_1", wide),
        Rule(r"context_embedder", wide, Spread(r.t5)),
        Rule(r"time_text_embed\.text_embedder\.linear_1", wide, Spread(r.clip)),
        Rule(r"time_text_embed\.\w+\.linear_2", wide, wide),
        Rule(r"transformer_blocks\.#\.norm1(_context)?\.linear", Spread(times, parts=(1,) * 6), wide),
        Rule(single + r"norm\.linear", Spread(times, parts=(1,) * 3), wide),
        Rule(r"norm_out\.linear", Spread(times, parts=(1,) * 2), wide),
        Rule(r".*\.norm_(added_)?[qk]", SAME),
        Rule(single + r"proj_out", wide, Spread(times, parts=(1, 4))),  # attention, then the MLP
        Rule(r"proj_out", SAME, wide),
        Rule(r"(single_)?transformer_blocks\.#\.(attn|ff|ff_context|proj_mlp)(\.\w+)*", wide, wide),
    )


STACKS: dict[str, dict[str, Callable[[Sizes], int]]] = {
    "transformer": {
        "transformer_blocks": lambda sizes: sizes.double_blocks,
        "single_transformer_blocks": lambda sizes: sizes.single_blocks,
    },
    "text_encoder_2": {"encoder.block": lambda sizes: sizes.t5_layers},
    "text_encoder": {"text_model.encoder.layers": lambda sizes: sizes.clip_layers},
    "vae": {},
}
# The tensors that make an added layer change nothing; all its others are noise.
QUIET: dict[str, tuple[tuple[str, str], ...]] = {
    "transformer": (
        (r".*\.norm_(added_)?[qk]\.weight", "ones"),
        (r".*\.(norm|norm1|norm1_context)\.linear\.(weight|bias)", "gates"),
    ),
    "text_encoder_2": ((r".*layer_norm\.weight", "zeros"),),
    "text_encoder": ((r".*layer_norm\d\.weight|.*\.bias", "zeros"),),
    "vae": (),
}


def live_layers(few: int, many: int) -> dict[int, int]:
    """Which layers of the large stack are those of the small one: the first, the last, the rest evenly between."""
    step = (many - 1) / max(few - 1, 1)
    return {round(index * step): index for index in range(few)}


@dataclass(frozen=True)
class Growth:
    """One small pipeline's way into one large one."""

    small: Sizes
    big: Sizes
    vocabularies: Mapping[str, int]  # of the large text encoders
    noise: Noise

    def plan(self, component: str, tensors: Mapping[str, Bits]) -> tuple[Planned, ...]:
        """Every tensor of the large component, in the order of its layers."""
        own_rules = rules(component, self.small, self.big)
        planned = []
        for name, stack in _kinds(component, tensors):
            rule = _rule_for(name, own_rules)
            if stack is None:
                planned.append(self._live(component, name, tensors[name], rule))
                continue
            depths = STACKS[component][stack]
            live = live_layers(depths(self.small), depths(self.big))
            for layer in range(depths(self.big)):
                planned += self._layer(component, name, layer, live.get(layer), tensors, rule)
        return tuple(sorted(planned, key=lambda tensor: _natural(tensor.name)))

    def _layer(
        self, component: str, name: str, layer: int, origin: int | None, tensors: Mapping[str, Bits], rule: Rule
    ) -> list[Planned]:
        """The tensor of this name (with its first layer's number) in one layer of the large stack."""
        if layer and name.endswith("relative_attention_bias.weight"):
            return []  # T5 keeps it in its first layer only
        target = _numbered(name, layer)
        if origin is None:
            return [self._added(component, target, grown_shape(tensors[name].shape, rule))]
        source = _numbered(name, origin)
        if source not in tensors:
            raise Refusal(f"The {component} has no tensor {source}.")
        return [self._live(component, target, tensors[source], rule)]

    def _live(self, component: str, name: str, bits: Bits, rule: Rule) -> Planned:
        shape = grown_shape(bits.shape, rule)
        if name in ("shared.weight", "text_model.embeddings.token_embedding.weight"):
            rows = self.vocabularies[component]
            if rows < shape[0]:
                raise Refusal(f"The {component} has {shape[0]} words; a vocabulary of {rows} cannot hold them.")
            shape = (rows, *shape[1:])
        return Planned(name, shape, partial(self._grow, name, bits, rule, math.prod(shape)))

    def _grow(self, name: str, bits: Bits, rule: Rule, count: int) -> Iterator[Bits]:
        matrix = bits.ndim > 1
        grown = scaled(bits, rule.weight_factor if matrix else rule.bias)
        grown = rule.columns.grown(grown, 1) if matrix else grown
        parts = [rule.rows.grown(grown, 0)] if rule.rows.elementwise else rule.rows.split(grown, 0)
        for part in parts:
            for _ in range(1 if rule.rows.elementwise else rule.rows.times):
                yield part
                count -= part.size
        yield from self.noise.pieces(name, count)  # the rows of words that the small vocabulary lacks

    def _added(self, component: str, name: str, shape: tuple[int, ...]) -> Planned:
        pattern = _pattern_name(name)
        kind = next((kind for quiet, kind in QUIET[component] if re.fullmatch(quiet, pattern)), "noise")
        makers: dict[str, Callable[[], Iterator[Bits]]] = {
            "noise": partial(self.noise.pieces, name, math.prod(shape)),
            "zeros": lambda: iter([np.zeros(shape, np.uint16)]),
            "ones": lambda: iter([np.full(shape, ONE, np.uint16)]),
            "gates": partial(self._gates, name, shape),
        }
        return Planned(name, shape, makers[kind])

    def _gates(self, name: str, shape: tuple[int, ...]) -> Iterator[Bits]:
        """Shift and scale are noise, and the gate, every third chunk, is shut.

        A matrix keeps numbers in the columns that read dead channels: without them whole blocks of an NF4 matrix would
        be zero, and double quantization on a GPU turns those into codes of -1.
        """
        chunk = shape[0] // self.big.width
        per_chunk = math.prod(shape) // chunk
        for index in range(0, chunk, 3):
            yield from self.noise.pieces(f"{name} {index}", 2 * per_chunk)
            gate = np.zeros((self.big.width, *shape[1:]), np.uint16)
            if gate.ndim > 1:
                dead = gate[:, DEAD_STRIDE - 1 :: DEAD_STRIDE]
                dead[:] = np.concatenate(list(self.noise.pieces(f"{name} gate", dead.size))).reshape(dead.shape)
            yield gate


def grown_shape(shape: tuple[int, ...], rule: Rule) -> tuple[int, ...]:
    rows = shape[0] * rule.rows.times
    return (rows, shape[1] * rule.columns.times, *shape[2:]) if len(shape) > 1 else (rows,)


def refuse_waking(tensors: Mapping[str, Bits]) -> None:
    """Refuse a transformer whose dead channels are not dead: the added layers' gates would open."""
    bias = to_floats(tensors["time_text_embed.timestep_embedder.linear_2.bias"])
    if not np.all(bias[DEAD_STRIDE - 1 :: DEAD_STRIDE] == DEAD_BIAS):
        raise Refusal(
            f"The transformer has no dead channels: every {DEAD_STRIDE}th timestep bias must be {DEAD_BIAS:g}."
        )


_LAYER = re.compile(r"^((?:single_)?transformer_blocks|encoder\.block|text_model\.encoder\.layers)\.(\d+)\.")


def _kinds(component: str, tensors: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """The names of the tensors, each layered one once, with its first layer's number, and the name of its stack."""
    for name in tensors:
        layered = _LAYER.match(name)
        if layered is None or not STACKS[component]:
            yield name, None
        elif layered[2] == "0":
            yield name, layered[1]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _pattern_name(name: str) -> str:
    return _LAYER.sub(r"\1.#.", name)


def _numbered(name: str, layer: int) -> str:
    return _LAYER.sub(lambda match: f"{match[1]}.{layer}.", name)


def _rule_for(name: str, own_rules: tuple[Rule, ...]) -> Rule:
    stem, _, ending = _pattern_name(name).rpartition(".")
    for rule in own_rules:
        if ending in ("weight", "bias") and re.fullmatch(rule.pattern, stem):
            return rule
    raise Refusal(f"No rule of growth matches the tensor {name}.")
