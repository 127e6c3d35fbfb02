"""Settings of the optimizer that change on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from regimecast.training.changes import Change

__all__ = ["ApplyChanges"]

_RATE = "lr"


class ApplyChanges(Callback):
    """Sets numbers of the optimizer at the start of given epochs.

    A schedule goes on from where it is: the rate it has reached is scaled as its base rate is, so
    that a halved ``lr`` halves what is left of the schedule.

    Args:
        changes: what to set when, in order of time.
        first: config of the optimizer: the numbers until the first change.
    """

    def __init__(self, changes: Sequence[Change], first: Mapping[str, Any]) -> None:
        self._changes = {change.epoch: change for change in changes}
        self._first = first

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes the change of this epoch, if there is one."""
        change = self._changes.get(trainer.current_epoch)
        if change is None:
            return
        for name, value in change.values.items():
            before = self._before(name, change.epoch)
            for optimizer in trainer.optimizers:
                if name == _RATE:
                    _set_rate(optimizer, value, before)
                else:
                    for group in optimizer.param_groups:
                        group[name] = value
            if name == _RATE:
                for config in trainer.lr_scheduler_configs:
                    rates = getattr(config.scheduler, "base_lrs", None)
                    if rates is not None:  # a plateau schedule has none
                        config.scheduler.base_lrs = [value] * len(rates)

    def _before(self, name: str, epoch: int) -> float:
        """The number that was set until this epoch."""
        earlier = [
            c.values[name] for e, c in self._changes.items() if e < epoch and name in c.values
        ]
        return float(earlier[-1] if earlier else self._first[name])


def _set_rate(optimizer: Optimizer, value: float, before: float) -> None:
    for group in optimizer.param_groups:
        # Without a schedule the quotient would only add rounding.
        same = group[_RATE] == before
        group[_RATE] = value if same or before == 0 else group[_RATE] * (value / before)
        if "initial_lr" in group:
            group["initial_lr"] = value
