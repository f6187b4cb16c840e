# SPDX-License-Identifier: BSD-2-Clause
"""rawvsd in its host: configured, started, queried, stopped."""
import os
import pathlib
import signal
import socket

from lab.namespaces import PATIENCE, Trouble, eventually
from lab.topology import IPV4

TOP = pathlib.Path(__file__).resolve().parents[2]


def program(name, folder=None):
    """The path of one of our programs: in the folder, or in RAWVS_BIN, or where make puts it."""
    return str(pathlib.Path(folder or os.environ.get("RAWVS_BIN", TOP / "build")).resolve() / name)


def virtual(name="web", address=None, ports="tcp/80", servers=("rs1", "rs2"), family=IPV4, **keys):
    """A [virtual] section; servers are names, perhaps with a port and options: `rs2:8080 weight=2`.

    With mark=N it balances a group, and has neither address nor ports."""
    lines = [f"[virtual {name}]"]
    if "mark" not in keys:
        lines += [f"address = {address or family.vip}", f"ports = {ports}"]
    lines += [f"{key} = {value}" for key, value in keys.items()]
    for server in servers:
        place, _, words = server.partition(" ")
        host, colon, port = place.partition(":")
        address = family.place(family.address[host]) if colon else family.address[host]
        lines.append(f"server = {address}{colon}{port} {words}".rstrip())
    return "\n".join(lines) + "\n"


class Director:
    """One rawvsd.  Settings are keys of [director]; sections are the rest of the file."""

    def __init__(self, network, *sections, name="rawvs", host="director", folder=None, **settings):
        self.network = network
        self.host = network[host]
        self.control = network.directory / f"{name}.sock"
        self.ini = network.directory / f"{name}.ini"
        # The fast path in use early: what the director sees of a connection is what it must not miss.
        settings = {"interface": "eth0", "control": self.control, "seccomp": "kill", "fast_after": 1, **settings}
        lines = ["[director]", *[f"{key} = {value}" for key, value in settings.items()], ""]
        self.ini.write_text("\n".join(lines) + "\n" + "\n".join(sections or [virtual()]))
        self.folder = folder
        self.program = None

    def start(self, *flags):
        """Starts it in the foreground and waits until it is ready."""
        self.program = self.host.start(program("rawvsd", self.folder), "-f", "-c", str(self.ini), *flags)
        eventually(lambda: self.ready() or not self.program.running(), 10, f"an answer on {self.control}")
        if not self.program.running():
            raise Trouble(f"rawvsd ended at once: {self.program.text().strip()}")
        return self

    def ready(self):
        """Returns whether it answers: the socket's file may be a killed director's."""
        try:
            return bool(self.ask("exits"))
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM):
        """Stops it; returns the exit status."""
        return self.program.stop(number)

    def log(self):
        return self.program.text() if self.program else ""

    def wait_for_log(self, words, seconds=10):
        eventually(lambda: words in self.log(), seconds, f'the log line "{words}"')

    def command(self, *arguments):
        """rawvsadm's command line."""
        return [program("rawvsadm"), "--socket", str(self.control), *arguments]

    def admin(self, *arguments, check=True):
        """rawvsadm's output, or the whole CompletedProcess with check=False."""
        done = self.host.run(*self.command(*arguments), check=check)
        return done.stdout if check else done

    def ask(self, request):
        """Sends a request of the control protocol (control.h); returns the reply's rows as dictionaries."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(10 * PATIENCE)
            s.connect(str(self.control))
            s.send(f"rawvs/1 {request}".encode())
            text = ""
            while not text.endswith("end\n"):
                piece = s.recv(1 << 16)
                if not piece:
                    raise Trouble(f"{request}: the reply broke off: {text!r}")
                text += piece.decode()
        first, *rows = text.splitlines()[:-1]
        if first != "ok":
            raise Trouble(f"{request}: {first}")
        return [row_of(row) for row in rows]

    def ask_of_frames(self, request):
        """As ask(), after every frame that has arrived: asks twice, since frames may wait during the first reply."""
        self.ask("exits")
        return self.ask(request)

    def exits(self):
        """The number of frames by exit: {"forwarded": 12, ...}."""
        return {row["name"]: int(row["count"]) for row in self.ask_of_frames("exits") if row["row"] == "exit"}

    def dropped(self):
        """The exits of dropped frames, if there were any."""
        rows = [row for row in self.ask_of_frames("exits") if row["row"] == "exit" and row["fate"] == "dropped"]
        return {row["name"]: int(row["count"]) for row in rows if int(row["count"])}

    def health(self):
        """The results of checks by server address: "up", "down", ...; and the reasons."""
        return {address: (row.get("health"), row.get("why")) for address, row in self.servers().items()}

    def wait_for_health(self, name, condition, seconds=20):
        address = self.network.family.address[name]
        eventually(lambda: self.health().get(address, ("",))[0] == condition, seconds,
                   f"{name} {condition}; its check says {self.health().get(address)}")

    def servers(self):
        """The rows of the real servers, by address."""
        rows = [row for row in self.ask_of_frames("list") if row["row"] == "server"]
        return {row["server"].rpartition(":")[0].strip("[]"): row for row in rows}


def row_of(line):
    """`server weight=1 meaning=the rest` as a dictionary.  Only the last key's value may contain blanks."""
    last = next((key for key in ("meaning", "text", "config", "why") if f" {key}=" in line), None)
    head, _, rest = line.partition(f" {last}=")
    kind, *words = head.split(" ")
    row = {"row": kind, **dict(word.partition("=")[::2] for word in words)}
    if last:
        row[last] = rest
    return row
