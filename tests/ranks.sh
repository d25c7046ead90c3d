#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# ranks.sh - what several processes promise: the bits of one, and an end for
# all of them, with one message, when one fails; first ranks.h, then the trainer.
# MPICC and MPIRUN choose an MPI. Exits 1 on the first promise that does not
# hold; where there is no MPI, it says so and is done. SSTE_TEST_LEVEL=2 tries
# more ranks and ways to fail.
set -eu
mpicc=${MPICC:-mpicc}
mpirun=${MPIRUN:-mpirun}
for tool in "$mpicc" "$mpirun"; do
  command -v "$tool" >/dev/null || {
    echo "ranks: skipped: no $tool; on Debian: apt-get install -y" \
      "libopenmpi-dev openmpi-bin"
    exit 0
  }
done
root=$PWD
pretrain=$root/build/examples/pretrain
pretrain_mpi=$root/build/examples/pretrain-mpi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0

fail() { echo "ranks: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }
all() { [ "${SSTE_TEST_LEVEL:-1}" = 2 ]; }

# More ranks than cores, as root too: Open MPI wants to be asked. Other MPIs
# know none of these names.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export PRTE_MCA_hwloc_default_binding_policy=none

ranks() { # their number, then the command
  number=$1
  shift
  timeout 600 "$mpirun" -np "$number" "$@" </dev/null
}

"$mpicc" -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O2 \
  -fopenmp -DSSTE_USE_MPI=1 -I"$root" -o "$tmp/ranks_mpi" \
  "$root/tests/ranks_mpi.c" -lm
[ -z "${MPICC:-}" ] || rm -f "$pretrain_mpi" # of another MPI, perhaps
make -s "build/examples/pretrain" pretrain-mpi MPICC="$mpicc"
cd "$tmp"

# ---- The same bits -----------------------------------------------------------

for number in $(all && echo 1 2) 3 4; do
  OMP_NUM_THREADS=2 ranks $number ./ranks_mpi check >stdout 2>stderr ||
    fail "$number ranks: status $?: $(cat stderr)"
  grep -q "^ranks_mpi: $number ranks, [1-9][0-9]* sums, all right" stdout ||
    fail "$number ranks: $(cat stdout)"
  passed
done

# ---- One failure ends all ----------------------------------------------------

# how, the rank that says so, and its words; each rank's file is gone after it
fails() {
  status=0
  OMP_NUM_THREADS=1 ranks 3 ./ranks_mpi "$1" >stdout 2>stderr || status=$?
  [ $status -eq 2 ] || fail "$1: status $status, not 2: $(cat stderr)"
  said=$(grep '^ranks_mpi:' stderr || true)
  [ "$said" = "${2:+ranks_mpi: rank $2: $3}" ] || fail "$1: '$said'"
  ! ls | grep -q '^mark' || fail "$1: $(ls mark*) has not ended in order"
  passed
}
fails fail-alike 0 "no such file"
fails fail-some 1 memory
fails fail-at-end 0 checkpoint
if all; then
  fails fail-last 2 disk
  fails leave
fi

# ---- The trainer: the same bits ----------------------------------------------

small="--layers 2 --heads 2 --width 16 --context 16 --micro 2 --lr 0.02"

# options of a run, then pairs of ranks and threads
same_bits() {
  how="$small --csv got.csv --checkpoint got.ckpt $1"
  shift
  OMP_NUM_THREADS=1 "$pretrain" "$root/README.md" $how >stdout 2>stderr ||
    fail "$how: status $?: $(cat stderr)"
  mv got.csv want.csv
  mv got.ckpt want.ckpt
  grep '^result' stdout | sed 's/seconds [0-9]*//' >want.result
  for run in "$@"; do
    OMP_NUM_THREADS=${run#*x} ranks ${run%x*} "$pretrain_mpi" \
      "$root/README.md" $how >stdout 2>stderr ||
      fail "$how: $run: status $?: $(cat stderr)"
    cmp got.csv want.csv || fail "$how: $run: the losses are others"
    cmp got.ckpt want.ckpt || fail "$how: $run: the weights are others"
    sed 's/seconds [0-9]*//' stdout | cmp - want.result || fail "$run: result"
    [ "$(grep -c 'to validate' stderr)" -eq 1 ] || fail "$run: not said once"
    rm got.csv got.ckpt
    passed
  done
}
eight="--batch 8 --steps 12 --probe-every 4"
same_bits "$eight --method dense" 2x1 $(all && echo 1x1 1x3 4x3)
same_bits "$eight --method s-ste --rounding stochastic" 2x3 4x1 \
  $(all && echo 1x3 2x1)
all && same_bits "--batch 24 --steps 5 --method sr-ste --decay 2" 3x1 6x2

# ---- The trainer: errors, said once ------------------------------------------

refuses() { # words that the message must hold, then options
  words=$1
  shift
  status=0
  ranks 3 "$pretrain_mpi" $small --steps 100000 "$@" >stdout 2>stderr ||
    status=$?
  [ $status -eq 2 ] || fail "$*: status $status, not 2: $(cat stderr)"
  [ "$(grep -c ^pretrain: stderr)" -eq 1 ] || fail "$*: not one message"
  grep -q "$words" stderr || fail "$*: '$(cat stderr)' lacks '$words'"
  [ ! -s stdout ] || fail "$*: wrote to stdout"
  ! ls | grep -q '\.part$' || fail "$*: left $(ls ./*.part)"
  passed
}
refuses "do not divide" "$root/README.md" --batch 8
all && refuses "unknown option" "$root/README.md" --frobnicate 1
refuses "cannot write" "$root/README.md" --batch 6 --csv no/folder # rank 0 alone

# ---- The trainer: interrupted, and resumed by other ranks --------------------

long="$small --batch 8 --steps 4000"
OMP_NUM_THREADS=1 "$pretrain" "$root/README.md" $long --csv want.csv \
  --checkpoint want.ckpt >stdout 2>stderr || fail "$long: $(cat stderr)"

# Two ranks train until something is done to mpirun, $pid, or the first of them,
# $first. What they saved every 50 steps, four ranks take up.
interrupt() {
  OMP_NUM_THREADS=1 "$mpirun" -np 2 "$pretrain_mpi" "$root/README.md" $long \
    --save-every 50 --csv got.csv --checkpoint got.ckpt </dev/null \
    >stdout 2>stderr &
  pid=$! waited=0
  until [ "$(cat got.csv.*.part 2>/dev/null | wc -l)" -gt 100 ]; do
    [ $((waited += 1)) -le 600 ] || fail "$1: does not start: $(cat stderr)"
    sleep 0.05
  done
  first=$(ls got.csv.*.part | sed 's/.*\.\([0-9]*\)\.part/\1/')
  eval "$1"
  wait $pid && fail "$1: status 0"
  step=$(sed -n 's/^step //p;/^$/q' got.ckpt) || fail "$1: no checkpoint"
  [ "$step" -ge 50 ] && [ "$step" -lt 4000 ] || fail "$1: step $step"
  OMP_NUM_THREADS=1 ranks 4 "$pretrain_mpi" "$root/README.md" --csv got.csv \
    --resume got.ckpt >stdout 2>stderr || fail "$1: $(cat stderr)"
  cmp got.csv want.csv || fail "$1 at step $step: the losses are others"
  cmp got.ckpt want.ckpt || fail "$1 at step $step: the weights are others"
  ! ls | grep -q '\.part$' || fail "$1 left $(ls ./*.part)"
  passed
}
interrupt 'kill -TERM $pid'
all && interrupt 'kill -KILL $first'

echo "ranks: $checks checks passed"
