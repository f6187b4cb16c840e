# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm's words about changes: what a reload would do, what a doctor sees come and go, events by topic."""
import json
import re
import signal

from case import case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS
from words import RS1, RS2, SERVICE, started, told


@case()
def a_dry_run_tells_what_a_reload_would_do_and_changes_nothing(lab):
    director = Director(lab, virtual(name="shop", servers=("rs1 name=web1", "rs2 name=web2"), scheduler="wlc")).start()
    same(director.admin("reload", "--dry-run"), "Nothing to change.\n", "a plan for the same file")
    true("has this file in effect" in director.admin("check", str(director.ini)), "what check says of the director")
    before, log = director.admin("save", "--ini"), director.log()
    text = director.ini.read_text().replace(f"server = {RS2} name=web2\n", "")
    text = text.replace("scheduler = wlc", "scheduler = rr").replace("[director]\n", "[director]\nmax_servers = 99\n")
    director.ini.write_text(text + "\n" + virtual(name="dns", ports="udp/53", address="192.0.2.101", servers=("rs1",)))
    expected = [f"shop (tcp {SERVICE}): scheduler=rr persistence=0s",
                f"shop (tcp {SERVICE}): server web2 ({RS2}:80): removed",
                "dns (udp 192.0.2.101:53): added",
                f"dns (udp 192.0.2.101:53): server {RS1}:53 weight=1 forward=dr: added", "VIP 192.0.2.101: added",
                "pending: max_servers: 1024 -> 99: takes effect at the next start"]
    same(director.admin("reload", "--dry-run").splitlines(), ["A reload would change:", *expected], "the plan")
    same([one["text"] for one in told(director, "reload", "--dry-run")["changes"]], expected[:5], "the plan as JSON")
    same(director.admin("save", "--ini"), before, "the table after plans")
    same(director.log(), log, "the log after plans")
    true("differs: 5 changes, 1 pending: " in director.admin("check", str(director.ini)), "what check says")
    same(director.admin("reload").splitlines(), expected, "the reload itself")
    director.wait_for_log(f"reload: shop (tcp {SERVICE}): server web2 ({RS2}:80): removed")
    director.ini.write_text(text + "scheduler = best\n")
    same(director.admin("reload", "--dry-run", check=False).returncode, 1, "exit status for a faulty file")
    director.admin("-a", "-t", SERVICE, "-r", RS2)
    director.wait_for_log(f"shop (tcp {SERVICE}): server {RS2}:80 weight=1 forward=dr: added")
    director.admin("-d", "-t", SERVICE, "-r", RS1)
    director.wait_for_log(f"shop (tcp {SERVICE}): server web1 ({RS1}:80) weight=1 forward=dr: removed")


@case()
def a_watching_doctor_tells_what_is_new_and_what_is_gone(lab):
    director = Director(lab, virtual(name="shop", servers=("rs1 name=web1 weight=0",))).start()
    watch = started(director, "doctor", "--watch", "--interval", "1")
    finding = f"error: every real server of shop (tcp:{SERVICE}) has weight 0\n"
    eventually(lambda: f"  new {finding}" in watch.text(), 20, "a finding")
    director.admin("-e", "-t", SERVICE, "-r", RS1, "-w", "1")
    eventually(lambda: f"  gone {finding}" in watch.text(), 20, "the end of the finding")
    true(re.search(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  gone error: ", watch.text()), watch.text())
    same(watch.text().count(finding), 2, "how often it is told")
    director.stop()
    eventually(lambda: "  new error: rawvsd does not answer: " in watch.text(), 20, "a director that is away")
    director.start()
    eventually(lambda: "  gone error: rawvsd does not answer: " in watch.text(), 20, "a director that is back")
    watch.stop(signal.SIGINT)
    true("shop (" in watch.text() and "new " in watch.text(), watch.text())
    once = director.admin("doctor", "--watch", "--count", "1", "--json", check=False).stdout
    lines = [json.loads(line) for line in once.splitlines()]
    true(lines and all(line["change"] == "new" and line["time"] > 0 for line in lines), lines)


@case(servers=("rs1", "rs2"))
def names_are_in_what_the_doctor_says(lab):
    director = Director(lab, virtual(name="shop", servers=("rs1 name=web1", "rs3 name=web3"))).start()
    silent = f"real server shop/web3 ({ADDRESS['rs3']}) does not answer ARP on eth0"
    eventually(lambda: silent in director.admin("doctor", check=False).stdout, 30, "a silent server by its name")


@case()
def events_of_several_topics_are_told(lab):
    director = Director(lab).start()
    director.admin("-e", "-t", SERVICE, "-r", RS1, "-w", "3")
    director.admin("reload")
    topics = {event["topic"] for event in told(director, "events", "--topic", "control", "--topic", "reload")["events"]}
    same(topics, {"control", "reload"}, "topics")
    wrong = director.admin("events", "--topic", "relaod", check=False)
    true(wrong.returncode == 2 and 'did you mean "reload"?' in wrong.stderr, wrong.stderr)
