// SPDX-License-Identifier: BSD-2-Clause
// xdp_io.cpp: receives and sends through AF_XDP's four rings. Set-up: xdp_setup.cpp.
#include "sys/io/xdp_io.h"

#include <linux/if_ether.h>
#include <linux/if_link.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/io/xdp_checksum.h"

namespace rawvs {
namespace {

constexpr uint32_t kOthersTurn = 16;  // calls of receive() after which the packet socket is read in any case
constexpr size_t kOthersMost = 8;     // frames read from it then

}  // namespace

// Frames that XDP passes to the kernel (ARP, other queues) come from the packet socket and cost a system call. It is
// read when nothing else is there, or when it has waited long.
size_t XdpIo::receive(std::span<Frame> frames) {
  if (waiting_ != 0) push();
  const bool others_turn = ++calls_ % kOthersTurn == 0;
  size_t n = others_turn ? rest_->receive(frames.first(std::min(frames.size(), kOthersMost))) : 0;
  n += take(frames.subspan(n));
  if (n == 0 && !others_turn) n = rest_->receive(frames);
  if (n == 0) error_seen_ = take_error();  // an error may have been what made the descriptor readable
  return n;
}

size_t XdpIo::take(std::span<Frame> frames) {
  uint32_t at = 0;
  const uint32_t count = xsk_ring_cons__peek(&rx_, static_cast<uint32_t>(frames.size()), &at);
  for (uint32_t i = 0; i < count; ++i) {
    const xdp_desc* const slot = xsk_ring_cons__rx_desc(&rx_, at + i);
    Frame& frame = frames[i];
    frame = Frame{};
    frame.link = options_.link;
    frame.data = area_ + slot->addr;
    frame.size = slot->len;
    frame.headroom = static_cast<uint32_t>(slot->addr % chunk_);
    frame.offload = offload_found(frame.bytes());
    lent_.push_back(slot->addr - slot->addr % chunk_);
  }
  if (count != 0) xsk_ring_cons__release(&rx_, count);
  counters_.received += count;
  return count;
}

void XdpIo::release() {
  rest_->release();
  if (lent_.empty()) return;
  refill(lent_);
  lent_.clear();
}

void XdpIo::refill(std::span<const uint64_t> buffers) {
  uint32_t at = 0;
  const auto count = static_cast<uint32_t>(buffers.size());  // the ring has room for all buffers
  if (xsk_ring_prod__reserve(&fill_, count, &at) != count) return;
  for (const uint64_t buffer : buffers) *xsk_ring_prod__fill_addr(&fill_, at++) = buffer;
  xsk_ring_prod__submit(&fill_, count);
  if (xsk_ring_prod__needs_wakeup(&fill_)) recvfrom(xsk_socket__fd(xsk_), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

void XdpIo::send(std::span<const Frame> frames) {
  for (const Frame& frame : frames) {
    // The packet socket does what AF_XDP cannot: it cuts super-frames, and reports frames that are too long.
    const bool fits = frame.size >= ETH_HLEN && frame.size <= uint32_t{options_.mtu} + ETH_HLEN;
    const bool special = frame.offload.super_frame() || frame.vlan != 0 || !fits;
    if (!special && put(frame)) continue;
    push();
    rest_->send({&frame, 1});
  }
  push();
}

// False: no buffer is free: earlier frames still wait to be sent.
bool XdpIo::put(const Frame& frame) {
  if (free_.empty()) push();
  uint32_t at = 0;
  if (free_.empty() || xsk_ring_prod__reserve(&tx_, 1, &at) != 1) return false;
  const uint64_t buffer = free_.back();
  free_.pop_back();
  uint8_t* const data = area_ + buffer;
  std::memcpy(data, frame.data, frame.size);
  if (frame.offload.partial_checksum()) complete_checksum({data, frame.size}, frame.offload);
  xdp_desc* const slot = xsk_ring_prod__tx_desc(&tx_, at);
  *slot = {buffer, frame.size, 0};
  xsk_ring_prod__submit(&tx_, 1);
  ++waiting_;
  ++counters_.sent;
  return true;
}

// Makes the kernel send until it has taken all frames. It takes some tens at a time, and returns EAGAIN if there are
// more. A driver that sends by itself need not be called, and reports sent frames later.
void XdpIo::push() {
  constexpr int kMostCalls = 64;
  reclaim();
  for (int calls = 0; waiting_ != 0 && calls < kMostCalls && xsk_ring_prod__needs_wakeup(&tx_) != 0; ++calls) {
    const bool taken = sendto(xsk_socket__fd(xsk_), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
    const int problem = errno;
    reclaim();
    if (taken) return;
    if (problem == EBUSY) {  // one frame was refused
      --counters_.sent;
      ++counters_.send_failed;
    } else if (problem != EAGAIN && problem != EINTR) {
      if (problem == ENETDOWN || problem == ENXIO) error_seen_ = true;
      return;
    }
  }
}

void XdpIo::reclaim() {
  uint32_t at = 0;
  const uint32_t count = xsk_ring_cons__peek(&completed_, kSent, &at);
  for (uint32_t i = 0; i < count; ++i) free_.push_back(*xsk_ring_cons__comp_addr(&completed_, at + i));
  if (count != 0) xsk_ring_cons__release(&completed_, count);
  waiting_ -= std::min(count, waiting_);
}

LinkCounters XdpIo::counters() {
  LinkCounters all = rest_->counters();
  all += counters_;
  xdp_statistics stats{};
  socklen_t size = sizeof stats;
  if (getsockopt(xsk_socket__fd(xsk_), SOL_XDP, XDP_STATISTICS, &stats, &size) == 0)
    all.kernel_dropped += stats.rx_dropped + stats.rx_ring_full;
  return all;
}

bool XdpIo::take_error() {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (getsockopt(xsk_socket__fd(xsk_), SOL_SOCKET, SO_ERROR, &pending, &size) != 0) pending = errno;
  const bool rest = rest_->take_error();
  return std::exchange(error_seen_, false) || pending != 0 || rest;
}

}  // namespace rawvs
