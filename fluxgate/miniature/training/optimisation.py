"""Float32 master weights behind a working copy in another dtype, their optimizer and their running average."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fluxgate.miniature.training.together import average

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CLIP = 1.0  # norm of all gradients together, at most
SLOWER = 1 / 8  # of the common step, for weights that are small by design
AVERAGE = 0.9985  # the running average forgets with a half-life of about 460 steps


class Masters:
    """The weights that learn. `modules` are their working copies, in the dtype the pipeline will run in.

    Matrices whose names `hidden` finds learn by orthogonalised momentum (Muon), those that `slow` finds too in smaller
    steps, everything else by AdamW.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], *, rate: float, hidden: str = "(?!)", slow: str = "(?!)"
    ) -> None:
        import torch

        self.working = {f"{name}.{key}": p for name, m in modules.items() for key, p in m.named_parameters()}
        self.masters = {key: p.detach().float().clone() for key, p in self.working.items()}
        self.average = {key: p.clone() for key, p in self.masters.items()}
        self.muon_keys = [key for key, p in self.masters.items() if p.ndim in (2, 4) and re.search(hidden, key)]
        self.slow = frozenset(key for key in self.muon_keys if re.search(slow, key))
        others = [key for key in self.masters if key not in set(self.muon_keys)]
        device = next(iter(self.masters.values())).device
        self.adam = torch.optim.AdamW(
            [
                {"params": [self.masters[k] for k in others if self.masters[k].ndim >= 2], "weight_decay": 0.01},
                {"params": [self.masters[k] for k in others if self.masters[k].ndim < 2], "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.98),
            fused=device.type == "cuda",
        )
        self.momentum = {key: torch.zeros_like(self.masters[key]) for key in self.muon_keys}
        self.rate = rate
        self.steps = 0

    def step(self, share_of_rate: float) -> Tensor:
        """Apply the working copies' gradients; returns their norm."""
        import torch

        for key, parameter in self.working.items():
            self.masters[key].grad = None if parameter.grad is None else parameter.grad.float()
        average([master.grad for master in self.masters.values() if master.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(self.masters.values(), CLIP)
        for group in self.adam.param_groups:
            group["lr"] = self.rate * share_of_rate
        self.adam.step()
        with torch.no_grad():
            self._muon_step(2 * self.rate * share_of_rate)
        self.steps += 1
        self._spread()
        return norm

    def _muon_step(self, rate: float) -> None:
        import torch

        alike: defaultdict[tuple[torch.Size, float], list[str]] = defaultdict(list)
        for key in self.muon_keys:
            if self.masters[key].grad is not None:
                share = SLOWER if key in self.slow else 1.0
                alike[self.masters[key].shape, share].append(key)
        for (shape, share), keys in alike.items():
            gradients = [_gradient(self.masters[key]) for key in keys]
            moments = [self.momentum[key] for key in keys]
            torch._foreach_lerp_(moments, gradients, 0.05)
            # A convolution is the matrix that its filters, laid flat, are the rows of.
            stacked = torch.stack(torch._foreach_lerp(gradients, moments, 0.95)).flatten(2)
            updates = list(orthogonal(stacked).view(len(keys), *shape).unbind())
            weights = [self.masters[key] for key in keys]
            torch._foreach_mul_(weights, 1 - 0.01 * share * rate)
            torch._foreach_add_(weights, updates, alpha=-share * rate * 0.2 * math.sqrt(max(stacked.shape[1:])))

    def _spread(self) -> None:
        """Carry the masters into the working copies and the average."""
        import torch

        with torch.no_grad():
            masters = list(self.masters.values())
            torch._foreach_copy_(list(self.working.values()), masters)
            keep = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
            torch._foreach_lerp_(list(self.average.values()), masters, 1 - keep)
        for parameter in self.working.values():
            parameter.grad = None

    def averaged(self, name: str) -> dict[str, Tensor]:
        """The running average of one module's weights, by their names in it."""
        start = f"{name}."
        return {key.removeprefix(start): value for key, value in self.average.items() if key.startswith(start)}

    def reset(self) -> None:
        """Take the working copies, changed from outside, as the new masters and average; moments start again."""
        import torch

        with torch.no_grad():
            for key, parameter in self.working.items():
                self.masters[key].copy_(parameter)
                self.average[key].copy_(parameter)
        self.adam.state.clear()
        for moment in self.momentum.values():
            moment.zero_()

    def state(self) -> dict[str, Tensor]:
        """Everything that a resumed training needs, as flat tensors."""
        import torch

        tensors = {f"master/{key}": value for key, value in self.masters.items()}
        tensors |= {f"average/{key}": value for key, value in self.average.items()}
        tensors |= {f"momentum/{key}": value for key, value in self.momentum.items()}
        names = {id(value): key for key, value in self.masters.items()}
        for parameter, values in self.adam.state.items():
            tensors |= {f"adam/{field}/{names[id(parameter)]}": value for field, value in values.items()}
        tensors["steps"] = torch.tensor(self.steps)
        return {key: value.detach().to("cpu") for key, value in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what a checkpoint holds; weights it does not know stay as they are."""
        import torch

        with torch.no_grad():
            for kind, table in (("master", self.masters), ("average", self.average), ("momentum", self.momentum)):
                for key, value in table.items():
                    if (kept := tensors.get(f"{kind}/{key}")) is not None:
                        value.copy_(kept)
            torch._foreach_copy_(list(self.working.values()), list(self.masters.values()))
        for key, master in self.masters.items():
            fields = {field: tensors.get(f"adam/{field}/{key}") for field in ("step", "exp_avg", "exp_avg_sq")}
            if all(value is not None for value in fields.values()):
                self.adam.state[master] = {
                    field: value.to(master.device).clone() for field, value in fields.items() if value is not None
                }
        self.steps = int(tensors["steps"])


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def orthogonal(matrices: Tensor) -> Tensor:
    """Nearly orthogonal matrices with the same singular directions, by five Newton-Schulz iterations (Muon)."""
    import torch

    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


def rate_at(progress: float, *, steps: int, warmup: int, decay: float) -> float:
    """Share of the peak learning rate: a warm-up in steps, then flat, then a cosine over the last `decay` of time."""
    warm = min(1.0, (steps + 1) / warmup)
    if decay <= 0 or progress <= 1 - decay:
        return warm
    return warm * max(0.0, 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 1 + decay) / decay))))
