// SPDX-License-Identifier: BSD-2-Clause
// sync.h: which connections a director tells its backups, and when; what a backup does with those that it is told.
// In:  connections as packets change them, datagrams from other directors, the time.   Out: datagrams to multicast;
// what to do with the connection table. Not: bytes (sync_message.h), sockets, making and ending connections (director).
//
// What is told, as by IPVS: TCP that is ESTABLISHED, or was and closes; SCTP likewise; UDP; persistence templates. A
// new state at once; else every `period` packets, from the `threshold`th on; a template with the connections it
// controls. A message goes when it is full, or 200 ms after its first entry. Other than in IPVS, which waits for 2 s
// and three packets: what is younger is lost with its master. Other than there, too, an entry is written when its
// message goes, so it says the newest state, and no message says the same connection twice; a template is told again
// after 10 s, not with each packet; and all connections are told, a portion every 10 ms, to who asks for them, every
// `full_every`, and when the queue has overflowed.
//
// A backup asks when it starts, and when numbers of messages are missing. It takes connections of servers that it knows
// and no others (a kernel's backup keeps those, too, and sends their packets to an address that it was told).
#pragma once

#include <memory>

#include "core/connection.h"
#include "core/ftp.h"
#include "rawvs/settings.h"
#include "wire/sync_message.h"

namespace rawvs {

struct SyncSettings {                   // IPVS's sysctls have the same names with sync_ before, and the same defaults
  uint8_t id = 0;                       // syncid; a backup whose id is 0 takes every other's messages
  uint16_t max_length = 1472;           // sync-maxlen: bytes of a message
  uint32_t threshold = 2, period = 50;  // told with every 50th packet, from the second on, which establishes TCP (IPVS:
                                        // from the third); period 0: at the second only
  Duration refresh_period{};            // not 0: told when its deadline has moved by so much, or by half of its timeout
  uint8_t retries = 0;                  // and so many times again, after an eighth of that; 3 at most
  bool persist_mode = false;            // templates only, not the connections they control
  bool extra = true;                    // tell what only rawvs reads; a kernel skips it
  Duration full_every = 120s;           // all connections again; 0: only to who asks
  uint8_t share = 75;                   // without a key: percent of the table that may be in use when one is taken
  Duration window = 30s;                // with a key: how far directors' clocks may differ; 0: nobody looks
  friend bool operator==(const SyncSettings&, const SyncSettings&) = default;
};

struct SyncView {  // what there is to tell about
  ConnectionTable& connections;
  const Services& services;
  FtpSessions* ftp = nullptr;  // null: FTP's shifts are not told
  const Timeouts& timeouts;
};

// Deadlines: flush: what is queued goes 200 ms after the first of it. portion: the next part of "all connections".
// full: "all connections" begins again.
class SyncSender {
 public:
  // capacity: the connection table's. sender: random. An empty seal: no key.
  SyncSender(const SyncSettings& settings, uint32_t capacity, uint32_t sender, SyncSeal seal, Instant now);

  // Only a master tells. A backup's sender sends what it is asked to ask, and nothing else.
  void lead(bool leads, Instant now);
  bool leads() const { return leads_; }
  // A client's packet was counted in c.packets; its state, if it has another one now, was reported before.
  void packet(const Connection& c, const SyncView& view, Instant now);
  void state_changed(const Connection& c, const SyncView& view, Instant now);  // by a packet from either side
  void ended(ConnectionId id);  // the entry is free for another connection
  void tell_all(Instant now);   // somebody asks for all of them
  void ask_all() { asking_ = true; }

  // The next datagram, valid until the next call; none: nothing is due. Call again until there is none.
  std::optional<Bytes> next(const SyncView& view, Instant now, UnixTime clock);
  Instant next_deadline() const;

  struct Counters {
    uint64_t messages = 0, entries = 0;
    uint64_t overflows = 0;  // connections that found the queue full
    uint64_t complete = 0;   // how often all connections were told
  };
  const Counters& counters() const { return counters_; }

 private:
  static constexpr uint32_t kQueue = 4096;  // connections waiting to be told
  bool wanted(const Connection& c) const;
  bool withheld(const Connection& c, const SyncView& view) const;
  bool told_once(const Connection& c, ConnectionId id) const;
  bool fresh(const Connection& c, ConnectionId id, Duration least, const SyncView& view, Instant now);
  void touch(const Connection& c, const SyncView& view, Instant now);
  void enqueue(ConnectionId id, Instant now);
  bool add(const Connection& c, const SyncView& view, Instant now);
  void take_queue(const SyncView& view, Instant now);
  void take_portion(const SyncView& view, Instant now);
  Bytes finish(bool request, UnixTime clock);
  uint32_t tick(Instant t) const;

  SyncSettings settings_;
  SyncSeal seal_;
  SyncComposer composer_;
  SyncTrailer trailer_{};
  Instant epoch_;
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<uint32_t[], Free> told_;  // of each connection: deadline as it was told (10 ms), queued, retries
  uint32_t capacity_;
  std::array<ConnectionId, kQueue> queue_{};
  uint32_t first_ = 0, queued_ = 0;
  Instant flush_ = kNever, portion_ = kNever, full_ = kNever;
  ConnectionId position_ = 1;  // of "all connections"
  uint32_t to_visit_ = 0;      // entries of the table until they are all told
  uint32_t portion_messages_ = 0;
  bool leads_ = false, asking_ = false, completing_ = false;
  Counters counters_;
};

// What becomes of one entry in the connection table. The director does it: it alone ends connections.
struct Adoption {
  enum class What : uint8_t {
    create,   // there is none with this key
    update,   // `old` is it
    replace,  // `old` is another server's: out of the way with it, then create
  };
  What what = What::create;
  ConnectionId old = kNoConnection;
  FlowKey key{};
  ServerSlot server = kNoServer;
  Port port{};  // the server's
  uint8_t state = 0;
  uint8_t packets = 0;
  bool inactive = false;
  Duration left{};                      // until its deadline
  uint32_t seconds = 0;                 // of a template: its timeout
  ConnectionId parent = kNoConnection;  // its template, if that is here and the connection is not yet controlled
  std::optional<SyncExtra> extra{};     // none: the client's MAC address is not known until it speaks
  std::optional<SyncShifts> shifts{};

  // The connection, just created; and one that was here already. Its server's counters are kept true. Left to the
  // director: the deadline, the parent, NAT's and FTP's places.
  void begin(Connection& c, Server& of_slot) const;
  void update(Connection& c, Server& its_own) const;
};

FlowKey template_key(const FlowKey& flow, const ServiceSpec& service);  // of the client's template, as IPVS does

// Deadlines: ask: all connections are asked for until somebody has told them.
class SyncReceiver {
 public:
  SyncReceiver(const SyncSettings& settings, uint32_t own_sender, SyncSeal seal);

  // From now on we want to know all. False from should_ask() after three tries without an answer of rawvs (a kernel has
  // none).
  void start(Instant now);
  bool should_ask(Instant now);  // now: SyncSender::ask_all()
  Instant next_deadline() const { return ask_; }

  // A datagram; it must live until next() has said false. Refused: nothing in it is believed.
  std::optional<SyncRefusal> arrived(Bytes datagram, Instant now, UnixTime clock);
  bool sealed() const { return !message_.seal.empty(); }  // the last one, whether anybody looked at its seal or not
  bool asked() const { return asked_; }  // the last one asks for all connections: SyncSender::tell_all()
  // Its entries, one by one. Those that are refused are counted and passed over.
  bool next(const SyncView& view, Adoption& out);

  bool complete() const { return complete_; }  // since start() all connections of some master were told
  struct Counters {
    uint64_t messages = 0, entries = 0;
    uint64_t lost = 0;    // messages whose numbers are missing
    uint64_t capped = 0;  // entries of who has no key, and whose lifetime was longer than it would be here
    std::array<uint64_t, static_cast<size_t>(SyncRefusal::count_)> refused{};
    uint64_t of(SyncRefusal why) const { return refused[static_cast<size_t>(why)]; }
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Peer {  // who sent sound messages of rawvs
    uint32_t sender = 0, number = 0;
    bool known = false;
    bool whole = false;  // nothing was lost since it was last asked, or told all
    Instant heard{};
  };
  std::optional<SyncRefusal> judge(Instant now, UnixTime clock);
  std::optional<SyncRefusal> judge_trailer(const SyncTrailer& trailer, Instant now);
  Peer* peer(uint32_t sender, Instant now);
  void ask_later(Instant when, uint8_t tries);
  std::optional<SyncRefusal> adopt(const SyncEntry& e, const SyncView& view, Adoption& out);
  void cap(const ServiceSpec& service, const SyncView& view, Adoption& out);

  SyncSettings settings_;
  uint32_t own_;
  SyncSeal seal_;
  SyncMessage message_{};
  SyncEntries entries_{message_};
  std::array<Peer, 16> peers_{};
  Instant ask_ = kNever, last_ask_{};
  uint8_t tries_ = 0;
  bool asked_ = false, complete_ = false;
  Counters counters_;
};

}  // namespace rawvs
