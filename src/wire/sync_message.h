// SPDX-License-Identifier: BSD-2-Clause
// sync_message.h: reads and writes the messages of IPVS's sync protocol, versions 0 and 1.
// In:  a datagram from anyone; entries to send.
// Out: a message whose every entry lies inside the datagram, or a SyncRefusal; bytes to send.
// Not: what happens to the connections (sync.h), sockets, keys, HMAC itself.
//
// No RFC describes the protocol; the source is what a kernel's IPVS sends, recorded in tests/sync_recorded.h. All
// numbers are big-endian.
//
// Version 1: a header of 8 bytes (0, sync id, size, count, 1, 0, 0), then entries: 36 bytes (IPv4) or 72 (IPv6) and
// parameters (type, length, data), each entry at a multiple of 4. A kernel ignores bytes after the last entry, and
// skips parameters whose type has bit 0x40. rawvs uses both, and a kernel still accepts its messages:
//   parameter 0x50, 12 bytes: time left (4, ms), client's MAC address (6), 1 if the client's link is not the first (1),
//   the link (1) trailer, 16 bytes: "rvs1", flags (1: request, 2: complete, 4: sealed), 0 0 0, sender (4), number (4);
//   if sealed 40 more: time (8, ms since 1970), HMAC-SHA256 with the shared key over all before it (32)
// A request is a message without entries; to a kernel it is an empty message.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/bytes.h"
#include "rawvs/frame.h"
#include "rawvs/time.h"

namespace rawvs {

// clang-format off
#define RAWVS_SYNC_REFUSALS(X)                                                                                    \
  /* Of a whole message */                                                                                        \
  X(truncated,         "truncated",             "shorter than its header, or than its entries want")              \
  X(length,            "bad-length",            "it says another length than it has")                             \
  X(version,           "unknown-version",       "other version: neither 0 nor 1")                                 \
  X(entry_size,        "bad-entry-size",        "an entry is too small for what it is, or reaches behind its end") \
  X(entry_version,     "unknown-entry-version", "other version of an entry than 0")                               \
  X(entry_type,        "unknown-entry-type",    "an entry is neither IPv4 nor IPv6")                              \
  X(parameter,         "bad-parameter",         "a parameter is damaged, or comes twice")                         \
  X(other_id,          "other-syncid",          "other id")                                                       \
  X(own,               "own",                   "sent by this director")                                          \
  X(unsealed,          "unsealed",              "no key: it is not sealed, and a key is set here")                \
  X(seal,              "bad-seal",              "other key, or changed on its way")                               \
  X(stale,             "stale",                 "other time: the clocks differ by more than window, or it is old") \
  X(replayed,          "replayed",              "its number was there already")                                   \
  X(crowded,           "too-many-senders",      "more senders than can be told apart")                            \
  /* Of one entry; the others are taken */                                                                        \
  X(mapped,            "mapped-address",        "an IPv4 address in an entry of IPv6")                            \
  X(unknown_parameter, "unknown-parameter",     "a parameter that its sender wants understood")                   \
  X(protocol,          "unknown-protocol",      "a protocol that is not balanced")                                \
  X(state,             "unknown-state",         "a state that its protocol does not have")                        \
  X(no_client_port,    "no-client-port",        "no client port")                                                 \
  X(no_server,         "no-server",             "no service here has its server")                                 \
  X(late,              "late",                  "the end of a connection that has been replaced")                 \
  X(over_share,        "over-share",            "no key, and the table is fuller than share allows")
// clang-format on

enum class SyncRefusal : uint8_t {
#define RAWVS_SYNC_REFUSAL(id, name, meaning) id,
  RAWVS_SYNC_REFUSALS(RAWVS_SYNC_REFUSAL)
#undef RAWVS_SYNC_REFUSAL
      count_
};
inline constexpr size_t kSyncRefusals = static_cast<size_t>(SyncRefusal::count_);

struct SyncRefusalWords {
  const char* name;
  const char* meaning;
};
inline constexpr std::array<SyncRefusalWords, kSyncRefusals> kSyncRefusalWords = {{
#define RAWVS_SYNC_REFUSAL(id, name, meaning) {name, meaning},
    RAWVS_SYNC_REFUSALS(RAWVS_SYNC_REFUSAL)
#undef RAWVS_SYNC_REFUSAL
}};
inline constexpr const char* name(SyncRefusal why) { return kSyncRefusalWords[static_cast<size_t>(why)].name; }
inline constexpr const char* meaning(SyncRefusal why) { return kSyncRefusalWords[static_cast<size_t>(why)].meaning; }
inline constexpr bool of_message(SyncRefusal why) { return why < SyncRefusal::mapped; }

using UnixTime = Strong<struct UnixTimeTag, uint64_t>;  // ms since 1970: what two directors' clocks have in common

struct SyncFlags {  // IPVS's; the lowest three bits are the Method
  enum : uint32_t {
    method_mask = 7,
    no_output = 0x80,
    inactive = 0x100,
    server_shift = 0x200,  // the server's sequence numbers are shifted (IPVS: OUT_SEQ)
    client_shift = 0x400,  // the client's sequence numbers are shifted
    no_client_port = 0x800,
    persistence = 0x1000,
  };
};

struct SyncShift {                                 // NAT of FTP: what is added to the sequence numbers of a direction:
  uint32_t from = 0, shift = 0, shift_before = 0;  // shift after the number `from`, shift_before up to it
  friend bool operator==(const SyncShift&, const SyncShift&) = default;
};
struct SyncShifts {
  SyncShift client, server;
  friend bool operator==(const SyncShifts&, const SyncShifts&) = default;
};

struct SyncExtra {   // what only rawvs sends and reads
  Duration left{};   // until the entry's deadline
  Mac client_mac{};  // where replies go; zero in a template
  Link link{};       // the client's, by its number
  friend bool operator==(const SyncExtra&, const SyncExtra&) = default;
};

struct SyncEntry {
  Protocol protocol = Protocol::any;   // any number: the sender chose it
  uint16_t state = 0;                  // TcpState, SctpState; 1 in a template: assured
  uint32_t flags = 0;                  // SyncFlags; others are possible
  Endpoint client{}, vip{}, server{};  // all of one family
  Mark mark{};
  uint32_t timeout = 0;  // seconds, of the state or the template; 0: unknown (version 0)
  std::optional<SyncShifts> shifts{};
  Bytes engine_data{}, engine_name{};  // of a persistence engine; after parsing borrowed from the datagram
  std::optional<SyncExtra> extra{};
  bool is_template() const { return (flags & SyncFlags::persistence) != 0; }
};

struct SyncTrailer {
  bool request = false;   // asks the peer to send all of its connections
  bool complete = false;  // this message ends the answer to a request
  uint32_t sender = 0;    // a random number that a director chooses at its start
  uint32_t number = 0;    // of the message: each sender counts up by one
  friend bool operator==(const SyncTrailer&, const SyncTrailer&) = default;
};

using SyncDigest = std::array<uint8_t, 32>;
using SyncSeal = std::function<SyncDigest(Bytes)>;  // HMAC-SHA256 with the shared key; empty: no key
bool same(const SyncDigest& a, Bytes b);            // takes the same time whether equal or not

struct SyncMessage {  // parse_sync() promises that all of this lies inside the datagram
  uint8_t version = 1;
  uint8_t id = 0;
  uint8_t count = 0;
  Bytes entries{};
  std::optional<SyncTrailer> trailer{};
  Bytes sealed{};  // the bytes that the seal covers; empty: no seal
  UnixTime time{};
  Bytes seal{};
};

// The result borrows from the datagram. A message of which a kernel would accept only a part is refused as a whole.
std::optional<SyncRefusal> parse_sync(Bytes datagram, SyncMessage& out);

class SyncEntries {  // iterates over the entries of a parsed message
 public:
  explicit SyncEntries(const SyncMessage& m) : rest_(m.entries), left_(m.count), version_(m.version) {}
  bool next(SyncEntry& out, std::optional<SyncRefusal>& refusal);  // false: there are no more

 private:
  Bytes rest_;
  uint8_t left_, version_;
};

inline constexpr size_t kSyncLeast = 176,
                        kSyncMost = 65507;  // bytes of a message; kSyncLeast holds any entry that rawvs sends

class SyncComposer {  // composes version 1; allocates at construction only
 public:
  // max_length: bytes of a message (ipvsadm --sync-maxlen), clamped to kSyncLeast..kSyncMost. trailer: bytes to reserve
  // for a trailer, or 0.
  SyncComposer(uint8_t id, size_t max_length, size_t trailer);
  bool add(const SyncEntry& entry);  // false: the message is full, or no message can hold the entry
  bool empty() const { return finished_ || count_ == 0; }
  size_t room() const;  // IPv4 entries without shifts and engines that fit into one message
  // The message, valid until the next add(), which begins a new one.
  Bytes finish();
  Bytes finish(const SyncTrailer& trailer, const SyncSeal& seal, UnixTime now);  // an empty seal: not sealed

 private:
  void begin();
  MutableBytes grow(size_t size);

  std::vector<uint8_t> bytes_;
  size_t most_, trailer_;
  uint8_t id_;
  uint8_t count_ = 0;
  bool finished_ = false;
};
inline constexpr size_t kSyncTrailer = 16, kSyncSealedTrailer = 56;  // bytes

}  // namespace rawvs
