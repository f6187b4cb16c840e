// SPDX-License-Identifier: BSD-2-Clause
// packet_setup.cpp: opens an AF_PACKET socket with a TPACKET_V2 receive ring.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "sys/io/packet_socket.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

// The longest part of a slot before the frame: its header and address, our headroom, virtio_net_hdr, and the padding
// before the Ethernet header that aligns the IP header.
constexpr uint32_t kSlotOverhead = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) + PacketSocket::kHeadroom + sizeof(VnetHeader);
constexpr uint32_t kLargestSlot = 16384;  // jumbo frames; larger ones use the queue of whole frames
constexpr uint32_t kFewestSlots = 8;

uint32_t slot_size(uint32_t mtu) { return std::min(std::bit_ceil(mtu + kSlotOverhead), kLargestSlot); }

}  // namespace

PacketSocket::PacketSocket(const Options& options)
    : LinkSocket(options), whole_(new uint8_t[kWholeFrames * kWholeSize]) {}

PacketSocket::~PacketSocket() {
  if (ring_.base != nullptr) munmap(ring_.base, ring_.bytes);
}

Result<Done> PacketSocket::prepare() {
  if (const auto made = make(); !made) return made.error();
  constexpr int kRing = TPACKET_V2, kOn = 1;
  const unsigned reserve = kHeadroom + header_;
  if (!set_option(SOL_PACKET, PACKET_VERSION, kRing)) return error("packet socket: TPACKET_V2");
  if (!set_option(SOL_PACKET, PACKET_RESERVE, reserve)) return error("packet socket: PACKET_RESERVE");
  // May fail: frames longer than a slot are cut then.
  set_option(SOL_PACKET, PACKET_COPY_THRESH, kOn);
  carry_offloads(true);
  int refused = 0;
  auto made = make_ring(refused);
  // Before Linux 4.6 a ring and offload facts exclude each other. What lacks memory is another back end's matter.
  if (!made && refused == EINVAL && vnet_size_ != 0 && carry_offloads(false)) made = make_ring(refused);
  return made;
}

Result<Done> PacketSocket::make_ring(int& refused) {
  const auto page = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  ring_.slot_bytes = slot_size(options_.mtu + header_);
  const uint32_t block = std::max(page, ring_.slot_bytes);
  const uint32_t per_block = block / ring_.slot_bytes;
  const uint32_t blocks = (std::max(options_.ring_frames, kFewestSlots) + per_block - 1) / per_block;
  ring_.slots = blocks * per_block;
  const tpacket_req request{block, blocks, ring_.slot_bytes, ring_.slots};
  if (!set_option(SOL_PACKET, PACKET_RX_RING, request)) {
    refused = errno;
    return error("receive ring of " + std::to_string(ring_.slots) + " frames of " + std::to_string(ring_.slot_bytes) +
                 " bytes (a smaller ring_frames needs less memory)");
  }
  ring_.bytes = size_t{block} * blocks;
  void* const base = mmap(nullptr, ring_.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
  if (base == MAP_FAILED) return error("receive ring: mmap");
  ring_.base = static_cast<uint8_t*>(base);
  return Done{};
}

Result<std::unique_ptr<PacketSocket>> PacketSocket::open(const Options& options) {
  std::unique_ptr<PacketSocket> socket(new PacketSocket(options));
  if (const auto prepared = socket->prepare(); !prepared) return prepared.error();
  if (const auto bound = socket->bind_to_interface(); !bound) return bound.error();
  return socket;
}

}  // namespace rawvs
