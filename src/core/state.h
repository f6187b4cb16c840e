// SPDX-License-Identifier: BSD-2-Clause
// state.h: saves the connection table as bytes and restores it, across restarts and replacements of the binary.
// In:  tables and the time; bytes of an earlier process.
// Out: bytes, portion by portion; restored entries, and why others were not restored.
// Not: files and descriptors (state_file.h).
//
// The bytes are one header, then blocks, each with its own CRC32C; numbers are big-endian on every machine. An entry
// names its service by protocol and VIP or mark, and its server by address and port: it is restored if the present
// configuration has them. A mark that was chosen for a virtual of several ports is recognised by address and ports
// (reload.h). Deadlines are stored as time left. The bytes are trusted no more than a packet's: a damaged block is
// skipped, an impossible entry is not restored, and both are counted. state_rows.h has the layout.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/connection.h"
#include "core/events.h"
#include "core/ftp.h"
#include "core/local_addresses.h"
#include "core/outbox.h"
#include "core/server_verdicts.h"
#include "core/syn_proxy.h"
#include "core/turn.h"
#include "rawvs/bytes.h"
#include "rawvs/settings.h"

namespace rawvs {

// Why an entry is not restored.
enum class Untaken : uint8_t {
  damaged,      // it was in a damaged or missing block
  malformed,    // this director writes no such entry
  over,         // its deadline has passed
  no_service,   // its service is not configured
  no_server,    // its service is configured, its server is not
  lost_server,  // its server was in a damaged block
  newer,        // a connection with the same key has begun since; or it is here already
  no_room,      // the table, or FTP's table, is full
  count_
};
const char* name(Untaken why);

struct Restoration {  // an entry that was read: its service and server are here
  FlowKey key{};
  ServerSlot server = kNoServer;
  Port port{};  // the server's
  Method method = Method::masq;
  Link link{};  // the client's
  bool no_output = false;
  uint8_t state = 0, packets = 0;
  bool behind = false;                      // from the server's side another is found first
  bool proven = true;                       // unproven.h
  Duration left{};                          // until its deadline
  uint32_t seconds = 0;                     // of a template: its timeout
  std::array<uint8_t, 6> client_mac{};      // of a connection
  Bytes session{};                          // of a control connection: FTP's, as it was saved
  Endpoint local{};                         // of full NAT; port 0: its client's port is not known yet
  ProxyState proxy{};                       // of full NAT
  std::optional<SynProxy> numbers{};        // of one that began with a SYN cookie
  ConnectionId controller = kNoConnection;  // here; none: it has none, or that was not restored
};

struct Restored {
  std::optional<Untaken> why{};     // none: it is in the table
  ConnectionId id = kNoConnection;  // its own; or of the template that stands for it
  bool controlled = false;          // its controller counts it
};

struct StateTables {  // the director's tables
  Services& services;
  const ConnectionTable& connections;
  const FtpSessions& ftp;
  // Makes an entry. NAT flows are announced in turn.out.
  std::function<Restored(const Restoration& entry, Turn turn)> restore;
  const Timeouts* timeouts = nullptr;      // with persistence, limits the lifetime of restored entries; null: no limit
  const LocalAddresses* locals = nullptr;  // of full NAT's connections
  const SynProxies* proxies = nullptr;     // of connections that began with a SYN cookie
  Events* events = nullptr;                // null: they are neither written nor read
  ServerVerdicts* verdicts = nullptr;      // as events
  // Gives a server an order that was read; null: orders are neither written nor read.
  std::function<void(const ServiceKey& key, Endpoint server, const Order& order)> order{};
};

struct StateClock {                // the time in terms that another process understands, perhaps after a reboot
  Instant now{};                   // since this boot
  int64_t wall = 0;                // milliseconds since 1970
  std::array<uint8_t, 16> boot{};  // the kernel's boot id; all 0: unknown
};

// Writes the tables. Packets may flow between two portions: an entry that changes after it was written changes in the
// next state.
// since: leaves out connections whose last packet came before, and events and verdicts that did. Connections that
// control others are written nevertheless: what they control may be new.
class StateWriter {
 public:
  static constexpr uint32_t kPlaces = 4096;  // places of the table, or of servers, examined per portion by default

  explicit StateWriter(const StateClock& clock, Instant since = {});
  bool done() const { return pass_ == Pass::over; }
  // The next bytes, valid until the next call; empty if nothing was to be written for these places.
  Bytes next(const StateTables& tables, Instant now, uint32_t places = kPlaces);
  uint32_t written() const { return written_; }  // entries so far

 private:
  // Controlling connections come before those that they control.
  enum class Pass : uint8_t { header, service_orders, server_orders, verdicts, templates, controls, others, end, over };
  struct Known {  // a server that was written
    uint32_t number = 0;
    ServiceKey key{};
    Endpoint at{};
  };
  void put_header(const StateTables& tables);
  bool look_at_servers(const StateTables& tables, Instant now, uint32_t places);
  void look(const StateTables& tables, ConnectionId id, Instant now);
  bool is_old(const StateTables& tables, const Connection& c, Instant now) const;
  void put(const StateTables& tables, const Connection& c, Instant now);
  uint32_t server_number(const StateTables& tables, ServerSlot slot, Instant now);
  void put_verdict(const StateTables& tables, const Server& server, MutableBytes row, Instant now) const;
  void end_pass(const StateTables& tables);
  void put_events(const Events& events, Instant now);
  void put_orders(const StateTables& tables, uint32_t places);
  void put_rows(uint8_t kind, std::vector<uint8_t>& rows, Instant now);

  StateClock clock_;
  Instant since_;
  Pass pass_ = Pass::header;
  ConnectionId at_ = 1;
  uint32_t written_ = 0, blocks_ = 0, servers_written_ = 0;
  std::vector<Known> known_;  // by slot
  std::vector<uint8_t> servers_, wide_servers_, rows_, wide_rows_, full_rows_, proxied_, orders_, portion_;
};

// Why a state is refused as a whole.
enum class StateFault : uint8_t { none, too_short, not_a_state, byte_order, version, layout, damaged };
const char* name(StateFault fault);

struct StateReport {
  uint32_t connections = 0, templates = 0, ftp_sessions = 0;  // restored; FTP sessions are among the connections
  uint32_t uncontrolled = 0;                                  // connections without their template
  uint32_t shortened = 0;                                     // lifetimes that were longer than allowed here
  uint32_t damaged_blocks = 0;
  bool complete = false;  // the end was read
  std::array<uint32_t, static_cast<size_t>(Untaken::count_)> untaken{};
  uint32_t of(Untaken why) const { return untaken[static_cast<size_t>(why)]; }
  uint32_t left_out() const;
};
std::string text(const StateReport& report);  // a line for the log

// Reads bytes into the tables, which may have connections already.
class StateReader {
 public:
  static constexpr uint32_t kEntries = 256;  // restored at most by one call of read()

  // state: borrowed until the last read().
  StateReader(Bytes state, const StateClock& clock);
  StateFault fault() const { return fault_; }  // not none: there is nothing to read
  // Reads a part. REQUIRES: the caller acts on turn.out, which announces NAT flows, after each call. False: all was
  // read, and the report is complete.
  bool read(const StateTables& tables, Turn turn);
  const StateReport& report() const { return report_; }

 private:
  struct Origin {  // a server by its row, and its slot here
    bool known = false, by_address_alone = false, overloaded = false;
    Untaken why = Untaken::lost_server;  // when there is no slot
    ServerSlot slot = kNoServer;
    ServiceKey was{}, is{};
    Endpoint at{};
  };
  struct Block;
  struct Entry;
  StateFault read_header(const StateClock& clock);
  bool find_block(Block& block);
  void read_block(const Block& block, const StateTables& tables, Turn turn);
  void cap(Entry& e, const StateTables& tables);
  void read_server(Bytes row, bool wide, Duration passed, const StateTables& tables, Instant now);
  void recall_verdict(const Origin& o, Bytes row, Duration passed, const StateTables& tables, Instant now) const;
  std::optional<Untaken> read_entry(const Entry& read, Duration passed, const StateTables& tables, Turn turn);
  std::optional<Untaken> fit(Entry& e, const StateTables& tables) const;
  std::optional<Untaken> take(const Entry& e, const StateTables& tables, Turn turn);
  void read_proxied(Bytes rows);
  bool find_numbers(const Entry& e, std::optional<SynProxy>& numbers) const;
  void remember(const Entry& e, ConnectionId now);
  void finish(const StateTables& tables);
  void count(Untaken why, uint32_t entries = 1) { report_.untaken[static_cast<size_t>(why)] += entries; }

  Bytes state_;
  size_t at_ = 0;
  StateFault fault_ = StateFault::none;
  Instant written_{};  // when the state was written, by this process's clock
  ConnectionId id_limit_ = 0;
  uint32_t next_block_ = 0, entries_seen_ = 0, entries_written_ = 0;
  bool finished_ = false;
  bool age_known_ = false;  // of the state
  size_t ordered_ = 0;      // servers that rows of orders were about
  struct Proxied {
    ConnectionId id;
    SynProxy numbers;
  };
  std::vector<Proxied> proxied_;           // of the entries of the next blocks, by id
  std::vector<Origin> origins_;            // by number
  std::vector<ConnectionId> controllers_;  // by former id: the present id
  StateReport report_;
};

}  // namespace rawvs
