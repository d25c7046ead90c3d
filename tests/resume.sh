#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# resume.sh - what build/examples/pretrain promises of long runs: stopped,
# killed or out of room, a run goes on from its checkpoint to the same bits; a
# damaged or foreign checkpoint is refused; memory is what the plan says. Exits
# 1 on the first promise that does not hold. PRETRAIN= another program,
# TEST_SEED= other moments.
set -eu
pretrain=${PRETRAIN:-$PWD/build/examples/pretrain}
text=$PWD/README.md
examples=$PWD/examples
headers=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
small="--layers 2 --heads 2 --width 16 --context 16 --batch 4 --lr 0.02"
checks=0

fail() { echo "resume: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }

# ---- Tools -------------------------------------------------------------------

# Preloaded, it writes down in $CALLS what puts a file on the disk, and the most
# memory; before call number $STOP_AT the program gets signal $STOP_BY. The disk
# itself is left out.
cat >stop.c <<'EOF'
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const char *what, long long size) {
  const char *calls = getenv("CALLS");
  FILE *f = calls == NULL ? NULL : fopen(calls, "a");
  if (f == NULL) return;
  fprintf(f, "%s %lld\n", what, size);
  fclose(f);
}

static void call(const char *what, long long size) {
  static int count;
  const char *at = getenv("STOP_AT");
  note(what, size);
  if (at != NULL && ++count == atoi(at)) raise(atoi(getenv("STOP_BY")));
}

int fsync(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return -1;
  if (S_ISDIR(info.st_mode))
    call("folder", 0);
  else
    call("file", (long long)info.st_size);
  return 0;
}

int rename(const char *from, const char *to) {
  call("rename", 0);
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

__attribute__((destructor)) static void at_the_end(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  note("peak", use.ru_maxrss);
}
EOF
${CC:-cc} -shared -fPIC -o stop.so stop.c

# A checkpoint without its last eight bytes, and a hash that fits what is there.
cat >sign.c <<'EOF'
#define _XOPEN_SOURCE 700
#include "ranks.h"

int main(void) {
  uint64_t hash = hash_start;
  int byte;
  while ((byte = getchar()) != EOF) {
    const unsigned char one = (unsigned char)byte;
    hash = hash_of(hash, &one, 1);
    putchar(byte);
  }
  fwrite(&hash, sizeof hash, 1, stdout);
  return 0;
}
EOF
${CC:-cc} -std=c99 -I"$examples" -I"$headers" -o sign sign.c -lm

# The program, which must end with the status given first. $stop may say where.
stop=
run() {
  want=$1
  shift
  status=0
  { timeout 600 env $stop "$pretrain" "$@" >stdout; } 2>stderr || status=$?
  [ $status -eq "$want" ] ||
    fail "$*: status $status, not $want: $(tail -1 stderr)"
}
# The same, with signal $1 before call number $2.
run_until() {
  stop="LD_PRELOAD=$tmp/stop.so STOP_BY=$1 STOP_AT=$2"
  shift 2
  run "$@"
  stop=
}
step_of() { grep -a -m 1 '^step ' "$1" | cut -d ' ' -f 2; }

# ---- To the same bits --------------------------------------------------------

# A run, then the same one in three parts: killed behind its first save, stopped
# by SIGTERM in the second, and to the end. A save is three calls.
goes_on() { # steps between saves, then options
  every=$1
  shift
  export OMP_NUM_THREADS=1
  run 0 "$text" $small "$@" --csv whole.csv --checkpoint whole.ckpt
  export OMP_NUM_THREADS=3
  run_until 9 3 137 "$text" $small "$@" --csv part.csv --checkpoint part.ckpt \
    --save-every $every
  [ "$(step_of part.ckpt)" -eq $every ] || fail "$*: not killed at $every"
  export OMP_NUM_THREADS=2
  run_until 15 2 143 "$text" --resume part.ckpt --save-every $every
  [ "$(step_of part.ckpt)" -eq $((2 * every + 1)) ] || fail "$*: not stopped"
  grep -q "stopped after step $((2 * every + 1)) of .*--resume part.ckpt" \
    stderr || fail "$*: does not say how to go on: $(tail -1 stderr)"
  export OMP_NUM_THREADS=1
  run 0 "$text" --resume part.ckpt --csv part.csv
  cmp part.ckpt whole.ckpt || fail "$*: goes on to other weights"
  cmp part.csv whole.csv || fail "$*: goes on to other measures"
  passed
}
for how in "--method dense --probe-every 1" "--method ste --probe-every 2" \
  "--method s-ste --probe-every 5" "--method sr-ste --decay 2" \
  "--method masked-decay --decay 0.01" "--beta equal-l1" "--beta one" \
  "--beta every-step" "--gamma 0.5" "--mvue approximate" "--mvue off" \
  "--fp8 off" "--rounding stochastic" "--micro 1 --seed 7 --lr 0.0123456789"; do
  goes_on 4 $how --steps 12
done
# STEP goes over to sparse weights in the middle at the latest,
goes_on 4 --method step --steps 12
goes_on 14 --method step --steps 60
# or where the second moments have settled, by those of 20 steps: the gradients
# of a text of one byte vanish.
readme=$text
head -c 5000 /dev/zero >one
text=one
goes_on 145 --method step --steps 400
run 0 one $small --method step --steps 400
at=$(sed -n 's/sparse from step \([0-9]*\) on/\1/p' stderr)
[ $at -gt 146 ] && [ $at -lt 165 ] || fail "STEP: sparse from $at on"
text=$readme
# Masks of steps 1, 41 and 81, and dense from 91 on; killed and stopped between
# two masks, before the change and behind it.
goes_on 30 --method t-sr-ste --steps 108
goes_on 47 --method t-sr-ste --steps 108

# What is in the checkpoint counts, not what the options would make of it.
run_until 9 3 137 "$text" $small --steps 12 --save-every 4 --checkpoint mid.ckpt
cp mid.ckpt other.ckpt
run 0 "$text" --resume other.ckpt --csv other.csv
head=$(grep -a -b -m 1 '^$' mid.ckpt | cut -d : -f 1)
head -c -8 mid.ckpt >unsigned
printf '\0\0\0\100' | # 2.0, as the scale of the first layer: behind STEP's
  dd of=unsigned bs=1 seek=$((head + 1 + 8 + 8 + 160)) conv=notrunc 2>dd.log
./sign <unsigned >forged.ckpt
run 0 "$text" --resume forged.ckpt --csv forged.csv
[ "$(sed -n 6p forged.csv | cut -d , -f 6)" != \
  "$(sed -n 6p other.csv | cut -d , -f 6)" ] || fail "the scale is not resumed"
passed

# ---- Stopped -----------------------------------------------------------------

for signal in "2 130" "15 143" "10 138"; do
  set -- $signal
  run_until $1 1 $2 "$text" $small --steps 12 --save-every 4 \
    --checkpoint stopped.ckpt --csv stopped.csv
  [ "$(step_of stopped.ckpt)" -eq 5 ] || fail "signal $1: no checkpoint"
  grep -q "stopped after step 5 of 12" stderr || fail "signal $1: no message"
  [ ! -s stdout ] || fail "signal $1: a result"
  ls | grep '\.part$' && fail "signal $1: left a part"
  run 0 "$text" --resume stopped.ckpt
  passed
done
# Behind the last step there is nothing to stop.
run_until 15 1 0 "$text" $small --steps 4 --save-every 3
passed

# What it writes at the end is text: that stops at once.
"$pretrain" "$text" $small --steps 1 --sample 1000000 >stdout 2>stderr &
until grep -q "MB at most" stderr; do sleep 0.05; done
kill -TERM $!
status=0
wait $! || status=$?
[ $status -eq 143 ] || fail "stopped as it writes text: status $status"
passed

# A run that waits for the reader of its CSV stops when it may go on, with a
# checkpoint; told twice it stops at once.
tiny="--layers 1 --heads 1 --width 8 --context 4 --batch 1"
run_until 9 3 137 "$text" $tiny --steps 3000 --save-every 2000 \
  --checkpoint wait.ckpt
mkfifo pipe
stop_waiting() { # signals
  "$pretrain" "$text" --resume wait.ckpt --csv pipe >stdout 2>stderr &
  exec 3<pipe
  read -r line <&3 # it has begun
  for signal in $1; do
    sleep 0.3
    kill -$signal $!
  done
  sleep 0.1
  cat <&3 >read.csv
  exec 3<&-
  status=0
  wait $! || status=$?
  [ $status -eq 143 ] || fail "stopped as it waits: $status, $(tail -1 stderr)"
  passed
}
stop_waiting "TERM TERM"
[ "$(step_of wait.ckpt)" -eq 2000 ] || fail "told twice, it did not stop"
stop_waiting TERM
[ "$(step_of wait.ckpt)" -gt 2000 ] || fail "stopped as it waits: no checkpoint"

# The data is on the disk before the name is, and the name before the next step.
rm -f calls
stop="LD_PRELOAD=$tmp/stop.so CALLS=$tmp/calls"
run 0 "$text" $small --steps 2 --save-every 1 --checkpoint order.ckpt \
  --csv order.csv
stop=
[ "$(grep -v peak calls | cut -d ' ' -f 1 | tr '\n' ' ')" = \
  "file rename folder file rename folder file rename folder " ] ||
  fail "order on the disk: $(cat calls)"
grep -q "^file $(wc -c <order.ckpt)$" calls || fail "not all is on the disk"
grep -q "^file $(wc -c <order.csv)$" calls || fail "not all is on the disk"
passed

# If not told, it saves ten times, and around the last validation.
for saves in "20 11" "25 9" "3 3"; do
  set -- $saves
  rm calls
  stop="LD_PRELOAD=$tmp/stop.so CALLS=$tmp/calls"
  run 0 "$text" $tiny --steps $1
  stop=
  [ "$(grep -c file calls)" -eq $2 ] ||
    fail "$1 steps: $(grep -c file calls) saves"
  passed
done

# Killed behind the last validation, it has but one step to train again.
run_until 9 4 137 "$text" $small --steps 12 --save-every 100 \
  --checkpoint late.ckpt
[ "$(step_of late.ckpt)" -eq 11 ] || fail "nothing before the last validation"
run 0 "$text" $small --steps 12 --checkpoint whole.ckpt
run 0 "$text" --resume late.ckpt
cmp late.ckpt whole.ckpt || fail "the last step again: other weights"
passed

# Killed before each call of the second save: the first one is there until the
# second is whole.
for kill in "4 4" "5 4" "6 8"; do
  set -- $kill
  rm -f killed.ckpt
  run_until 9 $1 137 "$text" $small --steps 12 --save-every 4 \
    --checkpoint killed.ckpt
  [ -e killed.ckpt ] && [ "$(step_of killed.ckpt)" -eq $2 ] ||
    fail "killed before call $1: the checkpoint of step $2 is lost"
  run 0 "$text" --resume killed.ckpt --checkpoint end.ckpt
  run 0 "$text" --resume killed.ckpt
  cmp killed.ckpt end.ckpt || fail "killed before call $1: other weights"
  ! ls | grep '\.part$' || fail "killed before call $1: a part is left"
  passed
done
rm killed.ckpt

# ---- Killed 50 times ---------------------------------------------------------

# A run that saves each step and does little else, its masks of the last 40
# steps among what it saves.
killed="--layers 1 --heads 1 --width 16 --context 4 --batch 1 \
  --method t-sr-ste --steps 900"
export OMP_NUM_THREADS=1
run 0 "$text" $killed --checkpoint whole.ckpt --csv whole.csv
begin=$(date +%s%N)
run 0 "$text" $tiny --steps 40 --save-every 1 --checkpoint time.ckpt
most=$((($(date +%s%N) - begin) / 1000)) # microseconds for about 40 saves
[ $most -lt 999999 ] || most=999999

random=${TEST_SEED:-1}
kills=0 amid=0 whole=0 saved=0
finished() {
  run 0 "$text" --resume killed.ckpt --csv killed.csv
  cmp killed.ckpt whole.ckpt || fail "killed $kills times: other weights"
  cmp killed.csv whole.csv || fail "killed $kills times: other measures"
  ! ls | grep '\.part$' || fail "killed $kills times: a part is left"
  whole=$((whole + 1))
}
while [ $kills -lt 50 ]; do
  resume=
  [ ! -e killed.ckpt ] || resume="--resume killed.ckpt"
  random=$(((random * 1103515245 + 12345) % 2147483648))
  "$pretrain" "$text" ${resume:-$killed --checkpoint killed.ckpt} \
    --csv killed.csv --save-every 1 >stdout 2>stderr &
  sleep $(printf '0.%06d' $((random / 256 % most)))
  kill -9 $! 2>/dev/null || true
  status=0
  { wait $! || status=$?; } 2>/dev/null # the shell would tell
  if [ $status -eq 0 ]; then # too fast for us: once more from the beginning
    finished
    rm killed.ckpt killed.csv
    saved=0
    continue
  fi
  [ $status -eq 137 ] || fail "killed: $status, $(cat stderr)"
  kills=$((kills + 1))
  ! ls | grep -q '^killed.ckpt.*part$' || amid=$((amid + 1))
  # Behind the line of step k in the CSV, k - 1 is saved, and nothing is lost.
  for lines in killed.csv.*.part; do
    [ -e "$lines" ] || continue
    least=$(($(grep -c '^[0-9]' "$lines" || true) - 1))
    [ $least -le $saved ] || saved=$least
  done
  if [ ! -e killed.ckpt ]; then
    [ $saved -eq 0 ] || fail "no checkpoint after step $saved"
    continue
  fi
  # It can be resumed; the run ends because it cannot write.
  run 2 "$text" --resume killed.ckpt --checkpoint nowhere/x
  now=$(sed -n 's/resumed after step \([0-9]*\) of .*/\1/p' stderr)
  [ "${now:--1}" -ge $saved ] ||
    fail "killed $kills times: '$now' after step $saved: $(tail -1 stderr)"
  saved=$now
done
[ ! -e killed.ckpt ] || finished
[ $whole -ge 1 ] || fail "50 kills, and nothing was ever saved"
passed # how many fell amid a save depends on the machine; those above all do
echo "resume: 50 kills, $amid of them amid a save; $whole times to the end"

# ---- Refused -----------------------------------------------------------------

# One line, status 2, and all files as they were.
refuses() { # words that the message must hold, then the arguments
  words=$1
  shift
  ls >before
  run 2 "$@"
  [ "$(grep -c ^pretrain: stderr)" -eq 1 ] || fail "$*: not one message"
  grep -q -e "$words" stderr || fail "$*: '$(cat stderr)' lacks '$words'"
  [ ! -s stdout ] || fail "$*: wrote to stdout"
  ls >after
  cmp before after || fail "$*: left something"
  passed
}
: >after
run_until 9 3 137 "$text" $tiny --steps 12 --save-every 4 --checkpoint good.ckpt
size=$(wc -c <good.ckpt)
head=$(grep -a -b -m 1 '^$' good.ckpt | cut -d : -f 1)
[ "$(step_of good.ckpt)" -eq 4 ] || fail "killed at $(step_of good.ckpt)"
cp good.ckpt kept.ckpt
for length in 0 1 7 8 9 10 11 12 100 $((head - 1)) $head $((head + 1)) \
  $((head + 9)) $((size / 2)) $((size - 4096)) $((size - 80)) $((size - 9)) \
  $((size - 8)) $((size - 7)) $((size - 1)); do
  head -c $length good.ckpt >bad.ckpt
  refuses "no whole checkpoint" "$text" --resume bad.ckpt
  [ "$(wc -c <bad.ckpt)" -eq $length ] || fail "length $length: was changed"
done
{ cat good.ckpt; echo; } >bad.ckpt
refuses "no whole checkpoint" "$text" --resume bad.ckpt
for at in 0 4 8 $(head -c 800 good.ckpt | grep -a -b -E '^(--steps|text|step)' |
  sed 's/:\(.*\) .*/ \1/' | awk '{ print $1 + length($2) + 1 }') $head \
  $((head + 1)) $((head + 20)) $((head + 200)) $((size / 3)) $((size / 2)) \
  $((size - 400)) $((size - 9)) $((size - 8)) $((size - 1)); do
  cp good.ckpt bad.ckpt
  byte=$(od -An -tu1 -j $at -N 1 good.ckpt)
  printf "\\$(printf %o $((byte ^ 1)))" |
    dd of=bad.ckpt bs=1 seek=$at conv=notrunc 2>dd.log
  refuses "no whole checkpoint" "$text" --resume bad.ckpt
done
head -c 100000 /dev/zero >bad.ckpt
refuses "no whole checkpoint" "$text" --resume bad.ckpt
refuses "no whole checkpoint" "$text" --resume "$text"
refuses "it is no regular file" "$text" --resume .
refuses "No such file" "$text" --resume nowhere
LC_ALL=C sed '1s/2/3/' good.ckpt >bad.ckpt
refuses "has version 3, and this program has 2" "$text" --resume bad.ckpt
# What has a fitting hash all the same.
for edit in 's/^step 4$/step 13/' 's/^step 4$/step -1/' 's/^step 4$/step 5/' \
  's/^step 4$/step 3/' 's/^--width 8/--width 16/' 's/^--steps 12/steps/'; do
  head -c -8 good.ckpt | LC_ALL=C sed "$edit" | ./sign >bad.ckpt
  refuses "no whole checkpoint" "$text" --resume bad.ckpt
done
head -c -8 good.ckpt | LC_ALL=C sed 's/^--seed.*/--csv no.csv/' |
  ./sign >bad.ckpt
run 0 "$text" --resume bad.ckpt # an option that defines nothing is not taken
[ ! -e no.csv ] || fail "a checkpoint names files to write"
passed

# Another text, another run.
{ cat "$text"; echo; } >longer
tr e f <"$text" >changed
refuses "another FILE" longer --resume good.ckpt
refuses "it is no regular file" "$text" --resume pipe
refuses "FILE and --checkpoint are both" good.ckpt $tiny --checkpoint ./good.ckpt
ln -f stopped.csv alias.csv
refuses "FILE and --csv are both" alias.csv $tiny --csv stopped.csv
refuses "another FILE" changed --resume good.ckpt
for option in "--method dense" "--beta one" "--gamma 0.5" "--fp8 off" \
  "--forward-format e3m4" "--backward-format e3m4" "--mvue off" \
  "--rounding stochastic" "--steps 13" "--lr 0.1" "--seed 2" "--layers 2" \
  "--heads 2" "--width 16" "--context 8" "--batch 2" "--micro 2" \
  "--probe-every 2"; do
  refuses "${option% *} is ${option#* }.*was made with" "$text" \
    --resume good.ckpt $option
done
cmp good.ckpt kept.ckpt || fail "a checkpoint was changed by a refusal"
run 0 "$text" --resume good.ckpt --checkpoint end.ckpt --steps 12 --fp8 on \
  --width 8 --lr 0.002 --micro 1 --beta min-mse --gamma 0 # as it was made
cmp good.ckpt kept.ckpt || fail "--checkpoint: the old one was written"
[ "$(step_of end.ckpt)" -eq 12 ] || fail "--checkpoint: not written"
passed
refuses "--decay is given, but --method s-ste" "$text" --resume good.ckpt \
  --decay 0.0002
run 0 "$text" $tiny --method sr-ste --steps 2 --checkpoint decay.ckpt
refuses "--decay is 1, but decay.ckpt was made without it" "$text" \
  --resume decay.ckpt --decay 1
run 0 "$text" --resume decay.ckpt --decay 0.0002
passed

# A finished run gives its result again, and writes no checkpoint.
run 0 "$text" $tiny --steps 12 --checkpoint once.ckpt --csv once.csv --sample 99
cmp end.ckpt once.ckpt || fail "what is given again changes the checkpoint"
cp once.ckpt again.ckpt
touch -d '2001-01-01' again.ckpt
sed 's/seconds.*//' stdout >once
run 0 "$text" --resume again.ckpt --csv again.csv --sample 99
sed 's/seconds.*//' stdout | cmp - once || fail "finished: another result"
cmp once.csv again.csv || fail "finished: other measures"
[ again.ckpt -ot once.ckpt ] || fail "finished: the checkpoint was written"
sed '$d' once | grep -qv '^| ' && fail "--sample: lines that are no text"
[ "$(sed '$d;s/^| //' once | wc -c)" -eq $((4 + 99 + 1)) ] ||
  fail "--sample: not a context and 99 bytes"
passed

# ---- No room -----------------------------------------------------------------

cp good.ckpt room.ckpt
(ulimit -f 8; refuses "cannot write room.ckpt: File too large" "$text" \
  --resume room.ckpt --save-every 1) || exit 1
cmp room.ckpt good.ckpt || fail "no room: the good checkpoint is hurt"
refuses "cannot write nowhere/" "$text" --resume room.ckpt \
  --checkpoint nowhere/x

# A folder that goes away while a run writes to it.
mkdir here
"$pretrain" "$text" $tiny --steps 1000000 --save-every 5 --csv pipe \
  --checkpoint here/x.ckpt >stdout 2>stderr &
exec 3<pipe
for line in 0 1 2 3 4 5 6; do read -r line <&3; done
mv here gone
cat <&3 >read.csv
exec 3<&-
status=0
wait $! || status=$?
[ $status -eq 2 ] || fail "no folder: status $status"
grep -q '^pretrain: cannot write here/x.ckpt: No such file' stderr ||
  fail "no folder: $(tail -1 stderr)"
run 2 "$text" --resume gone/x.ckpt --csv nowhere/x
grep -q "resumed after step" stderr || fail "no folder: $(tail -1 stderr)"
passed

# ---- Memory ------------------------------------------------------------------

# What the plan says before the run, what the program says behind it, and what
# the system says.
memory_of() {
  plan=$(sed -n 's/^memory: \([0-9.]*\) MB;.*/\1/p' stderr)
  peak=$(sed -n 's/^memory: \([0-9.]*\) MB at most$/\1/p' stderr)
}
for shape in "--width 256 --layers 2 --heads 4 --context 32" \
  "--width 32 --layers 2 --heads 4 --context 512" \
  "--width 64 --layers 20 --heads 2 --context 32"; do
  for how in "--method dense" "--method s-ste" "--probe-every 1"; do
    for threads in 1 3; do
      rm calls
      export OMP_NUM_THREADS=$threads
      stop="LD_PRELOAD=$tmp/stop.so CALLS=$tmp/calls"
      run 0 "$text" $shape $how --batch 4 --steps 1 --checkpoint memory.ckpt
      stop=
      memory_of
      awk -v plan="$plan" -v peak="$peak" '
        function off(a, b) { return a > b ? a / b - 1 : b / a - 1 }
        $1 == "peak" { own = $2 * 1024e-6 }
        END {
          exit !(plan > 20 && off(plan, peak) < 0.05 && off(own, peak) < 0.03)
        }' calls || fail "$shape $how, $threads threads: planned $plan MB, said" \
        "$peak MB: $(grep peak calls)"
      passed
    done
  done
done
# The memory of who starts it is not the program's.
status=0
${PYTHON:-python3} -c 'import os, sys; large = b"x" * (1 << 27)
os.execv(sys.argv[1], sys.argv[1:])' "$pretrain" "$text" $tiny --steps 1 \
  --checkpoint memory.ckpt >stdout 2>stderr || fail "a large parent: $?"
memory_of
awk -v plan="$plan" -v peak="$peak" \
  'BEGIN { exit !(plan < 20 && peak < 20) }' ||
  fail "a large parent: planned $plan MB, said $peak MB"
passed

echo "resume: $checks checks passed"
