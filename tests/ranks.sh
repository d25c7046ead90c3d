#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# ranks.sh - what several processes promise: the bits of one, and an end for
# all of them, with one message, when one fails. MPICC and MPIRUN choose an MPI.
# Exits 1 on the first promise that does not hold; where there is no MPI, it
# says so and is done.
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
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
checks=0

fail() { echo "ranks: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }

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
  timeout 120 "$mpirun" -np "$number" "$@" </dev/null
}

"$mpicc" -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -O2 \
  -fopenmp -DSSTE_USE_MPI=1 -I"$root" -o "$tmp/ranks_mpi" \
  "$root/tests/ranks_mpi.c" -lm
cd "$tmp"

# ---- The same bits -----------------------------------------------------------

for number in 1 2 3 4; do
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
fails fail-last 2 disk
fails fail-some 1 memory
fails fail-at-end 0 checkpoint
fails leave

echo "ranks: $checks checks passed"
