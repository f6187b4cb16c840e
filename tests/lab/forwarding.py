# SPDX-License-Identifier: BSD-2-Clause
"""The main job under load: every request is answered, whatever happens to the servers meanwhile."""
import hashlib
import os
import signal
import socket

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.frames import TCP, Capture
from lab.namespaces import Trouble, eventually
from lab.topology import ADDRESS, VIP, VIP2, Load, mac_of
from programs import askers_spread, shared_by_weight

SERVICE = f"{VIP}:80"


@case(seconds=60)
def two_thousand_parallel_requests_over_two_servers_are_all_answered(lab):
    lab.serve_web()
    director = Director(lab).start()
    answers = lab.request("client", 2000, parallel=50)
    all_answered(answers, 2000)
    true(min(answers.of["rs1"], answers.of["rs2"]) > 500, f"one server got nearly nothing: {dict(answers.of)}")
    same(director.dropped(), {}, "frames dropped")


@case()
def a_client_on_the_lan_itself_is_served_as_one_behind_a_router(lab):
    lab.serve_web()
    Director(lab).start()
    for client in ("client", "local"):
        all_answered(lab.request(client, 50, parallel=5), 50)


@case()
def weights_decide_who_gets_how_many(lab):
    lab.serve_web()
    director = Director(lab, virtual(scheduler="wrr", servers=("rs1 weight=1", "rs2 weight=3"))).start()
    shared_by_weight(lab, director, "client", 40, {"rs1": 1, "rs2": 3})


@case()
def a_packet_reaches_its_server_with_a_new_mac_and_one_hop_less_and_the_answer_goes_straight_back(lab):
    lab.serve_web()
    Director(lab, virtual(servers=("rs1",))).start()
    at_director, at_server = Capture(lab["director"]), Capture(lab["rs1"])
    all_answered(lab.request("local"), 1)
    arrived = [f for f in at_director.frames() if f.is_syn and not f.outgoing]
    forwarded = [f for f in at_server.frames() if f.is_syn]
    # A busy client sends its SYN again.
    same(len(forwarded), len(arrived), "SYNs at the server, as many as at the director")
    before, after = arrived[0], forwarded[0]
    same((before.to, after.to), (mac_of("director"), mac_of("rs1")), "destination MACs")
    same(after.sender, mac_of("director"), "source MAC behind the director")
    same((before.ttl, after.ttl), (64, 63), "TTL before and behind the director")
    same(after.data[26:54], before.data[26:54], "addresses, ports, sequence numbers")
    answer = [f for f in at_server.frames() if f.outgoing and f.source == VIP]
    true(answer and all(f.to == mac_of("local") for f in answer), "the server's answers do not go to the client's MAC")
    detours = [f for f in at_director.frames() if f.protocol == TCP and f.source == VIP]
    same(detours, [], "answers that came by the director")


@case(seconds=90, servers=("rs1", "rs2", "rs3"))
def a_server_is_added_drained_and_removed_under_load_without_a_failure(lab):
    lab.serve_web()
    director = Director(lab, timeout_tcpfin=2).start()
    load = Load(lab, "client")
    load.wait_for(100)
    director.admin("-a", "-t", SERVICE, "-r", f"{ADDRESS['rs3']}:80", "-g", "-w", "1")
    load.wait_for(100, "rs3")
    director.admin("-e", "-t", SERVICE, "-r", f"{ADDRESS['rs1']}:80", "-g", "-w", "0")
    # Without any: one that is not active may be a client's whose handshake is not over, which a removal would cut off.
    eventually(lambda: [director.servers()[ADDRESS["rs1"]][kind] for kind in ("active", "inactive")] == ["0", "0"], 60,
               "rs1 without connections")
    before = load.answers().of["rs1"]
    load.wait_for(100)
    director.admin("-d", "-t", SERVICE, "-r", f"{ADDRESS['rs1']}:80")
    load.wait_for(200)
    answers = load.stop()
    true(not answers.failures, f"{len(answers.failures)} requests failed: {answers.failures[:3]}")
    # What its last clients got may have been printed later.
    true(answers.of["rs1"] <= before + 20, "rs1 was given new connections after it was drained")
    true(ADDRESS["rs1"] not in director.servers(), "rs1 is still listed")


@case(seconds=60)
def a_director_restarted_under_load_serves_new_connections_again(lab):
    lab.serve_web()
    director = Director(lab)
    pid_file = lab.directory / "rawvs.pid"
    director.start("-p", str(pid_file))
    load = Load(lab, "client", patience=2)
    load.wait_for(200)
    true(pid_file.exists() and director.control.exists(), "no pid file, or no control socket, while it runs")
    same(director.stop(), 0, "exit status after SIGTERM")
    same((pid_file.exists(), director.control.exists()), (False, False), "pid file and control socket after the stop")
    director.start("-p", str(pid_file))
    load.wait_for(200)
    all_answered(lab.request("local", 200, parallel=10), 200)
    load.stop()


@case(seconds=60)
def a_director_killed_and_started_again_serves_new_connections_again(lab):
    lab.serve_web()
    director = Director(lab).start()
    load = Load(lab, "client", patience=2)
    load.wait_for(200)
    director.stop(signal.SIGKILL)
    true(director.control.exists(), "a killed director removed its control socket?")
    director.start()
    load.wait_for(200)
    all_answered(lab.request("local", 200, parallel=10), 200)
    load.stop()


@case(seconds=60)
def fifty_megabytes_come_down_unchanged_with_default_offloads(lab):
    lab.serve_web("rs1")
    director = Director(lab, virtual(servers=("rs1",))).start()
    content = os.urandom(1 << 20) * 50
    (lab.page_root("rs1") / "large").write_bytes(content)
    got = lab.directory / "got"
    for client in ("client", "local"):
        lab[client].run("curl", "--silent", "--show-error", "--fail", "--output", str(got), f"http://{VIP}/large")
        same(hashlib.sha256(got.read_bytes()).hexdigest(), hashlib.sha256(content).hexdigest(), f"{client}: sha256")
    same(director.dropped(), {}, "frames dropped")


@case(seconds=60)
def fifty_megabytes_go_up_unchanged_with_default_offloads(lab):
    lab.serve_web("rs1")
    director = Director(lab, virtual(servers=("rs1",))).start()
    page = lab.page_root("rs1") / "cgi-bin" / "sum"
    page.parent.mkdir()
    page.write_text('#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; head -c "$CONTENT_LENGTH" | sha256sum\n')
    page.chmod(0o755)
    content = os.urandom(1 << 20) * 50
    (lab.directory / "upload").write_bytes(content)
    at_director = Capture(lab["director"])
    for client in ("client", "local"):
        done = lab[client].run("curl", "--silent", "--show-error", "--fail", "--header", "Expect:", "--data-binary",
                               f"@{lab.directory}/upload", f"http://{VIP}/cgi-bin/sum")
        same(done.stdout.split()[:1], [hashlib.sha256(content).hexdigest()], f"{client}: sha256")
    true(max(len(f.data) for f in at_director.frames()) > 1514, "no super-frame came: this shows nothing of offloads")
    same(director.dropped(), {}, "frames dropped")


def dns_servers(lab, *names):
    """A name server on each host: the answer to who.example is the host's name."""
    for name in names:
        server = lab[name].start("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                                 "--user=root", "--pid-file=", "--bind-interfaces", f"--listen-address={VIP}",
                                 f"--txt-record=who.example,{name}")
        eventually(lambda program=server: program.listens_on(53, "udp"), 5, f"the name server of {name}")


@case(needs=("dnsmasq", "dig"))
def udp_queries_are_spread_over_two_name_servers(lab):
    dns_servers(lab, "rs1", "rs2")
    director = Director(lab, virtual(name="dns", ports="udp/53", scheduler="rr")).start()
    askers_spread(lab, 20, "rs1", "rs2")
    same(director.dropped(), {}, "frames dropped")


@case()
def two_services_at_one_vip_and_one_at_another_do_not_mix(lab):
    lab.serve_web()
    Director(lab, virtual("one", servers=("rs1",)), virtual("two", address=VIP2, servers=("rs2",))).start()
    same(dict(lab.request("client", 10).of), {"rs1": 10}, f"answers from {VIP}")
    same(dict(lab.request("client", 10, url=f"http://{VIP2}/").of), {"rs2": 10}, f"answers from {VIP2}")


def connect(host, seconds=60):
    """A connection from a host to the service, open and silent."""
    with host.inside():
        s = socket.socket()
    s.settimeout(seconds)
    try:
        s.connect((VIP, 80))
    except OSError as error:
        s.close()
        raise Trouble(f"connect: {error}") from error
    return s


@case(seconds=60)
def a_full_connection_table_is_counted_and_recovers(lab):
    lab.serve_web()
    director = Director(lab, max_connections=10, drop_entry=0).start()
    director.admin("--set", "0", "2", "0")  # a closed connection is forgotten after two seconds
    held = [connect(lab["local"]) for _ in range(10)]
    try:
        connect(lab["local"], seconds=1)
    except Trouble:
        pass
    else:
        raise Trouble("an eleventh connection was let in with max_connections = 10")
    true(director.exits()["table-full"] > 0, f"table-full was not counted: {director.dropped()}")
    same(director.exits()["table-full"], director.dropped()["table-full"], "table-full as a dropped frame")
    for s in held:
        s.close()
    eventually(lambda: len(director.ask("connections")) < 10, 15, "room in the connection table")
    all_answered(lab.request("local", 3), 3)
