"""Faults in what becomes of a picture that is given beside the prompt."""

from __future__ import annotations

from functools import partial

from fluxgate.prove.fault import Edit, Fault, not_called
from fluxgate.prove.targets import DIFFUSERS, TRANSFORMER
from fluxgate.rendering import FIRST

MIXIN = "diffusers.loaders.ip_adapter:FluxIPAdapterMixin"
SET_SCALE, UNLOAD = f"{MIXIN}.set_ip_adapter_scale", f"{MIXIN}.unload_ip_adapter"
LOADER = "diffusers.loaders.transformer_flux:FluxTransformer2DLoadersMixin._convert_ip_adapter_attn_to_diffusers"
PROCESSOR = f"{TRANSFORMER}:FluxIPAdapterAttnProcessor.__call__"


_fault = partial(Fault, packages=DIFFUSERS, stage=FIRST, strategies=("ip-adapter",))

FAULTS = (
    _fault(
        "image-scale-not-set",
        "a picture that is given counts in full, whatever scale it is to have",
        not_called(SET_SCALE),
        "diffusers #8863: processors that are exchanged after their scale was set",
        strategies=("ip-adapter-off",),
    ),
    _fault(
        "image-scale-of-one-layer",
        "the scale of a picture reaches the first attention alone",
        Edit(
            SET_SCALE,
            "attn_processor.scale = scale",
            "attn_processor.scale = scale\nif FIRED(True):\n    break",
        ),
        "scales of layers, of which there are two lists",
    ),
    _fault(
        "image-weights-of-the-first-layer",
        "each attention looks at a picture by the first one's weights",
        Edit(LOADER, "key_id += 1", "key_id += FIRED(0)"),
        "numbers of layers in a file",
    ),
    _fault(
        "image-keys-as-values",
        "what an attention takes from a picture is its keys",
        Edit(PROCESSOR, "ip_value = to_v_ip(", "ip_value = FIRED(to_k_ip)("),
        "projections whose names are alike",
    ),
    _fault(
        "image-taken-away",
        "what a picture adds is taken away",
        Edit(
            f"{TRANSFORMER}:FluxTransformerBlock.forward",
            "hidden_states = hidden_states + ip_attn_output",
            "hidden_states = hidden_states - FIRED(ip_attn_output)",
        ),
        "diffusers #9787: what is added at another place",
    ),
    _fault(
        "image-tokens-not-normed",
        "a picture's tokens are not normed",
        Edit(
            "diffusers.models.embeddings:ImageProjection.forward",
            "image_embeds = self.norm(image_embeds)",
            "image_embeds = FIRED(image_embeds)",
        ),
        "a projection of several kinds of adapters",
    ),
    _fault(
        "image-adapter-stays",
        "an IP-Adapter is not unloaded",
        not_called(UNLOAD),
        "unload_ip_adapter of another pipeline",
        strategies=("ip-adapter-unloaded",),
        stage=None,
    ),
    _fault(
        "image-projection-stays",
        "what makes tokens of a picture stays when its adapter is unloaded",
        Edit(UNLOAD, "self.transformer.encoder_hid_proj = None", "FIRED(None)"),
        "parts of an adapter in two places",
        strategies=("ip-adapter-unloaded",),
        stage=None,
    ),
)
