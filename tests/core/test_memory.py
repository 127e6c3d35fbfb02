"""What is left of memory, from files as the kernel writes them."""

from pathlib import Path

import pytest

from regimecast.core.memory import available_bytes

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {8 * GIB // 1024} kB\n", **files}.items():  # fmt: skip  # noqa: E501
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_machine_without_groups(tmp_path):
    assert available_bytes(write(tmp_path, {})) == 8 * GIB


def test_a_system_that_does_not_tell(tmp_path):
    assert available_bytes(tmp_path) is None


@pytest.mark.parametrize("group", ["jobs/one", ""])
def test_a_group_of_version_2(tmp_path, group):
    """Seen by its whole name, or as the top, as in a container."""
    top = "sys/fs/cgroup"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/jobs/one\n",
            f"{top}/{group}/memory.max": f"{3 * GIB}\n",
            f"{top}/{group}/memory.current": f"{2 * GIB}\n",
            f"{top}/{group}/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        },
    )
    assert available_bytes(root) == 3 * GIB // 2


def test_the_tightest_of_nested_groups_counts(tmp_path):
    top = "sys/fs/cgroup"
    files = {"proc/self/cgroup": "0::/outer/inner\n"}
    for name, limit in (("outer", str(GIB)), ("outer/inner", "max")):
        files |= {
            f"{top}/{name}/memory.max": f"{limit}\n",
            f"{top}/{name}/memory.current": f"{GIB // 4}\n",
        }
    assert available_bytes(write(tmp_path, files)) == 3 * GIB // 4


def test_a_group_of_version_1_that_is_full(tmp_path):
    top = "sys/fs/cgroup/memory/one"
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "7:cpu,cpuacct:/other\n6:memory:/one\n",
            f"{top}/memory.limit_in_bytes": f"{GIB}\n",
            f"{top}/memory.usage_in_bytes": f"{GIB + 5}\n",
        },
    )
    assert available_bytes(root) == 0


def test_this_machine():
    available = available_bytes()
    assert available is None or available > 0
