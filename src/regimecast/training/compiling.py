"""`torch.compile` for training steps: where it pays, and never silently without.

Only full batches of training run compiled. A last, smaller batch would be compiled anew for its own
shape, and validation, which is forward only and a small part of an epoch, would need a graph of its
own that costs more than it saves. Both run the same weights as they are, and so do forecasts, which
therefore repeat to the bit after a model was saved and loaded.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError

__all__ = ["COMPILE", "Compile", "CompiledNetwork", "check_compile", "compile_explained", "decide"]

_log = logging.getLogger(__name__)

Compile: TypeAlias = Literal["auto", "graphs"] | bool
"""``auto``: where it was measured to pay. ``graphs``: with CUDA graphs too."""
COMPILE: tuple[Compile, ...] = ("auto", True, False, "graphs")


class CompiledNetwork:
    """A network that runs compiled on batches as large as the first one, and as it is on others.

    No module, so that what it compiles from is not saved twice.
    """

    def __init__(self, network: nn.Module, *, graphs: bool = False) -> None:
        self._plain = network
        # Dynamic shapes make slower code, and there is one shape.
        compiled = torch.compile(
            network, dynamic=False, mode="reduce-overhead" if graphs else "default"
        )
        self._compiled: Callable[[Batch], Tensor] = compiled
        self._size: int | None = None

    def __call__(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """The network's output."""
        if self._size is None:
            self._size = len(batch)
        output: Tensor = (self._compiled if len(batch) == self._size else self._plain)(batch)
        return output


def check_compile(value: object) -> None:
    """Nothing, if this is a value of the key ``compile``.

    Raises:
        ConfigError: it is not.
    """
    if not any(value is allowed or value == allowed != True for allowed in COMPILE):  # noqa: E712  # 1 is not true
        raise ConfigError(f"compile={value!r}; allowed: auto, true, false, graphs")


def decide(
    network: nn.Module,
    choice: Compile,
    *,
    pays_from: Mapping[str, int],
    device: torch.device,
    steps: float,
) -> CompiledNetwork | None:
    """The network compiled, or None where it should run as it is.

    Args:
        network: on its device.
        choice: what the config says.
        pays_from: steps from which the model was measured to gain, by kind of device.
        device: where it trains.
        steps: training steps to come, at most.

    Raises:
        ConfigError: compiling was asked for and this machine cannot.
    """
    if choice is False or (choice == "auto" and steps < pays_from.get(device.type, float("inf"))):
        return None
    lack = _lack(device)
    if choice == "graphs" and device.type != "cuda":
        lack = f"CUDA graphs need a CUDA device, and training runs on {device.type}"
    if lack and choice == "auto":
        _log.info("not compiled: %s", lack)
        return None
    if lack:
        raise ConfigError(f"compile={_shown(choice)}: {lack}. Allowed: compile=false or auto")
    _log.info("compiling the network for %s; the first step waits for it", device.type)
    return CompiledNetwork(network, graphs=choice == "graphs")


@contextmanager
def compile_explained(choice: Compile) -> Iterator[None]:
    """A network that the compiler refuses raises `ConfigError`, which names the key."""
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        raise ConfigError(
            f"compile={_shown(choice)}: the compiler refuses this network "
            f"({_reason(error)}). Allowed: compile=false"
        ) from error


def _lack(device: torch.device) -> str | None:
    """What this machine lacks to compile for the device."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "Triton is not installed or not for this GPU"
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        return "there is no C++ compiler (g++ or clang++)"
    return None


def _shown(choice: Compile) -> str:
    return str(choice).lower()


def _reason(error: BaseException) -> str:
    """What is said first: which compiler, and what it met."""
    return " ".join(str(error).split("\n")[:2]) or type(error).__name__
