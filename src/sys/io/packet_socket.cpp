// SPDX-License-Identifier: BSD-2-Clause
// packet_socket.cpp: receives from an AF_PACKET socket with a TPACKET_V2 ring. Set-up: packet_setup.cpp.
//
// A slot of the ring:  tpacket2_hdr | sockaddr_ll | headroom | virtio_net_hdr | frame.
// Frames larger than a slot are read from the socket's queue, where they have the ring's order.
#include "sys/io/packet_socket.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace rawvs {
size_t PacketSocket::receive(std::span<Frame> frames) {
  const bool none_lent = lent_ == 0;
  size_t n = 0;
  while (n < frames.size() && lent_ < ring_.slots) {
    tpacket2_hdr* const slot = ring_.at(next_);
    const uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) break;
    if ((status & TP_STATUS_COPY) != 0 && whole_lent_ == kWholeFrames) break;
    next_ = next_ + 1 == ring_.slots ? 0 : next_ + 1;
    ++lent_;
    if (fill(frames[n], slot, status)) ++n;
  }
  counters_.received += n;
  // Only unusable slots: a caller that gets no frame does not call release().
  if (n == 0 && none_lent) release();
  return n;
}

// False: the slot holds no frame for the director.
bool PacketSocket::fill(Frame& frame, tpacket2_hdr* slot, uint32_t status) {
  auto* const start = reinterpret_cast<uint8_t*>(slot);
  frame = Frame{};
  frame.link = options_.link;
  constexpr uint16_t kVlanId = 0x0fff;  // without it the tag is only a priority
  if ((status & TP_STATUS_VLAN_VALID) != 0) frame.vlan = slot->tp_vlan_tci & kVlanId;
  // A frame in the queue has to be removed even if it is not used: the next slot would get it.
  const bool in_queue = (status & TP_STATUS_COPY) != 0;
  const bool complete = in_queue ? read_whole(frame) : slot->tp_snaplen == slot->tp_len;
  sockaddr_ll from{};
  std::memcpy(&from, start + TPACKET_ALIGN(sizeof *slot), sizeof from);
  if (from.sll_pkttype == PACKET_OUTGOING) return false;
  if (!complete) ++counters_.cut;
  if (!complete || in_queue) return complete;
  frame.data = start + slot->tp_mac;
  frame.size = slot->tp_snaplen;
  frame.headroom = slot->tp_mac - static_cast<uint32_t>(TPACKET2_HDRLEN);
  if (vnet_size_ != 0) {
    VnetHeader header;
    std::memcpy(&header, frame.data - vnet_size_, sizeof header);
    frame.offload = header.offload();
  }
  return options_.ethernet || give_ethernet(frame);
}

bool PacketSocket::read_whole(Frame& frame) {
  uint8_t* const data = whole_.get() + whole_lent_ * kWholeSize + kHeadroom + header_;
  VnetHeader header;
  std::array<iovec, 2> parts{{{&header, vnet_size_}, {data, kWholeSize - kHeadroom - header_}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t got = -1;
  // A pending error of the socket is reported first, once; it does not concern this frame.
  for (int tries = 0; tries < 3 && got < 0; ++tries) {
    got = recvmsg(fd(), &message, MSG_DONTWAIT);
    if (got >= 0) break;
    if (errno == EAGAIN) return false;
    if (errno != EINTR) error_seen_ = true;
  }
  if (got < static_cast<ssize_t>(vnet_size_) || (message.msg_flags & MSG_TRUNC) != 0) return false;
  frame.data = data;
  frame.size = static_cast<uint32_t>(got) - vnet_size_;
  frame.headroom = kHeadroom + header_;
  frame.offload = header.offload();
  ++whole_lent_;
  return options_.ethernet || give_ethernet(frame);
}

void PacketSocket::release() {
  uint32_t slot = next_ >= lent_ ? next_ - lent_ : next_ + ring_.slots - lent_;
  for (; lent_ > 0; --lent_) {
    __atomic_store_n(&ring_.at(slot)->tp_status, uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
    slot = slot + 1 == ring_.slots ? 0 : slot + 1;
  }
  whole_lent_ = 0;
}

}  // namespace rawvs
