// SPDX-License-Identifier: BSD-2-Clause
// director_fixture.h: a director with two links and servers whose MAC addresses are known; describes what it sends.
#pragma once

#include <gtest/gtest.h>

#include "control/director_gate.h"
#include "frames.h"
#include "links.h"
#include "rawvs/director.h"
#include "whole_director.h"

namespace rawvs {

using namespace test;

constexpr Instant kStart{1000s};

inline std::string mac_of(int last) { return text(Mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(last)}}); }

class DirectorTest : public testing::Test {
 protected:
  DirectorTest() { make({}); }
  void make(const Settings& settings) {
    director_ = std::make_unique<Director>(settings, HashKey{1, 2}, kStart);
    LinkFacts outside{.name = "eth0",
                      .ifindex = 2,
                      .up = true,
                      .carrier = true,
                      .mac = kDirectorMac,
                      .mtu = 1500,
                      .addresses = {{ip("192.0.2.10"), 24}}};
    LinkFacts inside{.name = "eth1",
                     .role = LinkRole::servers,
                     .ifindex = 3,
                     .up = true,
                     .carrier = true,
                     .mac = kInsideMac,
                     .mtu = 1500,
                     .addresses = {{ip("203.0.113.10"), 24}}};
    director_->link_changed(kOutLink, outside, {now_, out_});
    director_->link_changed(kInLink, inside, {now_, out_});
    out_.clear();
  }
  // A service on VIP:80 (or :53 by UDP) with servers 192.0.2.11 ..., whose MAC addresses are known.
  void web(int servers, Scheduler scheduler = Scheduler::rr, Protocol protocol = Protocol::tcp) {
    key_ = {protocol, {ip("192.0.2.100"), Port(protocol == Protocol::tcp ? 80 : 53)}, {}};
    ASSERT_FALSE(director_->add({key_, scheduler}, {now_, out_}));
    for (int i = 1; i <= servers; ++i) ASSERT_FALSE(director_->add_server(key_, server(i), {now_, out_}));
    out_.clear();
    for (int i = 1; i <= servers; ++i) resolve(i);
  }
  // The TCP sequence number that the one departed frame quotes, an ICMP error with a right checksum; none: it is not.
  std::optional<uint32_t> quoted_number() const {
    if (out_.departures().size() != 1) return std::nullopt;
    const Frame& told = out_.departures()[0].frame;
    Packet p;
    if (parse_ip(told, p) || !l4_checksum_right(told, p)) return std::nullopt;
    const auto quote = parse_quote(told, p);
    return quote ? std::optional(load_be32(told.bytes(), quote->l4_at + kTcpSeqAt)) : std::nullopt;
  }
  ServerGate& gate() { return gate_.emplace(*director_); }  // for CheckedServers; the last one is gone then
  ServerSpec server(int i, int32_t weight = 1) {
    return {.at = {ip("192.0.2.1" + std::to_string(i)), key_.vip.port}, .weight = weight};
  }
  void resolve(int i) {
    const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
    arrive(frame(ArpFrame{.request = false,
                          .sender_mac = mac,
                          .sender = "192.0.2.1" + std::to_string(i),
                          .target_mac = kDirectorMac,
                          .target = "192.0.2.10",
                          .to = kDirectorMac}));
  }
  // A service with NAT servers 203.0.113.11 ... behind the inside link; port 0: the service's.
  void nat(int servers, uint16_t port = 8080, ServiceSpec spec = {}) {
    if (spec.key == ServiceKey{}) spec.key = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    key_ = spec.key;
    if (spec.scheduler == Scheduler::wlc) spec.scheduler = Scheduler::rr;
    ASSERT_FALSE(director_->add(spec, {now_, out_}));
    for (int i = 1; i <= servers; ++i) {
      const Ip addr = ip("203.0.113.1" + std::to_string(i));
      ASSERT_FALSE(director_->add_server(key_, {.at = {addr, Port(port)}, .method = Method::masq}, {now_, out_}));
      resolve_inside(i);
    }
    out_.clear();
  }
  void resolve_inside(int i) {
    const Mac mac{{2, 0, 0, 0, 1, static_cast<uint8_t>(0x10 + i)}};
    arrive(frame(ArpFrame{.request = false,
                          .sender_mac = mac,
                          .sender = "203.0.113.1" + std::to_string(i),
                          .target_mac = kInsideMac,
                          .target = "203.0.113.10",
                          .to = kInsideMac}),
           kInLink);
  }
  // The frames that leave when this one arrives, described, joined by " | ".
  std::string arrive(FrameBytes b, Link link = kOutLink, Offload offload = {}) {
    arrived_ = std::move(b);  // the frames that leave borrow from it
    Frame f;
    f.data = arrived_.data(), f.size = static_cast<uint32_t>(arrived_.size()), f.link = link, f.offload = offload;
    out_.clear();
    director_->frames_arrived({&f, 1}, {now_, out_});
    return left();
  }
  std::string pass(Duration d) {
    now_ += d;
    out_.clear();
    director_->time_passed({now_, out_});
    return left();
  }
  std::string left() {
    std::string s;
    for (const Departure& d : out_.departures()) {
      s += (s.empty() ? "" : " | ") + describe({d.frame.data, d.frame.data + d.frame.size});
    }
    return s;
  }
  std::string notices() {
    std::string s;
    for (const Notice& n : out_.notices()) s += n.text;
    return s;
  }
  uint64_t count(Exit e) { return director_->exits().of(e); }
  static std::string to_inside(int i, const std::string& rest) {
    return text(kInsideMac) + '>' + text(Mac{{2, 0, 0, 0, 1, static_cast<uint8_t>(0x10 + i)}}) + ' ' + rest;
  }
  static std::string to_server(int i, const std::string& rest) {
    return mac_of(0x10) + '>' + mac_of(0x10 + i) + ' ' + rest;
  }
  static std::string to_client(const std::string& rest) { return mac_of(0x10) + '>' + mac_of(1) + ' ' + rest; }

  std::unique_ptr<Director> director_;
  std::optional<DirectorGate> gate_;
  Outbox out_;
  FrameBytes arrived_;
  Instant now_ = kStart;
  ServiceKey key_{};
};

}  // namespace rawvs
