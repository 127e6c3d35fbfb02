"""How long a command takes to answer, beside an interpreter that does nothing or imports torch.

python experiments/benchmarks/start_up.py

The commands take turns, so that what else the machine does falls on all of them alike.
"""

import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter

REPETITIONS = 11
COMMAND = str(Path(sys.executable).with_name("regimecast"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "regimecast --help": [COMMAND, "--help"],
    "regimecast train --help": [COMMAND, "train", "--help"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPETITIONS):
        for name, command in COMMANDS.items():
            started = perf_counter()
            subprocess.run(command, check=True, capture_output=True)  # fixed commands
            seconds[name].append(perf_counter() - started)
    torch = statistics.median(seconds["python -c 'import torch'"])
    print("| command | median s | of importing torch |\n|---|---|---|")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"| `{name}` | {median:.2f} | {median / torch:.2f} |")


if __name__ == "__main__":
    main()
