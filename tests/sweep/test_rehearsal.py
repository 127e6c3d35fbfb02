"""What is said of a search's jobs before anything is read or trained."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError
from regimecast.sweep.rehearsal import rehearse

BASE = ("data=synthetic", "split.test=0.2", "model=dlinear", "window.context_length=16")
CLASSES = ("target=triple_barrier", "loss=cross_entropy")


def corner(*overrides: str) -> tuple[Sequence[str], dict[str, Any]]:
    config = composed([*BASE, *overrides])
    config.pop("sweep", None)
    return overrides, config


@pytest.mark.parametrize(
    ("overrides", "objective"),
    [
        ((), "val/loss"),
        ((), "seconds"),
        ((), "validation/crps"),
        ((), "validation/sharpe"),
        (("loss=sharpe",), "validation/ic"),
        (CLASSES, "validation/accuracy"),
    ],
)
def test_what_jobs_report_may_be_searched(overrides: tuple[str, ...], objective: str):
    rehearse([[corner(*overrides)]], {objective: "min"})


@pytest.mark.parametrize(
    ("overrides", "objective"),
    [
        ((), "validation/accuracy"),
        (CLASSES, "validation/crps"),
        (("loss=sharpe",), "validation/mae"),
        (("target=level",), "validation/sharpe"),
    ],
)
def test_what_no_job_would_report_is_refused(overrides: tuple[str, ...], objective: str):
    with pytest.raises(ConfigError, match=f"{objective}.* no job with target=.*model=dlinear"):
        rehearse([[corner(*overrides)]], {"val/loss": "min", objective: "max"})


def test_a_branch_of_which_no_corner_can_be_made_is_refused():
    bad = [corner(f"model.moving_avg_window={window}") for window in (-3, 4)]
    with pytest.raises(ConfigError, match=r"moving_avg_window=-3: "):
        rehearse([[corner()], bad], {"val/loss": "min"})


def test_a_corner_that_cannot_be_made_is_warned_of(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        rehearse([[corner(), corner("model.moving_avg_window=4")]], {"val/loss": "min"})
    assert "such a job would fail: model.moving_avg_window=4: " in caplog.text
