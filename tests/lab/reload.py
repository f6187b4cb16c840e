# SPDX-License-Identifier: BSD-2-Clause
"""The configuration read again while clients are served: SIGHUP, and the control command."""
import os
import signal

from case import all_answered, case, same, true
from lab.director import Director, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, VIP2

THREE = {"servers": ("rs1", "rs2", "rs3")}
DOWNLOADS = 20
BYTES = 16_000_000


def change(director, *sections, **settings):
    """Writes the file again, as an editor does."""
    head = {"interface": "eth0", "control": director.control, "seccomp": "kill", **settings}
    lines = ["[director]", *[f"{key} = {value}" for key, value in head.items()], ""]
    director.ini.write_text("\n".join(lines) + "\n" + "\n".join(sections))


def begin_downloads(lab):
    for name in ("rs1", "rs2", "rs3"):
        (lab.page_root(name) / "large").write_bytes(os.urandom(BYTES))
    return [lab["client"].start("curl", "-sS", "--limit-rate", "2M", "-o", "/dev/null", "-w",
                                "%{http_code} %{size_download}", f"http://{VIP}/large") for _ in range(DOWNLOADS)]


def table(director):
    """What does not change by itself."""
    return [row for row in director.ask("list") if row["row"] not in ("daemon", "fast")]


@case(**THREE)
def a_reload_applies_the_difference_and_no_download_breaks(lab):
    lab.serve_web("rs1", "rs2", "rs3")
    director = Director(lab, virtual(servers=("rs1", "rs2"), scheduler="rr")).start()
    downloads = begin_downloads(lab)
    eventually(lambda: len(director.ask("connections")) == DOWNLOADS, 10, "the downloads")
    before = director.servers()
    change(director, virtual(servers=("rs2 weight=2", "rs3"), scheduler="wrr"), sloppy_tcp=1)
    true(sum(one.running() for one in downloads) > DOWNLOADS / 2, "the downloads are over before the reload")
    director.program.send(signal.SIGHUP)
    director.wait_for_log(f"reload: web (tcp {VIP}:80): server {ADDRESS['rs1']}:80: removed")
    for line in ("SIGHUP: reading", "reload: sloppy_tcp: 0 -> 1", f"reload: web (tcp {VIP}:80): scheduler=wrr",
                 f"server {ADDRESS['rs2']}:80 weight=2 forward=dr",
                 f"server {ADDRESS['rs3']}:80 weight=1 forward=dr: added"):
        true(line in director.log(), f"the log does not say {line!r}")
    after = director.servers()
    same(sorted(after), sorted([ADDRESS["rs2"], ADDRESS["rs3"]]), "servers")
    true(int(after[ADDRESS["rs2"]]["conns"]) == int(before[ADDRESS["rs2"]]["conns"]), "the counters did not survive")
    all_answered(lab.request("client", 30), 30)
    # The removed server's connections wait for it; it comes back before anybody gives up.
    change(director, virtual(servers=("rs1", "rs2 weight=2", "rs3"), scheduler="wrr"), sloppy_tcp=1)
    same([row["row"] for row in director.ask("reload")], ["change"], "rows of the reply")
    for one in downloads:
        one.wait(30)
    same({one.text() for one in downloads}, {f"200 {BYTES}"}, "what the downloads say")


@case()
def a_bad_file_changes_nothing_and_is_named_with_its_line(lab):
    lab.serve_web()
    director = Director(lab).start()
    before = table(director)
    director.ini.write_text(f"[director]\ninterface = eth0\ncontrol = {director.control}\n\n[virtual web]\n"
                            f"address = {VIP}\nports = tcp/eighty\nserver = {ADDRESS['rs1']}\n")
    director.program.send(signal.SIGHUP)
    director.wait_for_log("nothing was changed")
    true(f"{director.ini}:7: [virtual web] ports: " in director.log(), director.log()[-400:])
    done = director.admin("reload", check=False)
    same(done.returncode, 1, "exit status of rawvsadm reload")
    true(f"{director.ini}:7: [virtual web] ports: " in done.stderr, done.stderr)
    director.ini.unlink()
    done = director.admin("reload", check=False)
    true(done.returncode == 1 and str(director.ini) in done.stderr, done.stderr)
    same(table(director), before, "the table")
    all_answered(lab.request("client", 10), 10)


@case()
def what_rawvsadm_changed_survives_a_reload_and_not_a_reset(lab):
    lab.serve_web()
    director = Director(lab).start()
    director.admin("-e", "-t", f"{VIP}:80", "-r", ADDRESS["rs1"], "-w", "0")
    same(director.admin("reload"), "Nothing to change.\n", "what reload says")
    same(director.servers()[ADDRESS["rs1"]]["weight"], "0", "the weight after the reload")
    same(director.admin("reload", "--reset"), f"web (tcp {VIP}:80): server {ADDRESS['rs1']}:80 weight=1 forward=dr\n",
         "what the reset says")
    same(director.servers()[ADDRESS["rs1"]]["weight"], "1", "the weight after the reset")


@case(**THREE)
def a_new_vip_is_answered_for_and_an_old_one_is_not(lab):
    lab.serve_web("rs1", "rs2", "rs3")
    director = Director(lab).start()
    change(director, virtual(name="other", address=VIP2, servers=("rs3",)))
    director.ask("reload")
    same([row["address"] for row in director.ask("arp") if row["row"] == "vip" and row["retired"] == "0"], [VIP2],
         "VIPs answered for")
    all_answered(lab.request("client", 10, url=f"http://{VIP2}/"), 10)


@case()
def a_table_saved_as_ini_gives_the_same_table(lab):
    lab.serve_web()
    director = Director(lab).start()
    director.admin("-A", "-u", f"{VIP}:53", "-s", "rr", "-o")
    director.admin("-a", "-u", f"{VIP}:53", "-r", ADDRESS["rs2"], "-w", "5")
    table = director.admin("-S", "-n")
    director.ini.write_text(director.admin("save", "--ini"))
    director.stop()
    director.start()
    same(director.admin("-S", "-n"), table, "the table after a start with what save --ini wrote")
    all_answered(lab.request("client", 10), 10)
