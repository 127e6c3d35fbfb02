"""What the command line prints is what the files say, character by character."""

import pytest

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
