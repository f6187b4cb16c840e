// SPDX-License-Identifier: BSD-2-Clause
// sync_socket.cpp: the UDP socket, and HMAC with libnettle.
#include "sys/ha/sync_socket.h"

#include <nettle/hmac.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "rawvs/config.h"
#include "sys/net/packet_info.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

// A full transfer sends up to 400 messages per second; this holds some seconds of it.
constexpr int kReceiveBuffer = 1 << 20;

Family family_of(const SyncConfig& config) {
  return config.peers.empty() ? config.group.family() : config.peers.front().family();
}

bool set_options(const Fd& fd, Family family, int ttl) {
  if (family == Family::ipv4) {
    return set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_TTL, ttl) &&
           set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_LOOP, 0) &&
           set_option(fd.get(), IPPROTO_IP, IP_MULTICAST_ALL, 0) && set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, 1);
  }
  constexpr int kMulticastAll = 29;                                         // IPV6_MULTICAST_ALL, Linux 4.20
  static_cast<void>(set_option(fd.get(), IPPROTO_IPV6, kMulticastAll, 0));  // bind() to the group suffices
  return set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
         set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

}  // namespace

SyncSocket::SyncSocket(Fd fd, const SyncConfig& config)
    : fd_(std::move(fd)), group_(config.group), port_(config.port), peers_(config.peers), bytes_(kSyncMost) {}

Result<std::unique_ptr<SyncSocket>> SyncSocket::open(const SyncConfig& config) {
  const Family family = family_of(config);
  Fd fd(socket(kernel_family(family), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error{system_error("sync: UDP socket", errno)};
  // Not SO_REUSEADDR: any user could bind the same port, and the kernel would give messages to that socket alone.
  // SO_REUSEPORT, for a group: programs of the same user may share it, and each gets every message.
  const bool shared = config.peers.empty();
  const bool done =
      (!shared || set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) && set_options(fd, family, config.ttl);
  if (!done) return Error{system_error("sync: UDP socket's options", errno)};
  if (!set_option(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer))
    set_option(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  auto synced = std::unique_ptr<SyncSocket>(new SyncSocket(std::move(fd), config));
  // A socket bound to a group of the link (ff02::/16) hears it on one interface for ever; this one may change.
  const Ip here = shared && family == Family::ipv4 ? config.group : Ip::any(family);
  if (const auto bound = synced->bind_to({here, Port(config.port)}); !bound) return bound.error();
  return synced;
}

Result<Done> SyncSocket::bind_to(Endpoint here) {
  const SocketAddress address(here);
  if (bind(fd_.get(), address.get(), address.size()) != 0) {
    const bool taken = errno == EADDRINUSE;
    return Error{system_error("sync: UDP port " + std::to_string(here.port.value), errno) +
                 (taken ? "; another program has it (ss -lunp): end that one, or take another port" : "")};
  }
  return Done{};
}

int SyncSocket::join(int ifindex) {
  if (!peers_.empty() || ifindex == joined_) return 0;
  if (group_.is_v6()) return join6(ifindex);
  const ip_mreqn group{kernel_address(group_), {}, ifindex};
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) != 0) return errno;
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0 && errno != EADDRINUSE) {
    return errno;
  }
  joined_ = ifindex;
  return 0;
}

int SyncSocket::join6(int ifindex) {
  const ipv6_mreq group{kernel_address6(group_), static_cast<unsigned>(ifindex)};
  if (setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex, sizeof ifindex) != 0) return errno;
  if (setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group) != 0 && errno != EADDRINUSE) {
    return errno;
  }
  joined_ = ifindex;
  return 0;
}

std::optional<SyncSocket::Heard> SyncSocket::receive() {
  SocketAddress from;
  InfoMessage message(bytes_.data(), bytes_.size(), &from);
  const ssize_t got = recvmsg(fd_.get(), message.get(), MSG_DONTWAIT);
  if (got < 0) return std::nullopt;
  Heard heard{from.endpoint().addr, 0, Bytes(bytes_.data(), static_cast<size_t>(got))};
  heard.ifindex = arrival_interface(*message.get());
  return heard;
}

int SyncSocket::send(Bytes datagram) {
  int problem = 0;
  const auto send_to = [&](Ip address) {
    const SocketAddress to({address, Port(port_)}, joined_);
    const ssize_t sent =
        sendto(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.get(), to.size());
    // ECONNREFUSED reports an earlier message to an absent peer; this one has not been sent.
    if (sent < 0 && errno != ECONNREFUSED) problem = errno;
  };
  if (peers_.empty()) send_to(group_);
  for (const Ip peer : peers_) send_to(peer);
  return problem;
}

SyncSeal hmac_seal(const std::string& key) {
  if (key.empty()) return {};
  hmac_sha256_ctx keyed;
  hmac_sha256_set_key(&keyed, key.size(), reinterpret_cast<const uint8_t*>(key.data()));
  return [keyed](Bytes bytes) mutable {
    SyncDigest digest;
    hmac_sha256_update(&keyed, bytes.size(), bytes.data());
    hmac_sha256_digest(&keyed, digest.size(), digest.data());  // also resets it for the next message
    return digest;
  };
}

}  // namespace rawvs
