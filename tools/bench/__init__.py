# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark: rawvsd compared with other forwarders and proxies.  Needs root and two cores.

    run          `make bench`: everything, in interleaved rounds; tables, CSV, plots
    ipvs         `make bench-ipvs`: compared with the kernel's IPVS, where there is one
    lanes.py     each forwarder in its own network
    load.py      single packets: rates, latency, CPU time (by bench-load)
    whole.py     whole connections: HTTP requests, TCP throughput
    memory.py    an idle director: memory, wake-ups, size
    report.py    samples, tables, CSV, plots;  targets.py  the targets
"""
