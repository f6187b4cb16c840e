// SPDX-License-Identifier: BSD-2-Clause
// doctor_rights.cpp: which user and which capabilities rawvsd and rawvs-helper have. proc(5), capabilities(7).
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "doctor.h"
#include "sys/rights/account.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs::adm {
namespace {

struct Named {
  unsigned bit;
  std::string_view name;
};
constexpr std::array kNamed = {Named{12, "net_admin"}, Named{13, "net_raw"},  Named{38, "perfmon"},
                               Named{39, "bpf"},       Named{14, "ipc_lock"}, Named{21, "sys_admin"},
                               Named{7, "setuid"},     Named{6, "setgid"},    Named{5, "kill"}};
constexpr uint64_t bit(unsigned number) { return uint64_t{1} << number; }

std::string names_of(uint64_t capabilities) {
  std::string out;
  for (const Named& one : kNamed) {
    if ((capabilities & bit(one.bit)) != 0) join(out, std::string(one.name));
    capabilities &= ~bit(one.bit);
  }
  if (capabilities != 0) join(out, "and " + std::to_string(__builtin_popcountll(capabilities)) + " more");
  return out.empty() ? "no capability" : out;
}

// The value behind "Key:"; empty: there is none.
std::string value_of(std::string_view status, std::string_view key) {
  const std::string begin = std::string(key) + ":\t";
  const size_t at = status.starts_with(begin) ? 0 : status.find('\n' + begin);
  if (at == std::string_view::npos) return "";
  std::string_view rest = status.substr(at + begin.size() + (at == 0 ? 0 : 1));
  return std::string(rest.substr(0, rest.find_first_of("\t\n")));
}

uint64_t number(const std::string& text, int base) {
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out, base);
  return out;
}

// Where it is on but missing, the log has the reason: no libseccomp, or a kernel without it.
std::string filters_of(const RightsFacts& rights, const std::string& setting, uint64_t calls) {
  if (setting == "0") return "; seccomp = 0: every system call is allowed";
  if (!rights.daemon->filtered) return "; every system call is allowed: the log's line \"rights\" says why";
  const char* const others = setting == "log" ? "are logged" : setting == "kill" ? "end it" : "are refused";
  const bool both = rights.helper && rights.helper->filtered;
  return (calls != 0 ? formatted("; {} system calls are allowed, others {}", calls, others)
                     : formatted("; system calls that are not needed {}", others)) +
         (both ? "; programs are refused those that none needs" : "");
}

}  // namespace

ProcessRights rights_in(std::string_view status) {
  ProcessRights out;
  out.name = value_of(status, "Name");
  out.parent = number(value_of(status, "PPid"), 10);
  out.uid = static_cast<uint32_t>(number(value_of(status, "Uid"), 10));
  out.capabilities = number(value_of(status, "CapEff"), 16);
  out.no_new_privs = value_of(status, "NoNewPrivs") == "1";
  out.filtered = value_of(status, "Seccomp") == "2";
  return out;
}

RightsFacts rights_facts(uint64_t daemon_pid) {
  RightsFacts out;
  const auto of = [](const std::string& pid) {
    const auto status = read_file("/proc/" + pid + "/status");
    return status ? rights_in(*status) : ProcessRights();
  };
  ProcessRights daemon = of(std::to_string(daemon_pid));
  if (daemon_pid == 0 || daemon.name != "rawvsd") return out;  // of another pid namespace
  out.daemon = std::move(daemon);
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", problem)) {
    const std::string pid = entry.path().filename();
    if (pid[0] < '0' || pid[0] > '9') continue;
    ProcessRights one = of(pid);
    if (one.name == "rawvs-helper" && one.parent == daemon_pid) out.helper = std::move(one);
  }
  return out;
}

std::string look_at_rights(const DoctorFacts& facts, Findings& findings) {
  const RightsFacts& rights = facts.rights;
  if (!rights.daemon) return "";
  const bool runs_programs = std::ranges::any_of(facts.daemon.sections, [](const SectionFacts& section) {
    return !section.value("program").empty() || !section.value("notify").empty();
  });
  if (!rights.helper && runs_programs) {
    findings.push_back({Urgency::warning, "no-helper", "rawvs-helper does not run, which runs the programs of checks",
                        "checks by programs and notify programs fail",
                        "ls -l $(dirname $(command -v rawvsd))/rawvs-helper; then restart rawvsd"});
  }
  const std::string user = user_name(rights.daemon->uid);
  if (rights.daemon->uid == 0) {
    findings.push_back({Urgency::note, "rights-of-root", "rawvsd runs as root",
                        "a mistake in it would give away the whole host",
                        "adduser --system --group --no-create-home rawvs; then user = rawvs in " + facts.daemon.config +
                            " and restart rawvsd"});
    return "";
  }
  std::string text = "rawvsd runs as " + user + " with " + names_of(rights.daemon->capabilities);
  if (rights.daemon->no_new_privs) text += ", and gains no more";
  if (rights.helper) {
    text += "; rawvs-helper as " + user_name(rights.helper->uid) + " with " + names_of(rights.helper->capabilities);
  }
  return text + filters_of(rights, facts.daemon.setting("seccomp"), facts.daemon.calls);
}

}  // namespace rawvs::adm
