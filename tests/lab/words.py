# SPDX-License-Identifier: BSD-2-Clause
"""rawvsadm's own commands as an operator types them, on a director with traffic."""
import json
import pathlib
import re
import signal
import socket
import subprocess

from case import all_answered, case, same, true
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP, Load, mac_of

SERVICE, RS1, RS2 = f"{VIP}:80", ADDRESS["rs1"], ADDRESS["rs2"]


def told(director, *words):
    """The output of a command with --json."""
    return json.loads(director.admin(*words, "--json"))


def started(director, *words):
    """A command that runs until it is ended."""
    return director.host.start(program("rawvsadm"), "--socket", str(director.control), *words)


@case()
def status_tells_who_is_up_and_why_not(lab):
    # rs3 is no host of this network.
    director = Director(lab, virtual(scheduler="rr", servers=("rs1", "rs2 weight=0", "rs3"))).start()
    eventually(lambda: "no answer to ARP" in director.admin("status"), 20, "a silent server in the status")
    status = director.admin("status")
    true(re.match(r"rawvsd \S+, up \d\d:\d\d:\d\d since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, on eth0\n", status), status)
    for line in (rf"  {RS1}:80 +1 .*\n\n", rf"  {RS2}:80 +0 .*\n    quiesced \(weight 0\)\n",
                 rf"  {ADDRESS['rs3']}:80 +1 .*\n    no answer to ARP\n"):
        true(re.search(f"(?m)^{line}", status), f"no line {line!r} in:\n{status}")
    true(all(len(line) <= 80 for line in status.splitlines()) and "\033" not in status, status)
    quiesced = director.admin("status", "web", "--state", "quiesced")
    true(f"{RS2}:80" in quiesced and f"{RS1}:80" not in quiesced, quiesced)
    true(f"TCP {SERVICE} rr\n" in status, status)
    facts = told(director, "status")
    same([server["server"] for server in facts["services"][0]["servers"]],
         [f"{ADDRESS['rs3']}:80", f"{RS2}:80", f"{RS1}:80"], "servers, newest first")
    same(facts["daemon"]["config"], str(director.ini), "the file")
    true(isinstance(facts["daemon"]["uptime"], int) and facts["vips"][0]["address"] == VIP, facts)


@case(servers=("rs1", "rs2"))
def names_are_shown_and_can_be_typed(lab):
    lab.serve_web()
    director = Director(lab, virtual(name="shop", servers=("rs1 name=web1", "rs2"), check="tcp"),
                        virtual(name="media", ports="tcp/8080,8081", servers=("rs1",))).start()
    all_answered(lab.request("client", 10), 10)
    status = director.admin("status", "shop")
    true(f"\nshop: TCP {SERVICE} wlc\n" in status and f"\n  web1 {RS1}:80 " in status, status)
    true("media" not in status, status)
    same(director.admin("status", "--names").split(), ["shop", f"shop/{RS2}:80", "shop/web1", "media",
                                                       f"media/{RS1}:0"], "names")
    true(re.search(r"\nFWM  \d+ wlc", director.admin("-Ln", "-f", "media")), "the listing of a mark")
    rows = director.admin("connections", "--service", "shop", "--server", "shop/web1").splitlines()
    true(len(rows) > 2 and all(row.endswith(f" {RS1}:80 shop/web1") for row in rows[2:]), rows)
    same(len(director.admin("connections", "--service", "media").splitlines()), 2, "lines about no connection")
    told_of = director.admin("explain", "198.51.100.7:1024", "shop")
    true(f"virtual service shop (tcp {SERVICE})" in told_of and f"web1 ({RS1}:80) weight 1" in told_of, told_of)
    drained = director.admin("drain", "shop/web1", "--timeout", "0", check=False)
    true("shop: web1 is drained by root since " in drained.stdout, drained.stdout)
    director.wait_for_log(f"shop (tcp {SERVICE}): server web1 ({RS1}:80): drained")
    unknown = director.admin("drain", "shop/web3", check=False)
    same(unknown.returncode, 1, "exit status of an unknown name")
    true('"shop/web3" names nothing here: there are the virtuals media, shop, and the servers web1' in unknown.stderr,
         unknown.stderr)


def keys_in_the_manual():
    """The keys of each record that rawvsadm(8) describes."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "etc/man/rawvsadm.8").read_text(encoding="utf-8")
    text = text[text.index("What these contain:"):text.index(".Ss Keeping a table")]
    keys = {}
    for name, body in re.findall(r"^\.It (\w+)\n(.*?)(?=^\.It |^\.El)", text, re.M | re.S):
        keys[name] = {word for line in re.findall(r"^\.Li (.*)$", body, re.M) for word in line.split()
                      if re.fullmatch(r"[a-z][a-z_-]*", word)}
    for name in ("service", "server"):
        keys[name] |= keys["counts"]
    return keys


@case()
def the_keys_of_json_are_in_the_manual(lab):
    lab.serve_web()
    more = "check = tcp\nslow_start = 10s\n[vrrp x]\nvrid = 5\ninterval = 100ms\n[sync]\n"
    director = Director(lab, virtual(scheduler="wrr") + more).start()
    eventually(lambda: '"master", "priority"' in director.admin("vrrp", "--json"), 20, "a master")
    manual = keys_in_the_manual()
    true(len(manual) >= 12, manual)
    found = {"verdict": told(director, "explain", f"{ADDRESS['local']}:40000", SERVICE)["verdict"]}
    status = told(director, "status")
    found["daemon"] = status["daemon"]
    for name in ("service", "exit", "link", "vrrp", "sync", "vip", "neighbor"):
        true(status[f"{name}s"], f"no {name} in {status}")
        found[name] = status[f"{name}s"][0]
    found["server"] = found["service"]["servers"][0]
    for name, record in found.items():
        lacking = sorted(set(record) - manual[name] - {"servers", "rivals"})
        same(lacking, [], f"keys of {name} that rawvsadm(8) does not name")


def keys_of(value):
    """Every key within a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


@case()
def the_keys_of_json_have_one_style(lab):
    lab.serve_web()
    director = Director(lab, virtual(scheduler="wrr", servers=("rs1 name=web1", "rs2"), check="tcp"),
                        "[vrrp x]\nvrid = 5\ninterval = 100ms\n[sync]\n").start()
    all_answered(lab.request("client", 4), 4)
    keys, flow = set(), (f"{ADDRESS['local']}:40000", SERVICE)
    for words in (("status",), ("drops", "--all"), ("neighbours",), ("vrrp",), ("events",), ("connections",),
                  ("explain", *flow), ("check", str(director.ini)), ("reload", "--dry-run"), ("reload",),
                  ("top", "--count", "1", "--interval", "0.1"), ("drain", "web1", "--timeout", "0"), ("doctor",)):
        keys |= keys_of(json.loads(director.admin(*words, "--json", check=False).stdout))
    true(len(keys) > 100, keys)
    same(sorted(key for key in keys if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key)), [], "keys of another style")
    text = (pathlib.Path(__file__).resolve().parents[2] / "etc/man/rawvsadm.8").read_text(encoding="utf-8")
    text = text[text.index(".Ss JSON"):text.index(".Ss Keeping a table")]
    named = set(re.findall(r"[a-z0-9-]+", " ".join(re.findall(r"(?m)^\.(?:Li|It) (.*)$", text))))
    same(sorted(keys - named), [], "keys that rawvsadm(8) does not name")


@case()
def connections_are_filtered_and_told_as_json(lab):
    lab.serve_web()
    director = Director(lab, virtual(scheduler="rr")).start()
    all_answered(lab.request("client", 6), 6)
    all_answered(lab.request("local", 4), 4)
    client, local = ADDRESS["client"], ADDRESS["local"]
    for filters, count in ((("--client", client), 6), (("--client", "192.0.2.0/24"), 4), (("--vip", SERVICE), 10),
                           (("--server", RS1), 5), (("--client", local, "--server", f"{RS2}:80"), 2),
                           (("--protocol", "udp"), 0), (("--vip", f"{VIP}:81"), 0)):
        same(len(told(director, "connections", *filters)["connections"]), count, f"connections with {filters}")
        same(director.admin("connections", *filters).count("\nTCP "), count, f"lines with {filters}")
    states = {row["state"] for row in told(director, "connections")["connections"]}
    for state in states:
        same({row["state"] for row in told(director, "connections", "--state", state.lower())["connections"]}, {state},
             "states found when one is asked for")


@case()
def explain_says_beforehand_where_a_packet_goes(lab):
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)
    before = director.ask("connections")
    done = director.admin("explain", f"{ADDRESS['client']}:4000", SERVICE, check=False)
    same(done.returncode, 0, f"exit status ({done.stderr.strip()})")
    true(re.match(r"1\. ", done.stdout) and RS1 in done.stdout.splitlines()[-1], done.stdout)
    verdict = told(director, "explain", f"{ADDRESS['client']}:4000", SERVICE)["verdict"]
    same(verdict["server"], f"{RS1}:80", "the server that is told as JSON")
    same(len(director.ask("connections")), len(before), "connections after it was explained")
    elsewhere = director.admin("explain", f"{ADDRESS['client']}:4000", "192.0.2.77:80", check=False)
    same(elsewhere.returncode, 1, f"exit status for an address that is no VIP: {elsewhere.stdout}")


@case()
def trace_tells_each_packet_in_and_out(lab):
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)  # the MAC address is known now
    trace = started(director, "trace", "--client", ADDRESS["client"], "--count", "3")
    eventually(lambda: lab.request("client").of and not trace.running(), 15, "the end of a trace of 3 packets")
    same(trace.wait(), 0, f"exit status: {trace.text()}")
    lines = trace.text().splitlines()
    true(re.match(rf"\d\d:\d\d:\d\d\.\d{{3}} eth0 in:  {ADDRESS['client']}:\d+ > {SERVICE} tcp ", lines[0]), lines[0])
    true(lines[0].endswith(f", {mac_of('router')} > {mac_of('director')}"), lines[0])
    true(lines[1].startswith(f"    forwarded: to {RS1}:80 by DR"), lines[1])
    true(lines[2].startswith("    eth0 out: ") and lines[2].endswith(f", {mac_of('director')} > {mac_of('rs1')}"),
         lines[2])
    same(len(lines), 9, "lines about 3 packets")


@case()
def capture_shows_each_packet_before_and_after_with_the_decision(lab):
    lab.serve_web()
    director = Director(lab, virtual(servers=("rs1",))).start()
    all_answered(lab.request("local"), 1)
    file = lab.directory / "seen.pcapng"
    capture = started(director, "capture", str(file), "--client", ADDRESS["client"])
    # Written packet by packet: whole at any time, also when Ctrl-C ends it.
    eventually(lambda: lab.request("client").of and file.exists() and file.stat().st_size > 2000, 15,
               "packets in the file")
    same(capture.stop(signal.SIGINT), 0, "exit status after Ctrl-C")
    true("packets, before and after" in capture.text(), f"no last word: {capture.text()!r}")
    content = file.read_bytes()
    true(f"in: forwarded: to {RS1}:80 by DR, new connection".encode() in content, "no comment about the packet in")
    true(f"out: forwarded: to {RS1}:80 by DR, new connection".encode() in content, "no comment about the packet out")
    read = subprocess.run(["tcpdump", "-enr", str(file), "tcp[tcpflags] & tcp-syn != 0"], capture_output=True,
                          check=True, text=True).stdout.splitlines()
    for line, way in zip(read, (f"> {mac_of('director')}", f"{mac_of('director')} > {mac_of('rs1')}")):
        true(way in line, f"no {way!r} in tcpdump's {line!r}")


@case(seconds=90, servers=("rs1", "rs2", "rs3"))
def drain_waits_until_a_server_has_no_connection_and_no_request_fails(lab):
    lab.serve_web()
    director = Director(lab, timeout_tcpfin=2).start()
    load = Load(lab, "client")
    load.wait_for(100, "rs1")
    drain = director.admin("drain", RS1, "--timeout", "60", check=False)
    same(drain.returncode, 0, f"exit status: {drain.stdout}{drain.stderr}")
    true(f": rawvsadm undrain {RS1}\n" in drain.stdout, f"no way back is named: {drain.stdout}")
    true("no connection left\n" in drain.stdout, drain.stdout)
    row = director.servers()[RS1]
    same((row["weight"], row["active"], row["inactive"]), ("0", "0", "0"), "weight and connections")
    load.wait_for(100)
    answers = load.stop()
    true(not answers.failures, f"{len(answers.failures)} requests failed: {answers.failures[:3]}")
    director.admin("undrain", RS1)
    same(director.servers()[RS1]["weight"], "1", "weight after the line that drain named")


@case()
def drain_gives_up_in_time_and_says_so(lab):
    lab.serve_web("rs1")
    director = Director(lab, virtual(servers=("rs1",))).start()
    with lab["local"].inside():
        held = socket.create_connection((VIP, 80), timeout=60)
    with held:
        eventually(lambda: director.servers()[RS1]["active"] == "1", 5, "an active connection")
        done = director.admin("drain", f"{RS1}:80", "--timeout", "1", check=False)
    same(done.returncode, 1, "exit status")
    true("Time is up: 1 connection left (1 active, 0 inactive)\n" in done.stdout, done.stdout)


@case(seconds=60)
def top_measures_what_servers_do(lab):
    lab.serve_web()
    director = Director(lab).start()
    load = Load(lab, "client")
    load.wait_for(50)
    before = director.servers()
    blocks = director.admin("top", "--interval", "1", "--count", "3", "--json")
    lines = [json.loads(line) for line in blocks.splitlines()]
    after = director.servers()
    load.stop()
    same(len(lines), 3, "blocks")
    for server in lines[-1]["servers"]:
        address = server["server"].partition(":")[0]
        true(int(before[address]["conns"]) <= server["conns"] <= int(after[address]["conns"]), f"{server}: its total")
        # A machine that is busy may stand still for one interval, but not for three.
        rates = [one for line in lines for one in line["servers"]
                 if one["server"] == server["server"] and one["cps"] > 0]
        true(rates and all(one["inbps"] > one["inpps"] > one["cps"] for one in rates), f"{server}: its rates")
    sorted_ones = told(director, "top", "--count=1", "--interval=0.2", "--sort=inpkts")["servers"]
    rates = [server["inpps"] for server in sorted_ones]
    same(rates, sorted(rates, reverse=True), "rates when sorted by them")
    text = director.admin("top", "--count", "1", "--interval", "0.1")
    true("\033" not in text and text.splitlines()[2].startswith("Server "), text)


@case()
def top_ends_cleanly_at_a_signal(lab):
    director = Director(lab).start()
    top = started(director, "top", "--interval", "0.1")
    eventually(lambda: "Server" in top.text(), 5, "a block")
    same(top.stop(signal.SIGINT), 0, "exit status")


@case()
def reload_tells_what_changed_and_refuses_a_faulty_file(lab):
    director = Director(lab, virtual(scheduler="wlc")).start()
    same(director.admin("reload"), "Nothing to change.\n", "a reload of the same file")
    text = director.ini.read_text()
    director.ini.write_text(text.replace("scheduler = wlc", "scheduler = rr").replace("interface = eth0",
                                                                                      "interface = eth1"))
    done = director.admin("reload")
    true(re.search(rf"(?m)^.*{SERVICE}.*rr", done), done)
    true(re.search(r"(?m)^pending: interface.*eth0.*eth1.*at the next start$", done), done)
    true(f"TCP  {SERVICE} rr\n" in director.admin("-Ln"), director.admin("-Ln"))
    director.ini.write_text(text.replace("scheduler = wlc", "scheduler = best"))
    done = director.admin("reload", check=False)
    same(done.returncode, 1, "exit status of a faulty file")
    true(re.search(r"rawvs\.ini:\d+: \[virtual web\] scheduler: ", done.stderr), done.stderr)
    true(f"TCP  {SERVICE} rr\n" in director.admin("-Ln"), "the table changed")
    check = director.admin("check", str(director.ini), check=False)
    same((check.returncode, check.stderr.replace("rawvsadm: ", "")), (1, done.stderr.replace("rawvsadm: reload: ", "")),
         "what check says of it")


@case()
def a_saved_table_is_restored_and_a_saved_ini_gives_the_same_table(lab):
    director = Director(lab, virtual(scheduler="wrr", servers=("rs1 weight=3", "rs2"))).start()
    director.admin("-A", "-u", f"{VIP}:53", "-s", "sh", "-b", "sh-port")
    saved = director.admin("save", "-n")
    same(saved, director.admin("-S", "-n"), "save and -S")
    ini = lab.directory / "saved.ini"
    ini.write_text(director.admin("save", "--ini"))
    same(director.admin("check", str(ini)).splitlines()[0], f"{ini}: valid: 2 virtual services, 2 servers",
         "what check says of it")
    director.admin("-C")
    command = [program("rawvsadm"), "--socket", str(director.control), "restore"]
    director.host.run(*command, stdin=saved)
    same(director.admin("save", "-n"), saved, "the table that was restored")
    again = f"\n-a -t {VIP}:81 -r {VIP} -g\n-A -u {VIP}:53\n-A -u {VIP}:54 -s rr\n-D -u {VIP}:54\n-A -t x\n"
    refused = director.host.run(*command, stdin=again, check=False)
    expected = [
        f"rawvsadm: stdin line 2: -a -t {VIP}:81 -r {VIP} -g: Service not defined",
        f"rawvsadm: stdin line 3: -A -u {VIP}:53: Service already exists",
        'rawvsadm: stdin line 6: -A -t x: illegal virtual server address[:port] specified: found "x"',
    ]
    same(refused.stderr.splitlines(), expected, "what is refused, and where")
    for line, why in ((f"-a -t {VIP}:81 -r {RS1} -g -w x", 'illegal weight specified: found "x"'),
                      ("-R", 'expected a command, such as -A, -a or -d: found "-R"'),
                      ("frob", 'expected a command, such as -A, -a or -d: found "frob"'),
                      ("-A --frob", "--frob: unknown option"),
                      ("--set 1 2 x", "invalid timeout value `x' specified"),
                      (f"-A -t {VIP}:81 surplus", "unexpected argument surplus")):
        said = director.host.run(*command, stdin=f"\n\n{line}\n", check=False).stderr
        same(said, f"rawvsadm: stdin line 3: {line}: {why}\n", "a faulty line")
    away = director.host.run(program("rawvsadm"), "--socket", "/nowhere.sock", "restore", stdin=again, check=False)
    true(f": stdin line 2: -a -t {VIP}:81 -r {VIP} -g: cannot reach rawvsd" in away.stderr, away.stderr)
    same(director.admin("save", "-n"), saved, "the table after refusals")
    director.stop()
    director.ini.write_text(ini.read_text())
    director.start()
    same(director.admin("save", "-n"), saved, "the table of the saved file")


@case()
def called_as_ipvsadm_it_has_no_words_of_its_own(lab):
    director = Director(lab).start()
    link = lab.directory / "ipvsadm"
    link.symlink_to(program("rawvsadm"))
    done = director.host.run(str(link), "status", check=False)
    same((done.returncode, done.stdout), (255, ""), "exit status and output of a word")
    done = director.admin("stats", check=False)
    same(done.returncode, 2, "exit status of a word that there is not")
    expected = 'rawvsadm: stats: no such word; did you mean "status"?; expected one of status, top, '
    true(done.stderr.startswith(expected), done.stderr)
