// SPDX-License-Identifier: BSD-2-Clause
// control_words.h: the words in rows of the control protocol.
//
// For src/control only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "core/service.h"
#include "rawvs/director.h"
#include "rawvs/exit.h"
#include "rawvs/frame.h"

namespace rawvs {

inline void put(std::string& row, const char* key, std::string_view value) {
  row.append(1, ' ').append(key).append(1, '=').append(value);
}
inline void put(std::string& row, const char* key, uint64_t number) { put(row, key, std::to_string(number)); }
inline void put(std::string& row, const char* key, Duration d) {
  put(row, key, static_cast<uint64_t>(std::max<Duration::rep>(d / 1s, 0)));  // whole seconds, as in ip_vs_conn
}

void put_time(std::string& row, int64_t wall);  // milliseconds since 1970: time=SECONDS.mmm
const char* word(Method method);  // route, tunnel, masq, fullnat, as in the protocol; name() in service.h is for people
const char* fate_word(Fate fate);
const char* word(Director::Reach reach);
void put_order(std::string& row, const Order& order);  // control_orders.cpp; nothing for none
// In control_rows_ha.cpp. Adds its role as a sorry server, and the result of its check, if it has them.
void put_health(std::string& row, const struct ControlContext& context, const Server& server, Instant now);
std::string word(const ServiceKey& key);                    // tcp:192.0.2.100:80
std::string word(const Director& director, Link link);      // its interface; until that is known, outside or inside
std::string word(const Director& director, LinkSet links);  // separated by commas

}  // namespace rawvs
