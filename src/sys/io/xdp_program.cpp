// SPDX-License-Identifier: BSD-2-Clause
// xdp_program.cpp: the program, about a hundred instructions. libbpf loads it.
#include "sys/io/xdp_program.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <iterator>
#include <optional>

#include "rawvs/bytes.h"
#include "sys/guard/bpf_insn.h"
#include "sys/guard/guard_bpf.h"
#include "sys/net/socket_address.h"
#include "sys/sys.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace ebpf;

constexpr const char* kName = "rawvs_xdp";
constexpr Register r9 = BPF_REG_9;

// Offsets in the frame.
constexpr int kType = kEthernetTypeAt, kIp = kEthernetSize, kFragment = kIp + kIpv4FragmentAt,
              kProtocol = kIp + kIpv4ProtocolAt, kSource = kIp + kIpv4SourceAt, kDestination = kIp + kIpv4DestinationAt,
              kIpEnd = kIp + kIpv4Size;
constexpr int kNextHeader = kIp + kIpv6NextHeaderAt, kSource6 = kIp + kIpv6SourceAt,
              kDestination6 = kIp + kIpv6DestinationAt, kL4 = kIp + kIpv6Size, kL4End = kL4 + kPortsSize;
constexpr std::array kWithPorts{Protocol::tcp, Protocol::udp, Protocol::sctp};

// Offsets on the stack.
constexpr int kReplyAt = -static_cast<int>(sizeof(ReplyKey)), kVipAt = kReplyAt - 8, kVip6At = kVipAt - 16,
              kReply6At = kVip6At - static_cast<int>(sizeof(ReplyKey6));

constexpr uint16_t as_loaded(uint8_t first,
                             uint8_t second) {  // two bytes of the wire as a number in the machine's order
  return std::bit_cast<uint16_t>(std::array<uint8_t, 2>{first, second});
}
constexpr uint16_t as_loaded(int word) {  // the same for a number in host order
  return as_loaded(static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word));
}
constexpr bpf_insn load(int size, Register dst, Register base, int at) {
  return insn(BPF_LDX | BPF_MEM | size, dst, base, static_cast<int16_t>(at), 0);
}
constexpr bpf_insn store(int size, int at, Register src) {
  return insn(BPF_STX | BPF_MEM | size, stack, src, static_cast<int16_t>(at), 0);
}

// r6: xdp_md. r7: the frame. r8: its end. r9: the IPv4 header's size.
class Program {
 public:
  struct Facts {
    std::span<const Mac> own;
    uint32_t longest;
    int vips, sockets;
    std::optional<int> vips6, flows, flows6;
    bool ipv6() const { return vips6 || flows6; }
  };
  explicit Program(const Facts& facts) : facts_(facts) {}
  std::vector<bpf_insn> assemble();

 private:
  using Label = Assembler::Label;
  void start();
  void to_us();
  void unfragmented_ipv4();
  void vip();
  void reply_protocol(int from, int to);
  void answer();
  void ipv6();
  void vip6();
  void answer6();
  void copy6(int from, int to) {  // an address, from the frame to the stack
    for (int word = 0; word < 16; word += 4) {
      a_.put(load(BPF_W, r0, r7, from + word));
      a_.put(store(BPF_W, to + word, r0));
    }
  }

  Facts facts_;
  Assembler a_;
  Label pass_, redirect_, ipv6_;
};

void Program::start() {
  a_.put(copy(r6, r1));
  a_.put(load(BPF_W, r7, r6, offsetof(xdp_md, data)));
  a_.put(load(BPF_W, r8, r6, offsetof(xdp_md, data_end)));
  a_.put(copy(r0, r7));
  a_.put(add(r0, kIpEnd));
  a_.jump_if_greater(r0, r8, pass_);
  a_.put(copy(r0, r7));
  a_.put(add(r0, static_cast<int32_t>(facts_.longest)));
  a_.jump_if_greater(r8, r0, pass_);
}

void Program::to_us() {
  Label ours;
  for (const Mac& mac : facts_.own) {
    Label other;
    for (int at = 0; at < 6; at += 2) {
      const auto i = static_cast<size_t>(at);
      a_.put(load(BPF_H, r0, r7, at));
      a_.jump_unless_equal(r0, as_loaded(mac.bytes[i], mac.bytes[i + 1]), other);
    }
    a_.jump(ours);
    a_.here(other);
  }
  a_.jump(pass_);
  a_.here(ours);
  a_.put(load(BPF_H, r0, r7, kType));
  if (facts_.ipv6()) a_.jump_if_equal(r0, as_loaded(kEtherTypeIpv6), ipv6_);
  a_.jump_unless_equal(r0, as_loaded(kEtherTypeIpv4), pass_);
}

void Program::unfragmented_ipv4() {
  Label known;
  a_.put(load(BPF_B, r9, r7, kIp));
  for (int32_t words = 5; words <= 15; ++words) a_.jump_if_equal(r9, 0x40 | words, known);  // version 4
  a_.jump(pass_);
  a_.here(known);
  a_.put(mask(r9, 0x0f));
  a_.put(shift_left(r9, 2));
  a_.put(load(BPF_H, r0, r7, kFragment));
  a_.put(mask(r0, as_loaded(kMoreFragments | kFragmentOffset)));
  a_.jump_unless_equal(r0, 0, pass_);
}

void Program::vip() {
  a_.put(load(BPF_W, r0, r7, kDestination));
  a_.put(store(BPF_W, kVipAt, r0));
  a_.look_up(facts_.vips, kVipAt, redirect_);
}

// Stores the protocol, if it has ports.
void Program::reply_protocol(int from, int to) {
  Label has_ports;
  a_.put(load(BPF_B, r0, r7, from));
  a_.put(store(BPF_W, to, r0));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r0, static_cast<int32_t>(p), has_ports);
  a_.jump(pass_);
  a_.here(has_ports);
}

void Program::answer() {
  constexpr auto field = [](size_t at) { return kReplyAt + static_cast<int>(at); };
  reply_protocol(kProtocol, field(offsetof(ReplyKey, protocol)));
  a_.put(load(BPF_W, r0, r7, kSource));
  a_.put(store(BPF_W, field(offsetof(ReplyKey, server)), r0));
  a_.put(load(BPF_W, r0, r7, kDestination));
  a_.put(store(BPF_W, field(offsetof(ReplyKey, client)), r0));
  a_.put(copy(r1, r7));
  a_.put(add_register(r1, r9));
  a_.put(copy(r2, r1));
  a_.put(add(r2, kIp + static_cast<int>(kPortsSize)));
  a_.jump_if_greater(r2, r8, pass_);
  a_.put(load(BPF_H, r0, r1, kIp + kSourcePortAt));
  a_.put(store(BPF_H, field(offsetof(ReplyKey, server_port)), r0));
  a_.put(load(BPF_H, r0, r1, kIp + kDestinationPortAt));
  a_.put(store(BPF_H, field(offsetof(ReplyKey, client_port)), r0));
  a_.look_up(*facts_.flows, kReplyAt, redirect_);
}

// TCP, UDP, SCTP and ICMPv6 right behind the IPv6 header: extension headers may hide a fragment. Neighbour discovery
// passes, as ARP does.
void Program::ipv6() {
  a_.put(copy(r0, r7));
  a_.put(add(r0, kL4End));
  a_.jump_if_greater(r0, r8, pass_);
  a_.put(load(BPF_B, r0, r7, kIp));
  a_.put(mask(r0, 0xf0));
  a_.jump_unless_equal(r0, 0x60, pass_);
  Label whole;
  a_.put(load(BPF_B, r0, r7, kNextHeader));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r0, static_cast<int32_t>(p), whole);
  a_.jump_unless_equal(r0, static_cast<int32_t>(Protocol::icmpv6), pass_);
  a_.put(load(BPF_B, r0, r7, kL4 + static_cast<int>(kIcmpTypeAt)));
  for (const uint8_t type : {icmpv6::kSolicitation, icmpv6::kAdvertisement}) a_.jump_if_equal(r0, type, pass_);
  a_.here(whole);
}

void Program::vip6() {
  copy6(kDestination6, kVip6At);
  a_.look_up(*facts_.vips6, kVip6At, redirect_);
}

void Program::answer6() {
  constexpr auto field = [](size_t at) { return kReply6At + static_cast<int>(at); };
  reply_protocol(kNextHeader, field(offsetof(ReplyKey6, protocol)));
  copy6(kSource6, field(offsetof(ReplyKey6, server)));
  copy6(kDestination6, field(offsetof(ReplyKey6, client)));
  a_.put(load(BPF_H, r0, r7, kL4 + static_cast<int>(kSourcePortAt)));
  a_.put(store(BPF_H, field(offsetof(ReplyKey6, server_port)), r0));
  a_.put(load(BPF_H, r0, r7, kL4 + static_cast<int>(kDestinationPortAt)));
  a_.put(store(BPF_H, field(offsetof(ReplyKey6, client_port)), r0));
  a_.look_up(*facts_.flows6, kReply6At, redirect_);
}

std::vector<bpf_insn> Program::assemble() {
  start();
  to_us();
  unfragmented_ipv4();
  vip();
  if (facts_.flows) answer();
  if (facts_.ipv6()) {
    a_.jump(pass_);
    a_.here(ipv6_);
    ipv6();
    if (facts_.vips6) vip6();
    if (facts_.flows6) answer6();
  }
  a_.here(pass_);
  a_.put(set(r0, XDP_PASS));
  a_.put(leave());
  a_.here(redirect_);
  a_.put(load(BPF_W, r2, r6, offsetof(xdp_md, rx_queue_index)));
  a_.put_map(r1, facts_.sockets);
  a_.put(set(r3, XDP_PASS));  // if the queue has no socket
  a_.put(call(BPF_FUNC_redirect_map));
  a_.put(leave());
  return a_.code();
}

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
  const auto code = Program({own, longest_, vips_.fd(), sockets_.get(), vips6, flows[0], flows[1]}).assemble();
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
                         knows_.vips6 || std::ranges::any_of(watch.vips, &Ip::is_v6)};
  if (!std::ranges::equal(own, own_) || needed != knows_) {
    auto next = load(own, needed);
    if (!next) return next.error();
    if (const int problem = replace_program(link_.get(), next->get()); problem != 0)
      return Error{system_error("xdp program", problem)};
    program_ = std::move(*next);
    own_.assign(own.begin(), own.end()), knows_ = needed;
  }
  return follow_vips(watch.vips);
}

int XdpProgram::change_vip(Ip vip, bool known) {
  const WireAddress key(vip);
  BpfMap& map = vip.is_v4() ? vips_ : *vips6_;
  return known ? map.put(key.data()) : map.remove(key.data());
}

// Packets to a VIP without room in the map pass, and come from the packet socket.
Result<Done> XdpProgram::follow_vips(const std::vector<Ip>& wanted) {
  std::vector<Ip> gone, added;
  std::ranges::set_difference(told_, wanted, std::back_inserter(gone));
  std::ranges::set_difference(wanted, told_, std::back_inserter(added));
  Result<Done> done = Done{};
  std::vector<Ip> known = wanted;  // what is not done is tried again with the next change
  for (const Ip vip : gone) {
    if (const int problem = change_vip(vip, false); problem != 0) {
      done = Error{system_error("xdp: " + text(vip), problem)};
      known.insert(std::ranges::lower_bound(known, vip), vip);
    }
  }
  for (const Ip vip : added) {
    if (const int problem = change_vip(vip, true); problem != 0) {
      done = Error{system_error("xdp: " + text(vip), problem)};
      known.erase(std::ranges::lower_bound(known, vip));
    }
  }
  told_ = std::move(known);
  return done;
}

}  // namespace rawvs
