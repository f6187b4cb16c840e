// SPDX-License-Identifier: BSD-2-Clause
// words.cpp: the table of rawvsadm's own commands, their help, and their common functions.
#include "words.h"

#include <algorithm>
#include <cstdio>

#include "config/config_values.h"
#include "rawvs/control.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

constexpr char kFiltersAndState[] =
    "Filters; shown is what fits all that are given:\n"
    "  --client IP[/BITS][:PORT]  connections of this client, or of a network; IPv6 with a port: [IP/BITS]:PORT\n"
    "  --vip IP[:PORT]            to this virtual address\n"
    "  --server IP[:PORT]         to this real server\n"
    "  --service NAME             of this virtual\n"
    "  --state WORD               in this state, as the listing names it: ESTABLISHED, FIN_WAIT ...\n"
    "  --protocol P               tcp, udp or sctp\n";
constexpr char kTraceFilters[] =
    "A line for the packet as it came, one for the decision, one for each frame that left. Ends after N packets, or "
    "at\n"
    "Ctrl-C. With --json one object per line.\n"
    "Filters; shown is what fits all that are given:\n"
    "  --client IP[/BITS][:PORT]  packets of this client, or of a network; IPv6 with a port: [IP/BITS]:PORT\n"
    "  --vip IP[:PORT]            to this virtual address\n"
    "  --server IP[:PORT]         to this real server\n"
    "  --protocol P               tcp, udp or sctp\n";
constexpr char kCaptureFilters[] =
    "A pcapng file for Wireshark and tshark: each packet as it came and as it left, with the decision as a comment.\n"
    "FILE is overwritten; - is standard output. Ends after N packets, or at Ctrl-C. Keeps BYTES of each frame, at "
    "most\n"
    "8192. The filters are those of trace.\n";

constexpr char kNames[] =
    "NAME is a virtual, VIRTUAL/SERVER or a server in every virtual: only these are shown. A server is a name or\n"
    "IP[:PORT]. --state: servers in such a state alone, as up, down, quiesced. --names: the names that there are, a "
    "line each.\n";

constexpr char kDrain[] =
    "NAME is a server, VIRTUAL/SERVER, or VIRTUAL for all of its servers, and those that are added. A server is a "
    "name\n"
    "or IP[:PORT]; without a virtual, it is drained in every service. It stays so until undrain or enable, also after "
    "a\n"
    "reload or a restart (with a state file). Exit status 0: no connection is left; 1: some are left after S seconds.\n"
    "Persistent clients stay with it until their templates expire, unless expire_quiescent_template = 1.\n";
constexpr char kOrders[] =
    "NAME is a server, VIRTUAL/SERVER, or VIRTUAL for all of its servers, and those that are added; as for drain.\n"
    "Checks go on. A reload changes nothing about it; status shows who has ordered it, and when.\n";
constexpr char kInitFlags[] =
    "Asks on a terminal what the flags do not say. Writes to standard output, or to FILE, which must not exist "
    "without\n"
    "--force; then prints what to type on the servers. Needs no director.\n"
    "  --method M                 dr, nat, tun or fullnat\n"
    "  --vip IP:PORT              the VIP; several ports: --vip \"IP tcp/80,443 udp/443\"; IPv6: [IP]:PORT\n"
    "  --server [NAME=]IP[:PORT]  a server; may be repeated, or several with blanks between\n"
    "  --interface IF             to the clients\n"
    "  --inside IF                to the servers, if it is another\n"
    "  --check C                  arp, icmp, tcp, tls, http, dns or none; default tcp, of UDP and SCTP icmp\n"
    "  --pair                     there is to be a second director (VRRP, and connections are copied)\n"
    "  --gateway IP               nat: the servers' gateway; with --pair it moves between the directors\n";

constexpr Word kWords[] = {
    {"status", "[NAME ...] [--state WORD] [--names]",
     "one screen: services, servers and their state, rates, drops, conflicts", kNames, true, status_word},
    {"top", "[--interval S] [--count N] [--sort KEY]", "live: servers with their rates per second",
     "S: seconds, default 2. N: number of rounds. KEY: conns, inpkts, outpkts, inbytes, outbytes or active.\n"
     "Ends with q or Ctrl-C. With --json one object per line.\n",
     true, top_word},
    {"connections", "[filters]", "connections and persistence templates, as ipvsadm -Lnc lists them", kFiltersAndState,
     true, connections_word},
    {"drops", "[--all]", "counters of each way out of the director (--all: also those that are 0)", "", true,
     drops_word},
    {"neighbours", "", "VIPs, other hosts that answer for them, neighbours with their MAC addresses",
     "ARP's and IPv6's neighbour discovery.\n", true, arp_word},
    {"arp", "", "the same; the older name", "", true, arp_word},
    {"vrrp", "", "which director is master of which VIPs, and why", "", true, vrrp_word},
    {"events", "[--follow] [--count N] [--topic T ...]", "what changed and when: servers, masters, commands, conflicts",
     "The last 1000 changes, oldest first; N: so many of them. --follow: also what comes, until Ctrl-C.\n"
     "--topic: only these; may be repeated.\n"
     "T: daemon, server, service, vrrp, conflict, control, table, sync, interface or reload.\n"
     "With --json and --follow one object per line.\n",
     true, events_word},
    {"metrics", "", "everything that is counted, as Prometheus reads it",
     "For the textfile collector of node_exporter: rawvsadm metrics >FILE.new && mv FILE.new FILE.prom\n", false,
     metrics_word},
    {"explain", "CLIENT:PORT VIP:PORT [tcp|udp|sctp]", "what would happen to such a packet, step by step",
     "Changes nothing. Exit status 0: the packet would be forwarded or answered; 1: it would be dropped.\n", true,
     explain_word},
    {"trace", "[filters] [--count N]", "live: each packet in and out, and the decision", kTraceFilters, true,
     trace_word},
    {"capture", "FILE [filters] [--count N] [--snap BYTES]",
     "a file for Wireshark: packets as they came and left, with the decision", kCaptureFilters, true, capture_word},
    {"drain", "NAME [--timeout S]", "give a server no new connections, and wait until it has none", kDrain, true,
     drain_word},
    {"undrain", "NAME", "give a drained server connections again", kOrders, true, undrain_word},
    {"disable", "NAME", "take a server out of service at once: on_down says what its connections get", kOrders, true,
     disable_word},
    {"enable", "NAME", "give a server connections again, whether it was drained or disabled", kOrders, true,
     enable_word},
    {"reload", "[--reset] [--dry-run]", "read the configuration again, and apply what changed in it",
     "Changes made by rawvsadm stay, unless the file has changed the same record. --reset: the table becomes the "
     "file's.\n"
     "--dry-run: only says what would change; \"pending\" is what takes a restart.\n"
     "A file with a fault changes nothing. Exit status 1: the file has a fault.\n",
     true, reload_word},
    {"init", "[flags] [-o FILE [--force]]", "write a first configuration: asks, or takes flags", kInitFlags, false,
     init_word},
    {"check", "FILE", "check a configuration; no director needs to run", "", true, check_word},
    {"doctor", "[--watch [--interval S] [--count N]]", "look for the usual faults of a director, and say what to type",
     "Changes nothing. Exit status 0: no finding, or notes only; 1: errors or warnings.\n"
     "--watch: again every S seconds, default 10, until Ctrl-C or N times; prints with the time what is new and what "
     "is\n"
     "gone. The exit status is that of the last time. With --json one object per line.\n",
     true, doctor_word},
    {"save", "[--ini [--secrets]] [-n]", "the table, for restore; --ini: as a configuration file",
     "--secrets: with keys and passwords, which are (hidden) otherwise. Exit status 1: no file gives this table.\n",
     false, ini_word},
    {"restore", "", "read from standard input what save wrote", "", false, nullptr},
    {"help", "[WORD]", "this list, or more about a word", "", false, help_word},
};

// The column of the meanings; a longer command has its meaning on the next line.
constexpr size_t kMeaningAt = 34;

std::string synopsis(const Word& word) {
  return word.name + std::string(*word.arguments == '\0' ? "" : " ") + word.arguments;
}

}  // namespace

std::span<const Word> words() { return kWords; }

const Word* find_word(const std::string& name) {
  const auto found = std::ranges::find_if(kWords, [&](const Word& word) { return name == word.name; });
  return found == std::end(kWords) ? nullptr : found;
}

std::string words_text(const std::string& program) {
  std::string out;
  for (const Word& word : kWords) {
    std::string line = "  " + program + ' ' + synopsis(word);
    if (line.size() + 2 > kMeaningAt) {
      out += line + '\n';
      line.clear();
    }
    out += line + std::string(kMeaningAt - line.size(), ' ') + word.meaning + '\n';
  }
  return out;
}

std::string no_such_word(const std::string& name) {
  std::vector<std::string_view> known;
  for (const Word& word : kWords) known.emplace_back(word.name);
  return "rawvsadm: " + name + ": no such word" + did_you_mean(name, known) + "; expected one of " + listed(known) +
         ", or ipvsadm's options (rawvsadm --help)\n";
}

Status ask(WordCall& call, const std::string& command, const Reply::EachRow& each, int end) {
  const auto asked = call.client.ask(std::string(kControlVersion) + ' ' + command, each, end);
  if (!asked) return std::fprintf(stderr, "rawvsadm: %s\n", asked.error().text.c_str()), kWrong;
  const auto& refused = *asked;
  if (!refused) return std::nullopt;
  std::fprintf(stderr, "rawvsadm: %s: %s\n", call.word, refused->text.c_str());
  return refused->code == "usage" || refused->code == "version" ? kWrong : kAnswerIsNo;
}

Status ask(WordCall& call, const std::string& command, std::vector<std::string>& rows) {
  return ask(call, command, [&](const Row& row) { rows.emplace_back(row.line()); });
}

Status ask(WordCall& call, const View& view, std::vector<std::string>& rows) {
  for (const char* const request : view.requests) {
    if (const Status status = ask(call, request, rows)) return *status;
  }
  return std::nullopt;
}

int wrong(const WordCall& call, const std::string& text) {
  std::fprintf(stderr, "rawvsadm: %s: %s\n", call.word, text.c_str());
  return kWrong;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int help_word(WordCall& call) {
  const auto args = read_args(call, {}, 0, 1);
  if (!args) return wrong(call, args.error().text);
  if (args->plain.empty()) {
    print("rawvsadm's own words (ipvsadm's options: rawvsadm --help):\n" + words_text("rawvsadm") +
          "Most take --json, and print one JSON object with the control protocol's keys. See rawvsadm(8).\n");
    return 0;
  }
  const Word* const word = find_word(args->plain[0]);
  if (!word) return std::fputs(no_such_word(args->plain[0]).c_str(), stderr), kWrong;
  print("rawvsadm " + synopsis(*word) + (word->tells_json ? " [--json]" : "") + '\n' + word->meaning + '\n' +
        word->more);
  return 0;
}

}  // namespace rawvs::adm
