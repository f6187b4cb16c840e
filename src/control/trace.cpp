// SPDX-License-Identifier: BSD-2-Clause
// trace.cpp: formats packets as rows.
#include "control/trace.h"

#include <algorithm>

#include "control/control_words.h"
#include "core/called.h"
#include "wire/describe.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

void put_hex(std::string& row, Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const uint8_t b : bytes) (row += kDigits[b >> 4]) += kDigits[b & 15];
}

std::string decision(const PacketView& s) {
  std::string out = words(s.exit).name;
  const bool forwarded = words(s.exit).fate == Fate::forwarded;
  if (s.server && (s.exit == Exit::answer_forwarded || s.from_server)) {
    out += formatted(": from {} by {}", called(s.server->spec.name, text(s.server->spec.at.addr)), name(s.method));
  } else if (s.server) {
    out += formatted(": {} {} by {}", forwarded ? "to" : "of", called(s.server->spec.name, text(s.server->spec.at)),
                     name(s.method));
  } else if (!forwarded) {
    out += formatted(": {}", words(s.exit).meaning);
  }
  if (s.flow == PacketView::Flow::opened) out += ", new connection";
  return out;
}

}  // namespace

bool FlowFilter::fits(Protocol its_protocol, Endpoint its_client, Endpoint its_vip) const {
  const auto port_fits = [](std::optional<Port> wanted, Port is) { return !wanted || is.value == 0 || *wanted == is; };
  return (protocol == Protocol::any || protocol == its_protocol) && (!client || client->holds(its_client.addr)) &&
         port_fits(client_port, its_client.port) && (!vip || *vip == its_vip.addr) && port_fits(vip_port, its_vip.port);
}

bool FlowFilter::fits_server(Endpoint at) const {
  return (!server || *server == at.addr) && (!server_port || *server_port == at.port);
}

Trace::Trace(const FlowFilter& filter, uint64_t count, size_t snap, std::vector<std::string> links, int64_t wall)
    : filter_(filter), count_(count), snap_(std::min(snap, kMostSeen)), wall_(wall), links_(std::move(links)) {
  rows_.reserve(kRoom);
}

// A packet without a server yet may get one that matches.
bool Trace::cares(Protocol protocol, Endpoint client, Endpoint vip, const Server* server) const {
  if (done() || !filter_.fits(protocol, client, vip)) return false;
  return !server || filter_.fits_server(server->spec.at);
}

std::string Trace::name_of(Link link) const {
  return index(link) < links_.size() ? links_[index(link)] : std::to_string(index(link));
}

void Trace::add_frame(std::string& rows, Link link, bool came, Bytes bytes, uint32_t size) const {
  rows += "frame";
  put(rows, "link", name_of(link));
  put(rows, "direction", came ? "in" : "out");
  put(rows, "size", size);
  put(rows, "bytes", snap_ == 0 ? "-" : "");
  put_hex(rows, bytes.first(std::min(bytes.size(), snap_)));
  put(rows, "text", describe(bytes));
  rows += '\n';
}

void Trace::saw(const PacketView& s) {
  if (!s.server && filter_.wants_server()) return;
  const int64_t at = wall_ + s.at.time_since_epoch().count();
  std::string rows = "packet";
  put_time(rows, at);
  put(rows, "link", name_of(s.link));
  put(rows, "exit", words(s.exit).name);
  put(rows, "fate", fate_word(words(s.exit).fate));
  put(rows, "protocol", name(s.protocol));
  put(rows, "client", text(s.client));
  put(rows, "virtual", text(s.vip));
  put(rows, "server", s.server ? text(s.server->spec.at) : "-");
  if (s.server && !s.server->spec.name.empty()) put(rows, "server-name", s.server->spec.name.text());
  put(rows, "method", s.server ? word(s.method) : "-");
  put(rows, "connection",
      s.flow == PacketView::Flow::none     ? "none"
      : s.flow == PacketView::Flow::opened ? "new"
                                           : "known");
  put(rows, "frames", 1 + s.left.size());
  put(rows, "text", decision(s));
  rows += '\n';
  add_frame(rows, s.link, true, s.came, s.size);
  for (const Departure& d : s.left) {
    add_frame(rows, d.out, false, Bytes(d.frame.data, std::min<size_t>(d.frame.size, kMostSeen)), d.frame.size);
  }
  ++told_;
  if (taken_ == rows_.size()) rows_.clear(), taken_ = 0;
  if (rows_.size() + rows.size() > kRoom) {
    ++lost_;
    return;
  }
  rows_ += rows;
}

bool Trace::take(std::string& row) {
  if (taken_ < rows_.size()) {
    const size_t end = rows_.find('\n', taken_);
    row.assign(rows_, taken_, end - taken_);
    taken_ = end + 1;
    return true;
  }
  if (lost_ == 0) return false;
  row = "lost";
  put(row, "count", std::exchange(lost_, 0));
  return true;
}

}  // namespace rawvs
