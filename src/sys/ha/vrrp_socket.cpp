// SPDX-License-Identifier: BSD-2-Clause
// vrrp_socket.cpp: the raw and packet sockets.
#include "sys/ha/vrrp_socket.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/net/packet_info.h"
#include "sys/sys.h"
#include "wire/ipv6_header.h"

namespace rawvs {
namespace {

constexpr size_t kLeastHeader = 20;
constexpr int kPriority = 6;  // TC_PRIO_INTERACTIVE: before bulk data in the interface's queue

// The socket would receive all of the host's AH; only AH before VRRP is wanted.
bool only_vrrp(const Fd& fd) {
  std::array<sock_filter, 5> code{{
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),  // the IP header's length
      BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),   // AH's next header
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kVrrpProtocol, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

bool set_options_ipv4(const Fd& fd) {
  return set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_TTL, kVrrpTtl) &&
         set_option(fd.get(), IPPROTO_IP, IP_TTL, kVrrpTtl) && set_option(fd.get(), IPPROTO_IP, IP_TOS, kVrrpTos) &&
         set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_LOOP, 0) &&
         set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_ALL, 0) && set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
}

bool set_options_ipv6(const Fd& fd) {
  constexpr int kMulticastAll = 29;  // IPV6_MULTICAST_ALL, Linux 4.20; without it more is received, and refused
  static_cast<void>(set_option(fd.get(), IPPROTO_IPV6, kMulticastAll, 0));
  return set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kVrrpTtl) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, kVrrpTtl) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_TCLASS, kVrrpTos) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

int join_group(const Fd& fd, Family family, int ifindex) {
  if (family == Family::ipv4) {
    const ip_mreqn group{kernel_address(vrrp_group(family)), {}, ifindex};
    return setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group);
  }
  const ipv6_mreq group{kernel_address6(vrrp_group(family)), static_cast<unsigned>(ifindex)};
  return setsockopt(fd.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group);
}

}  // namespace

Result<std::unique_ptr<VrrpSocket>> VrrpSocket::open(Family family) {
  const bool v4 = family == Family::ipv4;
  Fd fd(socket(kernel_family(family), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kVrrpProtocol));
  if (!fd) return Error{system_error(v4 ? "vrrp: raw socket" : "vrrp: raw socket of IPv6", errno)};
  if (!(v4 ? set_options_ipv4(fd) : set_options_ipv6(fd)) ||
      !set_option(fd.get(), SOL_SOCKET, SO_PRIORITY, kPriority)) {
    return Error{system_error("vrrp: raw socket's options", errno)};
  }
  // Protocol 0: this socket receives nothing.
  Fd frames(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!frames) return Error{system_error("vrrp: packet socket", errno)};
  static_cast<void>(set_option(frames.get(), SOL_SOCKET, SO_PRIORITY, kPriority));
  // Adverts with AH are only counted: VRRP works without this socket. Only version 2 has them, which is of IPv4.
  Fd header_auth;
  if (v4) header_auth.reset(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kAuthenticationHeader));
  if (header_auth && !(only_vrrp(header_auth) && set_option(header_auth.get(), IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
                       set_option(header_auth.get(), IPPROTO_IP, IP_PKTINFO, 1))) {
    header_auth = Fd();
  }
  return std::unique_ptr<VrrpSocket>(new VrrpSocket(family, std::move(fd), std::move(frames), std::move(header_auth)));
}

int VrrpSocket::join(int ifindex) {
  if (header_auth_) static_cast<void>(join_group(header_auth_, family_, ifindex));
  if (join_group(fd_, family_, ifindex) == 0) return 0;
  return errno == EADDRINUSE ? 0 : errno;  // joined before
}

std::optional<VrrpSocket::Heard> VrrpSocket::receive() {
  if (family_ == Family::ipv6) return receive_ipv6();
  if (auto heard = receive_ipv4(fd_)) return heard;
  auto heard = header_auth_ ? receive_ipv4(header_auth_) : std::nullopt;
  if (heard) heard->packet.header_auth = true;
  return heard;
}

std::optional<VrrpSocket::Heard> VrrpSocket::receive_ipv4(const Fd& fd) {  // with the IP header
  InfoMessage message(bytes_.data(), bytes_.size(), nullptr);
  const ssize_t got = recvmsg(fd.get(), message.get(), MSG_DONTWAIT);
  if (got < static_cast<ssize_t>(kLeastHeader)) return std::nullopt;
  const Bytes packet(bytes_.data(), static_cast<size_t>(got));
  const size_t header = (packet[0] & 0x0fu) * 4u, total = load_be16(packet, 2);
  Heard heard;
  if (header < kLeastHeader || header > packet.size()) return heard;  // refused as truncated
  heard.packet.ttl = packet[8];
  heard.packet.source = Ip(load_be32(packet, 12));
  heard.packet.destination = Ip(load_be32(packet, 16));
  const size_t end = total >= header && total <= packet.size() ? total : packet.size();
  heard.packet.payload = packet.first(end).subspan(header);
  heard.ifindex = arrival_interface(*message.get());
  return heard;
}

std::optional<VrrpSocket::Heard> VrrpSocket::receive_ipv6() {  // without headers
  SocketAddress from;
  InfoMessage message(bytes_.data(), bytes_.size(), &from);
  const ssize_t got = recvmsg(fd_.get(), message.get(), MSG_DONTWAIT);
  if (got < 0) return std::nullopt;
  const DatagramArrival arrived = arrival(*message.get());
  const Ip source = from.endpoint().addr;
  Heard heard;
  heard.ifindex = arrived.ifindex;
  heard.packet.ttl = static_cast<uint8_t>(arrived.hops);
  // A mapped address would be taken for IPv4: refused as a bad source.
  heard.packet.source = source.is_v6() ? source : Ip::any(Family::ipv6);
  heard.packet.destination = arrived.to;
  heard.packet.payload = Bytes(bytes_).first(static_cast<size_t>(got));
  return heard;
}

int VrrpSocket::send(int ifindex, Ip source, Ip destination, Bytes payload) {
  SocketAddress to({destination, Port{}}, ifindex);
  InfoMessage message(const_cast<uint8_t*>(payload.data()), payload.size(), &to);
  message.leave_by(ifindex, source);
  return sendmsg(fd_.get(), message.get(), MSG_DONTWAIT) >= 0 ? 0 : errno;
}

int VrrpSocket::send_frame(int ifindex, Mac from, Ip source, Bytes payload) {
  std::array<uint8_t, kEthernetSize + kIpv6Size + kMostVrrpSize> frame;
  const size_t size = composer_.advert(frame, from, source, payload);
  if (size == 0) return EMSGSIZE;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = ifindex;
  const ssize_t sent =
      sendto(frames_.get(), frame.data(), size, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent >= 0 ? 0 : errno;
}

}  // namespace rawvs
