// SPDX-License-Identifier: BSD-2-Clause
// frame_exchange.h: the number of frames passed to the director at once. tests/lab tests the loop.
#include "sys/engine/frame_exchange.h"

#include <gtest/gtest.h>

namespace rawvs {
namespace {

Frame super(uint32_t size, uint16_t segment) {
  Frame f;
  f.size = size;
  f.offload.segmentation = Offload::tcp4;
  f.offload.segment_size = segment;
  return f;
}

TEST(Fitting, AFrameNeedsAnOwnFrameForEachOfItsSegments) {
  std::vector<Frame> frames(64, super(5000, 100));  // 51 own frames each, of 512
  EXPECT_EQ(fitting(frames), 10u);
  frames.assign(64, super(65535, 1448));  // 46 segments, which a tunnel may need in three pieces
  EXPECT_EQ(fitting(frames), 2u);
  frames.assign(64, super(65535, 0));
  EXPECT_EQ(fitting(frames), 4u);
}

TEST(Fitting, AFrameThatNeedsMoreThanThereIsGoesAlone) {
  std::vector<Frame> frames(3, super(65535, 100));
  EXPECT_EQ(fitting(frames), 1u);
  frames[0] = Frame{};
  EXPECT_EQ(fitting(frames), 1u);
}

TEST(Fitting, OrdinaryFramesGoAllAtOnce) {
  Frame plain;
  plain.size = 1514;
  EXPECT_EQ(fitting(std::vector<Frame>(Director::kBatch, plain)), Director::kBatch);
}

}  // namespace
}  // namespace rawvs
