"""Faults in the scheduler and in the steps that it asks for."""

from __future__ import annotations

from functools import partial
from typing import Any

from fluxgate.prove.fault import GIVEN, WITH_FLOAT32, Around, Edit, Fault, Fired, Loaded
from fluxgate.prove.targets import CALL, DIFFUSERS, SCHEDULER
from fluxgate.rendering import FIRST, LAST, MIDDLE

LEVELS, STEP = f"{SCHEDULER}.set_timesteps", f"{SCHEDULER}.step"


def _other_mu(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fired(1.15)


def _settings_lost(pipe: Any, fired: Fired) -> None:
    pipe.scheduler.register_to_config(use_dynamic_shifting=fired(False), shift=3.0)


def _shifted_twice(original: Any, fired: Fired, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    scheduler, mu, sigma, levels = args
    return original(scheduler, mu, sigma, fired(original(scheduler, mu, sigma, levels)))


_fault = partial(Fault, packages=DIFFUSERS, stage=FIRST)

FAULTS = (
    _fault(
        "levels-not-shifted",
        "noise levels are not shifted for the size of the picture",
        Edit(LEVELS, "sigmas = self.time_shift(mu, 1.0, sigmas)", "sigmas = FIRED(sigmas)"),
        "use_dynamic_shifting read and not applied",
    ),
    _fault(
        "levels-other-shift",
        "every picture is shifted as the largest one is",
        Around("diffusers.pipelines.flux.pipeline_flux:calculate_shift", _other_mu),
        "base_shift and max_shift of a configuration",
    ),
    _fault(
        "levels-settings-lost",
        "the scheduler's settings are those of another model",
        Loaded(_settings_lost),
        "from_config that drops what it does not know",
    ),
    _fault(
        "levels-to-zero",
        "the levels asked for end at zero, not one step before it",
        Edit(CALL, "np.linspace(1.0, 1 / num_inference_steps, num", "np.linspace(1.0, FIRED(1e-3), num"),
        "timestep_spacing of schedulers",
    ),
    _fault(
        "levels-one-more",
        "one step more is taken than was asked for",
        Edit(
            CALL,
            "np.linspace(1.0, 1 / num_inference_steps, num_inference_steps)",
            "np.linspace(1.0, 1 / num_inference_steps, FIRED(num_inference_steps + 1))",
        ),
        "an off-by-one of a schedule",
    ),
    _fault(
        "levels-last-repeated",
        "the last level is repeated in place of zero",
        Edit(
            LEVELS,
            "sigmas = torch.cat([sigmas, torch.zeros(1, device=sigmas.device)])",
            "sigmas = torch.cat([sigmas, FIRED(sigmas[-1:] / 2)])",
        ),
        "final_sigmas_type of schedulers",
        stage=LAST,
    ),
    _fault(
        "levels-float16",
        "noise levels are rounded to float16",
        Edit(
            LEVELS,
            "sigmas = torch.from_numpy(sigmas).to(dtype=torch.float32, device=device)",
            "sigmas = torch.from_numpy(sigmas).to(torch.float16).to(dtype=FIRED(torch.float32), device=device)",
        ),
        "diffusers: schedulers' dtypes on devices without float64",
        stage=MIDDLE,
    ),
    _fault(
        "levels-karras",
        "the levels are turned into Karras's",
        Edit(LEVELS, "if self.config.use_karras_sigmas:", "if FIRED(True):"),
        "an option that is on by default",
    ),
    _fault(
        "levels-given-ignored",
        "levels that the caller gives are replaced by the scheduler's own",
        Edit(
            LEVELS,
            "sigmas = np.array(sigmas).astype(np.float32)",
            "sigmas = np.linspace(1.0, 1 / len(sigmas), FIRED(len(sigmas))).astype(np.float32)",
        ),
        "diffusers #14461: timesteps given by the caller are silently replaced",
        shots=GIVEN,
    ),
    _fault(
        "levels-by-pixels",
        "the shift is computed from four times the length",
        Edit(CALL, "image_seq_len = latents.shape[1]", "image_seq_len = FIRED(latents.shape[1] * 4)"),
        "diffusers: sequence lengths counted before and after packing",
    ),
    _fault(
        "step-behind",
        "each step after the first starts from the level before its own",
        Edit(STEP, "sigma = self.sigmas[sigma_idx]", "sigma = self.sigmas[FIRED(max(sigma_idx - 1, 0))]"),
        "an off-by-one of step_index",
        stage=MIDDLE,
    ),
    _fault(
        "step-in-bfloat16",
        "a step is computed in the dtype of the latents",
        Edit(STEP, "sample = sample.to(torch.float32)", "sample = FIRED(sample)"),
        "upcasting in step",
        stage=None,
    ),
    _fault(
        "step-stochastic",
        "steps add noise of their own",
        Edit(STEP, "if self.config.stochastic_sampling:", "if FIRED(True):"),
        "stochastic_sampling, new in diffusers 0.33",
        later=True,
    ),
    _fault(
        "step-too-long",
        "each step is a twentieth too long",
        Edit(STEP, "dt = sigma_next - sigma", "dt = (sigma_next - sigma) * FIRED(1.05)"),
        "a factor of a solver",
    ),
    _fault(
        "step-not-cast-back",
        "a step leaves the latents in float32",
        Edit(STEP, "prev_sample = prev_sample.to(model_output.dtype)", "prev_sample = FIRED(prev_sample)"),
        "diffusers: latents_dtype in pipelines",
        stage=None,
    ),
    _fault(
        "timesteps-rounded",
        "the transformer is told whole timesteps",
        Edit(
            CALL,
            "timestep = t.expand(latents.shape[0]).to(latents.dtype)",
            "timestep = FIRED(t.floor()).expand(latents.shape[0]).to(latents.dtype)",
        ),
        "diffusers: integer timesteps of flow matching",
        strategies=WITH_FLOAT32,
        stage=MIDDLE,
    ),
    _fault(
        "scheduler-not-reset",
        "the second call goes on where the first one stopped",
        Edit(LEVELS, "self._step_index = None", "self._step_index = FIRED(self._step_index)"),
        "a step index kept between calls",
        stage=None,
        later=True,
    ),
    _fault(
        "levels-shifted-linearly",
        "noise levels are shifted linearly, not exponentially",
        Edit(
            f"{SCHEDULER}.time_shift",
            "return self._time_shift_exponential(mu, sigma, t)",
            "return self._time_shift_linear(FIRED(mu), sigma, t)",
        ),
        "time_shift_type of a configuration",
    ),
    _fault(
        "levels-stretched",
        "noise levels are stretched to end at 0.02",
        Edit(
            LEVELS,
            "if self.config.shift_terminal:",
            "sigmas = 1 - (1 - sigmas) / ((1 - sigmas[-1]) / (1 - FIRED(0.02)))\nif self.config.shift_terminal:",
        ),
        "shift_terminal of LTX",
    ),
    _fault(
        "begin-index-not-set",
        "the scheduler looks up its place by the timestep's number",
        Edit(CALL, "self.scheduler.set_begin_index(0)", "FIRED(0)"),
        "a wait for the device in the first step",
        stage=None,
    ),
    _fault(
        "levels-shifted-twice",
        "noise levels are shifted twice",
        Around(f"{SCHEDULER}.time_shift", _shifted_twice),
        "levels that a pipeline shifts, too",
    ),
    _fault(
        "levels-end-above-zero",
        "the last noise level is a thousandth",
        Edit(
            LEVELS,
            "sigmas = torch.cat([sigmas, torch.zeros(1, device=sigmas.device)])",
            "sigmas = torch.cat([sigmas, FIRED(torch.full((1,), 1e-3, device=sigmas.device))])",
        ),
        "sigma_min of a configuration",
        stage=LAST,
        strategies=WITH_FLOAT32,
    ),
    _fault(
        "levels-in-thousandths",
        "noise levels are rounded to thousandths",
        Edit(
            LEVELS,
            "timesteps = sigmas * self.config.num_train_timesteps\n\n",
            "sigmas = (FIRED(sigmas) * 1000).round() / 1000\ntimesteps = sigmas * self.config.num_train_timesteps\n\n",
        ),
        "levels looked up by timesteps",
        strategies=WITH_FLOAT32,
        stage=MIDDLE,
    ),
)
