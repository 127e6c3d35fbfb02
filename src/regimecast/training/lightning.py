"""Lightning, kept quiet, in its folder, and from ending the interpreter."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from regimecast.core.errors import ConfigError

__all__ = ["confine", "explained", "interruptible", "quiet"]

# Of Lightning's two packages the one imported last speaks; neuralforecast imports the old one.
_LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")
_HARMLESS = (
    # Gathering a batch in the main process is faster than sending it between processes. Lightning
    # advises workers anyway: https://github.com/Lightning-AI/pytorch-lightning/issues/19223
    "The '.*_dataloader' does not have many workers",
    # A fold without validation is checked, with a better message, before training. Lightning keeps
    # its own: https://github.com/Lightning-AI/pytorch-lightning/issues/10285
    "You defined a `validation_step` but have no `val_dataloader`",
    # accelerator=cpu is a choice, and is warned about since
    # https://github.com/Lightning-AI/pytorch-lightning/pull/11909
    "GPU available but not used",
    # Lightning's own code under the newest torch:
    # https://github.com/Lightning-AI/pytorch-lightning/issues/21326
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its greetings, tips and the warnings that are harmless here."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in _HARMLESS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def explained() -> Iterator[None]:
    """Settings that Lightning refuses raise `ConfigError`, as any others do."""
    try:
        yield
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error


def confine(callbacks: Sequence[Callback], folder: Path | None) -> None:
    """Checkpoints go to the folder; where none is named Lightning takes the working one.

    Raises:
        ConfigError: a callback would write and there is no folder.
    """
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            if folder is None:
                raise ConfigError(
                    "ModelCheckpoint has nowhere to write: give it dirpath, or the trainer a folder"
                )
            callback.dirpath = str(folder)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C during Lightning's fit raises `KeyboardInterrupt`, as everywhere in Python.

    Lightning turns it into ``sys.exit(1)`` and leaves the signal ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        raise
    finally:
        # Only the main thread may set handlers, and Lightning can only have changed it there.
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGINT, before)
