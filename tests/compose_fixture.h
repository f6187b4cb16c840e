// SPDX-License-Identifier: BSD-2-Clause
// compose_fixture.h: a composer with a buffer, for tests of what it builds.
#pragma once

#include <gtest/gtest.h>

#include "frames.h"
#include "wire/compose.h"
#include "wire/tcp_segment.h"

namespace rawvs::test {

class WithComposer : public testing::Test {
 protected:
  FrameBytes composed(size_t size) { return {buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)}; }
  Packet packet_of(FrameBytes& b) {
    Packet p;
    EXPECT_FALSE(parse_ip(view(b), p));
    return p;
  }
  Composer composer_;
  FrameBytes buffer_ = FrameBytes(2048);
};

}  // namespace rawvs::test
