// SPDX-License-Identifier: BSD-2-Clause
// datagram.h: a datagram as its sender cuts it, and Reassembly's outcome for each fragment.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/reassembly.h"
#include "frames.h"
#include "links.h"

namespace rawvs::test {

inline constexpr HashKey kSecret{0x0123456789abcdef, 0xfedcba9876543210};
constexpr Instant kStart{};
inline constexpr uint16_t kDf = 0x4000, kMore = 0x2000;

inline FrameBytes bytes_of(const Frame& f) { return {f.data, f.data + f.size}; }

struct Datagram {  // what a sender cuts into fragments
  std::string src = "198.51.100.1", dst = "192.0.2.100";
  uint16_t ip_id = 1;
  uint8_t protocol = 17, tos = 0, ttl = 64;
  uint16_t df = 0;
  FrameBytes options{};
  FrameBytes payload{};

  FrameBytes piece(size_t from, size_t to, uint16_t word) const {
    FrameBytes l4(payload.begin() + static_cast<std::ptrdiff_t>(from),
                  payload.begin() + static_cast<std::ptrdiff_t>(to));
    FrameBytes b = ipv4_frame(kClientMac, kDirectorMac, src, dst, protocol, ttl, word, l4);
    b.insert(b.begin() + 34, options.begin(), options.end());
    const size_t total = b.size() - 14;
    b[14] = static_cast<uint8_t>(0x45 + options.size() / 4);
    b[15] = tos;
    b[16] = static_cast<uint8_t>(total >> 8), b[17] = static_cast<uint8_t>(total);
    b[18] = static_cast<uint8_t>(ip_id >> 8), b[19] = static_cast<uint8_t>(ip_id);
    fix_ip_checksum(b);
    return b;
  }
  FrameBytes whole() const { return piece(0, payload.size(), df); }
  FrameBytes fragment(size_t from, size_t to) const {
    const unsigned more = to < payload.size() ? kMore : 0u;
    return piece(from, to, static_cast<uint16_t>(df | more | from / 8));
  }
  std::vector<FrameBytes> cut(size_t step) const {
    std::vector<FrameBytes> all;
    for (size_t at = 0; at < payload.size(); at += step) {
      all.push_back(fragment(at, std::min(at + step, payload.size())));
    }
    return all;
  }
};

inline Datagram datagram(size_t size, uint32_t seed = 1) {  // of UDP: its first eight bytes are a sound header
  Datagram d;
  std::mt19937 random(seed);
  d.payload.resize(size);
  for (auto& byte : d.payload) byte = static_cast<uint8_t>(random());
  const FrameBytes header{3, 233, 0, 53, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size), 0, 0};
  std::copy(header.begin(), header.end(), d.payload.begin());
  return d;
}

struct Kept {  // an outcome whose frame is copied before the next one overwrites it
  std::optional<Exit> exit;
  FrameBytes whole;
  uint16_t largest;
  uint32_t gave_way;
  Frame frame;
  std::vector<uint16_t> cuts;
};

inline Kept add(Reassembly& reassembly, FrameBytes bytes, Instant now = kStart, Link link = kOutLink,
                uint16_t vlan = 0) {
  Frame f;
  f.data = bytes.data();
  f.size = static_cast<uint32_t>(bytes.size());
  f.link = link;
  Packet packet;
  const auto wrong = parse_ip(f, packet);
  EXPECT_FALSE(wrong) << words(*wrong).name;
  f.vlan = vlan;
  const auto outcome = reassembly.add(f, packet, now);
  return {outcome.exit,     bytes_of(outcome.whole), outcome.largest,
          outcome.gave_way, outcome.whole,           {outcome.cuts.at.begin(), outcome.cuts.at.end()}};
}

}  // namespace rawvs::test
