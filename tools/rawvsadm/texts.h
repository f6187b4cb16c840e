// SPDX-License-Identifier: BSD-2-Clause
// texts.h: formats rows of the daemon's replies for people, where ipvsadm has no listing (listing.h has those).
// In:  rows; a key that rawvsd did not send is shown as "-".
// Out: text.
// Not: asking the daemon; the clock: the time is an argument.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "row.h"

namespace rawvs::adm {

using Cells = std::vector<std::string>;

// Aligned columns, separated by two blanks, without trailing blanks. Bit N of `right`: column N is aligned to the
// right.
std::string aligned(const std::vector<Cells>& lines, uint32_t right);
std::string per_second(double rate);             // 0, 0.5, 12, 3400, 12K, 1.2M
std::string clock_text(time_t at);               // 2026-01-31 23:59:59, local time
std::string event_time(const Row& row);          // likewise, of an event row
std::string service_name(std::string_view key);  // TCP 192.0.2.100:80, FWM 10
std::string service_text(const Row& row);        // TCP 192.0.2.100:80 wlc persistent 360
std::string server_state(const Row& row);        // up, or why it gets no new connections
std::string checked_state(const Row& row);       // the same, whatever an operator has ordered
// The most frequent kind of "password:12,ttl:1" other than `but`: password.
std::string_view most_of(std::string_view kinds, std::string_view but = {});
std::string rival_advice(const Row& row);  // a host that wrongly answers for a VIP, and what to do: a line

std::string drops_text(const Rows& rows, bool all);                          // of exits          (words_tables.cpp)
std::string arp_text(const Rows& rows);                                      // of arp
std::string vrrp_text(const Rows& rows);                                     // of vrrp
std::string status_text(const Rows& rows, time_t now, bool colour = false);  // of list, exits, arp (words_status.cpp)
// Services and servers, of list (status_servers.cpp), in 80 columns if names and addresses are not longer.
// details: also what the checks of servers that are up say, and how long they take.
std::string services_text(const Rows& rows, bool colour = false, bool details = false);
Rows in_state(const Rows& rows, std::string_view state);        // servers whose state begins so, and their services
std::string explain_text(const Rows& rows);                     // of explain        (words_live.cpp)
int explain_status(const Rows& rows);                           // 0: forwarded or answered
std::string packet_text(const Rows& rows);                      // a packet row and its frame rows
std::vector<uint8_t> bytes_of_hex(std::string_view hex);        // up to the first pair of characters that is no byte
std::string changes_text(const Rows& rows, bool plan = false);  // of reload         (words_file.cpp)

}  // namespace rawvs::adm
