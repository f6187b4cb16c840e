// SPDX-License-Identifier: BSD-2-Clause
// words_status.cpp: status: a summary on one screen: services, servers, drops, losses, conflicts.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/link.h"
#include "json.h"
#include "table_names.h"
#include "texts.h"
#include "wire/discovery.h"
#include "wire/sync_message.h"
#include "word_args.h"

namespace rawvs::adm {

namespace {

constexpr size_t kDropsShown = 5;

std::string plural(uint64_t n, const std::string& what) { return std::to_string(n) + ' ' + what + (n == 1 ? "" : "s"); }

std::string uptime_text(uint64_t seconds) {
  constexpr uint64_t kDay = 86400;
  char clock[16];
  const auto rest = static_cast<unsigned>(seconds % kDay);
  std::snprintf(clock, sizeof clock, "%02u:%02u:%02u", rest / 3600, rest / 60 % 60, rest % 60);
  return (seconds < kDay ? "" : plural(seconds / kDay, "day") + ' ') + clock;
}

std::string first_line(const Rows& rows, time_t now) {
  std::string out = "rawvsd", interfaces;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "link") interfaces += (interfaces.empty() ? ", on " : " and ") + std::string(row.get("name"));
    if (row.word() != "daemon") continue;
    const uint64_t up = row.number("uptime");
    out += ' ' + std::string(row.get("version")) + ", up " + uptime_text(up) + " since " +
           clock_text(now - static_cast<time_t>(up));
  }
  return out + interfaces + '\n';
}

std::string grouped(uint64_t n) {  // 262,144
  std::string digits = std::to_string(n);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

// "half-open:12,quiet:3" as "12 half-open, 3 quiet".
std::string kinds_text(std::string_view kinds) {
  std::string out;
  while (!kinds.empty()) {
    const std::string_view one = kinds.substr(0, kinds.find(','));
    kinds.remove_prefix(std::min(kinds.size(), one.size() + 1));
    const size_t colon = std::min(one.find(':'), one.size());
    const uint64_t count = parse_number(one.substr(std::min(colon + 1, one.size())), UINT64_MAX).value_or(0);
    out += (out.empty() ? "" : ", ") + grouped(count) + ' ' + std::string(one.substr(0, colon));
  }
  return out;
}

// "Servers: 12 of 1,024; services: 3 of 4,096; fragmented datagrams: 0 of 1,024".
std::string places_part(const Row& row) {
  if (!row.has("servers-most")) return "";
  const auto part = [&](const char* what, const std::string& key) {
    return what + grouped(row.number(key + "-used")) + " of " + grouped(row.number(key + "-most"));
  };
  std::string out = part("Servers: ", "servers") + part("; services: ", "services") +
                    part("; fragmented datagrams: ", "fragments") + '\n';
  return row.number("ftp-used") == 0 ? out : out + part("FTP control connections behind NAT: ", "ftp") + '\n';
}

// "Connections: 1,204 of 262,144"; persistence templates and wide entries counted as the places that they take.
std::string table_part(const Rows& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "daemon" || !row.has("entries-most")) continue;
    std::string out = "Connections: " + grouped(row.number("entries-used")) + " of " +
                      grouped(row.number("entries-most")) + (row.number("filling") != 0 ? " (it fills), " : ", ") +
                      grouped(row.number("entries-unproven")) + " of them unproven";
    if (row.number("syn-cookies") != 0) out += "; SYNs are answered with SYN cookies where replies pass";
    if (row.number("gave-way") != 0) {
      out += "; " + grouped(row.number("gave-way")) + " gave way to others: " + kinds_text(row.get("gave-way-kinds"));
    }
    if (row.number("without-entry") != 0) {
      out += "; " + grouped(row.number("without-entry")) + " packets forwarded without an entry";
    }
    if (row.number("implausible") != 0) {
      out += "; " + grouped(row.number("implausible")) + " forged or stray TCP segments ended nothing";
    }
    return out + '\n' + places_part(row);
  }
  return "";
}

// Why the program in the kernel forwards nothing now.
std::string fast_off(std::string_view why) {
  if (why == "held") return "off: another rawvsd takes over";
  if (why == "no-link") return "off: it is on no interface; the log says why";
  if (why == "watched") return "off while a trace or a capture runs";
  return "off for a moment: servers or links change";
}

// "Fast path: 812 of 16,384 connections, 98 % of packets": of those forwarded since the start.
std::string fast_part(const Rows& rows) {
  double all = 0, fast = 0;
  std::string out;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() == "exit" && row.get("fate") == "forwarded") all += static_cast<double>(row.number("count"));
    if (row.word() != "fast") continue;
    if (row.number("on") == 0) return "Fast path: " + fast_off(row.get("off-for")) + '\n';
    fast = static_cast<double>(row.number("packets"));
    out = "Fast path: " + grouped(row.number("flows")) + " of " + grouped(row.number("capacity")) + " connections";
  }
  if (out.empty()) return "";
  if (all > 0) out += ", " + std::to_string(static_cast<int>(std::min(100 * fast / all, 100.0))) + " % of packets";
  return out + '\n';
}

// One line for each VRRP instance.
std::string vrrp_part(const Rows& rows) {
  std::string out;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "vrrp") continue;
    out += "VRRP " + std::string(row.get("name")) + ": " + std::string(row.get("state")) + " for " +
           plural(row.number("for"), "second") + ", priority " + std::string(row.get("priority"));
    if (row.get("state") != "master" && row.get("master") != "-") {
      out += "; master is " + std::string(row.get("master")) + " (priority " + std::string(row.get("master-priority")) +
             ')';
    }
    out += ": " + std::string(row.tail("why")) + '\n';
  }
  return out;
}

// "5 refused: other key, from 192.0.2.2": the most frequent reason.
std::string refused_part(const Row& row) {
  if (row.number("refused") == 0) return "";
  std::string out = ", " + std::to_string(row.number("refused")) + " refused";
  const std::string_view kind = most_of(row.get("refused-for"));
  const auto words = std::ranges::find(kSyncRefusalWords, kind, &SyncRefusalWords::name);
  if (words != kSyncRefusalWords.end()) out += std::string(": ") + words->meaning;
  const std::string_view from = row.get("refused-from");
  return out + (from.empty() || from == "-" ? "" : ", from " + std::string(from));
}

// Connections sent to other directors and received from them.
std::string sync_part(const Rows& rows) {
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "sync") continue;
    std::string out = "Sync: ";
    if (row.number("leads") != 0) {
      out += plural(row.number("entries"), "connection") + " told";
      if (row.number("unsent") != 0) out += ", " + plural(row.number("unsent"), "message") + " not sent";
    } else {
      out += row.get("role") == "backup" ? "tells nobody" : "tells nobody while another is master";
    }
    if (row.number("hears") != 0) {
      out += "; " + plural(row.number("taken"), "connection") + " heard";
      out += row.number("complete") != 0 ? ", all of another's" : "";
    }
    for (const char* const bad : {"lost", "strangers", "no-room"}) {
      if (row.number(bad) != 0) out += ", " + std::to_string(row.number(bad)) + ' ' + bad;
    }
    return out + refused_part(row) + '\n';
  }
  return "";
}

std::string drops_part(const Rows& rows) {
  struct Reason {
    uint64_t count;
    std::string name, meaning;
  };
  std::vector<Reason> reasons;
  uint64_t sum = 0;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "exit" || row.get("fate") != "dropped" || row.number("count") == 0) continue;
    reasons.push_back({row.number("count"), std::string(row.get("name")), std::string(row.tail("meaning"))});
    sum += reasons.back().count;
  }
  if (reasons.empty()) return "No packet was dropped.\n";
  std::ranges::stable_sort(reasons, std::greater(), &Reason::count);
  std::vector<Cells> lines;
  for (size_t i = 0; i < std::min(reasons.size(), kDropsShown); ++i) {
    lines.push_back({"  " + reasons[i].name, std::to_string(reasons[i].count), reasons[i].meaning});
  }
  std::string out = plural(sum, "packet") + (sum == 1 ? " was" : " were") + " dropped:\n" + aligned(lines, 0b10);
  if (reasons.size() > kDropsShown) {
    out += "  and for " + plural(reasons.size() - kDropsShown, "other reason") + ": rawvsadm drops\n";
  }
  return out;
}

// Of the interfaces: frames that were lost, VIPs that the guard has no room for, and that this host is a client.
std::string links_part(const Rows& rows) {
  constexpr std::pair<const char*, const char*> kLosses[] = {
      {"kernel-dropped", "came faster than they were read (more ring_frames may help)"},
      {"cut", "were longer than the ring takes"},
      {"send-failed", "could not be sent"},
      {"return-failed", "could not be given back to the host's kernel"}};
  std::string out;
  for (const std::string& line : rows) {
    const Row row(line);
    if (row.word() != "link") continue;
    for (const auto& [key, meaning] : kLosses) {
      if (row.number(key) == 0) continue;
      out += std::string(row.get("name")) + " lost " + plural(row.number(key), "frame") + ", which " + meaning + '\n';
    }
    if (row.get("guard") == kNoGuardNeeded) {
      out += "this host is a client, too: " + plural(row.number("vips"), "VIP") + " routed by " +
             std::string(row.get("name")) + '\n';
    }
    if (row.get("guard") == "off" || row.number("guarded") >= row.number("vips")) continue;
    out += std::string(row.get("name")) + ": " + std::to_string(row.number("guarded")) + " of " +
           plural(row.number("vips"), "VIP") + " guarded (" + std::string(row.get("guard")) +
           "): rawvsadm doctor says what to do\n";
  }
  return out;
}

}  // namespace

std::string per_second(double rate) {
  constexpr const char* kUnits[] = {"", "K", "M", "G", "T"};
  constexpr double kTenThousand = 10000;
  size_t unit = 0;
  for (; rate >= kTenThousand && unit + 1 < std::size(kUnits); ++unit) rate /= 1000;
  char text[64];
  std::snprintf(text, sizeof text, rate > 0 && rate < 9.95 ? "%.1f%s" : "%.0f%s", rate, kUnits[unit]);
  return text;
}

std::string event_time(const Row& row) {
  const std::string_view time = row.get("time");
  const auto seconds = parse_number(time.substr(0, time.find('.')), UINT32_MAX);
  return seconds ? clock_text(static_cast<time_t>(*seconds)) : std::string(time);
}

std::string clock_text(time_t at) {
  tm parts{};
  char text[64];
  const size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&at, &parts));
  return {text, size};
}

// "tcp:192.0.2.100:80" as in ipvsadm's listing.
std::string service_name(std::string_view key) {
  const size_t colon = std::min(key.find(':'), key.size());
  std::string protocol(key.substr(0, colon));
  const std::string rest(key.substr(std::min(colon + 1, key.size())));
  if (protocol == "mark") return "FWM " + rest;
  if (protocol == "mark6") return "FWM " + rest + " IPv6";
  for (char& c : protocol) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return protocol + ' ' + rest;
}

// ", limits: 3 of 5 connections, ...; refused: ..."; of a service without limits nothing.
std::string limits_text(const Row& row) {
  if (!row.has("max-connections")) return "";
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? ", limits: " : ", ") + text; };
  const auto limit = [&](const char* key, const char* what) {
    if (row.number(key) != 0) add(grouped(row.number(key)) + what);
  };
  const auto lists = [&](const char* count, const char* networks, const char* what) {
    if (row.number(count) != 0) add(std::string(what) + grouped(row.number(networks)) + " networks");
  };
  if (row.number("max-connections") != 0)
    add(grouped(row.number("counted")) + " of " + grouped(row.number("max-connections")) + " connections");
  limit("max-rate", " new ones/s");
  limit("client-connections", " for a client's network");
  limit("client-rate", "/s for a client's network");
  lists("allow-lists", "allow-networks", "allow ");
  lists("deny-lists", "deny-networks", "deny ");
  if (row.number("refused") != 0) out += "; refused: " + kinds_text(row.get("refused-for"));
  return out;
}

std::string service_text(const Row& row) {
  std::string out = row.has("name") ? std::string(row.get("name")) + ": " : "";
  out += service_name(row.get("service")) + ' ' + std::string(row.get("scheduler"));
  const std::string_view flags = row.get("flags");
  if (!flags.empty() && flags != "-") out += " (" + std::string(flags) + ')';
  if (row.number("persistence") != 0) out += " persistent " + std::string(row.get("persistence"));
  if (row.number("ops") != 0) out += " ops";
  return out + limits_text(row);
}

std::string_view most_of(std::string_view kinds, std::string_view but) {
  std::string_view best;
  uint64_t most = 0;
  while (!kinds.empty()) {
    const std::string_view one = kinds.substr(0, kinds.find(','));
    kinds.remove_prefix(std::min(kinds.size(), one.size() + 1));
    const size_t colon = std::min(one.find(':'), one.size());
    const uint64_t count = parse_number(one.substr(std::min(colon + 1, one.size())), UINT64_MAX).value_or(0);
    if (one.substr(0, colon) == but || count <= most) continue;
    best = one.substr(0, colon);
    most = count;
  }
  return best;
}

std::string status_text(const Rows& rows, time_t now, bool colour) {
  std::string out = first_line(rows, now) + table_part(rows) + fast_part(rows) + vrrp_part(rows) + sync_part(rows) +
                    '\n' + services_text(rows, colour) + '\n' + drops_part(rows) + links_part(rows);
  for (const std::string& line : rows) {
    if (Row(line).word() == "rival") out += rival_advice(Row(line));
  }
  return out;
}

int status_word(WordCall& call) {
  constexpr size_t kMostNames = 64;
  const auto args = read_args(call, {{"names", false}, {"state"}}, 0, kMostNames);
  if (!args) return wrong(call, args.error().text);
  Rows rows;
  const bool part = !args->plain.empty() || args->has("state"), named = part || args->has("names");
  if (const Status status = named ? ask(call, "list", rows) : ask(call, kStatusView, rows)) return *status;
  if (args->has("names")) {
    for (const std::string& name : TableNames(rows).all_typed()) print(name + '\n');
    return 0;
  }
  if (!args->plain.empty()) {
    const auto meant = TableNames(rows).only(args->plain, call.names);
    if (!meant) return std::fprintf(stderr, "rawvsadm: status: %s\n", meant.error().text.c_str()), kAnswerIsNo;
    rows = *meant;
  }
  if (args->has("state")) rows = in_state(rows, args->value("state"));
  if (call.json) return print((part ? json_of(rows, {"service"}) : json_of(rows, kStatusView.lists)).line()), 0;
  const bool colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  print(part ? services_text(rows, colour, true) : status_text(rows, std::time(nullptr), colour));
  return 0;
}

}  // namespace rawvs::adm
