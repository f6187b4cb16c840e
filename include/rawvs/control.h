// SPDX-License-Identifier: BSD-2-Clause
// control.h: the control protocol: executes a request, given as text, on the director, and replies with text.
// In:  one message of at most kRequestMost bytes, any bytes, from a client that may open the socket.
// Out: reply messages of at most kPieceMost bytes, made one at a time: a long listing does not delay packets.
// Not: sockets (sys/engine/control_socket.h), ipvsadm's options and columns (tools/rawvsadm).
//
// clang-format off
// Version 1. The socket is AF_UNIX, SOCK_SEQPACKET: one message = one request. Requests and replies are ASCII text.
//   request:  rawvs/1 COMMAND [KEY=VALUE ...]                  words separated by one blank
//   reply:    ok                                               then rows, a line each, and the line "end"
//             error CODE TEXT                                  then fault rows for further lines of TEXT, and "end"
//   row:      WORD KEY=VALUE ...                               the last value may hold blanks
// CODE is a word of name(Refusal), or "usage", "version", "file",
// "no-link", "not-running", "permission" (of a client of read_group, or a stranger) or "busy" (too many clients). A reply may span messages; lines are never cut.
//
//   COMMAND          keys (those in brackets may be left out)
//   add-service      service [scheduler] [persistence] [netmask] [flags] [ops] [pe]
//   edit-service     the same: the whole record is replaced
//   delete-service   service
//   add-server       service server [method] [weight] [upper] [lower] [mac] [tun-type] [tun-port] [tun-checksum]
//   edit-server      the same: the whole record is replaced
//   delete-server    service server
//   set-order        service [server] order [was]    without a server: of all but a sorry server, and of those to come
//   clear
//   zero             [service]
//   set-timeouts     [tcp] [tcpfin] [udp]     seconds; 0 or left out = unchanged
//   list             [service]                rows: daemon, fast, then service, each followed by its server rows
//   connections      [flow keys] [state] [service]   rows: connection; only those that match all keys
//   timeouts                                  rows: timeouts
//   exits                                     rows: exit, link
//   arp                                       rows: vip, each followed by its rival rows, then neighbor
//   vrrp                                      rows: vrrp
//   start-sync       role link [id] [maxlen] [group] [ttl]    role: master or backup; both have one link, id ...
//   stop-sync        role
//   sync                                      rows: sync, if connections are sent or received
//   explain          protocol client virtual  rows: step, then verdict; nothing is changed
//   events           [after]                  rows: event, oldest first: those with a greater number than `after`
//   trace            [flow keys] [count] [snap]   rows: packet, each followed by its frame rows, and lost, as packets
//                                             come; ends after count packets, or when the client goes
//   reload           [reset] [plan]           rows: change, pending: what the new file changed; plan=1: would change
//   ini              [secrets]                rows: line: an INI file of the present tables; then unwritable, for
//                                             what a file cannot express, and hidden, if secrets are not shown
//
// Keys of requests
//   service=tcp:192.0.2.100:80 | udp:IP:PORT | sctp:IP:PORT | mark:N | mark6:N
//                    port 0: every port, needs persistence; mark6: the mark's service of IPv6
//   IP               192.0.2.100 or 2001:db8::100; with a port behind it, [2001:db8::100]:80. Without a port
//                    the brackets may be left out
//   persistence=SECONDS, 0 = none    netmask=24 | 255.255.255.0, of IPv6: 64
//   ops=0|1          one-packet scheduling, UDP and marks only
//   flags=LIST       commas between: sh-fallback, sh-port, mh-fallback, mh-port, or any scheduler's flag-1, flag-2,
//                    flag-3
//   pe=NAME          refused by no-scheduler: there is no persistence engine
//   server=IP:PORT   IP: the service's port. method=route (the default) and tunnel keep the service's port in any
//                    case; with method=masq|fullnat port 0 is the packet's own, as it is behind a mark
//   method=route|tunnel|masq|fullnat  of tunnels: tun-type=ipip|gue|gre  tun-port=N (gue: needed)
//                                 tun-checksum=none|on|remote;  of fullnat: proxy=2, the PROXY protocol
//   flow keys        protocol=tcp|udp|sctp  client=IP[/BITS][:PORT]  virtual=IP[:PORT]  server=IP[:PORT]
//                    a network of IPv6 with a port: client=[2001:db8::/64]:80
//                    explain takes no network, and needs the ports
//   state=WORD       as in connection rows      count=N      snap=BYTES of each frame to report: 0 (the default) to 8192
//   role=master|backup   link=INTERFACE   id=0-255   maxlen=BYTES   group=IP:PORT   ttl=1-255    of [sync]
//   after=N          an event's number; 0 (the default), or one that was not given yet: all events
//   order=none|drained|disabled   was=    the same words: only in place of this order
//   secrets=1        keys and passwords are written as they are, not as (hidden)
//   reset=1          the tables become the file's, whatever was changed since
//
// Rows
//   daemon      version= uptime= size= pid= calls= config=     uptime in seconds; size: cells of the connection index;
//                                                              calls: system calls that its filter allows, 0: no
//                                                              filter; config: the file that reload reads, or -
//               entries-used= entries-most= entries-unproven= filling= syn-cookies= gave-way= gave-way-kinds=
//               without-entry= [past-conns= past-inpkts= past-outpkts= past-inbytes= past-outbytes=]
//               [cpu= memory-most= turns= turns-busy= turns-slow= turns-longest=]
//               of the connection table: places in use and in all, unproven entries; filling=1: it is three quarters
//               full; syn-cookies=1: SYNs are answered with them; gave-way: unproven entries that made room, and how
//               many of each kind (half-open:5), or -; without-entry: packets that were forwarded without one;
//               past-: counts of services that are removed or zeroed, if any; cpu: milliseconds; memory-most: bytes;
//               turns of the loop: turns-busy, turns-longest in microseconds, turns-slow: those of more than 5 ms
//               servers-used= servers-most= services-used= services-most= fragments-used= fragments-most=
//               ftp-used= ftp-most=
//               places of other tables; servers: also removed ones that connections use; fragments: datagrams that wait
//   fast        on= [off-for=held|no-link|watched|changes] flows= capacity= chosen= no-room= packets= packet-bytes=
//               the program in the kernel that forwards packets, if there is one; on=0: nothing now, since another
//               rawvsd takes over (held), it is on no interface, a trace or capture wants to see packets, or what it
//               knows is being renewed; flows: connections now, of capacity; since the start: chosen: connections that
//               it got; no-room: attempts; packets: that it forwarded: services, servers and exits count them, too
//   service     service= [name=] scheduler= flags= persistence= netmask= ops= conns= inpkts= outpkts= inbytes= outbytes=
//               cps= inpps= outpps= inbps= outbps=             flags=- for none; the netmask as 255.255.255.0, of IPv6
//                                                              as 64; the last five per second (bytes, not bits), as IPVS smooths them
//               name: of the file's virtual; none: the service is not the file's
//               [check-latencies= check-latency-sum=]        of a service with checks: how many attempts that succeeded
//               took up to so many milliseconds, but more than the number before (1:12,2:0,...,more:0); milliseconds
//               [max-connections= max-rate= client-connections= client-rate= allow-lists= allow-networks= deny-lists=
//               deny-networks= counted= refused= refused-for=]   of a service with limits; 0: none; counted: connections
//                                                              now; refused: packets, refused-for: by exit (denied:5), or -
//   server      service= server= [name=] method= [tun-type= tun-port= tun-checksum=] weight= upper= lower= active= inactive=
//               persistent= overloaded= reach= via= mac= fixed= conns= ... outbps=    servers in the scheduler's order, newest
//               first; the tun- keys with method=tunnel only, tun-port=0 for a tunnel without port
//               name: its own, as the file has it
//               [wanted=] [slow-start=] [order= order-by= order-at=] [sorry=1] [health= for= flaps= attempts= attempts-failed= [latency=] latency-sum= why=]
//               order=drained|disabled: an operator's, with the uid, and seconds since 1970; also of a service: of servers
//               that are added; sorry: it is the sorry server, and in use
//               wanted: the operator's weight, if another is in effect; slow-start: the part of its weight in
//               effect, in percent
//               health=up|down|damped|unknown: by its check, if it has one; for: seconds; flaps: how often it went down
//               within ten minutes; attempts: of checks; latency: milliseconds of the last one that succeeded,
//               latency-sum: of all these; why: the reason as text
//               reach=ready|asking|silent|no-route|link-down|own-address|other-interface: can packets be sent to it; with
//               the last two and no-route it gets no connection; via: its next hop, or -; fixed=1: mac is configured
//   connection  protocol=tcp|udp|sctp|ip expires= state= client= virtual= server=      expires in seconds
//               [virtual-name=] [server-name=]                 if they have names
//               fast=1: the program in the kernel has it (fast)
//               with full NAT: local= as its server sees the client
//               client port 0: a persistence template, state NONE or ASSURED; protocol=ip: a mark's, virtual=the mark
//               written as an address ([0:a::]:0 for mark 10 of IPv6), and port 0
//   timeouts    tcp= tcpfin= udp=                              seconds
//   exit        name= fate= count= meaning=
//   link        name= role= received= kernel-dropped= cut= sent= send-failed= returned= return-failed= unguarded= mtu= guard= missing-groups=
//               frames; lost: kernel-dropped, cut, send-failed, return-failed; returned: given back to the host's kernel;
//               unguarded: NAT connections without room in the guard; guard: how the kernel is kept away, or off
//   vip         address= link= mac= retired= standby= for=     retired=1: its last service was removed recently;
//                                                              standby=1: another director has it (VRRP); for: seconds
//                                                              since these changed
//               own=1 ports=                                 of an address of the host: the director's ports
//   rival       address= mac= server=                          another host that answers for it (ARP, ND); server: it is one, or -
//   neighbor    address= link= state= mac= servers=
//   vrrp        name= link= vrid= version= state=initialize|backup|master|fault priority= master= master-priority= for=
//               sent= heard= became-master= refused= why=     for: seconds in this state; why: the reason as text
//   sync        role=auto|master|backup|both leads= hears= link= id= group= port= ttl= maxlen= peers= sealed= messages=
//               entries= unsent= overflows= heard= taken= lost= capped= refused= refused-for= refused-from= strangers=
//               ours= no-room= complete=
//               refused-for: how many of each kind (bad-seal:5), or -; refused-from: sender of the last one, or -
//               capped: entries received without a key whose lifetime was shortened
//               leads=1: it sends; entries: sent; taken: entries received; lost: messages whose numbers are missing;
//               ours: entries about connections whose packets come here; complete=1: all connections were received once
//   event       number= time= severity=notice|warning|error topic= text=
//               time: seconds since 1970, with three decimals; topic=daemon|server|service|vrrp|conflict|control|table|
//               sync|interface|reload
//   step        text=                                          the director's decisions, in order
//   verdict     exit= fate= server= method= text=              server, method: - if there is none
//   packet      time= link= exit= fate= protocol= client= virtual= server= [server-name=] method= connection=new|known|none frames= text=
//               time: seconds since 1970, with three decimals; client, virtual, server, method: - if there is none;
//               frames: the number of frame rows that follow, the received packet first; text: the decision
//   frame       link= direction=in|out size= bytes= text=      size: of the whole frame; bytes: the first, in hex, or -
//                                                              with snap=0; text: the frame described
//   lost        count=                                         packets that were not reported: the reader is too slow
//   change      text=                                          a change that was made
//   pending     text=                                          a change that takes a restart
//   line        text=                                          a line of the file, perhaps empty
//   part        text=                                          the beginning of the next, long line row's text
//   warning     text=                                          the change was made, but may not be what was meant
//   unwritable  text=                                          why the lines do not give the present tables
//   hidden                                                     the lines lack secrets
//   fault       text=                                          a further line of an error's text
// New keys may be added to rows; readers skip unknown ones.
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
#include "core/events.h"
#include "core/turn.h"
#include "rawvs/config.h"
#include "rawvs/director.h"

namespace rawvs {

inline constexpr size_t kRequestMost = 4096;
inline constexpr std::string_view kControlVersion = "rawvs/1";
inline constexpr std::string_view kVersion = "0.1.0";

class CheckedServers;
class Vrrp;

struct SyncCounters {      // of what becomes of messages and their entries outside of the sender and the receiver
  uint64_t unsent = 0;     // messages that the kernel did not take
  uint64_t strangers = 0;  // messages of who is no peer, or came in elsewhere
  uint64_t ours = 0;       // entries about connections whose packets come to us
  uint64_t no_room = 0;    // entries that found the table full
  Ip refused_from{};       // whose message was refused last
};
struct SyncStatus {  // what there is to see of connections told and heard; null: they stay here
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

struct ProcessUse {                            // since the start of the process
  uint64_t cpu = 0;                            // milliseconds
  uint64_t memory = 0;                         // bytes: the most that it had
  uint64_t turns = 0;                          // of the loop; 0: not known
  uint64_t busy = 0;                           // microseconds: the turns together, without waiting
  uint64_t slow = 0;                           // turns of more than kSlowTurn
  uint64_t longest = 0;                        // microseconds
  static constexpr uint64_t kSlowTurn = 5000;  // microseconds
  void turned(uint64_t took) {
    ++turns, busy += took, slow += took > kSlowTurn, longest = took > longest ? took : longest;
  }
};

// What the daemon knows and the director does not. It outlives the conversations.
struct ControlContext {
  Instant started{};   // when the daemon began
  int64_t wall = 0;    // milliseconds since 1970 at Instant{}: the wall clock's offset
  uint32_t pid = 0;    // of the daemon
  uint32_t calls = 0;  // system calls that its filter allows; 0: it has none
  ProcessUse use{};
  std::string file{};                       // that reload reads; empty: none
  const Config* config = nullptr;           // as it is in effect; null: none
  const CheckedServers* checked = nullptr;  // what checks say; null: there are none
  const Vrrp* vrrp = nullptr;               // for VRRP's masters; null: not to be shown
  SyncStatus sync{};
  std::function<std::shared_ptr<const ReloadTask>(bool reset, bool plan)> reload{};  // begins one. Empty: cannot
  std::function<void(std::shared_ptr<Job>)> run{};                                   // empty: all of it is done at once
  // From now on so, until the file says otherwise. Empty: cannot.
  std::function<Result<Done>(const std::optional<SyncConfig>& wanted)> set_sync{};
  const Events* events = nullptr;  // null: none are kept
  ControlLog* log = nullptr;       // records operators' changes; null: none
};

// Must this request wait while a Job is under way? All must that change something.
bool changes_something(std::string_view request);

// Starts the answer to a request. Anything that is not a well-formed request is answered by "error usage ...".
// Changes are recorded in context.log with `who`.
Conversation answer(std::string_view request, Director& director, Turn turn, const ControlContext& context,
                    const Operator& who = {});

}  // namespace rawvs
