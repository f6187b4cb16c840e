// SPDX-License-Identifier: BSD-2-Clause
// xdp_setup.cpp: AF_XDP's four rings are set up with libxdp. Buffers [0, received_chunks_) receive, the others send.
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <utility>
#include <vector>

#include "sys/io/xdp_io.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr uint32_t kHeadOfBuffer = 256;  // XDP_PACKET_HEADROOM: bytes that the kernel leaves free before a frame
constexpr uint32_t kSmall = 2048, kLarge = 4096;
constexpr uint32_t kTag = 4;
constexpr int kMostPerCall = 9;  // XDP_MAX_TX_SKB_BUDGET (Linux 6.17): frames sent by one call

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
  return at("interface " + options_.name, {system_error(std::string(what), number)});
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
    return Error{formatted("interface {}: frames of an MTU of {} do not fit a buffer of {} bytes", options_.name,
                           options_.mtu, chunk_)};
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

}  // namespace rawvs
