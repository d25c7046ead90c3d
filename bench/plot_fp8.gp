# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The sste authors
#
# plot_fp8.gp - bench_fp8's CSV as bars: time per value, relative to memcpy of
# the same 5 bytes per value. The line at 1.1 is the library's goal in L3.
#   gnuplot -e "csv='fp8.csv'; out='fp8.svg'" bench/plot_fp8.gp
if (!exists("csv") || !exists("out")) {
  print "usage: gnuplot -e \"csv='fp8.csv'; out='fp8.svg'\" plot_fp8.gp"
  exit status 2
}
if (system(sprintf("test -r '%s' && echo yes", csv)) ne "yes") {
  print "plot_fp8.gp: cannot read ", csv
  exit status 2
}
set datafile separator ","
if (out[strlen(out) - 3:] eq ".png") {
  set terminal pngcairo noenhanced size 1500,700 font "sans,10"
} else {
  set terminal svg noenhanced size 1500,700 font "sans,12" \
    background rgb "white"
}
set output out
rows(size) = sprintf("<awk -F, '$4 == \"%s\"' '%s'", size, csv)
set style fill solid 0.8 noborder
set yrange [*:*] reverse
set logscale x 2
set xrange [0.25:256]
set xtics (0.25, 1, 4, 16, 64)
set grid x
set arrow from first 1.1, graph 0 to first 1.1, graph 1 nohead lc rgb "red"
set xlabel "time / memcpy of 5 bytes per value"
color(task) = task eq "copy" ? 0x999999 : task eq "encode" ? 0x1F77B4 : \
  task eq "decode" ? 0x2CA02C : 0x9467BD
sizes = system(sprintf("awk -F, 'NR > 1 && !seen[$4]++ {print $4}' '%s'", csv))
set multiplot layout 1, words(sizes) title \
  "FP8 conversion beside memcpy (grey copy, blue encode, green decode, \
violet both): shorter is faster, red is the goal in L3"
meaning(size) = size eq "l2" ? "in L2" : size eq "l3" ? "in L3" : "in DRAM"
do for [size in sizes] {
  set title meaning(size)
  plot rows(size) using 13:0:(0.25):13:($0 - 0.4):($0 + 0.4):\
    (color(strcol(5))):yticlabels(2) with boxxyerror lc rgb variable notitle
}
unset multiplot
