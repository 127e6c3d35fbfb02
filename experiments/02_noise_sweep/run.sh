#!/usr/bin/env bash
# All runs of study 02, then its table and picture. Two jobs at a time.
#   experiments/02_noise_sweep/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
regimecast=${REGIMECAST:-.venv/bin/regimecast}
python=${PYTHON:-.venv/bin/python}
# A ledger of its own, so that the count is that of the study alone.
own=(ledger=runs/02_noise_sweep_ledger hydra.launcher.n_jobs="${JOBS:-2}" threads=1)
"$regimecast" train -m experiment=noise_sweep "${own[@]}" 'strategy.seed=range(200)'
"$regimecast" train -m experiment=noise_sweep "${own[@]}" \
  strategy=sign features=columns 'features.columns.names=[signal]' model=gru,lightgbm
"$python" experiments/02_noise_sweep/analyse.py runs/02_noise_sweep_ledger
