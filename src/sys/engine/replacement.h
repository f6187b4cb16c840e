// SPDX-License-Identifier: BSD-2-Clause
// replacement.h: SIGUSR2: replaces this program by another one that reports that it could start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sys/engine/engine_context.h"
#include "sys/engine/trial.h"

namespace rawvs {

class Replacement final : public Part {
 public:
  explicit Replacement(EngineContext& context) : context_(context) {}

  // The program's absolute path, and arguments with -t among them.
  void set_trial(std::vector<std::string> argv) { argv_ = std::move(argv); }
  void begin();
  bool is_due() const { return due_; }  // the other program could start: call exec()
  void give_up() { due_ = false; }      // exec() failed

  void serve(Instant now) override;
  Instant deadline() const override { return trial_ ? trial_->next_deadline() : kNever; }

 private:
  void refuse(const Error& why);

  EngineContext& context_;
  std::vector<std::string> argv_;
  std::unique_ptr<Trial> trial_;  // null: no other program is being tried
  bool due_ = false;
};

}  // namespace rawvs
