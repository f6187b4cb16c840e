// SPDX-License-Identifier: BSD-2-Clause
// Tests that forwarding packets and opening connections allocate nothing.
//
// Replaces global operator new and delete for the whole test program; they count, and behave like the library's. libnet
// uses malloc() for the director's own frames; no forwarded packet needs it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "frames.h"
#include "links.h"
#include "rawvs/director.h"
#include "whole_director.h"

namespace {

std::atomic<uint64_t> allocations = 0;  // global, because operator new is

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  return alignment <= alignof(std::max_align_t)
             ? std::malloc(size == 0 ? 1 : size)
             : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* or_throw(void* p) {
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

// All other forms call these (C++20, [new.delete]); under a sanitizer, whose own forms do not, the nothrow form has to
// be here, too. Inlined, they look like malloc() and delete to g++, which warns.
#define NEVER_INLINED [[gnu::noinline]]
NEVER_INLINED void* operator new(std::size_t size) { return or_throw(counted(size, 1)); }
NEVER_INLINED void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size, 1); }
NEVER_INLINED void* operator new(std::size_t size, std::align_val_t a) {
  return or_throw(counted(size, static_cast<std::size_t>(a)));
}
NEVER_INLINED void operator delete(void* p) noexcept { std::free(p); }
NEVER_INLINED void operator delete(void* p, std::size_t) noexcept { std::free(p); }
NEVER_INLINED void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
NEVER_INLINED void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace rawvs {
namespace {

using namespace test;

class NoAllocation : public testing::Test {
 protected:
  // Without the director's own ARP: its own frames are rare, and libnet allocates for them.
  static Settings quiet(uint32_t connections) {
    return {.max_connections = connections, .garp_count = 0, .garp_interval = 0ms, .arp_probe_interval = 0ms};
  }
  explicit NoAllocation(uint32_t connections = 262144) : director_(quiet(connections), HashKey{1, 2}, now_) {
    LinkFacts facts;
    facts.name = "eth0";
    facts.ifindex = 1;
    facts.up = facts.carrier = true;
    facts.mac = kDirectorMac;
    facts.addresses = {{ip("192.0.2.10"), 24}};
    director_.link_changed(kOutLink, facts, {now_, out_});
    const ServiceKey key{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    EXPECT_FALSE(director_.add({key, Scheduler::wlc}, {now_, out_}));
    for (uint8_t i = 1; i <= 4; ++i) {
      const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
      EXPECT_FALSE(director_.add_server(key, {.at = {Ip(0xc000020a + i), Port(80)}, .mac = mac}, {now_, out_}));
    }
    out_.clear();
    for (Letter& l : buffers_) l = {frame(Tcp{}), frame(Tcp{.flags = "A"})};
  }

  // A batch of segments of the connections first, first + 1 ... Forwarding changes the buffers, so the client's address
  // and port, TTL and header checksum are written again each time.
  void arrive(uint32_t first, bool syn, uint32_t connections) {
    for (uint32_t i = 0; i < Director::kBatch; ++i) {
      FrameBytes& b = syn ? buffers_[i].syn : buffers_[i].ack;
      const uint32_t n = (first + i) % connections;
      std::copy_n(kClientMac.bytes.begin(), 6, b.begin() + 6);
      std::copy_n(kDirectorMac.bytes.begin(), 6, b.begin());
      b[22] = 64;
      store_be16(b, 34, static_cast<uint16_t>(1000 + n % 60000));
      b[29] = static_cast<uint8_t>(1 + n / 60000);  // 198.51.100.1, 198.51.100.2
      fix_ip_checksum(b);
      frames_[i] = Frame{};
      frames_[i].data = b.data();
      frames_[i].size = static_cast<uint32_t>(b.size());
    }
    director_.frames_arrived(frames_, {now_, out_});
    sent_ += out_.departures().size();
    out_.clear();
  }

  struct Letter {
    FrameBytes syn, ack;
  };
  Instant now_{1000s};
  Outbox out_;
  Director director_;
  std::array<Letter, Director::kBatch> buffers_;
  std::array<Frame, Director::kBatch> frames_{};
  uint64_t sent_ = 0;
};

TEST_F(NoAllocation, CountsAllocationsAtAll) {
  const uint64_t before = allocations;
  const auto one = std::make_unique<FrameBytes>(100);
  EXPECT_EQ(allocations, before + 2);
}

TEST_F(NoAllocation, ForAMillionPacketsOfAThousandConnections) {
  constexpr uint32_t kConnections = 1000, kPackets = 1'000'000;
  const uint64_t before = allocations;
  for (uint32_t n = 0; n < kConnections; n += Director::kBatch) arrive(n, true, kConnections);
  const uint64_t opened = sent_;
  for (uint32_t n = 0; n < kPackets; n += Director::kBatch) {
    now_ += 1ms;
    arrive(n, false, kConnections);
    if (n % 1024 == 0) director_.time_passed({now_, out_});
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sent_ - opened, kPackets);
  EXPECT_EQ(director_.connections().size(), kConnections);
}

TEST_F(NoAllocation, ForAHundredThousandNewConnectionsAndTheirEnd) {
  constexpr uint32_t kConnections = 1'600 * Director::kBatch;  // 102,400
  const uint64_t before = allocations;
  for (uint32_t n = 0; n < kConnections; n += Director::kBatch) arrive(n, true, kConnections);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sent_, kConnections);
  EXPECT_EQ(director_.connections().size(), kConnections);
  now_ += 61s;  // SYN_RECV's timeout
  for (uint32_t turns = 0; director_.connections().size() != 0 && turns < kConnections; ++turns) {
    director_.time_passed({now_, out_});
  }
  EXPECT_EQ(director_.connections().size(), 0u);
  EXPECT_EQ(allocations, before);
}

class NoAllocationInAFullTable : public NoAllocation {
 protected:
  NoAllocationInAFullTable() : NoAllocation(2000) {}
};

TEST_F(NoAllocationInAFullTable, ForAHundredThousandNewConnectionsThatMakeOthersGiveWay) {
  constexpr uint32_t kConnections = 1'600 * Director::kBatch;
  const uint64_t before = allocations;
  for (uint32_t n = 0; n < kConnections; n += Director::kBatch) arrive(n, true, kConnections);
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sent_, kConnections) << "none was refused";
  EXPECT_EQ(director_.connections().size(), 1500u) << "the share of a protocol";
}

// Every other step of the path a few hundred times, in memory allocated before.
class NoAllocationOnAnyPath : public testing::Test {
 protected:
  NoAllocationOnAnyPath()
      : director_({.garp_count = 0, .garp_interval = 0ms, .arp_probe_interval = 0ms}, HashKey{1, 2}, now_) {
    for (const bool outside : {true, false}) {
      LinkFacts facts;
      facts.name = outside ? "eth0" : "eth1";
      facts.role = outside ? LinkRole::clients : LinkRole::servers;
      facts.ifindex = 1;
      facts.up = facts.carrier = true;
      facts.mac = outside ? kDirectorMac : kInsideMac;
      facts.addresses = {{ip(outside ? "192.0.2.10" : "203.0.113.10"), 24}};
      director_.link_changed(outside ? kOutLink : kInLink, facts, {now_, out_});
    }
    room_.resize(70000);
    out_.clear();
  }
  void service(Protocol protocol, uint16_t port, Method method, Tunnel tunnel = {}, Duration persistence = 0s) {
    const ServiceKey key{protocol, {ip("192.0.2.100"), Port(port)}, {}};
    ASSERT_FALSE(director_.add({.key = key, .scheduler = Scheduler::rr, .persistence = persistence}, {now_, out_}));
    ServerSpec server{.at = {ip("203.0.113.11"), Port(translates(method) ? 8080 : port)}, .method = method};
    server.tunnel = tunnel;
    server.proxy = method == Method::fullnat && protocol == Protocol::tcp;
    server.mac = Mac{{2, 0, 0, 0, 1, 0x11}};
    ASSERT_FALSE(director_.add_server(key, server, {now_, out_}));
    out_.clear();
  }
  void arrives(FrameBytes b, Link link = kOutLink) {
    if (link == kInLink) std::copy_n(kInsideMac.bytes.begin(), 6, b.begin());
    script_.push_back({std::move(b), link});
  }
  // A datagram in pieces, the last one first.
  void arrives_cut(const FrameBytes& whole, Link link, uint16_t id) {
    constexpr size_t kStep = 1000;
    for (size_t at = (whole.size() - 35) / kStep * kStep, end = whole.size() - 34;; at -= kStep) {
      const size_t size = std::min(kStep, end - at);
      const auto* const data = whole.data() + 34 + at;
      FrameBytes piece = ipv4_frame(
          kClientMac, kDirectorMac, text(Ip(load_be32(whole, 26))), text(Ip(load_be32(whole, 30))), whole[23], 64,
          static_cast<uint16_t>((at + size < end ? 0x2000u : 0u) | at / 8), {data, data + size});
      store_be16(piece, 18, id);
      fix_ip_checksum(piece);
      arrives(piece, link);
      if (at == 0) return;
    }
  }
  // Everything arrives repeatedly; expects this number of frames to leave each time.
  void play(uint64_t sent_each_time) {
    static_cast<void>(director_.watch_version());  // as the engine does after each change, before the next frame
    const uint64_t before = allocations;
    for (int times = 0; times < 100; ++times) {
      uint64_t sent = 0;
      now_ += 1ms;
      for (const Arrives& a : script_) {
        constexpr uint32_t kHeadroom = 64;
        std::copy(a.bytes.begin(), a.bytes.end(), room_.begin() + kHeadroom);
        Frame f;
        f.data = room_.data() + kHeadroom;
        f.size = static_cast<uint32_t>(a.bytes.size());
        f.headroom = kHeadroom;
        f.link = a.link;
        director_.frames_arrived({&f, 1}, {now_, out_});
        sent += out_.departures().size();
        out_.clear();
      }
      director_.time_passed({now_, out_});
      ASSERT_EQ(sent, sent_each_time);
    }
    EXPECT_EQ(allocations, before);
  }

  struct Arrives {
    FrameBytes bytes;
    Link link;
  };
  Instant now_{1000s};
  Outbox out_;
  Director director_;
  FrameBytes room_;
  std::vector<Arrives> script_;
};

constexpr const char *kServer = "203.0.113.11", *kClient = "198.51.100.1";

TEST_F(NoAllocationOnAnyPath, ForNatAndTemplates) {
  service(Protocol::tcp, 80, Method::masq, {}, 300s);
  for (uint16_t port = 2000; port < 2050; ++port) {
    arrives(frame(Tcp{.sport = port}));
    arrives(frame(Tcp{.src = kServer, .dst = kClient, .sport = 8080, .dport = port, .flags = "SA"}), kInLink);
    arrives(frame(Tcp{.sport = port, .flags = "A"}));
    arrives(frame(Tcp{.sport = port, .flags = "RA"}));
  }
  play(200);
  EXPECT_EQ(director_.connections().size(), 51u);
}

TEST_F(NoAllocationOnAnyPath, ForFullNatAndTheProxyProtocol) {
  service(Protocol::tcp, 80, Method::fullnat, {}, 300s);
  service(Protocol::udp, 53, Method::fullnat);
  for (uint16_t port = 2000; port < 2050; ++port) {
    arrives(frame(Tcp{.sport = port}));
    arrives(frame(Tcp{.sport = port, .flags = "A", .data = "GET", .seq = 1001, .ack = 1}));  // and the header
    arrives(frame(Tcp{.sport = port, .flags = "RA", .seq = 1004}));
    arrives(frame(Udp{.sport = port}));
  }
  play(250);
}

TEST_F(NoAllocationOnAnyPath, ForTunnels) {
  service(Protocol::tcp, 80, Method::tunnel);
  service(Protocol::udp, 53, Method::tunnel, {TunnelType::gue, Port(6080), TunnelChecksum::checksum});
  service(Protocol::udp, 54, Method::tunnel, {TunnelType::gre, Port(), TunnelChecksum::checksum});
  arrives(frame(Tcp{}));
  arrives(frame(Udp{}));
  arrives(frame(Udp{.dport = 54, .data = std::string(1472, 'x'), .dont_fragment = false}));  // cut in two
  play(4);
}

TEST_F(NoAllocationOnAnyPath, ForFragmentsOfAnyMethod) {
  service(Protocol::udp, 53, Method::masq);
  service(Protocol::udp, 54, Method::tunnel);
  service(Protocol::udp, 55, Method::route);
  const std::string data(4000, 'x');
  for (uint16_t port = 53; port <= 55; ++port) {
    arrives_cut(frame(Udp{.dport = port, .data = data, .dont_fragment = false}), kOutLink, port);
  }
  const Udp answer{.src = kServer, .dst = kClient, .sport = 8080, .dport = 1001, .data = data, .dont_fragment = false};
  arrives_cut(frame(answer), kInLink, 9);
  play(20);
}

TEST_F(NoAllocationOnAnyPath, ForSctp) {
  service(Protocol::sctp, 80, Method::masq, {}, 300s);
  FrameBytes l4{0x07, 0xd0, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4};  // INIT
  arrives(ipv4_frame(kClientMac, kDirectorMac, kClient, "192.0.2.100", 132, 64, 0, l4));
  l4 = {0x1f, 0x90, 0x07, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 4};  // INIT-ACK
  arrives(ipv4_frame(kClientMac, kDirectorMac, kServer, kClient, 132, 64, 0, l4), kInLink);
  play(2);
}

TEST_F(NoAllocationOnAnyPath, ForFtp) {
  service(Protocol::tcp, 21, Method::masq);
  const auto client = [&](const char* flags, uint32_t seq, const std::string& data) {
    arrives(frame(Tcp{.dport = 21, .flags = flags, .data = data, .seq = seq}));
  };
  const auto server = [&](const char* flags, uint32_t seq, const std::string& data) {
    Tcp t{.src = kServer, .dst = kClient, .sport = 8080, .dport = 1001, .flags = flags, .data = data, .seq = seq};
    arrives(frame(t), kInLink);
  };
  client("S", 1000, "");
  server("SA", 5000, "");
  client("PA", 1001, "PASV\r\n");
  server("PA", 5001, "227 Entering Passive Mode (203,0,113,");
  server("PA", 5038, "11,39,17).\r\n");
  arrives(frame(Tcp{.sport = 1002, .dport = 10001}));  // the data connection
  arrives(frame(Tcp{.sport = 1002, .dport = 10001, .flags = "R"}));
  client("R", 1007, "");
  play(8);
}

}  // namespace
}  // namespace rawvs
