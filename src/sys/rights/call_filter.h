// SPDX-License-Identifier: BSD-2-Clause
// call_filter.h: which system calls this process may make from here on (seccomp).
// In:  the configuration.
// Out: a filter in the kernel, for good: for this process and every program that it executes.
// Not: the lists (calls.h).
//
// What is not on the director's list fails with ENOSYS, as on a kernel that has no such call: a newer program that
// SIGUSR2 starts, and its C library, do without it or say so. The kernel logs it.
//
// A filter stays across exec(2), and every further one costs each call time. So the environment names those in force,
// and a program adds none that is there already: as many remain as there were different ones.
//
// seccomp(2), seccomp_init(3).
#pragma once

#include <cstddef>
#include <string>

#include "rawvs/config.h"
#include "rawvs/result.h"

namespace rawvs {

// Names of filters in force, commas between. It stays in the environment, and passes to every program from there.
inline constexpr const char* kFiltersVariable = "RAWVS_CALL_FILTERS";

#ifdef RAWVS_SECCOMP
inline constexpr bool kHasCallFilter = true;
#else
inline constexpr bool kHasCallFilter = false;  // built without libseccomp
#endif

struct CallFilter {
  size_t calls = 0;    // that are on the list, or refused
  bool added = false;  // false: it was in force
};

// REQUIRES: no_new_privs. An Error: there is no filter, with the reason as "not built in".
Result<CallFilter> allow_directors_calls(const Config& config);
// For rawvs-helper, and so for its programs.
Result<CallFilter> refuse_to_programs(SeccompMode mode);

// "seccomp: 120 system calls allowed", or why not.
std::string allowed_text(const Config& config, const Result<CallFilter>& filter);

}  // namespace rawvs
