"""Shares of cores and GPUs, so that as many jobs fit as are begun."""

from typing import Any

import pytest

from regimecast.sweep.slots import Slots
from tests.sweep.searching import settings

CORES = {"CPU": 8.0}
GPU = {"CPU": 4.0, "GPU": 1.0}
TWO = {"CPU": 4.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("nodes", "changes", "expected"),
    [
        ([CORES], {}, (8, 1, 0)),
        ([CORES], {"jobs": 2}, (2, 4, 0)),
        ([CORES], {"jobs": 20}, (20, 1, 0)),
        ([CORES], {"cpu": 3}, (2, 3, 0)),
        # With 3 cores each, only two would run.
        ([CORES, {"CPU": 2.0}], {"jobs": 3}, (3, 2, 0)),
        ([GPU], {}, (1, 4, 1)),
        ([GPU, TWO], {}, (3, 2, 1)),
        ([TWO], {"gpu": 2.0}, (1, 4, 2)),
        ([GPU], {"gpu": 0.5}, (2, 2, 0.5)),
        ([TWO], {"gpu": 0.4}, (4, 1, 0.4)),  # not 5: no job has parts of two GPUs
        # Cores of a node without a GPU are of no use to those that want one.
        ([CORES, GPU], {"gpu": 0.5}, (2, 2, 0.5)),
        ([CORES, GPU], {"gpu": 0.0}, (12, 1, 0)),
        ([{"CPU": 1.0, "GPU": 1.0}], {"gpu": 0.1}, (1, 1, 0.1)),  # a core each at least
        ([{"CPU": 16.0, "GPU": 1.0}], {"gpu": 0.1}, (10, 1, 0.1)),
        ([CORES], {"gpu": 1.0}, (1, 1, 1)),  # refused by `check_room`
        ([{}], {}, (1, 1, 0)),
    ],
)
def test_jobs_fit_beside_each_other(
    nodes: list[dict[str, float]], changes: dict[str, Any], expected: tuple[int, int, float]
):
    slots = Slots.of(nodes, settings(**changes), on_cpu=False)
    assert (slots.jobs, slots.cpu, slots.gpu) == expected


def test_jobs_that_train_on_the_cpu_take_no_gpu_unless_told():
    assert Slots.of([GPU], settings(), on_cpu=True).demand == {"CPU": 1.0}
    assert Slots.of([GPU], settings(gpu=0.5), on_cpu=True).demand == {"CPU": 2.0, "GPU": 0.5}
