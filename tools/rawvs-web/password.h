// SPDX-License-Identifier: BSD-2-Clause
// password.h: basic authentication (RFC 7617) against a file of names and hashes.
// In:  lines NAME:HASH, HASH as crypt(3) and `openssl passwd -6` make it; the header of a request; the time.
// Out: whether it may be answered.
//
// Hashing takes long, on purpose: only kTries wrong passwords per second are looked at, and right ones are remembered.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "rawvs/result.h"
#include "rawvs/time.h"

namespace rawvs::web {

class Passwords {
 public:
  enum class Answer : uint8_t { right, wrong, busy };
  static constexpr uint32_t kTries = 5;

  static Result<Passwords> read(const std::string& path, const std::string& text);  // path: for messages
  Answer check(std::string_view header, Instant now);  // header: of Authorization, "Basic ..."

 private:
  std::map<std::string, std::string, std::less<>> hashes_{};  // by name
  std::set<std::string> right_{};                             // NAME:PASSWORD, at most one for each name
  Instant second_{};
  uint32_t tried_ = 0;
};

}  // namespace rawvs::web
