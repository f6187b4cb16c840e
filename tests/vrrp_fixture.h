// SPDX-License-Identifier: BSD-2-Clause
// vrrp_fixture.h: one host with VRRP, 192.0.2.10, and adverts of another host.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frames.h"
#include "links.h"
#include "side/vrrp.h"

namespace rawvs::test {

inline LinkFacts link_facts(const std::string& address, const std::string& name = "eth0") {
  LinkFacts f;
  f.name = name, f.ifindex = 1, f.up = f.carrier = true;
  if (!address.empty()) f.addresses = {{ip(address), 24}};
  return f;
}

inline VrrpSpec vrrp_spec(uint8_t priority, const std::string& name = "web") {
  VrrpSpec s;
  s.name = name, s.vrid = 51, s.priority = priority;
  s.addresses = {ip("192.0.2.100")};
  return s;
}

class VrrpTest : public testing::Test {
 protected:
  static constexpr Instant kStart{1000s};

  void begin(std::vector<VrrpSpec> specs) {
    vrrp_.link_changed(kOutLink, link_facts("192.0.2.10"), {now_, out_});
    vrrp_.configure(std::move(specs), {now_, out_});
    vrrp_.start({now_, out_});
  }
  void begin_as_master(const VrrpSpec& spec) {
    begin({spec});
    now_ = vrrp_.next_deadline();
    vrrp_.time_passed({now_, out_});
    ASSERT_EQ(one().state, VrrpState::master);
    out_.clear();
  }
  const Vrrp::Instance& one() const { return vrrp_.all()[0]; }

  // An advert of another host for the same instance, before the test's changes.
  VrrpAdvert advert(uint8_t priority) const {
    VrrpAdvert a;
    const VrrpSpec& s = one().spec;
    a.version = s.version, a.vrid = s.vrid, a.priority = priority, a.interval = s.interval;
    a.addresses = VrrpAddresses(s.addresses);
    if (!s.password.empty()) a.auth = VrrpAuth::password, a.password = vrrp_password(s.password);
    return a;
  }
  std::string hear(const VrrpAdvert& a, const std::string& from = "192.0.2.9", Ip to = kVrrpGroup, uint8_t ttl = 255) {
    std::vector<uint8_t> bytes(kMostVrrpSize);
    bytes.resize(write_vrrp(bytes, a, ip(from), to));
    const auto refusal = vrrp_.heard(kOutLink, {ip(from), to, ttl, bytes}, {now_, out_});
    return refusal ? words(*refusal).name : "";
  }
  std::string hear(uint8_t priority, const std::string& from = "192.0.2.9") { return hear(advert(priority), from); }

  // "backup 3.610": the state, and the seconds to the next deadline.
  std::string state() const {
    const Instant next = one().timers.next();
    EXPECT_LE(vrrp_.next_deadline(), next);
    return std::string(name(one().state)) + (next == kNever ? "" : " " + seconds_text(next - now_).substr(0, 5));
  }
  // What was sent since the last call, "priority>destination" each.
  std::string sent() {
    std::string s;
    for (const VrrpSend& send : out_.sends()) {
      s += (s.empty() ? "" : " ") + std::to_string(send.priority) + '>' + text(send.destination);
      EXPECT_GT(send.size, 0u);
    }
    out_.clear();
    return s;
  }
  std::string notices() {
    std::string s;
    for (const Notice& n : out_.notices()) s += n.text + '\n';
    out_.clear();
    return s;
  }
  void wait(Duration d) {
    const Instant end = now_ + d;
    for (now_ = next(end); now_ < end; now_ = next(end)) vrrp_.time_passed({now_, out_});
    vrrp_.time_passed({end, out_});
  }
  Instant next(Instant end) const { return std::min(end, std::max(now_ + 1ms, vrrp_.next_deadline())); }
  uint64_t refused(VrrpRefusal r) const { return one().counters.refused[static_cast<size_t>(r)]; }

  Vrrp vrrp_;
  VrrpOutbox out_;
  Instant now_ = kStart;
};

}  // namespace rawvs::test
