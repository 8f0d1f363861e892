"""Small packages with faults in them: what a release can do wrong to a pipeline, in a wheel of two files."""

from __future__ import annotations

import sys
from pathlib import Path

from fluxgate.gate.environments.building import Built, build, clone_of
from fluxgate.gate.environments.pip import Pip
from fluxgate.report.gate_result import Move
from tests.gate.environments.wheels import wheel

# Runs when Python starts; what it registers is done once a module was imported.
AFTER = """
import importlib.abc, importlib.util, sys

class After(importlib.abc.MetaPathFinder):
    def __init__(self, name, act):
        self.name, self.act, self.asking = name, act, False
    def find_spec(self, name, path, target=None):
        if name != self.name or self.asking:  # whoever only asks whether it is there does not use the fault up
            return None
        self.asking = True
        spec = importlib.util.find_spec(name)
        self.asking = False
        execute = spec.loader.exec_module
        def run(module):
            execute(module)
            self.act(module)
        spec.loader.exec_module = run
        return spec

def after(name, act):
    sys.meta_path.insert(0, After(name, act))
"""

# What a release does, by name; each is a body of module-level code that may use `after`.
HARMLESS = ""
SETS_A_FLAG = "sys.fluxgate_fault = getattr(sys, 'fluxgate_fault', ()) + (__name__,)\n"


def on_call(body: str, *, when: str = "True") -> str:
    """Code that runs when the pipeline is called; `when` is looked at then."""
    return f"""
def patch(module):
    call = module.FluxPipeline.__call__
    def called(self, *arguments, **more):
        if {when}:
{_indented(body, 12)}
        return call(self, *arguments, **more)
    module.FluxPipeline.__call__ = called
after("diffusers.pipelines.flux.pipeline_flux", patch)
"""


def on_import(body: str, *, of: str = "diffusers") -> str:
    """Code that runs when a library is imported."""
    return f"""
def patch(module):
{_indented(body, 4)}
after({of!r}, patch)
"""


def louder(*, by: str = "1.01", when: str = "True") -> str:
    """T5's embeddings, multiplied."""
    return f"""
def patch(module):
    forward = module.T5EncoderModel.forward
    def louder(self, *arguments, **more):
        output = forward(self, *arguments, **more)
        if {when}:
            output[0].mul_({by})
        return output
    module.T5EncoderModel.forward = louder
after("transformers.models.t5.modeling_t5", patch)
"""


def darker(*, when: str = "True") -> str:
    """The decoded picture, dimmed."""
    return f"""
def patch(module):
    decode = module.AutoencoderKL.decode
    def darker(self, *arguments, **more):
        output = decode(self, *arguments, **more)
        if {when}:
            output[0].mul_(0.9)
        return output
    module.AutoencoderKL.decode = darker
after("diffusers.models.autoencoders.autoencoder_kl", patch)
"""


def flagged(*packages: str) -> str:
    """An expression: whether these packages have set their flags."""
    return f"set({list(packages)!r}) <= set(getattr(sys, 'fluxgate_fault', ()))"


def release(wheelhouse: Path, name: str, version: str, body: str = HARMLESS, *, requires: tuple[str, ...] = ()) -> Path:
    """A wheel of a package that does this when Python starts."""
    files = {f"{name}.py": f"{AFTER}\n__version__ = {version!r}\n{body}", f"{name}.pth": f"import {name}\n"}
    return wheel(wheelhouse, name, version, files=files, requires=requires)


def with_packages(wheelhouse: Path, *names: str) -> Built:
    """This Python's packages, and release 1.0 of these."""
    base = clone_of(Path(sys.executable))
    assert isinstance(base, Built), base
    pins = base.pins.moved(Move(name, None, "1.0") for name in names)
    built = build(pins, installer=Pip(wheelhouse=wheelhouse), base=base)
    assert isinstance(built, Built), built
    return built


def _indented(body: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}\n" for line in body.splitlines())
