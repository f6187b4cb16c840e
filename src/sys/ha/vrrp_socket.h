// SPDX-License-Identifier: BSD-2-Clause
// vrrp_socket.h: VRRP packets in and out, by a raw socket of the host's kernel: it joins the group, asks for peers' MAC
// addresses and knows the ways to them; and adverts do not wait behind data. Those from a virtual MAC address go by a
// packet socket, since the kernel would put the interface's before them. raw(7), ip(7), packet(7).
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "rawvs/result.h"
#include "sys/fd.h"
#include "wire/compose.h"
#include "wire/vrrp_packet.h"

namespace rawvs {

class VrrpSocket {
 public:
  struct Heard {
    int ifindex = 0;        // where it came in
    VrrpDatagram packet{};  // its payload is valid until the next receive()
  };

  static Result<std::unique_ptr<VrrpSocket>> open();
  int fd() const { return fd_.get(); }
  int header_auth_fd() const { return header_auth_.get(); }  // -1: none

  // The multicast group, on this interface. Once is enough until the interface is gone. 0 or an errno.
  int join(int ifindex);
  std::optional<Heard> receive();  // none: nothing waits
  // From `source`, which is an address of the host. To the group by that interface, or to a peer by the host's routes:
  // then ifindex is 0. 0 or an errno. Never blocks.
  int send(int ifindex, Ip source, Ip destination, Bytes payload);
  // To the group, with this Ethernet source. 0 or an errno. Never blocks.
  int send_frame(int ifindex, Mac from, Ip source, Bytes payload);

 private:
  VrrpSocket(Fd fd, Fd frames, Fd header_auth)
      : fd_(std::move(fd)), frames_(std::move(frames)), header_auth_(std::move(header_auth)) {}
  std::optional<Heard> receive_from(const Fd& fd);
  Fd fd_, frames_;
  Fd header_auth_;  // adverts with an AH header, which are refused, but not overlooked
  Composer composer_;
  std::array<uint8_t, 60 + kMostVrrpSize + 1> bytes_{};  // the longest header, and one byte more than an advert has
};

}  // namespace rawvs
