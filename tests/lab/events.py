# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm events: what changed, across a restart and the replacement of the program."""
import json
import socket

from case import case, same, true
from health import check
from lab.director import Director, virtual
from lab.namespaces import eventually
from survival import from_a_copy, replaced


def texts(director, *arguments):
    return [row["text"] for row in json.loads(director.admin("events", "--json", *arguments))["events"]]


def holds(director, words):
    return any(words in text for text in texts(director))


@case(seconds=90)
def what_changed_is_told_and_outlives_restart_and_replacement(lab):
    lab.serve_web("rs1", "rs2")
    director, _ = from_a_copy(lab, sections=[check("tcp"), virtual(servers=("rs1", "rs2"), check="tcp")],
                              state=lab.directory / "rawvs.state")
    eventually(lambda: holds(director, "192.0.2.11:80 is up"), 20, "the first server's check")
    lab["rs1"].run("ip", "link", "set", "eth0", "down")
    eventually(lambda: holds(director, "192.0.2.11:80 is down"), 20, "the event of a server that died")
    director.admin("-e", "-t", "192.0.2.100:80", "-r", "192.0.2.12:80", "-g", "-w", "7")
    listed = director.admin("events", "--topic", "control").splitlines()
    true(len(listed) == 1 and "control: root (pid " in listed[0] and "weight" in listed[0], listed)
    same(len(director.admin("events", "--count", "3").splitlines()), 3, "the last three")
    before = texts(director)
    replaced(director)
    after = texts(director)
    same(after[:len(before)], before, "events after the program was replaced")
    true(len(set(after)) > len(before), "and those of the new one")
    same(director.stop(), 0, "exit status")
    director.start()
    again = texts(director)
    same(again[:len(after)], after, "events after a restart")
    rows = json.loads(director.admin("events", "--json"))["events"]
    numbers = [row["number"] for row in rows]
    same(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "their numbers")


@case(seconds=60)
def who_follows_sees_what_comes_also_from_a_rawvsd_that_was_started_again(lab):
    director = Director(lab).start()
    follower = lab["director"].start(*director.command("events", "--follow", "--topic", "control"))
    director.admin("-A", "-t", "192.0.2.101:80")
    eventually(lambda: "192.0.2.101:80" in follower.text(), 20, "an operator's change")
    same(director.stop(), 0, "exit status")
    eventually(lambda: "waiting for it" in follower.text(), 20, "that rawvsd is away")
    director.start()
    director.admin("-A", "-t", "192.0.2.102:80")
    eventually(lambda: "192.0.2.102:80" in follower.text(), 20, "a change after the restart")
    same(follower.text().count("192.0.2.102:80"), 1, "times that it was told")


class Rawvsd:
    """Answers requests for events as rawvsd does, a connection at a time, and counts its connections anew."""

    def __init__(self, director):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(director.control))
        self.listener.listen()
        self.listener.settimeout(60)

    def answers(self, requests, *events):
        """One connection, which it closes after so many requests."""
        client, _ = self.listener.accept()
        with client:
            for _ in range(requests):
                after = int(client.recv(4096).decode().partition("after=")[2] or 0)
                rows = [f"event number={number} time={seconds}.000 severity=notice topic=daemon text={text}\n"
                        for number, (seconds, text) in enumerate(events, 1)
                        if number > after or after >= len(events)]
                client.send(f"ok\n{''.join(rows)}end\n".encode())


@case()
def who_follows_sees_what_comes_from_another_rawvsd_whose_clock_was_set_back(lab):
    director = Director(lab)
    rawvsd = Rawvsd(director)
    follower = lab["director"].start(*director.command("events", "--follow"))
    rawvsd.answers(1, (2000000, "first"), (2000000, "second"))
    rawvsd.answers(2, (1000000, "third"), (2000000, "first"), (2000000, "second"), (2000000, "fourth"))
    eventually(lambda: "fourth" in follower.text(), 20, "what came in the same second")
    same([line.split()[-1] for line in follower.text().splitlines()], ["first", "second", "third", "fourth"],
         "what it told")
