// SPDX-License-Identifier: BSD-2-Clause
// password.cpp: basic authentication against hashes of crypt(3).
#include "tools/rawvs-web/password.h"

#include <crypt.h>
#include <nettle/base64.h>

#include <algorithm>
#include <memory>

namespace rawvs::web {

namespace {

// "NAME:PASSWORD"; empty: not a header of this kind.
std::string credentials(std::string_view header) {
  constexpr std::string_view kBasic = "basic ";
  constexpr size_t kMost = 512;
  if (header.size() <= kBasic.size() || header.size() > kMost) return "";
  for (size_t i = 0; i < kBasic.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != kBasic[i]) return "";
  }
  header.remove_prefix(kBasic.size());
  base64_decode_ctx decoder;
  base64_decode_init(&decoder);
  std::string out(BASE64_DECODE_LENGTH(header.size()), '\0');
  size_t size = out.size();
  const bool good = base64_decode_update(&decoder, &size, reinterpret_cast<uint8_t*>(out.data()), header.size(),
                                         header.data()) != 0 &&
                    base64_decode_final(&decoder) != 0;
  out.resize(good ? size : 0);
  return out.find('\0') == std::string::npos ? out : "";
}

// In a time that does not depend on where they differ.
bool same(std::string_view a, std::string_view b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) differs |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differs == 0;
}

bool fits(const std::string& password, const std::string& hash) {
  const auto space = std::make_unique<crypt_data>();
  const char* const made = crypt_r(password.c_str(), hash.c_str(), space.get());
  return made && *made != '*' && same(made, hash);
}

}  // namespace

Result<Passwords> Passwords::read(const std::string& path, const std::string& text) {
  Passwords out;
  size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || line.size() - colon < 14) {
      return Error{path + ':' + std::to_string(number) + ": expected NAME:HASH, as printed by: openssl passwd -6"};
    }
    out.hashes_.insert_or_assign(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
  }
  if (out.hashes_.empty()) return Error{path + ": expected at least one line NAME:HASH"};
  return out;
}

Passwords::Answer Passwords::check(std::string_view header, Instant now) {
  const std::string given = credentials(header);
  const size_t colon = given.find(':');
  if (colon == std::string::npos) return Answer::wrong;
  if (right_.count(given) != 0) return Answer::right;
  const auto known = hashes_.find(std::string_view(given).substr(0, colon));
  if (now - second_ >= 1s) second_ = now, tried_ = 0;
  if (tried_ >= kTries) return Answer::busy;
  ++tried_;
  // A name that is not known takes as long as one that is.
  const std::string& hash = known == hashes_.end() ? hashes_.begin()->second : known->second;
  if (!fits(given.substr(colon + 1), hash) || known == hashes_.end()) return Answer::wrong;
  right_.insert(given);
  return Answer::right;
}

}  // namespace rawvs::web
