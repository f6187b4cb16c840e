// SPDX-License-Identifier: BSD-2-Clause
// xdp_io.cpp: AF_XDP's four rings with libxdp. Buffers [0, received_chunks_) receive, the others send.
#include "sys/io/xdp_io.h"

#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/io/xdp_checksum.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr uint32_t kSent =
    1024;  // buffers to send, and slots of their ring; when all are in use, the packet socket sends
constexpr uint32_t kHeadOfBuffer = 256;  // XDP_PACKET_HEADROOM: bytes that the kernel leaves free before a frame
constexpr uint32_t kSmall = 2048, kLarge = 4096;
constexpr uint32_t kTag = 4;
constexpr uint32_t kOthersTurn = 16;  // calls of receive() after which the packet socket is read in any case
constexpr size_t kOthersMost = 8;     // frames read from it then
constexpr int kMostPerCall = 9;       // XDP_MAX_TX_SKB_BUDGET (Linux 6.17): frames sent by one call

uint32_t chunk_for(uint16_t mtu) { return mtu + ETH_HLEN + kTag + kHeadOfBuffer <= kSmall ? kSmall : kLarge; }

}  // namespace

XdpIo::XdpIo(const Options& options)
    : options_(options), chunk_(chunk_for(options.mtu)), received_chunks_(std::bit_ceil(options.ring_frames)) {
  lent_.reserve(received_chunks_);
  free_.reserve(kSent);
}

XdpIo::~XdpIo() {
  program_.reset();
  if (xsk_ != nullptr) xsk_socket__delete(xsk_);
  if (umem_ != nullptr) xsk_umem__delete(umem_);
  if (area_ != nullptr) munmap(area_, area_bytes_);
}

Error XdpIo::error(std::string_view what, int number) const {
  return at("interface " + options_.name, {system_error(what, number)});
}

Result<std::unique_ptr<XdpIo>> XdpIo::open(const Options& options, FlowMap& flows) {
  constexpr Duration kPause = 2ms;
  for (const Instant begin = clock_now();;) {
    std::unique_ptr<XdpIo> io(new XdpIo(options));
    const auto prepared = io->prepare(flows);
    if (prepared) return io;
    // The kernel frees a queue some time after the last descriptor is closed and the last ring unmapped.
    if (!io->busy_ || clock_now() - begin >= options.patience) return prepared.error();
    io.reset();
    poll(nullptr, 0, static_cast<int>(kPause.count()));
  }
}

Result<Done> XdpIo::prepare(FlowMap& flows) {
  const uint32_t longest = chunk_ - kHeadOfBuffer;
  if (options_.mtu + ETH_HLEN + kTag > longest)
    return Error{"interface " + options_.name + ": frames of an MTU of " + std::to_string(options_.mtu) +
                 " do not fit a buffer of " + std::to_string(chunk_) + " bytes"};
  auto rest = PlainSocket::open(options_);
  if (!rest) return rest.error();
  rest_ = std::move(*rest);
  if (const auto made = make_buffers(); !made) return made.error();
  if (const auto made = make_socket(); !made) return made.error();
  auto program = XdpProgram::attach(options_.ifindex, longest, flows);
  if (!program) return at("interface " + options_.name, program.error());
  program_ = std::move(*program);
  if (const auto told = program_->redirect_to(xsk_socket__fd(xsk_)); !told)
    return at("interface " + options_.name, told.error());
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  for (const int fd : {xsk_socket__fd(xsk_), rest_->fd()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return error("epoll", errno);
  }
  return Done{};
}

Result<Done> XdpIo::make_buffers() {
  const uint32_t chunks = received_chunks_ + kSent;
  area_bytes_ = size_t{chunks} * chunk_;
  void* const area = mmap(nullptr, area_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return error("AF_XDP buffers: mmap", errno);
  area_ = static_cast<uint8_t*>(area);
  const xsk_umem_config config{received_chunks_, kSent, chunk_, 0, 0};
  if (const int failed = xsk_umem__create(&umem_, area_, area_bytes_, &fill_, &completed_, &config); failed != 0) {
    umem_ = nullptr;
    return error("AF_XDP buffers, " + std::to_string(area_bytes_ >> 10) + " KB (a smaller ring_frames needs less)",
                 -failed);
  }
  fcntl(xsk_umem__fd(umem_), F_SETFD, FD_CLOEXEC);  // libxdp leaves it open across exec(): the queue would be busy
  for (uint32_t i = 0; i < kSent; ++i) free_.push_back(uint64_t{received_chunks_ + i} * chunk_);
  return Done{};
}

Result<Done> XdpIo::make_socket() {
  xsk_socket_config config{};
  config.rx_size = received_chunks_;
  config.tx_size = kSent;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags = XDP_USE_NEED_WAKEUP;
  constexpr uint32_t kQueue = 0;
  const int failed = xsk_socket__create(&xsk_, options_.name.c_str(), kQueue, umem_, &rx_, &tx_, &config);
  if (failed != 0) {
    xsk_ = nullptr;
    busy_ = failed == -EBUSY;
    return error("AF_XDP socket", -failed);
  }
  fcntl(xsk_socket__fd(xsk_), F_SETFD, FD_CLOEXEC);
  // If it fails the limit is 32, and a batch takes more calls.
  static_cast<void>(setsockopt(xsk_socket__fd(xsk_), SOL_XDP, kMostPerCall, &kSent, sizeof kSent));
  std::vector<uint64_t> all(received_chunks_);
  for (uint32_t i = 0; i < received_chunks_; ++i) all[i] = static_cast<uint64_t>(i) * chunk_;
  refill(all);
  return Done{};
}

std::string XdpIo::remark() const {
  return program_->native() ? "" : "its driver has no XDP: the kernel's generic one is used";
}

Result<Done> XdpIo::watch(const Watch& watch, std::span<const Mac> own) {
  if (const auto done = rest_->watch(watch, own); !done) return done.error();
  const auto done = program_->watch(watch, own);
  return done ? done : at("interface " + options_.name, done.error());
}

Result<Done> XdpIo::widen(const Watch& watch, std::span<const Mac> own) {
  if (const auto done = rest_->widen(watch, own); !done) return done.error();
  const auto done = program_->watch(watch, own);
  return done ? done : at("interface " + options_.name, done.error());
}

// Frames that XDP passes to the kernel (ARP, other queues) come from the packet socket and cost a system call. It is
// read when nothing else is there, or when it has waited long.
size_t XdpIo::receive(std::span<Frame> frames) {
  if (waiting_ != 0) push();
  const bool others_turn = ++calls_ % kOthersTurn == 0;
  size_t n = others_turn ? rest_->receive(frames.first(std::min(frames.size(), kOthersMost))) : 0;
  n += take(frames.subspan(n));
  if (n == 0 && !others_turn) n = rest_->receive(frames);
  if (n == 0) error_seen_ = take_error();  // an error may have been what made the descriptor readable
  return n;
}

size_t XdpIo::take(std::span<Frame> frames) {
  uint32_t at = 0;
  const uint32_t count = xsk_ring_cons__peek(&rx_, static_cast<uint32_t>(frames.size()), &at);
  for (uint32_t i = 0; i < count; ++i) {
    const xdp_desc* const slot = xsk_ring_cons__rx_desc(&rx_, at + i);
    Frame& frame = frames[i];
    frame = Frame{};
    frame.link = options_.link;
    frame.data = area_ + slot->addr;
    frame.size = slot->len;
    frame.headroom = static_cast<uint32_t>(slot->addr % chunk_);
    frame.offload = offload_found(frame.bytes());
    lent_.push_back(slot->addr - slot->addr % chunk_);
  }
  if (count != 0) xsk_ring_cons__release(&rx_, count);
  counters_.received += count;
  return count;
}

void XdpIo::release() {
  rest_->release();
  if (lent_.empty()) return;
  refill(lent_);
  lent_.clear();
}

void XdpIo::refill(std::span<const uint64_t> buffers) {
  uint32_t at = 0;
  const auto count = static_cast<uint32_t>(buffers.size());  // the ring has room for all buffers
  if (xsk_ring_prod__reserve(&fill_, count, &at) != count) return;
  for (const uint64_t buffer : buffers) *xsk_ring_prod__fill_addr(&fill_, at++) = buffer;
  xsk_ring_prod__submit(&fill_, count);
  if (xsk_ring_prod__needs_wakeup(&fill_)) recvfrom(xsk_socket__fd(xsk_), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
}

void XdpIo::send(std::span<const Frame> frames) {
  for (const Frame& frame : frames) {
    // The packet socket does what AF_XDP cannot: it cuts super-frames, and reports frames that are too long.
    const bool fits = frame.size >= ETH_HLEN && frame.size <= uint32_t{options_.mtu} + ETH_HLEN;
    const bool special = frame.offload.super_frame() || frame.vlan != 0 || !fits;
    if (!special && put(frame)) continue;
    push();
    rest_->send({&frame, 1});
  }
  push();
}

// False: no buffer is free: earlier frames still wait to be sent.
bool XdpIo::put(const Frame& frame) {
  if (free_.empty()) push();
  uint32_t at = 0;
  if (free_.empty() || xsk_ring_prod__reserve(&tx_, 1, &at) != 1) return false;
  const uint64_t buffer = free_.back();
  free_.pop_back();
  uint8_t* const data = area_ + buffer;
  std::memcpy(data, frame.data, frame.size);
  if (frame.offload.partial_checksum()) complete_checksum({data, frame.size}, frame.offload);
  xdp_desc* const slot = xsk_ring_prod__tx_desc(&tx_, at);
  *slot = {buffer, frame.size, 0};
  xsk_ring_prod__submit(&tx_, 1);
  ++waiting_;
  ++counters_.sent;
  return true;
}

// Makes the kernel send until it has taken all frames. It takes some tens at a time, and returns EAGAIN if there are
// more. A driver that sends by itself need not be called, and reports sent frames later.
void XdpIo::push() {
  constexpr int kMostCalls = 64;
  reclaim();
  for (int calls = 0; waiting_ != 0 && calls < kMostCalls && xsk_ring_prod__needs_wakeup(&tx_) != 0; ++calls) {
    const bool taken = sendto(xsk_socket__fd(xsk_), nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0;
    const int problem = errno;
    reclaim();
    if (taken) return;
    if (problem == EBUSY) {  // one frame was refused
      --counters_.sent;
      ++counters_.send_failed;
    } else if (problem != EAGAIN && problem != EINTR) {
      if (problem == ENETDOWN || problem == ENXIO) error_seen_ = true;
      return;
    }
  }
}

void XdpIo::reclaim() {
  uint32_t at = 0;
  const uint32_t count = xsk_ring_cons__peek(&completed_, kSent, &at);
  for (uint32_t i = 0; i < count; ++i) free_.push_back(*xsk_ring_cons__comp_addr(&completed_, at + i));
  if (count != 0) xsk_ring_cons__release(&completed_, count);
  waiting_ -= std::min(count, waiting_);
}

LinkCounters XdpIo::counters() {
  LinkCounters all = rest_->counters();
  all += counters_;
  xdp_statistics stats{};
  socklen_t size = sizeof stats;
  if (getsockopt(xsk_socket__fd(xsk_), SOL_XDP, XDP_STATISTICS, &stats, &size) == 0)
    all.kernel_dropped += stats.rx_dropped + stats.rx_ring_full;
  return all;
}

bool XdpIo::take_error() {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (getsockopt(xsk_socket__fd(xsk_), SOL_SOCKET, SO_ERROR, &pending, &size) != 0) pending = errno;
  const bool rest = rest_->take_error();
  return std::exchange(error_seen_, false) || pending != 0 || rest;
}

}  // namespace rawvs
