// SPDX-License-Identifier: BSD-2-Clause
// doctor_ha.cpp: the doctor's checks of availability: health checks and their programs, VRRP, sync, the place of the
// state.
#include <algorithm>
#include <set>

#include "doctor.h"
#include "texts.h"
#include "wire/sync_message.h"
#include "wire/vrrp_packet.h"

namespace rawvs::adm {
namespace {

constexpr uint64_t kManyFlaps = 3;  // within ten minutes

// A command that repeats the check; the first word of the reason is the check's kind.
std::string ask_again(const ServerFacts& server) {
  const std::string kind = server.why.substr(0, server.why.find(' ')), address = text(server.at.addr);
  if (kind == "arp" || kind == "icmp") return "ping -c 3 " + address;
  if (kind == "http") return "curl -v http://" + text(server.at) + "/; on " + address + ": ss -ltn";
  if (kind == "dns") return "dig @" + address + "; on " + address + ": ss -lun";
  if (kind == "exec") return "run the check's program by hand, as its user, with RAWVS_SERVER=" + address;
  return "on " + address + ": ss -ltnu; its firewall and its log";
}

std::optional<Finding> illness(const DoctorFacts& facts, const ServerFacts& server) {
  const std::string who =
      "real server " + called(facts.daemon, server) + " of " + called(facts.daemon.services[server.service]) + ' ';
  const std::string since = " for " + std::to_string(server.seconds) + " s";
  if (server.health == "down") {
    return Finding{Urgency::warning, "server-down", who + "is down" + since + ", as its check says: " + server.why,
                   "it gets no new clients; the others have its share", ask_again(server)};
  }
  if (server.health == "damped") {
    return Finding{
        Urgency::warning, "server-damped",
        who + "is held back" + since + ": it went " + std::to_string(server.flaps) + " times in ten minutes",
        "it gets no new clients until it has been well for a while",
        ask_again(server) + "; or, if it is only slow, a longer timeout, more retries or fall = 2 in its check"};
  }
  if (server.health == "unknown" && server.seconds >= ServerFacts::kFirstCheck) {
    return Finding{Urgency::warning, "not-checked",
                   who + "was not checked yet in " + std::to_string(server.seconds) + " s",
                   "it gets no clients before its first success, unless its check has start = up",
                   "rawvsd's log: could the check be made? rawvsadm status"};
  }
  if (server.health == "up" && server.flaps >= kManyFlaps) {
    return Finding{Urgency::note, "server-flaps",
                   who + "is up, but went " + std::to_string(server.flaps) + " times in ten minutes",
                   "each time its clients changed servers", ask_again(server)};
  }
  return std::nullopt;
}

void look_at_program(const ProgramFacts& program, const std::string& config, Findings& findings) {
  if (program.runnable == Runnable::yes) return;
  const bool check = program.whose.starts_with("check ");
  const std::string why = check ? "the check fails, and so do its servers" : "nobody is told who is master";
  const std::string what = program.path + " of [" + program.whose + "] ";
  const std::string key = (check ? "program" : "notify") + std::string(" in ") + config;
  switch (program.runnable) {
    case Runnable::missing:
      findings.push_back(
          {Urgency::error, "no-program", what + "is no file", why, "ls -l " + program.path + "; correct " + key});
      return;
    case Runnable::not_executable:
      findings.push_back({Urgency::error, "not-executable", what + "may not be executed by " + program.user, why,
                          "chmod a+rx " + program.path});
      return;
    case Runnable::unreachable:
      findings.push_back({Urgency::error, "unreachable-program",
                          what + "is in a directory that " + program.user + " may not enter", why,
                          "namei -l " + program.path + "; put it where all may read it, /usr/local/lib say"});
      return;
    case Runnable::yes: return;
  }
}

}  // namespace

std::string look_at_checks(const DoctorFacts& facts, Findings& findings) {
  size_t checked = 0;
  for (const ServerFacts& server : facts.daemon.servers) {
    if (server.health.empty()) continue;
    ++checked;
    const bool others = std::ranges::any_of(
        facts.daemon.servers, [&](const ServerFacts& s) { return s.service == server.service && s.takes_clients(); });
    if (!others) continue;  // already reported for its service
    if (auto ill = illness(facts, server)) findings.push_back(std::move(*ill));
  }
  for (const ProgramFacts& program : facts.files.programs) look_at_program(program, facts.daemon.config, findings);
  const size_t programs = facts.files.programs.size();
  if (checked == 0 && programs == 0) return "";
  return plural(checked, "checked server") + ": each is well" +
         (programs == 0 ? "" : "; " + plural(programs, "program") + ": can be run");
}

namespace {

void look_at_fault(const DoctorFacts& facts, const VrrpFacts& vrrp, Findings& findings) {
  const auto says = [&](std::string_view words) { return vrrp.why.find(words) != std::string::npos; };
  std::string type = "rawvsadm status; rawvsd's log";
  if (says("no address to send adverts from")) {
    type = "ip addr add ADDRESS/BITS dev " + vrrp.link + ": one of this host's own, not the VIP";
  } else if (says(" is down")) {
    type = "ip link set " + vrrp.link + " up";
  } else if (says(" is missing") || says(" has no carrier")) {
    type = "ip link show " + vrrp.link;
  } else if (says(": not well")) {
    type = "rawvsadm status: too few of that virtual's servers are well";
  }
  findings.push_back({Urgency::warning, "vrrp-fault", "VRRP " + vrrp.name + " is in fault: " + vrrp.why,
                      "its VIPs are " + std::string(facts.daemon.vrrps.size() > 1 ? "others'" : "another director's") +
                          ", or nobody's",
                      type});
}

const char* remedy(std::string_view refusal) {
  constexpr std::pair<std::string_view, const char*> kRemedies[] = {
      {"password", "the same password"},
      {"auth-type", "the same password, or none"},
      {"version", "the same version"},
      {"header-auth",
       "auth_type PASS and the same password, or no authentication, (keepalived's auth_type AH is not known)"},
      {"old-checksum", "no old_unicast_checksum (in keepalived.conf), and the rest as it is"},
      {"interval", "the same interval"},
      {"addresses", "the same addresses, or same_addresses = 0,"},
      {"destination", "a peer = ... of each other, or none at all,"},
      {"peer", "a peer = ... of each other director"},
  };
  for (const auto& [name, words] : kRemedies) {
    if (name == refusal) return words;
  }
  return nullptr;
}

void look_at_refusals(const VrrpFacts& vrrp, const std::string& config, Findings& findings) {
  const std::string_view kind = most_of(vrrp.refused_for, "idle");
  if (kind.empty()) return;
  const auto words = std::ranges::find(kVrrpRefusalWords, kind, &VrrpRefusalWords::name);
  const char* const same = remedy(kind);
  findings.push_back(
      {Urgency::warning, "vrrp-refused",
       "VRRP " + vrrp.name + " has refused " + plural(vrrp.refused, "advert") +
           " since rawvsd's start; mostly: " + (words == kVrrpRefusalWords.end() ? std::string(kind) : words->meaning),
       "directors that do not believe each other are both master",
       same ? "give each director " + std::string(same) + " in [vrrp " + vrrp.name + "] of " + config
            : "tcpdump -e -v -n -i " + vrrp.link + " ip proto 112: who sends them?"});
}

void look_at_instance(const DoctorFacts& facts, const VrrpFacts& vrrp, Findings& findings) {
  if (vrrp.state == "fault") look_at_fault(facts, vrrp, findings);
  look_at_refusals(vrrp, facts.daemon.config, findings);
  const std::string section = " in [vrrp " + vrrp.name + "] of " + facts.daemon.config;
  if (vrrp.other_addresses > 0) {
    findings.push_back({Urgency::warning, "vrrp-addresses",
                        "VRRP " + vrrp.name + " has heard " + plural(vrrp.other_addresses, "advert") +
                            " with other addresses than its own",
                        "the other director does not have all the VIPs, or is a stranger with the same vrid",
                        "tcpdump -v -n -i " + vrrp.link + " ip proto 112; then correct address or vrid" + section});
  }
  if (vrrp.other_interval > 0) {
    findings.push_back({Urgency::note, "vrrp-interval",
                        "VRRP " + vrrp.name + " has heard " + plural(vrrp.other_interval, "advert") +
                            " with another interval than its own",
                        "the master's is followed, so a failover takes as long as that says",
                        "the same interval" + section});
  }
  if (vrrp.woke_late > 0) {
    findings.push_back({Urgency::note, "vrrp-late",
                        "VRRP " + vrrp.name + " came " + plural(vrrp.woke_late, "time") +
                            " too late to its clock: this host is too busy, or was stopped",
                        "a backup takes a master for dead that is only late",
                        "a longer interval" + section + "; or nice -n -10 for rawvsd"});
  }
}

}  // namespace

std::string look_at_vrrp(const DoctorFacts& facts, Findings& findings) {
  std::string right;
  for (const VrrpFacts& vrrp : facts.daemon.vrrps) {
    look_at_instance(facts, vrrp, findings);
    right += (right.empty() ? "VRRP: " : ", ") + vrrp.name + " is " + vrrp.state;
  }
  return right.empty() ? "" : right + "; every advert that came was understood";
}

namespace {

std::set<Ip> served_by(const DaemonFacts& daemon) {  // the services' addresses
  std::set<Ip> out;
  for (const ServiceFacts& service : daemon.services) {
    if (service.virtual_at) out.insert(service.virtual_at->addr);
  }
  for (const SectionFacts& section : daemon.sections) {
    const auto matches = section.keys.find("match");
    if (section.kind != "group" || matches == section.keys.end()) continue;
    for (const std::string& match : matches->second) {
      if (const auto vip = parse_ip(std::string_view(match).substr(0, match.find(' ')))) out.insert(*vip);
    }
  }
  return out;
}

}  // namespace

// VIPs are known only of instances that name their addresses. An inside address without a service is the gateway of NAT
// servers.
std::string look_at_vrrp_vips(const DoctorFacts& facts, Findings& findings) {
  const DaemonFacts& daemon = facts.daemon;
  const std::set<Ip> served = served_by(daemon);
  std::set<Ip> named;
  bool all_named = !daemon.vrrps.empty(), others_follow = false;
  for (const SectionFacts& section : daemon.sections) {
    if (section.kind != "vrrp") continue;
    const auto addresses = section.keys.find("address");
    all_named = all_named && addresses != section.keys.end();
    others_follow = others_follow || section.value("other_vips") != "no";
    if (addresses == section.keys.end()) continue;
    for (const std::string& word : addresses->second) {
      const auto address = parse_ip(word);
      if (!address || !named.insert(*address).second || served.contains(*address)) continue;
      if (section.value("on") == "inside") continue;
      findings.push_back({Urgency::note, "vrrp-vip-unused",
                          "VIP " + word + " of [vrrp " + section.name + "] belongs to no service",
                          "the master answers for it, as a host on which nothing listens",
                          "rawvsadm -A -t " + word + ":PORT, and its servers; or take it out of [vrrp " + section.name +
                              "] in " + daemon.config});
    }
  }
  if (!all_named) return "";
  for (const Ip vip : served) {
    if (named.contains(vip) || others_follow) continue;
    findings.push_back({Urgency::warning, "vip-without-vrrp",
                        "VIP " + text(vip) + " is in no [vrrp] section, and each of them has other_vips = no",
                        std::string("every director with this service answers ") + what_is_answered(vip) +
                            " for it, and nobody takes it over",
                        "address = " + text(vip) + ", or other_vips = yes, in a [vrrp] section of " + daemon.config});
  }
  return plural(served.size(), "VIP") + ": of each the master is found by VRRP";
}

namespace {

const char* sync_remedy(std::string_view refusal) {
  constexpr std::pair<std::string_view, const char*> kRemedies[] = {
      {"bad-seal", "the same key in [sync]"},
      {"unsealed", "the same key in [sync], or none"},
      {"other-syncid", "the same id in [sync], or id = 0"},
      {"stale", "the right time (date; chronyc tracking), or a larger window in [sync]"},
      {"unknown-version", "version 1 (a kernel's: sysctl net.ipv4.vs.sync_version=1)"},
      {"no-server", "the same services and servers"},
      {"over-share", "a key in [sync], or a larger share"},
  };
  for (const auto& [name, words] : kRemedies) {
    if (name == refusal) return words;
  }
  return nullptr;
}

}  // namespace

std::string look_at_sync(const DoctorFacts& facts, Findings& findings) {
  if (!facts.daemon.sync || !facts.daemon.sync->hears) return "";
  const SyncFacts& sync = *facts.daemon.sync;
  const std::string_view kind = most_of(sync.refused_for, "late");
  if (!kind.empty()) {
    const auto words = std::ranges::find(kSyncRefusalWords, kind, &SyncRefusalWords::name);
    const bool known = words != kSyncRefusalWords.end();
    const bool from = !sync.refused_from.empty() && sync.refused_from != "-";
    const char* const same = sync_remedy(kind);
    findings.push_back({Urgency::warning, "sync-refused",
                        "sync: " + std::to_string(sync.refused) +
                            " refused since rawvsd's start; mostly: " + (known ? words->meaning : std::string(kind)) +
                            (from ? "; the last one from " + sync.refused_from : ""),
                        "the connections that they tell of break when their director dies",
                        same ? "give each director " + std::string(same) + ": " + facts.daemon.config
                             : "tcpdump -v -n udp port 8848: who sends them?"});
  }
  if (sync.strangers > 0) {
    findings.push_back({Urgency::warning, "sync-strangers",
                        "sync: " + plural(sync.strangers, "message") + " of who is no peer, or by another interface",
                        "what they tell of is not known here",
                        "a peer = ... of each other director in [sync] of " + facts.daemon.config});
  }
  return "sync: every message that came was taken";
}

std::string look_at_state(const DoctorFacts& facts, Findings& findings) {
  constexpr uint64_t kEntry = 48;  // bytes per entry of a state, rounded up
  const std::string path = facts.daemon.setting("state"), every = facts.daemon.setting("state_interval");
  const StatePlace& place = facts.files.state;
  if (path.empty() || !facts.files.known) return "";
  const std::string lost = "every connection is lost when rawvsd is restarted",
                    elsewhere = "state = /run/rawvs/state in ";
  uint64_t needed = 0;
  for (const ServerFacts& s : facts.daemon.servers) needed += (s.active + s.inactive) * kEntry;
  if (!place.there || !place.writable) {
    findings.push_back({Urgency::error, "state-directory",
                        "connections are to be kept in " + path + ", whose directory " +
                            (place.there ? "cannot be written" : "is not there"),
                        lost, elsewhere + facts.daemon.config + ", and restart rawvsd; or mkdir, mount -o remount,rw"});
    return "";
  }
  if (place.strange) {
    findings.push_back({Urgency::warning, "state-strange",
                        path + " is no plain file that root alone can write: it will not be believed", lost,
                        "ls -l " + path + "; rm " + path});
  }
  if (needed > place.free) {
    findings.push_back({Urgency::warning, "state-room",
                        path + " would need " + std::to_string(needed >> 20) + " MB, and there are " +
                            std::to_string(place.free >> 20) + " MB free",
                        lost, "df " + path + "; mount -o remount,size=... on a tmpfs"});
  }
  if (!place.in_ram) {
    const bool often = !every.empty() && every != "0" && every != "0s";
    findings.push_back({often ? Urgency::warning : Urgency::note, "state-on-disk",
                        path + " is not in RAM" + (often ? ", and is written every " + every : ""),
                        often ? "flash wears out, and each time the disk may hold packets up"
                              : "it is written when rawvsd ends: that takes longer, and flash wears out",
                        elsewhere + facts.daemon.config + ", and restart rawvsd"});
  }
  return "state: " + path + " can be written, and is in RAM";
}

}  // namespace rawvs::adm
