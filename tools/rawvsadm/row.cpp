// SPDX-License-Identifier: BSD-2-Clause
// row.cpp: rows and replies of the control protocol.
#include "row.h"

#include <algorithm>

#include "rawvs/addr.h"

namespace rawvs::adm {

size_t Row::place(std::string_view key) const {
  for (size_t at = line_.find(' '); at != std::string_view::npos; at = line_.find(' ', at + 1)) {
    const std::string_view rest = line_.substr(at + 1);
    if (rest.size() > key.size() && rest.starts_with(key) && rest[key.size()] == '=') return at + 1 + key.size() + 1;
  }
  return std::string_view::npos;
}

std::string_view Row::get(std::string_view key) const {
  const std::string_view rest = tail(key);
  return rest.substr(0, rest.find(' '));
}

std::string_view Row::tail(std::string_view key) const {
  const size_t at = place(key);
  return at == std::string_view::npos ? std::string_view{} : line_.substr(at);
}

uint64_t Row::number(std::string_view key) const { return parse_number(get(key), UINT64_MAX).value_or(0); }

Reply::Step Reply::take(std::string_view message, const EachRow& each) {
  while (!message.empty()) {
    const size_t end = message.find('\n');
    if (end == std::string_view::npos) return Step::broken;
    const std::string_view line = message.substr(0, end);
    message.remove_prefix(end + 1);
    if (line == "end" && begun_) return message.empty() ? Step::over : Step::broken;
    if (begun_) {
      if (!refused_) {
        each(Row(line));
      } else if (const Row row(line); row.word() == "fault") {
        (refused_->text += '\n') += row.tail("text");
      }
      continue;
    }
    begun_ = true;
    if (line == "ok") continue;
    constexpr std::string_view kError = "error ";
    if (!line.starts_with(kError)) return Step::broken;
    const std::string_view rest = line.substr(kError.size());
    const size_t blank = std::min(rest.find(' '), rest.size());
    const std::string_view text = rest.substr(std::min(blank + 1, rest.size()));
    refused_ = Refused{std::string(rest.substr(0, blank)), std::string(text)};
  }
  return Step::more;
}

}  // namespace rawvs::adm
