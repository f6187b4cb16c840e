// SPDX-License-Identifier: BSD-2-Clause
// packet_socket.h: frames from one interface and to it: an AF_PACKET socket with a receive ring and batched sending.
// In:  an interface, a filter.   Out: frames with their offload facts, lent until release(); frames sent.
// PACKET_MMAP TPACKET_V2 ring (V3's blocks cost half a millisecond), PACKET_VNET_HDR both ways, PACKET_COPY_THRESH for
// frames larger than a slot, PACKET_IGNORE_OUTGOING. packet(7), Documentation/networking/packet_mmap.rst.
// Not: what the frames mean. This file moves bytes and decides nothing.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "rawvs/link.h"
#include "rawvs/outbox.h"
#include "rawvs/result.h"

namespace rawvs {

class PacketSocket {
 public:
  struct Options {
    int ifindex = 0;
    std::string name;           // for messages
    Link link = Link::outside;  // what frames are marked with
    uint32_t ring_frames = 1024;
    uint16_t mtu = 1500;  // decides the slot size
  };
  static Result<std::unique_ptr<PacketSocket>> open(const Options& options);
  ~PacketSocket();
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  int fd() const;  // readable when frames wait

  // Compiles a pcap expression (Ethernet) and attaches it. Until the first call nothing is received. An expression that
  // makes too long a program for the kernel is replaced by "ip or arp".
  Result<Done> set_filter(const std::string& expression);
  bool filter_is_wide() const;  // it was replaced: every IPv4 and ARP frame is copied, which costs time but loses none

  // The next frames, at most frames.size(); the bytes stay valid and writable until release().
  // Every frame has at least kHeadroom bytes of headroom. 0: none waits, and there is nothing to release.
  size_t receive(std::span<Frame> frames);
  void release();  // gives the slots of the last receive() back to the kernel

  // Sends frames in order, offload facts along, by as few system calls as possible. Never blocks.
  void send(std::span<const Frame> frames);

  // Counts so far. Reads the kernel's own drop counter.
  LinkCounters counters();

  // A pending socket error (interface went down): clears it. True when there was one.
  bool take_error();

  static constexpr uint32_t kHeadroom = 64;

 private:
  struct Impl;
  explicit PacketSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
