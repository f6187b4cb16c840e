// SPDX-License-Identifier: BSD-2-Clause
// sync_socket.h: sends and receives messages of the sync protocol by UDP, multicast or to peers. ip(7), ipv6(7),
// udp(7).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "rawvs/addr.h"
#include "rawvs/result.h"
#include "sys/fd.h"
#include "wire/sync_message.h"

namespace rawvs {

struct SyncConfig;

class SyncSocket {
 public:
  struct Heard {
    Ip from{};
    int ifindex = 0;   // of arrival
    Bytes datagram{};  // valid until the next receive()
  };

  static Result<std::unique_ptr<SyncSocket>> open(const SyncConfig& config);
  int fd() const { return fd_.get(); }

  // For multicast: sends to and receives from the group on this interface from now on. Returns 0 or an errno.
  int join(int ifindex);
  std::optional<Heard> receive();  // none: nothing waits
  int send(Bytes datagram);        // to the group, or to all peers. Returns 0 or an errno. Never blocks

 private:
  SyncSocket(Fd fd, const SyncConfig& config);
  Result<Done> bind_to(Endpoint here);
  int join6(int ifindex);
  Fd fd_;
  Ip group_;
  uint16_t port_;
  std::vector<Ip> peers_;
  int joined_ = 0;
  std::vector<uint8_t> bytes_;
};

SyncSeal hmac_seal(const std::string& key);  // HMAC-SHA256 (RFC 2104, FIPS 180-4); empty for an empty key

}  // namespace rawvs
