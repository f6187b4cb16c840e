// SPDX-License-Identifier: BSD-2-Clause
// mastership.h: VRRP in the loop: which of several directors is master.
// In:  adverts received, links that change, virtuals that gain or lose their quorum.
// Out: adverts sent, VIPs shared and announced, changes for the Notifier.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/tracks.h"
#include "side/vrrp.h"
#include "sys/engine/notifier.h"
#include "sys/engine/poller.h"
#include "sys/engine/ports.h"
#include "sys/ha/vrrp_socket.h"

namespace rawvs {

class Mastership final : public Part {
 public:
  Mastership(EngineContext& context, Ports& ports, Notifier& notifier)
      : context_(context), ports_(ports), notifier_(notifier) {}

  // Applies the configuration: at the start, and after each reload. At the start before the services, so that no VIP is
  // announced whose master is another director.
  Result<Done> follow();
  // REQUIRES: interfaces and checks are set up. masters: what masters() of the program before said; none: this one
  // takes over from none.
  void start(std::span<const WantedChecks> checks, const CheckedServers& checked,
             const std::optional<std::string>& masters = {});
  std::string masters() const;  // the instances that are master, a line each
  void stop();
  void quorums_changed(std::span<const CheckedServers::Quorum> quorums);

  void serve(Instant now) override;
  Instant deadline() const override;
  void link_changed(Link link) override;

  const Vrrp& vrrp() const { return vrrp_; }

 private:
  bool opened() const { return sockets_[0] || sockets_[1]; }
  Result<Done> open(Family family);
  void join(Link link);
  bool hear(VrrpSocket& socket, Instant now);
  void act();
  void send(const VrrpSend& advert);
  void share_addresses();
  void notify(const VrrpTransition& transition);

  EngineContext& context_;
  Ports& ports_;
  Notifier& notifier_;
  Vrrp vrrp_;
  VrrpOutbox outbox_;
  Tracks tracks_;
  std::array<std::unique_ptr<VrrpSocket>, 2> sockets_;  // by family; null: no instance of it so far
  Ready adverts_wait_;
  bool started_ = false, warned_ = false;
};

}  // namespace rawvs
