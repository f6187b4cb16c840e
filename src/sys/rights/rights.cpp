// SPDX-License-Identifier: BSD-2-Clause
// rights.cpp: libcap-ng, prctl(2), the environment, descriptors.
#include "sys/rights/rights.h"

#include <cap-ng.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>

#include "sys/handed_over.h"
#include "sys/io/fast_path.h"
#include "sys/rights/call_filter.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

#ifndef SYS_close_range
#define SYS_close_range 436  // missing from older headers; equal on all supported architectures
#endif

// Missing from older headers (Linux 5.8).
constexpr unsigned kPerfmon = 38, kBpf = 39;

constexpr char kFallback[] = "nobody";
constexpr int kOldestDescriptors = 1024;  // closed one by one, before Linux 5.9

// What the environment may hold: the time zone of the log's lines, and what one rawvsd tells the next. The helper's
// socket is taken before.
bool is_kept(std::string_view variable) {
  const bool told = std::ranges::find(kHandedOver, variable) != kHandedOver.end() && variable != kHelperVariable;
  return told || variable == kFiltersVariable || variable == "TZ";
}

bool kernel_knows(unsigned capability) { return prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; }

bool memory_unlimited() {
  rlimit limit{};
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
}

Error failed(const char* call) {
  const int error = errno;
  return {system_error(std::string("giving up rights: ") + call, error)};
}

std::vector<int> named_descriptors() {
  std::vector<int> out;
  for (const char* const variable : kHandedOver) {
    const char* const value = getenv(variable);
    const std::vector<int> named = descriptors_in(value ? value : "");
    out.insert(out.end(), named.begin(), named.end());
  }
  std::ranges::sort(out);
  return out;
}

void close_range_of(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= std::min<unsigned>(last, kOldestDescriptors); ++fd) close(static_cast<int>(fd));
}

// With anything else it goes on without them.
bool needs_programs(const Config& config) {
  return (config.guard != GuardMode::off && config.guard != GuardMode::classic) || config.io == IoMode::xdp;
}

bool may_have_fast_path(const Config& config) {
  return kHasFastPath && config.fast_path != FastMode::off && config.io != IoMode::xdp;
}

}  // namespace

bool loads_programs(const Config& config) { return needs_programs(config) || may_have_fast_path(config); }

Rights Rights::find(const Config& config) {
  Rights rights;
  rights.keeps_all_ = geteuid() == 0 && (config.user.empty() || config.user == "root");
  if (rights.keeps_all_) return rights;
  rights.wanted_ = {CAP_NET_ADMIN, CAP_NET_RAW};
  if (config.io == IoMode::xdp && !memory_unlimited()) rights.wanted_.push_back(CAP_IPC_LOCK);
  if (loads_programs(config) && kernel_knows(kBpf)) {
    rights.wanted_.insert(rights.wanted_.end(), {kPerfmon, kBpf});
  } else if (needs_programs(config)) {  // such a kernel has no fast path
    rights.wanted_.push_back(CAP_SYS_ADMIN);
    rights.warnings_.emplace_back(
        "this kernel has no capability for eBPF alone (Linux 5.8): rawvsd keeps sys_admin for its guard; with "
        "guard = classic it needs none, and NAT and VRRP do not work");
  }
  if (geteuid() != 0) return rights;
  auto user = find_user(config.user);
  if (!user) {
    rights.warnings_.push_back(formatted(
        "{}: rawvsd goes on as {}; make the user: adduser --system --group --no-create-home {}, or set user in "
        "[director]",
        user.error().text, kFallback, config.user));
    user = find_user(kFallback);
  }
  rights.user_ = user ? *user : User{kFallback, 65534, 65534};
  // An owner may give its socket to a group that it is a member of.
  const group* const entry = config.control_group.empty() ? nullptr : getgrnam(config.control_group.c_str());
  if (entry) rights.groups_.push_back(entry->gr_gid);
  return rights;
}

bool Rights::may_write(const std::string& folder) const {
  struct stat facts {};
  if (!user_ || stat(folder.c_str(), &facts) != 0) return true;  // what uses the folder will tell
  constexpr mode_t kEnter = 3;                                   // write and search
  const bool in_group = facts.st_gid == user_->gid || std::ranges::find(groups_, facts.st_gid) != groups_.end();
  const mode_t mode = facts.st_mode >> (facts.st_uid == user_->uid ? 6 : in_group ? 3 : 0);
  return (mode & kEnter) == kEnter;
}

Result<Done> Rights::give_up() const {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (keeps_all_) return Done{};
  std::vector<unsigned> kept;
  capng_clear(CAPNG_SELECT_ALL);
  if (capng_get_caps_process() != 0) return failed("capget");
  for (const unsigned capability : wanted_) {
    if (capng_have_capability(CAPNG_PERMITTED, capability)) kept.push_back(capability);
  }
  const bool may_cut = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) != 0;
  capng_clear(CAPNG_SELECT_ALL);
  constexpr auto kSets = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
  for (const unsigned capability : kept) capng_update(CAPNG_ADD, kSets, capability);
  if (may_cut && capng_apply(CAPNG_SELECT_BOUNDS) != 0) return failed("bounding set");
  if (user_) {
    if (setgroups(groups_.size(), groups_.data()) != 0) return failed("setgroups");
    if (capng_change_id(static_cast<int>(user_->uid), static_cast<int>(user_->gid), CAPNG_NO_FLAG) != 0)
      return failed(("user " + user_->name).c_str());
  } else if (capng_apply(CAPNG_SELECT_CAPS) != 0) {
    return failed("capset");
  }
  keep_over_exec(false);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("dumpable");
  return Done{};
}

Result<Done> keep_for_programs() {
  constexpr std::array kOwn = {CAP_SETUID, CAP_SETGID, CAP_KILL};
  constexpr std::array kPrograms = {CAP_NET_ADMIN, CAP_NET_RAW};
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (geteuid() == 0) {
    capng_clear(CAPNG_SELECT_ALL);
    const auto add = [](int kind, int capability) {
      capng_update(CAPNG_ADD, static_cast<capng_type_t>(kind), static_cast<unsigned>(capability));
    };
    for (const int one : kOwn) add(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, one);
    for (const int one : kPrograms) add(CAPNG_PERMITTED | CAPNG_BOUNDING_SET, one);
    if (setgroups(0, nullptr) != 0) return failed("setgroups");
    if (capng_apply(CAPNG_SELECT_BOUNDS) != 0 || capng_apply(CAPNG_SELECT_CAPS) != 0) return failed("capset");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("dumpable");
  return Done{};
}

// The ambient set is empty until then: no program that is started by mistake inherits a capability.
void Rights::keep_over_exec(bool on) {
  if (capng_get_caps_process() != 0) return;
  for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    const bool held = geteuid() != 0 && capng_have_capability(CAPNG_PERMITTED, capability) != 0;
    const auto sets = static_cast<capng_type_t>(CAPNG_INHERITABLE | CAPNG_AMBIENT);
    if (held) capng_update(on ? CAPNG_ADD : CAPNG_DROP, sets, capability);
  }
  if (on) capng_apply(CAPNG_SELECT_CAPS);  // an ambient capability is an inheritable one
  capng_apply(CAPNG_SELECT_AMBIENT);
  if (!on) capng_apply(CAPNG_SELECT_CAPS);
}

std::string rights_held() {
  std::string names;
  size_t count = 0;
  if (capng_get_caps_process() == 0) {
    for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
      if (capng_have_capability(CAPNG_EFFECTIVE, capability) == 0) continue;
      const char* const name = capng_capability_to_name(capability);
      names += (names.empty() ? "" : ", ") + (name ? std::string(name) : formatted("{}", capability));
      ++count;
    }
  }
  if (count > CAP_LAST_CAP) names = "all";
  return formatted("user {}; capabilities {}", user_name(geteuid()), names.empty() ? "none" : names);
}

void clean_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; entry && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : names) {
    if (!is_kept(name)) unsetenv(name.c_str());
  }
}

void close_inherited() {
  unsigned first = STDERR_FILENO + 1;
  for (const int fd : named_descriptors()) {
    if (fd < static_cast<int>(first)) continue;
    close_range_of(first, static_cast<unsigned>(fd) - 1);
    first = static_cast<unsigned>(fd) + 1;
  }
  close_range_of(first, INT_MAX);
}

// Before Linux 5.11 the guard's maps count as locked memory, which is limited to 64 KB; AF_XDP's memory does to this
// day.
void lift_memory_limit() {
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  if (geteuid() == 0) setrlimit(RLIMIT_MEMLOCK, &unlimited);
}

}  // namespace rawvs
