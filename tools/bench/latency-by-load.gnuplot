# SPDX-License-Identifier: BSD-2-Clause
# The latency of 60-byte frames against the load, as a part of each one's own lossless rate. Data: latency.csv.
set title "Latency against load, 60-byte frames, 1,000 connections (lines: p50; dashed: p99)"
set xlabel "load, percent of the forwarder's own lossless rate"
set ylabel "microseconds"
set logscale y
set xrange [0:100]
set grid
set key top left
set datafile separator ","
stats "latency.csv" using 1 nooutput
plot for [i=0:STATS_blocks-2] "latency.csv" index i using 1:2 with linespoints lc i+1 title columnheader(1), \
     for [i=0:STATS_blocks-2] "latency.csv" index i using 1:3 with lines dt 2 lc i+1 notitle
