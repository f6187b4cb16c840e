// SPDX-License-Identifier: BSD-2-Clause
// vrrp_socket.h: VRRP packets in and out, by a raw socket of the host's kernel: it joins the group, asks for peers' MAC
// addresses and knows the ways to them; and adverts do not wait behind data. raw(7), ip(7).
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "fd.h"
#include "rawvs/result.h"
#include "rawvs/vrrp_packet.h"

namespace rawvs {

class VrrpSocket {
 public:
  struct Heard {
    int ifindex = 0;        // where it came in
    VrrpDatagram packet{};  // its payload is valid until the next receive()
  };

  static Result<std::unique_ptr<VrrpSocket>> open();
  int fd() const { return fd_.get(); }

  // The multicast group, on this interface. Once is enough until the interface is gone. 0 or an errno.
  int join(int ifindex);
  std::optional<Heard> receive();  // none: nothing waits
  // From `source`, which is an address of the host. To the group by that interface, or to a peer by the host's routes:
  // then ifindex is 0. 0 or an errno. Never blocks.
  int send(int ifindex, Ip source, Ip destination, Bytes payload);

 private:
  explicit VrrpSocket(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
  std::array<uint8_t, 60 + kMostVrrpSize + 1> bytes_{};  // the longest header, and one byte more than an advert has
};

}  // namespace rawvs
