// SPDX-License-Identifier: BSD-2-Clause
// bench-bare: the least work of a forwarder on this program's own sockets, as a reference for rawvsd: frames to a VIP
// come from one interface's ring, get new MAC addresses, and leave by another interface. The guard keeps the kernel
// from handling them, as in rawvsd.
#include <poll.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sys/guard/guard.h"
#include "sys/io/packet_socket.h"
#include "sys/net/netlink.h"

namespace {

using namespace rawvs;

[[noreturn]] void fail(const std::string& text) {
  std::fprintf(stderr, "bench-bare: %s\n", text.c_str());
  std::exit(1);
}

template <class T>
T wanted(Result<T> result) {
  if (!result) fail(result.error().text);
  return std::move(*result);
}

struct Door {
  LinkFacts facts;
  std::unique_ptr<PacketSocket> socket;
};

Door open_door(Netlink& netlink, const std::string& name, uint32_t ring_frames) {
  Door door{wanted(netlink.query(name)), nullptr};
  if (!door.facts.usable()) fail(name + ": no such interface, or it is down");
  door.socket = wanted(PacketSocket::open({.ifindex = door.facts.ifindex, .name = name, .ring_frames = ring_frames}));
  return door;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return std::fputs("usage: bench-bare INTERFACE INSIDE VIP MAC-OF-THE-SERVER RING-FRAMES\n", stderr), 2;
  const auto ring_frames = static_cast<uint32_t>(std::strtoul(argv[5], nullptr, 10));
  const auto vip = parse_ip(argv[3]);
  const auto server = parse_mac(argv[4]);
  if (!vip || !server) return std::fputs("bench-bare: expected an address and a MAC address\n", stderr), 2;
  auto netlink = wanted(Netlink::open());
  const Door outside = open_door(*netlink, argv[1], ring_frames), inside = open_door(*netlink, argv[2], ring_frames);
  wanted(outside.socket->set_filter("dst host " + text(*vip)));
  FlowMap no_flows(1);
  const auto guard = wanted(Guard::attach(argv[1], outside.facts.ifindex, GuardMode::automatic, no_flows));
  Watch watch;
  watch.vips = {*vip};
  wanted(guard->protect(watch, {&outside.facts.mac, 1}, {}));
  std::printf("ready, guard %s\n", guard->way());
  std::fflush(stdout);

  std::array<Frame, 64> frames{};
  pollfd waiting{outside.socket->fd(), POLLIN, 0};
  while (poll(&waiting, 1, -1) >= 0) {
    for (size_t count = 0; (count = outside.socket->receive(frames)) != 0; outside.socket->release()) {
      for (Frame& frame : std::span(frames).first(count)) {
        std::copy(server->bytes.begin(), server->bytes.end(), frame.data);
        std::copy(inside.facts.mac.bytes.begin(), inside.facts.mac.bytes.end(), frame.data + 6);
      }
      inside.socket->send(std::span(frames).first(count));
    }
  }
  return 1;
}
