# SPDX-License-Identifier: BSD-2-Clause
"""etc/examples: each file starts a director unchanged, and `rawvsadm status` shows what the file says."""
import re
import signal

from case import case, each_of, same, true
from lab.director import TOP, Director
from lab.namespaces import eventually

HERE = TOP / "etc" / "examples"
EXAMPLES = sorted(HERE.rglob("*.ini"))


each_example = each_of({re.sub(r"\W", "_", str(file.relative_to(HERE).with_suffix(""))): file for file in EXAMPLES})


@each_example
def a_director_starts_with_the_example(lab, file):
    director = Director(lab)
    text = file.read_text()
    # Only the control socket has another path: hosts of the lab share one file system.
    text = text.replace("[director]\n", f"[director]\ncontrol = {director.control}\n")
    director.ini.write_text(text.replace("/run/rawvs/state", str(lab.directory / "rawvs.state")))
    director.start()
    services = [row["service"] for row in director.ask("list") if row["row"] == "service"]
    same(len(services), len(re.findall(r"^\[virtual ", text, re.M)), "services")
    servers = set(re.findall(r"^(?:server|sorry) = \[?(\d+\.[\d.]+|[\da-f]+:[\da-f:]+)", text, re.M))
    rows = [row for row in director.ask("list") if row["row"] == "server"]
    same({row["server"].rpartition(":")[0].strip("[]") for row in rows}, servers, "servers")
    true("warning: eth0" not in director.log(), director.log())


@case(seconds=90)
def a_demo_that_is_kept_has_a_page_and_ends_by_ctrl_c(lab):
    demo = lab["client"].start("env", "DEMO=keep", str(TOP / "tools" / "demo"))
    eventually(lambda: "Ctrl-C ends" in demo.text() or not demo.running(), 40, "the demo")
    true(demo.running(), demo.text())
    page = re.search(r"http://127.0.0.1:\d+/", demo.text())
    true(page, demo.text())
    eventually(lambda: "rs1" in lab["client"].run("curl", "-s", "-m", "5", page[0], check=False).stdout, 20, "the page")
    command = re.search(r"The director: +(/.*)", demo.text())[1]
    true("rs2" in lab["client"].run(*command.split()).stdout, "rawvsadm as the demo says it")
    same(demo.stop(signal.SIGINT, 20), 0, f"exit status: {demo.text()[-500:]}")
    true("Everything is removed" in demo.text(), demo.text()[-500:])
