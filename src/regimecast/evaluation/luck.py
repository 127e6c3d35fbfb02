"""What is left of the best Sharpe ratio of many: deflated by all trials on the same prices.

How many different ideas they are is told by clusters of their returns, as in López de Prado & Lewis
(2019), *Detection of False Investment Strategies Using Unsupervised Learning Methods*, Quantitative
Finance 19(9). How high the best of them gets by luck is not taken from that number, since trials
that are half alike are neither one nor two: see `luckiest_sharpe`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from regimecast.core.errors import SpecError
from regimecast.evaluation.deflation import (
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from regimecast.evaluation.likeness import clusters, luckiest_sharpe
from regimecast.evaluation.overfitting import Overfitting, probability_of_backtest_overfitting
from regimecast.evaluation.track import Track, aligned, mean_track, shared_calendar

__all__ = ["Luck", "Selection", "judged_selection"]

_NAMED = 3
"""Trials that a sentence names; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class Luck:
    """A run's Sharpe ratio and what is left of it; where a number is NaN, `note` says why."""

    sharpe: float
    """Annualised, for display."""
    observations: int
    """Bars that it was measured on."""
    psr: float
    """Probability that the true Sharpe ratio is above 0, if nothing else had been tried."""
    dsr: float
    """Probability that it is above `Selection.expected_maximum`: the deflated Sharpe ratio."""
    min_track_record: float
    """Bars after which a Sharpe ratio like this one is above 0 with 95 %; inf if never."""
    note: str = ""
    """Why numbers are missing, in a few words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Selection:
    """Runs judged on the same prices, among all trials on those."""

    data: str
    """Fingerprint of the prices, hex; empty where it is not known."""
    recorded: bool
    """Whether trials were counted in a ledger; else in the runs at hand, and a problem says so."""
    trials: int
    """Jobs on these prices, of any status."""
    effective: int
    """How many of them are different, by the correlation of their returns; at most `trials`."""
    with_returns: int
    """How many of them have returns that could be compared."""
    bars_per_year: float
    """Of the prices' calendar; NaN where nothing was traded."""
    expected_maximum: float
    """Annualised Sharpe ratio that the best of as many trials without skill has on average, if they
    move together as these do; NaN where nothing was traded."""
    members: tuple[str, ...] = ()
    """Labels of the runs at hand, with returns or without."""
    runs: Mapping[str, Luck] = field(default_factory=dict)
    """Those of the runs at hand that have returns, by label."""
    groups: Mapping[str, Luck] = field(default_factory=dict)
    """Groups of runs at hand, by name: what all of one, in equal parts, would have earned."""
    pbo: Overfitting | None = None
    """Of the runs at hand, over the times that they share; None where `problems` says why."""
    pbo_runs: tuple[str, ...] = ()
    """Labels of the runs in `pbo`, in the order of its trials."""
    pbo_choices: int = 0
    """Trials in `pbo`: runs, those that differ in the seed only as one."""
    pbo_observations: int = 0
    """Times that they share."""
    problems: tuple[str, ...] = ()
    """What a reader has to know, a sentence each: trials left out, damaged records, no PBO."""

    def sentence(self) -> str:
        """Such as ``120 trials on these prices, 14 of them different``."""
        where = "on these prices" if self.recorded else "on disk, without a ledger"
        several = self.trials > 1 and self.with_returns > 0
        different = f", {self.effective:,} of them different" if several else ""
        return f"{_many(self.trials, 'trial')} {where}{different}"

    @property
    def best(self) -> str | None:
        """Label of the run with the highest Sharpe ratio; None where none has one."""
        known = {
            name: luck.sharpe for name, luck in self.runs.items() if not math.isnan(luck.sharpe)
        }
        return max(known, key=lambda name: known[name]) if known else None

    @property
    def minimum_backtest(self) -> float:
        """Years below which luck alone shows the best run's Sharpe ratio; inf if it is not above 0.

        0 for a single trial, NaN where no run has a Sharpe ratio. What luck shows falls with the
        root of time (Bailey, Borwein, López de Prado & Zhu 2014, theorem 2).
        """
        if self.best is None:
            return math.nan
        best = self.runs[self.best]
        if best.sharpe <= 0:
            return math.inf
        years = best.observations / self.bars_per_year
        return years * (self.expected_maximum / best.sharpe) ** 2


def judged_selection(
    *,
    data: str,
    recorded: bool,
    trials: Mapping[str, Track | None],
    runs: Mapping[str, str],
    bars_per_year: float,
    problems: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    pbo: bool = True,
) -> Selection:
    """What all trials on some prices say about the runs at hand.

    Args:
        data: fingerprint of the prices.
        recorded: whether a ledger counted them.
        trials: returns of every trial by its name; None where it left none.
        runs: names of the trials of the runs at hand, by label; a copied run has another's.
        bars_per_year: of the prices' calendar.
        problems: what is known to be wrong already.
        names: what to call trials in sentences that are of no run at hand.
        groups: labels of runs at hand that are judged together too, by a name of the group.
        pbo: whether the runs at hand are one choice, whose overfitting is asked for.
    """
    called = {**(names or {}), **{trial: label for label, trial in runs.items()}}
    said = list(problems)
    flaws = {name: flaw for name, track in trials.items() if track and (flaw := track.flaw())}
    said += [
        f"Its returns are left out, though it counts as a trial: {called.get(name, name)} ({flaw})."
        for name, flaw in list(flaws.items())[:_NAMED]
    ]
    if len(flaws) > _NAMED:
        said.append(f"Returns of {len(flaws) - _NAMED} more trials are left out likewise.")
    tracks = {name: track for name, track in trials.items() if track and name not in flaws}
    silent = len(trials) - len(tracks)
    effective, lucky = _luckiest(list(tracks.values()), silent)
    if tracks and silent:
        said.append(
            f"{_many(silent, 'trial')} left no returns and {'is' if silent == 1 else 'are'} taken "
            "to be unlike all others."
        )
    if tracks and math.isnan(bars_per_year):
        said.append("No Sharpe ratio can be annualised: bars per year are not known.")
    year = math.sqrt(bars_per_year)
    luck = {
        label: _luck(tracks[trial], lucky, year)
        if trial in tracks
        else _unknown(trials[trial], flaws[trial])
        for label, trial in runs.items()
        if trials[trial]
    }
    joint = {
        name: track
        for name, labels in (groups or {}).items()
        if all(runs[label] in tracks for label in labels)
        and (track := mean_track([tracks[runs[label]] for label in labels])) is not None
    }
    choice: Overfitting | None = None
    chosen: tuple[str, ...] = ()
    observations = 0
    seeds: dict[str, Sequence[str]] = {}
    if pbo and tracks:
        # Of copies the last one: they are no choice.
        last = {trial: label for label, trial in runs.items() if trial in tracks}
        at_hand = {label: tracks[trial] for trial, label in last.items()}
        # Of seeds nobody chooses: several are one strategy, with their mean returns.
        for name, track in joint.items():
            first, *others = labels = (groups or {})[name]
            if all(label in at_hand for label in labels):
                at_hand = {k: v for k, v in at_hand.items() if k not in others} | {first: track}
                seeds[first] = labels
        choice, chosen, observations, why = _overfitting(at_hand)
        said += why
    return Selection(
        data=data,
        recorded=recorded,
        trials=len(trials),
        effective=effective,
        with_returns=len(tracks),
        bars_per_year=bars_per_year,
        expected_maximum=year * lucky,
        members=tuple(runs),
        runs=luck,
        groups={name: _luck(track, lucky, year) for name, track in joint.items()},
        pbo=choice,
        pbo_runs=tuple(label for first in chosen for label in seeds.get(first, (first,))),
        pbo_choices=len(chosen),
        pbo_observations=observations,
        problems=tuple(said),
    )


def _luckiest(tracks: Sequence[Track], silent: int) -> tuple[int, float]:
    """Number of different trials, and the Sharpe ratio of the luckiest per observation."""
    if not tracks:
        return silent, 0.0
    returns = aligned(tracks)
    return int(clusters(returns).max()) + 1 + silent, luckiest_sharpe(returns, silent=silent)


def _luck(track: Track, lucky: float, year: float) -> Luck:
    """What is left of a track's Sharpe ratio."""
    sharpe, moments = track.sharpe, track.moments
    if sharpe is None:
        return _unknown(track, "its returns do not vary, so that it has no Sharpe ratio")
    length = len(track.returns)
    try:
        return Luck(
            sharpe=sharpe * year,
            observations=length,
            psr=probabilistic_sharpe_ratio(sharpe, n_observations=length, **moments),
            dsr=probabilistic_sharpe_ratio(
                sharpe, n_observations=length, benchmark=lucky, **moments
            ),
            min_track_record=minimum_track_record_length(sharpe, **moments),
        )
    except SpecError as error:
        return _unknown(track, str(error))


def _unknown(track: Track | None, note: str) -> Luck:
    nan = math.nan
    return Luck(
        sharpe=nan,
        observations=0 if track is None else len(track.returns),
        psr=nan,
        dsr=nan,
        min_track_record=nan,
        note=note,
    )


def _overfitting(
    tracks: Mapping[str, Track],
) -> tuple[Overfitting | None, tuple[str, ...], int, list[str]]:
    """PBO of runs, which ones are in it, over how many times, and what is to be said about it."""
    if len(tracks) < 2:
        count = _many(len(tracks), "run")
        return None, (), 0, [f"No PBO: {count} with returns, so that nothing was chosen."]
    returns, kept = shared_calendar(list(tracks.values()))
    labels = list(tracks)
    names = tuple(labels[number] for number in kept)
    said = []
    left_out = [label for label in labels if label not in names]
    if left_out or any(len(tracks[name].returns) > len(returns) for name in names):
        others = f"; of another calendar and left out: {_named(left_out)}" if left_out else ""
        said.append(
            f"PBO is over {len(returns):,} bars that {_many(len(names), 'run')} share{others}."
        )
    try:
        return probability_of_backtest_overfitting(returns), names, len(returns), said
    except SpecError as error:
        return None, (), 0, [*said, f"No PBO: {error}."]


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
