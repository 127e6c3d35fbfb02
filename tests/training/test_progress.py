"""Reports of the validation objective: their numbers, their file, whoever watches, a kill."""

import math
from dataclasses import replace
from shutil import rmtree

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from regimecast.core.errors import ConfigError, Pruned
from regimecast.losses.huber import Huber
from regimecast.training.progress import RunProgress, read_progress
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from regimecast.training.watch import Progress
from tests.synthetic_data import SyntheticData
from tests.training.test_trainer import SPEC, Linear, add, default, fit


class Heard:
    """Whoever watches; stops the run at a step."""

    def __init__(self, until: int | None = None) -> None:
        self.progress: list[Progress] = []
        self._until = until

    def report(self, progress: Progress) -> None:
        self.progress.append(progress)
        if progress.step == self._until:
            raise Pruned


def reported(watch=None, path=None, **changes):
    """A training, its report and the run's rows."""
    run = RunProgress(path, watch)
    trainer = replace(default(trainer={"max_epochs": 4}), progress=run.fold(0), **changes)
    module, report = fit(trainer)
    return module, report, run.rows


def test_objective_is_the_mean_over_folds_of_their_best_so_far():
    watch = Heard()
    run = RunProgress(watch=watch)
    first, second = run.fold(0), run.fold(1)
    for epoch, value in enumerate([3.0, 1.0, 2.0]):
        first.record(epoch, value)
        first.announce()
    second.record(0, 5.0)
    second.record(1, 4.0, best=3.5)
    assert len(watch.progress) == 3
    second.announce()
    assert watch.progress == [
        Progress(1, 0, 0, 3.0, 3.0),
        Progress(2, 0, 1, 1.0, 1.0),
        Progress(3, 0, 2, 1.0, 2.0),
        Progress(4, 1, 0, 3.0, 5.0),
        Progress(5, 1, 1, 2.25, 4.0),
    ]
    assert (first.best, second.best, run.objective) == (1.0, 3.5, 2.25)


def test_value_that_is_no_number_is_never_the_best():
    fold = RunProgress().fold(0)
    fold.record(0, math.nan)
    assert fold.best is None
    fold.record(1, 2.0)
    fold.record(2, math.nan)
    assert fold.best == 2.0


def test_network_reports_every_epoch_and_its_best_is_the_kept_one(tmp_path):
    watch = Heard()
    _, report, rows = reported(watch, tmp_path / "progress.csv")
    assert [p.current for p in watch.progress] == [row["val/loss"] for row in report.history]
    assert [p.epoch for p in watch.progress] == [0, 1, 2, 3]
    assert watch.progress[-1].objective == report.best_score
    assert [row.progress for row in rows] == watch.progress
    read = read_progress(tmp_path / "progress.csv")
    assert [(row.progress, row.best) for row in read] == [(row.progress, row.best) for row in rows]


def test_nobody_has_to_watch_and_a_watched_training_is_the_same_to_the_bit(tmp_path):
    alone, *_ = fit(default(trainer={"max_epochs": 4}))
    for module, _, rows in (reported(Heard()), reported(None, tmp_path / "progress.csv")):
        assert len(rows) == 4
        for name, value in alone.state_dict().items():
            assert torch.equal(value, module.state_dict()[name])


def test_epochs_without_validation_report_nothing():
    watch = Heard()
    run = RunProgress(watch=watch)
    trainer = default(trainer={"max_epochs": 5, "check_val_every_n_epoch": 2})
    fit(replace(trainer, progress=run.fold(0)))
    assert [p.epoch for p in watch.progress] == [1, 3]


def test_watch_stops_training_and_is_told_after_the_checkpoint(tmp_path, monkeypatch):
    written = []

    class Looking(Heard):
        def report(self, progress):
            written.append(sorted(path.name for path in tmp_path.glob("epoch=*.ckpt")))
            super().report(progress)

    add(
        monkeypatch,
        ModelCheckpoint(filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True),
    )
    watch = Looking(until=2)
    with pytest.raises(Pruned):
        reported(watch, tmp_path / "progress.csv", folder=tmp_path)
    assert written == [["epoch=0.ckpt"], ["epoch=0.ckpt", "epoch=1.ckpt"]]
    assert len(read_progress(tmp_path / "progress.csv")) == 2


def test_search_without_validation_is_an_error_that_says_so():
    trainer = default(trainer={"max_epochs": 1, "limit_val_batches": 0})
    trainer = replace(trainer, callbacks={})
    fit(replace(trainer, progress=RunProgress().fold(0)))
    watched = replace(trainer, progress=RunProgress(watch=Heard()).fold(0))
    with pytest.raises(ConfigError, match="limit_val_batches=0 leaves out validation"):
        fit(watched)
    with pytest.raises(ConfigError, match=r"fold 1: .*no validation samples"):
        RunProgress(watch=Heard()).check_possible([5, 0])
    RunProgress().check_possible([5, 0])


def test_training_that_never_validates_is_an_error_for_who_watches():
    class Model:
        def fit(self, data, trainer=None):
            trainer = default(trainer={"max_epochs": -1, "max_steps": 2}, callbacks={})
            return fit(trainer)[1]

    trainer = replace(default(), progress=RunProgress(watch=Heard()).fold(0))
    with pytest.raises(ConfigError, match="no epoch was validated"):
        trainer.train(Model(), SyntheticData(SPEC))


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path, monkeypatch):
    add(
        monkeypatch,
        ModelCheckpoint(filename="{epoch}", save_top_k=-1, save_on_train_epoch_end=True),
    )
    path = tmp_path / "progress.csv"
    kept = tmp_path / "kept"
    _, _, rows = reported(None, path, folder=kept)
    whole = path.read_text()
    assert len(rows) == 4
    checkpoint = (kept / "epoch=1.ckpt").rename(tmp_path / "checkpoint.ckpt")
    rmtree(kept)
    with path.open("a") as file:
        file.write("5,0,4,0.12")  # a kill while the next row was written
    watch = Heard()
    run = RunProgress(path, watch)
    trainer = default(trainer={"max_epochs": 4}, folder=kept, progress=run.fold(0))
    with seeded(0):
        module = trainer.build_module(Linear(), Huber(spec=SPEC, delta=1.0))
        trainer.fit_module(module, SyntheticData(SPEC), resume=checkpoint)
    assert [p.step for p in watch.progress] == [3, 4]
    assert [row.progress for row in run.rows] == [row.progress for row in rows]
    without_seconds = [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]
    assert without_seconds == [line.rsplit(",", 1)[0] for line in whole.splitlines()]


def test_checkpoint_brings_its_reports_to_a_run_that_has_none(tmp_path):
    donor = RunProgress().fold(0)
    run = RunProgress(tmp_path / "progress.csv")
    run.fold(0).restore([(0, 2.0), (1, 1.0), (2, 1.5)])
    for epoch, value in [(0, 2.0), (1, 1.0), (2, 1.5)]:
        donor.record(epoch, value)
    assert [row.progress for row in run.rows] == [row.progress for row in donor._run.rows]
    assert len(read_progress(tmp_path / "progress.csv")) == 3


def test_fold_that_is_trained_anew_drops_its_rows_and_later_ones(tmp_path):
    path = tmp_path / "progress.csv"
    run = RunProgress(path)
    for number in range(3):
        fold = run.fold(number)
        for epoch in range(2):
            fold.record(epoch, float(number + epoch))
    again = RunProgress(path)
    again.fold(1).record(0, 7.0)
    assert [(row.progress.step, row.progress.fold) for row in again.rows] == [
        (1, 0),
        (2, 0),
        (3, 1),
    ]
    assert again.objective == (0.0 + 7.0) / 2
    assert [row.progress for row in read_progress(path)] == [row.progress for row in again.rows]


def test_file_that_is_no_progress_is_refused(tmp_path):
    path = tmp_path / "progress.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="is not the progress of a run"):
        read_progress(path)
    assert read_progress(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("broken", "rows"),
    [
        (lambda text: b"", 0),
        (lambda text: text[:7], 0),
        (lambda text: text[: text.index(b"\n") + 9], 0),
        (lambda text: text[:-9], 3),
        (lambda text: text[:90] + bytes(len(text) - 90), 1),
        (lambda text: bytes(60) + text[60:], 0),
        (lambda text: bytes(len(text)), 0),
        (lambda text: text.replace(b"\n2,0,1,", b"\n2,0,\xff\n"), 1),
    ],
)
def test_what_a_kill_or_a_power_cut_has_broken_is_reported_again(tmp_path, broken, rows):
    path = tmp_path / "progress.csv"
    values = [2.0, 1.0, 1.5, 1.25]
    fold = RunProgress(path).fold(0)
    for epoch, value in enumerate(values):
        fold.record(epoch, value)
    whole = read_progress(path)
    path.write_bytes(broken(path.read_bytes()))
    assert read_progress(path) == whole[:rows]
    RunProgress(path).fold(0).restore(list(enumerate(values)))
    assert [row.progress for row in read_progress(path)] == [row.progress for row in whole]


def test_default_trainer_reports_nowhere():
    assert ModelTrainer.default().progress is None
