// SPDX-License-Identifier: BSD-2-Clause
// short_name.h: the name of a virtual or of a server, as a file gives it, in a fixed number of bytes.
// In:  text.
// Out: a name of 1 to 32 letters, digits, ".", "_" and "-"; empty: it has no name of its own, and is shown by its
//      address.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace rawvs {

class ShortName {
 public:
  static constexpr size_t kMost = 32;
  static constexpr std::string_view kWhat = "at most 32 letters, digits, \".\", \"_\", \"-\"";

  constexpr ShortName() = default;
  // Empty if the text is no name.
  static constexpr ShortName of(std::string_view text) {
    ShortName name;
    if (text.size() <= kMost && std::ranges::all_of(text, is_letter)) std::ranges::copy(text, name.bytes_.begin());
    return name;
  }
  constexpr bool empty() const { return bytes_[0] == 0; }
  constexpr std::string_view text() const {
    return {bytes_.data(), static_cast<size_t>(std::ranges::find(bytes_, '\0') - bytes_.begin())};
  }
  friend constexpr bool operator==(const ShortName&, const ShortName&) = default;

 private:
  static constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  }
  std::array<char, kMost> bytes_{};  // zeros behind the name
};

}  // namespace rawvs
