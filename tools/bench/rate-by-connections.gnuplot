# SPDX-License-Identifier: BSD-2-Clause
# The lossless rate of 60-byte frames against the number of connections. Data: rate.csv, one block per forwarder.
set title "Lossless rate, 60-byte frames, one core (median, least and most of the rounds)"
set xlabel "live connections"
set ylabel "1000 packets/s"
set logscale x
set yrange [0:*]
set xrange [500:2000000]
set grid
set key bottom left
set datafile separator ","
stats "rate.csv" using 1 nooutput
plot for [i=0:STATS_blocks-2] "rate.csv" index i using 1:2:3:4 with yerrorlines title columnheader(1)
