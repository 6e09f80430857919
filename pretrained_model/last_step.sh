#!/bin/sh
# The last step of the weights in the box, from the weights that were in it before: run in the program's folder.
#
#   sh pretrained_model/last_step.sh
#
# ./data/sleepedf has the prepared nights of Sleep-EDF-20, ./partial the nights of UCDDB of which W and N3 are at hand
# (see partial_nights.py), ./before the folds to start from. The folds are made in ./new.
set -e
python=${PYTHON:-python}
make=pretrained_model

# Strangers' conditioning comes before epochs are composed: joins make slow waves under a high-pass.
$python $make/compose_nights.py ./data/sleepedf ./conditioned --amplitude 9 --only varied neighbours
valid="ucddb003 ucddb006 ucddb019 ucddb026"
$python $make/partial_nights.py ./partial ./also --known W N3 --valid $valid
$python $make/partial_nights.py ./partial ./also_twice --valid $valid
for night in ./also_twice/train/*.npz; do
    cp "$night" "${night%.npz}-2.npz"
    mv "$night" "${night%.npz}-1.npz"
done

# Of each night one version: of a subject's first night its own stages, of its second its neighbours.
mkdir -p ./one_version/sleepedf
for night in ./conditioned/varied/sleepedf/SC4??1*-1.npz ./conditioned/varied/sleepedf/SC4??2*-2.npz; do
    cp "$night" ./one_version/sleepedf/
done

train() { # SUFFIX ALSO DATA_DIR FOLD PASSES
    $python trainer.py --db sleepedf --gpu -1 --skip_missing --from_fold "$4" --to_fold "$4" --suffix "$1" \
        --data_dir "$3" --also "$2" --init_from ./before --recipe robust --learning_rate 3e-4 --warm_up 0.1 \
        --n_epochs "$5" --high_pass 0 --amplitude 0 --augment_gain 0.2 --augment_band 0.3 --keep_first 0.25
    $python convert.py ./output --db sleepedf --suffix "$1" --scoring_only --brought_to 9 \
        --features_on ./one_version --calibrate_on ./conditioned/neighbours --to ./new
}
train part ./also ./conditioned/varied 0 2
for fold in 1 2; do
    train "whole$fold" ./also_twice ./one_version $fold 1
done

# Folds 3 and 4 stay as they were: their features are measured.
$python convert.py ./before --db sleepedf --brought_to 9 --features_on ./one_version --to ./new_3_4
