"""That the memory benchmark sees private memory, and only that."""

from pathlib import Path

import numpy as np
import pytest

from regimecast.bench import memory
from regimecast.data.placement import Store

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
SIZE = 64 * 2**20


def test_what_is_private_counts_and_a_file_does_not(tmp_path):
    with memory.most_private() as found:
        Store("mapped", str(tmp_path)).matrix(SIZE // 4, 1)[:] = 1
    assert max(found) - found[0] < SIZE / 2
    before = memory._private()
    array = np.ones(SIZE // 8)
    assert memory._private() - before > 0.9 * array.nbytes


def test_batches_differ_where_the_data_do(monkeypatch):
    monkeypatch.setattr(memory, "_WIDE", memory._HUNDRED)
    assert memory.batches("memory") == memory.batches("mapped")
    small = memory.batches("memory")
    monkeypatch.setattr(memory, "FEW_BARS", memory.FEW_BARS + 2)
    assert memory.batches("memory") != small
