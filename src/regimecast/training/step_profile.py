"""Where the time of a training step goes: `regimecast train debug=profile`."""

import logging
import re
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning.pytorch.profilers import Profiler
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import nn

from regimecast.core.errors import ConfigError
from regimecast.core.files import write_json

__all__ = ["PARTS", "StepProfile", "profile_table"]

_log = logging.getLogger(__name__)

_REST = "callbacks and rest"
PARTS: tuple[str, ...] = (
    "data", "transfer", "forward", "loss", "backward", "optimizer", _REST,
)  # fmt: skip
"""Parts of a step. The data's holds a gather on the device too, the optimizer's the clipping."""
_FETCH, _DONE = "train_dataloader_next", ".on_train_batch_end"
"""Ends of the names of the actions that open a step and close it."""
_PART_OF = (
    (rf".*{_FETCH}|gather", "data"),
    (r"\[Strategy\].*\.batch_to_device", "transfer"),
    (r"forward", "forward"),
    (r"\[Strategy\].*\.training_step", "loss"),
    (r"\[Strategy\].*\.backward", "backward"),
    (r".*\.(optimizer_step|optimizer_zero_grad|configure_gradient_clipping)", "optimizer"),
)
"""What Lightning calls an action, and the part it belongs to less the actions inside it."""
_STEPS_BETWEEN_LOOKS = 10


@dataclass
class _Step:
    started: float
    ended: float = 0.0
    """0 while it runs."""
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))


@dataclass
class _Action:
    part: str
    started: float
    inside: float = 0.0
    """Seconds of the actions inside it."""


class StepProfile(Profiler):
    """Times the parts of training steps; says so and writes ``profile.json`` when training ends.

    An action inside another one counts for its own part only, so that the parts add up to the step.
    On a GPU every border waits for the device: the parts are right, and their sum is more than a
    step takes that nobody watches.

    Args:
        skip: first steps left out, which warm up, compile and allocate.

    Raises:
        ConfigError: `skip` is below 0.
    """

    def __init__(self, *, skip: int) -> None:
        super().__init__()
        if skip < 0:
            raise ConfigError(f"trainer.profiler.skip={skip}; allowed: 0 or more")
        self.folder: Path | None = None
        """Where the file goes; None writes none."""
        self._skip = skip
        self._steps: list[_Step] = []
        self._step: _Step | None = None
        self._open: list[_Action] = []
        self._device = torch.device("cpu")
        self._utilisation: list[float] = []
        self._no_utilisation = ""

    def watch(self, module: nn.Module, *, folder: Path | None) -> None:
        """Tells the forward pass from the loss, which Lightning does not; says where to write."""
        self.folder = folder
        module.register_forward_pre_hook(lambda *_: self.start("forward"))
        module.register_forward_hook(lambda *_: self.stop("forward"))

    def setup(self, stage: str, local_rank: int | None = None, log_dir: str | None = None) -> None:
        """Called by Lightning before it trains."""
        super().setup(stage, local_rank, log_dir)
        self._device = getattr(self, "_lightning_module").trainer.strategy.root_device  # noqa: B009  # Lightning sets it

    def start(self, action_name: str) -> None:
        """Opens an action; fetching a batch opens a step."""
        now = self._now()
        if action_name.endswith(_FETCH):
            if self._step is not None:
                self._step.ended = now
            self._close()
            self._step = _Step(now)
        elif self._step is not None and self._step.ended:
            self._close()  # what comes between steps, such as validation, belongs to none
        self._open.append(_Action(_part_of(action_name), now))

    def stop(self, action_name: str) -> None:
        """Closes the action that was opened last."""
        now = self._now()
        action = self._open.pop()
        taken = now - action.started
        if self._open:
            self._open[-1].inside += taken
        if self._step is not None:
            self._step.parts[action.part] += taken - action.inside
            if action_name.startswith("[LightningModule]") and action_name.endswith(_DONE):
                self._step.ended = now

    def result(self) -> dict[str, Any]:
        """Steps, mean milliseconds and share of every part, and a GPU's utilisation."""
        counted = self._steps[self._skip :] or self._steps
        number, total = len(counted), sum(step.ended - step.started for step in counted)
        sums = {part: sum(step.parts[part] for step in counted) for part in PARTS}
        sums[_REST] = total - sum(seconds for part, seconds in sums.items() if part != _REST)
        parts = {
            part: {"ms": 1e3 * seconds / number, "share": seconds / total}
            for part, seconds in sums.items()
            if number
        }
        found: dict[str, Any] = {
            "steps": number,
            "step_ms": 1e3 * total / number if number else None,
            "data_share": parts["data"]["share"] if number else None,
            "device": self._device.type,
            "parts": parts,
        }
        if self._device.type == "cuda":
            looks = self._utilisation
            found["gpu_utilisation"] = sum(looks) / len(looks) / 100 if looks else None
            found["gpu_utilisation_unknown"] = self._no_utilisation or None
        return found

    def describe(self) -> None:
        """Says and writes what was found; called by Lightning when training ends."""
        self._close()
        found = self.result()
        if self._local_rank not in (None, 0):
            return
        _log.info("where a training step's time goes:\n%s", profile_table(found))
        if self.folder is not None:
            write_json(self.folder / "profile.json", found)

    def _close(self) -> None:
        """Keeps the step that has ended; one that was cut off is dropped."""
        if self._step is not None and self._step.ended:
            self._steps.append(self._step)
            if len(self._steps) % _STEPS_BETWEEN_LOOKS == 0:
                self._look()
        self._step = None

    def _look(self) -> None:
        if self._device.type == "cuda":
            try:
                self._utilisation.append(float(torch.cuda.utilization(self._device)))
            except (ModuleNotFoundError, RuntimeError) as error:
                self._no_utilisation = str(error)

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return perf_counter()


def profile_table(found: dict[str, Any]) -> str:
    """Text of a `StepProfile.result`, one line per part."""
    if not found["steps"]:
        return "no step was finished"
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("part")
    table.add_column("ms", justify="right")
    table.add_column("share", justify="right")
    for part, value in found["parts"].items():
        table.add_row(part, f"{value['ms']:.3f}", f"{value['share']:.1%}")
    table.add_section()
    table.add_row(f"step, mean of {found['steps']}", f"{found['step_ms']:.3f}", "100.0%")
    console = Console(file=StringIO(), width=100, color_system=None)
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    lines.append(f"data share of a step: {found['data_share']:.1%}")
    if "gpu_utilisation" in found:
        known = found["gpu_utilisation"]
        lines.append(
            f"GPU utilisation: {known:.0%}"
            if known is not None
            else f"GPU utilisation: unknown, {found['gpu_utilisation_unknown'] or 'too few steps'}"
        )
    return "\n".join(lines)


def _part_of(action: str) -> str:
    return next((part for pattern, part in _PART_OF if re.fullmatch(pattern, action)), _REST)
