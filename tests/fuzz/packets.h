// SPDX-License-Identifier: BSD-2-Clause
// packets.h: frames from choices of the input: requests, replies, FTP's lines, ICMP errors about any of them, pings,
// ARP, neighbour discovery, fragments; well-formed, with right checksums, then damaged if the input wants that.
#pragma once

#include "frames.h"
#include "small_director.h"

namespace rawvs::fuzz {

struct Made {
  test::FrameBytes bytes{};
  Link link = kOutside;
};

class Packets {
 public:
  Packets(Input& in, const SmallDirector& world) : in_(in), world_(world) {}
  Made make();
  // What a host would reply to a SYN or SYN-ACK that left: it comes later. Keeps it to be quoted, too.
  void left(const Departure& d);

 private:
  enum class Way : uint8_t { request, reply };
  std::string client();
  std::string vip();
  Endpoint server();
  const Connection* connection();
  test::FrameBytes l4(Protocol protocol, Endpoint from, Endpoint to);
  Made flow(Way way);
  Made ftp();
  Made error();
  Made ping();
  Made discovery();
  Made answered();
  Made piece();
  void damage(test::FrameBytes& b);

  Input& in_;
  const SmallDirector& world_;
  bool six_ = false;  // of the present frame
  std::vector<Made> answers_{}, seen_{};
  Made whole_{};  // whose pieces are to come
  uint32_t client_seq_ = 1000, server_seq_ = 5000;
};

}  // namespace rawvs::fuzz
