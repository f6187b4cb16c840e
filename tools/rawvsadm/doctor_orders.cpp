// SPDX-License-Identifier: BSD-2-Clause
// doctor_orders.cpp: the doctor's check of orders: servers that were drained or disabled, and perhaps forgotten.
#include <algorithm>

#include "doctor.h"
#include "orders.h"

namespace rawvs::adm {

// Without a clock, or when it was set back, an order is as old as it says.
std::string look_at_orders(const DoctorFacts& facts, Findings& findings) {
  constexpr int64_t kLong = 86400;  // seconds
  const auto age = [&](const ServerFacts& s) { return facts.host.now - s.ordered_at; };
  const ServerFacts* oldest = nullptr;
  size_t count = 0;
  for (const ServerFacts& server : facts.daemon.servers) {
    if (server.order.empty() || age(server) < kLong) continue;
    ++count;
    if (!oldest || server.ordered_at < oldest->ordered_at) oldest = &server;
  }
  if (!oldest) return "";
  const auto days = static_cast<size_t>(age(*oldest) / 86400);
  const std::string others =
      count == 1 ? "" : ", and " + plural(count - 1, "other server") + (count == 2 ? " is" : " are") + " out for long";
  findings.push_back({Urgency::note, "ordered-out",
                      "real server " + called(facts.daemon, *oldest) + " of " +
                          called(facts.daemon.services[oldest->service]) + " is " + oldest->order + ", for " +
                          plural(days, "day") + others,
                      "it gets no new connections until somebody gives it some again, whatever is reloaded",
                      "rawvsadm enable " + text(oldest->at) + "; rawvsadm status --state " + oldest->order_word()});
  return "";
}

}  // namespace rawvs::adm
