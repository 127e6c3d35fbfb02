"""Cores within a container's quota."""

import os

import pytest

from regimecast.core.cores import usable_cores

BOUND = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def system(root, membership):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    return root


def write(root, name, text):
    path = root / "sys/fs/cgroup" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", BOUND), ("100000 100000", 1), ("50000 100000", 1), ("9900000 100000", BOUND)],
)
def test_a_quota_limits_the_cores(tmp_path, quota, cores):
    root = system(tmp_path, "0::/\n")
    write(root, "cpu.max", quota + "\n")
    assert usable_cores(root) == cores


def test_the_quota_of_a_group_around_counts_too(tmp_path):
    root = system(tmp_path, "0::/outer/inner\n")
    write(root, "outer/cpu.max", "100000 100000\n")
    write(root, "outer/inner/cpu.max", "max 100000\n")
    assert usable_cores(root) == 1


@pytest.mark.parametrize(("quota", "cores"), [("-1\n", BOUND), ("100000\n", 1)])
def test_the_first_version_of_control_groups(tmp_path, quota, cores):
    root = system(tmp_path, "5:memory:/a\n4:cpu,cpuacct:/a\n")
    write(root, "cpu,cpuacct/a/cpu.cfs_quota_us", quota)
    write(root, "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
    assert usable_cores(root) == cores


def test_a_system_without_control_groups(tmp_path):
    assert usable_cores(tmp_path) == BOUND
