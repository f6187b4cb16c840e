// SPDX-License-Identifier: BSD-2-Clause
// link_socket.cpp: AF_PACKET sockets: opening, filters, counters. Sending: link_send.cpp.
#include "sys/io/link_socket.h"

#include <linux/if_ether.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "side/capture_filter.h"
#include "sys/guard/filter_program.h"
#include "sys/io/tap_filter.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr const char *kWidest = "ip or arp or ip6", *kWidestBare = "ip or ip6";

// The size of the socket's queues; the kernel doubles it. A super-frame of 64 KB is accounted with 70 to 130 KB.
constexpr int kQueueBytes = 4 << 20;

uint16_t network_order(uint16_t v) {
  std::array<uint8_t, 2> bytes{};
  store_be16(bytes, 0, v);
  return std::bit_cast<uint16_t>(bytes);
}

bool attach_filter(int fd, std::span<const sock_filter> program) {
  const sock_fprog fprog{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof fprog) == 0;
}

Result<Done> attach_tap_filter(int fd, std::span<const sock_filter> program, int taps) {
  const auto loaded = load_tap_filter(program, taps);
  if (!loaded) return loaded.error();
  const int filter = loaded->get();  // the socket keeps it
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof filter) == 0) return Done{};
  return Error{system_error("packet socket: filter with the fast path", errno)};
}

}  // namespace

LinkSocket::~LinkSocket() {
  if (fd_ >= 0) close(fd_);
}

Error LinkSocket::error(std::string_view what) const {
  return at("interface " + options_.name, {system_error(std::string(what), errno)});
}

Result<Done> LinkSocket::make() {
  // Protocol 0: nothing arrives before bind(), and after it only what the filter passes: at first nothing.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return error("packet socket (needs root or CAP_NET_RAW)");
  const FilterProgram nothing{{BPF_RET | BPF_K, 0, 0, 0}};
  if (!attach_filter(fd_, nothing)) return error("packet socket: filter");
  // As far as permitted: a queue that is too small loses super-frames, which are counted.
  if (!set_option(SOL_SOCKET, SO_RCVBUFFORCE, kQueueBytes)) set_option(SOL_SOCKET, SO_RCVBUF, kQueueBytes);
  if (!set_option(SOL_SOCKET, SO_SNDBUFFORCE, kQueueBytes)) set_option(SOL_SOCKET, SO_SNDBUF, kQueueBytes);
  if (!options_.ethernet) {
    bare_ = std::make_unique<BareSender>();
    if (const auto opened = bare_->open(options_.name, options_.ifindex); !opened) return opened.error();
  }
  constexpr int kOn = 1;  // without it our own frames are received and skipped one by one
  set_option(SOL_PACKET, PACKET_IGNORE_OUTGOING, kOn);
  return Done{};
}

bool LinkSocket::carry_offloads(bool on) {
  const int value = on ? 1 : 0;
  if (!set_option(SOL_PACKET, PACKET_VNET_HDR, value)) return false;
  vnet_size_ = on ? sizeof(VnetHeader) : 0;
  return true;
}

std::string LinkSocket::remark() const {
  if (vnet_size_ != 0) return {};
  return "this kernel's packet sockets do not carry offload facts: TCP may stall unless offloads are off; type: "
         "ethtool -K " +
         options_.name + " gro off gso off tso off tx off";
}

Result<Done> LinkSocket::bind_to_interface() {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = network_order(ETH_P_ALL);
  address.sll_ifindex = options_.ifindex;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return error("packet socket: bind");
  return Done{};
}

Result<Done> LinkSocket::watch(const Watch& watch, std::span<const Mac> own) {
  CaptureSets sets = capture_sets(watch);
  std::string expression = capture_filter(sets, own);
  if (expression != expression_) {
    if (auto done = set_filter(expression); !done) return done;
  }
  let_in_ = std::move(sets);
  expression_ = std::move(expression);
  if (!options_.ethernet) return Done{};
  listen_to_groups(watch.vips);
  return listen_to_others(own.subspan(1));
}

// A filter of a few addresses is quickly replaced; for many, everything passes until watch() is called.
Result<Done> LinkSocket::widen(const Watch& watch, std::span<const Mac> own) {
  constexpr size_t kFew = 16;
  if (wide_ || let_in_.admits(watch)) return Done{};
  if (watch.vips.size() + watch.own.size() + watch.nat_servers.size() + watch.neighbors.size() <= kFew)
    return this->watch(watch, own);
  expression_.clear();
  return set_filter(options_.ethernet ? kWidest : kWidestBare);
}

Result<Done> LinkSocket::listen_to_others(std::span<const Mac> wanted) {
  std::erase_if(
      more_, [&](const Mac& mac) { return std::ranges::find(wanted, mac) == wanted.end() && listen_to(mac, false); });
  for (const Mac& mac : wanted) {
    if (std::ranges::find(more_, mac) != more_.end()) continue;
    if (!listen_to(mac, true)) return error("frames to " + text(mac));
    more_.push_back(mac);
  }
  return Done{};
}

// Where the kernel refuses membership (no IPv6 there, too many groups), the card is told to accept all groups.
void LinkSocket::listen_to_groups(const std::vector<Ip>& vips) {
  groups_problem_ = groups_.follow(options_.ifindex, vips);
  const bool all = groups_problem_ != 0;
  if (all == all_groups_) return;
  packet_mreq request{};
  request.mr_ifindex = options_.ifindex;
  request.mr_type = PACKET_MR_ALLMULTI;
  if (set_option(SOL_PACKET, all ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, request)) all_groups_ = all;
}

// If the card has no room for another address, the kernel makes it promiscuous. The address is dropped with the socket.
bool LinkSocket::listen_to(Mac mac, bool wanted) {
  packet_mreq request{};
  request.mr_ifindex = options_.ifindex;
  request.mr_type = PACKET_MR_UNICAST;
  request.mr_alen = static_cast<unsigned short>(mac.bytes.size());
  std::ranges::copy(mac.bytes, request.mr_address);
  return set_option(SOL_PACKET, wanted ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, request);
}

bool LinkSocket::attach(std::span<const sock_filter> program) {
  leaves_out_fast_ = false;
  if (options_.fast_taps >= 0) {
    const auto attached = attach_tap_filter(fd_, program, options_.fast_taps);
    fast_problem_ = attached ? "" : attached.error().text;
    leaves_out_fast_ = static_cast<bool>(attached);
  }
  return leaves_out_fast_ || attach_filter(fd_, program);
}

Result<Done> LinkSocket::set_filter(const std::string& expression) {
  constexpr int kWholeFrame = 262144;  // larger than any frame
  const std::string widest = options_.ethernet ? kWidest : kWidestBare;
  for (const std::string& wanted : {expression, widest}) {
    if (wanted.size() > kLongestExpression) continue;
    auto program = compile_filter(wanted, kWholeFrame, options_.ethernet);
    if (!program) return at("interface " + options_.name, program.error());
    if (program->size() > kMostInstructions) continue;
    if (attach(*program)) {
      wide_ = wanted == widest;
      return Done{};
    }
    if (errno != ENOMEM) break;  // ENOMEM: net.core.optmem_max
  }
  return error("packet socket: filter");
}

Result<Done> LinkSocket::set_filter(std::span<const sock_filter> program) {
  if (!attach(program)) return error("packet socket: filter");
  return Done{};
}

LinkCounters LinkSocket::counters() {
  tpacket_stats stats{};  // reading resets them
  socklen_t size = sizeof stats;
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) counters_.kernel_dropped += stats.tp_drops;
  return counters_;
}

bool LinkSocket::take_error() {
  int pending = 0;
  socklen_t size = sizeof pending;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &pending, &size) != 0) pending = errno;
  return std::exchange(error_seen_, false) || pending != 0;
}

}  // namespace rawvs
