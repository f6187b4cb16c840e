// SPDX-License-Identifier: BSD-2-Clause
// forwarder.h: forwards packets to servers and replies to clients: counts, rewrites, resolves, transmits.
// In:  packets and their connections.
// Out: frames in the outbox; the Exit of each packet.
// Not: finding connections (flows.h), finding servers' next hops (surroundings.h).
//
// One path for all methods and both directions; only the rewritten headers and the next hop differ.
#pragma once

#include <optional>

#include "core/turn.h"
#include "director/arrival.h"
#include "director/fast_connections.h"
#include "director/flows.h"
#include "director/host.h"
#include "director/surroundings.h"
#include "rawvs/settings.h"

namespace rawvs {

class Forwarder {
 public:
  Forwarder(const Settings& settings, Services& services, Flows& flows, Surroundings& surroundings,
            FastConnections& fast, Host& host);

  // A packet, or an ICMP error about one (forwarder_errors.cpp), of the connection.
  Exit to_server(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit to_client(Arrival& a, Connection& c, Server& server, Turn turn);
  // The only packet of a connection of one-packet scheduling.
  Exit once(Arrival& a, Connection& c, Server& server, Turn turn);
  // A connection that began with a SYN cookie and waits for its server's half: time has passed, the SYN is repeated.
  void ask_again(Connection& c, Turn turn);
  // A router's ICMP error about one of our tunnel packets; Exit::not_vip: it is something else.
  Exit tunnel_error(const Arrival& a, Turn turn);
  // To the host's kernel, which routes it; what came in fragments, in the same ones.
  static Exit give_back(const Arrival& a, Outbox& out);
  // To the host's kernel, which takes it, as it came. Returns `done`, or why not.
  static Exit deliver(const Arrival& a, Exit done, Outbox& out);
  // A health check's packet: resolved, encapsulated and sent like clients' packets, but without a connection and
  // without counters. The server replies to the host directly, as to clients. server = null: not in the table.
  Exit check(Arrival& a, const Server* server, Turn turn);

 private:
  void count_in(const Arrival& a, Server& server);
  void count_out(const Arrival& a, Server& server);
  Exit carry(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit carry_reply(Arrival& a, Connection& c, Server& server, Turn turn);
  std::optional<Exit> read_ftp_reply(Arrival& a, Connection& c, uint32_t mtu, FtpFound& found, Turn turn);
  Exit carry_client_error(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit carry_server_error(Arrival& a, Connection& c, Server& server, Turn turn);
  bool quotes_client(const Frame& frame, const Connection& c, const Quote& inner) const;
  std::optional<uint16_t> narrower(const Arrival& a, const Connection& c, const Server& server, const Quote& outer,
                                   const Quote& inner, Turn turn);
  void learn_path_mtu(const Server& server, uint16_t mtu, Instant now);
  Exit tell_client(const Arrival& a, const Connection& c, const Quote& inner, uint16_t mtu, Turn turn);
  Exit forward_local(Arrival& a, const Connection& c, Turn turn);
  Exit forward(Arrival& a, Connection& c, Server& server, Turn turn);
  bool translate(Arrival& a, const Connection& c, Turn turn);
  Exit depart_with_header(Arrival& a, const Connection& c, const Hop& hop, Turn turn);
  Exit forward_tunnelled(Arrival& a, const Server& server, const Hop& hop, Turn turn);
  Exit back(Arrival& a, const Connection& c, Turn turn);
  void clamp_mss(const Arrival& a, const Connection& c, const Server& server, uint32_t server_mtu) const;
  std::optional<Exit> too_long(const Arrival& a, uint32_t mtu, bool df_counts, Turn turn);
  // forwarder_handshakes.cpp
  std::optional<Exit> from_proxied_client(Arrival& a, Connection& c, Server& server, Turn turn);
  std::optional<Exit> from_proxied_server(Arrival& a, Connection& c, Server& server, Turn turn);
  std::optional<Exit> show_proxied(Arrival& a, Connection& c, Server& server, Turn turn);
  std::optional<Exit> open_half(Arrival& a, Connection& c, Server& server, Turn turn);
  Exit answer_probe(const Arrival& a, Connection& c, Server& server, Turn turn);
  Exit ask(Connection& c, Server& server, Turn turn);
  Exit send_for_client(const TcpSegment& segment, Connection& c, Server& server, Turn turn);
  void learn_promise(const Arrival& syn_ack, const Connection& c, Server& server);
  // forwarder_families.cpp
  bool change_family(Arrival& a, Ip src, Ip dst, Turn turn);
  Exit tell_in_family(const Arrival& a, Endpoint src, Endpoint dst, const Hop& hop, Turn turn);
  // departure.cpp
  Exit wrap_and_depart(Frame frame, Packet packet, const Cuts& cuts, const Server& server, const Hop& hop, Turn turn);
  Exit depart(Frame frame, const Packet& packet, const Cuts& cuts, const Hop& hop, Turn turn);
  Exit depart_segmented(const Frame& frame, const Packet& packet, const Hop& hop, Turn turn);
  Exit depart_cut(const Frame& frame, const Packet& packet, uint32_t mtu, const Cuts& cuts, const Hop& hop, Turn turn);
  Exit depart_whole(const Frame& frame, const Hop& hop, Turn turn);

  const Settings& settings_;
  Services& services_;
  Flows& flows_;
  Surroundings& surroundings_;
  FastConnections& fast_;
  Host& host_;
  Frame edited_frame_{};         // of FTP's control connection; of a packet that needs more room
  uint16_t next_tunnel_id_ = 1;  // identification of outer packets, and of those of another family
};

// The length of the longest IP packet that this frame becomes on the wire: a super-frame is segmented.
inline uint32_t longest_packet(const Frame& frame, const Packet& p) {
  if (!frame.offload.super_frame()) return p.ip_size;
  const uint32_t headers = p.protocol == Protocol::tcp ? p.ip_size - p.tcp_payload : p.l4_at - p.ip_at + 8u;
  return std::min<uint32_t>(p.ip_size, headers + frame.offload.segment_size);
}

}  // namespace rawvs
