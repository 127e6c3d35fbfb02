import subprocess
import sys

CHECK = """
import sys, threading
import regimecast.sweep.preloaded
from regimecast.report.html import packed_plotly
assert packed_plotly.cache_info().currsize == 1
assert "plotly.graph_objs._scatter" in sys.modules
assert threading.active_count() == 1
"""


def test_what_jobs_are_forked_from_has_no_threads_and_says_nothing():
    done = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
