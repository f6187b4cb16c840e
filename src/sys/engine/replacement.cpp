// SPDX-License-Identifier: BSD-2-Clause
// replacement.cpp: tries the other program before this one ends.
#include "sys/engine/replacement.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rawvs {

void Replacement::begin() {
  if (trial_) return;
  auto begun = Trial::begin(argv_, context_.now, context_.helper.fd());
  if (begun) {
    trial_ = std::make_unique<Trial>(std::move(*begun));
  } else {
    context_.log.write(Severity::error, begun.error().text + "; the program is not replaced");
  }
}

void Replacement::serve(Instant now) {
  if (now < deadline()) return;
  const auto result = trial_->result(now);
  if (trial_->gone()) trial_.reset();
  if (!result) return;
  due_ = static_cast<bool>(*result);
  if (!due_) refuse(result->error());
}

void Replacement::refuse(const Error& why) {
  for (std::string_view rest = why.text; !rest.empty();) {
    constexpr std::string_view kItsName = "rawvsd: ";
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with(kItsName)) line.remove_prefix(kItsName.size());
    context_.log.write(Severity::error, line);
  }
  context_.log.write(Severity::error, "the program is not replaced: " + argv_[0] + " could not start");
}

}  // namespace rawvs
