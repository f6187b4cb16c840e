# SPDX-License-Identifier: BSD-2-Clause
"""The two directors that can play a scenario, with a common interface."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

from lab import VIP, VIP2, sh, sysctl, v6

START_SECONDS = 10


def add_vips(lab):
    """Makes the VIPs addresses of the director's host."""
    for v in (VIP, VIP2):
        sh(f"ip addr add {v}/32 dev eth0", lab.ns["director"])
        if lab.both:
            # Deprecated, so that the kernel does not take a VIP for the source of packets of its own.
            sh(f"ip addr add {v6(v)}/128 dev eth0 nodad preferred_lft 0", lab.ns["director"])


class Kernel:
    """IPVS in the director's namespace of the running kernel."""
    name = "kernel"

    def __init__(self, lab):
        self.ns = lab.ns["director"]
        add_vips(lab)
        sysctl(self.ns, {f"net.ipv4.conf.{dev}.{key}": 0 for dev in ("eth0", "eth1", "all")
                         for key in ("send_redirects", "rp_filter")})

    def start(self, marks):
        for mark, vip, proto, ports in marks:
            which = [] if ports == "*" else ["-m", "multiport", "--dports", ports.replace("-", ":")]
            tables = "ip6tables" if ":" in vip else "iptables"
            sh([tables, "-t", "mangle", "-A", "PREROUTING", "-d", vip, "-p", proto] + which +
               ["-j", "MARK", "--set-mark", str(mark)], self.ns)

    def admin(self, args, stdin=None):
        return sh(["ipvsadm"] + args, self.ns, check=False, input=stdin)

    def setting(self, key, value):
        sh(f"sysctl -qw net.ipv4.vs.{key}={value}", self.ns)

    def trouble(self):
        return ""

    def stop(self):
        self.admin(["-C"])


class Rawvs:
    """rawvsd in the director's namespace, driven through rawvsadm."""
    name = "rawvs"

    def __init__(self, lab):
        self.ns = lab.ns["director"]
        self.dir = tempfile.mkdtemp(prefix="conformance-")
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        self.bin = os.path.abspath(os.environ.get("RAWVS_BIN") or os.path.join(top, "build"))
        self.proc, self.settings = None, {}
        if os.environ.get("OWN"):
            add_vips(lab)

    def configuration(self, marks):
        lines = ["[director]", "interface = eth0", "inside = eth1", f"control = {self.dir}/control.sock"]
        if "FAST_AFTER" in os.environ:
            lines.append(f"fast_after = {os.environ['FAST_AFTER']}")
        lines += [f"{k} = {v}" for k, v in self.settings.items()]
        groups = {}
        for mark, vip, proto, ports in marks:
            groups.setdefault((mark, 6 if ":" in vip else 4), []).append((vip, proto, ports))
        for (mark, family), parts in groups.items():
            lines += ["", f"[group mark{mark}v{family}]", f"mark = {mark}"]
            lines += [f"match = {vip} {proto}/{ports}" for vip, proto, ports in parts]
        return "\n".join(lines) + "\n"

    def start(self, marks):
        path = f"{self.dir}/rawvs.ini"
        with open(path, "w") as f:
            f.write(self.configuration(marks))
        with open(f"{self.dir}/log", "w") as log:
            self.proc = subprocess.Popen(["ip", "netns", "exec", self.ns, f"{self.bin}/rawvsd", "-f", "-c", path],
                                         stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while self.proc.poll() is None and time.monotonic() < deadline:
            if " runs on " in self.log():  # the control socket's file is there before anybody listens
                return
            time.sleep(0.01)
        raise RuntimeError("rawvsd did not start: " + self.log())

    def log(self):
        with contextlib.suppress(OSError), open(f"{self.dir}/log") as f:
            return f.read()[-2000:]
        return ""

    def admin(self, args, stdin=None):
        return sh([f"{self.bin}/rawvsadm", "--socket", f"{self.dir}/control.sock"] + args, self.ns,
                  check=False, input=stdin)

    def setting(self, key, value):
        self.settings[key] = value

    def trouble(self):
        """The end of the log of a daemon that died; nothing while it lives."""
        if self.proc is None or self.proc.poll() is None:
            return ""
        return f"rawvsd ended with status {self.proc.returncode}: {self.log()}"

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
