# SPDX-License-Identifier: BSD-2-Clause
"""The lab's own network, without rawvsd: if these tests fail, the others prove nothing."""
import os
import signal
import subprocess
import sys

from case import case, same, true
from lab.frames import Capture, arp_request
from lab.namespaces import NETNS, PREFIX, eventually, remove_remains
from lab.topology import ADDRESS, NOBODY, VIP, mac_of


@case(daemon=False)
def the_kernel_alone_routes_from_a_client_to_the_servers_and_to_the_inside(lab):
    lab.serve_web("rs1", "rs2", "inner")
    for client in ("client", "local"):
        for server in ("rs1", "rs2", "inner"):
            same(lab.request(client, url=f"http://{ADDRESS[server]}/").of[server], 1, f"{client} asks {server}")


@case(daemon=False)
def without_a_director_nobody_answers_arp_for_a_vip(lab):
    capture = Capture(lab["local"])
    asker = lab["local"].packet_socket("eth0")
    asker.send(arp_request(mac_of("local"), ADDRESS["local"], VIP))
    asker.send(arp_request(mac_of("local"), ADDRESS["local"], NOBODY))
    asker.send(arp_request(mac_of("local"), ADDRESS["local"], ADDRESS["rs1"]))
    eventually(lambda: [f for f in capture.frames() if f.op == 2], 5, "the answer of rs1")
    same([f.source for f in capture.frames() if f.op == 2], [ADDRESS["rs1"]], "addresses that were answered for")


@case(daemon=False)
def offloads_are_as_the_kernel_sets_them_so_super_frames_travel(lab):
    lab.serve_web("rs1")
    (lab.page_root("rs1") / "large").write_bytes(bytes(4 << 20))
    capture = Capture(lab["local"])
    lab.request("local", url=f"http://{ADDRESS['rs1']}/large")
    true(max(len(f.data) for f in capture.frames()) > 1514, "no frame was larger than the MTU")


@case(daemon=False)
def what_a_killed_lab_left_is_removed_by_the_next_one(_lab):
    script = ("from lab.topology import Topology\nimport time\n"
              "with Topology() as net:\n net['rs1'].start('sleep', '60')\n print('up', flush=True)\n time.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as other:
        other.stdout.readline()
        other.send_signal(signal.SIGKILL)
    true(list(NETNS.glob(f"{PREFIX}-{other.pid}-*")), "the killed lab left nothing: nothing is tested")
    remove_remains()
    same(list(NETNS.glob(f"{PREFIX}-{other.pid}-*")), [], "namespaces of the killed lab")


@case(daemon=False)
def an_interrupted_lab_removes_itself(_lab):
    # A test run in a shell's background has SIGINT ignored, and its children inherit that.
    script = ("from lab.topology import Topology\nimport signal, time\n"
              "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
              "with Topology() as net:\n print(net.directory, flush=True)\n time.sleep(60)\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              env=environment, text=True) as other:
            directory = other.stdout.readline().strip()
            true(os.path.isdir(directory), "the other lab did not start")
            other.send_signal(number)
        same(list(NETNS.glob(f"{PREFIX}-{other.pid}-*")), [], f"namespaces after {number.name}")
        true(not os.path.exists(directory), f"{directory} is still there")
