# SPDX-License-Identifier: BSD-2-Clause
"""Claims of the manuals and the README, compared with the programs and scripts. For tests/manuals."""
import glob
import os
import re
import tempfile

from manual_tools import BUILD, TOP, Skip, accepts, manual, named_in, need, page, pages, program, read, run, same


def options_in(text):
    return set(re.findall(r"(?<![\w-])(?:--[a-z][a-z0-9-]*|-[a-zA-Z0-9](?!\w))", text))


def options_of_items(text):
    """The options that a manual has items for: `.It Fl A , -add-service Ar service` has two."""
    found = set()
    for item in re.findall(r"^\.It Fl (.*)$", text, re.M):
        for part in item.split(" , "):
            word = re.match(r"(?:Fl )?([\w-]+)", part)
            if word:
                found.add(f"-{word.group(1)}")
    return found


# --- The manuals as such ---


def mandoc_finds_nothing_to_warn_of():
    need("mandoc")
    run("mandoc", "-Tlint", "-Wwarning", *pages())


def every_manual_that_another_one_names_is_there_or_is_another_programs():
    ours = {os.path.basename(name) for name in pages()}
    for name in ours:
        for other, section in re.findall(r"^\.Xr (rawvs\S*) (\d)", page(name), re.M):
            assert f"{other}.{section}" in ours, f"{name} names {other}({section})"
    for name, section in re.findall(r"\b(rawvs[\w.-]*)\((\d)\)", read("README.md")):
        assert f"{name}.{section}" in ours, f"README.md names {name}({section})"


# --- rawvs.ini(5) ---

EXAMPLE = {
    "director": "interface = eth0",
    "virtual": "address = 192.0.2.100\nports = tcp/80\nserver = 192.0.2.11",
    "group": "mark = 10\nmatch = 192.0.2.101 tcp/80,443",
    "check": "",
    "vrrp": "vrid = 51",
    "sync": "",
}
KINDS = ("tcp", "http", "udp", "dns", "exec")


def example(section, line=""):
    """A configuration with one section of each kind, and this line in the given one."""
    text = ""
    for name, lines in EXAMPLE.items():
        title = name if name in ("director", "sync") else f"{name} x"
        mine = [old for old in lines.splitlines() if old.split(" = ")[0] != line.split(" = ")[0] or name != section]
        text += f"[{title}]\n" + "\n".join(mine + ([line] if name == section else [])) + "\n"
    return text


def sections_of_the_manual():
    """Section -> key -> the text of its item. Items in a row share the text after the last one."""
    found, text = {}, page("rawvs.ini.5")
    item = r"\.It Ic [a-z_]+ ="
    for title, body in re.findall(r"^\.Sh THE SECTIONS? \[(\w+)(?: NAME)?\]\n(.*?)(?=^\.Sh )", text, re.M | re.S):
        keys = found.setdefault(title, {})
        for names, about in re.findall(rf"((?:^{item}.*\n)+)((?:(?!{item}|\.Ss ).*\n)*)", body, re.M):
            for name in re.findall(r"^\.It Ic ([a-z_]+) =", names, re.M):
                keys[name] = names + about
    return found


def keys_of_the_program():
    """Section -> key -> its default values, as rawvsd -t prints them."""
    found = {}
    for kind in KINDS:
        config = example("check", f"type = {kind}" + ("\nprogram = /bin/true" if kind == "exec" else ""))
        good, text = accepts(config)
        assert good, text
        section = None
        for line in text.splitlines():
            title = re.fullmatch(r"\[(\w+)(?: .*)?\]", line)
            if title:
                section = found.setdefault(title.group(1), {})
            elif section is not None and "=" in line:
                key, value = line.split("=", 1)
                section.setdefault(key.strip(), set()).add(value.strip())
    return found


def every_key_of_the_configuration_is_in_its_manual_and_no_other():
    reference = {key for key, _ in re.findall(r"^;?([a-z_]+) *=[ ]?(.*)$", read("etc/rawvs.ini"), re.M)}
    same(re.findall(r"^\.It Ic ([a-z_]+) =", page("rawvs.ini.5"), re.M), reference, "rawvs.ini.5")
    by_section = sections_of_the_manual()
    same(by_section, EXAMPLE, "sections of rawvs.ini.5")
    for section, keys in keys_of_the_program().items():
        lacking = sorted(set(keys) - set(by_section[section]))
        assert not lacking, f"rawvs.ini.5, [{section}], lacks {lacking}"


def the_defaults_in_the_manual_and_the_reference_are_the_programs():
    wrong = []
    for section, keys in keys_of_the_program().items():
        given = {line.split(" = ")[0] for line in EXAMPLE[section].splitlines()} | {"program"}
        for key, values in keys.items():
            text = sections_of_the_manual()[section].get(key, "")
            for value in values - {""}:
                if key in given or (section, key) == ("check", "type"):
                    continue
                # Zero has no unit for a reader.
                spelt = rf"(?:{re.escape(value)}|0)" if re.fullmatch("0[a-z]+", value) else re.escape(value)
                if not re.search(rf"(?<![\w.]){spelt}(?![\w/])", text):
                    wrong.append(f"[{section}] {key} = {value}: rawvs.ini(5)")
    known = keys_of_the_program()
    # A key may be in several sections, each with its own default.
    for key, value in re.findall(r"^;([a-z_]+) = (.+)$", read("etc/rawvs.ini"), re.M):
        # An empty default is printed as nothing; a zero duration has a unit.
        alike = {value, f"{value}s"} if value == "0" else {value}
        # Examples: local_address is by default the host's address on the route to each server, and there are no lists.
        if key in ("local_address", "allow", "deny", "allow_file", "deny_file"):
            continue
        if value != "none" and not any(alike & keys.get(key, set()) for keys in known.values()):
            wrong.append(f"{key} = {value}: etc/rawvs.ini")
    assert not wrong, f"not the program's defaults: {wrong}"


def the_ranges_in_the_manual_are_the_programs():
    """The least and the greatest value in the manual are accepted; one step beyond is not."""
    wrong, tried = [], 0
    for section, keys in sections_of_the_manual().items():
        for key, text in keys.items():
            words = re.sub(r"^\.It .*$", "", text, flags=re.M)
            found = re.search(r"(?<![\w./:])(\d+)(ms|s|m|h|) to (\d+)(ms|s|m|h|)(?![\w.]\w)", words)
            if not found or key in ("server", "password", "key", "ports", "body"):
                continue
            least, unit_of_least, most, unit = found.groups()
            kind = {"rcode": "dns", "status": "http"}.get(key)
            before = f"type = {kind}\n" if kind and section == "check" else ""
            tries = [(f"{least}{unit_of_least}", True), (f"{most}{unit}", True), (f"{int(most) + 1}{unit}", False)]
            if int(least) > 1:
                tries.append((f"{int(least) - 1}{unit_of_least}", False))
            for value, right in tries:
                tried += 1
                good, said = accepts(example(section, f"{before}{key} = {value}"))
                # A fault that concerns another key says nothing about the range.
                if good != right and (right is False or f"{key}:" in said):
                    what = "refused" if right else "taken"
                    wrong.append(f"[{section}] {key} = {value}: {what}: {said.strip()[:160]}")
    assert tried > 60 and not wrong, f"{tried} tried: " + "\n".join(wrong)


def the_lengths_in_the_manual_are_the_programs():
    """As many bytes as the manual allows are accepted, one more is not."""
    text = " ".join(manual("rawvs.ini.5").split())

    def most(pattern):
        found = re.search(pattern, text)
        assert found, f"rawvs.ini(5) does not say {pattern}"
        return int(found.group(1))

    def is_most(number, config):
        assert accepts(config(number))[0], f"{number} are said to be allowed: {accepts(config(number))[1]}"
        assert not accepts(config(number + 1))[0], f"{number + 1} are taken, {number} are said to be the most"

    is_most(most(r"has at most (\d+) bytes\. A comment"),
            lambda n: example("virtual", "server = 192.0.2.12".ljust(n - 9) + " weight=2"))
    is_most(most(r"At most (\d+) letters, digits"),
            lambda n: example("director").replace("[check x]", f"[check {'c' * n}]"))
    is_most(most(r"an absolute path of at most (\d+) bytes"),
            lambda n: example("director", f"control = /{'s' * (n - 1)}"))
    is_most(most(r"Version 2: at most (\d+) characters"),
            lambda n: example("vrrp", f"version = 2\npassword = {'p' * n}"))
    is_most(most(r"A secret of 8 to (\d+) characters"), lambda n: example("sync", f"key = {'k' * n}"))


def every_option_of_a_server_is_in_the_manual_and_no_other():
    options = set(re.findall(r"^;   ([a-z_]+)=", read("etc/rawvs.ini"), re.M))
    same(re.findall(r"^\.It Ic ([a-z_]+)= ", page("rawvs.ini.5"), re.M), options, "rawvs.ini.5")


def schedulers():
    """ipvsadm's usage does not name twos."""
    listed = re.search(r"^ *--scheduler .*one of (\S+),", program("rawvsadm", "--help"), re.M).group(1)
    return [*listed.split("|"), "twos"]


def every_scheduler_is_in_the_manuals():
    names = schedulers()
    assert len(names) == 14, names
    for name in names:
        assert accepts(example("virtual", f"scheduler = {name}"))[0], name
    named_in(manual("rawvs.ini.5"), names, "rawvs.ini.5")
    named_in(manual("rawvsadm.8"), names, "rawvsadm.8")
    named_in(read("README.md"), names, "README.md")


def the_examples_in_the_manuals_are_valid():
    count = 0
    for name in pages():
        for block in re.findall(r"^\.Bd.*\n((?:(?!\.Ed).*\n)+)", read(name), re.M):
            if not re.match(r"\[[a-z]+(?: \w+)?\]$", block.splitlines()[0]):
                continue
            count += 1
            text = block if "[director]" in block else f"[director]\ninterface = eth0\n{block}"
            good, said = accepts(text.replace("\\&", ""))
            assert good, f"{name}: {said}\n{text}"
    assert count >= 5, count


def what_is_decided_at_the_start_is_said_in_the_manual():
    """The rows of [director] that the program's table marks as decided at the start."""
    table = "".join(read(path) for path in glob.glob(f"{TOP}/src/**/config_keys*.cpp", recursive=True))
    rows = set(re.findall(r'at_start\([^"]*"([a-z_]+)"', table))
    body = re.search(r"^These settings are decided at the start\.\n(.*?)^\.S", page("rawvsd.8"), re.M | re.S).group(1)
    same(re.findall(r"^\.Ic ([a-z_]+)", body, re.M), rows, "rawvsd.8, settings that are decided at the start")


# --- Command lines ---


def every_option_of_rawvsd_is_in_its_manual_its_usage_and_its_completion():
    usage = options_in(program("rawvsd", "-h"))
    same(options_of_items(page("rawvsd.8")) - {"-h"}, usage - {"-h"}, "rawvsd.8")
    offered = set(re.search(r"compgen -W '([^']*)'", read("etc/bash-completion/rawvsd")).group(1).split())
    same(offered - {"-h"}, usage - {"-h"}, "completion of rawvsd")


def every_option_of_rawvs_replay_is_in_its_manual():
    # -S and -n are ipvsadm's options, in a quotation.
    usage = options_in(program("rawvs-replay", "-h")) - {"-S", "-n"}
    same(options_of_items(page("rawvs-replay.1")) - {"-h", "-v"}, usage - {"-h", "-v"}, "rawvs-replay.1")


def words():
    """The words of `rawvsadm help`, each with its options, by `rawvsadm help WORD`."""
    options = {}
    for word in re.findall(r"^  rawvsadm ([a-z]+)", program("rawvsadm", "help"), re.M):
        synopsis, *rest = program("rawvsadm", "help", word).splitlines()
        options[word] = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", synopsis))
        options[word] |= {line.split()[0] for line in rest if line.startswith("  --")}
    return options


def every_option_of_rawvsadm_is_in_its_manual_and_no_other():
    usage = options_in(program("rawvsadm", "--help"))
    assert len(usage) > 60, usage
    named_in(manual("rawvsadm.8"), sorted(usage), "rawvsadm.8")
    # ipvsadm accepts these without listing them; the last two are the program's own, tried below.
    unsaid = {"-X", "-v", "--version"}
    extra = options_of_items(page("rawvsadm.8")) - usage - unsaid - set().union(*words().values())
    assert not extra, f"rawvsadm.8 has items for {extra}, which --help does not name"
    program("rawvsadm", "--version")


def completion_offers_the_options_and_schedulers_of_rawvsadm():
    script = read("etc/bash-completion/rawvsadm")
    same(re.search(r"--scheduler\) echo (.*) ;;", script).group(1).split(), schedulers(), "schedulers of completion")
    table = re.search(r"local commands='(.*?)'\n *local options='(.*?)'\n", script, re.S)
    offered = options_in(table.group(1)) | options_in(table.group(2)) | {"--socket", "--wait"}
    usage = options_in(program("rawvsadm", "--help")) - set().union(*words().values())
    unsaid = {"-X", "-v", "--version"}
    lacking, extra = usage - offered, offered - options_in(program("rawvsadm", "--help")) - unsaid
    assert not lacking and not extra, f"completion of rawvsadm: lacks {sorted(lacking)}, has besides {sorted(extra)}"


def every_word_of_rawvsadm_is_in_its_manual_and_no_other():
    items = set(re.findall(r"^\.It Cm ([a-z]+)(?= |$)", re.search(
        r"^\.Sh WORDS\n(.*?)^\.Ss ", page("rawvsadm.8"), re.M | re.S).group(1), re.M))
    assert len(words()) >= 15
    same(items, words(), "rawvsadm.8, WORDS")
    named_in(manual("rawvsadm.8"), sorted(set().union(*words().values())), "rawvsadm.8")


def the_sync_daemon_is_not_said_to_be_refused():
    """rawvsadm sends --start-daemon to the director; without one it reports that."""
    said = program("rawvsadm", "--socket", "/nowhere/rawvs.sock", "--start-daemon", "master", "--mcast-interface", "lo",
                   status=None)
    assert "illegal" not in said and "not supported" not in said, said
    item = re.search(r"^\.It Fl -start-daemon .*?^\.It Fl h", page("rawvsadm.8"), re.M | re.S).group()
    assert "efuse" not in item, item
    for name in ("rawvsadm.8", "rawvsd.8", "rawvs.7"):
        lines = " ".join(manual(name).split())
        for claim in ("sync daemon are refused", "so nothing is printed", "not handed to another director"):
            assert claim not in lines, f"{name}: {claim}"


def every_action_and_setting_of_the_scripts_is_in_a_manual():
    for script, name in (("rawvs", "rawvsd.8"), ("rawvs-realserver", "rawvs-realserver.8"),
                         ("rawvs-web", "rawvs-web.8"), ("ipvsadm", "rawvsadm.8")):
        if script != "ipvsadm":  # its settings are LVS's
            named_in(manual(name), re.findall(r"^#([A-Z_]+)=", read(f"init/default/{script}"), re.M), name)
        usage = re.search(r"usage: \$\{0##\*/\} ([a-z|-]+)", read(f"init/{script}")).group(1)
        named_in(manual(name), usage.split("|"), name)


# --- Names, paths, sizes ---


def documents():
    return {os.path.relpath(path, TOP): read(path) for path in [
        *pages(), f"{TOP}/README.md", f"{TOP}/etc/rawvs.ini", *glob.glob(f"{TOP}/init/default/*"),
        *glob.glob(f"{TOP}/etc/examples/*.ini"), *glob.glob(f"{TOP}/init/openwrt/rawvs/files/*")]}


def every_path_in_the_documents_is_one_that_the_programs_or_scripts_use():
    scripts = "".join(read(f"init/{name}") for name in ("rawvs", "rawvs-realserver", "ipvsadm", "rawvs-web"))
    known = {re.search(r"default (/\S+)", program("rawvsd", "-h")).group(1),
             re.search(r"else (/\S+?)\)", program("rawvsadm", "--help")).group(1),
             *keys_of_the_program()["director"]["control"],
             *re.findall(r":-(/(?:run|etc)/[\w./-]+)\}", scripts)}
    assert {"/run/rawvs/control.sock", "/etc/rawvs.ini"} <= known, known
    known |= {"/run/rawvs/state"}  # the suggestion for state =, which has no default
    known |= {f"/etc/init.d/{name}" for name in ("rawvs", "rawvs-realserver", "rawvs-web", "ipvsadm")}
    for name, text in documents().items():
        paths = set(re.findall(r"(?<![\w/.])(/(?:run|etc)/(?:[\w-]+/)*rawvs[\w.-]*\w)", text))
        paths = {path for path in paths if not path.startswith("/etc/rawvs-") and path != "/etc/init.d/rawvs-announce"}
        assert paths <= known, f"{name} names {sorted(paths - known)}, which no program uses; known are {sorted(known)}"


def every_way_out_that_the_documents_name_exists():
    """Exits are written `too-big` in the README and `.Li too-big` in manuals."""
    exits = set(re.findall(r'^  X\(\w+, *\w+, *"([a-z0-9-]+)"', read("include/rawvs/exit.h"), re.M))
    assert len(exits) > 50, exits
    others = {"link-down"} | {f"{scheduler}-{flag}" for scheduler in ("sh", "mh") for flag in ("port", "fallback")}
    json = page("rawvsadm.8").split(".Ss JSON")[1].split(".Ss Keeping")[0]
    keys_of_json = {word for line in re.findall(r"^\.Li (.*)$", json, re.M) for word in line.split()}
    for name in ("README.md", "etc/man/rawvsadm.8", "etc/man/rawvs.7", "etc/man/rawvsd.8", "etc/man/rawvs.ini.5"):
        if not os.path.exists(os.path.join(TOP, name)):
            continue
        text = read(name)
        named = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", text)) if name == "README.md" else {
            word for line in re.findall(r"^\.Li (.*)$", text, re.M) for word in line.split()
            if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", word)}
        programs = ("rawvs-", "ipvsadm-", "check-", "install-")
        wrong = {word for word in named - exits - others - keys_of_json if not word.startswith(programs)}
        assert not wrong, f"{name} names {sorted(wrong)}, which are no ways out"


def the_exit_status_is_what_the_manual_says():
    text = page("rawvsd.8")
    for status, args in (("0", ("check", f"{TOP}/etc/rawvs.ini")), ("1", ("check", "/nowhere/rawvs.ini")),
                         ("2", ("no-such-word",)), ("2", ("--socket", "/nowhere/rawvs.sock", "-L", "-n"))):
        program("rawvsadm", *args, status=int(status))
    for status, args in (("0", ("-v",)), ("2", ("--no-such-option",)),
                         ("6", ("-c", "/nowhere/rawvs.ini", "/nowhere/in.pcap")),
                         ("1", ("-c", f"{TOP}/etc/rawvs.ini", "/nowhere/in.pcap"))):
        program("rawvs-replay", *args, status=int(status))
    for status, args in (("0", ("-t", "-c", f"{TOP}/etc/rawvs.ini")), ("2", ("--no-such-option",)),
                         ("6", ("-t", "-c", "/nowhere/rawvs.ini"))):
        program("rawvsd", *args, status=int(status))
        assert re.search(rf"^\.It {status}$", text, re.M), f"rawvsd.8 does not have exit status {status}"


def the_signals_in_the_manual_are_those_that_rawvsd_reads():
    taken = set(re.search(r"for \(const int s : \{([A-Z0-9, ]+)\}\)", read("src/main.cpp")).group(1).split(", "))
    items = re.search(r"^\.Ss Signals\n(.*?)^\.El", page("rawvsd.8"), re.M | re.S).group(1)
    same(re.findall(r"SIG[A-Z0-9]+", "\n".join(re.findall(r"^\.It Dv .*$", items, re.M))), taken, "rawvsd.8, Signals")


def the_program_is_no_larger_than_the_documents_say():
    need("strip")
    if "libasan" in run("objdump", "-p", f"{BUILD}/rawvsd"):
        raise Skip("these programs are built with a sanitizer")
    bounds = [int(kb) for text in (read("README.md"), page("rawvs.7"))
              for kb in re.findall(r"at\s+most\s+(\d+)\s+KB\s+stripped", text)]
    assert bounds, "no document says how large rawvsd is at most, as \"at most N KB stripped\""
    with tempfile.TemporaryDirectory() as place:
        run("strip", "-o", f"{place}/rawvsd", f"{BUILD}/rawvsd")
        size = os.path.getsize(f"{place}/rawvsd")
    assert all(size <= bound * 1000 for bound in bounds), f"rawvsd has {size} bytes stripped; {bounds} KB are said"


def the_memory_of_the_connection_table_is_what_the_readme_says():
    default = int(next(iter(keys_of_the_program()["director"]["max_connections"])))
    for text in (read("README.md"), page("rawvs.7")):
        for number, megabytes in re.findall(r"([\d,]+) connections(?:[^.]*?)\(([\d.]+) MB\)", text):
            assert int(number.replace(",", "")) == default, f"{number} connections; the default is {default}"
            assert abs(default * 72 / 1e6 - float(megabytes)) < 0.1, f"{megabytes} MB for {number} times 72 bytes"


TESTS = [mandoc_finds_nothing_to_warn_of, every_manual_that_another_one_names_is_there_or_is_another_programs,
         every_key_of_the_configuration_is_in_its_manual_and_no_other,
         the_defaults_in_the_manual_and_the_reference_are_the_programs, the_ranges_in_the_manual_are_the_programs,
         the_lengths_in_the_manual_are_the_programs,
         every_option_of_a_server_is_in_the_manual_and_no_other, every_scheduler_is_in_the_manuals,
         the_examples_in_the_manuals_are_valid, what_is_decided_at_the_start_is_said_in_the_manual,
         every_option_of_rawvsd_is_in_its_manual_its_usage_and_its_completion,
         every_option_of_rawvs_replay_is_in_its_manual, every_option_of_rawvsadm_is_in_its_manual_and_no_other,
         completion_offers_the_options_and_schedulers_of_rawvsadm,
         every_word_of_rawvsadm_is_in_its_manual_and_no_other, the_sync_daemon_is_not_said_to_be_refused,
         every_action_and_setting_of_the_scripts_is_in_a_manual,
         every_path_in_the_documents_is_one_that_the_programs_or_scripts_use,
         every_way_out_that_the_documents_name_exists, the_exit_status_is_what_the_manual_says,
         the_signals_in_the_manual_are_those_that_rawvsd_reads, the_program_is_no_larger_than_the_documents_say,
         the_memory_of_the_connection_table_is_what_the_readme_says]
