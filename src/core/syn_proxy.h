// SPDX-License-Identifier: BSD-2-Clause
// syn_proxy.h: a TCP connection whose two halves began one after the other: the client's with a SYN cookie, then the
// server's; and so with different numbers.
// In:  the segments of the connection, in both directions.
// Out: the same with their numbers changed; the segments of the server's handshake that the client does not send.
// Not: cookies (syn_cookie.h), addresses and ports of the segments (rewrite.h), sending them (director/).
// RFC: 9293 section 3.1, 7323, 2018, 5925 is not possible.
//
// The SYN-ACK with the cookie promises the client options and states a window of 0: it sends no data until the server's
// half is open. Then the server's SYN-ACK becomes the segment that opens the window. From there on differ the
// server's sequence numbers, its timestamps' values, and its window scale, if it is not the one that was promised. The
// client's sequence numbers and timestamps are its own on both halves.
//
// The changes are made where segments come from and go to the client: everything else in the director thinks in the
// server's numbers.
#pragma once

#include <cstdlib>
#include <memory>

#include "core/syn_cookie.h"
#include "wire/packet.h"
#include "wire/tcp_segment.h"

namespace rawvs {

enum class SynStage : uint8_t {
  none,
  waiting,  // for the server's SYN-ACK
  open,     // it came, and was acknowledged; nothing else has come from the server since
  heard,    // the server has sent more
  count_
};

struct SynProxy {
  uint32_t number;        // waiting: the cookie; open: what is added to the server's sequence numbers
  uint32_t stamp;         // the same of its timestamps
  uint32_t client;        // the number of the client's SYN
  uint32_t client_stamp;  // its last timestamp before the server's half was open
  uint16_t window;        // and its window, as it stated it
  SynStage stage;
  uint8_t asked;      // waiting: how many times the SYN was repeated because time passed
  int8_t to_client;   // open: the server's windows are shifted so many bits to the right, or to the left if negative
  uint8_t to_server;  // the client's, to the left: it scales, and the server does not
  SynOffer offer;
  uint16_t shown;  // open: the server's window, as the client was told
};

// The connection of a client whose ACK, or a later segment before its half was open, had a right cookie.
SynProxy begin_proxy(const SynOffer& offer, uint32_t cookie, uint32_t client, const Frame& frame, const Packet& proof);

// Waiting: takes window and timestamp from a segment of the client.
void remember(SynProxy& s, const Frame& frame, const Packet& packet);

// What the client would have sent to the server: its SYN; the ACK of the server's SYN-ACK. Without addresses and ports.
TcpSegment syn_of(const SynProxy& s);
TcpSegment ack_of(const SynProxy& s, const Frame& frame, const Packet& syn_ack);

// Open: the client still sees a window of 0, and probes it (RFC 9293 section 3.8.6.1), from the number before its first
// byte on. ack_again(): the server's handshake may lack its ACK, and a server that itself uses SYN cookies resets such
// a connection when it gets the probe. show_again(): the segment that opens the window.
bool is_probe(const SynProxy& s, const Packet& packet);
TcpSegment ack_again(const SynProxy& s, const Frame& frame, const Packet& probe);
TcpSegment show_again(const SynProxy& s, const Frame& frame, const Packet& probe);

// The server's SYN-ACK opens its half: opened() says with which numbers, and show_open() makes of it, when everything
// else of it was rewritten for the client, the segment that opens the client's window.
SynProxy opened(const SynProxy& waiting, const Frame& frame, const Packet& syn_ack);
void show_open(SynProxy& s, const Frame& frame, Packet& syn_ack);
// Waiting: the server's RST becomes one that the client accepts.
void show_refused(const SynProxy& s, const Frame& frame, Packet& reset);

// Open, heard: of segments, and of an ICMP error that quotes a segment of the server to its client.
void to_server(const SynProxy& s, const Frame& frame, Packet& packet);
void to_client(const SynProxy& s, const Frame& frame, Packet& packet);
void to_server_error(const SynProxy& s, const Frame& frame, const Packet& error, const Quote& quote);

// As bytes, for another process. False: the bytes are of no possible one.
inline constexpr size_t kSynProxySaved = 32;
void save(const SynProxy& s, MutableBytes out);  // out: kSynProxySaved bytes, all 0
[[nodiscard]] bool restore(SynProxy& s, Bytes in);

// Of all connections, by their ids. Memory is reserved at the start and touched when used.
class SynProxies {
 public:
  explicit SynProxies(uint32_t ids) : all_(static_cast<SynProxy*>(std::calloc(ids, sizeof(SynProxy)))) {}
  bool reserved() const { return all_ != nullptr; }  // false: there is no memory, and no connection may be proxied
  SynProxy& operator[](uint32_t id) { return all_.get()[id]; }
  const SynProxy& operator[](uint32_t id) const { return all_.get()[id]; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<SynProxy[], Free> all_;
};

}  // namespace rawvs
