"""What runs differ in is found in their parts and in what was overridden."""

from pathlib import Path

from regimecast.report.axes import Axis, axes, shared, short_names
from regimecast.report.run_files import RunFiles
from tests.report.lifelike import MakeRun


def _runs(make_run: MakeRun, *swept: tuple[str, ...]) -> dict[str, RunFiles]:
    return {
        f"run{number}": RunFiles.read(make_run(f"run{number}", bars=30, overrides=overrides))
        for number, overrides in enumerate(swept)
    }


def _configure(run: RunFiles, text: str) -> None:
    (run.path / "config.yaml").write_text(text)


def test_swept_settings_are_axes_with_the_defaults_of_the_others(make_run: MakeRun) -> None:
    runs = _runs(make_run, ("optimizer.lr=1e-2",), (), ("+extra=2", "experiment=a", "runs=x"))
    for run in runs.values():
        lr = "0.01" if run.path.name == "run0" else "0.001"
        _configure(run, f"model: {{name: nhits}}\noptimizer: {{lr: {lr}}}\n")
    runs = {label: RunFiles.read(run.path) for label, run in runs.items()}
    found = {axis.key: dict(axis.values) for axis in axes(runs)}
    assert found == {
        "optimizer.lr": {"run0": "0.01", "run1": "0.001", "run2": "0.001"},
        "extra": {"run0": "", "run1": "", "run2": "2"},
    }
    assert shared(runs)["model"] == "nhits"


def test_names_are_what_tells_runs_apart(make_run: MakeRun) -> None:
    runs = _runs(make_run, ("a=1", "b=x"), ("a=2", "b=x"))
    assert short_names(runs, axes(runs)) == {"run0": "1", "run1": "2"}


def test_runs_that_do_not_differ_keep_their_label(make_run: MakeRun) -> None:
    runs = _runs(make_run, ("a=1",), ("a=1",), ("a=2",))
    assert short_names(runs, axes(runs)) == {label: label for label in runs}


def test_choices_stand_in_order_and_the_missing_one_last() -> None:
    assert Axis("lr", dict(zip("abcd", ["10", "", "9", "0.1"], strict=True))).choices == (
        "0.1",
        "9",
        "10",
        "",
    )
    assert Axis("m", dict(zip("ab", ["tft", "lstm"], strict=True))).choices == ("lstm", "tft")


def test_a_control_for_few_many_and_countless_values() -> None:
    def of(values: list[str]) -> Axis:
        return Axis("key", {str(number): value for number, value in enumerate(values)})

    assert of(["a", "b"]).control == "chips"
    assert of([f"m{n}" for n in range(20)]).control == "list"
    assert of([str(n) for n in range(20)]).control == ""
    assert of([str(n) for n in range(20)]).numeric
    assert not of(["0", "1"]).numeric


def test_a_config_that_is_none(make_run: MakeRun, tmp_path: Path) -> None:
    runs = _runs(make_run, ("window.context_length=3",), ("window.context_length=4",))
    for run in runs.values():
        _configure(run, "[garbage")
    runs = {label: RunFiles.read(run.path) for label, run in runs.items()}
    assert [axis.choices for axis in axes(runs)] == [("3", "4")]
