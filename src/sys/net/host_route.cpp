// SPDX-License-Identifier: BSD-2-Clause
// host_route.cpp: the kernel sends whole packets with complete checksums up to the route's MTU: super-frames are cut
// first.
#include "sys/net/host_route.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/fd.h"
#include "sys/net/socket_address.h"
#include "sys/sys.h"
#include "wire/ip_header.h"
#include "wire/packet.h"
#include "wire/split.h"

namespace rawvs {
namespace {

constexpr int kSendBytes = 1 << 20;  // enough for a burst; the kernel doubles it

}  // namespace

struct HostRoute::Impl {
  Fd socket;
  Fd socket6;  // none: this kernel has no IPv6
  std::array<Counters, kMostLinks> counters;
  std::array<uint8_t, 9728> segment{};  // jumbo frames; no card merges larger segments

  void send_all(Frame frame, uint8_t hops);
  void send_segments(Segmenter& segments, Link from);
  void send_one(Frame frame, Link from);
};

HostRoute::HostRoute(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HostRoute::~HostRoute() = default;

Result<std::unique_ptr<HostRoute>> HostRoute::open() {
  auto impl = std::make_unique<Impl>();
  // IPPROTO_RAW: send only, nothing is queued for reading; implies IP_HDRINCL.
  impl->socket = Fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  if (!impl->socket) return Error{system_error("raw socket (needs root or CAP_NET_RAW)", errno)};
  setsockopt(impl->socket.get(), SOL_SOCKET, SO_SNDBUF, &kSendBytes, sizeof kSendBytes);
  impl->socket6 = Fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  setsockopt(impl->socket6.get(), SOL_SOCKET, SO_SNDBUF, &kSendBytes, sizeof kSendBytes);
  return std::unique_ptr<HostRoute>(new HostRoute(std::move(impl)));
}

void HostRoute::send(Frame frame) {
  const uint8_t ttl = frame.data[kEthernetSize + ttl_at(stated_family(frame.bytes().subspan(kEthernetSize)))];
  if (ttl > 1) return impl_->send_all(frame, 1);
  ++impl_->counters[index(frame.link)].expired;
}

void HostRoute::deliver(Frame frame) {
  Counters& count = impl_->counters[index(frame.link)];
  const uint64_t before = count.too_long + count.failed;
  impl_->send_all(frame, 0);
  count.undelivered += count.too_long + count.failed - before;
}

void HostRoute::Impl::send_all(Frame frame, uint8_t hops) {
  Packet packet;
  const bool super = frame.offload.super_frame() && !parse_ip(frame, packet);
  // The header's checksum may be wrong now; the kernel computes it in any case (raw(7)).
  uint8_t& ttl = frame.data[kEthernetSize + ttl_at(stated_family(frame.bytes().subspan(kEthernetSize)))];
  ttl = static_cast<uint8_t>(ttl - hops);
  if (super) {
    Segmenter segments(frame, packet);
    if (segments.valid() && segments.largest_piece() <= segment.size()) return send_segments(segments, frame.link);
  }
  send_one(frame, frame.link);
}

void HostRoute::Impl::send_segments(Segmenter& segments, Link from) {
  for (Frame piece; segments.next(segment, piece);) send_one(piece, from);
}

void HostRoute::Impl::send_one(Frame frame, Link from) {
  Counters& count = counters[index(from)];
  complete_checksum(frame);
  const MutableBytes bytes = frame.bytes().subspan(kEthernetSize);
  const Family family = stated_family(bytes);
  const Bytes packet = bytes.first(std::min<size_t>(bytes.size(), total_of(bytes, family)));  // without padding
  const SocketAddress to({destination_of(packet, family), Port{}});
  const Fd& by = family == Family::ipv4 ? socket : socket6;
  const ssize_t sent = sendto(by.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.get(), to.size());
  if (sent >= 0) {
    ++count.sent;
  } else if (errno == EMSGSIZE) {
    ++count.too_long;
  } else {
    ++count.failed;
  }
}

const HostRoute::Counters& HostRoute::counters(Link from) const { return impl_->counters[index(from)]; }

}  // namespace rawvs
