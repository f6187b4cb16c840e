// SPDX-License-Identifier: BSD-2-Clause
// control.h: the control protocol: a request's text in, the director changed or read, the reply's text out.
// In:  one message of at most kRequestMost bytes, from anybody who may open the socket: any bytes whatever.
// Out: reply messages of at most kPieceMost bytes, made one at a time so that a long listing never holds up packets.
// Not: sockets (sys/control_socket), ipvsadm's words and columns (tools/rawvsadm).
//
// clang-format off
// Version 1. The socket is AF_UNIX, SOCK_SEQPACKET: one message = one request. Requests and replies are ASCII text.
//   request:  rawvs/1 COMMAND [KEY=VALUE ...]                  words separated by one blank
//   reply:    ok                                               then rows, a line each, and the line "end"
//             error CODE TEXT                                  then fault rows, if TEXT has more lines, and "end"
//   row:      WORD KEY=VALUE ...                               the last value may hold blanks
// CODE is a word of name(Refusal), or "usage", "version", "file",
// "no-link", "not-running" or "busy" (too many clients). A reply may span messages; lines are never cut.
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
//   connections      [flow keys] [state]      rows: connection; only those that fit every key given
//   timeouts                                  rows: timeouts
//   exits                                     rows: exit, link
//   arp                                       rows: vip, each followed by its rival rows, then neighbor
//   vrrp                                      rows: vrrp
//   start-sync       role link [id] [maxlen] [group] [ttl]    role: master or backup; both have one link, id ...
//   stop-sync        role
//   sync                                      rows: sync, if connections are told to other directors or heard
//   explain          protocol client virtual  rows: step, then verdict; nothing is changed
//   trace            [flow keys] [count] [snap]   rows: packet, each followed by its frame rows, and lost, as packets
//                                             come; ends after count packets, or when the client goes
//   reload           [reset]                  rows: change, pending: what the file's new text made different
//   ini              [secrets]                rows: line: an INI file that gives the present table; then unwritable, for
//                                             what no file can say, and hidden, if secrets are not shown
//
// Keys of requests
//   service=tcp:192.0.2.100:80 | udp:IP:PORT | sctp:IP:PORT | mark:N      port 0: every port, needs persistence
//   persistence=SECONDS, 0 = none    netmask=24 | 255.255.255.0    ops=0|1: one-packet scheduling, UDP and marks only
//   flags=LIST       commas between: sh-fallback, sh-port, mh-fallback, mh-port, or any scheduler's flag-1, flag-2,
//                    flag-3
//   pe=NAME          refused by no-scheduler: there is no persistence engine
//   server=IP:PORT   IP: the service's port. method=route (the default) and tunnel keep the service's port in any
//                    case; with method=masq port 0 is the packet's own, as it is behind a mark
//   method=route|tunnel|masq      of tunnels: tun-type=ipip|gue|gre  tun-port=N (gue: needed)
//                                 tun-checksum=none|on|remote
//   flow keys        protocol=tcp|udp|sctp  client=IP[/BITS][:PORT]  virtual=IP[:PORT]  server=IP[:PORT]
//                    explain takes no network, and needs the ports
//   state=WORD       as in connection rows      count=N      snap=BYTES of each frame that are told: 0 (the default) to 8192
//   role=master|backup   link=INTERFACE   id=0-255   maxlen=BYTES   group=IP:PORT   ttl=1-255    of [sync]
//   secrets=1        keys and passwords are written as they are, not as (hidden)
//   reset=1          the table becomes the file's, whatever was changed since
//
// Rows
//   daemon      version= uptime= size= pid= config=            uptime in seconds; size: cells of the connection index;
//                                                              config: the file that reload reads, or -
//   service     service= scheduler= flags= persistence= netmask= ops= conns= inpkts= outpkts= inbytes= outbytes=
//               cps= inpps= outpps= inbps= outbps=             flags=- for none; the netmask as 255.255.255.0; the last
//                                                              five per second (bytes, not bits), as IPVS smooths them
//   server      service= server= method= [tun-type= tun-port= tun-checksum=] weight= upper= lower= active= inactive=
//               persistent= overloaded= reach= via= mac= fixed= conns= ... outbps=    servers in the scheduler's order, newest
//               first; the tun- keys with method=tunnel only, tun-port=0 for a tunnel without port
//               [wanted=] [slow-start=] [health= for= flaps= why=]
//               wanted: the weight that the operator gave, if another is in effect; slow-start: how much of its weight it has
//               so far, in percent
//               health=up|down|damped|unknown: as its check says, if it has one; for: seconds; flaps: how often it went
//               within ten minutes; why: in words
//               reach=ready|asking|silent|no-route|link-down|own-address|other-interface: can it be sent to; the last two, and
//               no-route: it gets no connection until it can; via: its next hop, or -; fixed=1: mac is not asked for
//   connection  protocol=tcp|udp|sctp|ip expires= state= client= virtual= server=      expires in seconds
//               client port 0: a persistence template, state NONE or ASSURED; protocol=ip: a mark's, virtual=the mark
//               written as an address, and port 0
//   timeouts    tcp= tcpfin= udp=                              seconds
//   exit        name= fate= count= meaning=
//   link        name= received= kernel_dropped= cut= sent= send_failed= returned= return_failed= unguarded= mtu= guard=
//               frames; lost: kernel_dropped, cut, send_failed, return_failed; returned: given back to the host's kernel;
//               unguarded: NAT connections that the guard has no room for; guard: how the kernel is kept out, or off
//   vip         address= link= mac= retired= standby=          retired=1: its last service went a short while ago;
//                                                              standby=1: another director has it (VRRP)
//   rival       address= mac= server=                          who else answers ARP for that VIP; server: it is, or -
//   neighbor    address= link= state= mac= servers=
//   vrrp        name= link= vrid= version= state=initialize|backup|master|fault priority= master= master-priority= for=
//               sent= heard= became-master= refused= why=     for: seconds in this state; why: in words
//   sync        role=auto|master|backup|both leads= hears= link= id= group= port= ttl= maxlen= peers= sealed= messages=
//               entries= unsent= overflows= heard= taken= lost= capped= refused= refused-for= refused-from= strangers=
//               ours= no-room= complete=
//               refused-for: how many of which kind (bad-seal:5), or -; refused-from: whose message was the last, or -
//               capped: entries of who has no key, whose lifetimes were cut
//               leads=1: it tells; entries: told; taken: entries heard; lost: messages whose numbers are missing;
//               ours: entries about connections whose packets come here; complete=1: all connections were heard once
//   step        text=                                          what the director looks at, in order, and what it finds
//   verdict     exit= fate= server= method= text=              server, method: - when there is none
//   packet      time= link= exit= fate= protocol= client= virtual= server= method= connection=new|known|none frames= text=
//               time: seconds since 1970, with three decimals; client, virtual, server, method: - when there is none;
//               frames: the number of frame rows that follow, the packet as it came first; text: the decision in words
//   frame       link= direction=in|out size= bytes= text=      size: of the whole frame; bytes: its first, in hex, or -
//                                                              with snap=0; text: the frame in words
//   lost        count=                                         packets that could not be told: the reader is too slow
//   change      text=                                          done
//   pending     text=                                          written in the file, but takes a restart
//   line        text=                                          as it is, and may be empty
//   part        text=                                          the beginning of the next line row's text, which is long
//   warning     text=                                          done, and it may not be what was meant
//   unwritable  text=                                          why the lines do not give the present table
//   hidden                                                     the lines lack secrets
//   fault       text=                                          of an error: another line of its text
// New keys may be added to rows; readers skip the ones they do not know.
// clang-format on
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/control_log.h"
#include "control/control_reply.h"
#include "control/reload.h"
#include "core/turn.h"
#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs {

inline constexpr size_t kRequestMost = 4096;
inline constexpr std::string_view kControlVersion = "rawvs/1";
inline constexpr std::string_view kVersion = "0.1.0";

class Ward;
class Vrrp;

struct SyncCounters {      // of what becomes of messages and their entries outside of the sender and the receiver
  uint64_t unsent = 0;     // messages that the kernel did not take
  uint64_t strangers = 0;  // messages of who is no peer, or came in elsewhere
  uint64_t ours = 0;       // entries about connections whose packets come to us
  uint64_t no_room = 0;    // entries that found the table full
  Ip refused_from{};       // whose message was refused last
};
struct SyncDesk {  // what there is to see of connections told and heard; null: they stay here
  const SyncConfig* config = nullptr;
  const SyncSender* sender = nullptr;
  const SyncReceiver* receiver = nullptr;
  const SyncCounters* counters = nullptr;
};

// Work that takes long: it is done in portions, between which packets are handled and questions are answered.
struct Job {
  std::function<bool(Turn)> portion{};  // true: that was the last one
  bool done = false;
};
struct ReloadTask {  // a reload on its way
  bool done = false;
  Result<Reloaded> outcome = Reloaded{};  // when it is done
};

// What the daemon knows and the director does not. It outlives the conversations.
struct Desk {
  Instant started{};               // when the daemon began
  int64_t wall = 0;                // milliseconds since 1970 at Instant{}: the wall clock's offset
  uint32_t pid = 0;                // of the daemon
  std::string file{};              // that reload reads; empty: none
  const Config* config = nullptr;  // as it is in effect; null: none
  const Ward* ward = nullptr;      // what checks say; null: there are none
  const Vrrp* vrrp = nullptr;      // who is master; null: nobody asked
  SyncDesk sync{};
  std::function<std::shared_ptr<const ReloadTask>(bool reset)> reload{};  // begins one. Empty: cannot
  std::function<void(std::shared_ptr<Job>)> run{};                        // empty: all of it is done at once
  // From now on so, until the file says otherwise. Empty: cannot.
  std::function<Result<Done>(const std::optional<SyncConfig>& wanted)> set_sync{};
  ControlLog* log = nullptr;  // of what operators change; null: nobody wants to know
};

// Must this request wait while a Job is under way? All must that change something.
bool changes_something(std::string_view request);

// Starts the answer to a request. Anything that is not a well-formed request is answered by "error usage ...".
// What it changes is told to desk.log, as who's doing.
Conversation answer(std::string_view request, Director& director, Turn turn, const Desk& desk,
                    const Operator& who = {});

}  // namespace rawvs
