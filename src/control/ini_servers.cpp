// SPDX-License-Identifier: BSD-2-Clause
#include "control/ini_servers.h"

#include <algorithm>
#include <utility>

#include "config/config_tables.h"

namespace rawvs {

bool same_servers(const TableServers& a, const TableServers& b) {
  if (a.count() != b.count()) return false;
  const auto server = [&a](size_t n) -> const ServerSpec& {
    return n < a.in.size() ? a.in[n] : a.taken_out[n - a.in.size()];
  };
  ServerIndex index(a.count());
  for (size_t n = 0; n < a.count(); ++n) index.add(server(n).at, n);
  const auto has = [&](const ServerSpec& other) {
    const Slot found = index.find(other.at, [&](Slot n) { return server(n).at; });
    return found != kNoSlot && alike(server(found), other);
  };
  return std::ranges::all_of(b.in, has) && std::ranges::all_of(b.taken_out, has);
}

IniServers::IniServers(const VirtualConfig* file, Port own, TableServers servers)
    : file_(file),
      own_(own),
      servers_(std::move(servers)),
      in_file_(file ? file->servers.size() : 0),
      table_count_(servers_.count()),
      sorted_(!servers_.taken_out.empty()) {}

const ServerSpec& IniServers::table(size_t k) const {
  return k < servers_.in.size() ? servers_.in[k] : servers_.taken_out[k - servers_.in.size()];
}

void IniServers::step(size_t n, std::vector<ServerConfig>& written) {
  const bool last = n + 1 == steps();
  if (n == 0) {
    if (in_file_ != 0) index_.emplace(in_file_);
    if (sorted_) by_file_.assign(in_file_, kNone);
    written.reserve(table_count_);
  }
  if (n < in_file_) {
    index_->add(place_of(file_->servers[n], own_), n);
  } else if (n -= in_file_; n < table_count_) {
    place(static_cast<uint32_t>(n), written);
  } else if (n -= table_count_; n < in_file_) {
    if (by_file_[n] != kNone) write(by_file_[n], &file_->servers[n], written);
  } else if (n -= in_file_; n < not_there_.size()) {
    write(not_there_[n], nullptr, written);
  }
  if (last) servers_ = {}, index_.reset(), by_file_ = {}, not_there_ = {};
}

// Finds the table's server in the file.
void IniServers::place(uint32_t k, std::vector<ServerConfig>& written) {
  const Endpoint at = table(k).at;
  const Slot found = !index_ ? kNoSlot : index_->find(at, [&](Slot n) { return place_of(file_->servers[n], own_); });
  if (found != kNoSlot) {
    sorted_ ? static_cast<void>(by_file_[found] = k) : write(k, &file_->servers[found], written);
  } else if (k < servers_.in.size() && !is_sorry(at)) {  // checks take out the file's servers only
    sorted_ ? not_there_.push_back(k) : write(k, nullptr, written);
  }
}

// The sorry server is in the table, too.
bool IniServers::is_sorry(Endpoint at) const { return file_ && file_->sorry && place_of(*file_->sorry, own_) == at; }

// The file decides which servers are checked. The virtual's own port is written if the file has it.
void IniServers::write(uint32_t k, const ServerConfig* in_file, std::vector<ServerConfig>& written) const {
  const bool checked = file_ && !file_->check.empty();
  ServerConfig& one = written.emplace_back(ServerConfig{table(k), in_file ? in_file->check : checked ? "none" : ""});
  one.name = in_file ? in_file->name : ShortName();
  if (one.at.port == own_) one.at.port = in_file ? in_file->at.port : Port();
}

}  // namespace rawvs
