// SPDX-License-Identifier: BSD-2-Clause
// vrrp_socket.cpp: the raw and packet sockets.
#include "sys/ha/vrrp_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sys/net/packet_info.h"
#include "sys/sys.h"

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

}  // namespace

Result<std::unique_ptr<VrrpSocket>> VrrpSocket::open() {
  Fd fd(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kVrrpProtocol));
  if (!fd) return Error{system_error("vrrp: raw socket", errno)};
  const auto set = [](const Fd& to, int level, int option, int value) {
    return setsockopt(to.get(), level, option, &value, sizeof value) == 0;
  };
  const bool done = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, kVrrpTtl) && set(fd, IPPROTO_IP, IP_TTL, kVrrpTtl) &&
                    set(fd, IPPROTO_IP, IP_TOS, kVrrpTos) && set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) &&
                    set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) && set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
                    set(fd, SOL_SOCKET, SO_PRIORITY, kPriority);
  if (!done) return Error{system_error("vrrp: raw socket's options", errno)};
  // Protocol 0: this socket receives nothing.
  Fd frames(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!frames) return Error{system_error("vrrp: packet socket", errno)};
  static_cast<void>(set(frames, SOL_SOCKET, SO_PRIORITY, kPriority));
  // Adverts with AH are only counted: VRRP works without this socket.
  Fd header_auth(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, kAuthenticationHeader));
  if (header_auth && !(only_vrrp(header_auth) && set(header_auth, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
                       set(header_auth, IPPROTO_IP, IP_PKTINFO, 1))) {
    header_auth = Fd();
  }
  return std::unique_ptr<VrrpSocket>(new VrrpSocket(std::move(fd), std::move(frames), std::move(header_auth)));
}

int VrrpSocket::join(int ifindex) {
  const ip_mreqn group{kernel_address(kVrrpGroup), {}, ifindex};
  static_cast<void>(setsockopt(header_auth_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0) return 0;
  return errno == EADDRINUSE ? 0 : errno;  // joined before
}

std::optional<VrrpSocket::Heard> VrrpSocket::receive() {
  if (auto heard = receive_from(fd_)) return heard;
  auto heard = header_auth_ ? receive_from(header_auth_) : std::nullopt;
  if (heard) heard->packet.header_auth = true;
  return heard;
}

std::optional<VrrpSocket::Heard> VrrpSocket::receive_from(const Fd& fd) {
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

int VrrpSocket::send(int ifindex, Ip source, Ip destination, Bytes payload) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr = kernel_address(destination);
  InfoMessage message(const_cast<uint8_t*>(payload.data()), payload.size(), &to);
  cmsghdr* const c = CMSG_FIRSTHDR(message.get());
  c->cmsg_level = IPPROTO_IP;
  c->cmsg_type = IP_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_ifindex = ifindex;
  info.ipi_spec_dst = kernel_address(source);
  std::memcpy(CMSG_DATA(c), &info, sizeof info);
  return sendmsg(fd_.get(), message.get(), MSG_DONTWAIT) >= 0 ? 0 : errno;
}

int VrrpSocket::send_frame(int ifindex, Mac from, Ip source, Bytes payload) {
  std::array<uint8_t, kEthernetSize + kLeastHeader + kMostVrrpSize> frame;
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
