// SPDX-License-Identifier: BSD-2-Clause
// poller.h: which handler learns that a descriptor is readable, and what ends a wait.
#include "sys/engine/poller.h"

#include "links.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "sys/sys.h"

namespace rawvs {
namespace {

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(pipe(fds), 0);
    out = Fd(fds[0]), in = Fd(fds[1]);
  }
  void fill() const { EXPECT_EQ(write(in.get(), "x", 1), 1); }
  Fd out, in;
};

class PollerTest : public testing::Test {
 protected:
  PollerTest() { EXPECT_TRUE(poller_.open()); }
  Poller poller_;
  Pipe a_, b_;
  Ready a_ready_, b_ready_;
};

TEST_F(PollerTest, APartIsToldOfItsOwnDescriptorOnceForEachWait) {
  ASSERT_TRUE(poller_.add(a_.out.get(), &a_ready_));
  ASSERT_TRUE(poller_.add(b_.out.get(), &b_ready_));
  b_.fill();
  poller_.wait(kNever);
  EXPECT_FALSE(a_ready_.take());
  EXPECT_TRUE(b_ready_.take());
  EXPECT_FALSE(b_ready_.take());
  EXPECT_FALSE(poller_.frames_wait());
  poller_.wait(kNever);
  EXPECT_TRUE(b_ready_.take()) << "it was not read";
}

TEST_F(PollerTest, ADescriptorWithoutAFlagEndsTheWaitAlone) {
  ASSERT_TRUE(poller_.add(a_.out.get(), nullptr));
  a_.fill();
  poller_.wait(kNever);
  EXPECT_FALSE(poller_.frames_wait());
}

TEST_F(PollerTest, FramesAreSeenWithoutTheOthersAndAsLongAsTheyAreAskedFor) {
  ASSERT_TRUE(poller_.add(a_.out.get(), &a_ready_));
  poller_.set_frames(kInLink, b_.out.get());
  b_.fill();
  poller_.wait(kNever);
  EXPECT_TRUE(poller_.frames_wait());
  EXPECT_FALSE(poller_.failed(kInLink));
  EXPECT_FALSE(a_ready_.take());
  poller_.set_frames(kInLink, -1);
  poller_.wait(kOverdue);
  EXPECT_FALSE(poller_.frames_wait()) << "the interface was closed";
}

TEST_F(PollerTest, AWaitEndsAtItsDeadline) {
  poller_.wait(kOverdue);
  const Instant deadline = clock_now() + 20ms;
  poller_.wait(deadline);
  EXPECT_GE(clock_now(), deadline);
  EXPECT_FALSE(poller_.frames_wait());
}

TEST_F(PollerTest, AClosedDescriptorIsNotWaitedForAnyMore) {
  ASSERT_TRUE(poller_.add(a_.out.get(), &a_ready_));
  a_.fill();
  a_.out.reset();
  poller_.wait(kOverdue);
  EXPECT_FALSE(a_ready_.take());
}

TEST_F(PollerTest, WhatCannotBeWaitedForIsAnError) {
  const auto added = poller_.add(-1, &a_ready_);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().text, "epoll: Bad file descriptor");
}

}  // namespace
}  // namespace rawvs
