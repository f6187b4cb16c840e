# SPDX-License-Identifier: BSD-2-Clause
"""etc/examples: each file starts a director unchanged, and `rawvsadm status` shows what the file says."""
import re

from case import each_of, same, true
from lab.director import TOP, Director

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
