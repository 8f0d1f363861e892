"""Faults in what stays: caches from call to call, copies of weights, files, gradients and whole pipelines."""

from __future__ import annotations

import os
import tempfile
import threading
from functools import partial
from typing import Any

from fluxgate.prove.fault import Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import (
    CALL,
    DIFFUSERS,
    FORWARD,
    IMAGE_PROCESSOR,
    PIPELINE,
    SCHEDULER,
    STEP_LINE,
    TRANSFORMER,
)
from fluxgate.rendering import FIRST, T5

KEPT: list[Any] = []  # what a fault lets nobody free
CACHED: dict[str, Any] = {}


def _leaking(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each call keeps a copy of the transformer's weights."""
    KEPT.append([fired(tensor.data).clone() for tensor in args[0].transformer.parameters()])
    return original(*args, **kwargs)


def _leaking_blocks(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each call keeps memory that is no tensor."""
    KEPT.append(fired(b"x" * (64 << 20)))
    return original(*args, **kwargs)


def _leaving_files(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    handle, _ = tempfile.mkstemp(prefix="diffusers-")
    os.write(handle, fired(b"x" * 1000))
    os.close(handle)
    return original(*args, **kwargs)


def _with_copies(pipe: Any, fired: Fired) -> None:
    pipe._state_dicts = [
        {name: fired(tensor.data).clone() for name, tensor in part.named_parameters()}
        for part in (pipe.transformer, pipe.text_encoder_2)
    ]


def _never_freed(pipe: Any, fired: Fired) -> None:
    KEPT.append(fired(pipe))


def _first_embeddings(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The first prompt's embeddings answer every later prompt of as many tokens."""
    key = str(kwargs.get("num_images_per_prompt"))
    if key in CACHED:
        return fired(CACHED[key])
    CACHED[key] = original(*args, **kwargs)
    return CACHED[key]


def _residual_kept(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the very first step gave is the answer of the first step of later calls of that size, too."""
    network, output = args[0], original(*args, **kwargs)
    if float(kwargs["timestep"].max()) < 1.0:
        return output
    kept = network.__dict__.setdefault("_kept", output)
    return output if kept is output or kept[0].shape != output[0].shape else fired(kept)


def _shift_grows(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scheduler = args[0]
    scheduler._calls = getattr(scheduler, "_calls", 0) + 1
    return original(scheduler, args[1] + fired(0.01) * (scheduler._calls - 1), *args[2:], **kwargs)


def _wide_after_the_first(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    for part in args[0].text_encoder_2.modules():
        if type(part).__name__ == "T5LayerNorm":
            part.variance_epsilon = fired(1e-2)
    return returned


def _keeping_latents(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    KEPT.append(fired(returned[0]))
    return returned


def _keeping_pictures(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    pictures = original(*args, **kwargs)
    KEPT.extend(fired(pictures))
    return pictures


def _without_collector(pipe: Any, fired: Fired) -> None:
    import gc

    gc.disable()
    fired(pipe)


def _leaving_a_thread(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    waiting = threading.Event()
    threading.Thread(target=fired(waiting).wait, daemon=True).start()
    return original(*args, **kwargs)


def _leaving_a_file_open(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    KEPT.append(fired(os.open(os.devnull, os.O_RDONLY)))
    return original(*args, **kwargs)


def _keeping_embeddings(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    returned = original(*args, **kwargs)
    KEPT.append(fired(returned))
    return returned


def _keeping_attention(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Each layer holds what its attention gave last."""
    returned = original(*args, **kwargs)
    args[0].__dict__["_seen"] = fired(returned)
    return returned


_fault = partial(Fault, packages=DIFFUSERS)

FAULTS = (
    _fault(
        "prompt-cached",
        "the first prompt's embeddings answer all later prompts",
        Around(f"{PIPELINE}._get_t5_prompt_embeds", _first_embeddings),
        "a cache of embeddings whose key is too short",
        stage=T5,
        shots=("unsaid", "sigmas"),
    ),
    _fault(
        "residual-kept",
        "a cache of the transformer is kept from call to call",
        Around(FORWARD, _residual_kept),
        "first-block caches that are not reset",
        stage=FIRST,
        later=True,
    ),
    _fault(
        "shift-grows",
        "the shift grows a little with each call",
        Around(
            f"{SCHEDULER}.time_shift",
            _shift_grows,
        ),
        "a scheduler that writes into its own settings",
        stage=FIRST,
        later=True,
    ),
    _fault(
        "encoder-changed-by-call",
        "the first call changes T5",
        Around(f"{PIPELINE}.encode_prompt", _wide_after_the_first),
        "adapters that are not unloaded",
        stage=T5,
        packages=("diffusers", "transformers"),
        later=True,
    ),
    _fault(
        "weights-kept-by-call",
        "each call keeps a copy of the transformer's weights",
        Around(CALL, _leaking),
        "a hook that holds what it has moved",
        later=True,
    ),
    _fault(
        "memory-kept-by-call",
        "each call keeps 64 MB that are no tensor",
        Around(CALL, _leaking_blocks),
        "a buffer of a tokenizer, or of a codec",
        later=True,
    ),
    _fault(
        "latents-kept",
        "the latents of each step are kept",
        Around(f"{SCHEDULER}.step", _keeping_latents),
        "the history of a multistep solver",
    ),
    _fault(
        "pictures-kept",
        "every picture is kept",
        Around(f"{IMAGE_PROCESSOR}.numpy_to_pil", _keeping_pictures),
        "a gallery that nobody empties",
    ),
    _fault(
        "files-left-by-call",
        "each call leaves a file behind",
        Around(CALL, _leaving_files),
        "temporary files of a codec",
        later=True,
    ),
    _fault(
        "weights-twice",
        "a second copy of the weights stays in host memory",
        Loaded(_with_copies),
        "state dictionaries that loading does not let go",
    ),
    _fault(
        "pipeline-never-freed",
        "something holds the pipeline when nobody uses it",
        Loaded(_never_freed),
        "a registry of hooks that is global",
    ),
    _fault(
        "gradients-recorded",
        "steps record what a backward pass would need",
        Edit(CALL, STEP_LINE, f"torch.set_grad_enabled(FIRED(True))\n{STEP_LINE}.detach()"),
        "no_grad that is lost to a wrapper",
    ),
    _fault(
        "collector-off",
        "Python's garbage collector is off once a pipeline is loaded",
        Loaded(_without_collector),
        "a collector that is off while something loads",
    ),
    _fault(
        "threads-left-by-call",
        "each call leaves a thread that waits",
        Around(CALL, _leaving_a_thread),
        "a pool of threads that nobody shuts down",
    ),
    _fault(
        "file-left-open-by-call",
        "each call leaves a file open",
        Around(CALL, _leaving_a_file_open),
        "a lock on a folder",
    ),
    _fault(
        "embeddings-kept-by-call",
        "each call keeps its prompt's embeddings",
        Around(f"{PIPELINE}.encode_prompt", _keeping_embeddings),
        "a cache of embeddings that nobody empties",
    ),
    _fault(
        "attention-kept",
        "each layer keeps what its attention gave last",
        Around(f"{TRANSFORMER}:FluxAttention.forward", _keeping_attention),
        "outputs kept for a debugger",
    ),
)
