// SPDX-License-Identifier: BSD-2-Clause
// routes.h: the ways to the servers, as the host's kernel has them.
// In:   the kernel's news of links and routes; servers whose ways the director does not know.
// Out:  the director is told each way; Ports, that interfaces may be different.
#pragma once

#include <array>
#include <optional>

#include "rawvs/addr.h"
#include "sys/engine/ports.h"

namespace rawvs {

class Routes final : public Part {
 public:
  Routes(EngineContext& context, Ports& ports) : context_(context), ports_(ports) {}
  Result<Done> open();  // the kernel's news come from now on

  void serve(Instant now) override;
  Instant deadline() const override;
  void link_changed(Link link) override;

  // The way to a new server is asked for at once, so that it is known when its request is answered; those to the others
  // when the kernel's routes may have changed, but not each time, and a part of them in each turn.
  void follow();

 private:
  void hear(KernelNews news);
  bool ask(Ip server);

  EngineContext& context_;
  Ports& ports_;
  Ready news_;
  std::array<LinkFacts, kLinks> seen_{};
  bool stale_ = false;        // the kernel may have others than the director was told of
  bool asking_ = false;       // not all of them have been asked for yet
  std::optional<Ip> last_{};  // that was asked for
  Instant asked_{};           // when
  bool warned_ = false;       // since the kernel last told one
};

}  // namespace rawvs
