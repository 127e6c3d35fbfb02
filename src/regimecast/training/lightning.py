"""Lightning, kept quiet and kept from ending the interpreter."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["interruptible", "quiet"]

# Of Lightning's two packages the one imported last speaks; neuralforecast imports the old one.
_LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")
_HARMLESS = (
    # Gathering a batch in the main process is faster than sending it between processes.
    "The '.*_dataloader' does not have many workers",
    # A fold without validation is checked, with a better message, before training.
    "You defined a `validation_step` but have no `val_dataloader`",
    # accelerator=cpu is a choice.
    "GPU available but not used",
    # Lightning's own code under the newest torch.
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
