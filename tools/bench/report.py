# SPDX-License-Identifier: BSD-2-Clause
"""Samples, their medians and spread; tables on the terminal, CSV files, plots."""
import csv
import os
import pathlib
import shutil
import statistics
import subprocess

BARE, KERNEL, NFT, HAPROXY, STREAM = ("bare ring forwarder", "kernel forwarding", "nftables DNAT", "HAProxy, mode tcp",
                                      "nginx stream")
POLLED = ", polled"
HERE = pathlib.Path(__file__).resolve().parent


class Samples:
    """The samples: by lane and quantity, one number per round."""

    def __init__(self):
        self.of = {}

    def add(self, lane, quantity, value):
        self.of.setdefault((lane, quantity), []).append(value)

    def has(self, lane, quantity):
        return (lane, quantity) in self.of

    def median(self, lane, quantity):
        return statistics.median(self.of[lane, quantity])

    def spread(self, lane, quantity):
        return min(self.of[lane, quantity]), max(self.of[lane, quantity])

    def ratio(self, lane, other, quantity, of_other=None):
        """The median of the rounds' ratios: a disturbance of a round affects both."""
        pairs = zip(self.of[lane, quantity], self.of[other, of_other or quantity])
        return statistics.median(mine / theirs for mine, theirs in pairs if theirs)

    def lanes(self, quantity):
        return [lane for lane, measured in self.of if measured == quantity]

    def write_csv(self, path):
        with open(path, "w", newline="", encoding="ascii") as file:
            out = csv.writer(file)
            out.writerow(["forwarder", "quantity", "median", "least", "most", "rounds"])
            for (lane, quantity), values in self.of.items():
                out.writerow([lane, quantity, *(f"{value:.6g}" for value in
                                                (statistics.median(values), min(values), max(values))), len(values)])


def table(title, head, rows):
    """head: (name, width) of each column; the first is text."""
    print(f"\n{title}\n")
    print("  " + "".join(f"{name:<{width}}" if number == 0 else f"{name:>{width}}"
                         for number, (name, width) in enumerate(head)))
    for row in rows:
        print("  " + "".join(f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
                             for number, (cell, (_, width)) in enumerate(zip(row, head))))


def number(samples, lane, quantity, form="{:.0f}", scale=1.0):
    return form.format(samples.median(lane, quantity) / scale) if samples.has(lane, quantity) else "-"


def spread(samples, lane, quantity, scale=1.0):
    if not samples.has(lane, quantity):
        return "-"
    least, most = samples.spread(lane, quantity)
    return f"{least / scale:.0f}-{most / scale:.0f}"


def ratio(samples, lane, other, quantity, of_other=None):
    if not samples.has(lane, quantity) or not samples.has(other, of_other or quantity):
        return "-"
    return f"{samples.ratio(lane, other, quantity, of_other):.2f}"


def show(samples, head, rounds):
    print(f"Forwarders, one core each, the load from another. {head}")
    print(f"Medians of {rounds} rounds, every forwarder in turn; ratios are medians of each round's ratios.")
    everybody = samples.lanes("lossless_60")
    show_packets(samples, "Packets, steered to the director's core (RPS)", "",
                 [lane for lane in everybody if not lane.endswith(POLLED)])
    show_packets(samples, "Packets, polled by a thread of the director's core (NAPI)", POLLED,
                 [lane for lane in everybody if lane.endswith(POLLED)])
    show_latency(samples)
    show_whole(samples)
    show_memory(samples)


def show_packets(samples, title, kind, lanes):
    if not lanes:
        return
    bare, nft = BARE + kind, NFT + kind
    rows = []
    for lane in lanes:
        rows.append([lane, number(samples, lane, "lossless_60", scale=1000), spread(samples, lane, "lossless_60", 1000),
                     ratio(samples, lane, bare, "lossless_60"), ratio(samples, lane, nft, "lossless_60"),
                     number(samples, lane, "overload_60", scale=1000),
                     ratio(samples, lane, lane, "overload_60", "lossless_60"),
                     ratio(samples, lane, nft, "overload_60"),
                     number(samples, lane, "lossless_1400", scale=1000), ratio(samples, lane, bare, "lossless_1400"),
                     number(samples, lane, "cpu_60", "{:.2f}")])
    most = samples.median("generator" + kind, "offered_60") / 1000
    table(f"{title}: 1000/s without loss, and forwarded when twice as many are\n"
          f"offered; CPU microseconds per packet. The generator sends {most:.0f} at most: who comes near may be faster",
          (("", 31), ("60 B", 6), ("spread", 12), ("of bare", 9), ("of nft", 8), ("overload", 10), ("of lossl.", 10),
           ("of nft", 8), ("1400 B", 8), ("of bare", 9), ("CPU us", 8)), rows)


def show_latency(samples):
    rows = [[lane, *(number(samples, lane, f"{load}_{part}") for load in ("alone", "load50")
                     for part in ("p50", "p99", "p999"))] for lane in samples.lanes("alone_p50")]
    table("Latency, microseconds: one packet at a time; at half of the lossless rate",
          (("", 31), ("p50", 8), ("p99", 8), ("p99.9", 8), ("p50", 10), ("p99", 8), ("p99.9", 8)), rows)
    rows = [[lane, number(samples, lane, "new_connections", scale=1000),
             spread(samples, lane, "new_connections", 1000), ratio(samples, lane, NFT, "new_connections")]
            for lane in samples.lanes("new_connections")]
    table("New connections, 1000/s without loss (UDP; each packet begins one, which ends after a second)",
          (("", 31), ("1000/s", 8), ("spread", 12), ("of nft", 8)), rows)


def show_whole(samples):
    rows = [[lane, number(samples, lane, "requests_new"), spread(samples, lane, "requests_new"),
             ratio(samples, lane, HAPROXY, "requests_new"), ratio(samples, lane, NFT, "requests_new"),
             number(samples, lane, "cpu_request", "{:.1f}"), ratio(samples, lane, HAPROXY, "cpu_request"),
             number(samples, lane, "requests_failed"), number(samples, lane, "requests_kept"),
             number(samples, lane, "gbits", "{:.1f}"), ratio(samples, lane, KERNEL, "gbits"),
             number(samples, lane, "retransmissions")] for lane in samples.lanes("requests_new")]
    table("HTTP requests/s (wrk, 64 connections): a new connection each, director's CPU microseconds; kept alive.\n"
          "TCP Gbit/s (iperf3). Both ends share a core: where the director's is not busy, they are what is measured",
          (("", 23), ("new", 7), ("spread", 14), ("of HAProxy", 12), ("of nft", 8), ("CPU us", 8), ("of HAProxy", 12),
           ("failed", 8), ("kept", 8), ("Gbit/s", 8), ("of kernel", 11), ("resent", 8)), rows)


def show_memory(samples):
    rows = []
    for lane in dict.fromkeys([*samples.lanes("idle_resident_kb"), *samples.lanes("resident_kb")]):
        kind = "idle_" if samples.has(lane, "idle_resident_kb") else ""
        each = number(samples, lane, "bytes_per_connection")
        rows.append([lane, "idle" if kind else "filled", number(samples, lane, f"{kind}resident_kb"),
                     number(samples, lane, f"{kind}pss_kb"), each, number(samples, lane, "wakeups_3s")])
    table(f"Memory, KB; bytes per connection; wake-ups in 3 s. rawvsd stripped: "
          f"{samples.median('rawvsd', 'stripped_bytes') / 1000:.0f} KB",
          (("", 26), ("", 8), ("VmRSS", 9), ("Pss", 9), ("per conn.", 11), ("wake-ups", 10)), rows)


def write_plot_data(samples, directory, loads):
    """Blocks separated by two empty lines, as gnuplot's index expects."""
    with open(directory / "rate.csv", "w", encoding="ascii") as file:
        for first in samples.lanes("cpu_60"):
            if "," in first or not first.startswith("rawvs"):
                continue
            file.write(f'"{first}"\n')
            for lane, count in [(first, 1000), (f"{first}, 100,000", 100_000), (f"{first}, 1,000,000", 1_000_000)]:
                if samples.has(lane, "lossless_60"):
                    middle, (least, most) = samples.median(lane, "lossless_60"), samples.spread(lane, "lossless_60")
                    file.write(f"{count},{middle / 1000:.1f},{least / 1000:.1f},{most / 1000:.1f}\n")
            file.write("\n\n")
    with open(directory / "latency.csv", "w", encoding="ascii") as file:
        for lane in samples.lanes("load50_p50"):
            file.write(f'"{lane}"\n')
            for load in loads:
                if samples.has(lane, f"load{load}_p50"):
                    file.write(f"{load},{samples.median(lane, f'load{load}_p50'):.1f},"
                               f"{samples.median(lane, f'load{load}_p99'):.1f}\n")
            file.write("\n\n")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")
    system = os.uname()
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, {system.sysname} {system.release}; load before the run: {load:.1f}"


def plots(directory):
    """PNG and SVG plots by *.gnuplot from the CSV files; False without gnuplot."""
    if not shutil.which("gnuplot"):
        return False
    for script in sorted(HERE.glob("*.gnuplot")):
        for form, terminal in (("png", "pngcairo size 900,560"), ("svg", "svg size 900,560")):
            output = f"set terminal {terminal}; set output '{script.stem}.{form}'"
            subprocess.run(["gnuplot", "-e", output, str(script)], cwd=directory, check=True)
    return True
