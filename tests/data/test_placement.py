"""A mapped matrix is a file for all processes, holds what memory would, and leaves nothing."""

import os
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float32

from regimecast.core.errors import ConfigError
from regimecast.data import placement
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Panel, Role
from regimecast.data.placement import Store, as_tensor
from regimecast.features.pipeline import FeaturePipeline, FeatureTable
from regimecast.labels.base import TargetRegistry
from regimecast.training.processes import Tell, in_processes
from tests.data.folds import build_fold, packaged
from tests.data.panels import random_panel

linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc")


class Counting(FeaturePipeline):
    """How often anything was computed."""

    computed = 0

    def compute(
        self, panel: Panel, *, out: Float32[np.ndarray, "R F"] | None = None
    ) -> FeatureTable:
        Counting.computed += 1
        return super().compute(panel, out=out)


def bars() -> Panel:
    extra = (Column("news", Role.PAST, lag=1), Column("auction", Role.KNOWN))
    return random_panel(220, 190, extra=extra)


def market(store: Store) -> MarketData:
    config = packaged("target", "forward_return", horizon=3, volatility_window=10)
    families = {
        name: packaged("features", name)[name] for name in ("candles", "cross_asset", "calendar")
    }
    return MarketData.build(
        bars(),
        pipeline=Counting(families, missing="error"),
        target=TargetRegistry.create(config.pop("name"), **config),
        context_length=8,
        asset_identity=True,
        store=store,
    )


def files_of(folder: Path) -> list[str]:
    """Files in a folder that this process maps; a name that is gone is still told."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in lines if str(folder) in line or "memfd" in line]


def test_mapped_is_to_the_bit_what_memory_is(tmp_path):
    memory, mapped = market(Store("memory")), market(Store("mapped", str(tmp_path)))
    for name in ("past", "known", "scheduled"):
        assert getattr(memory, name).dtype == getattr(mapped, name).dtype == np.float32
        assert getattr(memory, name).tobytes() == getattr(mapped, name).tobytes()
    one, other = build_fold(memory), build_fold(mapped)
    for a, b in zip(one.train_dataloader(), other.train_dataloader(), strict=True):
        for field in ("past", "known", "static", "target", "mask", "scale", "weight"):
            assert torch.equal(getattr(a, field), getattr(b, field))
    assert one.state() == other.state()


def test_gathers_leave_the_file_as_it_was(tmp_path):
    mapped = market(Store("mapped", str(tmp_path)))
    before = mapped.past.tobytes(), mapped.known.tobytes()
    for batch in build_fold(mapped).train_dataloader():
        batch.past.fill_(7.0)
        batch.known.fill_(7.0)
    assert (mapped.past.tobytes(), mapped.known.tobytes()) == before


def test_data_that_end_earlier_are_mapped_too(tmp_path):
    mapped = market(Store("mapped", str(tmp_path)))
    shorter = mapped.until(mapped.bars.time[150])
    assert isinstance(shorter.past.base, torch.Tensor)
    rows = mapped.bars.time <= mapped.bars.time[150]
    np.testing.assert_array_equal(shorter.past, mapped.past[rows])


@linux
def test_the_file_has_no_name_and_goes_with_its_market(tmp_path):
    mapped = market(Store("mapped", str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
    assert len(files_of(tmp_path)) == 3
    assert mapped.past.flags.writeable
    del mapped
    assert files_of(tmp_path) == []


def test_memory_is_not_mapped():
    assert as_tensor(np.ones((2, 2), dtype=np.float32)).sum() == 4
    array = Store("memory").matrix(3, 2)
    assert array.base is None
    assert as_tensor(array).data_ptr() == array.ctypes.data


def test_a_part_of_a_mapped_matrix_is_that_part(tmp_path):
    matrix = Store("mapped", str(tmp_path)).matrix(4, 3)
    matrix[:] = np.arange(12).reshape(4, 3)
    part = as_tensor(matrix[:, 1:])
    np.testing.assert_array_equal(part.numpy(), matrix[:, 1:])


def _change(tensor: torch.Tensor, folder: str, tell: Tell) -> list[str]:
    """Says what it maps, having written what the others will see."""
    rank = int(os.environ["LOCAL_RANK"])
    tensor[rank] = rank + 1.0
    return files_of(Path(folder))


@linux
@pytest.mark.slow
def test_training_processes_map_the_same_file(tmp_path):
    tensor = as_tensor(Store("mapped", str(tmp_path)).matrix(2, 1000))
    maps = in_processes(2, partial(_change, tensor, str(tmp_path)), hear=print)
    assert len(maps) == 1
    assert "deleted" in maps[0]
    assert tensor.mean(dim=1).tolist() == [1.0, 2.0]


def _batches(loader, folder: str, results) -> None:
    results.put(([batch.past.sum().item() for batch in loader], files_of(Path(folder))))


@linux
@pytest.mark.slow
def test_a_loader_goes_to_a_new_process_without_its_panel(tmp_path):
    """As `training.trainer` sends it: the panel is the file, not bytes in the message."""
    loader = build_fold(market(Store("mapped", str(tmp_path)))).val_dataloader()
    context = get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_batches, args=(loader, str(tmp_path), results))
    process.start()
    sums, maps = results.get(timeout=120)
    process.join()
    assert len([line for line in maps if str(tmp_path) in line]) == 3
    assert sums == [batch.past.sum().item() for batch in loader]


@pytest.mark.parametrize("kind", ["memory", "device"])
def test_more_than_memory_is_said_before_anything_is_computed(kind, monkeypatch):
    monkeypatch.setattr(placement, "available_bytes", lambda: 10_000)
    before = Counting.computed
    with pytest.raises(ConfigError) as caught:
        market(Store(kind))
    assert Counting.computed == before
    text = str(caught.value)
    # Candles and relations of assets, one given column, and the history.
    columns = market_width(monkeypatch)
    assert f"window.placement={kind} needs 0.0 MiB of memory for 410 bars of {columns} " in text
    assert "0.0 MiB are available" in text
    assert "window.placement=mapped" in text


def market_width(monkeypatch) -> int:
    monkeypatch.setattr(placement, "available_bytes", lambda: None)
    return len(market(Store("memory")).spec.past)


def test_sizes_are_those_of_float32(monkeypatch):
    monkeypatch.setattr(placement, "available_bytes", lambda: 4 * 2**30)
    Store("memory").check(2**20, 1024)
    with pytest.raises(ConfigError, match=r"needs 4\.00 GiB of memory for 1,048,577 bars of 1024"):
        Store("memory").check(2**20 + 1, 1024)


def test_a_disk_without_room(tmp_path):
    with pytest.raises(ConfigError, match=r"needs a file of .* GiB, and .* GiB free"):
        Store("mapped", str(tmp_path)).check(2**40, 100)
    with pytest.raises(ConfigError, match=r"window\.mapped_folder"):
        Store("mapped", str(tmp_path)).matrix(2**40, 100)


def test_folders_that_do_not_serve(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"window\.mapped_folder='nowhere' is not a folder"):
        Store("mapped", "nowhere").matrix(1, 1)
    monkeypatch.setattr(placement, "_mounts", lambda: [(Path("/"), "ext4"), (tmp_path, "tmpfs")])
    with pytest.raises(ConfigError, match="lies in memory"):
        Store("mapped", str(tmp_path)).matrix(1, 1)


def test_the_folder_of_nobodys_choice_is_on_a_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(placement.tempfile, "gettempdir", lambda: str(tmp_path))
    assert Store("mapped")._place() == tmp_path
    monkeypatch.setattr(placement, "_mounts", lambda: [(Path("/"), "ext4"), (tmp_path, "tmpfs")])
    assert Store("mapped")._place() == Path("/var/tmp")  # the next in line
    monkeypatch.setattr(placement, "_mounts", lambda: [(Path("/"), "tmpfs")])
    with pytest.raises(ConfigError, match="found no folder on a disk"):
        Store("mapped").matrix(1, 1)
