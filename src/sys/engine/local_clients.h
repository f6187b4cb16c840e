// SPDX-License-Identifier: BSD-2-Clause
// local_clients.h: this host as a client ([director] local_clients): what it sends to a VIP comes to the director.
// In:  the claimed VIPs, the links' addresses.
// Out: a tun interface, which is one more clients' link without Ethernet (Ports); a route to each VIP by it.
// Not: reading and writing packets (sys/io/tun_io.h): to the director this host is a client like any other.
//
// There is no route to a VIP whose master is another director: the kernel asks the LAN for it. There is none to an
// address of this host either: the kernel delivers to itself before it looks for routes.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "side/claim.h"
#include "sys/engine/ports.h"
#include "sys/engine/warn_once.h"
#include "sys/net/tun.h"
#include "sys/net/vip_routes.h"

namespace rawvs {

class LocalClients final : public Part {
 public:
  LocalClients(EngineContext& context, Ports& ports) : context_(context), ports_(ports), warnings_(context.log) {}

  // Makes the interface, unless it is open already, or takes that of the program before. Where that is not possible,
  // the log says why, and the LAN's clients are served nevertheless. REQUIRES: called before Ports::know_all().
  Result<Done> open(std::unique_ptr<Tun> opened);
  int tun_fd() const { return tun_ ? tun_->fd() : -1; }

  void serve(Instant now) override;
  Instant deadline() const override;
  void link_changed(Link link) override;

 private:
  enum class Step : uint8_t { none, removing, adding };
  void follow_mtu();
  void follow_interface(const LinkFacts& facts);
  bool follow_some();
  std::optional<Ip> source_for(const Claims::Claim& claim) const;
  void put(Ip vip, Ip source);
  void remove(Ip vip);

  EngineContext& context_;
  Ports& ports_;
  std::unique_ptr<Tun> tun_;           // null: local_clients is off, or cannot be had
  std::optional<VipRoutes> routes_{};  // as long as tun_
  std::map<Ip, Ip> routed_;            // VIPs with a route, and its source; unspecified: not known
  Step step_ = Step::none;             // of a walk over routed_ and then over the claims, in portions
  std::optional<Ip> last_{};           // in this step
  uint32_t version_ = 0;               // of the claims, at the walk's beginning
  Instant again_ = kNever;             // the next walk: programs that manage networks may have removed routes
  uint32_t mtu_ = 0;
  WarnOnce warnings_;
};

}  // namespace rawvs
