"""What two manifests say about each other, made up so that each cause can be planted."""

from copy import deepcopy
from typing import Any

import pytest

from regimecast.tracking.differences import differences, stage_differences, surroundings
from regimecast.tracking.verification import verify

MANIFEST: dict[str, Any] = {
    "stages": {"raw": "r", "bars": "b", "features": "f", "fold=0/model": "m", "metrics": "e"},
    "parts": {"features": {"column=momentum": "1", "column=range": "2"}},
    "code": {"commit": "c", "diff": "", "untracked": {}, "files": {"models/lstm.py": "1"}},
    "environment": {
        "python": "3.11.7",
        "platform": "Linux",
        "processor": "One",
        "instructions": "AVX512",
        "blas": ["openblas"],
        "gpu": [],
        "threads": {"torch": 2, "blas": 2},
        "variables": {},
        "packages": {"numpy": "2.4.1", "torch": "2.13.0", "aiohttp": "3.1"},
    },
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The manifest with one entry replaced; the path is parted by blanks."""
    manifest = deepcopy(MANIFEST)
    *folders, name = path.split()
    place = manifest
    for folder in folders:
        place = place[folder]
    place[name] = value
    return manifest


def test_the_same_is_identical():
    found = verify(MANIFEST, MANIFEST)
    assert found.identical
    assert (found.first, found.causes, found.beside) == (None, (), ())
    assert [stage.stage for stage in found.stages] == list(MANIFEST["stages"])


@pytest.mark.parametrize(
    ("path", "value", "cause"),
    [
        ("environment packages numpy", "2.4.2", "another version: numpy 2.4.1 → 2.4.2"),
        ("environment python", "3.12.1", "another version: python 3.11.7 → 3.12.1"),
        ("environment threads torch", 4, "other threads: threads.torch 2 → 4"),
        ("environment processor", "Two", "other hardware: processor One → Two"),
        ("environment gpu", ["H200"], "other hardware: gpu none → H200"),
        ("code files", {"models/lstm.py": "2"}, "other code: models/lstm.py"),
        ("code files", {"models/lstm.py": "1", "new.py": "3"}, "other code: new.py"),
        ("environment variables", {"MKL_CBWR": "AVX2"}, "variables.MKL_CBWR none → AVX2"),
    ],
)
def test_a_planted_cause_is_named(path: str, value: Any, cause: str):
    after = changed(path, value)
    unharmed = verify(MANIFEST, after)
    assert unharmed.identical
    assert any(cause in line for line in unharmed.beside)
    after["stages"]["fold=0/model"] = "x"
    after["stages"]["metrics"] = "y"
    found = verify(MANIFEST, after)
    assert not found.identical
    assert found.first is not None
    assert found.first.stage == "fold=0/model"
    assert cause in found.causes[0]


def test_other_hardware_says_what_can_be_equal():
    for path, value, said in (
        ("environment processor", "Two", "last bits"),
        ("environment gpu", ["H200"], "trained weights never are"),
    ):
        after = changed(path, value)
        after["stages"]["features"] = "x"
        assert any(said in cause for cause in verify(MANIFEST, after).causes)


def test_the_part_that_differs_is_named():
    after = changed("stages features", "x")
    after["parts"]["features"] = {"column=momentum": "1", "column=range": "3", "column=new": "4"}
    found = verify(MANIFEST, after)
    assert found.first is not None
    assert found.first.parts == ("column=range", "column=new")
    assert "please report" in found.causes[0]


def test_other_bars_are_the_cause_of_all_that_follows():
    after = changed("stages raw", "x")
    after["environment"]["packages"]["numpy"] = "2.4.2"
    found = verify(MANIFEST, after, data=["close at 2004 is 1, and was 2"])
    assert found.causes == ("close at 2004 is 1, and was 2",)
    assert found.beside == ("another version: numpy 2.4.1 → 2.4.2",)
    assert found.to_json()["first"] == "raw"


def test_a_rerun_that_did_not_come_as_far_is_not_identical():
    after = deepcopy(MANIFEST)
    del after["stages"]["metrics"]
    found = verify(MANIFEST, after)
    assert found.first is not None
    assert found.first.stage == "metrics"
    assert not found.first.compared
    longer = verify(after, MANIFEST)  # of a run that was stopped
    assert longer.identical
    assert not verify({}, {}).identical


def test_many_packages_are_counted_the_likely_ones_named():
    after = deepcopy(MANIFEST)
    after["stages"]["metrics"] = "x"
    after["environment"]["packages"] |= {f"a{n}": "1" for n in range(20)} | {"torch": "3"}
    causes = verify(MANIFEST, after).causes
    assert causes[0] == "another version: torch 2.13.0 → 3"
    assert causes[-1] == "other versions of 15 more packages"


def test_an_older_manifest_is_not_blamed_for_what_it_does_not_say():
    older = {
        "environment": {
            "python": "3.11.7",
            "threads": 2,
            "packages": {"numpy": "2.4.1", "xgboost": None},
            "packages_sha256": "x",
        },
        "code": {"commit": "c", "diff": "", "untracked": {}},
    }
    assert not any(surroundings(older, MANIFEST).values())
    other = {**older, "code": {"commit": "d", "diff": "", "untracked": {}}}
    assert [str(d) for d in surroundings(other, MANIFEST)["code"]] == ["commit d → c"]
    dirty = {**older, "code": {"commit": "c", "diff": "+1", "untracked": {}}}
    assert surroundings(dirty, MANIFEST)["code"][0].name == "uncommitted changes"
    threads = deepcopy(older)
    threads["environment"]["threads"] = 3
    assert [d.name for d in surroundings(threads, MANIFEST)["threads"]] == ["threads.torch"]
    assert stage_differences(older, MANIFEST)[0].before is None
    assert not any(surroundings({}, MANIFEST).values())


def test_differences_are_told_by_dotted_names():
    found = differences({"a": {"b": 1, "c": [1]}, "d": None}, {"a": {"b": 2, "c": [1]}, "e": {}})
    assert [(d.name, d.before, d.after) for d in found] == [("a.b", 1, 2)]
