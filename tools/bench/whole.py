# SPDX-License-Identifier: BSD-2-Clause
"""Whole connections through a lane: HTTP requests by wrk to nginx, TCP throughput by iperf3."""
import json
import re
import time

from bench.lanes import LOAD_CORE, on_core
from lab.namespaces import eventually

CONNECTIONS = 64
AT_ENDS = on_core(LOAD_CORE, realtime=False)  # client and server: TCP needs the kernel's own threads beside them
NGINX = """worker_processes 1; daemon off; pid {pid}; error_log stderr;
events {{ worker_connections 8000; }}
http {{ access_log off; keepalive_requests 1000000; server {{ listen 80 backlog=4096; return 200 "served\\n"; }} }}
"""


def serve(lane):
    """Starts the lane's real servers: nginx on port 80, iperf3 on 5201."""
    file = lane.directory / f"server{lane.key}.conf"
    file.write_text(NGINX.format(pid=lane.directory / f"server{lane.key}.pid"))
    nginx = lane.server.start(*AT_ENDS, "nginx", "-c", str(file))
    iperf = lane.server.start(*AT_ENDS, "iperf3", "-4", "-s")
    eventually(lambda: nginx.listens_on(80), 10, f"{lane.name}: the server's nginx: {nginx.text()}")
    eventually(lambda: iperf.listens_on(5201), 10, f"{lane.name}: iperf3")


def requests(lane, seconds, keep_alive=False):
    """Requests per second, and the number of failures."""
    close = [] if keep_alive else ["-H", "Connection: close"]
    done = lane.client.run(*AT_ENDS, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *close,
                           f"http://{lane.target}/", timeout=60)
    failed = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
    others = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    count = sum(int(number) for number in failed.groups()) if failed else 0
    count += int(others[1]) if others else 0
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1]), count


def throughput(lane, seconds):
    """Gbit/s from the client to the server (the direction that passes every director), and retransmissions."""
    for _ in range(3):  # its server needs a moment after the last test
        done = lane.client.run(*AT_ENDS, "iperf3", "-J", "-t", str(seconds), "-c", lane.target, check=False, timeout=60)
        if done.returncode == 0:
            end = json.loads(done.stdout)["end"]
            return end["sum_received"]["bits_per_second"] / 1e9, end["sum_sent"]["retransmits"]
        time.sleep(0.5)
    return 0.0, 0
