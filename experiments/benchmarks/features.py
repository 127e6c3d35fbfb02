"""Feature sets: time per bar as rows grow, peak memory against the table, and against `ta`.

    python experiments/benchmarks/features.py
    python experiments/benchmarks/features.py --reference OTHER/bin/python

The second form also times the package `ta`, which lives in an environment of its own because the
project does not need it. Times are of the processor; every ratio is of medians within one run.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROWS = (252, 12_960, 129_600)
REPETITIONS = 7

COMMON = {
    "trend": "sma_gap_10 sma_gap_20 sma_gap_50 sma_gap_100 ema_gap_12 ema_gap_26 macd "
    "macd_histogram adx_14 directional_balance_14 aroon_25 trix_15",
    "momentum": "rsi_7 rsi_14 stochastic_k_14 stochastic_d_14 williams_r_14 ultimate_oscillator",
    "volatility": "natr_14 bollinger_position_20 bollinger_width_20",
    "volume": "obv_20 chaikin_flow_20 vwap_gap_20",
    "channels": "donchian_position_20 keltner_position_20",
    "oscillators": "vortex_14 stochastic_rsi_14 true_strength_25_13 awesome_5_34 mass_index_25",
    "participation": "force_13",
}
"""Columns that `ta` has an indicator for, without those that it computes row by row in Python."""

REFERENCE = """
import statistics, sys, time, warnings
import numpy as np, pandas as pd, ta
warnings.filterwarnings("ignore")
o, h, l, c, v = (pd.Series(x) for x in np.load(sys.argv[1]))
def run():
    t, m, w, u = ta.trend, ta.momentum, ta.volatility, ta.volume
    for n in (10, 20, 50, 100): t.sma_indicator(c, n)
    for n in (12, 26): t.ema_indicator(c, n)
    macd = t.MACD(c); macd.macd(), macd.macd_diff()
    adx = t.ADXIndicator(h, l, c, 14); adx.adx(), adx.adx_pos(), adx.adx_neg()
    aroon = t.AroonIndicator(h, l, 25); aroon.aroon_up(), aroon.aroon_down()
    t.trix(c, 15)
    for n in (7, 14): m.rsi(c, n)
    k = m.StochasticOscillator(h, l, c, 14, 3); k.stoch(), k.stoch_signal()
    m.williams_r(h, l, c, 14); m.ultimate_oscillator(h, l, c)
    w.average_true_range(h, l, c, 14)
    bands = w.BollingerBands(c, 20)
    bands.bollinger_mavg(), bands.bollinger_hband(), bands.bollinger_lband()
    u.on_balance_volume(c, v); u.chaikin_money_flow(h, l, c, v, 20)
    u.volume_weighted_average_price(h, l, c, v, 20)
    donchian = w.DonchianChannel(h, l, c, 20)
    donchian.donchian_channel_hband(), donchian.donchian_channel_lband()
    keltner = w.KeltnerChannel(h, l, c, 20)
    keltner.keltner_channel_hband(), keltner.keltner_channel_lband()
    vortex = t.VortexIndicator(h, l, c, 14)
    vortex.vortex_indicator_pos(), vortex.vortex_indicator_neg()
    m.stochrsi_d(c, 14); m.tsi(c); m.awesome_oscillator(h, l); t.mass_index(h, l)
    u.force_index(c, v, 13)
run()
times = []
for _ in range(int(sys.argv[2])):
    start = time.process_time(); run(); times.append(time.process_time() - start)
print(statistics.median(times))
"""


def panel(rows: int, assets: int = 1):  # noqa: ANN201  # imported late: the memory is measured
    """Minute bars of random walks, with a volatility index."""
    from regimecast.data.panel import Column, Panel

    rng = np.random.default_rng(0)
    parts = []
    for _ in range(assets):
        close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, rows)))
        opened = close * np.exp(rng.normal(0, 0.0003, rows))
        spread = np.abs(rng.normal(0, 0.0003, (2, rows)))
        high = np.maximum(opened, close) * np.exp(spread[0])
        low = np.minimum(opened, close) * np.exp(-spread[1])
        volume = rng.integers(1, 9000, rows).astype(float)
        vix = 20 * np.exp(rng.normal(0, 0.1, rows))
        parts.append(np.stack([opened, high, low, close, volume, vix], axis=1))
    start = np.datetime64("2025-01-01", "ns")
    return Panel(
        values=np.concatenate(parts),
        time=np.tile(start + np.arange(rows) * np.timedelta64(1, "m"), assets),
        offsets=np.arange(assets + 1) * rows,
        columns=tuple(Column(n) for n in ("open", "high", "low", "close", "volume", "vix")),
        assets=tuple(f"A{i}" for i in range(assets)),
        frequency="1min",
        calendar="24/7",
    )


def pipeline(chosen: str):  # noqa: ANN201  # as above
    from regimecast.experiment import compose
    from regimecast.features.pipeline import FeaturePipeline

    return FeaturePipeline(compose(f"features={chosen}")["features"], missing="skip")


def median_seconds(function: Callable[[], object], repetitions: int = REPETITIONS) -> float:
    function()
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return float(np.median(times))


def memory(chosen: str, rows: int, assets: int) -> float:
    """Most resident memory that `compute` adds, over the bytes of the table that it returns."""
    features, bars = pipeline(chosen), panel(rows, assets)
    features.compute(panel(600, assets))  # compiled and loaded
    before = resident("VmRSS")
    table = features.compute(bars)
    return (resident("VmHWM") - before) / table.values.nbytes


def resident(which: str) -> int:
    """Bytes of resident memory, now or at most; Linux only."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith(which))
    return int(line.split()[1]) * 1024


def common(bars) -> float:
    """Seconds for the columns that `ta` has too."""
    from regimecast.features.base import FeatureRegistry

    families = []
    config = pipeline("full")._parameters
    for name, columns in COMMON.items():
        parameters = {
            **config[name],
            **({"sma_windows": [10, 20, 50, 100]} if name == "trend" else {}),
        }
        family = FeatureRegistry.create(name, **parameters)
        names = [feature.name for feature in family.features()]
        families.append((family, [names.index(column) for column in columns.split()]))
    columns = {name: np.array(bars.available(name)) for name in bars.names}
    return median_seconds(lambda: [list(f.columns(columns, chosen)) for f, chosen in families])


def output(command: list[object]) -> str:
    # S603: the command is this file, or the Python that the user names.
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)  # noqa: S603  # above
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", type=Path, help="a Python that has the package ta")
    parser.add_argument("--memory", nargs=3, metavar=("SET", "ROWS", "ASSETS"))
    arguments = parser.parse_args()
    if arguments.memory:
        chosen, rows, assets = arguments.memory
        print(memory(chosen, int(rows), int(assets)))
        return
    print("| set | assets x bars | columns | ms | µs per bar | per bar against 12,960 |")
    print("|---|---|---|---|---|---|")
    for chosen in ("core", "standard", "full"):
        features, cost = pipeline(chosen), {}
        for rows in ROWS:
            bars = panel(rows)
            seconds = median_seconds(lambda bars=bars, f=features: f.compute(bars))
            cost[rows] = seconds / rows
            ratio = f"{cost[rows] / cost[12_960]:.2f}" if 12_960 in cost else ""
            columns = len(features.declarations(bars))
            print(f"| {chosen} | 1 x {rows:,} | {columns} | {1e3 * seconds:.1f} | "
                  f"{1e6 * cost[rows]:.2f} | {ratio} |")  # fmt: skip
    bars, features = panel(129_600, 4), pipeline("full")
    seconds = median_seconds(lambda: features.compute(bars), 3)
    print(f"| full | 4 x 129,600 | {len(features.declarations(bars))} | {1e3 * seconds:.0f} | "
          f"{1e6 * seconds / 518_400:.2f} | |")  # fmt: skip
    print("\n| set | assets x bars | peak resident memory over the table |\n|---|---|---|")
    for chosen, assets in (("standard", 1), ("full", 1), ("full", 4)):
        command = [sys.executable, __file__, "--memory", chosen, "129600", str(assets)]
        found = output(command)
        print(f"| {chosen} | {assets} x 129,600 | {float(found):.2f} |")
    if arguments.reference:
        bars = panel(129_600)
        mine = common(bars)
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "bars.npy"
            np.save(data, bars.values[:, :5].T)
            command = [arguments.reference, "-c", REFERENCE, data, str(REPETITIONS)]
            found = output(command)
        theirs, number = float(found), sum(len(names.split()) for names in COMMON.values())
        print(f"\n{number} common columns on 129,600 bars: {1e3 * mine:.0f} ms, `ta` "
              f"{1e3 * theirs:.0f} ms, ratio {theirs / mine:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
