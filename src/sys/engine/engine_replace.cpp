// SPDX-License-Identifier: BSD-2-Clause
// engine_replace.cpp: SIGUSR2: another program takes this one's place, if it says that it could start.
#include "rawvs/engine.h"
#include "sys/engine/trial.h"
#include "sys/guard/guard_links.h"

namespace rawvs {

GuardLinks Engine::guard_links() const {
  std::vector<int> links;
  for (const Port& port : ports_) {
    if (port.guard && port.guard->link_fd() >= 0) links.push_back(port.guard->link_fd());
  }
  return GuardLinks(links);
}

void Engine::begin_trial() {
  if (trial_) return;
  auto begun = Trial::begin(trial_argv_, now_);
  if (begun) {
    trial_ = std::make_unique<Trial>(std::move(*begun));
  } else {
    log_.write(Severity::error, begun.error().text + "; the program is not replaced");
  }
}

void Engine::serve_trial() {
  if (now_ < trial_deadline()) return;
  const auto result = trial_->result(now_);
  if (!result) return;
  trial_.reset();
  if (*result) {
    replacing_ = true;
    return;
  }
  for (std::string_view rest = result->error().text; !rest.empty();) {
    constexpr std::string_view kItsName = "rawvsd: ";
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with(kItsName)) line.remove_prefix(kItsName.size());
    log_.write(Severity::error, line);
  }
  log_.write(Severity::error, "the program is not replaced: " + trial_argv_[0] + " could not start");
}

Instant Engine::trial_deadline() const { return trial_ ? trial_->next_deadline() : kNever; }

}  // namespace rawvs
