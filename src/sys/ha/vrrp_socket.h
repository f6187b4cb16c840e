// SPDX-License-Identifier: BSD-2-Clause
// vrrp_socket.h: sends and receives VRRP packets of one family by a raw socket of the host's kernel.
//
// The kernel joins the group, resolves peers' MAC addresses and routes to them; adverts do not wait behind data.
// Adverts from a virtual MAC address use a packet socket: the kernel would send them from the interface's. raw(7),
// ip(7), ipv6(7), packet(7).
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
    int ifindex = 0;        // of arrival
    VrrpDatagram packet{};  // its payload is valid until the next receive()
  };

  static Result<std::unique_ptr<VrrpSocket>> open(Family family);
  int fd() const { return fd_.get(); }
  int header_auth_fd() const { return header_auth_.get(); }  // -1: none

  // Joins the multicast group on this interface, once until the interface disappears. Returns 0 or an errno.
  int join(int ifindex);
  std::optional<Heard> receive();  // none: nothing waits
  // source: an address of the host. To the group on this interface; or to a peer by the host's routes, with ifindex 0:
  // but with the interface if either address is link-local IPv6. Returns 0 or an errno. Never blocks.
  int send(int ifindex, Ip source, Ip destination, Bytes payload);
  // To the group, with this Ethernet source. Returns 0 or an errno. Never blocks.
  int send_frame(int ifindex, Mac from, Ip source, Bytes payload);

 private:
  VrrpSocket(Family family, Fd fd, Fd frames, Fd header_auth)
      : family_(family), fd_(std::move(fd)), frames_(std::move(frames)), header_auth_(std::move(header_auth)) {}
  std::optional<Heard> receive_ipv4(const Fd& fd);
  std::optional<Heard> receive_ipv6();
  Family family_;
  Fd fd_, frames_;
  Fd header_auth_;  // IPv4: receives adverts with an AH header, which are refused and counted
  Composer composer_;
  std::array<uint8_t, 60 + kMostVrrpSize + 1> bytes_{};  // the longest header, and one byte more than an advert
};

}  // namespace rawvs
