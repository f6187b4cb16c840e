// SPDX-License-Identifier: BSD-2-Clause
// views.h: what rawvsadm's words and rawvs-web show of the director: the requests for it, and the lists that JSON has
// even without rows.
#pragma once

#include <initializer_list>

namespace rawvs::adm {

struct View {
  std::initializer_list<const char*> requests, lists;
};
inline constexpr View kStatusView{{"list", "exits", "vrrp", "sync", "arp"},
                                  {"service", "exit", "link", "vrrp", "sync", "vip", "neighbor"}};
inline constexpr View kDropsView{{"exits"}, {"exit", "link"}};
inline constexpr View kNeighboursView{{"arp"}, {"vip", "neighbor"}};
inline constexpr View kVrrpView{{"vrrp"}, {"vrrp"}};
inline constexpr View kEventsView{{"events"}, {"event"}};

}  // namespace rawvs::adm
