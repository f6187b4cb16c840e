# SPDX-License-Identifier: BSD-2-Clause
"""Around rawvs-web: its init script, and a real Prometheus with the shipped rules and dashboard."""
import json
import pathlib
import re
import shutil
import signal
import urllib.parse

from case import Skip, all_answered, case, same, true
from control import SERVERS, SERVICES, large
from health import check, web
from init_scripts import SHELLS, Script, pid_in
from lab.director import TOP, Director, program, virtual
from lab.namespaces import eventually
from web import PORT, Web, told

EXAMPLES = TOP / "etc/examples/monitoring"


def script(lab, shell, director):
    Web.built()
    director.host.ip("link set lo up")
    pidfile = lab.directory / f"web-{'-'.join(shell)}.pid"
    return Script(lab, "director", "rawvs-web", shell, DAEMON=program("rawvs-web"), CONTROL=director.control,
                  PIDFILE=pidfile, DAEMON_OPTS="--user nobody"), pidfile


@case(seconds=90)
def the_script_starts_and_stops_it(lab):
    director = Director(lab, virtual(), control_group="nogroup").start()
    for shell in SHELLS:
        run, pidfile = script(lab, shell, director)
        run.gives(3, "status")
        run.gives(0, "stop")
        true("left so" in run.gives(0, "try-restart"), "try-restart of nothing")
        true("answers at 127.0.0.1:8080" in run.gives(0, "start"), "start")
        pid = pid_in(pidfile)
        true(f"running, process {pid}" in run.gives(0, "status"), "status")
        true("already running" in run.gives(0, "start"), "a second start")
        same(pid_in(pidfile), pid, "its process after a second start")
        code = director.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                 f"http://127.0.0.1:{PORT}/api/v1/status")
        same(code.stdout, "200", "status of JSON")
        run.gives(0, "restart")
        true(pid_in(pidfile) != pid, "restart keeps the process")
        run.gives(0, "force-reload")
        run.gives(0, "stop")
        true(not pidfile.exists(), "stop leaves the pid file")
        pidfile.write_text("4194304\n")
        true("pid file" in run.gives(1, "status"), "status with an old pid file")
        run.gives(0, "stop")
        run.gives(2, "jump")
        run.gives(5, "start", DAEMON="/nowhere/rawvs-web")
        said = run.gives(2, "start", LISTEN="nonsense")
        true("expected an address and a port" in said, said)
        said = run.gives(1, "start", AUTH_FILE=str(lab.directory / "none"))
        true("none" in said, said)


@case(seconds=150)
def prometheus_reads_it_and_knows_the_rules_and_the_dashboard(lab):
    for tool in ("prometheus", "promtool"):
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed: Debian's prometheus")
    web(lab, "rs1")
    director = Director(lab, check(), virtual(check="well", servers=("rs1", "rs2")),
                        "[vrrp x]\nvrid = 5\ninterval = 100ms\n", "[sync]\n").start()
    director.wait_for_health("rs2", "down")
    all_answered(lab.request("client", 3), 3)
    Web(lab, director)
    folder = lab.directory / "prometheus"
    shutil.copytree(EXAMPLES, folder)
    director.host.run("promtool", "check", "config", str(folder / "prometheus.yml"))
    config = (folder / "prometheus.yml").read_text().replace("interval: 15s", "interval: 1s")
    (folder / "prometheus.yml").write_text(config)
    server = director.host.start("prometheus", f"--config.file={folder}/prometheus.yml", "--log.level=error",
                                 f"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:9090")

    def ask(path):
        done = director.host.run("curl", "-s", f"http://127.0.0.1:9090/api/v1/{path}", check=False)
        return json.loads(done.stdout)["data"] if done.stdout.startswith('{"status":"success"') else None

    def query(expression):
        found = ask(f"query?query={urllib.parse.quote(expression)}")
        return None if found is None else found["result"]

    eventually(lambda: query("rawvs_up") and query("rawvs_up")[0]["value"][1] == "1", 60, f"rawvs_up: {server.text()}")
    eventually(lambda: query("count_over_time(rawvs_up[1m]) >= 3"), 30, "three samples")
    same(query("node_ipvs_connections_total")[0]["value"][1], "3", "connections")
    targets = ask("targets")["activeTargets"]
    same([(one["health"], one["lastError"]) for one in targets], [("up", "")], "targets")
    eventually(lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]), 90,
               "that each rule was looked at")
    eventually(lambda: query('ALERTS{alertname="RawvsServerDown"}'), 90, "an alert about the server that is down")
    dashboard = json.loads((EXAMPLES / "grafana.json").read_text())
    quiet = re.compile(r"dropped|vrrp|sync")  # no such packets; not of every director
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            found = query(expression)
            true(found is not None, f"{panel['title']}: {expression}: not understood")
            true(found or quiet.search(expression), f"{panel['title']}: {expression}: nothing is found")
    server.stop(signal.SIGTERM)


@case(seconds=180)
def a_large_table_makes_neither_a_large_page_nor_a_slow_director(lab):
    director = Director(lab, *large(1), max_servers=16384).start()
    site = Web(lab, director)
    page = site.get()
    true(len(page) < 500_000 and "search for them" in page, f"{len(page)} bytes")
    found = site.get("/?q=:1998")
    same(found.count("<th scope=row>192.0.2.11:1998</th>"), SERVICES, "servers that the search finds")
    metrics = site.get("/metrics")
    true(len(metrics) < 20_000_000, f"{len(metrics)} bytes of metrics")
    true(f'rawvs_metrics_left_out{{what="servers"}} {SERVICES * SERVERS - 4096}\n' in metrics, metrics[-500:])
    same(sum(len(one["servers"]) for one in site.json("/api/v1/status")["services"]), SERVICES * SERVERS, "servers")
    slow = told(director, "status")["daemon"]["turns-slow"]
    for _ in range(20):
        site.get("/?q=x")
    more = told(director, "status")["daemon"]["turns-slow"] - slow
    status = pathlib.Path(f"/proc/{site.program.pid}/status").read_text()
    memory = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024
    true(memory < 150, f"{memory} MB of memory")
    return f"{len(page)} bytes of page, {memory} MB of memory, {more} turns of more than 5 ms"
