# SPDX-License-Identifier: BSD-2-Clause
"""Limits and lists of clients: who is refused, what is said of it, and a list of 100,000 networks read again."""
import json

from case import all_answered, case, over_ipv6, same, true
from lab.big_tables import ECHO, Echoes, echo_service
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from lab.topology import VIP
from nat import inside_web, nat

NETWORKS = 100_000


def again(director, *sections):
    """Writes the file again, and reads it."""
    head = director.ini.read_text().split("[virtual", 1)[0]
    director.ini.write_text(head + "\n".join(sections))
    return director.admin("reload")


def explained(director, family, client):
    flow = f"{family.place(family.address[client], 40000)} {family.place(family.vip, 80)}"
    done = director.admin("explain", *flow.split(), "--json", check=False)
    return json.loads(done.stdout)


def findings(director):
    return {one["check"] for one in json.loads(director.admin("doctor", "--json", check=False).stdout)["findings"]}


def refused(lab, host):
    answers = lab.request(host, 2, parallel=2, patience=3)
    same((sum(answers.of.values()), len(answers.failures)), (0, 2), f"answers and failures of {host}")


def lists_decide(lab, director, service):
    outside = lab.family.of("198.51.100.0/24")
    again(director, service(deny=outside))
    refused(lab, "client")
    all_answered(lab.request("local", 10), 10)
    true(director.dropped()["denied"] >= 2, f"{director.dropped()}")
    verdict = explained(director, lab.family, "client")
    same(verdict["verdict"]["exit"], "denied", "explain")
    true(any(f"deny {outside}" in step['text'] for step in verdict["steps"]), verdict)
    list_file = lab.directory / "allowed"
    list_file.write_text(f"# the office\n{lab.family.address['client']} ; one host\n")
    again(director, service(deny=outside, allow_file=list_file))
    all_answered(lab.request("client", 10), 10)
    refused(lab, "local")
    list_file.write_text(f"{lab.family.address['local']}\nnonsense\n")
    done = director.admin("reload", check=False)
    same(done.returncode, 1, "exit status of a reload with a faulty list")
    true(f"{list_file}:2: " in done.stderr, done.stderr)
    all_answered(lab.request("client", 10), 10)
    list_file.write_text(f"{lab.family.address['local']}\n")
    true(f"{list_file}: 1 networks -> 1" in director.admin("reload"), director.log()[-300:])
    all_answered(lab.request("local", 10), 10)
    refused(lab, "client")
    status = director.admin("status")
    true("allow 1 networks" in status and "denied" in status, status)


@case(seconds=90)
def lists_decide_by_the_longest_match_by_direct_routing(lab):
    lab.serve_web()
    def service(**keys):
        return virtual(family=lab.family, **keys)
    lists_decide(lab, Director(lab, service()).start(), service)


@case(seconds=90)
def lists_decide_by_the_longest_match_through_nat(lab):
    inside_web(lab)
    def service(**keys):
        return nat("in1", "in2", family=lab.family, **keys)
    lists_decide(lab, Director(lab, service(), inside="eth1").start(), service)


def connect(lab, host, patience=0.5):
    """A connection, or none in this time."""
    with lab[host].inside():
        one = lab.family.socket()
    one.settimeout(patience)
    try:
        one.connect((lab.family.vip, 80))
    except TimeoutError:
        one.close()
        return None
    return one


def five_hold(lab, director, service):
    held = [connect(lab, "client", 5) for _ in range(5)]
    true(all(held), "five connections")
    same(connect(lab, "local"), None, "a sixth connection")
    row = next(row for row in director.ask("list") if row["row"] == "service")
    same((row["max-connections"], row["counted"]), ("5", "5"), "in the service's row")
    true(director.dropped()["service-full"] >= 1, f"{director.dropped()}")
    same(explained(director, lab.family, "local")["verdict"]["exit"], "service-full", "explain")
    true("5 of 5 connections" in director.admin("status"), director.admin("status"))
    true("service-full" in findings(director), findings(director))
    director.wait_for_log("max_connections allows")
    held.pop().close()
    sixth = connect(lab, "local", 10)
    true(sixth, "no connection when another has ended")
    again(director, service(client_connections=4))
    same(explained(director, lab.family, "local")["verdict"]["exit"], "forwarded", "explain")
    for one in held + [sixth]:
        one.close()
    held = [connect(lab, "client", 5) for _ in range(4)]
    true(all(held), "four connections of a network")
    same(connect(lab, "client"), None, "a fifth one of a network")
    true(connect(lab, "local", 5), "another network's")
    true(director.dropped()["client-full"] >= 1, f"{director.dropped()}")


@case(seconds=60)
def a_limit_of_five_connections_holds_by_direct_routing(lab):
    lab.serve_web()
    def service(**keys):
        return virtual(family=lab.family, **keys)
    five_hold(lab, Director(lab, service(max_connections=5)).start(), service)


@case(seconds=60)
def a_limit_of_five_connections_holds_through_nat(lab):
    inside_web(lab)
    def service(**keys):
        return nat("in1", "in2", family=lab.family, **keys)
    five_hold(lab, Director(lab, service(max_connections=5), inside="eth1").start(), service)


@case(seconds=60)
def beyond_a_rate_clients_wait_and_are_served(lab):
    lab.serve_web()
    director = Director(lab, virtual(family=lab.family, max_rate=20, client_rate=10)).start()
    all_answered(lab.request("client", 30, parallel=30, patience=30), 30)
    all_answered(lab.request("local", 5), 5)
    true(director.dropped()["client-rate"] > 0, f"{director.dropped()}")


@case(seconds=120, servers=("rs1",))
def a_list_of_100000_networks_is_read_again_and_no_echo_is_lost(lab):
    lab["rs1"].start("python3", "-c", ECHO)
    bad = lab.directory / "bad"

    def write(first):
        bad.write_text("".join(f"{first + n // 65536}.{n // 256 % 256}.{n % 256}.0/24\n" for n in range(NETWORKS)))
    write(11)
    director = Director(lab, echo_service() + f"deny_file = {bad}\n").start()
    echoes = Echoes(lab["local"])
    eventually(lambda: len(echoes.answered) > 50, 20, "echoes")
    begun = max(echoes.sent)
    for first in (13, 15, 17):
        write(first)
        reload = director.host.start(program("rawvsadm"), "--socket", str(director.control), "reload")
        while reload.running():
            director.ask("exits")
        same(reload.wait(60), 0, "exit status of the reload")
        true(f"{bad}: {NETWORKS} networks -> {NETWORKS}" in reload.text(), reload.text())
    echoes.stop()
    same([n for n in echoes.unanswered() if n >= begun], [], "echoes that were not answered since")
    link = next(row for row in director.ask("exits") if row["row"] == "link")
    same(link["kernel-dropped"], "0", "frames that the kernel dropped meanwhile")
    verdict = director.admin("explain", "17.0.200.9:4000", f"{VIP}:53", "udp", check=False).stdout
    true(f"deny 17.0.200.0/24 ({bad}:201)" in verdict, verdict)
    print(f"longest delay of an echo: {1000 * echoes.longest_delay():.1f} ms")


over_ipv6("limits", lists_decide_by_the_longest_match_by_direct_routing, lists_decide_by_the_longest_match_through_nat,
          a_limit_of_five_connections_holds_by_direct_routing, a_limit_of_five_connections_holds_through_nat)
