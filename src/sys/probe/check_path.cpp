// SPDX-License-Identifier: BSD-2-Clause
// check_path.cpp: rule, route, guard and socket, and the flows of probes.
#include "sys/probe/check_path.h"

#include <linux/filter.h>
#include <net/if.h>

#include <algorithm>
#include <array>

#include "sys/guard/loopback_guard.h"
#include "sys/io/plain_socket.h"
#include "sys/net/marked_route.h"
#include "sys/probe/probes.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

// Four times the probes in progress: a closed connection may still send packets.
constexpr size_t kFlows = 4 * Probes::kMost;

Result<Done> take_marked(PlainSocket& socket) {
  constexpr auto kMarkAt = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_MARK);
  constexpr uint32_t kWhole = 262144;  // larger than any frame
  static constexpr sock_filter kProgram[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kMarkAt},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, CheckPath::kMark},
      {BPF_RET | BPF_K, 0, 0, kWhole},
      {BPF_RET | BPF_K, 0, 0, 0},
  };
  return socket.set_filter(kProgram);
}

}  // namespace

struct CheckPath::Impl {
  struct Flow {
    FlowKey key{};
    Addressee addressee{};
  };
  std::unique_ptr<PlainSocket> socket;
  std::unique_ptr<LoopbackGuard> guard;
  std::array<std::unique_ptr<MarkedRoute>, 2> routes;  // by family; made last, removed first
  std::string remark;
  std::vector<Flow> flows{kFlows};  // a ring
  size_t next = 0;                  // the one that is replaced next
};

CheckPath::CheckPath(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CheckPath::~CheckPath() = default;

Result<std::unique_ptr<CheckPath>> CheckPath::open(GuardMode mode, Family family) {
  auto impl = std::make_unique<Impl>();
  FrameIo::Options options;
  options.name = "lo";
  options.ifindex = static_cast<int>(if_nametoindex("lo"));
  auto socket = PlainSocket::open(options);
  if (!socket) return socket.error();
  if (const auto done = take_marked(**socket); !done) return done.error();
  impl->socket = std::move(*socket);
  if (auto guard = LoopbackGuard::attach(kMark, mode)) {
    impl->guard = std::move(*guard);
  } else {
    impl->remark = guard.error().text;
  }
  std::unique_ptr<CheckPath> path(new CheckPath(std::move(impl)));
  if (const auto made = path->make_route(family); !made) return made.error();
  return path;
}

Result<Done> CheckPath::make_route(Family family) {
  auto& route = impl_->routes[index(family)];
  if (route) return Done{};
  auto opened =
      MarkedRoute::open({.mark = kMark, .table = kTable, .priority = kPriority, .mtu = kMtu, .family = family});
  if (!opened) return opened.error();
  route = std::move(*opened);
  return Done{};
}

int CheckPath::fd() const { return impl_->socket->fd(); }
const std::string& CheckPath::remark() const { return impl_->remark; }

Result<Done> CheckPath::leads(Endpoint vip, Ip source) {
  const Family family = vip.addr.family();
  if (source.family() != family) return Error{text(source) + " is of another family than " + text(vip.addr)};
  if (const auto made = make_route(family); !made) return made.error();
  return impl_->routes[index(family)]->leads(vip.addr, source);
}

void CheckPath::expect(const FlowKey& flow, const Addressee& addressee) {
  const auto known = std::ranges::find(impl_->flows, flow, &Impl::Flow::key);
  if (known != impl_->flows.end()) {  // a port in use again
    known->addressee = addressee;
    return;
  }
  impl_->flows[impl_->next] = {flow, addressee};
  impl_->next = (impl_->next + 1) % kFlows;
}

size_t CheckPath::receive(std::span<Frame> frames) {
  const size_t count = impl_->socket->receive(frames);
  if (count == 0) impl_->socket->take_error();  // lo went down: clears the error, which would wake the loop again
  return count;
}

void CheckPath::release() { impl_->socket->release(); }

const CheckPath::Addressee* CheckPath::addressee(const Frame& frame) const {
  Ethernet ethernet;
  Packet packet;
  if (parse_ethernet(frame, ethernet) || (ethernet.kind != Kind::ipv4 && ethernet.kind != Kind::ipv6)) return nullptr;
  if (parse_ip(frame, packet)) return nullptr;
  const FlowKey key{packet.src, packet.dst, packet.sport, packet.dport, packet.protocol, false};
  const auto known = std::ranges::find(impl_->flows, key, &Impl::Flow::key);
  return known == impl_->flows.end() || key == FlowKey{} ? nullptr : &known->addressee;
}

}  // namespace rawvs
