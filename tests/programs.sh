#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# programs.sh - what build/examples/pretrain promises: the same bits for any
# number of threads, one clear line and status 2 for bad input, and never a
# damaged file. Exits 1 on the first promise that does not hold.
set -eu
pretrain=$PWD/build/examples/pretrain
text=$PWD/README.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
small="--layers 2 --heads 2 --width 16 --context 16 --batch 4 --steps 12 --lr 0.02"
checks=0

fail() { echo "programs: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }

# ---- The same bits for 1 and 5 threads ------------------------------------

for how in "--method dense" "--method s-ste" "--method s-ste --fp8 off" \
  "--method s-ste --mvue off" "--method ste" "--method sr-ste --decay 2" \
  "--method masked-decay --decay 0.01" "--method t-sr-ste" "--method step" \
  "--beta equal-l1" "--beta one" "--beta every-step"; do
  for threads in 1 5; do
    OMP_NUM_THREADS=$threads "$pretrain" "$text" $small $how \
      --csv $threads.csv --checkpoint $threads.ckpt >stdout 2>stderr ||
      fail "$how with $threads threads: status $?"
  done
  cmp 1.csv 5.csv || fail "$how: the losses depend on the threads"
  cmp 1.ckpt 5.ckpt || fail "$how: the weights depend on the threads"
  passed
  [ "$(wc -l <1.csv)" -eq 13 ] || fail "$how: 12 steps must give 13 lines"
  awk -F, 'NR == 2 { first = $2 } END { exit !($2 < first - 0.1) }' 1.csv ||
    fail "$how: nothing is learned"
  zeros=50.00
  case $how in *dense | *t-sr-ste) zeros=0.00 ;; esac
  grep -q "zeros $zeros %" stdout || fail "$how: $(cat stdout)"
  case $how in *"method step")
    [ "$(grep -c 'sparse from step 7 on' stderr)" -eq 1 ] || fail "no switch" ;;
  esac
  cp 1.csv "run$(echo "$how" | tr -d ' -.')"
  passed
done

# Each option does something: no two of the runs above are alike.
[ "$(cat run* | grep -c '^12,')" -eq 12 ] || fail "lines missing"
[ "$(cat run* | grep '^12,' | sort -u | wc -l)" -eq 12 ] ||
  fail "two options do the same"
"$pretrain" "$text" $small --seed 2 --method dense --csv seed2 >/dev/null 2>&1
cmp -s seed2 runmethoddense && fail "--seed changes neither weights nor batches"
passed

# ---- Bad input: one line on stderr, nothing on stdout, status 2 --------------

refuses() { # words that the message must hold, then the arguments
  words=$1
  shift
  status=0
  timeout 60 "$pretrain" "$@" >stdout 2>stderr || status=$?
  [ $status -eq 2 ] || fail "$*: status $status, not 2"
  [ "$(grep -c ^pretrain: stderr)" -eq 1 ] || fail "$*: not one message"
  grep -q "$words" stderr || fail "$*: '$(cat stderr)' lacks '$words'"
  [ ! -s stdout ] || fail "$*: wrote to stdout"
  ! ls | grep -q '\.part$' || fail "$*: left $(ls ./*.part)"
  passed
}
: >empty
head -c 200 "$text" >short
refuses "No such file" no-such-file
refuses "is a directory" .
refuses "0 bytes" empty
refuses "200 bytes" short
refuses "multiple of 4" "$text" --width 18 --heads 2
refuses "multiple of 4" "$text" --context 3 --batch 2
refuses "does not divide" "$text" --width 20 --heads 3
refuses "unknown option" "$text" --frobnicate 1
refuses "unknown option" "$text" -x
refuses "wants a value" "$text" --steps
refuses "whole number" "$text" --steps many
refuses "must lie between" "$text" --steps 0
refuses "must lie between" "$text" --steps 99999999999999999999
refuses "must lie between" "$text" --width -4
refuses "wants a value" "$text" --csv ""
refuses "above 0" "$text" --lr 0
refuses "above 0" "$text" --lr nan
refuses "above 0" "$text" --lr 2e6
refuses "are both" "$text" --csv same --checkpoint same
refuses "dense or s-ste" "$text" --method sparse
refuses "off or on" "$text" --fp8 yes
refuses "decays nothing" "$text" --method ste --decay 1
refuses "decays nothing" "$text" --decay 1
refuses "has no scale" "$text" --method dense --beta one
refuses "above 0" "$text" --method sr-ste --decay 0
refuses "every-step" "$text" --beta two
refuses "one FILE" "$text" "$text"
refuses "own text is not in this folder"
refuses "not enough memory" "$text" --width 16384 --layers 256 --heads 4
"$pretrain" --help >stdout 2>stderr || fail "--help: status $?"
grep -q "^usage" stdout && [ ! -s stderr ] || fail "--help: not on stdout"
passed

# ---- Files: whole or not at all ----------------------------------------------

echo "precious" >mine
ln -s mine link
for name in mine link; do
  refuses "did not write it" "$text" $small --checkpoint $name
  refuses "did not write it" "$text" $small --csv $name
  [ "$(cat mine)" = precious ] || fail "a foreign file was overwritten"
done
refuses "cannot write" "$text" $small --checkpoint nowhere/x.ckpt
refuses "cannot write" "$text" $small --csv nowhere/x.csv
refuses "cannot write" "$text" $small --csv .
refuses "No space left" "$text" $small --csv /dev/full --steps 1000000 # at once
refuses "No space left" "$text" $small --checkpoint /dev/full

# A limit on file size fails a write the way a full disk does.
cp 1.ckpt old.ckpt
cp 1.csv old.csv
status=0
(trap '' XFSZ; ulimit -f 1; "$pretrain" "$text" $small --seed 3 \
  --checkpoint old.ckpt >stdout 2>stderr) || status=$?
[ $status -eq 2 ] || fail "no room for the checkpoint: status $status"
cmp -s old.ckpt 1.ckpt || fail "no room for the checkpoint: the old one is hurt"
(trap '' XFSZ; ulimit -f 1; "$pretrain" "$text" $small --steps 400 --csv old.csv \
  >stdout 2>stderr) && fail "no room for the CSV: no error"
cmp -s old.csv 1.csv || fail "no room for the CSV: the old one is hurt"
ls | grep -q '\.part$' && fail "a partial file was left: $(ls ./*.part)"
passed

# A name that is free, or an older run's, is written; a pipe is written through.
"$pretrain" "$text" $small --seed 3 --checkpoint old.ckpt --csv old.csv \
  >/dev/null 2>&1 || fail "an older run's files are not replaced"
cmp -s old.ckpt 1.ckpt && fail "the checkpoint is still the old one"
mkfifo pipe
cat pipe >through & "$pretrain" "$text" $small --csv pipe >/dev/null 2>&1
wait
cmp through runmethodsste || fail "a pipe gets something else"
[ -p pipe ] || fail "the pipe was replaced"
ln -sf old.csv link
"$pretrain" "$text" $small --csv link >/dev/null 2>&1 || fail "--csv link"
[ -L link ] && cmp old.csv runmethodsste || fail "the link was replaced"
passed

# A diverged run says so, keeps its CSV and leaves the older checkpoint alone.
cp 1.ckpt old.ckpt
status=0
"$pretrain" "$text" $small --lr 1e6 --method dense --steps 50 --csv diverged \
  --checkpoint old.ckpt >stdout 2>stderr || status=$?
[ $status -eq 1 ] && grep -q diverged stderr || fail "divergence: $status"
cmp -s old.ckpt 1.ckpt || fail "a diverged model replaced a good one"
[ -s diverged ] && [ ! -s stdout ] || fail "divergence: no CSV, or a result"
! grep -q 'step [0-9]*[05];' stderr || fail "divergence: found by validation"
status=0
"$pretrain" "$text" $small --lr 1e6 --method dense --steps 3 \
  --checkpoint old.ckpt >stdout 2>stderr || status=$?
[ $status -eq 1 ] || fail "the last step diverged, and nobody looked: $status"
passed

# ---- Shapes at the edge ------------------------------------------------------

# A text of one byte: the loss reaches 0, and 0 is a loss like any other.
head -c 5000 /dev/zero >one
"$pretrain" one --layers 1 --width 32 --heads 2 --context 8 --batch 4 \
  --steps 60 --lr 3 --method dense --csv zero.csv --checkpoint edge.ckpt \
  >/dev/null 2>&1 || fail "a text of one byte: status $?"
[ "$(tail -1 zero.csv | cut -d, -f5)" ] || fail "a loss of 0 is not written"
passed
for shape in "--width 4 --heads 4 --context 1 --batch 4" \
  "--width 128 --heads 1 --context 4 --batch 1" \
  "--width 36 --heads 3 --context 7 --batch 4 --layers 3" \
  "--width 8 --heads 2 --context 400 --batch 1"; do
  for method in dense s-ste sr-ste t-sr-ste step; do
    "$pretrain" one $shape --steps 3 --method $method --csv edge.csv \
      --checkpoint edge.ckpt >stdout 2>stderr || fail "$shape: $(cat stderr)"
    [ "$(tail -1 edge.csv | cut -d, -f5)" ] || fail "$shape: no validation"
    passed
  done
done

echo "programs: $checks checks passed"
