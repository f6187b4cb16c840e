// SPDX-License-Identifier: BSD-2-Clause
// observer.h: somebody looks on: packets as they came, with what became of them.
// The director asks each observer whether it cares, copies the packet before touching it, and tells afterwards what it
// decided and which frames left. Looking on changes nothing, and costs nothing while nobody does.
#pragma once

#include <span>

#include "core/connection.h"
#include "core/outbox.h"
#include "wire/packet.h"

namespace rawvs {

struct Sight {  // one packet; everything in it is borrowed
  Instant at{};
  Link link = Link::outside;
  Bytes came{};                       // the frame as it came, its first Observer::kMostSeen bytes
  uint32_t size = 0;                  // of the whole frame
  Endpoint client{}, vip{};           // of its connection; or else source and destination, as the client sees them
  Protocol protocol = Protocol::any;  // the connection's, also of an ICMP error about it
  bool from_server = false;           // it came from there, or is about what came from there
  const Server* server = nullptr;     // null: it has none
  Method method = Method::route;      // of a server
  enum class Flow : uint8_t { none, opened, known } flow = Flow::none;
  Exit exit = Exit::forwarded;
  std::span<const Departure> left{};  // what was sent because of it
};

class Observer {
 public:
  static constexpr size_t kMostSeen = 8192;
  virtual ~Observer() = default;
  // server: null while it is not known, because the packet may begin a connection. False: it is not to be told.
  virtual bool cares(Protocol protocol, Endpoint client, Endpoint vip, const Server* server) const = 0;
  virtual void saw(const Sight& sight) = 0;
};

}  // namespace rawvs
