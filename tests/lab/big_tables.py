# SPDX-License-Identifier: BSD-2-Clause
"""Tables of thousands of services and servers: while they change, packets, VRRP adverts and questions are served."""
import signal
import time

from case import case, same, true
from lab.big_tables import ECHO, Echoes, echo_service, rules, sections, vips
from lab.director import Director, program
from lab.namespaces import eventually
from vrrp import instance, row_of_instance, second_host, wait_for_state

SERVICES, EACH = 500, 10  # 5,000 servers
SILENT = {"garp_count": 0, "arp_probe_interval": 0}


def started(lab, *more, **settings):
    lab["rs1"].start("python3", "-c", ECHO)
    return Director(lab, echo_service(), *sections(SERVICES, EACH), *more, max_servers=5100, **settings).start()


def talking(lab, director):
    echoes = Echoes(lab["local"])
    eventually(lambda: len(echoes.answered) > 50, 20, "echoes")
    return echoes


def with_weight(director, old, new):
    director.ini.write_text(director.ini.read_text().replace(f"weight={old}", f"weight={new}"))


@case(seconds=120, servers=("rs1",))
def a_reload_that_changes_every_server_loses_no_echo_and_answers_questions_meanwhile(lab):
    director = started(lab, **SILENT)
    echoes = talking(lab, director)
    begun = max(echoes.sent)
    with_weight(director, 1, 2)
    reload = director.host.start(program("rawvsadm"), "--socket", str(director.control), "reload")
    asked = 0
    while reload.running():
        director.ask("exits")
        asked += 1
    same(reload.wait(60), 0, "exit status of the reload")
    echoes.stop()
    same([n for n in echoes.unanswered() if n >= begun], [], "echoes that were not answered since")
    true(asked > 0, "no question was answered while the file was read again")
    weights = [row["weight"] for row in director.ask("list") if row["row"] == "server"]
    same((weights.count("2"), len(weights)), (SERVICES * EACH, SERVICES * EACH + 1), "servers of the new weight")


@case(seconds=120, servers=("rs1",))
def a_change_that_comes_during_a_reload_waits_for_its_end(lab):
    director = started(lab, **SILENT)
    with_weight(director, 1, 3)
    reload = director.host.start(program("rawvsadm"), "--socket", str(director.control), "reload")
    eventually(lambda: "reload: tcp" in director.log() or not reload.running(), 30, "the first change")
    director.ask("delete-service service=tcp:192.0.2.101:1000")
    same(reload.wait(60), 0, "exit status of the reload")
    services = {row["service"] for row in director.ask("list") if row["row"] == "service"}
    true("tcp:192.0.2.101:1000" not in services, "the service that was removed meanwhile is there")
    same(len(services), SERVICES, "services")


@case(seconds=120, servers=("rs1",))
def vrrp_of_100_ms_does_not_change_its_master_while_5000_servers_change(lab):
    lab["rs1"].start("python3", "-c", ECHO)
    second_host(lab)
    fast = {"interval": "100ms"}
    first = started(lab, instance(150, **fast), name="first", **SILENT)
    second = Director(lab, echo_service(), instance(100, **fast), name="second", host="other").start()
    wait_for_state(first, "master", 20)
    wait_for_state(second, "backup", 20)
    def masters():
        return [row_of_instance(director)["became-master"] for director in (first, second)]
    before = masters()
    for old, new in ((1, 2), (2, 1)):
        with_weight(first, old, new)
        first.ask("reload")
    same(masters(), before, "how often each was master")
    same(row_of_instance(second)["state"], "backup", "the other's state")


@case(seconds=120, servers=("rs1",))
def replaced_with_5000_servers_it_goes_on_serving(lab):
    director = started(lab, **SILENT)
    echoes = talking(lab, director)
    director.program.send(signal.SIGUSR2)
    sent = max(echoes.sent)
    eventually(lambda: director.log().count("runs on eth0") == 2, 60, "the program that replaces it")
    eventually(lambda: any(n > sent + 200 for n in list(echoes.delay)), 60, "echoes after the replacement")
    echoes.stop()
    same(len([row for row in director.ask("list") if row["row"] == "server"]), SERVICES * EACH + 1, "servers")
    return f"{echoes.longest_silence(echoes.sent[sent]) * 1e3:.0f} ms without an answer"


@case(seconds=240, servers=("rs1",))
def fifty_thousand_lines_are_restored_but_for_a_wrong_one(lab):
    director = Director(lab, echo_service(), max_servers=65534, max_connections=10000, inside="eth1",
                        **SILENT).start()
    lines = rules(4545, 10)
    lines[30000] = "-a -t 203.0.113.9:9 -r 198.51.100.1:80 -m"
    begun = time.monotonic()
    done = lab["director"].run(program("rawvsadm"), "--socket", str(director.control), "-R",
                               stdin="\n".join(lines) + "\n", check=False, timeout=200)
    took = time.monotonic() - begun
    same(done.stderr, f"rawvsadm: stdin line 30001: {lines[30000]}: Service not defined\n",
         "what is said of the wrong line")
    rows = director.ask("list")
    same(sum(row["row"] == "service" for row in rows), 1 + 4545, "services")
    same(sum(row["row"] == "server" for row in rows), 1 + 45450 - 1, "servers")
    director.ask("clear")
    same([row["row"] for row in director.ask("list") if row["row"] != "fast"], ["daemon"], "rows after clear")
    return f"{len(lines)} lines in {took:.1f} s"


@case(seconds=240, servers=("rs1",))
def ten_thousand_vips_are_served_guarded_and_can_be_changed(lab):
    lab.serve_web("rs1")
    director = Director(lab, *vips(9999), "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nserver = 192.0.2.11\n",
                        max_servers=10100, max_services=10100, **SILENT).start()
    same(len(director.ask("arp")) > 9999, True, "VIPs in the listing")
    answers = lab.request("client", 20)
    same(len(answers.failures), 0, f"failures: {answers.failures[:3]}")
    director.admin("-A", "-t", "203.0.99.99:80", "-s", "rr")
    director.admin("-D", "-t", "203.0.1.1:80")
    same(len(lab.request("client", 20).failures), 0, "failures after a change")
