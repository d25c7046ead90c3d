#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# command.sh - what the command sste promises: results known by hand, in files
# that NumPy would write to the byte; a verdict that names what is wrong and
# where; one clear line and status 2 for bad input, and never a damaged file.
# Exits 1 on the first promise that does not hold. SSTE=path tests another
# build.
set -eu
sste=${SSTE:-build/examples/sste}
case $sste in /*) ;; *) sste=$PWD/$sste ;; esac
vectors=$PWD/tests/vectors/small
# What the headers know by name.
kinds=$(sed -n 's/.*case SSTE_DRAW_.*return "\(.*\)";/\1/p' sste_check.h)
rules=$(sed -n 's/^  SSTE_LIKE_\([A-Z0-9_]*\),*$/\1/p' sste_fp8.h |
  tr A-Z a-z)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
checks=0

fail() { echo "command: $*" >&2; exit 1; }
passed() { checks=$((checks + 1)); }

# ---- Files by hand -----------------------------------------------------------

# Little-endian bytes, in octal for printf.
f4() {
  for x in "$@"; do
    case $x in
      0) printf '\\0\\0\\0\\0' ;; -0) printf '\\0\\0\\0\\200' ;;
      1) printf '\\0\\0\\200\\77' ;; -1) printf '\\0\\0\\200\\277' ;;
      2) printf '\\0\\0\\0\\100' ;; -2) printf '\\0\\0\\0\\300' ;;
      3) printf '\\0\\0\\100\\100' ;; -3) printf '\\0\\0\\100\\300' ;;
      4) printf '\\0\\0\\200\\100' ;; -4) printf '\\0\\0\\200\\300' ;;
      5) printf '\\0\\0\\240\\100' ;; -5) printf '\\0\\0\\240\\300' ;;
      7) printf '\\0\\0\\340\\100' ;; 11) printf '\\0\\0\\60\\101' ;;
      0.001) printf '\\157\\22\\203\\72' ;;
      0.0001) printf '\\27\\267\\321\\70' ;;
      1.062) printf '\\236\\357\\207\\77' ;; 448) printf '\\0\\0\\340\\103' ;;
      1e9) printf '\\50\\153\\156\\116' ;;
      11+ulp) printf '\\1\\0\\60\\101' ;; 11+2ulp) printf '\\2\\0\\60\\101' ;;
      2.2) printf '\\315\\314\\14\\100' ;; 4.4) printf '\\315\\314\\214\\100' ;;
      -2.2) printf '\\315\\314\\14\\300' ;;
      nan) printf '\\0\\0\\300\\177' ;; inf) printf '\\0\\0\\200\\177' ;;
      *) fail "f4 does not know $x" ;;
    esac
  done
}
f2() {
  for x in "$@"; do
    case $x in
      0) printf '\\0\\0' ;; 4) printf '\\0\\104' ;; -3) printf '\\0\\302' ;;
      2) printf '\\0\\100' ;; -1) printf '\\0\\274' ;;
      -2) printf '\\0\\300' ;;
      *) fail "f2 does not know $x" ;;
    esac
  done
}
bf16() {
  for x in "$@"; do
    case $x in
      0) printf '\\0\\0' ;; 4) printf '\\200\\100' ;; -3) printf '\\100\\300' ;;
      2) printf '\\0\\100' ;; -1) printf '\\200\\277' ;;
      4.4) printf '\\215\\100' ;; -2.2) printf '\\15\\300' ;;
      *) fail "bf16 does not know $x" ;;
    esac
  done
}
# 16-bit words in hexadecimal.
u2() { for x in "$@"; do printf '\\%03o' "0x${x#??}" "0x${x%??}"; done; }
u1() { for x in "$@"; do printf '\\%03o' "0x$x"; done; }

# npy NAME DESCR SHAPE DATA, as np.save writes it when the shape is short
npy() {
  {
    printf '\223NUMPY\001\000\166\000'
    printf '%-117s\n' \
      "{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
    printf "$4"
  } >"$1"
}
# holds NAME DESCR SHAPE DATA: the file is that to the byte
holds() {
  npy expected "$2" "$3" "$4"
  cmp "$1" expected || fail "$1 is not $3 of $2: $(od -An -tx1 -j128 "$1")"
  passed
}
run() { "$sste" "$@" >stdout 2>stderr || fail "$*: status $?: $(cat stderr)"; }
quiet() { # no word is lost on what went well
  run "$@"
  [ ! -s stdout ] && [ ! -s stderr ] || fail "$*: '$(cat stdout stderr)'"
}

# ---- Results known by hand ---------------------------------------------------

npy w.npy '<f4' '(1, 4)' "$(f4 4 -3 2 -1)"
quiet project w.npy out.npy
holds out.npy '<f4' '(1, 4)' "$(f4 2 -1 0 0)"
quiet project w.npy out.npy --beta 2
holds out.npy '<f4' '(1, 4)' "$(f4 4 -2 0 0)"
run project w.npy out.npy --beta min_mse
[ "$(cat stdout)" = "beta 2.20000005" ] || fail "beta: $(cat stdout)"
holds out.npy '<f4' '(1, 4)' "$(f4 4.4 -2.2 0 0)"
npy half.npy '<f2' '(4,)' "$(f2 4 -3 2 -1)"
npy brain.npy '<u2' '(1, 1, 4)' "$(bf16 4 -3 2 -1)"
quiet project half.npy out.npy --beta 2
holds out.npy '<f2' '(4,)' "$(f2 4 -2 0 0)"
run project brain.npy out.npy --beta min_mse
holds out.npy '<u2' '(1, 1, 4)' "$(bf16 4.4 -2.2 0 0)"
npy brain.npy '<V2' '(1, 4)' "$(bf16 4 -3 2 -1)" # of ml_dtypes
quiet project brain.npy out.npy
holds out.npy '<u2' '(1, 4)' "$(bf16 2 -1 0 0)"
npy poison.npy '<f4' '(1, 8)' "$(f4 nan 1 2 3 inf 1 1 0)"
quiet project poison.npy out.npy
holds out.npy '<f4' '(1, 8)' "$(f4 nan 0 0 nan inf 0 0 0)"

# In half precision results are rounded once: 2046.5 and 2045.5 lie midway and
# both go to the even 2046. Beyond the end is infinity; half a step is 0, one
# and a half are two. A NaN becomes the quiet one, whatever it was.
half() { # DESCR IN WANT ARGUMENTS
  npy half.npy "$1" '(2, 4)' "$(u2 $2)"
  descr=$1 want=$3
  shift 3
  quiet project half.npy out.npy "$@"
  holds out.npy "$descr" '(2, 4)' "$(u2 $want)"
}
half '<f2' "67FF E7FE 3800 3400 FE01 3C00 4000 4200" \
  "67FE E7FE 0000 0000 7E00 0000 0000 7E00"
half '<f2' "7BFF FBFF 0000 0000 3C00 BC00 0000 0000" \
  "7C00 FC00 0000 0000 4000 C000 0000 0000" --beta 2
half '<f2' "0001 8001 0000 0000 0003 8003 0000 0000" \
  "0000 8000 0000 0000 0002 8002 0000 0000" --beta 0.5
half '<u2' "437F C37E 3F00 3E80 FF81 3F80 4000 4040" \
  "437E C37E 0000 0000 7FC0 0000 0000 7FC0"
half '<u2' "7F7F FF7F 0000 0000 3F80 BF80 0000 0000" \
  "7F80 FF80 0000 0000 4000 C000 0000 0000" --beta 2
# tau is 2 and 1.5 steps of float16, and 2 and half a step of bfloat16; the
# first group of the stream keeps its first and third.
npy half.npy '<f2' '(4,)' "$(u2 3C00 3C00 3C00 3C06)"
quiet mvue half.npy out.npy
holds out.npy '<f2' '(4,)' "$(u2 4002 0000 4002 0000)"
npy half.npy '<u2' '(4,)' "$(u2 3F80 3F80 3F80 3F82)"
quiet mvue half.npy out.npy
holds out.npy '<u2' '(4,)' "$(u2 4000 0000 4000 0000)"
npy half.npy '<f2' '(1, 8)' "$(u2 0000 4500 0000 0000 0000 0000 4700 FE01)"
quiet compress half.npy values.npy meta.npy
holds values.npy '<f2' '(1, 4)' "$(u2 0000 4500 4700 7E00)"
holds meta.npy '|u1' '(1, 1)' "$(u1 E4)"
quiet decompress values.npy meta.npy out.npy
holds out.npy '<f2' '(1, 8)' "$(u2 0000 4500 0000 0000 0000 0000 4700 7E00)"
npy values.npy '<u2' '(1, 4)' "$(u2 0000 40A0 40E0 C000)"
quiet decompress values.npy meta.npy out.npy
holds out.npy '<u2' '(1, 8)' "$(u2 0000 40A0 0000 0000 0000 0000 40E0 C000)"
quiet compress out.npy back.npy meta.npy
cmp back.npy values.npy || fail "compress does not undo decompress"
# Another group behind 2^16 numbers, which are rounded piece by piece.
for how in "in:4 -3 2 -1" "want:2 -1 0 0"; do
  printf "$(f2 ${how#*:})" >piece
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do
    cat piece piece >twice
    mv twice piece
  done
  npy "${how%%:*}.npy" '<f2' '(65540,)' ""
  { cat piece; printf "$(f2 4 -3 0 0)"; } >>"${how%%:*}.npy"
done
quiet project in.npy out.npy
cmp out.npy want.npy || fail "project: a piece is rounded in the wrong place"
passed

# The longest header of 128 bytes has 127; here are 128, so that 64 follow.
ones="(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100)"
npy long.npy '<f4' "$ones" ""
head -c 400 /dev/zero >>long.npy
quiet project long.npy out.npy
{
  printf '\223NUMPY\001\000\266\000'
  printf '%-181s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': $ones, }"
  head -c 400 /dev/zero
} >expected
cmp out.npy expected || fail "a header of 192 bytes"
passed

npy ties.npy '<f4' '(2, 4)' "$(f4 1 1 1 1 4 -3 2 -1)"
quiet mask ties.npy out.npy
holds out.npy '|u1' '(2, 4)' "$(u1 1 1 0 0 1 1 0 0)"
quiet mask ties.npy out.npy --tie lower
holds out.npy '|u1' '(2, 4)' "$(u1 1 1 0 0 1 1 0 0)"
quiet mask ties.npy out.npy --tie higher
holds out.npy '|u1' '(2, 4)' "$(u1 0 0 1 1 1 1 0 0)"

npy x.npy '<f4' '(3,)' "$(f4 2 -1 0)"
run encode x.npy codes.npy --format e4m3fn --scale max_over_amax
[ "$(cat stdout)" = "scale 224" ] || fail "scale: $(cat stdout)"
holds codes.npy '|u1' '(3,)' "$(u1 7E F6 00)"
quiet decode codes.npy out.npy --format e4m3fn --scale 224
holds out.npy '<f4' '(3,)' "$(f4 2 -1 0)"
quiet encode x.npy out.npy --format e5m2
holds out.npy '|u1' '(3,)' "$(u1 40 BC 00)"
quiet encode x.npy out.npy --format e4m3fn --scale 0.5
holds out.npy '|u1' '(3,)' "$(u1 38 B0 00)"
run encode x.npy /dev/stdout --format e4m3fn --scale max_over_amax
cmp stdout codes.npy || fail "/dev/stdout gets something else"
[ "$(cat stderr)" = "sste: scale 224" ] || fail "the scale is lost"
npy x.npy '<f4' '(4,)' "$(f4 1e9 inf nan -0)"
for how in ocp:7E,7E,7F,80 ocp_nonsaturating:7F,7F,7F,80 \
  cuda_satfinite:7E,7E,7F,80 cuda_nosat:7F,7F,7F,80 \
  ml_dtypes_0_6:7F,7F,7F,80 torch_2_12:7F,7F,7F,80 torch_2_13:7E,7E,7F,80 \
  onnx_25_saturate:7E,7E,7F,80 onnx_25:7F,7F,7F,80; do
  quiet encode x.npy out.npy --format e4m3fn --like "${how%:*}"
  holds out.npy '|u1' '(4,)' "$(u1 $(echo "${how#*:}" | tr , ' '))"
done
for how in cuda_satfinite:7B,7B,7F,80 cuda_nosat:7C,7C,7F,80 \
  ml_dtypes_0_6:7C,7C,7E,80 torch_2_13:7C,7C,7F,80 \
  onnx_25_saturate:7B,7B,7E,80 onnx_25:7C,7C,7E,80; do
  quiet encode x.npy out.npy --format e5m2 --like "${how%:*}"
  holds out.npy '|u1' '(4,)' "$(u1 $(echo "${how#*:}" | tr , ' '))"
done
# Every rule has the name of C's enumeration, in small letters as in Python.
[ "$(echo "$rules" | wc -l)" -eq 9 ] || fail "the header has rules $rules"
for rule in $rules; do
  quiet encode x.npy out.npy --format e4m3fn --like $rule
  passed
done
# One, in every format: the exponent's bias above the mantissa.
npy one.npy '<f4' '()' "$(f4 1)"
for how in e4m3fn:38 e5m2:3C e4m3:38 e3m4:30 e3m4fn:30 e4m3fnuz:40 \
  e5m2fnuz:40 e4m3b11fnuz:58 ue4m3:38 e8m0:7F; do
  quiet encode one.npy out.npy --format "${how%:*}"
  holds out.npy '|u1' '()' "$(u1 "${how#*:}")"
  quiet decode out.npy out.npy --format "${how%:*}" # in place
  holds out.npy '<f4' '()' "$(f4 1)"
done

npy sparse.npy '<f4' '(1, 8)' "$(f4 0 5 0 0 0 0 7 -2)"
quiet compress sparse.npy values.npy meta.npy
holds values.npy '<f4' '(1, 4)' "$(f4 0 5 7 -2)"
holds meta.npy '|u1' '(1, 1)' "$(u1 E4)"
quiet decompress values.npy meta.npy out.npy
cmp out.npy sparse.npy || fail "decompress does not undo compress"
npy odd.npy '<f4' '(2, 1, 4)' "$(f4 0 5 0 0 0 0 7 -2)"
quiet compress odd.npy values.npy meta.npy
holds values.npy '<f4' '(2, 1, 2)' "$(f4 0 5 7 -2)"
holds meta.npy '|u1' '(2, 1, 1)' "$(u1 04 0E)"
quiet decompress values.npy meta.npy out.npy
cmp out.npy odd.npy || fail "decompress does not undo compress"
passed

# Two tokens, three features in, two out.
npy x.npy '<f4' '(2, 3)' "$(f4 1 2 0 0 -1 1)"
npy wt.npy '<f4' '(2, 3)' "$(f4 3 4 0 1 0 2)"
npy dz.npy '<f4' '(2, 2)' "$(f4 1 2 0 -1)"
quiet product x.npy wt.npy out.npy
holds out.npy '<f4' '(2, 2)' "$(f4 11 1 -4 2)"
quiet product dz.npy wt.npy out.npy --kind input_grad
holds out.npy '<f4' '(2, 3)' "$(f4 5 4 4 -1 0 -2)"
quiet product dz.npy x.npy out.npy --kind weight_grad
holds out.npy '<f4' '(2, 3)' "$(f4 1 2 0 2 5 -1)"
npy row.npy '<u2' '(4,)' "$(bf16 4 -3 2 -1)"
npy rows.npy '<f2' '(1, 4)' "$(f2 2 0 0 -3)"
quiet product row.npy rows.npy out.npy
holds out.npy '<f4' '(1,)' "$(f4 11)"

# A group with two non-zeros is its own sample; others come from the stream:
# {1, 1, 1, 1} keeps two, of twice the size.
quiet mvue sparse.npy out.npy --seed 5
cmp out.npy sparse.npy || fail "mvue changes a 2:4 matrix"
npy four.npy '<f4' '(1, 4)' "$(f4 1 1 1 1)"
quiet mvue four.npy out.npy --seed 9
[ "$(od -An -v -tf4 -j128 out.npy | tr -s ' ' '\n' | grep -c '^2$')" = 2 ] ||
  fail "mvue of four ones: $(od -An -tf4 -j128 out.npy)"
quiet mvue four.npy out.npy --group 2
[ "$(od -An -v -tf4 -j128 out.npy | tr -s ' ' '\n' | grep -c '^2$')" = 2 ] ||
  fail "1:2 of four ones: $(od -An -tf4 -j128 out.npy)"
passed
# Philox of 0 begins 6627e8d5: u = 0.399, the points 0.8 and 2.8 of 4 ones.
quiet mvue four.npy out.npy
holds out.npy '<f4' '(1, 4)' "$(f4 2 0 2 0)"
quiet gen normal 16x12 n.npy
quiet mvue n.npy 0 --seed 1
for how in "--seed 2" "--seed 1 --tensor 1" "--seed 1 --step 1" \
  "--seed 1 --axis columns" "--seed 1 --group 2" "--seed 1 --run 1" \
  "--seed 1 --first-group 1"; do
  quiet mvue n.npy out.npy $how
  cmp -s out.npy 0 && fail "mvue: $how changes nothing"
  passed
done

# A part is drawn as the whole is, where it begins in it. Columns 8 on of row 2
# are groups 2 on of its run; rows 4 on down the columns are group 1 on.
tail -c +129 n.npy >whole
part() { # OF NAME SHAPE: rows 4 on of 16 x 12 floats, or all of row 2 behind 8
  npy "$2" '<f4' "$3" ""
  case $3 in
    '(12, 12)') tail -c +$((1 + 4 * 48)) "$1" >>"$2" ;;
    '(1, 4)') tail -c +$((1 + 4 * 32)) "$1" | head -c 16 >>"$2" ;;
  esac
}
for how in "(12, 12):--run 4:" "(1, 4):--run 2 --first-group 2:" \
  "(12, 12):--first-group 1:--axis columns" "(12, 12):--run 4:--group 2" \
  "(1, 4):--run 2 --first-group 4:--group 2"; do
  shape=${how%%:*} place=${how#*:}
  quiet mvue n.npy out.npy --seed 1 ${how##*:}
  tail -c +129 out.npy >drawn
  part whole in.npy "$shape"
  part drawn want.npy "$shape"
  quiet mvue in.npy out.npy --seed 1 ${place%:*} ${how##*:}
  cmp out.npy want.npy || fail "mvue $how: not the part of the whole"
  passed
done
# The last run, and the last group of it.
quiet mvue four.npy out.npy --run 4294967295 --first-group 17179869183

# The seed of a draw, its shape, and what integers are by the header.
quiet gen integers 1x4 out.npy --seed 1
holds out.npy '<f4' '(1, 4)' "$(f4 0 -3 -3 1)"
quiet gen integers 1x4 out.npy
holds out.npy '<f4' '(1, 4)' "$(f4 0 -3 -3 1)"
quiet gen integers 1x2 out.npy
holds out.npy '<f4' '(1, 2)' "$(f4 0 -3)"
quiet gen ties 0x4 out.npy
holds out.npy '<f4' '(0, 4)' ""
[ "$(echo "$kinds" | wc -l)" -ge 15 ] || fail "the header has kinds $kinds"
run gen --help
cp stdout help
for kind in $kinds; do
  grep -q "^  $kind  *[^ ]" help || fail "gen --help does not explain $kind"
  quiet gen $kind 8x64 $kind.npy --seed 3
  quiet gen $kind 8x64 out.npy --seed 4
  cmp -s out.npy $kind.npy && fail "gen $kind: the seed changes nothing"
  [ "$(wc -c <out.npy)" -eq $((128 + 8 * 64 * 4)) ] || fail "gen $kind: size"
  passed
done

# Boundaries: 12 per magnitude and gap, 8 per exponent field; the ninth is the
# midpoint of 0 and 2^-9 itself.
for how in float32:4:3572 float16:2:1780 bfloat16:2:3572 float64:8:17908; do
  size=${how#*:} count=${how##*:}
  size=${size%:*}
  quiet gen boundaries out.npy --to e4m3fn --from "${how%%:*}"
  [ "$(wc -c <out.npy)" -eq $((128 + size * count)) ] ||
    fail "boundaries of ${how%%:*}: $(wc -c <out.npy) bytes"
  ninth=$(od -An -v -t"x$size" -j$((128 + 8 * size)) -N"$size" out.npy)
  case $how:$ninth in
    float32:*\ 3a800000 | float64:*\ 3f50000000000000) ;;
    float16:*\ 1400 | bfloat16:*\ 3a80) ;;
    *) fail "boundaries of ${how%%:*}: the ninth is $ninth" ;;
  esac
  passed
done
quiet gen boundaries out.npy --to e8m0
[ "$(wc -c <out.npy)" -eq $((128 + 4 * (255 * 12 + 256 * 8))) ] || fail "e8m0"
passed

# ---- Verdicts ----------------------------------------------------------------

# equal/differs WORDS ARGUMENTS: the report has the words, stderr nothing
verdict() {
  want=$1 words=$2
  shift 2
  status=0
  "$sste" compare "$@" >stdout 2>stderr || status=$?
  [ $status -eq "$want" ] || fail "compare $*: status $status, not $want"
  [ ! -s stderr ] || fail "compare $*: $(cat stderr)"
  [ -z "$(tail -c 1 stdout)" ] || fail "compare $*: the report is cut off"
  tr -s ' ' ' ' <stdout | grep -q "$words" ||
    fail "compare $*: no '$words' in: $(cat stdout)"
  passed
}
equal() { verdict 0 "$@"; }
differs() { verdict 1 "$@"; }

codes() { npy "$1" '|u1' "(2, 4)" "$(u1 38 38 38 38 38 38 $2 38)"; }
codes a.npy 38
equal "^8 numbers in E4M3FN: 8 same, 0 differ$" a.npy a.npy
for how in "39:one step 1:1" "3A:further 1:2" "B8:sign 1:112" \
  "7F:NaN 1:-"; do
  codes b.npy "${how%%:*}"
  class=${how#*:}
  differs "^ ${class%:*}$" b.npy a.npy
  differs "^ 1 2 ${class%?1:*}" b.npy a.npy # row 1, column 2
  differs " ${how##*:}$" b.npy a.npy        # the distance
done
codes zero.npy 00
codes minus.npy 80
differs "^ zero sign 1$" minus.npy zero.npy
equal "8 same" zero.npy zero.npy --format e5m2
differs "^ NaN 1$" minus.npy zero.npy --format e4m3fnuz
codes top.npy 7E
codes nan.npy 7F
differs "^ saturation 1$" top.npy nan.npy
differs "^ encoding 1$" top.npy nan.npy --format e5m2
codes top.npy 7B
codes inf.npy 7C
differs "^ saturation 1$" top.npy inf.npy --format e5m2
differs "^ infinity 1$" a.npy inf.npy --format e5m2
npy a.npy '<f4' '(2,)' "$(f4 11 1)"
npy b.npy '<f4' '(2,)' "$(f4 11+2ulp 1)"
differs "^worst 2 ulps at row 0, column 0$" b.npy a.npy
npy c.npy '<u2' '(1,)' '\001\100'
npy d.npy '<u2' '(1,)' '\000\100'
differs "^1 numbers in bfloat16" c.npy d.npy
differs "^ 0 0 one step 4001 2.015625 4000 2 1$" c.npy d.npy
differs "^ 0 0 one step 4001 2.00195312 4000 2 1$" c.npy d.npy --format float16
npy c.npy '<f2' '(1,)' '\001\100'
npy d.npy '<f2' '(1,)' '\000\100'
differs "^1 numbers in float16" c.npy d.npy
quiet gen boundaries c.npy --to e4m3fn --from float64
equal "^17908 numbers in float64: 17908 same" c.npy c.npy

# What an error excuses: 0x39 for 1.062, which is nearer to 1.
npy got.npy '|u1' '(1,)' "$(u1 39)"
npy want.npy '|u1' '(1,)' "$(u1 38)"
npy near.npy '<f4' '(1,)' "$(f4 1.062)"
npy large.npy '<f4' '(1,)' "$(f4 0.001)"
npy small.npy '<f4' '(1,)' "$(f4 0.0001)"
differs "one step 1" got.npy want.npy
equal " 1 within, 0 differ" got.npy want.npy --near near.npy --error large.npy
differs "one step 1" got.npy want.npy --near near.npy --error small.npy
npy got.npy '|u1' '(1,)' "$(u1 7F)"
npy want.npy '|u1' '(1,)' "$(u1 7E)"
npy near.npy '<f4' '(1,)' "$(f4 1e9)"
differs "saturation 1" got.npy want.npy --near near.npy --error small.npy
equal " 1 within, 0 differ" got.npy want.npy --near near.npy --error small.npy \
  --like cuda_nosat
npy got.npy '<f2' '(1,)' '\000\174' # float16 does not saturate
npy want.npy '<f2' '(1,)' '\377\173'
equal " 1 within, 0 differ" got.npy want.npy --near near.npy --error small.npy

# 2:4, masks, and metadata.
npy a.npy '<f4' '(1, 8)' "$(f4 1 1 0 0 2 -1 0 0)"
equal "^2 groups of four .* 2 same" a.npy a.npy --as 2:4
for how in "not 2:4:1 1 1 0" "position:1 0 1 0" "value:1 2 0 0" \
  "zero sign:1 1 -0 0"; do
  npy b.npy '<f4' '(1, 8)' "$(f4 1 1 0 0 ${how##*:})"
  npy c.npy '<f4' '(1, 8)' "$(f4 1 1 0 0 1 1 0 0)"
  differs "^ ${how%:*} 1$" b.npy c.npy --as 2:4
done
npy b.npy '<f4' '(1, 8)' "$(f4 1 0 1 0 2 -1 0 0)"
npy source.npy '<f4' '(1, 8)' "$(f4 1 1 1 1 4 -3 2 -1)"
differs "^ position 1$" b.npy a.npy --as 2:4
differs "^ tie 1$" b.npy a.npy --as 2:4 --source source.npy
quiet mask source.npy a.npy
quiet mask source.npy b.npy --tie higher
differs "^ tie 1$" b.npy a.npy --as 2:4 --source source.npy
npy a.npy '|u1' '(2, 1)' "$(u1 E4 44)"
equal "^4 nibbles: 4 same" a.npy a.npy --as metadata
for how in "4E:swapped 2" "E8:position 1" "E0:nibble 1"; do
  npy b.npy '|u1' '(2, 1)' "$(u1 "${how%:*}" 44)"
  differs "^ ${how#*:}$" b.npy a.npy --as metadata
done
npy a.npy '|u1' '(2, 1)' "$(u1 04 04)"
npy b.npy '|u1' '(2, 1)' "$(u1 04 94)"
equal "^4 nibbles: 4 same" a.npy a.npy --as metadata --cols 4
differs "^ padding 1$" b.npy a.npy --as metadata --cols 4
equal "^4 nibbles: 4 same" a.npy a.npy --as metadata
differs "^ nibble 1$" a.npy b.npy --as metadata

# Products: by hand 11 = 1 * 3 + 2 * 4, whose magnitudes sum to 11, too. One
# ulp of 11 is 2^-20; the bounds of two terms are 11 * 2^-23, 11 * 2.5 * 2^-23,
# and more.
npy x.npy '<f4' '(1, 2)' "$(f4 1 2)"
npy wt.npy '<f4' '(1, 2)' "$(f4 3 4)"
for how in "exact:1 0 0" "float:1 1 0" "tensor_core:1 1 1" \
  "fp8_hopper:1 1 1" "fp8_promoted:1 1 1"; do
  set -- ${how#*:}
  for z in 11 11+ulp 11+2ulp; do
    npy z.npy '<f4' '(1, 1)' "$(f4 $z)"
    verdict $((1 - $1)) "numbers in float32" z.npy --product x.npy wt.npy \
      --sum "${how%:*}"
    shift
  done
done
npy z.npy '<f4' '(1, 1)' "$(f4 11+ulp)"
equal " 1 within, 0 differ" z.npy --product x.npy wt.npy
differs "^ one step 1$" z.npy --product x.npy wt.npy --terms 0
npy z.npy '|u1' '(1, 1)' "$(u1 53)" # 11 in E4M3FN: 8 * 1.375
equal "1 same" z.npy --product x.npy wt.npy --sum exact
npy z.npy '<u2' '(1, 1)' '\060\101'
equal "1 same" z.npy --product x.npy wt.npy --sum exact
# Beyond the largest number codes saturate unless a rule says otherwise, and
# float16 does not.
npy x.npy '<f4' '(1, 1)' "$(f4 1e9)"
npy wt.npy '<f4' '(1, 1)' "$(f4 1)"
npy z.npy '|u1' '(1, 1)' "$(u1 7E)"
equal "1 same" z.npy --product x.npy wt.npy
differs "^ saturation 1$" z.npy --product x.npy wt.npy --like cuda_nosat
npy z.npy '<f2' '(1, 1)' "$(u2 7C00)"
equal "1 same" z.npy --product x.npy wt.npy
npy z.npy '<f2' '(1, 1)' "$(u2 7BFF)"
differs "^ saturation 1$" z.npy --product x.npy wt.npy

# From a draw to a verdict. The planted difference lies in a later block: row
# 300 of rows of 1024 floats, 256 to a block.
run gen integers 400x1024 x.npy
run gen ties 24x1024 w.npy
run project w.npy p.npy --beta min_mse
run compress p.npy values.npy meta.npy
run decompress values.npy meta.npy back.npy
equal "^6144 groups of four .* 6144 same" back.npy p.npy --as 2:4 --source w.npy
run gen integers 400x24 dz.npy --seed 2
for how in "forward x.npy w.npy" "input_grad dz.npy p.npy" \
  "weight_grad dz.npy x.npy"; do
  set -- $how
  run product "$2" "$3" z.npy --kind "$1"
  equal "0 differ" z.npy --product "$2" "$3" --kind "$1" --sum exact
done
quiet project x.npy a.npy
cp a.npy b.npy
printf '\377' | dd of=b.npy bs=1 conv=notrunc \
  seek=$((128 + 4 * (300 * 1024 + 77) + 3)) 2>/dev/null
differs "^ 300 77 " b.npy a.npy
differs "at row 300, column 77$" b.npy a.npy

# ---- The same bits for 1, 2 and 5 threads, and in any blocks -----------------

for threads in 1 2 5; do
  export OMP_NUM_THREADS=$threads
  {
    run gen weights 700x1000 w.npy
    run project w.npy p.npy --beta min_mse
    cat stdout
    run compress p.npy v.npy m.npy
    run mask w.npy mask.npy
    run encode w.npy c.npy --format e4m3fn --scale max_over_amax
    cat stdout
    run mvue w.npy s.npy --axis columns
    run mvue w.npy r.npy --group 2
    run product w.npy p.npy z.npy
    cat w.npy p.npy v.npy m.npy mask.npy c.npy s.npy r.npy z.npy
  } | cksum >sum.$threads
done
unset OMP_NUM_THREADS
cmp sum.1 sum.2 && cmp sum.1 sum.5 || fail "results depend on the threads"
passed

# A row as long as the matrix is cut in pieces; they make what the rows make.
last() { tail -c "$2" "$1"; }
first() { head -c $((128 + $2)) "$1" | tail -c "$2"; }
flat() { # FILE NAME SHAPE: the same data in another shape
  npy "$2" '<f4' "$3" ""
  tail -c +129 "$1" >>"$2"
}
same() { cmp "$1" "$2" || fail "$3"; passed; }
flat w.npy flat.npy '(700000,)'
for how in "project:--beta 1.5" "encode:--format e5m2" "mask:"; do
  run "${how%%:*}" w.npy a.npy ${how#*:}
  run "${how%%:*}" flat.npy b.npy ${how#*:}
  tail -c +129 a.npy >a
  tail -c +129 b.npy >b
  same a b "${how%%:*}: a long row is cut wrongly"
done
flat p.npy flat.npy '(700000,)'
run compress flat.npy v.npy m.npy
run decompress v.npy m.npy b.npy
same b.npy flat.npy "compress: a long row is cut wrongly"

# What is drawn depends on the place alone: the last row of many blocks is the
# one of a single block, and no piece of a row is like another.
run gen normal 600x1000 wide.npy
run gen normal 600x4 narrow.npy
last wide.npy 4000 | head -c 16 >a
last narrow.npy 16 >b
same a b "gen: a row depends on its block"
run mvue wide.npy a.npy
run mvue narrow.npy b.npy
last a.npy 4000 | head -c 16 >a
last b.npy 16 >b
same a b "mvue: a row depends on its block"
run gen normal 1x300000 row.npy
first row.npy 4000 >a
tail -c +$((129 + 4 * 262144)) row.npy | head -c 4000 >b
cmp -s a b && fail "gen: the pieces of a row are alike"
# Along one row run the same groups as down one column.
flat row.npy column.npy '(300000, 1)'
for how in "--group 4" "--group 2"; do
  run mvue row.npy a.npy $how
  run mvue column.npy b.npy --axis columns $how
  tail -c +129 a.npy >a
  tail -c +129 b.npy >b
  same a b "mvue $how: along a row is not as down a column"
done
run gen normal 1204x1000 wide.npy # blocks of 260 rows, and a rest
run gen normal 1204x4 narrow.npy
run mvue wide.npy a.npy --axis columns
run mvue narrow.npy b.npy --axis columns
last a.npy 4000 | head -c 16 >a
last b.npy 16 >b
same a b "mvue: a group down the columns depends on its block"

# An outer product is any of the three; here in blocks of 256 rows.
run gen normal 1x600 left.npy --seed 1
run gen normal 1x1000 right.npy --seed 2
flat left.npy left1.npy '(600, 1)'
flat right.npy right1.npy '(1000, 1)'
run product left1.npy right1.npy a.npy
run product left1.npy right.npy b.npy --kind input_grad
run product left.npy right.npy c.npy --kind weight_grad
same a.npy b.npy "input_grad depends on its block"
same a.npy c.npy "weight_grad depends on its block"
equal "600000 same" a.npy --product left.npy right.npy --kind weight_grad
run gen normal 600x1 other.npy --seed 3
differs "0 same" a.npy --product other.npy right1.npy

# The largest magnitude may lie in any block.
zeros() { head -c "$1" /dev/zero; }
npy a.npy '<f4' '(3, 100000)' "$(f4 2)"
zeros $((4 * 299999)) >>a.npy
npy b.npy '<f4' '(3, 100000)' ""
{ zeros $((4 * 299999)); printf "$(f4 -2)"; } >>b.npy
for name in a.npy b.npy; do
  run encode $name out.npy --format e4m3fn --scale max_over_amax
  [ "$(cat stdout)" = "scale 224" ] || fail "scale of $name: $(cat stdout)"
  passed
done
npy c.npy '<f4' '(3, 100000)' "$(f4 nan)" # is not lost on the way
tail -c +$((129 + 4)) b.npy >>c.npy
run encode c.npy out.npy --format e4m3fn --scale max_over_amax
[ "$(cat stdout)" = "scale 1" ] || fail "scale of a NaN: $(cat stdout)"
passed

# No more memory than blocks take: 40 MB pass through 8 MiB, one thread.
if sh -c 'ulimit -d 8192 && "$1" --version; exit $?' sh "$sste" >/dev/null 2>&1
then
  limited() { (ulimit -d 8192; OMP_NUM_THREADS=1 run "$@") || exit 1; }
  limited gen weights 5000x2000 w.npy
  limited project w.npy p.npy --beta min_mse
  limited mvue p.npy s.npy --axis columns
  limited compress p.npy v.npy m.npy
  limited decompress v.npy m.npy b.npy
  limited compare b.npy p.npy --as 2:4 --source w.npy
  limited gen sparse 1x10000000 w.npy
  limited mask w.npy m.npy
  limited compress w.npy v.npy m.npy
  limited decompress v.npy m.npy b.npy
  rm -f w.npy p.npy s.npy v.npy m.npy b.npy
  passed
fi

# ---- Files: whole or not at all ----------------------------------------------

npy w.npy '<f4' '(1, 4)' "$(f4 4 -3 2 -1)"
cp w.npy self.npy
quiet project self.npy self.npy # in place
holds self.npy '<f4' '(1, 4)' "$(f4 2 -1 0 0)"
if shm=$(mktemp -d /dev/shm/sste.XXXXXX 2>/dev/null); then
  trap 'rm -rf "$tmp" "$shm"' EXIT
  cp w.npy "$shm/w.npy" # a file like any other
  quiet project "$shm/w.npy" "$shm/w.npy"
  cmp "$shm/w.npy" self.npy || fail "in place in /dev/shm"
  passed
fi
cp w.npy target.npy
ln -s target.npy link.npy
quiet project w.npy link.npy
[ -L link.npy ] && cmp -s target.npy self.npy || fail "the link was replaced"
mkfifo pipe
cat pipe >through & "$sste" project w.npy pipe || fail "into a pipe: $?"
wait
cmp through self.npy || fail "a pipe gets something else"
[ -p pipe ] || fail "the pipe was replaced"
"$sste" gen ties 400x800 /dev/stdout | "$sste" project /dev/stdin a.npy
"$sste" gen ties 400x800 b.npy
quiet project b.npy b.npy
cmp a.npy b.npy || fail "a pipe gives something else"
passed

# What is open already is written where it stands, and not cut off.
for out in /dev/stdout /dev/fd/1 /proc/self/fd/1; do
  echo kept >log
  "$sste" project w.npy $out >>log || fail "$out: status $?"
  { echo kept; cat self.npy; } >expected
  cmp log expected || fail "$out cuts off the file behind it"
  passed
done
echo kept >log
"$sste" project w.npy /dev/stderr 2>>log
cmp log expected || fail "/dev/stderr cuts off the file behind it"
echo kept >log
"$sste" project w.npy /dev/fd/3 3>>log
cmp log expected || fail "/dev/fd/3 cuts off the file behind it"
passed
# A replaced file hands on who may read it; a new one is as the umask has it.
for mode in 600 444 666; do
  echo old >mode.npy
  chmod $mode mode.npy
  mode=$(ls -l mode.npy | cut -c1-10)
  quiet project w.npy mode.npy
  cmp mode.npy self.npy || fail "mode.npy is not replaced"
  [ "$(ls -l mode.npy | cut -c1-10)" = "$mode" ] || fail "$mode is lost"
  rm -f mode.npy
  passed
done
(umask 027; quiet project w.npy mode.npy) || exit 1
[ "$(ls -l mode.npy | cut -c1-10)" = -rw-r----- ] || fail "the umask is ignored"
passed

# ---- Bad input: one line on stderr, nothing on stdout, status 2 --------------

echo precious >old.npy
refuses() { # words that the message must hold, then the arguments
  words=$1
  shift
  status=0
  timeout 600 "$sste" "$@" >stdout 2>stderr || status=$?
  [ $status -eq 2 ] || fail "$*: status $status, not 2"
  [ "$(wc -l <stderr)" -eq 1 ] && grep -q '^sste: ' stderr ||
    fail "$*: not one message: $(cat stderr)"
  grep -q -e "$words" stderr || fail "$*: '$(cat stderr)' lacks '$words'"
  [ ! -s stdout ] || fail "$*: wrote to stdout"
  ! ls | grep -q '\.part$' || fail "$*: left $(ls ./*.part)"
  [ "$(cat old.npy)" = precious ] || fail "$*: the old output is hurt"
  passed
}

# bad WORDS HEADER [DATA]: a dict of any length, in a frame of 128 bytes
bad() {
  {
    printf '\223NUMPY\001\000\166\000'
    printf '%-117s\n' "$2"
    printf "${3-$(f4 1 2 3 4)}"
  } >bad.npy
  refuses "^sste: bad.npy: .*$1" project bad.npy old.npy
  # and where it is not the first file
  refuses "^sste: bad.npy: .*$1" compare w.npy bad.npy
}
good="{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}"
framed() { # WORDS MAGIC DICT: another frame
  printf "$2%s" "$3" >bad.npy
  printf "$(f4 1 2 3 4)" >>bad.npy
  refuses "$1" project bad.npy old.npy
}

# What is sound though, however it is written.
sound() {
  printf "$1%s" "$2" >sound.npy
  printf "$(f4 4 -3 2 -1)" >>sound.npy
  quiet project sound.npy out.npy
  holds out.npy '<f4' '(4,)' "$(f4 2 -1 0 0)"
}
v1='\223NUMPY\001\000'
sound "$v1\\102\\000" "$(printf '%-66s' "$good")"
sound '\223NUMPY\002\000\100\000\000\000' "$(printf '%-64s' "$good")"
sound '\223NUMPY\003\000\100\000\000\000' "$(printf '%-64s' "$good")"
sound "$v1\\106\\000" "$(printf '%-70s' \
  '{ "shape" :( 4 , ) ,"descr": "<f4","fortran_order" : False , }')"

bad "header is no dict" ""
bad "header is no dict" "[1, 2]"
bad "malformed" "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)"
bad "malformed" "{'descr': '<f4' 'fortran_order': False, 'shape': (4,)}"
bad "malformed" "{'descr': '<f4',, 'fortran_order': False, 'shape': (4,)}"
bad "malformed" "{descr: '<f4', 'fortran_order': False, 'shape': (4,)}"
bad "malformed" "{'descr' '<f4', 'fortran_order': False, 'shape': (4,)}"
bad "malformed" "{'descr\": '<f4', 'fortran_order': False, 'shape': (4,)}"
bad "goes on" "$good, 3"
bad "lacks 'shape'" "{'descr': '<f4', 'fortran_order': False}"
bad "lacks 'descr'" "{'fortran_order': False, 'shape': (4,)}"
bad "lacks 'fortran_order'" "{'descr': '<f4', 'shape': (4,)}"
bad "'descr' twice" "{'descr': '<f4', 'descr': '<f4', 'shape': (4,)}"
bad "unknown key 'color'" \
  "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'color': 1}"
order() { bad "$1" "{'descr': '<f4', 'fortran_order': $2, 'shape': (4,)}"; }
order "np.ascontiguousarray" True
order "neither True nor False" 1
order "neither True nor False" false
order "malformed" Falsehood
shape() { bad "$1" "{'descr': '<f4', 'fortran_order': False, 'shape': $2}"; }
shape "negative" "(-4,)"
shape "overflows" "(99999999999999999999,)"
shape "overflows" "(9223372036854775808,)"
shape "overflows" "(18446744073709551620,)" # 4 in 64 bits
shape "overflows" "(0, 9223372036854775807)"
shape "overflows" "(4294967296, 4294967296)"
shape "overflows" "(4611686018427387904, 0)"
shape "no tuple" "4"
shape "no tuple" "(4)"
shape "no tuple" "[4]"
shape "malformed" "(4 4)"
shape "malformed" "(,)"
shape "malformed" "(4,,4)"
shape "malformed" "(4.0,)"
shape "malformed" "(04,)"
shape "malformed" "(4L,)"
shape "malformed" "('4',)"
shape "malformed" "(4,"
shape "needs 20 bytes of data, and there are 16" "(5,)"
shape "needs 12 bytes of data, and there are more" "(3,)"
shape "needs 0 bytes of data, and there are more" "(4, 0)"
shape "needs 4 bytes of data, and there are more" "()"
descr() { bad "$1" "{'descr': $2, 'fortran_order': False, 'shape': (4,)}"; }
descr "'<i4' is none of" "'<i4'"
descr "'<c8' is none of" "'<c8'"
descr "'<f16' is none of" "'<f16'"
descr "'|f4' is none of" "'|f4'"
descr "'f4' is none of" "'f4'"
descr "'<U4' is none of" "'<U4'"
descr "'' is none of" "''"
descr "big-endian; save x.astype('<f4')" "'>f4'"
descr "pickle" "'|O'"
descr "structured" "[('a', '<f4')]"
descr "dtype is malformed" "4"
descr "dtype is malformed" "'<f4\\\\n'"
descr "dtype is malformed" "'$(printf '%040d' 0)'"
framed "not a .npy file" "PK\003\004" "$good"
framed "not a .npy file" '\223NUMPX\001\000\166\000' "$good"
framed "version 4.0" '\223NUMPY\004\000\166\000\000\000' "$good"
framed "version 0.1" '\223NUMPY\000\001\166\000' "$good"
framed "version 1.1" '\223NUMPY\001\001\166\000' "$good"
framed "cut off" "$v1\\377\\000" "$good"
framed "absurd" "$v1\\021\\047" "$good"
framed "absurd" '\223NUMPY\002\000\377\377\377\377' "$good"
framed "header is no dict" "$v1\\000\\000" "$good"
framed "malformed" "$v1\\060\\000" "$good"
framed "no multiple of 4" "$v1\\077\\000" "$(printf '%-63s' "$good")"
for n in 0 5 7 8 9 60 127; do
  head -c $n w.npy >bad.npy
  refuses "not a .npy file\|cut off" project bad.npy old.npy
done
head -c 143 w.npy >bad.npy
refuses "needs 16 bytes of data, and there are 15" project bad.npy old.npy

# A pipe may have no end: no more is read than its header announces, and a byte.
room=unlimited # as AddressSanitizer needs it
sh -c 'ulimit -d 1000000 && "$1" --version' sh "$sste" >/dev/null 2>&1 &&
  room=1000000
endless() { # WORDS, of the message on standard input
  (ulimit -d $room; refuses "$1" project /dev/stdin old.npy) || exit 1
  passed
}
endless "not a .npy file" </dev/zero
yes | endless "not a .npy file"
{ cat w.npy; yes; } | endless "needs 16 bytes of data, and there are more"
{ head -c 127 w.npy; printf ')'; yes; } | endless "goes on after its dict"
head -c 143 w.npy | endless "needs 16 bytes of data, and there are 15"
head -c 100 w.npy | endless "cut off"
head -c 9 w.npy | endless "cut off"
printf '' | endless "not a .npy file"
{ cat w.npy; echo next; } | {
  "$sste" project /dev/stdin old.npy 2>stderr || cat >rest
}
[ "$(cat rest)" = ext ] || fail "a pipe is read beyond its end: $(cat rest)"
passed

# Misuse.
refuses "no verb"
refuses "unknown verb 'frobnicate'" frobnicate
refuses "unknown verb '-x'" -x
refuses "no option '--frobnicate'" project w.npy old.npy --frobnicate 1
refuses "no option '--seed'" project w.npy old.npy --seed 1
refuses "usage: sste project IN OUT" project w.npy
refuses "usage: sste gen KIND ROWSxCOLS OUT" gen
refuses "usage: sste compare GOT WANT" compare
refuses "wants OUT" gen boundaries
refuses "'c' is too much" project w.npy old.npy c
refuses "wants a value" project w.npy old.npy --beta
refuses "wants a value" project w.npy old.npy --beta ""
refuses "given twice" project w.npy old.npy --beta 1 --beta 1
for beta in 0 -1 inf nan 1x 1e99 1e-99 " 1" MIN_MSE; do
  refuses "above 0" project w.npy old.npy --beta "$beta"
done
npy zeros.npy '<f4' '(1, 4)' "$(f4 0 0 0 0)"
refuses "zero everywhere" project zeros.npy old.npy --beta min_mse
refuses "must be finite" project poison.npy old.npy --beta min_mse
ln -s nowhere.npy dangling.npy
refuses "dangling.npy is a link that leads nowhere" project w.npy dangling.npy
[ -L dangling.npy ] && [ ! -e nowhere.npy ] || fail "a dangling link is written"
refuses "No such file" project no-such-file old.npy
refuses "directory" project . old.npy
refuses "cannot write nowhere" project w.npy nowhere/out.npy
refuses "cannot write" project w.npy .
refuses "No space left" project w.npy /dev/full
refuses "No space left" gen normal 1000000x1000000 /dev/full # at once
npy three.npy '<f4' '(1, 3)' "$(f4 1 2 3)"
npy bytes.npy '|u1' '(1, 4)' "$(u1 1 2 3 4)"
npy wide.npy '<f8' '(1,)' '\0\0\0\0\0\0\0\0'
refuses "Bad file descriptor" project w.npy /dev/fd/99
refuses "3 columns" project three.npy old.npy
refuses "3 columns" mask three.npy old.npy
refuses "3 columns" compress three.npy old.npy meta.npy
refuses "3 columns" mvue three.npy old.npy
refuses "1 rows" mvue w.npy old.npy --axis columns
refuses "dtype is 'u1'" project bytes.npy old.npy
refuses "dtype is 'f8'" encode wide.npy old.npy --format e5m2
refuses "dtype is 'f4'" decode w.npy old.npy --format e5m2
refuses "--format is missing" encode w.npy old.npy
refuses "must be one of: e4m3fn .* e8m0$" encode w.npy old.npy --format fp8
refuses "must be one of" encode w.npy old.npy --format float16
refuses "must be one of" encode w.npy old.npy --format e5m2 --like me
refuses "above 0" decode bytes.npy old.npy --format e5m2 --scale 0
refuses "lower higher" mask w.npy old.npy --tie both
refuses "rows columns" mvue w.npy old.npy --axis 1
refuses "4 2" mvue w.npy old.npy --group 3
refuses "whole number" mvue w.npy old.npy --seed -1
refuses "whole number" mvue w.npy old.npy --seed 1.0
refuses "the most" mvue w.npy old.npy --seed 18446744073709551616
refuses "the most" mvue w.npy old.npy --step 4294967296
refuses "the most" mvue w.npy old.npy --run 4294967296
refuses "the most" mvue w.npy old.npy --first-group 17179869184
npy two.npy '<f4' '(4, 4)' "$(f4 1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4)"
refuses "ends beyond" mvue two.npy old.npy --run 4294967293
refuses "ends beyond" mvue two.npy old.npy --run 4294967293 --axis columns
refuses "ends beyond" mvue two.npy old.npy --first-group 17179869183 --group 2
run gen sparse 400x1024 late.npy
printf '%s' 1234567890123456 | dd of=late.npy bs=1 conv=notrunc \
  seek=$((128 + 4 * (300 * 1024 + 8))) 2>/dev/null
refuses "row 300, columns 8 to 11" compress late.npy old.npy meta.npy
npy full.npy '<f4' '(2, 8)' "$(f4 0 0 0 0 1 2 0 0 1 -0 2 0 0 1 nan 3)"
refuses "row 1, columns 4 to 7" compress full.npy old.npy meta.npy
ln -s old.npy old.link
for pair in "old.npy old.npy" "old.npy ./old.npy" "./old.npy old.link" \
  "new.npy ./new.npy" "/dev/stdout /dev/fd/1" "/proc/self/fd/1 /dev/stdout" \
  "/dev/stdout stdout"; do
  refuses "both outputs are one" compress zeros.npy $pair
done
npy v.npy '<f4' '(1, 2)' "$(f4 1 2)"
npy m.npy '|u1' '(1, 1)' "$(u1 00)"
refuses "nibble bad" decompress v.npy m.npy old.npy
refuses "does not fit" decompress v.npy bytes.npy old.npy
refuses "keeps two" decompress three.npy m.npy old.npy
refuses "no forward product" product w.npy three.npy old.npy
refuses "no input_grad product" product w.npy w.npy old.npy --kind input_grad
refuses "no weight_grad product" product w.npy dz.npy old.npy \
  --kind weight_grad
refuses "ROWSxCOLS" gen ties 4 old.npy
refuses "ROWSxCOLS" gen ties old.npy
refuses "whole number" gen ties 4x old.npy
refuses "whole number" gen ties x4 old.npy
refuses "whole number" gen ties 4x4x4 old.npy
refuses "no option '-4x4'" gen ties -4x4 old.npy
refuses "too large" gen ties 4294967296x4294967296 old.npy
refuses "the kind 'tied'" gen tied 4x4 old.npy
refuses "for boundaries" gen ties 4x4 old.npy --to e5m2
refuses "--to is missing" gen boundaries old.npy
refuses "no shape" gen boundaries 4x4 old.npy --to e5m2
refuses "no --seed" gen boundaries old.npy --to e5m2 --seed 1
refuses "must be one of.* bfloat16$" gen boundaries old.npy --to float64
refuses "must be one of.* bfloat16$" gen boundaries old.npy --to float32
refuses "must be one of" gen boundaries old.npy --to e5m2 --from e4m3fn
refuses "GOT and WANT" compare w.npy
refuses "differ in shape" compare w.npy three.npy
refuses "w.npy and bytes.npy differ in dtype: 'f4' and 'u1'" \
  compare w.npy bytes.npy
refuses "not e5m2" compare w.npy w.npy --format e5m2
refuses "not float32" compare bytes.npy bytes.npy --format float32
npy row.npy '<u2' '(4,)' "$(bf16 4 -3 2 -1)"
refuses "not e5m2" compare row.npy row.npy --format e5m2
refuses "not float32" compare row.npy row.npy --format float32
refuses "not bfloat16" compare half.npy half.npy --format bfloat16
refuses "must be one of" compare w.npy w.npy --format fp8
refuses "must be one of" compare w.npy w.npy --as text
refuses "3 columns" compare three.npy three.npy --as 2:4
refuses "are bytes" compare w.npy w.npy --as metadata
refuses "does not make" compare m.npy m.npy --as metadata --cols 12
refuses "does not make" compare m.npy m.npy --as metadata --cols 6
refuses "for numbers" compare m.npy m.npy --as metadata --format e5m2
refuses "go together" compare bytes.npy bytes.npy --near w.npy
refuses "go together" compare bytes.npy bytes.npy --error w.npy
refuses "for numbers" compare w.npy w.npy --near w.npy --error w.npy --as 2:4
refuses "float64" compare wide.npy wide.npy --near wide.npy --error wide.npy
refuses "differ in shape" compare w.npy w.npy --near three.npy --error w.npy
refuses "for --near" compare bytes.npy bytes.npy --like ocp
refuses "8 bits" compare w.npy w.npy --near w.npy --error w.npy --like ocp
refuses "for --as 2:4" compare w.npy w.npy --source w.npy
refuses "for --as metadata" compare w.npy w.npy --cols 4
refuses "for --product" compare w.npy w.npy --sum float
refuses "for --product" compare w.npy w.npy --terms 1
refuses "for --product" compare w.npy w.npy --kind forward
refuses "wants a value" compare w.npy --product w.npy
refuses "one file" compare w.npy w.npy --product w.npy w.npy
refuses "1 x 4, but the product is 1 x 1" compare w.npy --product w.npy w.npy
refuses "must be one of" compare v.npy --product w.npy w.npy --sum double
npy z.npy '<f4' '(1, 1)' "$(f4 1)"
refuses "float64" compare wide.npy --product one.npy one.npy
refuses "no bound" compare z.npy --product w.npy w.npy --terms 99999999999
refuses "8 bits" compare z.npy --product w.npy w.npy --like ocp

# Help, on stdout, with an example; no word on stderr.
for verb in "" gen project mask encode decode mvue compress decompress product \
  compare; do
  run $verb --help
  [ ! -s stderr ] && grep -q "^usage: sste ${verb:-VERB}" stdout &&
    grep -q '^e\.g\.  sste ' stdout || fail "$verb --help: $(cat stdout stderr)"
  cp stdout help
  run $verb -h
  cmp stdout help || fail "$verb -h is not --help"
  passed
done
run gen --help
sed -n '/^  --to/,/^  --from/p' stdout | grep -v '^  --from' | grep float32 &&
  fail "gen --help offers float32 for --to"
run --version
grep -qx 'sste [0-9]*\.[0-9]*\.[0-9]*' stdout || fail "--version"
status=0
"$sste" --help >/dev/full 2>stderr || status=$?
[ $status -eq 2 ] && grep -q "No space left" stderr || fail "a full stdout"
passed

# ---- The committed vectors, which the Python module made ---------------------

gives() { # expected file, verb and arguments, with OUT for the output
  expected=$1
  shift
  "$sste" "$@" >/dev/null || fail "$*: status $?"
  cmp OUT "$vectors/$expected" || fail "$*: not the bytes of $expected"
  passed
}
all=$vectors/inputs/all.npy tame=$vectors/inputs/tame.npy
gives project/beta_1/all.npy project "$all" OUT
gives project/beta_1.5/all.npy project "$all" OUT --beta 1.5
gives mask/lower/all.npy mask "$all" OUT
gives mask/higher/all.npy mask "$all" OUT --tie higher
for format in e4m3fn e5m2 e4m3 e3m4 e3m4fn e4m3fnuz e5m2fnuz e4m3b11fnuz ue4m3 \
  e8m0; do
  for class in all tame; do
    gives encode/$format.current/$class.npy encode \
      "$vectors/inputs/$class.npy" \
      OUT --format $format --scale max_over_amax
  done
  gives decode/$format/codes.npy decode "$vectors/inputs/codes.npy" OUT \
    --format $format
done
projected=$vectors/inputs/all.projected.npy compressed=$vectors/compress/all
gives compress/all.values.npy compress "$projected" OUT meta.npy
cmp meta.npy "$compressed.meta.npy" || fail "compress: other metadata"
gives decompress/all.npy decompress "$compressed.values.npy" \
  "$compressed.meta.npy" OUT
x=$vectors/inputs/tame.x.npy dz=$vectors/inputs/tame.dz.npy
gives product_forward/tame.npy product "$x" "$vectors/inputs/tame.w.npy" OUT
gives product_input_grad/tame.npy product "$dz" "$vectors/inputs/tame.w.npy" \
  OUT --kind input_grad
gives product_weight_grad/tame.npy product "$dz" "$x" OUT --kind weight_grad
gives inputs/e4m3fn_from_float32.npy gen boundaries OUT --to e4m3fn

# ---- A disk that fills up, and an interrupt ----------------------------------

# A limit on file size fails a write the way a full disk does.
status=0
(trap '' XFSZ; ulimit -f 1; exec "$sste" gen ties 1000x1000 old.npy 2>stderr) ||
  status=$?
[ $status -eq 2 ] || fail "no room: status $status"
[ "$(cat old.npy)" = precious ] || fail "no room: the old output is hurt"
ls | grep -q '\.part$' && fail "no room: a partial file was left"
passed
(ulimit -f 4000000; exec "$sste" gen normal 100000x100000 old.npy) & child=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
  ls | grep -q '\.part$' && break
  sleep 0.1
done
kill -TERM $child
status=0
wait $child 2>/dev/null || status=$?
[ $status -eq 143 ] || fail "terminated: status $status"
[ "$(cat old.npy)" = precious ] || fail "terminated: the old output is hurt"
ls | grep -q '\.part$' && fail "terminated: a partial file was left"
passed

echo "command: $checks checks passed"
