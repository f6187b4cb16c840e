// SPDX-License-Identifier: BSD-2-Clause
// Memory is decided at start: forwarding packets and opening connections allocates nothing.
// Replaces global operator new and delete for the whole test program; they count, and do what the library's do. What
// libnet allocates for the director's own frames is malloc(), and no forwarded packet needs it.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "frames.h"
#include "rawvs/director.h"

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

// All other forms call these (C++20, [new.delete]); under a sanitizer, whose own forms do not, the nothrow one has to
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
  // Without ARP of its own: what the director says itself is rare, and libnet allocates for it.
  NoAllocation()
      : director_({.garp_count = 0, .garp_interval = 0ms, .arp_probe_interval = 0ms}, HashKey{1, 2}, false, now_) {
    LinkFacts facts;
    facts.name = "eth0";
    facts.ifindex = 1;
    facts.up = facts.carrier = true;
    facts.mac = kDirectorMac;
    facts.addresses = {{ip("192.0.2.10"), 24}};
    director_.link_changed(Link::outside, facts, now_, out_);
    const ServiceKey key{Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
    EXPECT_FALSE(director_.add({key, Scheduler::wlc}, now_, out_));
    for (uint8_t i = 1; i <= 4; ++i) {
      const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
      EXPECT_FALSE(director_.add_server(key, {.at = {Ip(0xc000020a + i), Port(80)}, .mac = mac}, now_, out_));
    }
    out_.clear();
    for (Letter& l : letters_) l = {frame(Tcp{}), frame(Tcp{.flags = "A"})};
  }

  // A batch of segments of the connections first, first + 1 ... The letters are forwarded, and so changed: each time
  // the client's address and port, TTL and header checksum are written anew.
  void arrive(uint32_t first, bool syn, uint32_t connections) {
    for (uint32_t i = 0; i < Director::kBatch; ++i) {
      FrameBytes& b = syn ? letters_[i].syn : letters_[i].ack;
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
    director_.frames_arrived(frames_, now_, out_);
    sent_ += out_.departures().size();
    out_.clear();
  }

  struct Letter {
    FrameBytes syn, ack;
  };
  Instant now_{1000s};
  Outbox out_;
  Director director_;
  std::array<Letter, Director::kBatch> letters_;
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
    if (n % 1024 == 0) director_.time_passed(now_, out_);
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
    director_.time_passed(now_, out_);
  }
  EXPECT_EQ(director_.connections().size(), 0u);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace rawvs
