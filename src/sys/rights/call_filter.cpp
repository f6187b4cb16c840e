// SPDX-License-Identifier: BSD-2-Clause
// call_filter.cpp: libseccomp; without it, nothing.
#include "sys/rights/call_filter.h"

#ifdef RAWVS_SECCOMP

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "core/siphash.h"
#include "sys/fd.h"
#include "sys/rights/calls.h"
#include "sys/rights/rights.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

#ifndef AF_XDP
#define AF_XDP 44  // missing from older headers
#endif

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

struct Names {  // of calls, in a text
  std::string_view rest;
  std::string next() {
    const size_t end = std::min(rest.find(' '), rest.size());
    std::string out(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return out;
  }
};

// Adds rules to a filter; the first error stays.
class Rules {
 public:
  Rules(uint32_t otherwise, uint32_t action) : context_(seccomp_init(otherwise)), action_(action) {
    if (!context_) return;
    seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree; libseccomp 2.5
  }
  void add_all(const char* names) {
    for (Names all{names}; !all.rest.empty();) add(all.next());
  }
  void add(const std::string& name) { add(name, {}); }
  // For calls with this argument only.
  void add(const std::string& name, std::initializer_list<scmp_arg_cmp> conditions) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR || !context_) return;
    const int result = seccomp_rule_add_array(context_.get(), action_, number, static_cast<unsigned>(conditions.size()),
                                              conditions.begin());
    if (result != 0 && result != -EEXIST && error_.empty()) error_ = system_error(name, -result);
    if (number >= 0 && name != last_) ++calls_, last_ = name;
  }

  scmp_filter_ctx context() const { return context_.get(); }
  size_t calls() const { return calls_; }
  const std::string& error() const { return error_; }

 private:
  Context context_;
  uint32_t action_;
  size_t calls_ = 0;
  std::string last_, error_;
};

scmp_arg_cmp is(unsigned argument, uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
// Of 32 bits: musl passes an int, whose sign may fill the others.
scmp_arg_cmp has_bits(unsigned argument, uint32_t mask, uint32_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

uint32_t refusal(SeccompMode mode, uint16_t error) {
  switch (mode) {
    case SeccompMode::log: return SCMP_ACT_LOG;
    case SeccompMode::kill: return SCMP_ACT_KILL_PROCESS;
    default: return SCMP_ACT_ERRNO(error);
  }
}

void allow_with_arguments(Rules& rules, const Config& config) {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET}) {
    rules.add("socket", {is(0, static_cast<uint64_t>(family))});
  }
  if (config.io == IoMode::xdp) rules.add("socket", {is(0, AF_XDP)});
  rules.add("socketpair", {is(0, AF_UNIX)});
  // No namespaces: in one of its own a process has every capability.
  constexpr uint32_t kNamespaces =
      CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  rules.add("clone", {has_bits(0, kNamespaces, 0)});
  // Requests about interfaces; tun(4); of a terminal only whether it is one, by which C libraries choose a buffer.
  rules.add("ioctl", {has_bits(1, 0xffffff00, 0x8900)});
  for (const uint32_t request : {uint32_t{TUNSETIFF}, uint32_t{TUNSETVNETHDRSZ}, uint32_t{TUNSETOFFLOAD},
                                 uint32_t{TUNGETIFF}, uint32_t{TCGETS}, uint32_t{TIOCGWINSZ}, uint32_t{FIONREAD}}) {
    rules.add("ioctl", {has_bits(1, 0xffffffff, request)});
  }
  for (const int option : {PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_GET_SECUREBITS, PR_SET_SECUREBITS,
                           PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_GET_KEEPCAPS,
                           PR_SET_KEEPCAPS, PR_GET_DUMPABLE, PR_SET_NAME}) {
    rules.add("prctl", {has_bits(0, 0xffffffff, static_cast<uint32_t>(option))});
  }
  rules.add("prctl", {is(0, PR_SET_DUMPABLE), is(1, 0)});
}

// A name for the filter: a hash of its program. Empty: there is none.
std::string name_of(const Rules& rules) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return "";
  const Fd from(ends[0]), to(ends[1]);
  if (seccomp_export_bpf(rules.context(), to.get()) != 0) return "";  // a pipe holds 64 KB, a program 32 KB at most
  uint64_t hash = 0, piece = 0;
  while (read(from.get(), &piece, sizeof piece) == sizeof piece) {  // an instruction has eight bytes
    hash = siphash13_of({hash, 0}, {piece, uint64_t{8} << 56});
  }
  return "f" + std::to_string(hash);
}

bool in_force(std::string_view name) {
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2) return false;
  const char* const told = getenv(kFiltersVariable);
  return told != nullptr && (std::string(",") + told + ',').find(formatted(",{},", name)) != std::string::npos;
}

bool kernel_filters() {  // EFAULT: it would have read the program
  return prctl(PR_SET_SECCOMP, 2, nullptr, 0, 0) == 0 || errno == EFAULT;
}

Result<CallFilter> apply(const Rules& rules) {
  if (!rules.context()) return Error{"no memory"};
  if (!rules.error().empty()) return Error{rules.error()};
  const std::string name = name_of(rules);
  if (in_force(name)) return CallFilter{rules.calls(), false};
  if (!kernel_filters()) return Error{"this kernel has none"};
  const int result = seccomp_load(rules.context());
  if (result != 0) return Error{system_error("the kernel refuses the filter", -result)};
  const char* const earlier = getenv(kFiltersVariable);
  setenv(kFiltersVariable, (earlier ? formatted("{},{}", earlier, name) : name).c_str(), 1);
  return CallFilter{rules.calls(), true};
}

}  // namespace

Result<CallFilter> allow_directors_calls(const Config& config) {
  if (config.seccomp == SeccompMode::off) return Error{"off"};
  Rules rules(refusal(config.seccomp, ENOSYS), SCMP_ACT_ALLOW);
  for (const AllowedCalls& some : kDirectorCalls) rules.add_all(some.names);
  allow_with_arguments(rules, config);
  if (loads_programs(config)) {
    for (const AllowedCalls& some : kProgramCalls) rules.add_all(some.names);
  }
  return apply(rules);
}

Result<CallFilter> refuse_to_programs(SeccompMode mode) {
  if (mode == SeccompMode::off) return Error{"off"};
  Rules rules(SCMP_ACT_ALLOW, refusal(mode, EPERM));
  if (rules.context() != nullptr) {
    // A program of the kernel's other instruction sets is not ended for being one.
    seccomp_attr_set(rules.context(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
    for (const uint32_t other : {uint32_t{SCMP_ARCH_X86}, uint32_t{SCMP_ARCH_X32}}) {
      if (seccomp_arch_native() == SCMP_ARCH_X86_64) seccomp_arch_add(rules.context(), other);
    }
    if (seccomp_arch_native() == SCMP_ARCH_AARCH64) seccomp_arch_add(rules.context(), SCMP_ARCH_ARM);
  }
  rules.add_all(kRefusedToPrograms);
  return apply(rules);
}

}  // namespace rawvs

#else

namespace rawvs {

Result<CallFilter> allow_directors_calls(const Config& config) {
  return Error{config.seccomp == SeccompMode::off ? "off" : "not built in"};
}
Result<CallFilter> refuse_to_programs(SeccompMode) { return Error{"not built in"}; }

}  // namespace rawvs

#endif

namespace rawvs {

std::string allowed_text(const Config& config, const Result<CallFilter>& filter) {
  if (!filter) return "seccomp: " + filter.error().text;
  const char* const mode = config.seccomp == SeccompMode::log    ? ", others are logged"
                           : config.seccomp == SeccompMode::kill ? ", others end it"
                                                                 : "";
  return "seccomp: " + std::to_string(filter->calls) + " system calls allowed" + mode;
}

}  // namespace rawvs
