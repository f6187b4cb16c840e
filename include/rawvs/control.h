// SPDX-License-Identifier: BSD-2-Clause
// control.h: the control protocol: a request's text in, the director changed or read, the reply's text out.
// In:  one message of at most kRequestMost bytes, from anybody who may open the socket: any bytes whatever.
// Out: reply messages of at most kPieceMost bytes, made one at a time so that a long listing never holds up packets.
// Not: sockets (sys/control_socket), ipvsadm's words and columns (tools/rawvsadm).
//
// Version 1. The socket is AF_UNIX, SOCK_SEQPACKET: one message = one request. Requests and replies are ASCII text.
//   request:  rawvs/1 COMMAND [KEY=VALUE ...]                  words separated by one blank
//   reply:    ok                                               then rows, a line each, and the line "end"
//             error CODE TEXT                                  then the line "end"
//   row:      WORD KEY=VALUE ...                               the last value may hold blanks
// CODE is a word of name(Refusal), or "usage" or "version". A reply may span messages; lines are never cut.
//
//   COMMAND          keys (those in brackets may be left out)
//   add-service      service [scheduler] [persistence] [netmask] [flags] [ops] [pe]
//   edit-service     the same: the whole record is replaced
//   delete-service   service
//   add-server       service server [method] [weight] [upper] [lower] [mac] [tun-type] [tun-port] [tun-checksum]
//   edit-server      the same: the whole record is replaced
//   delete-server    service server
//   clear
//   zero             [service]
//   set-timeouts     [tcp] [tcpfin] [udp]     seconds; 0 or left out = unchanged
//   list             [service]                rows: daemon, then service, each followed by its server rows
//   connections                               rows: connection
//   timeouts                                  rows: timeouts
//   exits                                     rows: exit, link
//   arp                                       rows: vip, each followed by its rival rows, then neighbor
//
//   service=tcp:192.0.2.100:80 | udp:IP:PORT | sctp:IP:PORT | mark:N      port 0: every port, needs persistence
//   persistence=SECONDS, 0 = none    netmask=24 | 255.255.255.0    ops=0|1: one-packet scheduling, UDP and marks only
//   flags=LIST       commas between: sh-fallback, sh-port, mh-fallback, mh-port, or any scheduler's flag-1, flag-2,
//   flag-3 pe=NAME          refused by no-scheduler: there is no persistence engine server=IP:PORT   IP: the service's
//   port. method=route (the default) and tunnel keep the service's port in any case;
//                    with method=masq port 0 is the packet's own, as it is behind a mark
//   method=route|tunnel|masq      of tunnels: tun-type=ipip|gue|gre  tun-port=N (gue: needed)
//   tun-checksum=none|on|remote row daemon      version= uptime= size=                     uptime in seconds; size:
//   cells of the connection index row service     service= scheduler= flags= persistence= netmask= ops= conns= inpkts=
//   outpkts= inbytes= outbytes=
//                   flags=- for none; the netmask as 255.255.255.0
//   row server      service= server= method= [tun-type= tun-port= tun-checksum=] weight= upper= lower= active=
//   inactive=
//                   persistent= conns= inpkts= outpkts= inbytes= outbytes=  servers in the scheduler's order, newest
//                   first; the tun- keys with method=tunnel only, tun-port=0 for a tunnel without port
//   row connection  protocol=tcp|udp|sctp|ip expires= state= client= virtual= server=      expires in seconds
//                   client port 0: a persistence template, state NONE or ASSURED; protocol=ip: a mark's, virtual=the
//                   mark written as an address, and port 0
//   row timeouts    tcp= tcpfin= udp=                          seconds
//   row exit        name= fate= count= meaning=
//   row link        name= received= kernel_dropped= cut= sent= send_failed=    frames; lost: all but received, sent
//   row vip         address= link= mac= retired=               retired=1: its last service went a short while ago
//   row rival       address= mac= server=                      who else answers ARP for that VIP; server: it is, or -
//   row neighbor    address= link= state= mac= servers=
// New keys may be added to rows; readers skip the ones they do not know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/director.h"

namespace rawvs {

inline constexpr size_t kRequestMost = 4096;
inline constexpr size_t kPieceMost = 32768;
inline constexpr std::string_view kControlVersion = "rawvs/1";
inline constexpr std::string_view kVersion = "0.1.0";

const char* name(Refusal refusal);  // exists, no-service, no-server, no-scheduler, range, invalid, full, unsupported

struct Conversation {  // one request's reply on its way
  enum class Part : uint8_t { nothing, daemon, services, connections, timeouts, exits, links, vips, neighbors };
  Part part = Part::nothing;  // what is to be written next
  std::string ready{};        // text not yet handed out
  Instant started{};          // see answer()
  // Where the walk has come to. Tables may change between two pieces, so places are slots, ids and addresses.
  size_t next_service = 0, services_end = SIZE_MAX;
  std::vector<ServerSlot> servers{};  // of the service whose row was written last, as they were then
  size_t next_server = 0;
  ServiceKey service{};  // theirs
  ConnectionId next_connection = 1;
  size_t next_exit = 0;
  std::optional<Ip> last_vip{};
  uint16_t next_neighbor = 0;
  bool over() const { return part == Part::nothing && ready.empty(); }
};

// Starts the answer to a request. Anything that is not a well-formed request is answered by "error usage ...".
// started: when the daemon began, for uptime=.
Conversation answer(std::string_view request, Director& director, Instant now, Outbox& out, Instant started = {});

// The next message of the reply. Empty: the conversation is over, or (over() tells) this call's share of work found no
// row, because a table that was once full is searched in small steps; then ask again.
std::string next_piece(Conversation& conversation, Director& director, Instant now);

}  // namespace rawvs
