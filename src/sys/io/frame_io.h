// SPDX-License-Identifier: BSD-2-Clause
// frame_io.h: how frames come from one interface and get to it: the one door of all back ends ([director] io).
// In:  an interface, what the director watches.   Out: frames with their offload facts, lent until release(); frames
// sent. Back ends: ring (packet_socket.h), socket (src/sys/plain_socket.h, for old kernels and small memory), xdp
// (src/sys/xdp_io.h, a build option). Not: what the frames mean. A back end moves bytes and decides nothing.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/link.h"
#include "core/outbox.h"
#include "rawvs/config.h"
#include "rawvs/result.h"
#include "side/watch.h"
#include "sys/guard/guard.h"

namespace rawvs {

class FrameIo {
 public:
  struct Options {
    int ifindex = 0;
    std::string name;           // for messages
    Link link = Link::outside;  // what frames are marked with
    uint32_t ring_frames = 1024;
    uint16_t mtu = 1500;  // decides the slot size
    Duration patience{};  // with a back end that the program before us has just given up: the kernel may be slow
  };
  static constexpr uint32_t kHeadroom = 64;

  FrameIo() = default;
  virtual ~FrameIo() = default;
  FrameIo(const FrameIo&) = delete;
  FrameIo& operator=(const FrameIo&) = delete;

  virtual const char* name() const = 0;    // "ring", "socket", "xdp"
  virtual std::string remark() const = 0;  // one line about it for the log, or empty
  virtual int fd() const = 0;              // readable when frames wait

  // What is delivered from now on; before the first call nothing is. own: our MAC addresses there, the interface's
  // first; the interface takes frames to the others, too, from now on.
  virtual Result<Done> watch(const Watch& watch, std::span<const Mac> own) = 0;
  // At once and cheaply: at least what watch() would deliver is delivered; watch() follows soon.
  virtual Result<Done> widen(const Watch& watch, std::span<const Mac> own) = 0;
  // The kernel takes no filter that long: every IPv4 and ARP frame is delivered, which costs time but loses none.
  virtual bool filter_is_wide() const = 0;

  // The next frames, at most frames.size(); the bytes stay valid and writable until release().
  // Every frame has at least kHeadroom bytes of headroom. 0: none waits, and there is nothing to release.
  virtual size_t receive(std::span<Frame> frames) = 0;
  virtual void release() = 0;  // gives the buffers of receive() back

  // Sends frames in order, offload facts along, by as few system calls as possible. Never blocks.
  virtual void send(std::span<const Frame> frames) = 0;

  // Counts so far. Reads the kernel's own drop counter.
  virtual LinkCounters counters() = 0;

  // A pending error (the interface went down): clears it. True when there was one.
  virtual bool take_error() = 0;
};

// Opens the back end that was asked for; where it does not work, the next one: xdp, ring, socket. auto begins with
// ring: it is right everywhere. REQUIRES: flows outlives it.
struct OpenedIo {
  std::unique_ptr<FrameIo> io;
  std::string skipped;  // why others were not taken, or empty
};
Result<OpenedIo> open_frame_io(IoMode mode, const FrameIo::Options& options, FlowMap& flows);

}  // namespace rawvs
