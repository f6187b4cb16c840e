// SPDX-License-Identifier: BSD-2-Clause
// top.cpp: computes each server's rates between two replies to "list", and sorts them.
#include "top.h"

#include <algorithm>
#include <cstdio>

namespace rawvs::adm {

namespace {

constexpr std::array kTotals = {"conns", "inpkts", "outpkts", "inbytes", "outbytes"};
constexpr std::array kRates = {"cps", "inpps", "outpps", "inbps", "outbps"};
constexpr size_t kHeadLines = 3;

}  // namespace

std::optional<Top::Key> Top::key(const std::string& word) {
  if (word == "active") return Key::active;
  const auto found = std::ranges::find(kTotals, word);
  if (found == kTotals.end()) return std::nullopt;
  return static_cast<Key>(found - kTotals.begin());
}

// A total that decreased was reset, by -Z or another rawvsd: it counts from zero. A new server may bring older totals:
// its rates begin with the next reply.
void Top::take(const Rows& rows, double now) {
  std::map<std::pair<std::string, std::string>, Counts> before;
  for (const Line& line : lines_) before[{line.service, line.server}] = line.now;
  const bool first = at_ == 0;
  seconds_ = first ? 0 : now - at_;
  at_ = now;
  uint64_t daemon = 0;
  lines_.clear();
  std::string of_name;  // of the service whose servers follow
  for (const std::string& text : rows) {
    const Row row(text);
    if (row.word() == "daemon") daemon = row.number("pid");
    if (row.word() == "service") of_name = row.get("name");
    if (row.word() != "server") continue;
    Line line{std::string(row.get("service")), std::string(row.get("server")), of_name,
              std::string(row.get("name")),    row.number("weight"),           row.number("active"),
              row.number("inactive")};
    const auto known = before.find({line.service, line.server});
    for (size_t i = 0; i < kCounts; ++i) {
      line.now[i] = row.number(kTotals[i]);
      uint64_t old = known == before.end() ? line.now[i] : known->second[i];
      if (old > line.now[i] || daemon != daemon_) old = 0;
      line.rates[i] = seconds_ > 0 ? static_cast<double>(line.now[i] - old) / seconds_ : 0;
    }
    lines_.push_back(std::move(line));
  }
  daemon_ = daemon;
}

double Top::measure(const Line& line, Key key) {
  return key == Key::active ? static_cast<double>(line.active) : line.rates[static_cast<size_t>(key)];
}

std::vector<Top::Line> Top::sorted(Key key) const {
  std::vector<Line> lines = lines_;
  std::ranges::stable_sort(lines, [&](const Line& a, const Line& b) { return measure(a, key) > measure(b, key); });
  return lines;
}

std::array<double, Top::kCounts> Top::sum() const {
  std::array<double, kCounts> sum{};
  for (const Line& line : lines_) {
    for (size_t i = 0; i < kCounts; ++i) sum[i] += line.rates[i];
  }
  return sum;
}

std::string Top::text(Key sorted_by, size_t most_lines, const std::string& clock) const {
  constexpr uint32_t kRight = 0b111111100;  // all but server and service
  char measured[64];
  std::snprintf(measured, sizeof measured, "%.1f", seconds_);
  const auto all = sum();
  std::string out = clock + ", over " + measured + " s: " + per_second(all[0]) + " conn/s, " + per_second(all[1]) +
                    " pkt/s in, " + per_second(all[2]) + " out, " + per_second(all[3]) + " B/s in, " +
                    per_second(all[4]) + " out\n\n";
  std::vector<Cells> cells = {
      {"Server", "Service", "Active", "Inact", "Conn/s", "In p/s", "Out p/s", "In B/s", "Out B/s"}};
  for (const Line& line : sorted(sorted_by)) {
    if (cells.size() + kHeadLines > most_lines && cells.size() > 1) break;
    cells.push_back({line.its_name.empty() ? line.server : line.its_name,
                     line.of_name.empty() ? service_name(line.service) : line.of_name, std::to_string(line.active),
                     std::to_string(line.inactive)});
    for (const double rate : line.rates) cells.back().push_back(per_second(rate));
  }
  return out + aligned(cells, kRight);
}

Json Top::json(Key sorted_by) const {
  Json servers = Json::list();
  for (const Line& line : sorted(sorted_by)) {
    Json one = Json::object();
    one.set("service", Json::text(line.service)).set("server", Json::text(line.server));
    if (!line.of_name.empty()) one.set("virtual-name", Json::text(line.of_name));
    if (!line.its_name.empty()) one.set("server-name", Json::text(line.its_name));
    one.set("weight", Json::number(line.weight)).set("active", Json::number(line.active));
    one.set("inactive", Json::number(line.inactive));
    for (size_t i = 0; i < kCounts; ++i) {
      one.set(kTotals[i], Json::number(line.now[i])).set(kRates[i], Json::fraction(line.rates[i]));
    }
    servers.add(one);
  }
  return Json::object().set("seconds", Json::fraction(seconds_)).set("servers", servers);
}

}  // namespace rawvs::adm
