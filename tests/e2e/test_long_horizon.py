"""The long-horizon benchmark's data, borders, units and errors, held against published numbers.

The forecast that repeats the last value has no parameters, so that its published errors (Zeng et
al. 2023, https://arxiv.org/abs/2205.13504, table 2) can be met digit by digit. Their evaluation
dropped the windows after the last full batch of 32; `run` and the study count every window.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from regimecast.assembly import Assembly
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.experiment import compose, run
from regimecast.reload import evaluate_run
from regimecast.report.html import write_multirun_report

SETS = {
    "ETTh1": (),
    "ETTm2": (
        "data.frequency=15min", "split.train=34560", "split.validation=11520", "split.test=11520",
    ),
    "exchange_rate": (
        "data.frequency=1D", "split.train=5311", "split.validation=760", "split.test=1517",
    ),
}  # fmt: skip
CHANNELS = {"ETTh1": 7, "ETTm2": 7, "exchange_rate": 8}
ROWS = {"ETTh1": 2880, "ETTm2": 11520, "exchange_rate": 1517}

PUBLISHED = {
    "ETTh1": {96: (1.295, 0.713), 192: (1.325, 0.733), 336: (1.323, 0.744), 720: (1.339, 0.756)},
    "ETTm2": {96: (0.266, 0.328), 192: (0.340, 0.371), 336: (0.412, 0.410), 720: (0.521, 0.465)},
    "exchange_rate": {
        96: (0.081, 0.196), 192: (0.167, 0.289), 336: (0.305, 0.396), 720: (0.823, 0.681),
    },
}  # fmt: skip
EVERY_WINDOW = {
    "ETTh1": {
        96: (1.2944, 0.7132), 192: (1.3249, 0.7331), 336: (1.3299, 0.7460), 720: (1.3351, 0.7550),
    },
    "ETTm2": {
        96: (0.2665, 0.3278), 192: (0.3400, 0.3707), 336: (0.4121, 0.4099), 720: (0.5216, 0.4656),
    },
    "exchange_rate": {
        96: (0.0811, 0.1964), 192: (0.1671, 0.2887), 336: (0.3057, 0.3978), 720: (0.8101, 0.6764),
    },
}  # fmt: skip
"""By a script of 40 lines that shares nothing with this project."""

CELLS = [
    pytest.param(
        name, horizon, marks=[pytest.mark.slow] if name == "ETTm2" and horizon > 96 else []
    )
    for name, horizons in PUBLISHED.items()
    for horizon in horizons
]


@pytest.fixture
def ltsf(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REGIMECAST_SHARED_DATA", str(shared_data))
    return shared_data / "ltsf"


def data_of(name: str, horizon: int, folder: Path) -> FinancialDataModule:
    parts = Assembly.from_config(
        compose(
            "experiment=long_horizon",
            f"data.path={folder}/{name}.parquet",
            f"target.horizon={horizon}",
            *SETS[name],
        )
    )
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    return next(parts.modules(market, parts.splitter.split(market.samples(complete=True))))


def errors_of_repeating(data: FinancialDataModule) -> tuple[np.ndarray, np.ndarray]:
    """Squared and absolute error of the last value, per test window, averaged over steps."""
    dataset = data.split("test")
    squared, absolute = [], []
    for positions in torch.arange(len(dataset)).split(4096):
        batch = dataset.gather(positions)
        assert batch.mask.all()
        error = batch.target - batch.past[:, -1]
        squared.append((error**2).mean(dim=1))
        absolute.append(error.abs().mean(dim=1))
    return torch.cat(squared).double().numpy(), torch.cat(absolute).double().numpy()


@pytest.mark.parametrize(("name", "horizon"), CELLS)
def test_repeating_the_last_value_has_its_published_errors(name: str, horizon: int, ltsf: Path):
    data = data_of(name, horizon, ltsf)
    origin = data.split("test").samples.origin
    windows = ROWS[name] - horizon + 1
    assert len(origin) == CHANNELS[name] * windows
    squared, absolute = errors_of_repeating(data)
    found = (squared.mean(), absolute.mean())
    np.testing.assert_allclose(found, EVERY_WINDOW[name][horizon], atol=1e-4)
    in_full_batches = np.unique(origin, return_inverse=True)[1] < windows // 32 * 32
    found = (squared[in_full_batches].mean(), absolute[in_full_batches].mean())
    np.testing.assert_allclose(found, PUBLISHED[name][horizon], atol=6e-4)


def test_parts_begin_and_end_at_the_published_borders(ltsf: Path):
    data = data_of("ETTh1", 96, ltsf)
    first = data.market.bars.time[0]
    hours = np.timedelta64(1, "h")
    for name, start, stop in (
        ("train", 0, 8640), ("validation", 8640, 11520), ("test", 11520, 14400),
    ):  # fmt: skip
        samples = data.split(name).samples
        assert (samples.end.max() - first) // hours == stop - 1
        assert (samples.start.min() - first) // hours == max(start - 336, 0)
        assert (samples.origin.min() - first) // hours == max(start, 336) - 1
    assert data.fold.train_interval.to_json() == [str(first), str(first + 8639 * hours)]


def test_a_run_counts_every_window_and_trades_on_none(
    ltsf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = run("experiment=long_horizon", "model=naive", "trainer.accelerator=cpu")
    forecast = result.metrics["forecast"]
    assert forecast["test/n"] == 2785 * 7 * 96
    assert forecast["test/mse"] == pytest.approx(1.2944, abs=1e-4)
    assert forecast["test/mae"] == pytest.approx(0.7132, abs=1e-4)
    assert result.metrics["trading"] == {}
    assert result.returns is None
    assert not (result.folder / "returns.parquet").exists()
    again = evaluate_run(result.folder)
    assert again.identical
    assert again.metrics == {key: result.metrics[key] for key in again.metrics}
    assert "no backtest: the target does not say which way to trade</dd>" in (
        result.report.read_text()
    )
    study = write_multirun_report(result.folder.parent).read_text()
    assert "best of 1 run: the more runs" in study
    assert "Sharpe ratio of" not in study
    figures = result.figures
    assert "equity" not in figures
    assert figures["fan"].layout.yaxis.title.text == "96 bars ahead"
