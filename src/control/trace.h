// SPDX-License-Identifier: BSD-2-Clause
// trace.h: packets that a client of the control socket wants to see, as rows of the protocol (control.h).
// In:  the director's reports to its observer.
// Out: rows, kept until they are read.
//
// Each takes kRoom bytes from its beginning. Rows without room are counted, never waited for. For src/control only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "director/observer.h"

namespace rawvs {

struct FlowFilter {  // selects connections or packets that match all given values
  Protocol protocol = Protocol::any;
  std::optional<Network> client{};
  std::optional<Port> client_port{};
  std::optional<Ip> vip{}, server{};
  std::optional<Port> vip_port{}, server_port{};
  // Ports that are 0 are unknown, as in fragments, and match any.
  bool fits(Protocol its_protocol, Endpoint its_client, Endpoint its_vip) const;
  bool fits_server(Endpoint at) const;
  bool wants_server() const { return server || server_port; }
};

class Trace final : public Observer {
 public:
  static constexpr size_t kRoom = 1 << 20;

  // count: packets, 0 = no limit. snap: bytes of each frame to report, at most kMostSeen. wall: milliseconds since 1970
  // at Instant{}.
  // links: their names; later ones have numbers.
  Trace(const FlowFilter& filter, uint64_t count, size_t snap, std::vector<std::string> links, int64_t wall);

  bool cares(Protocol protocol, Endpoint client, Endpoint vip, const Server* server) const override;
  void saw(const PacketView& view) override;

  bool waiting() const { return rows_.size() == taken_ && lost_ == 0 && !done(); }
  bool done() const { return count_ != 0 && told_ >= count_; }
  bool over() const { return done() && rows_.size() == taken_ && lost_ == 0; }
  // The next row without its line end; after the last one, the number of lost packets. False: none now.
  bool take(std::string& row);

 private:
  std::string name_of(Link link) const;
  void add_frame(std::string& rows, Link link, bool came, Bytes bytes, uint32_t size) const;

  FlowFilter filter_;
  uint64_t count_, told_ = 0, lost_ = 0;
  size_t snap_;
  int64_t wall_;
  std::string rows_;  // reserved once
  size_t taken_ = 0;
  std::vector<std::string> links_;
};

}  // namespace rawvs
