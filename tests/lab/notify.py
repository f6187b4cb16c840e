# SPDX-License-Identifier: BSD-2-Clause
"""notify in [virtual] and [vrrp]: programs that hang, names, reloads, and the replacement of the program."""
import shutil

from case import case, same, true
from health import check
from lab.director import TOP, Director, program, virtual
from lab.namespaces import Trouble, eventually, run
from survival import from_a_copy, replaced
from vrrp import instance

ABSENT = [f"192.0.2.{n}" for n in range(130, 200)]


def script(lab, text, name="notify"):
    program = lab.directory / name
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


def lines_of(file):
    return file.read_text().splitlines() if file.exists() else []


def wait_for_lines(file, *lines):
    try:
        eventually(lambda: set(lines) <= set(lines_of(file)), 20, f"the lines {lines}")
    except Trouble as trouble:
        raise Trouble(f"{trouble}; there are {lines_of(file)}") from trouble


def absent(section, options=""):
    return section + "".join(f"server = {address} {options}\n" for address in ABSENT)


@case(seconds=60)
def programs_of_a_virtual_that_hang_do_not_keep_vrrp_from_telling(lab):
    told, count = lab.directory / "told", lab.directory / "count"
    hang = script(lab, f"echo $2 $3 >> {count}\nexec sleep 600", "hang")
    tell = script(lab, f"echo $1 $2 >> {told}", "tell")
    section = absent(virtual("shop", servers=(), check="tcp", notify=hang))
    director = Director(lab, check("tcp", timeout="300ms"), section, instance(150, notify=tell)).start()
    eventually(lambda: len([line for line in lines_of(count) if line.startswith("down")]) >= 32, 40, "32 hang")
    before = lines_of(told)
    director.host.run("ip", "link", "set", "eth0", "down")
    wait_for_lines(told, "web FAULT")
    director.host.run("ip", "link", "set", "eth0", "up")
    eventually(lambda: lines_of(told)[-1:] == ["web MASTER"], 20, f"MASTER again: {lines_of(told)}; before {before}")
    same(director.stop(), 0, "exit status")


@case(seconds=60)
def a_server_that_is_taken_out_of_the_table_is_told_by_its_name(lab):
    lab.serve_web("rs1", "rs2")
    told = lab.directory / "told"
    tell = script(lab, f"echo $* >> {told}")
    names = "a" * 32, "_x.Y-9"
    director = Director(lab, check("tcp"), virtual("s.-_9", servers=(f"rs1 name={names[0]}", f"rs2 name={names[1]}"),
                                                   check="tcp", inhibit=0, notify=tell)).start()
    wait_for_lines(told, f"s.-_9 up {names[0]}", f"s.-_9 up {names[1]}")
    lab["rs1"].run("ip", "link", "set", "eth0", "down")
    wait_for_lines(told, f"s.-_9 down {names[0]}")
    lab["rs1"].run("ip", "link", "set", "eth0", "up")
    eventually(lambda: lines_of(told).count(f"s.-_9 up {names[0]}") == 2, 20, f"up again: {lines_of(told)}")
    same(director.stop(), 0, "exit status")


@case(seconds=90)
def reloads_and_the_next_program_change_who_is_told(lab):
    lab.serve_web("rs1", "rs2")
    told = lab.directory / "told"
    tell = script(lab, f"echo one $* >> {told}")
    other = script(lab, f"echo two $* >> {told}", "other")
    shutil.copy(program("rawvs-helper"), lab.directory)
    director, _ = from_a_copy(lab, sections=[check("tcp"), virtual("shop", servers=("rs1 name=one", "rs2"),
                                                                   check="tcp")])
    director.wait_for_health("rs1", "up")

    def reload(**keys):
        name = keys.pop("name", "shop")
        text = director.ini.read_text()
        head = text[:text.index("[virtual")]
        server = keys.pop("server", "one")
        director.ini.write_text(head + virtual(name, servers=(f"rs1 name={server}", "rs2"), check="tcp", **keys))
        director.admin("reload")

    def flap(word):
        lab["rs1"].run("ip", "link", "set", "eth0", word)
        director.wait_for_health("rs1", word if word == "up" else "down", 30)
    reload(notify=tell)
    flap("down")
    wait_for_lines(told, "one shop down one")
    reload(notify=other, server="two")
    flap("up")
    wait_for_lines(told, "two shop up two")
    reload(notify=other, server="two", name="renamed")
    flap("down")
    wait_for_lines(told, "two renamed down two")
    before = lines_of(told)
    replaced(director)
    flap("up")
    eventually(lambda: "two renamed up two" in lines_of(told)[len(before):], 20, "up is told by the next program")
    reload()
    flap("down")
    true("two renamed down two" not in lines_of(told)[len(before):], f"what is told without notify: {lines_of(told)}")
    same(director.stop(), 0, "exit status")


@case(seconds=90)
def five_hundred_servers_that_go_down_at_once_are_told_each_once(lab):
    told = lab.directory / "told"
    tell = script(lab, f"echo $* >> {told}; yes | head -c 1000000; sleep 0.01 & exec >&- 2>&- <&-")
    servers = "".join(f"server = {net}.{n} forward=tun name=s{net[0]}-{n}\n"
                      for net in ("198.51.100", "203.0.113") for n in range(2, 252))
    section = virtual("shop", servers=(), check="tcp", notify=tell) + servers
    director = Director(lab, check("tcp"), section).start()
    number = servers.count("\n")
    eventually(lambda: len([line for line in lines_of(told) if " down " in line]) >= number, 60, "all told")
    lines = [line for line in lines_of(told) if " down " in line]
    same(len(set(lines)), number, "servers told")
    same(len(lines), number, "times told")
    true("not told" not in director.log(), director.log()[-500:])
    same(director.stop(), 0, "exit status")


@case(seconds=60)
def a_program_that_goes_or_that_others_can_write_is_said_once_and_the_next_event_runs_it_again(lab):
    lab.serve_web("rs1", "rs2")
    told = lab.directory / "told"
    tell = script(lab, f"echo $* >> {told}")
    director = Director(lab, check("tcp"), virtual("shop", servers=("rs1", "rs2"), check="tcp", flaps_allowed=0,
                                                   notify=tell)).start()
    wait_for_lines(told, "shop up 192.0.2.11:80", "shop up 192.0.2.12:80")
    tell.chmod(0o777)
    lab["rs1"].run("ip", "link", "set", "eth0", "down")
    director.wait_for_log("can write it")
    lab["rs1"].run("ip", "link", "set", "eth0", "up")
    director.wait_for_health("rs1", "up")
    tell.rename(lab.directory / "gone")
    lab["rs1"].run("ip", "link", "set", "eth0", "down")
    director.wait_for_log("No such file or directory")
    (lab.directory / "gone").rename(tell)
    tell.chmod(0o755)
    lab["rs1"].run("ip", "link", "set", "eth0", "up")
    eventually(lambda: lines_of(told).count("shop up 192.0.2.11:80") == 2, 20, f"told again: {lines_of(told)}")
    same(director.log().count("can write it"), 1, "warnings")
    same(director.stop(), 0, "exit status")


@case(seconds=60)
def a_notify_program_is_told_of_servers_quorum_and_sorry_server(lab):
    lab.serve_web("rs1", "rs2")
    told = lab.directory / "told"
    tell = script(lab, f'echo "$#: $*" >> {told}')
    section = virtual("shop", servers=("rs1 name=one",), check="tcp", sorry="192.0.2.12", notify=tell)
    director = Director(lab, check("tcp"), section).start()
    wait_for_lines(told, "3: shop up one")
    lab["rs1"].run("ip", "link", "set", "eth0", "down")
    wait_for_lines(told, "3: shop down one", "3: shop no-quorum -", "3: shop sorry 192.0.2.12:80")
    lab["rs1"].run("ip", "link", "set", "eth0", "up")
    wait_for_lines(told, "3: shop quorum -", "3: shop no-sorry 192.0.2.12:80")
    same(director.stop(), 0, "exit status")


@case()
def the_example_sends_a_mail(lab):
    sent = lab.directory / "sent"
    sendmail = script(lab, f'[ "$1" = -t ] && cat > {sent}', "sendmail")
    for arguments, subject in ((("shop", "down", "web1"), "shop: server web1 is down"),
                               (("shop", "no-quorum", "-"), "shop: too few servers are well"),
                               (("web", "MASTER", "150"), "vrrp web is MASTER, priority 150")):
        run("env", f"SENDMAIL={sendmail}", str(TOP / "etc" / "examples" / "notify-mail"), *arguments)
        lines = sent.read_text().splitlines()
        true(lines[0] == "To: root" and lines[1].endswith(f"] {subject}") and subject in lines[3:], lines)
