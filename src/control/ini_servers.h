// SPDX-License-Identifier: BSD-2-Clause
// ini_servers.h: writes the servers of one service as those of a virtual, in steps of about one server.
// In:  the servers in the table; the virtual in the file, which says how they are checked and in which order they were.
// Out: the servers of the virtual that is written.
#pragma once

#include <optional>
#include <vector>

#include "control/server_index.h"
#include "core/service.h"
#include "rawvs/config.h"

namespace rawvs {

struct TableServers {
  std::vector<ServerSpec> in;         // the oldest first
  std::vector<ServerSpec> taken_out;  // by checks
  size_t count() const { return in.size() + taken_out.size(); }
};

// Have both the same servers, in any order? Costs as many looks as there are servers.
bool same_servers(const TableServers& a, const TableServers& b);

class IniServers {
 public:
  // file: null: the file does not have the virtual. own: the service's port.
  IniServers(const VirtualConfig* file, Port own, TableServers servers);

  // The number of steps, which are to be taken from 0 on. The last one frees what is not needed any more.
  size_t steps() const { return in_file_ + table_count_ + (sorted_ ? in_file_ + table_count_ : 0); }
  void step(size_t n, std::vector<ServerConfig>& written);

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  const ServerSpec& table(size_t k) const;
  void place(uint32_t k, std::vector<ServerConfig>& written);
  void write(uint32_t k, const ServerConfig* in_file, std::vector<ServerConfig>& written) const;
  bool is_sorry(Endpoint at) const;

  const VirtualConfig* file_;
  Port own_;
  TableServers servers_;
  size_t in_file_, table_count_;
  // Servers are written in the table's order; in the file's if some are taken out: the table does not say where these
  // were.
  bool sorted_;
  std::optional<ServerIndex> index_;  // of the file's servers by place
  std::vector<uint32_t> by_file_;     // for each of the file's: the number of the table's server at its place
  std::vector<uint32_t> not_there_;   // numbers of the table's servers that the file does not have
};

}  // namespace rawvs
