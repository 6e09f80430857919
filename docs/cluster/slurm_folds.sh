#!/bin/bash
# One fold for each task of a Slurm array. What follows the name of this script goes to trainer.py:
#
#     sbatch --array=0-9 docs/cluster/slurm_folds.sh --db isruc --recipe robust
#
# Submit it from the program's folder, which all nodes see. Give it again to go on with what is not finished.
#SBATCH --job-name=recsleepnet
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.log
set -euo pipefail

fold=${SLURM_ARRAY_TASK_ID:?submit this with sbatch --array=FIRST-LAST}
threads=${SLURM_CPUS_PER_TASK:-$(nproc)}
export TF_NUM_INTRAOP_THREADS=$threads TF_NUM_INTEROP_THREADS=$threads

# exec: the signal that Slurm sends a minute before the time is over reaches trainer.py itself.
exec "${PYTHON:-python}" trainer.py "$@" --from_fold "$fold" --to_fold "$fold"
