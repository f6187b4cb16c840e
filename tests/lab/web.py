# SPDX-License-Identifier: BSD-2-Clause
"""rawvs-web beside a director: the page, JSON and metrics; hostile clients; its rights."""
import base64
import contextlib
import json
import operator
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from case import Skip, all_answered, case, same, true
from health import check, web
from lab.director import Director, program, virtual
from lab.namespaces import eventually
from lab.topology import ADDRESS, VIP

HERE = "http://127.0.0.1:8080"
RS1, RS2, PORT = f"{ADDRESS['rs1']}:80", f"{ADDRESS['rs2']}:80", 8080
# What moves by itself between two answers.
MOVING = {"uptime", "for", "cpu", "memory-most", "turns", "turns-busy", "turns-slow", "turns-longest", "attempts",
          "attempts-failed", "latency", "latency-sum", "sent", "heard", "received", "count", "messages", "cps", "inpps",
          "outpps", "inbps", "outbps", "time"}


def still(value):
    if isinstance(value, dict):
        return {key: still(one) for key, one in value.items() if key not in MOVING}
    return [still(one) for one in value] if isinstance(value, list) else value


class Web:
    def __init__(self, lab, director, *flags, address="127.0.0.1", user="root"):
        self.built()
        self.host, self.address = director.host, address
        director.host.ip("link set lo up")
        self.program = director.host.start(program("rawvs-web"), "-f", "--control", str(director.control), "--listen",
                                           f"{address}:{PORT}", "--user", user, *flags)
        eventually(lambda: self.program.listens_on(PORT) or not self.program.running(), 10, "rawvs-web")
        true(self.program.running(), self.program.text())

    @staticmethod
    def built():
        if not os.access(program("rawvs-web"), os.X_OK):
            raise Skip("rawvs-web is not built: it needs libmicrohttpd")

    def curl(self, path="/", *flags, host=None):
        done = (host or self.host).run("curl", "-s", "--path-as-is", "-m", "100", "-w", "\n%{http_code}", *flags,
                                       f"http://{self.address}:{PORT}{path}", check=False)
        text, _, code = done.stdout.rpartition("\n")
        return text, int(code)

    def get(self, path="/", *flags, host=None):
        text, code = self.curl(path, *flags, host=host)
        same(code, 200, f"status of {path}: {text[:200]}")
        return text

    def json(self, path):
        return json.loads(self.get(path))


def told(director, *words):
    return json.loads(director.admin(*words, "--json"))


@case(seconds=60)
def each_path_tells_what_rawvsadm_tells(lab):
    web(lab, "rs1")
    director = Director(lab, check(), virtual(check="well", servers=("rs1", "rs2")),
                        "[vrrp x]\nvrid = 5\ninterval = 100ms\n", "[sync]\n").start()
    director.wait_for_health("rs1", "up")
    director.wait_for_health("rs2", "down")
    eventually(lambda: '"master", "priority"' in director.admin("vrrp", "--json"), 20, "a master")
    site = Web(lab, director)
    all_answered(lab.request("client", 4), 4)

    def both(path, words, part=None):
        theirs = told(director, *words)
        some = theirs if part is None else {key: theirs[key] for key in part if key in theirs}
        return still(site.json(path)), still(some)

    for path, words, part in (("status", ("status",), None), ("drops", ("drops",), None), ("vrrp", ("vrrp",), None),
                              ("neighbours", ("neighbours",), None), ("events", ("events",), None),
                               ("services", ("status",), ("daemon", "fast", "services")),
                              ("sync", ("status",), ("syncs",))):
        eventually(lambda args=(f"/api/v1/{path}", words, part): operator.eq(*both(*args)), 10,
                   f"/api/v1/{path} as rawvsadm {' '.join(words)}: {both(f'/api/v1/{path}', words, part)}")
    same(site.curl("/api/v1/nothing")[1], 404, "status of another path")
    numbers = re.compile(r" [\d.]+$", re.M)
    same(numbers.sub("", site.get("/metrics")), numbers.sub("", director.admin("metrics")), "names of metrics")
    curves = site.json("/api/v1/history")
    same((curves["hour"]["step"], len(curves["hour"]["connections"])), (10, 360), "the hour")
    same(site.json(f"/api/v1/history?service=tcp:{VIP}:80&server={RS1}")["day"]["step"], 300, "the day of a server")
    same(site.curl("/api/v1/history?service=tcp:192.0.2.77:80")[1], 404, "no such history")


@case(seconds=60)
def the_page_tells_all_and_a_server_that_dies_shows(lab):
    web(lab, "rs1")
    second = web(lab, "rs2")
    director = Director(lab, check(), virtual(check="well")).start()
    for name in ("rs1", "rs2"):
        director.wait_for_health(name, "up")
    site = Web(lab, director)
    page = site.get()
    for text in (f"TCP {VIP}:80 wlc", f"<th scope=row>{RS1}</th><td class=good>up</td>", "<h2 id=h-services>Services",
                 "No problem is known", "connections so far", "<svg", "last day"):
        true(text in page, f"no {text!r} in {page}")
    second.stop()
    eventually(lambda: re.search(rf"{re.escape(RS2)}</th><td class=bad>down, \d+ s</td>", site.get()), 20, "down")
    true(f"{RS2} of TCP {VIP}:80 is down: tcp {RS2}: connection refused, 1 of 1" in site.get(), site.get())
    found = site.get("/?q=12:80")
    true(RS2 in found and f"<th scope=row>{RS1}" not in found, found)
    odd = site.get("/?q=%3Cscript%3E")
    true("Nothing here fits" in odd and "<script>" not in odd, odd)
    one = site.get(f"/?service=tcp:{VIP}:80")
    true(one.count("<svg") == 3 * 8 and "h-drops" not in one, one)
    size = sum(len(site.get(path)) for path in ("/", "/style.css", "/page.js"))
    true(size < 60_000, f"the page is {size} bytes")
    for foreign in re.findall(r"(?:src|href|action)=\"?([^\s\">]+)", site.get()):
        true(not foreign.startswith(("http", "//")), foreign)
    director.stop()
    eventually(lambda: "cannot reach rawvsd" in site.get(), 10, "that the director is gone, on the page")
    same(site.curl("/api/v1/status")[1], 503, "status of JSON without a director")
    true("rawvs_up 0\n" in site.get("/metrics"), "metrics without a director")
    director.start()
    eventually(lambda: site.curl("/api/v1/status")[1] == 200, 20, "the director again")


@case()
def each_answer_has_the_headers_that_keep_browsers_safe(lab):
    director = Director(lab, virtual()).start()
    site = Web(lab, director)
    for path in ("/", "/metrics", "/api/v1/status", "/style.css", "/page.js", "/none"):
        headers = site.curl(path, "-D", "-", "-o", "/dev/null")[0].lower()
        for line in ("content-security-policy: default-src 'none'; ", "frame-ancestors 'none'", "no-store",
                     "x-content-type-options: nosniff", "x-frame-options: deny", "referrer-policy: no-referrer"):
            true(line in headers, f"{path}: no {line!r} in {headers}")
        true("unsafe" not in headers and "access-control" not in headers, headers)
    head = site.curl("/", "-I")[0]
    true("Content-Length: " in head and "<html" not in head, head)


def raw(host, data, seconds=20):
    """What is answered to these bytes, up to the end of the connection."""
    with host.inside():
        s = socket.create_connection(("127.0.0.1", PORT), timeout=seconds)
    with s, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        s.sendall(data)
        text = b""
        while piece := s.recv(65536):
            text += piece
        return text.decode(errors="replace")
    return ""


@case(seconds=120)
def hostile_clients_do_not_stop_it(lab):
    director = Director(lab, virtual()).start()
    site = Web(lab, director)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        same(site.curl("/", "-X", method)[1], 405, f"status of {method}")
    same(site.curl("/", "-X", "GET", "-d", "x" * 100)[1], 413, "status of a request with a body")
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/style.css/../main", "/api/v1/../x",
                 "/api/v1/status/", "/%ff%fe"):
        text, code = site.curl(path)
        true(code in (400, 404) and "root:" not in text, f"{path}: {code}")
    for data in (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"\0" * 5000, b"GET\r\n\r\n", b"\r\n" * 3000 + b"X",
                 b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000, b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"):
        answer = raw(site.host, data)
        true("<html lang" not in answer, f"{data[:40]!r}: {answer[:80]}")
    same(site.curl("/", "-H", "Host: evil.example")[1], 421, "status for another site's name")
    same(site.curl("/", "-H", "Host: localhost:8080")[1], 200, "status for localhost")
    slow = []
    with site.host.inside():
        for _ in range(300):
            with contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", PORT), timeout=5)
                s.sendall(b"GET / HTTP/1.1\r\nHo")
                slow.append(s)
    true(len(slow) > 250, f"{len(slow)} connections")
    for _ in range(5):
        site.get("/")
        site.get("/api/v1/status")
    for s in slow:
        s.close()
    true(site.program.running(), site.program.text())
    descriptors = len(os.listdir(f"/proc/{site.program.pid}/fd"))
    true(descriptors < 250, f"{descriptors} descriptors")
    same(director.ask("exits")[0]["row"], "exit", "the director's answer")
    true(not director.dropped(), director.dropped())


class Counted:
    """A control socket that answers each request with no row, and counts them."""

    def __init__(self, path):
        self.control, self.requests = path, 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            while client.recv(4096):
                self.requests += 1
                client.send(b"ok\nend\n")


@case(seconds=60)
def many_readers_ask_the_director_once_a_second(lab):
    director = Counted(lab.directory / "counted.sock")
    director.host = lab["director"]
    site = Web(lab, director)
    site.get()
    before, begun = director.requests, time.monotonic()
    for _ in range(200):
        site.get("/api/v1/status")
    # Six requests each time: list, exits, vrrp, sync, arp, events.
    most = 6 * ((time.monotonic() - begun) / 0.9 + 2)
    true(director.requests - before <= most, f"{director.requests - before} requests, at most {most} were expected")


@case(seconds=60, needs=("openssl",))
def with_a_file_of_passwords_only_those_who_know_one_read(lab):
    director = Director(lab, virtual()).start()
    secret = "correct horse"
    hashed = subprocess.run(["openssl", "passwd", "-6", secret], stdout=subprocess.PIPE, text=True, check=True).stdout
    file = lab.directory / "passwords"
    file.write_text(f"# who may read\nann:{hashed}")
    site = Web(lab, director, "--auth-file", str(file))
    for path in ("/", "/metrics", "/api/v1/status", "/page.js"):
        text, code = site.curl(path, "-D", "-")
        same(code, 401, path)
        true('WWW-Authenticate: Basic realm="rawvs"' in text and VIP not in text, text)
        same(site.curl(path, "-u", f"ann:{secret}")[1], 200, f"{path} with the password")
    for wrong in (f"bob:{secret}", "ann:", "ann:correct", f"ann:{secret} "):
        true(site.curl("/", "-u", wrong)[1] in (401, 503), wrong)
    for header in ("Basic", "Basic !!!!", "Basic " + "A" * 4000, "Bearer x",
                   "Basic " + base64.b64encode(b"ann").decode()):
        true(site.curl("/", "-H", f"Authorization: {header}")[1] in (401, 503), header)
    same(site.curl("/", "-u", f"ann:{secret}")[1], 200, "the password, after all that")
    bad = lab.directory / "bad"
    for text in ("", "ann\n", "ann:x\n", ":" + hashed):
        bad.write_text(text)
        done = site.host.run(program("rawvs-web"), "-f", "--auth-file", str(bad), "--listen", "127.0.0.1:8081",
                             check=False)
        same(done.returncode, 1, f"exit status with {text!r}: {done.stderr}")
        true("expected" in done.stderr, done.stderr)


@case(seconds=60)
def it_needs_no_rights_but_the_control_group(lab):
    director = Director(lab, virtual(), control_group="daemon").start()
    site = Web(lab, director, user="daemon")
    status = pathlib.Path(f"/proc/{site.program.pid}/status").read_text()
    rows = {name: value.split() for name, value in (line.split(":", 1) for line in status.splitlines())}
    same(rows["Uid"][1], str(pwd.getpwnam("daemon").pw_uid), "its user")
    for name in ("CapEff", "CapPrm", "CapInh"):
        same(int(rows[name][0], 16), 0, name)
    same(rows["NoNewPrivs"], ["1"], "whether it could get rights")
    same(site.json("/api/v1/status")["vips"][0]["address"], VIP, "the VIP")
    stranger = Director(lab, virtual(), name="other", control_group="root", host="rs1").start()
    other = Web(lab, stranger, user="daemon")
    eventually(lambda: "are you root, or in the group" in other.get(), 10, "why it cannot read")
    same(site.program.stop(signal.SIGTERM), 0, "exit status")


@case(seconds=60)
def its_daemon_writes_its_pid_and_says_what_fails(lab):
    director = Director(lab, virtual()).start()
    host, pidfile = director.host, lab.directory / "web.pid"
    Web.built()
    host.ip("link set lo up")
    command = [program("rawvs-web"), "--control", str(director.control), "--user", "nobody", "--pidfile", str(pidfile)]
    host.run(*command)
    pid = int(pidfile.read_text())
    try:
        code = host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{PORT}/").stdout
        same(code, "200", "status of the daemon's page")
        done = host.run(*command, "--pidfile", str(lab.directory / "second.pid"), check=False)
        same(done.returncode, 1, f"exit status of a second one: {done.stderr}")
        true("listen at 127.0.0.1:8080: Address already in use" in done.stderr, done.stderr)
    finally:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists() or
               "Z (zombie)" in pathlib.Path(f"/proc/{pid}/status").read_text(), 10, "its end")
    for words, expected in ((("--listen", "8080"), "an address and a port"), (("--history", "10001"), "0 to 10000"),
                            (("--user", "no-such-user"), "there is no user"), (("--colour",), "no such option"),
                            (("--listen",), "expected ADDRESS:PORT")):
        done = host.run(program("rawvs-web"), "-f", *words, check=False)
        true(done.returncode in (1, 2) and expected in done.stderr, f"{words}: {done.returncode} {done.stderr}")


@case(seconds=60)
def promtool_finds_no_fault_in_the_metrics(lab):
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed: Debian's prometheus")
    web(lab, "rs1")
    director = Director(lab, check(), virtual(check="well", servers=("rs1", "rs2")),
                        virtual("dns", ports="udp/53", servers=("rs1",), max_connections=5),
                        "[group mail]\nmark = 10\nmatch = 192.0.2.101 tcp/25,143\n",
                        virtual("mail", mark=10, servers=("rs1",)),
                        "[vrrp x]\nvrid = 5\ninterval = 100ms\n", "[sync]\n").start()
    director.wait_for_health("rs2", "down")
    all_answered(lab.request("client", 3), 3)
    metrics = director.admin("metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    same((done.returncode, done.stdout), (0, ""), "promtool check metrics")
    backend = (f'node_ipvs_backend_weight{{local_address="{VIP}",local_port="80",remote_address="{ADDRESS["rs1"]}",'
               'remote_port="80",proto="TCP",local_mark=""} 1')
    for line in ("node_ipvs_connections_total 3", "rawvs_up 1", backend):
        true(f"\n{line}\n" in metrics, f"no {line} in {metrics}")
