# SPDX-License-Identifier: BSD-2-Clause
"""What rawvsd and rawvs-helper may do: user, capabilities, environment, descriptors; and what works without root."""
import os
import pathlib
import pwd
import re
import signal

from case import Skip, all_answered, case, same, true
from lab.director import Director, program, virtual
from lab.namespaces import eventually

BITS = {"kill": 5, "setgid": 6, "setuid": 7, "net_admin": 12, "net_raw": 13, "ipc_lock": 14, "perfmon": 38, "bpf": 39}


def user():
    """The user that rawvsd goes on as here."""
    try:
        return pwd.getpwnam("rawvs")
    except KeyError:
        return pwd.getpwnam("nobody")


def status(pid):
    rows = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (row.partition(":") for row in rows)}


def mask(*names):
    return f"{sum(1 << BITS[name] for name in names):016x}"


def helper_of(pid):
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            rows = status(place.name)
        except OSError:
            continue
        if rows["Name"] == ["rawvs-helper"] and rows["PPid"] == [str(pid)]:
            return int(place.name)
    return None


def sets(pid):
    rows = status(pid)
    return {key: rows[key][0] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}


def is_filtered(director):
    """False: rawvsd was built without libseccomp."""
    return "seccomp: not built in" not in director.log()


def need_filter(director):
    if not is_filtered(director):
        raise Skip("rawvsd was built without libseccomp")


def filters(pid):
    rows = status(pid)
    return rows["Seccomp"][0], int(rows["Seccomp_filters"][0]) - int(status("self")["Seccomp_filters"][0])


def all_sets(held, bounding=None):
    return {"CapInh": mask(), "CapPrm": mask(*held), "CapEff": mask(*held), "CapBnd": mask(*(bounding or held)),
            "CapAmb": mask()}


@case()
def it_goes_on_as_its_user_with_few_capabilities(lab):
    lab.serve_web()
    for guard, more in (("auto", ("perfmon", "bpf")), ("classic", ())):
        director = Director(lab, guard=guard, fast_path="off").start()
        pid = director.program.pid
        rows = status(pid)
        same(rows["Uid"] + rows["Gid"], [str(user().pw_uid)] * 4 + [str(user().pw_gid)] * 4, "users and groups")
        same(rows["Groups"], [], "further groups")
        same(sets(pid), all_sets(("net_admin", "net_raw", *more)), f"capabilities with guard = {guard}")
        same(rows["NoNewPrivs"], ["1"], "no_new_privs")
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        true("Max core file size        0                    0" in limits, limits)
        same(os.stat(f"/proc/{pid}/mem").st_uid, 0, "the owner of its memory's file: it cannot be dumped")
        true(f"rights: user {user().pw_name}; capabilities net_admin, net_raw" in director.log(), director.log())
        all_answered(lab.request("client", 10), 10)
        director.stop()


@case()
def the_helper_alone_may_become_others_and_end_them(lab):
    director = Director(lab).start()
    pid = helper_of(director.program.pid)
    own, programs = ("kill", "setgid", "setuid"), ("kill", "setgid", "setuid", "net_admin", "net_raw")
    same(sets(pid), {**all_sets(programs), "CapEff": mask(*own)}, "the helper's capabilities")
    same(status(pid)["NoNewPrivs"], ["1"], "no_new_privs")
    same(sorted(os.listdir(f"/proc/{pid}/fd")), ["0", "1", "2", "3", "4", "5", "6"],
         "its descriptors: the last two are the guard's link, and the socket that says when rawvsd has gone")
    director.stop()
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 5, "its end with rawvsd's")
    director.start()
    pid = helper_of(director.program.pid)
    director.stop(signal.SIGKILL)
    eventually(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 5, "its end when rawvsd was killed")


@case()
def as_root_it_keeps_all(lab):
    director = Director(lab, user="root").start()
    mine = sets(os.getpid())["CapEff"]
    same(sets(director.program.pid)["CapEff"], mine, "rawvsd's capabilities")
    same(sets(helper_of(director.program.pid))["CapEff"], mine, "rawvs-helper's")
    director.stop()


@case()
def neither_environment_nor_descriptors_are_inherited(lab):
    director = Director(lab)
    lab["director"].run("sh", "-c", 'SECRET=1 exec "$0" -c "$1" -p "$2" 7</dev/null 9</etc/passwd', program("rawvsd"),
                        str(director.ini), str(lab.directory / "pid"))
    eventually(director.ready, 5, "the control socket")
    pid = int((lab.directory / "pid").read_text())
    for one in (pid, helper_of(pid)):
        targets = [os.readlink(f"/proc/{one}/fd/{fd}") for fd in os.listdir(f"/proc/{one}/fd")]
        true("/etc/passwd" not in targets, f"descriptors: {targets}")
    same(pathlib.Path(f"/proc/{helper_of(pid)}/environ").read_bytes(), b"", "the helper's environment")
    os.kill(pid, signal.SIGTERM)


@case(seconds=60)
def a_file_of_root_alone_is_read_again_and_the_program_replaced(lab):
    lab.serve_web()
    director = Director(lab)
    director.ini.chmod(0o600)
    director.start()
    pid, helper = director.program.pid, helper_of(director.program.pid)
    director.ini.write_text(director.ini.read_text() + virtual("more", ports="tcp/81"))
    director.admin("reload")
    true(":81 " in director.admin("-L", "-n"), "the reload's virtual")
    os.kill(pid, signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2, 20, "the replacement")
    eventually(director.ready, 10, "an answer")
    same(sets(pid), all_sets(("net_admin", "net_raw", "perfmon", "bpf")), "capabilities after the replacement")
    same(helper_of(pid), helper, "the helper's process")
    director.ini.write_text(director.ini.read_text() + virtual("most", ports="tcp/82"))
    director.admin("reload")
    true(":82 " in director.admin("-L", "-n"), "the virtual of a reload after that")
    all_answered(lab.request("client", 10), 10)


@case(seconds=60)
def what_root_made_where_its_user_cannot_write_is_removed(lab):
    place = lab.directory / "roots"
    place.mkdir(mode=0o755)
    director = Director(lab, control=place / "control.sock", state=place / "state")
    director.control = place / "control.sock"
    director.start("-p", str(place / "pid"))
    same((place / "pid").read_text(), f"{director.program.pid}\n", "the pid file")
    true(f"state {place}/state: user {user().pw_name} cannot write in {place}/: connections will not be saved" in
         director.log(), director.log())
    os.kill(director.program.pid, signal.SIGUSR2)
    eventually(lambda: director.log().count("runs on eth0") == 2, 20, "the replacement")
    same(director.ready(), True, "an answer on the same socket after the replacement")
    director.stop()
    same(sorted(entry.name for entry in place.iterdir()), [], "what is left")


@case(seconds=60)
def doctor_says_what_is_held(lab):
    lab.serve_web()
    director = Director(lab).start()
    said = director.admin("doctor", check=False).stdout
    true(f"rawvsd runs as {user().pw_name} with net_admin, net_raw, perfmon, bpf, and gains no more; "
         "rawvs-helper as root with setuid, setgid, kill" in " ".join(said.split()), said)
    if is_filtered(director):
        count = re.search(r"seccomp: (\d+) system calls allowed", director.log()).group(1)
        true(f"{count} system calls are allowed, others end it; programs are refused those that none needs" in
             " ".join(said.split()), said)
    director.stop()
    director = Director(lab, seccomp=0).start()
    true("seccomp = 0: every system call is allowed" in " ".join(director.admin("doctor", check=False).stdout.split()),
         "doctor on a director without a filter")
    director.stop()
    director = Director(lab, user="root").start()
    true("rawvsd runs as root" in director.admin("doctor", check=False).stdout, "doctor on a director that is root")


@case()
def both_have_a_filter_of_system_calls_unless_it_is_off(lab):
    lab.serve_web()
    for word, said, ours in ((1, "system calls allowed", 1), ("log", "system calls allowed, others are logged", 1),
                             (0, "seccomp: off", 0)):
        director = Director(lab, seccomp=word).start()
        need_filter(director)
        true(said in director.log(), director.log())
        pid = director.program.pid
        same([filters(one)[1] for one in (pid, helper_of(pid))], [ours] * 2, f"filters with seccomp = {word}")
        all_answered(lab.request("client", 10), 10)
        director.stop()
    director = Director(lab, user="root").start()
    same([filters(one)[1] for one in (director.program.pid, helper_of(director.program.pid))], [0, 0],
         "filters with user = root")
    true("seccomp: off with user = root" in director.log(), director.log())


@case(seconds=120)
def replacements_add_no_filter(lab):
    lab.serve_web()
    director = Director(lab).start()
    need_filter(director)
    pid = director.program.pid
    helper, before = helper_of(pid), filters(pid)
    for count in range(2, 7):
        os.kill(pid, signal.SIGUSR2)
        eventually(lambda count=count: director.log().count("runs on eth0") == count, 20, "the replacement")
    same((filters(pid), filters(helper)), (before, before), "filters after five replacements")
    all_answered(lab.request("client", 10), 10)
