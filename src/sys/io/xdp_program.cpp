// SPDX-License-Identifier: BSD-2-Clause
// xdp_program.cpp: loads and attaches the program (xdp_code.h) with libbpf, and fills its maps.
#include "sys/io/xdp_program.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <optional>

#include "core/sort.h"
#include "sys/guard/guard.h"
#include "sys/io/xdp_code.h"
#include "sys/net/socket_address.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr const char* kName = "rawvs_xdp";

}  // namespace

Result<std::unique_ptr<XdpProgram>> XdpProgram::attach(int ifindex, uint32_t longest, FlowMap& flows) {
  auto vips = BpfMap::make(sizeof(uint32_t), kMostVips);
  if (!vips) return vips.error();
  std::unique_ptr<XdpProgram> made(new XdpProgram(longest, flows, std::move(*vips)));
  constexpr uint32_t kQueues = 1;
  made->sockets_.reset(
      bpf_map_create(BPF_MAP_TYPE_XSKMAP, kName, sizeof(uint32_t), sizeof(uint32_t), kQueues, nullptr));
  if (!made->sockets_) return Error{system_error("map of AF_XDP sockets", errno)};
  constexpr Mac kNobody{};
  auto program = made->load({&kNobody, 1}, {});
  if (!program) return program.error();
  made->program_ = std::move(*program);
  if (const auto attached = made->attach_to(ifindex); !attached) return attached.error();
  return made;
}

Result<Fd> XdpProgram::load(std::span<const Mac> own, Knowledge knows) {
  std::optional<int> vips6;
  std::array<std::optional<int>, 2> flows{};
  for (const Family family : kBothFamilies) {
    if (!knows.flows[index(family)]) continue;
    const auto map = flows_.open(family);
    if (!map) return map.error();
    flows[index(family)] = *map;
  }
  if (knows.vips6) {
    if (!vips6_) {
      auto map = BpfMap::make(sizeof(in6_addr), kMostVips);
      if (!map) return map.error();
      vips6_ = std::move(*map);
    }
    vips6 = vips6_->fd();
  }
  std::array<std::optional<int>, 2> ports{};
  for (const Family family : kBothFamilies) {
    if (!knows.ports[index(family)]) continue;
    std::optional<BpfMap>& its = ports_[index(family)];
    if (!its) {
      auto map = BpfMap::make(kPortKeyAddress + ip_bytes(family), kMostVips);
      if (!map) return map.error();
      its = std::move(*map);
    }
    ports[index(family)] = its->fd();
  }
  const auto code =
      xdp_code({own, longest_, vips_.fd(), sockets_.get(), vips6, flows[0], flows[1], ports[0], ports[1]});
  Fd loaded(bpf_prog_load(BPF_PROG_TYPE_XDP, kName, "BSD", code.data(), code.size(), nullptr));
  if (!loaded) return Error{system_error("xdp program", errno)};
  return loaded;
}

// In the driver, or else in the kernel's generic code.
Result<Done> XdpProgram::attach_to(int ifindex) {
  for (const bool native : {true, false}) {
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    link_.reset(bpf_link_create(program_.get(), ifindex, BPF_XDP, &options));
    native_ = native;
    if (link_) return Done{};
    if (errno == EBUSY || errno == EEXIST) return Error{"another XDP program is on this interface already"};
  }
  return Error{system_error("xdp link (needs Linux 5.9)", errno)};
}

Result<Done> XdpProgram::redirect_to(int xsk) {
  constexpr uint32_t kQueue = 0;
  if (bpf_map_update_elem(sockets_.get(), &kQueue, &xsk, BPF_ANY) != 0)
    return Error{system_error("map of AF_XDP sockets", errno)};
  return Done{};
}

Result<Done> XdpProgram::watch(const Watch& watch, std::span<const Mac> own) {
  const Knowledge needed{{knows_.flows[0] || std::ranges::any_of(watch.nat_servers, &Ip::is_v4),
                          knows_.flows[1] || std::ranges::any_of(watch.nat_servers, &Ip::is_v6)},
                         knows_.vips6 || std::ranges::any_of(watch.vips, &Ip::is_v6),
                         {knows_.ports[0] || std::ranges::any_of(watch.own, &Ip::is_v4, &VipPorts::vip),
                          knows_.ports[1] || std::ranges::any_of(watch.own, &Ip::is_v6, &VipPorts::vip)}};
  if (!std::ranges::equal(own, own_) || needed != knows_) {
    auto next = load(own, needed);
    if (!next) return next.error();
    if (const int problem = replace_program(link_.get(), next->get()); problem != 0)
      return Error{system_error("xdp program", problem)};
    program_ = std::move(*next);
    own_.assign(own.begin(), own.end()), knows_ = needed;
  }
  std::vector<Redirected> wanted;
  wanted.reserve(watch.vips.size());
  for (const Ip vip : watch.vips) wanted.push_back({0, vip});
  for (const VipPorts& ports : watch.own) {
    for (uint32_t port = ports.first; port <= ports.last; ++port)
      wanted.push_back({port_key(ports.protocol, port), ports.vip});
  }
  if (!watch.own.empty()) sort_with(wanted, std::less<>());
  return follow(wanted);
}

int XdpProgram::change(const Redirected& one, bool known) {
  const WireAddress address(one.address);
  const bool v4 = one.address.is_v4();
  if (one.what == 0) {
    BpfMap& map = v4 ? vips_ : *vips6_;
    return known ? map.put(address.data()) : map.remove(address.data());
  }
  std::array<uint8_t, kPortKeyAddress + sizeof(in6_addr)> key{};
  std::memcpy(key.data(), &one.what, sizeof one.what);
  std::memcpy(key.data() + kPortKeyAddress, address.data(), ip_bytes(one.address.family()));
  BpfMap& map = *ports_[index(one.address.family())];
  return known ? map.put(key.data()) : map.remove(key.data());
}

// Packets to an address or a port without room in the map pass, and come from the packet socket.
Result<Done> XdpProgram::follow(const std::vector<Redirected>& wanted) {
  std::vector<Redirected> gone, added;
  std::ranges::set_difference(told_, wanted, std::back_inserter(gone));
  std::ranges::set_difference(wanted, told_, std::back_inserter(added));
  Result<Done> done = Done{};
  std::vector<Redirected> known = wanted;  // what is not done is tried again with the next change
  for (const Redirected& one : gone) {
    if (const int problem = change(one, false); problem != 0) {
      done = Error{system_error("xdp: " + text(one.address), problem)};
      known.insert(std::ranges::lower_bound(known, one), one);
    }
  }
  for (const Redirected& one : added) {
    if (const int problem = change(one, true); problem != 0) {
      done = Error{system_error("xdp: " + text(one.address), problem)};
      known.erase(std::ranges::lower_bound(known, one));
    }
  }
  told_ = std::move(known);
  return done;
}

}  // namespace rawvs
