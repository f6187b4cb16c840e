// SPDX-License-Identifier: BSD-2-Clause
// history.cpp: rings of values; all places share the position, which is the number of the step.
#include "tools/rawvs-web/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rawvs::web {

namespace {

constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kForgetAfter = History::kHourPoints;  // steps without the item: its place may be another's

struct Parts {  // of what a service or the director is the sum
  float cps = 0, in = 0, out = 0, connections = 0, latency = 0;
  size_t checked = 0;
};

}  // namespace

History::History(size_t items)
    : hour_((items + 1) * kMeasures * kHourPoints, kNothing),
      day_((items + 1) * kMeasures * kDayPoints, kNothing),
      today_(items + 1),
      seen_(items + 1, -1),
      names_(items + 1) {
  places_.reserve(items + 1);
  for (size_t place = items; place > 0; --place) free_.push_back(place);
  places_.emplace("", 0);
}

std::string History::server_item(const adm::Row& server) {
  return std::string(server.get("service")) + ' ' + std::string(server.get("server"));
}

// Gone items keep their place until another one needs it, at least for an hour.
std::optional<size_t> History::place_for(const std::string& item) {
  if (const auto known = places_.find(item); known != places_.end()) return known->second;
  if (free_.empty()) {
    const auto oldest = std::min_element(seen_.begin() + 1, seen_.end());
    if (oldest == seen_.end() || hour_step_ - *oldest < kForgetAfter) return std::nullopt;
    const auto place = static_cast<size_t>(oldest - seen_.begin());
    places_.erase(names_[place]);
    free_.push_back(place);
  }
  const size_t place = free_.back();
  free_.pop_back();
  clear(place);
  names_[place] = item;
  places_.emplace(item, place);
  return place;
}

void History::clear(size_t place) {
  for (size_t m = 0; m < kMeasures; ++m) {
    std::fill_n(hour_at(place, m), kHourPoints, kNothing);
    std::fill_n(day_at(place, m), kDayPoints, kNothing);
  }
  today_[place] = {};
}

// Begins the step of this second; the steps in between have no values.
void History::advance(int64_t second) {
  const int64_t hour = second / kHourStep, day = second / kDayStep;
  if (hour_step_ < 0) hour_step_ = hour, day_step_ = day;
  const auto blank = [](int64_t& step, int64_t to, size_t points, std::vector<float>& all) {
    const int64_t from = std::max(step + 1, to - static_cast<int64_t>(points) + 1);
    for (int64_t at = from; at <= to; ++at) {
      for (size_t i = static_cast<size_t>(at) % points; i < all.size(); i += points) all[i] = kNothing;
    }
    step = std::max(step, to);
  };
  blank(hour_step_, hour, kHourPoints, hour_);
  if (day > day_step_) std::ranges::fill(today_, Sum{});
  blank(day_step_, day, kDayPoints, day_);
}

void History::put(size_t place, const Values& values) {
  const bool again = seen_[place] == hour_step_;
  seen_[place] = hour_step_;
  for (size_t m = 0; m < kMeasures; ++m) {
    hour_at(place, m)[static_cast<size_t>(hour_step_) % kHourPoints] = values[m];
    if (again || std::isnan(values[m])) continue;
    Sum& today = today_[place];
    today.sum[m] += values[m];
    ++today.count[m];
    day_at(place, m)[static_cast<size_t>(day_step_) % kDayPoints] = today.sum[m] / static_cast<float>(today.count[m]);
  }
}

void History::take(const adm::Rows& list, int64_t second) {
  if (second < 0 || second / kHourStep < hour_step_) return;
  advance(second);
  const auto number = [](const adm::Row& row, const char* key) { return static_cast<float>(row.number(key)); };
  const auto values = [](const Parts& p) {
    const float latency = p.checked == 0 ? kNothing : p.latency / static_cast<float>(p.checked);
    return Values{p.cps, p.in, p.out, p.connections, latency};
  };
  Parts all, service;
  std::string name;
  const auto service_over = [&] {
    if (name.empty()) return;
    if (const auto place = place_for(name)) put(*place, values(service));
    all.connections += service.connections, all.latency += service.latency, all.checked += service.checked;
  };
  for (const std::string& line : list) {
    const adm::Row row(line);
    if (row.word() == "service") {
      service_over();
      name = row.get("service");
      service = {number(row, "cps"), number(row, "inbps"), number(row, "outbps")};
      all.cps += service.cps, all.in += service.in, all.out += service.out;
    }
    if (row.word() != "server") continue;
    Parts server{number(row, "cps"), number(row, "inbps"), number(row, "outbps"),
                 number(row, "active") + number(row, "inactive")};
    if (row.get("health") == "up" && row.has("latency")) server.latency = number(row, "latency"), server.checked = 1;
    if (const auto place = place_for(server_item(row))) put(*place, values(server));
    service.connections += server.connections, service.latency += server.latency, service.checked += server.checked;
  }
  service_over();
  put(0, values(all));
}

std::vector<float> History::curve(std::string_view item, Measure measure, Span span) const {
  const auto known = places_.find(std::string(item));
  if (known == places_.end() || hour_step_ < 0) return {};
  const size_t points = span == Span::hour ? kHourPoints : kDayPoints;
  const std::vector<float>& all = span == Span::hour ? hour_ : day_;
  const auto last = static_cast<size_t>(span == Span::hour ? hour_step_ : day_step_) % points;
  const size_t from = (known->second * kMeasures + static_cast<size_t>(measure)) * points;
  std::vector<float> out(points);
  for (size_t i = 0; i < points; ++i) out[i] = all[from + (last + 1 + i) % points];
  return out;
}

}  // namespace rawvs::web
