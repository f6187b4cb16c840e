// SPDX-License-Identifier: BSD-2-Clause
// xdp_code.cpp: the program, about a hundred instructions.
#include "sys/io/xdp_code.h"

#include <array>
#include <bit>

#include "sys/guard/bpf_insn.h"
#include "sys/guard/guard_bpf.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace ebpf;

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
              kReply6At = kVip6At - static_cast<int>(sizeof(ReplyKey6)), kPortAt = kReply6At - 8,
              kPort6At = kPortAt - 24;

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
  explicit Program(const XdpFacts& facts) : facts_(facts) {}
  std::vector<bpf_insn> assemble();

 private:
  using Label = Assembler::Label;
  void start();
  void to_us();
  void unfragmented_ipv4();
  void vip();
  void reply_protocol(int from, int to);
  void own_port();
  void own_port6();
  void port_of(Register base, int protocol_at, int ports_at, int key_at, Label& other);
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

  XdpFacts facts_;
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

// Stores protocol and destination port, which is in the frame at base + ports_at, in a key.
void Program::port_of(Register base, int protocol_at, int ports_at, int key_at, Label& other) {
  Label has_ports;
  a_.put(load(BPF_B, r0, r7, protocol_at));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r0, static_cast<int32_t>(p), has_ports);
  a_.jump(other);
  a_.here(has_ports);
  for (int byte = 0; byte < 2; ++byte) {
    a_.put(shift_left(r0, 8));
    a_.put(load(BPF_B, r2, base, ports_at + static_cast<int>(kDestinationPortAt) + byte));
    a_.put(add_register(r0, r2));
  }
  a_.put(store(BPF_W, key_at, r0));
}

void Program::own_port() {
  Label other;
  a_.put(copy(r1, r7));
  a_.put(add_register(r1, r9));
  a_.put(copy(r2, r1));
  a_.put(add(r2, kIp + static_cast<int>(kPortsSize)));
  a_.jump_if_greater(r2, r8, other);
  port_of(r1, kProtocol, kIp, kPortAt, other);
  a_.put(load(BPF_W, r0, r7, kDestination));
  a_.put(store(BPF_W, kPortAt + kPortKeyAddress, r0));
  a_.look_up(*facts_.ports, kPortAt, redirect_);
  a_.here(other);
}

void Program::own_port6() {
  Label other;
  port_of(r7, kNextHeader, kL4, kPort6At, other);
  copy6(kDestination6, kPort6At + kPortKeyAddress);
  a_.look_up(*facts_.ports6, kPort6At, redirect_);
  a_.here(other);
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
  if (facts_.ports) own_port();
  if (facts_.flows) answer();
  if (facts_.ipv6()) {
    a_.jump(pass_);
    a_.here(ipv6_);
    ipv6();
    if (facts_.vips6) vip6();
    if (facts_.ports6) own_port6();
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

std::vector<bpf_insn> xdp_code(const XdpFacts& facts) { return Program(facts).assemble(); }

}  // namespace rawvs
