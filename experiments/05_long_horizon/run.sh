#!/usr/bin/env bash
# All runs of study 05, then its table. One job at a time.
#   REGIMECAST_SHARED_DATA=FOLDER experiments/05_long_horizon/run.sh [SET ...]
# Sets: ETTh1 exchange_rate ETTm2, and deep for PatchTST and N-HiTS; all of them where none is named.
set -euo pipefail
cd "$(dirname "$0")/../.."
regimecast=${REGIMECAST:-.venv/bin/regimecast}
python=${PYTHON:-.venv/bin/python}
data=${REGIMECAST_SHARED_DATA:-../shared/data}/ltsf
seeds=${SEEDS:-0,1,2}
sets=("${@:-all}")

wanted() { [[ " ${sets[*]} " == *" all "* || " ${sets[*]} " == *" $1 "* ]]; }
# Repeating the last value has nothing to draw, so that one seed is enough.
train() {
  "$regimecast" train -m experiment=long_horizon model=naive seed=0 "$@"
  "$regimecast" train -m experiment=long_horizon model=nlinear,dlinear seed="$seeds" "$@"
}

ettm2=(data.path="$data/ETTm2.parquet" data.frequency=15min
  split.train=34560 split.validation=11520 split.test=11520)
exchange=(data.path="$data/exchange_rate.parquet" data.frequency=1D
  split.train=5311 split.validation=760 split.test=1517)

# Batches and rates are those of the authors' scripts: 32 times, all series at each; for the exchange
# rates 8 times at the two short horizons.
if wanted ETTh1; then
  train study=05_long_horizon/ETTh1
fi
if wanted exchange_rate; then
  train "${exchange[@]}" target.horizon=96,192 window.batch_size=64 optimizer.lr=5e-4 \
    study=05_long_horizon/exchange_short
  train "${exchange[@]}" target.horizon=336,720 window.batch_size=256 optimizer.lr=5e-4 \
    study=05_long_horizon/exchange_long
fi
if wanted ETTm2; then
  train "${ettm2[@]}" target.horizon=96,192 optimizer.lr=1e-3 study=05_long_horizon/ETTm2_short
  train "${ettm2[@]}" target.horizon=336,720 optimizer.lr=1e-2 study=05_long_horizon/ETTm2_long
fi
if wanted deep; then
  # PatchTST/42 of its paper, with eight epochs of a ten times larger rate for its hundred.
  "$regimecast" train -m experiment=long_horizon model=patchtst seed="$seeds" target.horizon=96 \
    model.width=16 model.heads=4 model.layers=3 model.feedforward=128 model.dropout=0.3 \
    model.revin=mean window.batch_size=896 scheduler=one_cycle '~scheduler.milestones' \
    optimizer.lr=1e-3 scheduler.max_lr=1e-3 trainer.max_epochs=8 \
    callbacks.early_stopping.patience=100 study=05_long_horizon/patchtst_ETTh1
  # N-HiTS of its authors' library, 256 windows of every series a step, with 400 steps of a cycled
  # rate for its 1,000 of a constant one.
  "$regimecast" train -m experiment=long_horizon "${ettm2[@]}" model=nhits loss=mae \
    seed="$seeds" target.horizon=96 window.context_length=480 window.batch_size=1792 \
    'model.n_pool_kernel_size=[2,2,2]' 'model.n_freq_downsample=[24,12,1]' \
    'model.mlp_units=[[512,512],[512,512]]' model.dropout_prob_theta=0.0 \
    scheduler=one_cycle '~scheduler.milestones' optimizer.lr=1e-3 scheduler.max_lr=1e-3 \
    trainer.max_epochs=3 callbacks.early_stopping.patience=100 study=05_long_horizon/nhits_ETTm2
fi
"$python" experiments/05_long_horizon/analyse.py runs/05_long_horizon
