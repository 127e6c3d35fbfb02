"""What the command line prints is what the files say, character by character."""

import pytest

from regimecast import summary
from regimecast.core import terminal
from regimecast.summary import show_metrics


def test_square_brackets_and_colons_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    section = {"sharpe": 0.5}
    show_metrics(
        {
            "forecast": {"test/[mae]": 1.0, "test/regime=[x]/n": 3},
            "trading": {"strategy": section, "[/hold]": section},
            "gate": {"profile": "[strict] :smile:", "passed": True},
        }
    )
    out = capsys.readouterr().out
    assert "[mae]" in out
    assert "[x]" in out
    assert "[/hold]" in out
    assert "gate [strict] :smile:: passed" in out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_metrics_by_regime_fit_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_WIDE", width)
    keys = (
        "n", "episodes", "mae", "rmse", "pinball", "crps", "directional_accuracy", "ic",
        "coverage_80",
    )  # fmt: skip
    forecast = {f"test/regime=high_volatility/{key}": 0.123456 for key in keys}
    forecast |= {"test/regime=high_volatility/n": 7740}
    summary.show_metrics(
        {"forecast": forecast, "trading": {"strategy": {}, "naive": {}}, "gate": {}}
    )
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    table = out.split("by regime known at the origin")[1].split("after costs")[0]
    for text in ("high_volatility", "steps", "7740"):
        assert text in table
    assert ("Too wide to show: " in out) == (width < 200)
    assert "ic" in table
    if width >= 80:
        assert {"crps", "mae", "direction"} <= set(table.split("\n")[2].replace("┃", " ").split())


def test_the_benchmark_rule_is_not_called_as_the_model_naive(
    capsys: pytest.CaptureFixture[str],
) -> None:
    section = {"sharpe": 0.5}
    trading = {"strategy": section, "buy_and_hold": section, "naive": section}
    show_metrics({"forecast": {"test/mae": 1.0}, "trading": trading, "gate": {}})
    assert "naive rule" in capsys.readouterr().out
