// SPDX-License-Identifier: BSD-2-Clause
// frame_io.h: receives and sends frames on one interface: the common interface of all back ends ([director] io).
// In:  an interface, what the director watches; frames to send.
// Out: frames with their offload facts, borrowed until release().
// Not: what the frames mean.
//
// Back ends: ring (packet_socket.h), socket (plain_socket.h, for old kernels and small memory), xdp (xdp_io.h, a build
// option).
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
    std::string name;  // for messages
    Link link{};       // the frames' Link
    uint32_t ring_frames = 1024;
    uint16_t mtu = 1500;   // decides the slot size
    bool ethernet = true;  // false: the interface has bare IP packets (bare_link.h)
    Duration patience{};   // retry a busy back end for this long: the previous program has just closed it
    int fast_taps = -1;    // FastPath::taps(), asked about each frame (tap_filter.h); -1: none. REQUIRES: outlives it
  };
  static constexpr uint32_t kHeadroom = 64;

  FrameIo() = default;
  virtual ~FrameIo() = default;
  FrameIo(const FrameIo&) = delete;
  FrameIo& operator=(const FrameIo&) = delete;

  virtual bool is_exclusive() const { return false; }  // only one process can have it on an interface
  virtual const char* name() const = 0;                // "ring", "socket", "xdp"
  virtual std::string remark() const = 0;              // one line about the back end for the log, or empty
  virtual int fd() const = 0;                          // readable when frames are waiting

  // Sets what is delivered from now on; before the first call nothing is. own: our MAC addresses on this interface, its
  // own first; the interface then accepts frames to all of them.
  virtual Result<Done> watch(const Watch& watch, std::span<const Mac> own) = 0;
  // Quickly delivers at least what watch() would. REQUIRES: watch() follows soon.
  virtual Result<Done> widen(const Watch& watch, std::span<const Mac> own) = 0;
  // True: the filter is too long for the kernel, and every IP and ARP frame is delivered, which only costs time.
  virtual bool filter_is_wide() const = 0;

  // Whether what the fast path forwards is left out by the filter that the last watch() or widen() has set. Else the
  // classifier may not be attached there: the director would forward these frames, too. fast_problem(): why not, where
  // there are taps.
  virtual bool leaves_out_fast() const { return false; }
  virtual std::string fast_problem() const { return {}; }

  // Of the solicited-node groups of IPv6 VIPs, those that the kernel did not let us join, and the errno of that. The
  // interface then accepts all multicast frames, but switches that snoop MLD may keep solicitations from it.
  struct Missing {
    size_t groups = 0;
    int problem = 0;
  };
  virtual Missing missing() const = 0;

  // The next frames, at most frames.size(), valid and writable until release(). Each has at least kHeadroom bytes of
  // headroom. 0: none is waiting, and release() is not needed.
  virtual size_t receive(std::span<Frame> frames) = 0;
  virtual void release() = 0;  // returns the buffers of receive()

  // Sends frames in order with their offload facts, with few system calls. Never blocks.
  virtual void send(std::span<const Frame> frames) = 0;

  // The counters so far, including the kernel's drop counter.
  virtual LinkCounters counters() = 0;

  // Clears a pending error (the interface went down). True: there was one.
  virtual bool take_error() = 0;
};

// Opens the back end `mode`, or, if it does not work, the next of xdp, ring, socket. auto begins with ring, which works
// best for most. REQUIRES: flows outlives it.
struct OpenedIo {
  std::unique_ptr<FrameIo> io;
  std::string skipped;  // why others were skipped, or empty
};
Result<OpenedIo> open_frame_io(IoMode mode, const FrameIo::Options& options, FlowMap& flows);

}  // namespace rawvs
