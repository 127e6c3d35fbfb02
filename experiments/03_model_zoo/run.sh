#!/usr/bin/env bash
# All runs of study 03, what the data tell apart, and its tables. Two jobs at a time, one thread each.
#   REGIMECAST_SHARED_DATA=FOLDER experiments/03_model_zoo/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
regimecast=${REGIMECAST:-.venv/bin/regimecast}
python=${PYTHON:-.venv/bin/python}
# A ledger of its own, so that the count is that of the study alone.
"$regimecast" train -m experiment=model_zoo ledger=runs/03_model_zoo_ledger threads=1 \
  hydra.launcher.n_jobs="${JOBS:-2}"
"$regimecast" compare runs/03_model_zoo
"$regimecast" report runs/03_model_zoo
"$python" experiments/03_model_zoo/analyse.py runs/03_model_zoo
