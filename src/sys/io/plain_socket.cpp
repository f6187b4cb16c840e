// SPDX-License-Identifier: BSD-2-Clause
// plain_socket.cpp: AF_PACKET and recvmmsg(2). PACKET_AUXDATA gives the facts that a ring's slot has.
#include "sys/io/plain_socket.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rawvs {
namespace {

constexpr size_t kFrameSize = FrameIo::kHeadroom + 65535 + ETH_HLEN + 4;  // an IP packet of 64 KB, and one VLAN tag

}  // namespace

PlainSocket::PlainSocket(const Options& options) : LinkSocket(options), data_(new uint8_t[kFrames * kFrameSize]) {
  for (size_t i = 0; i < kFrames; ++i) {
    Envelope& e = envelopes_[i];
    msghdr& message = messages_[i].msg_hdr;
    message.msg_name = &e.from;
    message.msg_iov = e.parts.data();
    message.msg_iovlen = e.parts.size();
    message.msg_control = e.control.data();
  }
}

uint8_t* PlainSocket::data_of(size_t at) { return data_.get() + at * kFrameSize + kHeadroom + header_; }

Result<Done> PlainSocket::prepare() {
  if (const auto made = make(); !made) return made.error();
  constexpr int kOn = 1;
  if (!set_option(SOL_PACKET, PACKET_AUXDATA, kOn)) return error("packet socket: PACKET_AUXDATA");
  carry_offloads(true);
  return bind_to_interface();
}

Result<std::unique_ptr<PlainSocket>> PlainSocket::open(const Options& options) {
  std::unique_ptr<PlainSocket> socket(new PlainSocket(options));
  if (const auto prepared = socket->prepare(); !prepared) return prepared.error();
  return socket;
}

// Receives into the buffers after the borrowed ones; returns the number of frames.
size_t PlainSocket::read_some(size_t most) {
  for (size_t i = lent_; i < lent_ + most; ++i) {
    Envelope& e = envelopes_[i];
    e.parts = {{{&e.header, vnet_size_}, {data_of(i), kFrameSize - kHeadroom - header_}}};
    messages_[i].msg_hdr.msg_namelen = sizeof e.from;
    messages_[i].msg_hdr.msg_controllen = e.control.size();
    messages_[i].msg_hdr.msg_flags = 0;
  }
  // A pending error of the socket is reported first, once; it does not concern the waiting frames.
  for (int tries = 0; tries < 3; ++tries) {
    const int got = recvmmsg(fd(), &messages_[lent_], static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN) break;
    if (errno != EINTR) error_seen_ = true;
  }
  return 0;
}

size_t PlainSocket::receive(std::span<Frame> frames) {
  size_t n = 0;
  while (n < frames.size() && lent_ < kFrames) {
    const size_t most = std::min(frames.size() - n, kFrames - lent_);
    const size_t came = read_some(most);
    for (size_t i = lent_; i < lent_ + came; ++i) {
      if (fill(frames[n], i)) ++n;
    }
    lent_ += came;
    if (n == 0) lent_ = 0;  // only unusable frames
    if (came < most) break;
  }
  counters_.received += n;
  return n;
}

// False: the frame is not for the director.
bool PlainSocket::fill(Frame& frame, size_t at) {
  const Envelope& e = envelopes_[at];
  msghdr& message = messages_[at].msg_hdr;
  if (e.from.sll_pkttype == PACKET_OUTGOING) return false;
  if ((message.msg_flags & MSG_TRUNC) != 0 || messages_[at].msg_len < vnet_size_) {
    ++counters_.cut;
    return false;
  }
  frame = Frame{};
  frame.link = options_.link;
  frame.data = data_of(at);
  frame.size = messages_[at].msg_len - vnet_size_;
  frame.headroom = kHeadroom + header_;
  if (vnet_size_ != 0) frame.offload = e.header.offload();
  for (const cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(c))) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata facts{};
    std::memcpy(&facts, CMSG_DATA(c), sizeof facts);
    constexpr uint16_t kVlanId = 0x0fff;  // without it the tag is only a priority
    if ((facts.tp_status & TP_STATUS_VLAN_VALID) != 0) frame.vlan = facts.tp_vlan_tci & kVlanId;
  }
  return options_.ethernet || give_ethernet(frame);
}

}  // namespace rawvs
