#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# programs.sh - what build/examples/pretrain promises: the same bits for any
# number of threads, options that do what --help says, one clear line and status
# 2 for bad input, and never a damaged file. Exits 1 on the first promise that
# does not hold. PRETRAIN= another program. Of checkpoints, and of memory, see
# resume.sh.
set -eu
pretrain=${PRETRAIN:-$PWD/build/examples/pretrain}
text=$PWD/README.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
export OMP_NUM_THREADS=1
small="--layers 2 --heads 2 --width 16 --context 16 --batch 4 --steps 12 \
  --lr 0.02"
checks=0

fail() { echo "programs: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }

# ---- The same bits for 1 and 5 threads ------------------------------------

runs=0
for how in "--method dense" "--method s-ste" "--method s-ste --fp8 off" \
  "--method s-ste --mvue off" "--method ste" "--method sr-ste --decay 2" \
  "--method masked-decay --decay 0.01" "--method t-sr-ste" "--method step" \
  "--beta equal-l1" "--beta one" "--beta every-step" "--gamma 0.5" \
  "--gamma 1" "--mvue approximate" "--rounding stochastic" \
  "--forward-format e3m4" "--forward-format e3m4fn" "--forward-format e5m2" \
  "--backward-format e4m3fn" "--backward-format e3m4" "--micro 1" "--micro 4" \
  "--lr 0.03" "--seed 2" "--method s-ste --probe-every 5" \
  "--method ste --probe-every 5" "--method dense --probe-every 5"; do
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
  case $how in
    *dense* | *t-sr-ste) zeros=0.00 ;;
    *"gamma 1") zeros="7[45].[0-9]*" ;; # the threshold is rounded
  esac
  grep -q "zeros $zeros %" stdout || fail "$how: $(cat stdout)"
  case $how in *"method step")
    [ "$(grep -c 'sparse from step 7 on' stderr)" -eq 1 ] || fail "no switch" ;;
  esac
  cp 1.csv "run$(echo "$how" | tr -d ' -.')"
  runs=$((runs + 1))
  passed
done

# Each option does something: no two of the runs above are alike in what they
# train; a run with probes is like the one without.
[ "$(cat run* | grep -c '^12,')" -eq $runs ] || fail "lines missing"
[ "$(cat run* | grep '^12,' | cut -d , -f 2-6 | sort -u | wc -l)" -eq \
  $((runs - 3)) ] || fail "two options do the same, or probes do something"
passed

# The CSV: its head, eleven values a line, those of a probe where one is; a
# dense model has no scale and no mask to freeze.
[ "$(head -1 runmethoddense)" = "step,train_bpb,lr,flip_rate,val_bpb,beta,\
before,after,frozen,predicted,predicted_map" ] || fail "the head of the CSV"
for run in run*probe*; do
  awk -F, 'NR > 1 {
      probed = ($7 != "") + ($8 != "") + ($9 != "") + ($10 != "") + ($11 != "")
      if (NF != 11 || probed != ($1 % 5 == 0 ? 5 : 0)) exit 1
    }' "$run" || fail "$run: not every fifth step has a probe"
done
awk -F, 'NR > 1 && ($6 != 1 || $8 != $9 || $10 != $11) { exit 1 }' \
  runmethoddenseprobeevery5 || fail "dense has a scale, or a mask"
cut -d , -f 6 runmethodsste | sed 1d | sort -u >scales
[ "$(wc -l <scales)" -eq 1 ] || fail "the scale is not frozen"
[ "$(cut -d , -f 6 runbetaeverystep | sed 1d | sort -u | wc -l)" -eq 12 ] ||
  fail "--beta every-step: the scale stands still"
# The rate of learning: up for a tenth of the steps, then down to its tenth.
"$pretrain" "$text" $small --steps 100 --csv rate.csv --checkpoint rate.ckpt \
  >stdout 2>stderr
[ "$(sed -n '2p;101p' rate.csv | cut -d , -f 3 | tr '\n' ' ')" = \
  "0.00181818181818 0.00200548255683 " ] ||
  fail "the rate of learning: $(sed -n '2p;101p' rate.csv)"
[ "$(cut -d , -f 5 rate.csv | grep -c '^[0-9]')" -eq 10 ] ||
  fail "--steps 100: not ten validations"
passed

# ---- What --help says --------------------------------------------------------

"$pretrain" --help >help 2>stderr || fail "--help: status $?"
grep -q "^usage" help && [ ! -s stderr ] || fail "--help: not on stdout"
[ -z "$(awk 'length > 80' help)" ] || fail "--help: lines over 80 columns"
"$pretrain" no-such-file --steps -h >stdout && cmp help stdout || fail "-h"
# Every option of the text is there and wants a value.
for option in $(grep -o '^  --[a-z0-9-]*' help | grep -v -e --help); do
  status=0
  "$pretrain" "$text" $option >stdout 2>stderr || status=$?
  [ $status -eq 2 ] && grep -q -e "$option wants a value" stderr ||
    fail "--help has $option: $status, $(cat stderr)"
done
# The defaults that it names are those that a run has, which writes them down.
"$pretrain" "$text" --checkpoint defaults.ckpt --save-every 1 >stdout 2>stderr &
until [ -s defaults.ckpt ]; do sleep 0.1; done
kill -TERM $!
status=0
wait $! || status=$?
[ $status -eq 143 ] || fail "defaults: status $status, $(tail -1 stderr)"
sed '/^text /q' defaults.ckpt | grep -a -e '^--' >defaults
[ "$(wc -l <defaults)" -eq 16 ] || fail "defaults: $(cat defaults)"
while read -r option value; do
  sed -n "/^  $option /,/^  --/p" help | tr -d '\n' |
    grep -q -e "^[^(]*[( ]$value[),]" ||
    fail "$option is $value, and --help says: $(grep -e "^  $option " help)"
done <defaults
passed

# The default micro-batch is of two contexts, or of more where it must be.
for shape in "1 4 1" "2 4 2" "3 4 3" "4 4 2" "6 4 2" "9 4 3" "4 1 4" "8 1 4" \
  "12 1 4" "6 2 2"; do
  set -- $shape
  "$pretrain" "$text" --layers 1 --heads 1 --width 4 --batch $1 --context $2 \
    --steps 1 --checkpoint micro.ckpt >stdout 2>stderr || fail "$shape"
  grep -a -q -x -e "--micro $3" micro.ckpt || fail "--batch $1 --context $2: \
$(grep -a -e --micro micro.ckpt)"
  passed
done

# ---- Bad input: one line on stderr, nothing on stdout, status 2 --------------

refuses() { # words that the message must hold, then the arguments
  words=$1
  shift
  status=0
  timeout 600 "$pretrain" "$@" >stdout 2>stderr || status=$?
  [ $status -eq 2 ] || fail "$*: status $status, not 2"
  [ "$(grep -c ^pretrain: stderr)" -eq 1 ] || fail "$*: not one message"
  grep -q -e "$words" stderr || fail "$*: '$(cat stderr)' lacks '$words'"
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
truncate -s 3G large
(ulimit -v 1000000; refuses "more than 2 GiB" large) || exit 1 # unread
rm large
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
refuses "above 0" "$text" --lr 1e-46 # 0 as a float
refuses "are both" "$text" --csv same --checkpoint same
refuses "dense or s-ste or ste or sr-ste or masked-decay or t-sr-ste or step" \
  "$text" --method sparse
refuses "off or on" "$text" --fp8 yes
refuses "off or optimal or approximate" "$text" --mvue on
refuses "e4m3fn or e3m4 or e3m4fn or e5m2" "$text" --forward-format e4m3
refuses "e4m3fn or e3m4 or e3m4fn or e5m2" "$text" --backward-format E5M2
refuses "nearest or stochastic" "$text" --rounding up
refuses "decays nothing" "$text" --method ste --decay 1
refuses "decays nothing" "$text" --decay 1
refuses "has no scale" "$text" --method dense --beta one
refuses "above 0" "$text" --method sr-ste --decay 0
refuses "above 0" "$text" --method sr-ste --decay 1e-60
refuses "min-mse or equal-l1 or one or every-step" "$text" --beta two
refuses "from 0 and up to 1" "$text" --gamma -0.1
refuses "from 0 and up to 1" "$text" --gamma 1.01
refuses "from 0 and up to 1" "$text" --gamma nan
refuses "no soft threshold" "$text" --method ste --gamma 0
refuses "no samples in FP8" "$text" --rounding stochastic --fp8 off
refuses "no samples in FP8" "$text" --rounding stochastic --mvue off
for format in "--forward-format e3m4" "--backward-format e5m2"; do
  refuses "without FP8 has no use for it" "$text" --fp8 off $format
done
# What only sparse products have, even if it is what they have by default.
for option in "--fp8 off" "--fp8 on" "--mvue off" "--mvue optimal" \
  "--forward-format e4m3fn" "--backward-format e3m4" "--rounding nearest" \
  "--rounding stochastic" "--beta min-mse" "--gamma 0" "--decay 0.0002"; do
  refuses "${option% *} is given, but --method dense" "$text" --method dense \
    $option
done
refuses "micro-batches of --micro 3" "$text" --micro 3
refuses "2 tokens, no multiple of 4" "$text" --context 1 --micro 2
for option in layers heads width context batch micro save-every; do
  refuses "must lie between [14] and" "$text" --$option 0
done
for option in probe-every sample seed; do
  refuses "must lie between 0 and" "$text" --$option -1
  refuses "must lie between 0 and" "$text" --$option 1000000001
done
refuses "one FILE" "$text" "$text"
refuses "own text is not in this folder"
refuses "not enough memory" "$text" --width 16384 --layers 256 --heads 4

# ---- Files: whole or not at all ----------------------------------------------

echo "precious" >mine
echo "step,loss" >table # begins as ours, and is not
ln -s mine link
for name in mine link; do
  refuses "did not write it" "$text" $small --checkpoint $name
  refuses "did not write it" "$text" $small --csv $name
  [ "$(cat mine)" = precious ] || fail "a foreign file was overwritten"
done
refuses "did not write it" "$text" $small --csv table
[ "$(cat table)" = "step,loss" ] || fail "a foreign CSV was overwritten"
refuses "cannot write" "$text" $small --checkpoint nowhere/x.ckpt
refuses "cannot write" "$text" $small --csv nowhere/x.csv
refuses "cannot write" "$text" $small --csv .
refuses "No space left" "$text" $small --csv /dev/full --steps 1000000 # at once
# Of a checkpoint something must be left, or nothing is wanted.
mkfifo pipe
for name in pipe /dev/full /dev/stdout /proc/self/fd/1 .; do
  refuses "no file and not /dev/null" "$text" $small --checkpoint $name
done
"$pretrain" "$text" $small --checkpoint /dev/null --csv /dev/null \
  >stdout 2>stderr || fail "--checkpoint /dev/null: $(cat stderr)"
if [ -w /dev/shm ]; then # whose files are files
  shm=$(mktemp -d /dev/shm/sste-XXXXXX)
  status=0
  "$pretrain" "$text" $small --checkpoint "$shm/x.ckpt" >stdout 2>stderr ||
    status=$?
  rm -r "$shm"
  [ $status -eq 0 ] || fail "--checkpoint /dev/shm/: $(cat stderr)"
fi
# One file by two names is one file.
mkdir folder
ln -s folder linked
refuses "are both" "$text" $small --csv ./new --checkpoint new
refuses "are both" "$text" $small --csv "$PWD/new" --checkpoint folder/../new
refuses "are both" "$text" $small --csv folder/new --checkpoint linked/new
: >empty
ln -s empty alias_of_empty
refuses "are both" "$text" $small --csv empty --checkpoint alias_of_empty
ln -s nowhere dangling
refuses "dangling is a link to nothing" "$text" $small --checkpoint dangling
"$pretrain" --help >/dev/full 2>stderr && fail "--help to a full disk: status 0"
grep -q "cannot write the help" stderr || fail "--help: $(cat stderr)"
rm empty
passed

# A limit on file size fails a write the way a full disk does.
cp 1.ckpt old.ckpt
cp 1.csv old.csv
status=0
(ulimit -f 1; "$pretrain" "$text" $small --seed 3 \
  --checkpoint old.ckpt >stdout 2>stderr) || status=$?
[ $status -eq 2 ] || fail "no room for the checkpoint: status $status"
cmp -s old.ckpt 1.ckpt || fail "no room for the checkpoint: the old one is hurt"
(ulimit -f 1; "$pretrain" "$text" $small --steps 400 --csv old.csv \
  >stdout 2>stderr) && fail "no room for the CSV: no error"
cmp -s old.csv 1.csv || fail "no room for the CSV: the old one is hurt"
ls | grep -q '\.part$' && fail "a partial file was left: $(ls ./*.part)"
status=0
"$pretrain" "$text" $small --checkpoint old.ckpt >/dev/full 2>stderr ||
  status=$?
[ $status -eq 2 ] && grep -q "cannot write the result" stderr ||
  fail "no room for the result: status $status"
passed

# A name that is free, or an older run's, is written; a pipe is written through.
"$pretrain" "$text" $small --seed 3 --checkpoint old.ckpt --csv old.csv \
  >/dev/null 2>&1 || fail "an older run's files are not replaced"
cmp -s old.ckpt 1.ckpt && fail "the checkpoint is still the old one"
cat pipe >through & "$pretrain" "$text" $small --csv pipe >/dev/null 2>&1
wait
cmp through runmethodsste || fail "a pipe gets something else"
[ -p pipe ] || fail "the pipe was replaced"
ln -sf old.csv link
"$pretrain" "$text" $small --csv link >/dev/null 2>&1 || fail "--csv link"
[ -L link ] && cmp old.csv runmethodsste || fail "the link was replaced"
passed

# What is replaced keeps its mode, and what may not be written stays.
chmod 640 old.csv
umask 077
"$pretrain" "$text" $small --csv old.csv >/dev/null 2>&1 || fail "--csv old.csv"
umask 022
[ "$(stat -c %a old.csv)" = 640 ] || fail "the mode was $(stat -c %a old.csv)"
chmod 444 old.csv
if ! [ -w old.csv ]; then
  refuses "cannot write old.csv: Permission denied" "$text" $small --csv old.csv
elif command -v setpriv >/dev/null; then # root may write what it likes
  chmod 777 .
  cp "$pretrain" "$text" .
  setpriv --reuid 65534 --clear-groups ./"${pretrain##*/}" README.md $small \
    --csv old.csv --checkpoint /dev/null >stdout 2>stderr &&
    fail "a file that may not be written was replaced"
  grep -q "cannot write old.csv: Permission denied" stderr ||
    fail "what may not be written: $(cat stderr)"
fi
[ "$(stat -c %a old.csv)" = 444 ] || fail "a read-only file was replaced"
chmod 644 old.csv
passed

# What a killed run has left goes, whatever the name; that of another host, of a
# process that lives, or of another program stays.
host=$(uname -n)
another=$(echo "$host" | tr a-z0-9 b-za1-90) # as long
gone=$(sh -c 'echo $$')
foreign=$(sh -c 'echo $$')
for name in 'a[1]*?.csv' plain.csv; do
  head -1 1.csv >"$name.$host.$gone.part"
  head -1 1.csv >"$name.$host.1.part"
  head -1 1.csv >"$name.$another.$gone.part"
  echo mine >"$name.$host.$foreign.part"
  "$pretrain" "$text" $small --csv "$name" >stdout 2>stderr ||
    fail "$name: $(cat stderr)"
  [ ! -e "$name.$host.$gone.part" ] || fail "$name: a part is left"
  for kept in $host.1 $another.$gone $host.$foreign; do
    rm "$name.$kept.part" || fail "$name: $kept was removed"
  done
  cmp "$name" runmethodsste || fail "$name: other measures"
done
passed

# Where a standard stream is closed no file takes its place.
for closed in 0 1 2; do
  status=0
  rm -f held.csv
  eval '"$pretrain" "$text" $small --csv held.csv --checkpoint held.ckpt' \
    '>stdout 2>stderr' "$closed>&-" || status=$?
  [ $status -eq $((closed == 1 ? 2 : 0)) ] || fail "$closed>&-: status $status"
  cmp held.csv runmethodsste || fail "$closed>&-: the CSV is damaged"
  cmp held.ckpt pretrain-s-ste.ckpt || fail "$closed>&-: the checkpoint is damaged"
  passed
done

# A diverged run says so, keeps its CSV and leaves the older checkpoint alone.
cp 1.ckpt old.ckpt
status=0
"$pretrain" "$text" $small --lr 1e6 --method dense --steps 50 --csv diverged \
  --checkpoint old.ckpt >stdout 2>stderr || status=$?
[ $status -eq 1 ] && grep -q diverged stderr || fail "divergence: $status"
cmp -s old.ckpt 1.ckpt || fail "a diverged model replaced a good one"
[ -s diverged ] && [ ! -s stdout ] || fail "divergence: no CSV, or a result"
at=$(sed -n 's/.*diverged at step \([0-9]*\);.*/\1/p' stderr)
[ "$(wc -l <diverged)" -eq $((at + 1)) ] ||
  fail "divergence at step $at: $(wc -l <diverged) lines"
tail -1 diverged | grep -q "^$at,inf,[0-9.]*,,,,,,,,$" ||
  fail "divergence at step $at: $(tail -1 diverged)"
! grep -q 'step [0-9]*[05];' stderr || fail "divergence: found by validation"
status=0
"$pretrain" "$text" $small --lr 1e6 --method dense --steps 3 \
  --csv diverged --checkpoint old.ckpt >stdout 2>stderr || status=$?
[ $status -eq 1 ] || fail "the last step diverged, and nobody looked: $status"
[ "$(tail -1 diverged | cut -d , -f 5)" = inf ] ||
  fail "validation diverged: $(tail -1 diverged)"
passed

# ---- Shapes at the edge ------------------------------------------------------

# A text of one byte: the loss reaches 0, and 0 is a loss like any other.
head -c 5000 /dev/zero >one
"$pretrain" one --layers 1 --width 32 --heads 2 --context 8 --batch 4 \
  --steps 60 --lr 3 --method dense --csv zero.csv --checkpoint edge.ckpt \
  >/dev/null 2>&1 || fail "a text of one byte: status $?"
[ "$(tail -1 zero.csv | cut -d, -f5)" ] || fail "a loss of 0 is not written"
passed
# All its batches are alike, so that what --seed changes is the weights.
for seed in 1 2; do
  "$pretrain" one $small --steps 1 --seed $seed --csv seed$seed.csv \
    --checkpoint edge.ckpt >stdout 2>stderr || fail "--seed $seed"
done
cmp -s seed1.csv seed2.csv && fail "--seed does not change the weights"
passed
for shape in "--width 4 --heads 4 --context 1 --batch 4" \
  "--width 128 --heads 1 --context 4 --batch 1" \
  "--width 36 --heads 3 --context 7 --batch 4 --layers 3" \
  "--width 8 --heads 2 --context 400 --batch 1"; do
  for method in dense s-ste sr-ste t-sr-ste step; do
    "$pretrain" one $shape --steps 3 --method $method --csv edge.csv \
      --sample 9 --probe-every 2 --checkpoint edge.ckpt >stdout 2>stderr ||
      fail "$shape: $(cat stderr)"
    [ "$(tail -1 edge.csv | cut -d, -f5)" ] || fail "$shape: no validation"
    passed
  done
done

echo "programs: $checks checks passed"
