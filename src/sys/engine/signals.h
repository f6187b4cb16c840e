// SPDX-License-Identifier: BSD-2-Clause
// signals.h: handles signals: SIGHUP reload, SIGUSR2 replacement, SIGTERM and SIGINT end.
#pragma once

#include "sys/engine/replacement.h"
#include "sys/engine/requests.h"

namespace rawvs {

class Signals final : public Part {
 public:
  Signals(EngineContext& context, Requests& requests, Jobs& jobs, Replacement& replacement)
      : context_(context), requests_(requests), jobs_(jobs), replacement_(replacement) {}
  Result<Done> open(int fd);  // a signalfd

  void serve(Instant now) override;
  Instant deadline() const override { return kNever; }
  bool stopping() const { return stopping_; }

 private:
  void take(uint32_t signal);

  EngineContext& context_;
  Requests& requests_;
  Jobs& jobs_;
  Replacement& replacement_;
  int fd_ = -1;
  Ready ready_;
  bool stopping_ = false;
};

}  // namespace rawvs
