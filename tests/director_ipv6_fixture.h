// SPDX-License-Identifier: BSD-2-Clause
// A director with IPv6 addresses on both links, and its packets in text.
#pragma once

#include <string>

#include "director_fixture.h"
#include "links.h"

namespace rawvs {

inline const std::string kClient6 = "2001:db8:2::1", kVip6 = "2001:db8:1::100", kRouter6 = "2001:db8:1::1";

class Ipv6Test : public DirectorTest {
 protected:
  Ipv6Test() {
    for (const Link link : {kOutLink, kInLink}) {
      LinkFacts facts = director_->link(link);
      const std::string net = link == kOutLink ? "2001:db8:1::" : "2001:db8:3::";
      facts.addresses.push_back({ip(net + "10"), 64});
      facts.addresses.push_back({ip(link == kOutLink ? "fe80::10" : "fe80::1:10"), 64});
      director_->link_changed(link, facts, {now_, out_});
    }
  }
  static std::string at(int i, Link link = kOutLink) {
    return (link == kOutLink ? "2001:db8:1::1" : "2001:db8:3::1") + std::to_string(i);
  }
  static Mac mac(int i, Link link = kOutLink) {
    return {{2, 0, 0, 0, link == kOutLink ? uint8_t{0} : uint8_t{1}, static_cast<uint8_t>(0x10 + i)}};
  }
  void service(Method method, int servers = 1, Protocol protocol = Protocol::tcp, Tunnel tunnel = {}) {
    const Link link = method == Method::masq ? kInLink : kOutLink;
    key_ = {protocol, {ip(kVip6), Port(80)}, {}};
    ASSERT_FALSE(director_->add({.key = key_, .scheduler = Scheduler::rr}, {now_, out_}));
    for (int i = 1; i <= servers; ++i) {
      const Port port(method == Method::masq ? 8080 : 80);
      ASSERT_FALSE(director_->add_server(key_, {.at = {ip(at(i, link)), port}, .method = method, .tunnel = tunnel},
                                         {now_, out_}));
      advertise(i, link);
    }
    out_.clear();
  }
  std::string advertise(int i, Link link = kOutLink) {
    return arrive(frame(NdFrame{.asks = false,
                                .src = at(i, link),
                                .target = at(i, link),
                                .dst = link == kOutLink ? "fe80::10" : "fe80::1:10",
                                .from = mac(i, link),
                                .option = mac(i, link),
                                .to = link == kOutLink ? kDirectorMac : kInsideMac,
                                .solicited = true}),
                  link);
  }
  static Tcp tcp(const std::string& flags = "S", const std::string& data = {}) {
    return {.src = kClient6, .dst = kVip6, .flags = flags, .data = data};
  }
};

}  // namespace rawvs
