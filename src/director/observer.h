// SPDX-License-Identifier: BSD-2-Clause
// observer.h: the interface for watching packets: each as it arrived, and what the director did with it.
// In:  PacketView, for each packet that the observer wants.
// Out: nothing: observers change no decision, and cost nothing while there are none.
#pragma once

#include <span>

#include "core/connection.h"
#include "core/outbox.h"
#include "wire/packet.h"

namespace rawvs {

struct PacketView {  // one packet; everything in it is borrowed
  Instant at{};
  Link link{};
  Bytes came{};                       // the frame as it arrived, up to Observer::kMostSeen bytes
  uint32_t size = 0;                  // of the whole frame
  Endpoint client{}, vip{};           // of its connection; without one, source and destination from the client's view
  Protocol protocol = Protocol::any;  // the connection's, also of an ICMP error about it
  bool from_server = false;           // the server sent it, or the packet that an ICMP error is about
  const Server* server = nullptr;     // null: none
  Method method = Method::route;      // of a server
  enum class Flow : uint8_t { none, opened, known } flow = Flow::none;
  Exit exit = Exit::forwarded;
  std::span<const Departure> left{};  // the frames sent because of it
};

class Observer {
 public:
  static constexpr size_t kMostSeen = 8192;
  virtual ~Observer() = default;
  // Whether saw() is to be called. server: null while not known, because the packet may begin a connection.
  virtual bool cares(Protocol protocol, Endpoint client, Endpoint vip, const Server* server) const = 0;
  virtual void saw(const PacketView& view) = 0;
};

}  // namespace rawvs
