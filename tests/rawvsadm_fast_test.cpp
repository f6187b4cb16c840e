// SPDX-License-Identifier: BSD-2-Clause
// Tests what rawvsadm says of the fast path: status, JSON, metrics, and nothing in ipvsadm's listings.
#include <gtest/gtest.h>

#include "tools/metrics/metrics.h"
#include "tools/rawvsadm/json.h"
#include "tools/rawvsadm/listing.h"
#include "tools/rawvsadm/texts.h"

namespace rawvs::adm {
namespace {

const std::string kFastRow =
    "fast on=1 flows=812 capacity=16384 chosen=2000 no-room=7 packets=9850 packet-bytes=985000";
const std::string kFastConnection =
    "connection protocol=tcp expires=899 state=ESTABLISHED client=198.51.100.1:1001 virtual=192.0.2.100:80 "
    "server=192.0.2.11:80";

// The line of the status about it, without its end.
std::string fast_line(const Rows& rows) {
  const std::string text = status_text(rows, 0);
  const size_t at = text.find("Fast path: ");
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

TEST(FastWords, StatusShowsItsConnectionsAndItsShareOfThePackets) {
  EXPECT_EQ(fast_line({"daemon uptime=4", "exit name=forwarded fate=forwarded count=9000 meaning=x"}), "");
  EXPECT_EQ(fast_line({kFastRow}), "Fast path: 812 of 16,384 connections");
  EXPECT_EQ(fast_line({kFastRow, "exit name=forwarded fate=forwarded count=6000 meaning=x",
                       "exit name=answer-forwarded fate=forwarded count=4000 meaning=x",
                       "exit name=land fate=dropped count=90000 meaning=x"}),
            "Fast path: 812 of 16,384 connections, 98 % of packets");
  EXPECT_EQ(fast_line({kFastRow, "exit name=forwarded fate=forwarded count=9849 meaning=x"}),
            "Fast path: 812 of 16,384 connections, 100 % of packets");
}

TEST(FastWords, StatusSaysWhyItIsOff) {
  const auto line = [](const std::string& why) {
    return fast_line({"fast on=0 off-for=" + why + " flows=3 capacity=9", "exit fate=forwarded count=9"});
  };
  EXPECT_EQ(line("held"), "Fast path: off: another rawvsd takes over");
  EXPECT_EQ(line("no-link"), "Fast path: off: it is on no interface; the log says why");
  EXPECT_EQ(line("watched"), "Fast path: off while a trace or a capture runs");
  EXPECT_EQ(line("changes"), "Fast path: off for a moment: servers or links change");
}

TEST(FastWords, JsonHasItAsOneObject) {
  EXPECT_EQ(json_of({kFastRow}).line(),
            "{ \"fast\": { \"on\": 1, \"flows\": 812, \"capacity\": 16384, \"chosen\": 2000, \"no-room\": 7, "
            "\"packets\": 9850, \"packet-bytes\": 985000 } }\n");
  EXPECT_NE(json_of({"fast on=0 off-for=held"}).line().find("\"on\": 0, \"off-for\": \"held\""), std::string::npos);
}

TEST(FastWords, JsonSaysThatAConnectionIsFastAndIpvsadmsListingDoesNot) {
  const std::string line = kFastConnection + " fast=1";
  const Row fast(line);
  EXPECT_NE(Json::of(fast).line().find("\"fast\": true"), std::string::npos) << Json::of(fast).line();
  EXPECT_EQ(Json::of(Row(kFastConnection)).line().find("fast"), std::string::npos);
  EXPECT_EQ(connection_line(fast, false, nullptr), connection_line(Row(kFastConnection), false, nullptr));
}

TEST(FastWords, MetricsHaveItsCounts) {
  const std::string text = metrics_text({"daemon version=0.1.0 uptime=90", kFastRow, kFastRow});
  for (const char* const line : {"# TYPE rawvs_fast_path_on gauge\nrawvs_fast_path_on 1\n#",
                                 "\nrawvs_fast_path_flows 812\n", "\nrawvs_fast_path_capacity 16384\n",
                                 "# TYPE rawvs_fast_path_packets_total counter\nrawvs_fast_path_packets_total 9850\n#",
                                 "\nrawvs_fast_path_bytes_total 985000\n", "\nrawvs_fast_path_chosen_total 2000\n",
                                 "\nrawvs_fast_path_no_room_total 7\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(metrics_text({"daemon version=0.1.0 uptime=90"}).find("fast_path"), std::string::npos);
}

}  // namespace
}  // namespace rawvs::adm
