// SPDX-License-Identifier: BSD-2-Clause
// frame_io.cpp: chooses the back end: the requested one, or the next that works.
#include "sys/io/frame_io.h"

#include "sys/io/packet_socket.h"
#include "sys/io/plain_socket.h"
#ifdef RAWVS_XDP
#include "sys/io/xdp_io.h"
#endif

namespace rawvs {
namespace {

template <class Io>
Result<std::unique_ptr<FrameIo>> widened(Result<std::unique_ptr<Io>> opened) {
  if (!opened) return opened.error();
  return std::unique_ptr<FrameIo>(std::move(*opened));
}

Result<std::unique_ptr<FrameIo>> open_one(IoMode mode, const FrameIo::Options& options,
                                          [[maybe_unused]] FlowMap& flows) {
  switch (mode) {
    case IoMode::socket: return widened(PlainSocket::open(options));
#ifdef RAWVS_XDP
    case IoMode::xdp: return widened(XdpIo::open(options, flows));
#else
    case IoMode::xdp:
#endif
    case IoMode::automatic:
    case IoMode::ring: break;
  }
  return widened(PacketSocket::open(options));
}

const char* what(IoMode mode) {
  switch (mode) {
    case IoMode::xdp: return "xdp";
    case IoMode::socket: return "socket";
    case IoMode::automatic:
    case IoMode::ring: break;
  }
  return "ring";
}

}  // namespace

Result<OpenedIo> open_frame_io(IoMode mode, const FrameIo::Options& options, FlowMap& flows) {
  static constexpr IoMode kOrder[] = {IoMode::xdp, IoMode::ring, IoMode::socket};
  const IoMode first = mode == IoMode::automatic ? IoMode::ring : mode;
  std::string skipped;
  bool begun = false;
  Error last{"no back end"};
  for (const IoMode candidate : kOrder) {
    begun = begun || candidate == first;
    if (!begun) continue;
    if (candidate == IoMode::xdp && !options.ethernet) {
      skipped = "xdp: it has no Ethernet";
      continue;
    }
    auto opened = open_one(candidate, options, flows);
    if (opened) return OpenedIo{std::move(*opened), std::move(skipped)};
    last = opened.error();
    skipped += (skipped.empty() ? "" : "; ") + at(what(candidate), last).text;
  }
  return last;
}

}  // namespace rawvs
