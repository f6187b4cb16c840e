// SPDX-License-Identifier: BSD-2-Clause
// state.h: the connection table as bytes, and back: what survives a restart and the binary's replacement.
// In:  tables, the time; bytes of an earlier process.   Out: bytes, portion by portion; entries taken back as the live
// path makes them, and why the others were not. Not: files and descriptors (state_file.h), what the state is kept for.
// The bytes are one header, then blocks, each with its own CRC32C; numbers are big-endian on every machine. An entry
// names its service by protocol and VIP or mark, its server by address and port: whatever of them the present
// configuration has, too, fits. A mark that was chosen for a virtual of several ports is known by its address and ports
// (reload.h). Deadlines are times that are left. Bytes are believed no more than a packet's: a damaged block is passed
// over, an entry that makes no sense is not taken, and both are counted.
// The layout, byte by byte, is in src/core/state_rows.h.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/connection.h"
#include "core/ftp.h"
#include "core/outbox.h"
#include "rawvs/bytes.h"
#include "rawvs/settings.h"

namespace rawvs {

struct StateTables {  // what is written, and what it is taken back into: the director's
  Services& services;
  ConnectionTable& connections;
  FtpSessions& ftp;
  uint32_t& unknown_ports;  // connections whose client port is not known yet
  const Timeouts* timeouts =
      nullptr;  // what is taken back lives no longer than these and persistence say; null: it may
};

struct StateClock {                // when it is, so that another process, perhaps after another boot, understands it
  Instant now{};                   // since this boot
  int64_t wall = 0;                // milliseconds since 1970
  std::array<uint8_t, 16> boot{};  // the kernel's boot id; all 0: not known
};

// From a table to bytes. Packets may flow between two portions: what changed behind the writer is in the next state.
class StateWriter {
 public:
  static constexpr uint32_t kPlaces = 4096;  // of the table that are looked at for one portion, by default

  explicit StateWriter(const StateClock& clock);
  bool done() const { return pass_ == Pass::over; }
  // The next bytes, valid until the next call; none, if there was nothing to write at these places.
  Bytes next(const StateTables& tables, Instant now, uint32_t places = kPlaces);
  uint32_t written() const { return written_; }  // entries so far

 private:
  enum class Pass : uint8_t { header, templates, controls, others, end, over };  // who controls comes first
  struct Known {                                                                 // a server that was written
    uint32_t number = 0;
    ServiceKey key{};
    Endpoint at{};
  };
  void put_header(const StateTables& tables);
  void look(const StateTables& tables, ConnectionId id, Instant now);
  void put(const StateTables& tables, const Connection& c, Instant now);
  uint32_t server_number(const StateTables& tables, ServerSlot slot, Instant now);
  void end_pass(const StateTables& tables);
  void put_rows(uint8_t kind, std::vector<uint8_t>& rows, Instant now);

  StateClock clock_;
  Pass pass_ = Pass::header;
  ConnectionId at_ = 1;
  uint32_t written_ = 0, blocks_ = 0, servers_written_ = 0;
  std::vector<Known> known_;  // by slot
  std::vector<uint8_t> servers_, rows_, portion_;
};

// Why a state is refused as a whole.
enum class StateFault : uint8_t { none, too_short, not_a_state, byte_order, version, layout, damaged };
const char* name(StateFault fault);

// Why an entry is not taken back.
enum class Untaken : uint8_t {
  damaged,      // it was in a block whose checksum is wrong, or that is missing
  malformed,    // it is none that this director writes
  over,         // its deadline has passed meanwhile
  no_service,   // its service is not configured any more
  no_server,    // its service is, its server is not
  lost_server,  // who its server was stood in a damaged block
  newer,        // a connection of the same name has begun meanwhile
  no_room,      // the table, or FTP's, is full
  count_
};
const char* name(Untaken why);

struct StateReport {
  uint32_t connections = 0, templates = 0, ftp_sessions = 0;  // taken back; sessions are among the connections
  uint32_t uncontrolled = 0;                                  // of them: their template was not taken back
  uint32_t shortened = 0;                                     // that had longer to live than they would get here
  uint32_t damaged_blocks = 0;
  bool complete = false;  // its end was seen
  std::array<uint32_t, static_cast<size_t>(Untaken::count_)> untaken{};
  uint32_t of(Untaken why) const { return untaken[static_cast<size_t>(why)]; }
  uint32_t left_out() const;
};
std::string text(const StateReport& report);  // a line for the log

// From bytes to a table: one that may have connections already.
class StateReader {
 public:
  static constexpr uint32_t kEntries = 256;  // at most, taken by one call of read()

  // state: borrowed, until the last read().
  StateReader(Bytes state, const StateClock& clock);
  StateFault fault() const { return fault_; }  // not none: there is nothing to read
  // Some of it. Flows of NAT are announced in out, which has to be acted upon after each call. False: all was read, and
  // the report is complete.
  bool read(const StateTables& tables, Instant now, Outbox& out);
  const StateReport& report() const { return report_; }

 private:
  struct Origin {  // a server as the bytes name it, and what it is here
    bool known = false, by_address_alone = false, overloaded = false;
    Untaken why = Untaken::lost_server;  // it is none
    ServerSlot slot = kNoServer;
    ServiceKey was{}, is{};
    Endpoint at{};
  };
  struct Block;
  struct Entry;
  StateFault read_header(const StateClock& clock);
  bool find_block(Block& block);
  void read_block(const Block& block, const StateTables& tables, Instant now, Outbox& out);
  void cap(Entry& e, const StateTables& tables);
  void read_server(Bytes row, Duration passed, const StateTables& tables, Instant now);
  std::optional<Untaken> read_entry(Bytes row, Duration passed, const StateTables& tables, Instant now, Outbox& out);
  std::optional<Untaken> fit(Entry& e, const StateTables& tables) const;
  std::optional<Untaken> take(const Entry& e, const StateTables& tables, Instant now, Outbox& out);
  static bool expect_replies(Connection& c, const Entry& e, const StateTables& tables, Outbox& out);
  void remember(const Entry& e, ConnectionId now);
  void link(Connection& c, const Entry& e, const StateTables& tables);
  void finish(const StateTables& tables);
  void count(Untaken why, uint32_t entries = 1) { report_.untaken[static_cast<size_t>(why)] += entries; }

  Bytes state_;
  size_t at_ = 0;
  StateFault fault_ = StateFault::none;
  Instant written_{};  // when, by this process's clock
  ConnectionId id_limit_ = 0;
  uint32_t next_block_ = 0, entries_seen_ = 0, entries_written_ = 0;
  bool finished_ = false;
  std::vector<Origin> origins_;            // by number
  std::vector<ConnectionId> controllers_;  // by the id that they had: the one they have
  StateReport report_;
};

}  // namespace rawvs
