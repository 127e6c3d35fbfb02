import json

import pytest

from regimecast.bench.machine import Machine
from regimecast.bench.results import BenchReport, Ratio, Sample, limit
from regimecast.core.errors import ConfigError

SLOW = Sample("slow", (3.0, 4.0, 100.0))
FAST = Sample("fast", (1.0, 2.0, 4.0))
MACHINE = Machine("P", 2, 8.0, "Linux", "3.11", {"numpy": "2.0"})


def test_a_ratio_is_of_medians_and_its_spread_of_turns():
    ratio = Ratio(name="x", over=SLOW, under=FAST, at_least=2.0)
    assert ratio.value == 2.0
    assert ratio.spread == (2.5, 14.0)  # of 3, 2 and 25
    assert (ratio.repetitions, ratio.target, ratio.verdict) == (3, "at least 2", "met")


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        ({"at_least": 2.1}, "missed"),
        ({"at_most": 2.0}, "met"),
        ({"at_most": 1.9}, "missed"),
        ({}, ""),
    ],
)
def test_verdicts(target, verdict):
    assert Ratio(name="x", over=SLOW, under=FAST, **target).verdict == verdict


def test_a_limit_is_one_value_for_all_repetitions():
    ratio = Ratio(name="x", over=FAST, under=limit(0.5), at_most=1.0)
    assert (ratio.value, ratio.spread, ratio.verdict) == (4.0, (3.0, 6.0), "missed")
    assert ratio.under.name == "limit of 500 ms"


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (Sample("a", (0.0123,)), "12.3 ms"),
        (Sample("a", (12.0,)), "12 s"),
        (Sample("a", (3e-9,)), "3 ns"),
        (Sample("a", (0.2,)).per("bar", 1000), "200 µs/bar"),
        (Sample("a", (3.0 * 2**20,), "B"), "3 MiB"),
    ],
)
def test_a_sample_in_its_unit(sample, text):
    assert str(sample) == text


@pytest.mark.parametrize("values", [(), (1.0, 0.0), (-1.0,)])
def test_a_sample_without_a_positive_value(values):
    with pytest.raises(ConfigError, match="sample 'a'"):
        Sample("a", values)


@pytest.mark.parametrize("quick", [False, True])
def test_a_report_says_what_was_missed(tmp_path, quick):
    ratios = [
        Ratio(name="first", over=SLOW, under=FAST, at_least=2.0, notes="mind the gap"),
        Ratio(name="second", over=SLOW, under=FAST, at_least=9.0),
    ]
    report = BenchReport("labels", "Labels", "What was done.", ratios, MACHINE, quick=quick)
    page, values = report.write(tmp_path / "out")
    text = page.read_text()
    assert text.startswith("# Labels\n\nWritten by `regimecast bench labels`. What was done.\n")
    assert "2 cores of P, 8 GiB, Linux; Python 3.11, numpy 2.0" in text
    assert "Medians of 3 repetitions" in text
    assert "- first: mind the gap" in text
    assert ("| at least 9 | missed |" in text) is not quick
    assert ("targets do not apply" in text) is quick
    content = json.loads(values.read_text())
    assert [r["met"] for r in content["ratios"]] == [True, False]
    assert content["ratios"][0]["quartiles"] == [2.5, 14.0]
    assert content["machine"]["cores"] == 2


def test_this_machine_has_no_names_of_its_own():
    machine = Machine.this("pytest", "no-such-package")
    assert machine.cores >= 1
    assert {"numpy", "pytest"} <= set(machine.packages)
    assert "no-such-package" not in machine.packages
    assert "/" not in str(machine).replace("(R)", "")
