# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark: rawvsd beside what else forwards packets or connections.  Needs root and two cores.

    run          `make bench`: everything, in interleaved rounds; tables, CSV, plots
    ipvs         `make bench-ipvs`: beside the kernel's IPVS, where there is one
    lanes.py     each forwarder in a network of its own
    load.py      single packets: rates, latency, CPU time (by bench-load)
    whole.py     whole connections: HTTP requests, TCP throughput
    memory.py    what a director costs while nothing happens
    report.py    samples, tables, CSV, plots;  targets.py  what was wanted
"""
