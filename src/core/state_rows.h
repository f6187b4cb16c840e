// SPDX-License-Identifier: BSD-2-Clause
// state_rows.h: the layout of a state's bytes. For state.cpp and state_reader.cpp only.
//
//   header   72: magic 8, byte order 4, version 2, header's size 2, sizes of the rows of a server, an entry and a
//                control connection 2 each, zero 2, entries 4, limit of their ids 4, clock since boot 8, wall clock 8
//                (milliseconds), boot id 16, zero 4, CRC32C of everything before 4
//   block    28: mark 4, kind 1, zero 1, rows 2, bytes of them 4, number 4, time (milliseconds after the header) 4,
//                CRC32C of the rows 4, CRC32C of everything before 4; then the rows
//   server   48: number 4, protocol 1, flags 1, VIP's port 2, VIP 4, mark 4, hash of the mark's matches 8, hash of
//                their addresses 8, server 4, its port 2, path MTU 2, its time left (10 ms) 4, age of its checks'
//                verdict (seconds) 4
//   entry    44: client 4, VIP 4 (mark), ports of client, VIP and server 2 each, protocol 1, state 1, flags 1, notes 1,
//                packets 1, link 1, server's number 4, left (10 ms) 4, id 4, controller's id 4, MAC address 6 and zero
//                2, or a template's seconds 4 and zero 4
//   control 232: an entry; its FTP session, laid out by ftp_saved.cpp
//   wide rows: a server, entry or control connection with an IPv6 address: the same row, whose fields for addresses
//                are 0, but with two addresses of 16 each (IPv4 as ::ffff:a.b.c.d) before an FTP session: VIP (of a
//                mark: ::) and server; client and VIP. A director without IPv6 skips these blocks as damaged
//   full rows: an entry or control connection of full NAT: a wide row (of IPv4, too), with 24 bytes more before an FTP
//                session: local address 16, its port 2, PROXY protocol's stage 1, zero 1, and number 4
//   proxied  36: of an entry of the next blocks: id 4; its numbers, laid out by syn_proxy.cpp
//   event   256: number 8, milliseconds since 1970 8, severity 1, topic 1, length of the text 2, the text 236
//   order    72: flags 1 (the order in 2 bits, 4: of a service; or 8: no order before this row is valid), protocol 1,
//                VIP's port 2, mark 4, VIP 16, hash of the mark's matches 8, hash of their addresses 8, server 16, its
//                port 2, zero 2, uid 4, milliseconds since 1970 8
//   end       4: entries written
#pragma once

#include <array>
#include <optional>

#include "core/connection.h"
#include "core/events.h"
#include "core/ftp.h"
#include "core/state.h"
#include "core/syn_proxy.h"
#include "rawvs/bytes.h"
#include "wire/ip_bytes.h"

namespace rawvs::state {

inline constexpr std::array<uint8_t, 8> kMagic{'r', 'a', 'w', 'v', 's', 0, 's', 't'};
inline constexpr uint32_t kByteOrder = 0x01020304, kBlockMark = 0x52565342;  // "RVSB"
inline constexpr uint16_t kVersion = 2;
inline constexpr size_t kHeaderSize = 72, kBlockSize = 28, kServerSize = 48, kEntrySize = 44,
                        kControlSize = kEntrySize + kFtpSessionSaved, kEndSize = 4;
inline constexpr size_t kAddresses = 32;  // of a wide row
inline constexpr size_t kLocal = 24;      // of a full row
inline constexpr size_t kProxiedSize = 4 + kSynProxySaved;
inline constexpr size_t kEventSize = 20 + Event::kTextMost;
static_assert(kEventSize == 256);
inline constexpr size_t kOrderSize = 72;
static_assert(kControlSize == 232);
inline constexpr size_t kBootAt = 48, kHeaderCheckAt = 68;
inline constexpr size_t kRowsPerBlock = 256;
inline constexpr uint32_t kMostServerRows = 1u << 16;  // far more than slots: a slot may have had many servers
inline constexpr Duration kLeftUnit = 10ms;
inline constexpr uint32_t kMostLeft = 100 * 86400 * 32;  // in these units: more than 31 days
inline constexpr uint32_t kMostSeconds = 31 * 86400;     // of a template, as in ipvsadm

enum Kind : uint8_t {
  server_rows = 1,
  entry_rows,
  control_rows,
  end_row,
  wide_server_rows,
  wide_entry_rows,
  wide_control_rows,
  full_entry_rows,
  full_control_rows,
  proxied_rows,
  event_rows,
  order_rows
};
constexpr bool is_wide(uint8_t kind) { return kind >= wide_server_rows && kind <= full_control_rows; }
constexpr bool is_full(uint8_t kind) { return kind == full_entry_rows || kind == full_control_rows; }
constexpr size_t row_size(uint8_t kind) {  // 0: no such kind
  switch (kind) {
    case server_rows: return kServerSize;
    case entry_rows: return kEntrySize;
    case control_rows: return kControlSize;
    case end_row: return kEndSize;
    case proxied_rows: return kProxiedSize;
    case event_rows: return kEventSize;
    case order_rows: return kOrderSize;
    case wide_server_rows: return kServerSize + kAddresses;
    case wide_entry_rows: return kEntrySize + kAddresses;
    case wide_control_rows: return kControlSize + kAddresses;
    case full_entry_rows: return kEntrySize + kAddresses + kLocal;
    case full_control_rows: return kControlSize + kAddresses + kLocal;
    default: return 0;
  }
}

struct Notes {  // of an entry
  enum : uint8_t {
    behind = 1,    // a look-up from the server's side finds another entry first
    controls = 2,  // it controls other connections
    unproven = 4,  // it may give way to others
    proxied = 8,   // it began with a SYN cookie: its numbers are in a proxied row
  };
};
struct ServerNotes {
  enum : uint8_t { overloaded = 1, well = 2, unwell = 4 };  // well, unwell: by its checks; neither: not known
};
struct SavedFlags {  // of an entry; inside: link 1, in states without links
  enum : uint8_t { no_output = 1, inside = 4, persistence = 16, method_shift = 5, method_bits = 7 };
  static constexpr uint8_t kAll = no_output | inside | persistence | method_bits << method_shift;
};

void save(const Event& event, MutableBytes row);  // kEventSize bytes; state_events.cpp
std::optional<Event> read_event(Bytes row);       // none: this director writes no such row

}  // namespace rawvs::state
