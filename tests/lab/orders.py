# SPDX-License-Identifier: BSD-2-Clause
"""Servers that an operator drains and disables, by name: what their clients get, and that nothing undoes it unasked."""
import os
import re
import signal

from case import all_answered, case, same, true
from health import check
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP
from reload import change
from survival import from_a_copy, replaced
from words import told

BYTES = 4_000_000
TWO = {"name": "shop", "servers": ("rs1 name=web1", "rs2 name=web2"), "scheduler": "rr"}
BY_ROOT = r"by root since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n"


def download(lab):
    """A download that takes some seconds, of whichever server is next; and that server."""
    for name in ("rs1", "rs2"):
        (lab.page_root(name) / "large").write_bytes(os.urandom(BYTES))
    program = lab["client"].start("curl", "-sS", "--limit-rate", "1M", "-o", "/dev/null", "-w",
                                  "%{http_code} %{size_download}", f"http://{VIP}/large")
    return program


def holder(director):
    """The name of the server that has an active connection."""
    def found():
        return [name for name in ("rs1", "rs2") if director.servers()[ADDRESS[name]]["active"] == "1"]
    eventually(found, 10, "an active connection")
    return found()[0]


def answers_of(lab, *names):
    answers = lab.request("client", 6)
    all_answered(answers, 6)
    same(sorted(answers.of), sorted(names), "servers that answer")


def out(director):
    """Each server's order, as the daemon says."""
    return {name: director.servers()[ADDRESS[name]].get("order") for name in ("rs1", "rs2")}


@case(seconds=60)
def a_drained_servers_download_goes_on_and_new_clients_go_elsewhere(lab):
    lab.serve_web()
    director = Director(lab, virtual(**TWO)).start()
    living = download(lab)
    name = holder(director)
    web, other = name.replace("rs", "web"), "rs1" if name == "rs2" else "rs2"
    late = director.admin("drain", f"shop/{web}", "--timeout", "0", check=False)
    same(late.returncode, 1, "exit status while a connection is left")
    true(re.search(rf"shop: {web} is drained {BY_ROOT}To give it connections again: rawvsadm undrain shop/{web}\n",
                   late.stdout), late.stdout)
    answers_of(lab, other)
    status = director.admin("status")
    true(re.search(rf"\n  {web} {ADDRESS[name]}:80 +0 .*\n    drained {BY_ROOT}", status), status)
    true(all(len(line) <= 80 for line in status.splitlines()), status)
    only = director.admin("status", "--state", "drained")
    true(web in only and other.replace("rs", "web") not in only, only)
    director.wait_for_log(f"rawvsadm): shop (tcp {VIP}:80): server {web} ({ADDRESS[name]}:80): drained")
    true(f"{web} ({ADDRESS[name]}:80): drained" in director.admin("events", "--topic", "control"), "no event")
    director.admin("-e", "-t", f"{VIP}:80", "-r", f"{ADDRESS[name]}:80", "-w", "3")
    answers_of(lab, other)
    living.wait(30)
    same(living.text(), f"200 {BYTES}", "the download")
    true(f'rawvs_server_ordered_out{{service="shop",virtual="tcp:{VIP}:80",server="{web}",'
         f'address="{ADDRESS[name]}:80"}} 1' in director.admin("metrics"), "no metric")
    director.admin("undrain", web)
    same(told(director, "status", f"shop/{web}")["services"][0]["servers"][0]["weight"], 3, "its weight")
    answers_of(lab, "rs1", "rs2")


@case(seconds=60)
def a_disabled_servers_connections_are_reset_where_on_down_says_so(lab):
    lab.serve_web()
    director = Director(lab, virtual(on_down="reset", **TWO)).start()
    living = download(lab)
    name = holder(director)
    web, other = name.replace("rs", "web"), "rs1" if name == "rs2" else "rs2"
    true(re.fullmatch(rf"shop: {web}: disabled {BY_ROOT}", director.admin("disable", web)), "what disable says")
    living.wait(30)
    true("reset by peer" in living.text(), living.text())
    answers_of(lab, other)
    refused = director.admin("undrain", web, check=False)
    same(refused.returncode, 1, "exit status of undrain")
    true("is disabled by root since" in refused.stderr and "expected drained" in refused.stderr, refused.stderr)
    again = director.admin("disable", web)
    true(again.endswith(", as before\n"), again)
    enabled = director.admin("enable", web)
    true(re.fullmatch(rf"shop: {web}: in service again: up; it was disabled {BY_ROOT}", enabled), enabled)
    answers_of(lab, "rs1", "rs2")


@case(seconds=60, servers=("rs1", "rs2", "rs3"))
def a_virtual_is_drained_as_a_whole_and_its_sorry_server_serves(lab):
    lab.serve_web()
    director = Director(lab, check(), virtual(check="well", sorry=ADDRESS["rs3"], **TWO)).start()
    for name in ("rs1", "rs2"):
        director.wait_for_health(name, "up")
    same(director.admin("drain", "shop", "--timeout", "20", check=False).returncode, 0, "exit status")
    eventually(lambda: director.servers()[ADDRESS["rs3"]].get("sorry") == "1", 10, "the sorry server")
    answers_of(lab, "rs3")
    status = director.admin("status", "shop")
    true("    sorry server: serves, as too few others can\n" in status, status)
    same(len(re.findall(rf"    drained {BY_ROOT}", status)), 2, f"servers with an order in:\n{status}")
    true(re.search(rf"\nshop: .*\n    drained {BY_ROOT[:-2]}; so is what is added\n", status), status)
    same(len(re.findall(r"    up, \d+ s: tcp \S+: .*; the check took \d+ ms\n", status)), 2, f"checks in:\n{status}")
    same(director.health()[ADDRESS["rs1"]][0], "up", "its check's result")
    director.admin("undrain", "shop/web1")
    eventually(lambda: director.servers()[ADDRESS["rs3"]].get("sorry") is None, 10, "the sorry server is not needed")
    answers_of(lab, "rs1")
    director.admin("undrain", "shop")
    answers_of(lab, "rs1", "rs2")


@case(seconds=90)
def a_reload_a_replacement_and_a_restart_leave_it_as_it_is(lab):
    lab.serve_web()
    shop, state = virtual(**TWO), lab.directory / "rawvs.state"
    director, _ = from_a_copy(lab, sections=[shop], state=state)
    director.admin("drain", "web1", "--timeout", "20")
    since = director.servers()[ADDRESS["rs1"]]["order-at"]
    change(director, virtual(**{**TWO, "servers": ("rs1 name=web1 weight=4", "rs2 name=web2", "rs3")}), state=state)
    director.program.send(signal.SIGHUP)
    director.wait_for_log(f"server {ADDRESS['rs3']}:80 weight=1 forward=dr: added")
    same(director.servers()[ADDRESS["rs1"]].get("order"), "drained", "its order after a SIGHUP")
    change(director, shop, state=state)
    director.admin("reload", "--reset")
    same(out(director), {"rs1": "drained", "rs2": None}, "orders after a reload")
    replaced(director)
    same(out(director), {"rs1": "drained", "rs2": None}, "orders after SIGUSR2")
    answers_of(lab, "rs2")
    director.admin("undrain", "web1")
    director.admin("disable", "web2")
    replaced(director)
    same(out(director), {"rs1": None, "rs2": "disabled"}, "orders after another SIGUSR2")
    director.admin("drain", "shop/", "--timeout", "0", check=False)
    director.stop()
    director.start()
    same(out(director), {"rs1": "drained", "rs2": "disabled"}, "orders after a restart")
    true(int(director.servers()[ADDRESS["rs1"]]["order-at"]) >= int(since), "since when")
    service = next(row for row in director.ask("list") if row["row"] == "service")
    same(service.get("order"), "drained", "the virtual's own")
    status = director.admin("status")
    true(re.search(rf"    disabled {BY_ROOT}", status), status)
    true("all-ordered-out" in director.admin("doctor", "--json", check=False).stdout, "the doctor's finding")
    director.admin("enable", "shop")
    answers_of(lab, "rs1", "rs2")
