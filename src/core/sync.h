// SPDX-License-Identifier: BSD-2-Clause
// sync.h: which connections a director sends to its backups, and when; what a backup does with those it receives.
// In:  connections as packets change them, datagrams from other directors, the time.
// Out: datagrams to multicast; changes to the connection table.
// Not: bytes (sync_message.h), sockets, creating and ending connections (director).
//
// Sent, as by IPVS: TCP connections that are ESTABLISHED, or were and are closing; SCTP likewise; UDP; persistence
// templates. A connection is sent when its state changes, and every `period` packets from the `threshold`th on; a
// template with the connections it controls. A message leaves when it is full, or 200 ms after its first entry (IPVS
// waits up to 2 s; what is not yet sent is lost with the master). Unlike IPVS, an entry is written when its message
// leaves, so it has the newest state, and a message has each connection once; a template is sent again after 10 s, not
// with each packet; a connection whose server has another family than its client is not sent, since no message can hold
// it, nor one that began with a SYN cookie; and all connections are sent, a portion every 10 ms, on request, every
// `full_every`, and when the queue has overflowed.
//
// A backup asks for all connections when it starts, and when message numbers are missing. It adopts only connections of
// servers that it knows. (A kernel's backup also keeps others, and sends their packets to the address in the message.)
#pragma once

#include <memory>

#include "core/connection.h"
#include "core/ftp.h"
#include "rawvs/settings.h"
#include "wire/sync_message.h"

namespace rawvs {

struct SyncSettings {          // named as IPVS's sysctls without sync_, with the same defaults
  uint8_t id = 0;              // syncid; a backup with id 0 accepts messages of any id
  uint16_t max_length = 1472;  // sync-maxlen: bytes of a message
  // Sent with every `period`th packet, from packet number `threshold` on. The second packet establishes TCP (IPVS's
  // default is 3). period 0: with that packet only.
  uint32_t threshold = 2, period = 50;
  Duration refresh_period{};   // not 0: sent when the deadline has moved by this much, or by half of the timeout
  uint8_t retries = 0;         // and this many times more, an eighth of that apart; at most 3
  bool persist_mode = false;   // templates only, not the connections they control
  bool extra = true;           // send parameters that only rawvs reads; a kernel skips them
  Duration full_every = 120s;  // sends all connections again; 0: only on request
  uint8_t share = 75;          // without a key: percent of the table up to which entries are adopted
  Duration window = 30s;       // with a key: largest difference between directors' clocks; 0: not checked
  friend bool operator==(const SyncSettings&, const SyncSettings&) = default;
};

struct SyncView {  // the tables that the sender and the receiver read
  const ConnectionTable& connections;
  const Services& services;
  const FtpSessions* ftp = nullptr;  // null: FTP's shifts are not sent
  const Timeouts& timeouts;
};

// Deadlines: flush: the queue is sent, 200 ms after its first entry. portion: the next part of a full transfer. full:
// the next full transfer begins.
class SyncSender {
 public:
  // capacity: of the connection table. sender: random. An empty seal: no key.
  SyncSender(const SyncSettings& settings, uint32_t capacity, uint32_t sender, SyncSeal seal, Instant now);

  // Only a master sends connections. A backup sends only requests (ask_all()).
  void lead(bool leads, Instant now);
  bool leads() const { return leads_; }
  // REQUIRES: c.packets counts the packet, and state_changed() was called first if the state changed.
  void packet(const Connection& c, const SyncView& view, Instant now);
  void state_changed(const Connection& c, const SyncView& view, Instant now);  // by a packet from either side
  void ended(ConnectionId id);  // the entry may be used for another connection
  void tell_all(Instant now);   // another director requests all connections
  void ask_all() { asking_ = true; }

  // The next datagram, valid until the next call; none: nothing is due. Call it until there is none.
  std::optional<Bytes> next(const SyncView& view, Instant now, UnixTime clock);
  Instant next_deadline() const;

  struct Counters {
    uint64_t messages = 0, entries = 0;
    uint64_t overflows = 0;  // connections that found the queue full
    uint64_t complete = 0;   // completed full transfers
  };
  const Counters& counters() const { return counters_; }

 private:
  static constexpr uint32_t kQueue = 4096;  // connections waiting to be sent
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
  std::unique_ptr<uint32_t[], Free> told_;  // per connection: the deadline last sent (10 ms), queued, retries
  ConnectionId last_;                       // 0: no memory
  std::array<ConnectionId, kQueue> queue_{};
  uint32_t first_ = 0, queued_ = 0;
  Instant flush_ = kNever, portion_ = kNever, full_ = kNever;
  ConnectionId position_ = 1;  // of the full transfer
  uint32_t to_visit_ = 0;      // places that the full transfer has still to visit
  uint32_t portion_messages_ = 0;
  bool leads_ = false, asking_ = false, completing_ = false;
  Counters counters_;
};

// What to do with one received entry. The director does it: only the director ends connections.
struct Adoption {
  enum class What : uint8_t {
    create,   // no entry has this key
    update,   // `old` is the same connection
    replace,  // `old` uses another server: end it, then create
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
  ConnectionId parent = kNoConnection;  // its template, if it is here and does not yet control the connection
  std::optional<SyncExtra> extra{};     // none: the client's MAC address is unknown until it sends
  std::optional<SyncShifts> shifts{};

  // Fill a connection that was just created, or one that existed, and update its server's counters. The director does
  // the rest: deadline, parent, NAT's and FTP's entries.
  void begin(Connection& c, Server& of_slot) const;
  void update(Connection& c, Server& its_own) const;
};

FlowKey template_key(const FlowKey& flow, const ServiceSpec& service);  // of the client's template, as in IPVS

// Deadline: ask: the next request for all connections, until a master has sent them.
class SyncReceiver {
 public:
  SyncReceiver(const SyncSettings& settings, uint32_t own_sender, SyncSeal seal);

  // Begins to request all connections. should_ask() returns false after three requests that no rawvs answered (a kernel
  // does not answer).
  void start(Instant now);
  bool should_ask(Instant now);  // true: call SyncSender::ask_all()
  Instant next_deadline() const { return ask_; }

  // A datagram, borrowed until next() returns false. With a refusal nothing in it is used.
  std::optional<SyncRefusal> arrived(Bytes datagram, Instant now, UnixTime clock);
  bool sealed() const { return !message_.seal.empty(); }  // the last datagram has a seal, checked or not
  bool asked() const { return asked_; }  // the last datagram requests all connections: call SyncSender::tell_all()
  // The datagram's entries, one by one. Refused ones are counted and skipped.
  bool next(const SyncView& view, Adoption& out);

  bool complete() const { return complete_; }  // since start() a master has sent all of its connections
  struct Counters {
    uint64_t messages = 0, entries = 0;
    uint64_t lost = 0;    // messages whose numbers are missing
    uint64_t capped = 0;  // entries received without a key whose lifetime was shortened to ours
    std::array<uint64_t, static_cast<size_t>(SyncRefusal::count_)> refused{};
    uint64_t of(SyncRefusal why) const { return refused[static_cast<size_t>(why)]; }
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Peer {  // a sender of valid messages of rawvs
    uint32_t sender = 0, number = 0;
    bool known = false;
    bool whole = false;  // no message was lost since its last full transfer
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
