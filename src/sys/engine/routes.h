// SPDX-License-Identifier: BSD-2-Clause
// routes.h: the routes to the servers, by the host's kernel.
// In:  the kernel's notifications of links and routes; servers without a known route.
// Out: routes for the director; possible interface changes for Ports.
#pragma once

#include <array>
#include <optional>

#include "core/link.h"
#include "rawvs/addr.h"
#include "sys/engine/ports.h"

namespace rawvs {

class Routes final : public Part {
 public:
  Routes(EngineContext& context, Ports& ports) : context_(context), ports_(ports) {}
  Result<Done> open();  // opens the notifications; tells the director of the host's addresses

  void serve(Instant now) override;
  Instant deadline() const override;
  void link_changed(Link link) override;

  // The route to a new server is looked up at once, before its request is answered; those to the others when the
  // kernel's routes may have changed, but with a pause, and a part of them in each turn.
  void follow();

 private:
  void hear(KernelNews news);
  void ask_host_addresses();
  Result<Route> look_up(Ip server);
  bool ask(Ip server);

  EngineContext& context_;
  Ports& ports_;
  Ready news_;
  std::array<LinkFacts, kMostLinks> seen_{};
  bool stale_ = false;        // the kernel's routes may differ from the director's
  bool asking_ = false;       // not all have been looked up yet
  std::optional<Ip> last_{};  // the last one looked up
  Instant asked_{};           // when the last round began
  bool warned_ = false;       // since the last successful look-up
};

}  // namespace rawvs
