#!/usr/bin/env bash
# All runs of study 01, then its table. Two jobs at a time, one thread each.
#   REGIMECAST_SHARED_DATA=FOLDER experiments/01_regime_weighting/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
regimecast=${REGIMECAST:-.venv/bin/regimecast}
python=${PYTHON:-.venv/bin/python}
"$regimecast" train -m experiment=regime_weighting hydra.launcher.n_jobs="${JOBS:-2}"
"$python" experiments/01_regime_weighting/analyse.py runs/01_regime_weighting
