// SPDX-License-Identifier: BSD-2-Clause
// bare_link.cpp: headers and sockets of links without Ethernet. packet(7).
#include "sys/io/bare_link.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "rawvs/bytes.h"
#include "sys/sys.h"
#include "wire/ethernet.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs {
namespace {

constexpr auto kHeader = static_cast<uint16_t>(kEthernetSize);

// Whatever the length of the link's own addresses, which may be those of an IPv6 tunnel.
struct Address {
  sockaddr_ll ll{};
  std::array<uint8_t, 24> more{};
};

}  // namespace

bool give_ethernet(Frame& frame) {
  if (frame.size == 0) return false;
  const int version = frame.data[0] >> 4;
  if (version != 4 && version != 6) return false;
  frame.data -= kHeader, frame.size += kHeader, frame.headroom -= kHeader;
  std::ranges::copy(kBareOwn.bytes, frame.data);
  std::ranges::copy(kBarePeer.bytes, frame.data + kBareOwn.bytes.size());
  store_be16(frame.bytes(), kEthernetTypeAt, version == 4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  Offload& offload = frame.offload;
  if (offload.partial_checksum()) offload.checksum_start = static_cast<uint16_t>(offload.checksum_start + kHeader);
  if (offload.header_size != 0) offload.header_size = static_cast<uint16_t>(offload.header_size + kHeader);
  return true;
}

Result<Done> BareSender::open(const std::string& interface, int ifindex) {
  fd_ = Fd(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_) return at("interface " + interface, {system_error("packet socket", errno)});
  ifindex_ = ifindex;
  return Done{};
}

bool BareSender::send(Frame frame, LinkCounters& counters) {
  Packet packet;
  if (!frame.offload.super_frame() || parse_ip(frame, packet)) return send_packet(frame, counters);
  Segmenter segments(frame, packet);
  if (!segments.valid() || segments.largest_piece() > segment_.size()) return ++counters.send_failed, false;
  bool down = false;
  for (Frame piece; segments.next(segment_, piece);) down |= send_packet(piece, counters);
  return down;
}

bool BareSender::send_packet(Frame frame, LinkCounters& counters) {
  complete_checksum(frame);
  Address to;
  to.ll.sll_family = AF_PACKET;
  to.ll.sll_ifindex = ifindex_;
  to.ll.sll_protocol =
      std::bit_cast<uint16_t>(std::array{frame.data[kEthernetTypeAt], frame.data[kEthernetTypeAt + 1]});
  const auto* const address = reinterpret_cast<const sockaddr*>(&to);
  for (int tries = 0; tries < 3; ++tries) {
    const ssize_t sent =
        sendto(fd_.get(), frame.data + kHeader, frame.size - kHeader, MSG_DONTWAIT | MSG_NOSIGNAL, address, sizeof to);
    if (sent >= 0) return ++counters.sent, false;
    if (errno != EINTR) break;
  }
  ++counters.send_failed;
  return errno == ENETDOWN;
}

}  // namespace rawvs
