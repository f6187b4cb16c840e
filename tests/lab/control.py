# SPDX-License-Identifier: BSD-2-Clause
"""The control socket with large tables, many clients, and a log of what operators change."""
import json
import os
import re
import signal

from case import case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP

SERVICES, SERVERS = 10, 1000  # 10,000 servers


def large(weight):
    """Virtuals with many NAT servers each, every server with its own port."""
    return [f"[virtual v{i}]\naddress = {VIP}\nports = tcp/{8000 + i}\n" +
            "".join(f"server = 192.0.2.{11 + k % 2}:{1000 + k} forward=nat weight={weight}\n" for k in range(SERVERS))
            for i in range(SERVICES)]


def instances(count):
    return [f"[vrrp instance{i}]\nvrid = {i}\naddress = {f'203.0.113.{i}' if i < 255 else '192.0.2.250'}\n"
            for i in range(1, count + 1)]


@case(seconds=180)
def every_word_answers_with_a_large_table(lab):
    director = Director(lab, *large(1), max_servers=16384).start()
    count = SERVICES * SERVERS
    same(director.admin("save", "--ini").count("\nserver = "), count, "servers in what save --ini writes")
    same(director.admin("-S", "-n").count("\n-a "), count, "servers in what -S writes")
    same(len(json.loads(director.admin("status", "--json"))["services"]), SERVICES, "services of the status")
    same(sum(len(one["servers"]) for one in json.loads(director.admin("status", "--json"))["services"]), count,
         "servers of the status")
    for words in (("doctor",), ("arp",), ("drops",), ("connections",), ("-Ln",), ("-Ln", "--stats"),
                  ("top", "--count", "1", "--interval", "0.1")):
        done = director.admin(*words, check=False)
        true(done.returncode in (0, 1) and done.stdout and not done.stderr, f"{words}: {done.stderr}")
    text = director.ini.read_text()
    director.ini.write_text(text.replace("weight=1", "weight=2"))
    done = director.admin("--wait", "120", "reload")
    same(done.count(" weight=2 "), count, "changes that reload tells")


@case(seconds=60)
def all_vrrp_instances_are_listed(lab):
    director = Director(lab, virtual(), *instances(255)).start()
    same(len(json.loads(director.admin("vrrp", "--json"))["vrrps"]), 255, "instances")
    same(director.admin("save", "--ini").count("[vrrp instance"), 255, "instances that are saved")


@case()
def the_log_names_who_changed_what(lab):
    director = Director(lab, virtual(servers=("rs1",))).start()
    server = ("-t", f"{VIP}:80", "-r", ADDRESS["rs1"])
    director.admin("-e", *server, "-w", "0")
    who = r"control: root \(pid \d+, rawvsadm\): "
    place = re.escape(f"web (tcp {VIP}:80): server {ADDRESS['rs1']}:80: ")
    eventually(lambda: re.search(who + place + "weight 1 -> 0\n", director.log()), 10, "the change in the log")
    director.admin("-e", *server, "-w", "0")
    director.admin("-Ln")
    director.admin("--set", "60", "0", "0")
    eventually(lambda: re.search(who + "timeouts: tcp 900s -> 60s\n", director.log()), 10, "the timeout in the log")
    same(len(re.findall(who, director.log())), 2, f"lines about changes in:\n{director.log()}")
    lines = "".join(f"-a -t {VIP}:80 -r 192.0.2.12:80 -m -w {i}\n-d -t {VIP}:80 -r 192.0.2.12:80\n"
                    for i in range(1, 101))
    director.host.run(*director.command("-R"), stdin=lines)
    eventually(lambda: re.search(r"\d+ more changes: \d+ add-server, \d+ delete-server\n", director.log()), 20,
               "the number of changes in the log")
    true(len(re.findall(who, director.log())) < 30, f"many lines about a restored table:\n{director.log()}")


@case()
def a_full_table_is_in_the_log(lab):
    lab.serve_web("rs1")
    director = Director(lab, virtual(servers=("rs1",)), max_connections=2, drop_entry=0).start()
    for _ in range(4):
        lab["client"].start("curl", "-sS", "--max-time", "10", "-o", "/dev/null", f"http://{VIP}/")
    director.wait_for_log("table-full: ")
    true(re.search(r"warning: table-full: \d+ packets? (was|were) dropped: no room for another connection: see "
                   r"max_connections\n", director.log()), director.log())


@case()
def a_control_socket_that_was_deleted_is_made_again_by_sighup(lab):
    director = Director(lab).start()
    director.control.unlink()
    done = director.admin("-Ln", check=False)
    true(done.returncode == 2 and "SIGHUP makes that again" in done.stderr, done.stderr)
    director.program.send(signal.SIGHUP)
    director.wait_for_log(f"control socket {director.control} had been deleted: made again")
    true(f"{VIP}:80" in director.admin("-Ln"), "it does not answer there")
    same(oct(os.stat(director.control).st_mode & 0o7777), "0o660", "its mode")


@case()
def a_director_that_stands_still_is_waited_for_only_so_long(lab):
    director = Director(lab).start()
    director.program.send(signal.SIGSTOP)
    done = director.admin("--wait", "1", "status", check=False)
    director.program.send(signal.SIGCONT)
    same((done.returncode, done.stdout), (2, ""), "exit status and output")
    same(done.stderr, f"rawvsadm: rawvsd at {director.control}: no answer within 1 s; see --wait\n", "what is said")
    true(f"{VIP}:80" in director.admin("--wait=5", "-Ln"), "it does not answer afterwards")
