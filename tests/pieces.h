// SPDX-License-Identifier: BSD-2-Clause
// pieces.h: frames to be cut, and the pieces that a cutter makes of them, for tests of split.h.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "frames.h"
#include "links.h"
#include "wire/split.h"

namespace rawvs::test {

using DontFragment = Fragmenter::DontFragment;
using Pieces = std::vector<FrameBytes>;
inline constexpr uint16_t kDf = 0x4000, kMore = 0x2000;

inline unsigned get16(const FrameBytes& b, size_t at) { return b[at] * 256u + b[at + 1]; }
inline void set16(FrameBytes& b, size_t at, unsigned v) {
  b[at] = static_cast<uint8_t>(v >> 8), b[at + 1] = static_cast<uint8_t>(v);
}
inline void set32(FrameBytes& b, size_t at, unsigned v) { set16(b, at, v >> 16), set16(b, at + 2, v & 0xffff); }

inline std::string noise(size_t size, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::string s(size, 0);
  for (char& c : s) c = static_cast<char>(random());
  return s;
}

inline Frame frame_of(FrameBytes& b) {
  Frame f;
  f.data = b.data();
  f.size = static_cast<uint32_t>(b.size());
  f.link = kInLink;
  f.vlan = 5;
  return f;
}

inline FrameBytes with_options(FrameBytes b, const FrameBytes& options) {
  b.insert(b.begin() + 34, options.begin(), options.end());
  b[14] = static_cast<uint8_t>(b[14] + options.size() / 4);
  set16(b, 16, get16(b, 16) + static_cast<unsigned>(options.size()));
  fix_ip_checksum(b);
  return b;
}

// What a cutter gives, each piece written into a buffer of exactly the size it asked for.
template <class Cutter>
Pieces pieces_of(Cutter cutter, std::vector<Offload>* offloads = nullptr) {
  Pieces all;
  FrameBytes out(cutter.largest_piece());
  for (Frame piece; cutter.next({out.data(), out.size()}, piece) && all.size() < 10000;) {
    EXPECT_EQ(piece.data, out.data());
    EXPECT_EQ(piece.headroom, 0u);
    EXPECT_EQ(piece.link, kInLink);
    EXPECT_EQ(piece.vlan, 5);
    all.emplace_back(piece.data, piece.data + piece.size);
    if (offloads != nullptr) offloads->push_back(piece.offload);
  }
  return all;
}

struct Super {  // a super-frame
  FrameBytes bytes;
  Offload offload{};
  Frame frame() {
    Frame f = frame_of(bytes);
    f.offload = offload;
    return f;
  }
  Packet packet() {
    Packet p;
    const auto wrong = parse_ip(frame(), p);
    EXPECT_FALSE(wrong) << words(*wrong).name;
    return p;
  }
  Pieces segments(std::vector<Offload>* offloads = nullptr) {
    return pieces_of(Segmenter(frame(), packet()), offloads);
  }
};

}  // namespace rawvs::test
