// SPDX-License-Identifier: BSD-2-Clause
// listing.h: formats rows of the daemon's replies as ipvsadm's listings, byte for byte.
// In:  rows, the wanted columns, names unless numbers are wanted.
// Out: text.
// Not: asking the daemon (client.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "request.h"

namespace rawvs::adm {

enum class Columns : uint8_t { plain, stats, rate, thresholds, persistent_conn, tun_info };

struct ListStyle {
  Columns columns = Columns::plain;
  bool exact = false;            // --exact: full numbers
  bool sorted = true;            // --nosort: the daemon's order
  bool headed = true;            // the line with the version; not for a single service
  const Names* names = nullptr;  // null: -n
};
ListStyle style(const Command& command, const Names& names);

struct ServerLine {
  Endpoint at;
  std::string method;
  bool local = false;            // the host itself
  std::string tunnel, checksum;  // of a tunnel, as in the control protocol
  uint64_t tunnel_port = 0;
  bool proxy = false;  // PROXY protocol
  uint64_t weight = 0, upper = 0, lower = 0, active = 0, inactive = 0, persistent = 0;
  uint64_t saved_weight = 0;     // without an operator's order, which is no part of the table
  std::vector<uint64_t> counts;  // connections, packets in and out, bytes in and out: totals, or per second
};

struct ServiceLine {
  Protocol protocol = Protocol::any;
  Endpoint vip;
  uint32_t mark = 0;  // of vip's family
  std::string scheduler, flags, netmask, engine;
  uint64_t persistence = 0;
  bool ops = false;
  std::vector<uint64_t> counts;
  std::vector<ServerLine> servers;
};

class ServiceTable {  // the reply to "list"
 public:
  explicit ServiceTable(bool rates) : rates_(rates) {}
  void take(const Row& row);
  bool lacks_rates() const { return lacks_rates_; }  // rates were wanted, but this daemon does not send them
  void sort();
  uint64_t size() const { return size_; }
  const std::vector<ServiceLine>& services() const { return services_; }

 private:
  std::vector<uint64_t> counts(const Row& row);
  bool rates_, lacks_rates_ = false;
  uint64_t size_ = 0;
  std::vector<ServiceLine> services_;
};

std::string listing(const ServiceTable& table, const ListStyle& style);
std::string saved(const ServiceTable& table, const Names* names);  // -S: lines that -R reads

std::string connections_head(bool engine);
std::string connection_line(const Row& row, bool engine, const Names* names);
std::string timeouts_line(const Row& row);
std::string daemon_lines(const Row& row);  // of ipvsadm -L --daemon

const char* method_option(std::string_view method);  // -g, -i, -m, --fullnat

std::string padded(std::string text, size_t width);  // fills up with blanks; longer text is not cut

}  // namespace rawvs::adm
