// SPDX-License-Identifier: BSD-2-Clause
// tun_io.cpp: readv(2) and writev(2) on a tun interface's descriptor.
#include "sys/io/tun_io.h"

#include <sys/uio.h>

#include <cerrno>
#include <utility>

#include "sys/io/bare_link.h"
#include "sys/io/vnet_header.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs {
namespace {

constexpr auto kLinkHeader = static_cast<uint16_t>(kEthernetSize);  // of every frame, but not of the tun interface

// The facts of the packet without its Ethernet header.
Offload bare(Offload offload) {
  if (offload.partial_checksum()) offload.checksum_start = static_cast<uint16_t>(offload.checksum_start - kLinkHeader);
  if (offload.header_size >= kLinkHeader)
    offload.header_size = static_cast<uint16_t>(offload.header_size - kLinkHeader);
  return offload;
}

bool of_tcp(const Offload& offload) {
  const int kind = offload.segmentation & ~Offload::ecn;
  return kind == Offload::tcp4 || kind == Offload::tcp6;
}

}  // namespace

TunIo::TunIo(int fd, Link link) : fd_(fd), link_(link), data_(new uint8_t[kFrames * kFrameSize]) {}

// False: no frame; more: the next one may be.
bool TunIo::read_one(Frame& frame, bool& more) {
  uint8_t* const data = data_.get() + lent_ * kFrameSize + kHeadroom + kLinkHeader;
  VnetHeader header;
  const std::array<iovec, 2> parts{{{&header, sizeof header}, {data, kFrameSize - kHeadroom - kLinkHeader}}};
  const ssize_t got = readv(fd_, parts.data(), static_cast<int>(parts.size()));
  more = got >= 0 || errno == EINTR;
  if (got < 0 && errno != EAGAIN && errno != EINTR) error_seen_ = true;
  if (got < static_cast<ssize_t>(sizeof header)) return false;
  frame = Frame{};
  frame.link = link_;
  frame.data = data;
  frame.size = static_cast<uint32_t>(got) - static_cast<uint32_t>(sizeof header);
  frame.headroom = kHeadroom + kLinkHeader;
  frame.offload = header.offload();
  return give_ethernet(frame);
}

size_t TunIo::receive(std::span<Frame> frames) {
  size_t n = 0;
  bool more = true;
  for (size_t reads = 0; more && reads < kFrames && n < frames.size() && lent_ < kFrames; ++reads) {
    if (read_one(frames[n], more)) ++n, ++lent_;
  }
  counters_.received += n;
  return n;
}

void TunIo::send(std::span<const Frame> frames) {
  for (const Frame& frame : frames) send_one(frame);
}

// The kernel takes TCP's super-frames whole; others depend on its version, and are cut here.
void TunIo::send_one(Frame frame) {
  Packet packet;
  if (!frame.offload.super_frame() || of_tcp(frame.offload) || parse_ip(frame, packet)) return write_one(frame);
  Segmenter segments(frame, packet);
  if (!segments.valid() || segments.largest_piece() > segment_.size()) {
    ++counters_.send_failed;
    return;
  }
  for (Frame piece; segments.next(segment_, piece);) write_one(piece);
}

void TunIo::write_one(const Frame& frame) {
  VnetHeader header = VnetHeader::of(bare(frame.offload));
  const std::array<iovec, 2> parts{{{&header, sizeof header}, {frame.data + kLinkHeader, frame.size - kLinkHeader}}};
  for (int tries = 0; tries < 3; ++tries) {
    if (writev(fd_, parts.data(), static_cast<int>(parts.size())) >= 0) {
      ++counters_.sent;
      return;
    }
    if (errno != EINTR) break;
  }
  ++counters_.send_failed;
}

bool TunIo::take_error() { return std::exchange(error_seen_, false); }

}  // namespace rawvs
