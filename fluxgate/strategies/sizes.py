"""What a pipeline works out of its VAE's configuration, given to one that is loaded without the VAE."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from fluxgate.strategies.loading import origin_of
from fluxgate.strategies.promise import Site

_PLAIN = (bool, int, float, str, tuple, list)
_PROCESSOR = "Processor"  # ends the name of a class that knows how many pixels a latent stands for


def size_as_with(decoder: str, pipe: Any, site: Site) -> None:
    """Let the pipeline count the pixels of a latent as it would with what decodes; without, it takes a usual number.

    The decoder is made of its configuration alone, on no device, for as long as the constructor looks at it."""
    try:
        whole = _with_decoder(decoder, pipe, site)
    except Exception:  # a class may need more than a configuration: then the pipeline's own number has to do
        return
    for name, value in _worked_out(whole):
        setattr(pipe, name, value)


def _with_decoder(decoder: str, pipe: Any, site: Site) -> Any:
    import torch
    from torch.utils._python_dispatch import _disable_current_modes  # it is no work of the call that loads a stage

    _, kind = origin_of(site.folder, decoder)
    with _disable_current_modes(), torch.device("meta"):
        made = kind.from_config(kind.load_config(site.folder, subfolder=decoder))
    takes = inspect.signature(type(pipe).__init__).parameters
    settings = {name: pipe.config[name] for name in takes if name in pipe.config and name not in pipe.components}
    return type(pipe)(**{**pipe.components, **settings, decoder: made})


def _worked_out(pipe: Any) -> Iterator[tuple[str, Any]]:
    """The numbers that a constructor has set, and what was made with them."""
    for name, value in vars(pipe).items():
        own = not name.startswith("_") and name not in pipe.components and name not in pipe.config
        if own and (isinstance(value, _PLAIN) or type(value).__name__.endswith(_PROCESSOR)):
            yield name, value
