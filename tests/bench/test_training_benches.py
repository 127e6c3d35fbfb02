"""The benchmarks of training run on small data, state their targets and compare like with like."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch.utils.data import default_collate

from regimecast.bench import gpu, inference, steps, training, windows
from regimecast.bench.contestants import bare_loop, house
from regimecast.bench.fold import CONTEXT, Workbench, workbench
from regimecast.bench.networks import DLINEAR, NETWORKS
from regimecast.bench.steps import Stamps, in_turn, mark, stamps_for, step_seconds
from regimecast.core.errors import ConfigError


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """One network, few lengths, and no peers, which take seconds each."""
    monkeypatch.setattr(training, "NETWORKS", (DLINEAR,))
    monkeypatch.setattr(training, "_PEERS", ())
    monkeypatch.setattr(training, "_LENGTHS", (1, 2))
    monkeypatch.setattr(inference, "_NETWORKS", {DLINEAR: 1})
    monkeypatch.setattr(gpu, "NHITS", DLINEAR)
    monkeypatch.setattr(windows.peers_pytorch_forecasting, "installed", lambda: False)


def test_training():
    report = training.run(repetitions=1, quick=True)
    assert {r.name: r.target for r in report.ratios if "longer" not in r.name} == {
        "DLinear: speed of the bare loop": "at least 0.6",
        "DLinear: same network in neuralforecast": "at least 100",
        "DLinear: data's share of a step": "at most 0.1",
    }
    growth = [r for r in report.ratios if "longer" in r.name]
    assert {r.target for r in growth} == {"at most 1.1"}
    assert "2 × 1,000 bars" in growth[0].over.name


def test_windows_and_the_note_of_what_is_missing():
    report = windows.run(repetitions=1, quick=True)
    assert [r.target for r in report.ratios] == ["at least 20", "", "at least 0.5"]
    assert "pip install 'regimecast[bench]'" in report.about


def test_inference():
    report = inference.run(repetitions=1, quick=True)
    assert [r.target for r in report.ratios] == ["at least 5", "at most 1"]
    assert "2,592 windows" in report.ratios[0].name


def test_gpu_needs_one_unless_quick():
    report = gpu.run(repetitions=1, quick=True)
    assert all("windows/s" in note for note in report.notes)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"no CUDA device.*--quick"):
            gpu.run(repetitions=1, quick=False)


def test_every_network_has_its_targets():
    titles = {network.title for network in NETWORKS} | {DLINEAR.title}
    assert titles <= set(training._OF_BARE) == set(training._OF_LIBRARY)


def test_items_are_our_windows():
    data = Workbench.of(1_000, "window.batch_size=16", assets=2).data
    items, positions = windows.PerItem(data), [0, 7, len(data.split("train")) - 1]
    plain = default_collate([items[position] for position in positions])
    ours = data.split("train").gather(torch.tensor(positions))
    assert plain["past"].shape == (3, CONTEXT, len(data.spec.past))
    for name in ("past", "target", "scale"):
        values = getattr(ours, name).squeeze()
        np.testing.assert_allclose(plain[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    for name in ("mask", "weight", "regime", "asset", "origin"):
        assert torch.equal(plain[name], getattr(ours, name)), name


def test_the_bare_loop_makes_the_same_updates(monkeypatch):
    """Same batches in, same weights out: what is left out is the framework and not the work."""
    with workbench(1_000, "window.batch_size=16", assets=2) as (bench, folder):
        model = DLINEAR.model(bench.data.spec, bench.parts.config["loss"])
        networks = []
        build = type(model).build_network

        def kept(self):
            networks.append(build(self))
            return networks[-1]

        monkeypatch.setattr(type(model), "build_network", kept)
        monkeypatch.setattr(bench.data.split("train"), "gather", _always_the_first(bench))
        bare_loop(model, bench.data, steps=4, rate=bench.parts.config["optimizer"]["lr"])()
        house(model, bench, folder, steps=4)()
        bare, ours = (dict(network.named_parameters()) for network in networks)
        for name, values in bare.items():
            torch.testing.assert_close(values, ours[name], rtol=1e-5, atol=1e-7)


def _always_the_first(bench):
    train = bench.data.split("train")
    batch = train.gather(torch.arange(16))
    return lambda positions: batch


def test_seconds_of_a_step_leave_out_the_first_and_what_follows_the_last(monkeypatch):
    times = iter([0.0, 10.0, 11.0, 13.0])
    monkeypatch.setattr(steps, "process_time", lambda: next(times))
    assert step_seconds(lambda: [mark() for _ in range(4)]) == 1.5
    monkeypatch.setattr(steps, "process_time", lambda: 0.0)
    with pytest.raises(ConfigError, match="2 steps were marked"):
        step_seconds(lambda: [mark() for _ in range(2)])


def test_contestants_with_a_clock_of_their_own_take_turns():
    calls = []
    found = in_turn(
        {"a": lambda: calls.append("a") or 1.0, "b": lambda: calls.append("b") or 2.0},
        repetitions=2,
    )
    assert "".join(calls) == "ababab"
    assert {name: sample.values for name, sample in found.items()} == {
        "a": (1.0, 1.0),
        "b": (2.0, 2.0),
    }


def test_both_callbacks_stamp():
    for stamps in (Stamps(), stamps_for("lightning.pytorch")):
        assert isinstance(stamps, Callback)
        steps._marks.clear()
        for number in range(3):
            stamps.on_train_batch_start(Trainer, None, None, number)
        assert all(before <= after for before, after in pairwise(steps._marks))
        assert len(steps._marks) == 3
