// SPDX-License-Identifier: BSD-2-Clause
// doctor.cpp: rawvsadm doctor: collects facts from rawvsd and this host, runs all checks, prints the findings.
#include "doctor.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>

#include "doctor_watch.h"
#include "end_signals.h"
#include "json.h"
#include "rawvs/control.h"
#include "texts.h"
#include "word_args.h"

namespace rawvs::adm {
namespace {

constexpr Look kLooks[] = {
    look_at_interfaces,    look_at_vips,     look_at_rivals,   look_at_guards,   look_at_rp_filter, look_at_redirects,
    look_at_offloads,      look_at_services, look_at_marks,    look_at_ways,     look_at_neighbors, look_at_answers,
    look_at_nat_replies,   look_at_tunnels,  look_at_mtus,     look_at_losses,   look_at_checks,    look_at_vrrp,
    look_at_vrrp_vips,     look_at_sync,     look_at_state,    look_at_own_vips, look_at_locals,    look_at_waiting,
    look_at_local_clients, look_at_rights,   look_at_disputes, look_at_limits,   look_at_orders,    look_at_fast_path,
};

std::vector<std::string> unseen(const DoctorFacts& facts) {
  std::vector<std::string> out;
  const std::string pid = std::to_string(facts.daemon.pid);
  if (!facts.host.known) {
    out.push_back("this host's interfaces and settings: rawvsd (pid " + pid +
                  ") runs in another network namespace; type: nsenter -t " + pid + " -n rawvsadm doctor");
  }
  const auto& settings = facts.daemon.settings;
  const bool off = settings.count("guard") != 0 && settings.find("guard")->second == "off";
  const bool told = std::ranges::all_of(facts.daemon.ports, [](const PortFacts& p) { return !p.guard.empty(); });
  if (!told && !off) out.emplace_back("the guards: this rawvsd does not tell of them; its log does");
  const bool names_files = !facts.daemon.setting("state").empty() ||
                           std::ranges::any_of(facts.daemon.sections, [](const SectionFacts& section) {
                             return section.keys.contains("program") || section.keys.contains("notify");
                           });
  if (!facts.files.known && names_files) {
    out.emplace_back("files that " + facts.daemon.config + " names: only root may look; type: sudo rawvsadm doctor");
  }
  out.emplace_back("this host's firewall: iptables-save, nft list ruleset");
  out.emplace_back("the real servers from within; there: rawvs-realserver status");
  out.emplace_back("routers on the way: their MTUs and filters");
  return out;
}

size_t count(const Findings& findings, Urgency urgency) {
  return static_cast<size_t>(std::ranges::count(findings, urgency, &Finding::urgency));
}

std::string counted(const Findings& findings, Urgency urgency) {
  const size_t n = count(findings, urgency);
  return std::to_string(n) + ' ' + name(urgency) + (n == 1 ? "" : "s");
}

Json list_of(const std::vector<std::string>& lines) {
  Json out = Json::list();
  for (const std::string& line : lines) out.add(Json::text(line));
  return out;
}

Json finding_json(const Finding& finding) {
  return Json::object()
      .set("severity", Json::text(name(finding.urgency)))
      .set("check", Json::text(finding.check))
      .set("what", Json::text(finding.what))
      .set("why", Json::text(finding.why))
      .set("type", Json::text(finding.type));
}

// An older rawvsd refuses an unknown command: those facts are then missing.
Result<bool> ask_if_known(WordCall& call, const std::string& command, DoctorFacts& facts) {
  const auto asked =
      call.client.ask(std::string(kControlVersion) + ' ' + command, [&](const Row& row) { note_row(row, facts); });
  if (!asked) return asked.error();
  return !*asked;
}

Result<Done> ask_rawvsd(WordCall& call, DoctorFacts& facts) {
  if (const auto asked = ask_if_known(call, "list", facts); !asked) return asked.error();
  facts.host = host_facts(facts.daemon.pid);
  for (const char* const command : {"arp", "exits", "ini", "vrrp", "sync"}) {
    if (const auto asked = ask_if_known(call, command, facts); !asked) return asked.error();
  }
  facts.rights = rights_facts(facts.daemon.pid);
  facts.files = file_facts(facts.daemon, facts.rights);
  if (!wants_connections(facts)) return Done{};
  auto asked = ask_if_known(call, "connections state=SYN_RECV", facts);
  if (asked && !*asked) asked = ask_if_known(call, "connections", facts);
  if (!asked) return asked.error();
  return Done{};
}

}  // namespace

const char* name(Urgency urgency) {
  switch (urgency) {
    case Urgency::note: return "note";
    case Urgency::warning: return "warning";
    case Urgency::error: return "error";
  }
  return "?";
}

bool Diagnosis::well() const { return count(findings, Urgency::note) == findings.size(); }

Diagnosis diagnose(const DoctorFacts& facts) {
  Diagnosis out;
  for (const Look look : kLooks) {
    const size_t before = out.findings.size();
    std::string right = look(facts, out.findings);
    if (out.findings.size() == before && !right.empty()) out.right.push_back(std::move(right));
  }
  std::ranges::stable_sort(out.findings, std::greater{}, &Finding::urgency);
  out.unseen = unseen(facts);
  return out;
}

std::string diagnosis_text(const Diagnosis& diagnosis) {
  std::string out;
  for (const Finding& finding : diagnosis.findings) {
    out += std::string(name(finding.urgency)) + ": " + finding.what + "\n    why:  " + finding.why +
           "\n    type: " + finding.type + "\n\n";
  }
  if (!diagnosis.right.empty()) out += "Looked at and found right:\n";
  for (const std::string& line : diagnosis.right) out += "    " + line + '\n';
  if (!diagnosis.right.empty()) out += '\n';
  out += "Not looked at:\n";
  for (const std::string& line : diagnosis.unseen) out += "    " + line + '\n';
  out += '\n' + counted(diagnosis.findings, Urgency::error) + ", " + counted(diagnosis.findings, Urgency::warning) +
         ", " + counted(diagnosis.findings, Urgency::note) + '\n';
  return out;
}

std::string diagnosis_json(const Diagnosis& diagnosis) {
  Json findings = Json::list();
  for (const Finding& finding : diagnosis.findings) {
    findings.add(finding_json(finding));
  }
  return Json::object()
      .set("findings", findings)
      .set("right", list_of(diagnosis.right))
      .set("not-looked-at", list_of(diagnosis.unseen))
      .line();
}

namespace {

// Looks once. An Error: rawvsd does not answer.
Result<Diagnosis> look_once(WordCall& call) {
  DoctorFacts facts;
  if (const auto asked = ask_rawvsd(call, facts); !asked) return asked.error();
  return diagnose(facts);
}

void print_change(const WordCall& call, const WatchedFindings::Change& change, time_t now) {
  if (!call.json) return print(change_text(change, clock_text(now)));
  print(finding_json(change.finding)
            .set("time", Json::number(static_cast<uint64_t>(now)))
            .set("change", Json::text(change.is_new ? "new" : "gone"))
            .line());
}

struct WatchWishes {
  uint64_t seconds = 10, count = 0;  // count 0: without end
};

// While rawvsd does not answer, what was found before is not gone.
int watch(WordCall& call, const WatchWishes& wishes) {
  const EndSignals signals;
  WatchedFindings findings, reached;
  bool well = true;
  for (uint64_t round = 1; std::ferror(stdout) == 0; ++round) {
    const auto diagnosis = look_once(call);
    if (!diagnosis && round == 1) return wrong(call, diagnosis.error().text);
    Findings silent;
    if (!diagnosis) {
      silent.push_back({Urgency::error, "no-rawvsd", "rawvsd does not answer: " + diagnosis.error().text,
                        "it has ended, or is not started yet", "service rawvs status; rawvsd -t -c /etc/rawvs.ini"});
    }
    const time_t now = std::time(nullptr);
    for (const auto& change : reached.take(silent)) print_change(call, change, now);
    if (diagnosis) {
      for (const auto& change : findings.take(diagnosis->findings)) print_change(call, change, now);
    }
    well = diagnosis && diagnosis->well();
    if (round == 1 && diagnosis->findings.empty() && !call.json) print(clock_text(now) + "  no finding\n");
    if (round == wishes.count || signals.within(std::chrono::seconds(wishes.seconds))) break;
  }
  return well ? 0 : kAnswerIsNo;
}

}  // namespace

int doctor_word(WordCall& call) {
  const auto args = read_args(call, {{"watch", false}, {"interval"}, {"count"}});
  if (!args) return wrong(call, args.error().text);
  const auto seconds = read_count(*args, "interval", 1, 86'400, 10),
             count = read_count(*args, "count", 1, UINT32_MAX, 0);
  if (!seconds || !count) return wrong(call, (seconds ? count : seconds).error().text);
  if (args->has("watch")) return watch(call, {*seconds, *count});
  if (!args->options.empty()) return wrong(call, "--interval and --count are of --watch");
  const auto diagnosis = look_once(call);
  if (!diagnosis) return wrong(call, diagnosis.error().text);
  print(call.json ? diagnosis_json(*diagnosis) : diagnosis_text(*diagnosis));
  return diagnosis->well() ? 0 : kAnswerIsNo;
}

}  // namespace rawvs::adm
