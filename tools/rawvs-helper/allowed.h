// SPDX-License-Identifier: BSD-2-Clause
// allowed.h: the programs that the configuration file names.
// In:  an open file.
// Out: whether a request's program is among them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "rawvs/config.h"
#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs::helper {

class Allowed {
 public:
  // All or nothing: a file with faults changes nothing in rawvsd either.
  static Result<Allowed> read(const std::string& path, Fd file);
  explicit Allowed(const Config& config);
  Allowed() = default;  // nothing

  SeccompMode seccomp() const { return seccomp_; }
  bool check(const std::string& program, const std::string& user) const { return checks_.contains({program, user}); }
  const std::string* notify(const std::string& instance) const;  // of a [vrrp]; null: none
  const std::string* notify_virtual(const std::string& name) const;

 private:
  SeccompMode seccomp_ = SeccompMode::on;
  std::set<std::pair<std::string, std::string>> checks_;  // command line, user
  std::map<std::string, std::string> notify_, virtuals_;  // by instance, by virtual
};

}  // namespace rawvs::helper
