# SPDX-License-Identifier: BSD-2-Clause
"""Hosts as network namespaces, joined by a switch; programs started in them; all of it is removed at the end.

Every name contains the process id of its maker.  The next run finds what a killed run left by it, and removes it.
Offloads have the kernel's defaults.
"""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SO_RCVBUFFORCE = 33
ETH_P_ALL = 3
PREFIX = "rawvs"
NETNS = pathlib.Path("/run/netns")
PATIENCE = 6  # factor for limits on a busy machine; never for measuring


class Trouble(Exception):
    """Something in the lab failed; the text says what."""


def eventually(answer, seconds, what):
    """The first true value of answer() within this many seconds of an idle machine."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        value = answer()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Trouble(f"waited {seconds * PATIENCE} s in vain for {what}")
        time.sleep(0.01)


def run(*command, check=True, stdin=None, timeout=30):
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=timeout * PATIENCE, check=False)
    if check and done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise Trouble(f"{' '.join(command)}: exit status {done.returncode}: {said}")
    return done


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """A program that runs in a host, in its own session: only the lab gets Ctrl-C."""

    def __init__(self, command, output):
        self.name = os.path.basename(command[0])
        self.output = pathlib.Path(output)
        self.command = command
        self.process = None

    def launch(self, namespace, keep=()):
        with open(self.output, "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent, pass_fds=keep)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def text(self):
        return self.output.read_text(errors="replace")

    def send(self, number):
        if self.running():
            self.process.send_signal(number)

    def wait(self, seconds=10):
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.name} is still running after {seconds * PATIENCE} s") from None

    def stop(self, number=signal.SIGTERM, seconds=5):
        """Asks it to end; kills it if it does not.  Returns the exit status."""
        self.send(number)
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(seconds)

    def sockets(self, protocol="tcp"):
        """The kernel's tables of sockets in this program's host: the columns of each (proc_net_tcp(5))."""
        tables = [pathlib.Path(f"/proc/{self.pid}/net/{protocol}{family}").read_text() for family in ("", "6")]
        return [line.split() for table in tables for line in table.splitlines()[1:]]

    def listens_on(self, port, protocol="tcp"):
        """Returns whether something in this program's host listens on the port."""
        state = {"tcp": "0A", "udp": "07"}[protocol]
        return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in self.sockets(protocol))

    def connecting(self):
        """Returns whether a client in this program's host has sent a SYN that is not answered yet."""
        return any(row[3] == "02" for row in self.sockets())


class Host:
    """One network namespace."""

    def __init__(self, network, name):
        self.network = network
        self.name = name
        self.namespace = f"{PREFIX}-{os.getpid()}-{name}"
        self.macs = {}  # by interface

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.namespace, *command, **options)

    def ip(self, *lines):
        """Runs ip(8) commands, one per line, in this host."""
        run("ip", "-n", self.namespace, "-batch", "-", stdin="\n".join(lines) + "\n")

    def start(self, *command, keep=()):
        """keep: descriptors that it inherits."""
        program = Program(command, self.network.directory / f"{self.name}-{len(self.network.programs)}.log")
        self.network.programs.append(program)
        return program.launch(self.namespace, keep)

    def wire(self, interface, mac, address, lan="lan"):
        """A cable from this host to one of the switch's bridges."""
        port = self.switch_port(interface)
        switch = self.network.switch
        run("ip", "link", "add", interface, "netns", self.namespace, "address", mac, "type", "veth",
            "peer", "name", port, "netns", switch.namespace)
        switch.ip(f"link set {port} master {lan} up")
        self.ip(f"addr add {address} dev {interface}", f"link set {interface} up")
        self.macs[interface] = mac

    def switch_port(self, interface):
        return f"{self.name}-{interface}"[:15]

    def mtu(self, interface, size):
        """Sets the MTU of an interface made by wire(), and of the switch's port at its other end."""
        self.network.switch.ip(f"link set {self.switch_port(interface)} mtu {size}")
        self.ip(f"link set {interface} mtu {size}")

    def unwire(self, interface):
        self.ip(f"link del {interface}")

    @contextlib.contextmanager
    def inside(self):
        """A with block in which this process is in the host: sockets made in it stay there."""
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(NETNS / self.namespace, os.O_RDONLY)
        try:
            if LIBC.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns: {self.namespace}")
            yield
        finally:
            LIBC.setns(here, CLONE_NEWNET)
            os.close(here)
            os.close(there)

    def sysctl(self, **settings):
        """Sets IPv4 sysctls: ip_forward=1, conf__all__arp_ignore=1 (two underscores stand for a slash)."""
        self.set_all("ipv4", settings)

    def sysctl6(self, **settings):
        """Sets IPv6 sysctls in the same way."""
        self.set_all("ipv6", settings)

    def set_all(self, family, settings):
        with self.inside():
            for key, value in settings.items():
                pathlib.Path("/proc/sys/net", family, key.replace("__", "/")).write_text(f"{value}\n")

    def enable_ipv6(self, accept_ra=0):
        """IPv6 without duplicate address detection, which takes seconds; a router routes it, too.

        An interface that goes down keeps its addresses, as it does in IPv4."""
        with self.inside():
            conf = pathlib.Path("/proc/sys/net/ipv6/conf")
            routes = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
            scopes = ("default", "all", *(interface.name for interface in conf.iterdir()))
            for key, value in (("accept_dad", "0"), ("dad_transmits", "0"), ("accept_ra", str(accept_ra)),
                               ("forwarding", routes), ("keep_addr_on_down", "1"), ("disable_ipv6", "0")):
                for scope in scopes:
                    with contextlib.suppress(OSError):
                        (conf / scope / key).write_text(value)

    def kernel_counter(self, name, group="Ip"):
        """A counter of /proc/net/snmp, of this host's own kernel."""
        with self.inside():
            rows = pathlib.Path("/proc/thread-self/net/snmp").read_text().splitlines()
        names, values = [row.split()[1:] for row in rows if row.startswith(f"{group}:")]
        return int(values[names.index(name)])

    def routed(self):
        """Packets of either family that this host's own kernel has routed."""
        with self.inside():
            rows = dict(line.split() for line in pathlib.Path("/proc/thread-self/net/snmp6").read_text().splitlines())
        return self.kernel_counter("ForwDatagrams") + int(rows["Ip6OutForwDatagrams"])

    def packet_socket(self, interface):
        """A raw socket that receives and sends whole frames, and receives this host's own."""
        with self.inside():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
            s.bind((interface, ETH_P_ALL))
        s.setblocking(False)
        return s


class Network:
    """Hosts and what runs in them.  Use it in a with statement."""

    def __init__(self):
        self.hosts = {}
        self.programs = []
        self.directory = None
        self.switch = None
        self.handlers = {}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):  # they end a run as Ctrl-C does
            self.handlers[number] = signal.signal(number, interrupted)
        remove_remains()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-"))
        self.directory.chmod(0o1777)  # programs that drop their privileges read and write here
        try:
            self.switch = self.host("switch")
            self.switch.ip(*[f"link add {lan} up type bridge mcast_snooping 0" for lan in ("lan", "inside")])
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def host(self, name):
        host = Host(self, name)
        self.hosts[name] = host
        run("ip", "netns", "add", host.namespace)
        with host.inside():  # no frames but the lab's own in captures
            for scope in ("all", "default"):
                with contextlib.suppress(OSError):
                    pathlib.Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1\n")
                pathlib.Path(f"/proc/sys/net/ipv4/conf/{scope}/rp_filter").write_text("0\n")
        host.ip("link set lo up")
        return host

    def remove(self):
        """Ends the programs and removes the namespaces.  Further signals do not interrupt it."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *self.handlers)}
        for program in reversed(self.programs):
            program.send(signal.SIGTERM)
        for program in reversed(self.programs):
            program.stop()
        for host in self.hosts.values():
            remove_namespace(host.namespace)
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        self.hosts, self.programs, self.directory = {}, [], None
        for number, handler in {**before, **self.handlers}.items():
            signal.signal(number, handler)


def interrupted(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def maker_is_gone(name):
    """Returns whether the lab process that made this name no longer exists."""
    prefix, _, rest = name.partition("-")
    pid = rest.partition("-")[0]
    return prefix == PREFIX and pid.isdigit() and not os.path.exists(f"/proc/{pid}")


def remove_remains():
    """Removes what a killed run left: its namespaces, the programs in them, its files."""
    for path in list(NETNS.glob(f"{PREFIX}-*")):
        if maker_is_gone(path.name):
            remove_namespace(path.name)
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}-*-*"):
        if path.is_dir() and maker_is_gone(path.name):
            shutil.rmtree(path, ignore_errors=True)


def remove_namespace(namespace):
    """Removes a lab's namespace, after the programs that still run in it."""
    try:
        inode = (NETNS / namespace).stat().st_ino
    except FileNotFoundError:
        return
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/net").stat().st_ino == inode:
                os.kill(int(process.name), signal.SIGKILL)
    run("ip", "netns", "del", namespace, check=False)
