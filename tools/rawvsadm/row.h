// SPDX-License-Identifier: BSD-2-Clause
// row.h: reads the replies of the control protocol: rows, and their keys.
//
// rawvs/control.h describes the protocol. rawvsadm and rawvs-web share this file.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rawvs::adm {

using Rows = std::vector<std::string>;

struct Refused {
  std::string code, text;
};

// A row of a reply: WORD KEY=VALUE ...
class Row {
 public:
  explicit Row(std::string_view line) : line_(line) {}
  std::string_view line() const { return line_; }
  std::string_view word() const { return line_.substr(0, line_.find(' ')); }
  bool has(std::string_view key) const { return place(key) != std::string_view::npos; }
  std::string_view get(std::string_view key) const;   // up to the next blank; empty: no such key
  std::string_view tail(std::string_view key) const;  // the last value, which may contain blanks
  uint64_t number(std::string_view key) const;        // 0: no such key, or no number

 private:
  size_t place(std::string_view key) const;  // of the key's value
  std::string_view line_;
};

// A reply, message by message.
class Reply {
 public:
  enum class Step : uint8_t { more, over, broken };
  using EachRow = std::function<void(const Row&)>;
  Step take(std::string_view message, const EachRow& each);  // lines are never cut between messages
  const std::optional<Refused>& refused() const { return refused_; }

 private:
  bool begun_ = false;
  std::optional<Refused> refused_;
};

}  // namespace rawvs::adm
