// SPDX-License-Identifier: BSD-2-Clause
// sync_socket.cpp: the UDP socket, and HMAC with libnettle.
#include "sys/ha/sync_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

sockaddr_in endpoint(Ip address, uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr = kernel_address(address);
  to.sin_port = htons(port);
  return to;
}

}  // namespace

SyncSocket::SyncSocket(Fd fd, const SyncConfig& config)
    : fd_(std::move(fd)), group_(config.group), port_(config.port), peers_(config.peers), bytes_(kSyncMost) {}

Result<std::unique_ptr<SyncSocket>> SyncSocket::open(const SyncConfig& config) {
  Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error{system_error("sync: UDP socket", errno)};
  const auto set = [&](int level, int option, int value) {
    return setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
  };
  // Not SO_REUSEADDR: any user could bind the same port, and the kernel would give messages to that socket alone.
  // SO_REUSEPORT, for a group: programs of the same user may share it, and each gets every message.
  const bool shared = config.peers.empty();
  const bool done = (!shared || set(SOL_SOCKET, SO_REUSEPORT, 1)) && set(IPPROTO_IP, IP_MULTICAST_TTL, config.ttl) &&
                    set(IPPROTO_IP, IP_MULTICAST_LOOP, 0) && set(IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
                    set(IPPROTO_IP, IP_PKTINFO, 1);
  if (!done) return Error{system_error("sync: UDP socket's options", errno)};
  if (!set(SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer)) set(SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  const sockaddr_in here = endpoint(config.peers.empty() ? config.group : Ip(), config.port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) {
    const bool taken = errno == EADDRINUSE;
    return Error{system_error("sync: UDP port " + std::to_string(config.port), errno) +
                 (taken ? "; another program has it (ss -lunp): end that one, or take another port" : "")};
  }
  return std::unique_ptr<SyncSocket>(new SyncSocket(std::move(fd), config));
}

int SyncSocket::join(int ifindex) {
  if (!peers_.empty() || ifindex == joined_) return 0;
  const ip_mreqn group{kernel_address(group_), {}, ifindex};
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof group) != 0) return errno;
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) != 0 && errno != EADDRINUSE) {
    return errno;
  }
  joined_ = ifindex;
  return 0;
}

std::optional<SyncSocket::Heard> SyncSocket::receive() {
  sockaddr_in from{};
  InfoMessage message(bytes_.data(), bytes_.size(), &from);
  const ssize_t got = recvmsg(fd_.get(), message.get(), MSG_DONTWAIT);
  if (got < 0) return std::nullopt;
  Heard heard{Ip(ntohl(from.sin_addr.s_addr)), 0, Bytes(bytes_.data(), static_cast<size_t>(got))};
  heard.ifindex = arrival_interface(*message.get());
  return heard;
}

int SyncSocket::send(Bytes datagram) {
  int problem = 0;
  const auto send_to = [&](Ip address) {
    const sockaddr_in to = endpoint(address, port_);
    const ssize_t sent = sendto(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to);
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
