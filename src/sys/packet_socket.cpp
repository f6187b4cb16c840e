// SPDX-License-Identifier: BSD-2-Clause
// packet_socket.cpp: AF_PACKET with a TPACKET_V2 receive ring and sendmmsg(2).
// A slot of the ring:  tpacket2_hdr | sockaddr_ll | headroom | virtio_net_hdr | frame.
// Frames larger than a slot are read whole from the socket's queue, where the kernel puts them in the ring's order.
#include "rawvs/packet_socket.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "fd.h"
#include "filter_program.h"
#include "rawvs/sys.h"

namespace rawvs {
namespace {

constexpr size_t kBatch = 64;  // frames per sendmmsg(); more gains nothing measurable

// struct virtio_net_hdr of linux/virtio_net.h, which older systems' C++ compilers refuse (a member is called "class").
// PACKET_VNET_HDR has it in the machine's own byte order.
struct VnetHeader {
  uint8_t flags = 0;
  uint8_t gso_type = 0;
  uint16_t hdr_len = 0;
  uint16_t gso_size = 0;
  uint16_t csum_start = 0;
  uint16_t csum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

Offload offload(const VnetHeader& h) {
  return {h.flags, h.gso_type, h.hdr_len, h.gso_size, h.csum_start, h.csum_offset};
}

VnetHeader vnet_header(const Offload& o) {  // "checksum valid" is a receiver's fact and means nothing to a sender
  return {static_cast<uint8_t>(o.flags & Offload::needs_checksum),
          o.segmentation,
          o.header_size,
          o.segment_size,
          o.checksum_start,
          o.checksum_offset};
}

// Slots. The kernel's part of one is at most this long: its header and address, our headroom, virtio_net_hdr, and the
// Ethernet header padded so that the IP header is aligned.
constexpr uint32_t kSlotOverhead = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) + PacketSocket::kHeadroom + sizeof(VnetHeader);
constexpr uint32_t kLargestSlot = 16384;  // jumbo frames; a larger MTU is for the queue of whole frames
constexpr uint32_t kFewestSlots = 8;

uint32_t slot_size(uint16_t mtu) { return std::min(std::bit_ceil(uint32_t{mtu} + kSlotOverhead), kLargestSlot); }

// Whole frames: an IP packet of 64 KB, Ethernet header, one VLAN tag. The pages are touched only when one arrives.
constexpr size_t kWholeFrames = 32;
constexpr size_t kWholeSize = PacketSocket::kHeadroom + 65535 + ETH_HLEN + 4;

// What may wait in the socket's queues; the kernel doubles it. A super-frame of 64 KB is accounted with 70 to 130 KB.
constexpr int kQueueBytes = 4 << 20;

uint16_t network_order(uint16_t v) {
  std::array<uint8_t, 2> bytes{};
  store_be16(bytes, 0, v);
  return std::bit_cast<uint16_t>(bytes);
}

template <class T>
bool set_option(int fd, int level, int option, const T& value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool attach_filter(int fd, FilterProgram& program) {
  const sock_fprog fprog{static_cast<unsigned short>(program.size()), program.data()};
  return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog);
}

void enlarge_queues(int fd) {  // as far as allowed: too small a queue loses super-frames, which are counted
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, kQueueBytes)) set_option(fd, SOL_SOCKET, SO_RCVBUF, kQueueBytes);
  if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, kQueueBytes)) set_option(fd, SOL_SOCKET, SO_SNDBUF, kQueueBytes);
}

struct Ring {
  uint8_t* base = nullptr;
  size_t bytes = 0;
  uint32_t slots = 0, slot_bytes = 0;
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() {
    if (base != nullptr) munmap(base, bytes);
  }
  tpacket2_hdr* at(uint32_t slot) const {
    return reinterpret_cast<tpacket2_hdr*>(base + size_t{slot} * slot_bytes);  // the kernel aligns slots to pages
  }
};

}  // namespace

struct PacketSocket::Impl {
  Options options;
  Fd fd;
  Ring ring;
  uint32_t vnet_size = sizeof(VnetHeader);  // 0: a kernel whose rings do not carry offload facts (before 4.6)
  uint32_t next = 0;                        // the slot that is filled next
  uint32_t lent = 0;                        // slots before it that the director still has
  size_t whole_lent = 0;
  bool error_seen = false;  // the kernel tells a pending error once, to whatever call comes first
  bool wide = false;
  LinkCounters counters{};
  std::unique_ptr<uint8_t[]> whole{new uint8_t[kWholeFrames * kWholeSize]};
  std::array<VnetHeader, kBatch> send_headers{};
  std::array<std::array<iovec, 2>, kBatch> send_parts{};
  std::array<mmsghdr, kBatch> send_messages{};

  Error error(std::string_view what) const { return at("interface " + options.name, {system_error(what, errno)}); }
  Result<Done> prepare();
  Result<Done> make_ring();
  Result<Done> bind_to_interface();
  bool fill(Frame& frame, tpacket2_hdr* slot, uint32_t status);
  bool read_whole(Frame& frame);
  size_t gather(std::span<const Frame> frames);
  void flush(size_t count);
};

Result<Done> PacketSocket::Impl::prepare() {
  // Protocol 0: nothing arrives before bind(), and then only what the filter lets pass: for now, nothing.
  fd = Fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return error("packet socket (needs root or CAP_NET_RAW)");
  FilterProgram nothing{{BPF_RET | BPF_K, 0, 0, 0}};
  if (!attach_filter(fd.get(), nothing)) return error("packet socket: filter");
  constexpr int kVersion = TPACKET_V2, kOn = 1, kOff = 0;
  constexpr unsigned kReserve = kHeadroom;
  if (!set_option(fd.get(), SOL_PACKET, PACKET_VERSION, kVersion)) return error("packet socket: TPACKET_V2");
  if (!set_option(fd.get(), SOL_PACKET, PACKET_RESERVE, kReserve)) return error("packet socket: PACKET_RESERVE");
  // Without these two the socket works: frames longer than a slot are cut, our own frames are skipped one by one.
  set_option(fd.get(), SOL_PACKET, PACKET_COPY_THRESH, kOn);
  set_option(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, kOn);
  enlarge_queues(fd.get());
  if (!set_option(fd.get(), SOL_PACKET, PACKET_VNET_HDR, kOn)) vnet_size = 0;
  auto made = make_ring();
  if (!made && vnet_size != 0 && set_option(fd.get(), SOL_PACKET, PACKET_VNET_HDR, kOff)) {
    vnet_size = 0;
    made = make_ring();
  }
  return made;
}

Result<Done> PacketSocket::Impl::make_ring() {
  const auto page = static_cast<uint32_t>(sysconf(_SC_PAGESIZE));
  ring.slot_bytes = slot_size(options.mtu);
  const uint32_t block = std::max(page, ring.slot_bytes);
  const uint32_t per_block = block / ring.slot_bytes;
  const uint32_t blocks = (std::max(options.ring_frames, kFewestSlots) + per_block - 1) / per_block;
  ring.slots = blocks * per_block;
  const tpacket_req request{block, blocks, ring.slot_bytes, ring.slots};
  if (!set_option(fd.get(), SOL_PACKET, PACKET_RX_RING, request))
    return error("receive ring of " + std::to_string(ring.slots) + " frames of " + std::to_string(ring.slot_bytes) +
                 " bytes (a smaller ring_frames needs less memory)");
  ring.bytes = size_t{block} * blocks;
  void* const base = mmap(nullptr, ring.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) return error("receive ring: mmap");
  ring.base = static_cast<uint8_t*>(base);
  return Done{};
}

Result<Done> PacketSocket::Impl::bind_to_interface() {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = network_order(ETH_P_ALL);
  address.sll_ifindex = options.ifindex;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return error("packet socket: bind");
  return Done{};
}

PacketSocket::PacketSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PacketSocket::~PacketSocket() = default;

Result<std::unique_ptr<PacketSocket>> PacketSocket::open(const Options& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  if (const auto prepared = impl->prepare(); !prepared) return prepared.error();
  if (const auto bound = impl->bind_to_interface(); !bound) return bound.error();
  return std::unique_ptr<PacketSocket>(new PacketSocket(std::move(impl)));
}

int PacketSocket::fd() const { return impl_->fd.get(); }

Result<Done> PacketSocket::set_filter(const std::string& expression) {
  constexpr int kWholeFrame = 262144;  // more than any frame has
  constexpr const char* kWidest = "ip or arp";
  for (const std::string& wanted : {expression, std::string(kWidest)}) {
    if (wanted.size() > kLongestExpression) continue;
    auto program = compile_filter(wanted, kWholeFrame);
    if (!program) return at("interface " + impl_->options.name, program.error());
    if (program->size() > kMostInstructions) continue;
    if (attach_filter(fd(), *program)) {
      impl_->wide = wanted != expression;
      return Done{};
    }
    if (errno != ENOMEM) break;  // ENOMEM: net.core.optmem_max
  }
  return impl_->error("packet socket: filter");
}

bool PacketSocket::filter_is_wide() const { return impl_->wide; }

size_t PacketSocket::receive(std::span<Frame> frames) {
  Impl& s = *impl_;
  const bool none_lent = s.lent == 0;
  size_t n = 0;
  while (n < frames.size() && s.lent < s.ring.slots) {
    tpacket2_hdr* const slot = s.ring.at(s.next);
    const uint32_t status = __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0) break;
    if ((status & TP_STATUS_COPY) != 0 && s.whole_lent == kWholeFrames) break;
    s.next = s.next + 1 == s.ring.slots ? 0 : s.next + 1;
    ++s.lent;
    if (s.fill(frames[n], slot, status)) ++n;
  }
  s.counters.received += n;
  // Only slots that nobody wants: whoever gets no frame gives none back.
  if (n == 0 && none_lent) release();
  return n;
}

// False: the slot holds no frame for the director.
bool PacketSocket::Impl::fill(Frame& frame, tpacket2_hdr* slot, uint32_t status) {
  auto* const start = reinterpret_cast<uint8_t*>(slot);
  frame = Frame{};
  frame.link = options.link;
  constexpr uint16_t kVlanId = 0x0fff;  // without it the tag gives a priority only
  if ((status & TP_STATUS_VLAN_VALID) != 0) frame.vlan = slot->tp_vlan_tci & kVlanId;
  // A frame in the queue has to be taken out even if nobody wants it, or the next one would be taken for it.
  const bool in_queue = (status & TP_STATUS_COPY) != 0;
  const bool complete = in_queue ? read_whole(frame) : slot->tp_snaplen == slot->tp_len;
  sockaddr_ll from{};
  std::memcpy(&from, start + TPACKET_ALIGN(sizeof *slot), sizeof from);
  if (from.sll_pkttype == PACKET_OUTGOING) return false;
  if (!complete) ++counters.cut;
  if (!complete || in_queue) return complete;
  frame.data = start + slot->tp_mac;
  frame.size = slot->tp_snaplen;
  frame.headroom = slot->tp_mac - static_cast<uint32_t>(TPACKET2_HDRLEN);
  if (vnet_size != 0) {
    VnetHeader header;
    std::memcpy(&header, frame.data - vnet_size, sizeof header);
    frame.offload = offload(header);
  }
  return true;
}

bool PacketSocket::Impl::read_whole(Frame& frame) {
  uint8_t* const data = whole.get() + whole_lent * kWholeSize + kHeadroom;
  VnetHeader header;
  std::array<iovec, 2> parts{{{&header, vnet_size}, {data, kWholeSize - kHeadroom}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t got = -1;
  // A pending error of the socket is told first, once, and has nothing to do with this frame.
  for (int tries = 0; tries < 3 && got < 0; ++tries) {
    got = recvmsg(fd.get(), &message, MSG_DONTWAIT);
    if (got >= 0) break;
    if (errno == EAGAIN) return false;
    if (errno != EINTR) error_seen = true;
  }
  if (got < static_cast<ssize_t>(vnet_size) || (message.msg_flags & MSG_TRUNC) != 0) return false;
  frame.data = data;
  frame.size = static_cast<uint32_t>(got) - vnet_size;
  frame.headroom = kHeadroom;
  frame.offload = offload(header);
  ++whole_lent;
  return true;
}

void PacketSocket::release() {
  Impl& s = *impl_;
  uint32_t slot = (s.next + s.ring.slots - s.lent) % s.ring.slots;
  for (; s.lent > 0; --s.lent) {
    __atomic_store_n(&s.ring.at(slot)->tp_status, uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
    slot = slot + 1 == s.ring.slots ? 0 : slot + 1;
  }
  s.whole_lent = 0;
}

void PacketSocket::send(std::span<const Frame> frames) {
  while (!frames.empty()) {
    const auto batch = frames.first(std::min(frames.size(), kBatch));
    impl_->flush(impl_->gather(batch));
    frames = frames.subspan(batch.size());
  }
}

size_t PacketSocket::Impl::gather(std::span<const Frame> frames) {
  size_t n = 0;
  for (const Frame& frame : frames) {
    if (frame.vlan != 0) {  // its tag is not in its bytes: it would leave into the wrong network
      ++counters.send_failed;
      continue;
    }
    send_headers[n] = vnet_header(frame.offload);
    send_parts[n] = {{{&send_headers[n], vnet_size}, {frame.data, frame.size}}};
    send_messages[n] = {};
    send_messages[n].msg_hdr.msg_iov = send_parts[n].data();
    send_messages[n].msg_hdr.msg_iovlen = send_parts[n].size();
    ++n;
  }
  return n;
}

void PacketSocket::Impl::flush(size_t count) {
  size_t done = 0;
  while (done < count) {
    const int sent = sendmmsg(fd.get(), &send_messages[done], static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<size_t>(sent);
      counters.sent += static_cast<size_t>(sent);
      continue;  // if that was not all, the next call says what is wrong with the next frame
    }
    if (errno == EINTR) continue;
    if (errno == ENETDOWN) error_seen = true;
    ++counters.send_failed;
    ++done;
  }
}

LinkCounters PacketSocket::counters() {
  tpacket_stats stats{};  // reading them zeroes them
  socklen_t size = sizeof stats;
  if (getsockopt(fd(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
    impl_->counters.kernel_dropped += stats.tp_drops;
  return impl_->counters;
}

bool PacketSocket::take_error() {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (getsockopt(fd(), SOL_SOCKET, SO_ERROR, &pending, &size) != 0) pending = errno;
  return std::exchange(impl_->error_seen, false) || pending != 0;
}

}  // namespace rawvs
