#!/usr/bin/env bash
# All searches of study 04, then its table and picture. The same command again goes on where it was.
#   experiments/04_search/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
regimecast=${REGIMECAST:-.venv/bin/regimecast}
python=${PYTHON:-.venv/bin/python}
common=(experiment=search ledger=runs/04_search_ledger sweep.jobs="${JOBS:-2}")
for model in lstm nhits; do
  for seed in 0 1; do
    for method in random asha pbt; do
      case $method in
        random) own=(sweep=random sweep.trials=8) ;;
        asha) own=(sweep=asha sweep.trials=24 sweep.scheduler.grace=2 sweep.scheduler.reduction=3) ;;
        pbt) own=(sweep=pbt sweep.trials=8 sweep.scheduler.interval=3) ;;
      esac
      "$regimecast" train -m "${common[@]}" "${own[@]}" model="$model" sweep.seed="$seed" \
        study="04_search_${model}_${method}_${seed}"
    done
  done
done
"$python" experiments/04_search/analyse.py runs
