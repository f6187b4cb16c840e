// SPDX-License-Identifier: BSD-2-Clause
// guard_code.cpp: the program, about a hundred instructions. It drops, untagged or with a priority tag only:
//   ARP requests and solicitations for a VIP; and, to our MAC addresses:
//   packets to a VIP, or to a service's port of an address of the host; fragments from a NAT server, except to the
//   host's own addresses; replies of known flows; ICMP errors that quote a packet to a server in a known flow.
// First it turns frames to a virtual MAC address of ours into the host's own.
// No loops, and helpers only to read the frame: Linux 4.5 verifies it.
#include "sys/guard/guard_code.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "rawvs/bytes.h"
#include "sys/guard/bpf_insn.h"
#include "sys/guard/guard_stack.h"
#include "wire/discovery.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace ebpf;
using namespace guard_stack;

using Key = GuardKey;
using Key6 = GuardKey6;

// The meaning of the returned number, the same for both hooks.
constexpr int32_t kNext = -1;  // TC_ACT_UNSPEC, TCX_NEXT: not the director's: run the next program
constexpr int32_t kShot = 2;   // TC_ACT_SHOT, TCX_DROP

constexpr Register r9 = BPF_REG_9;
constexpr std::array kWithPorts{Protocol::tcp, Protocol::udp, Protocol::sctp};

// r6: the frame's __sk_buff. r7: the offset of the ports. r8: their protocol. r9: as r7, for a guarded port.
class Program {
 public:
  Program(int addresses, const GuardProgram::Knowledge& knows)
      : addresses_(addresses),
        flows_(knows.flow_map),
        addresses6_(knows.addresses6),
        flows6_(knows.flow_map6),
        ports_(knows.ports),
        macs_(knows.macs),
        ethernet_(knows.ethernet) {}
  std::vector<bpf_insn> assemble();

 private:
  using Label = Assembler::Label;
  void start();
  void adopt(const Label& host);
  void ask_who_has();
  void sent_to_host();
  void ipv4();
  void ipv6();
  void look_up6(Guarded what, int address_at, Label& found);
  void flows6();
  void own_ports();
  void own_ports6();
  void port_of(int ports_at, int key_at);
  void first_fragment6();
  void only_first_fragment6(int to, Label& other);
  void ports_in_quote6();
  void fragment();
  void ports_behind_ip();
  void ports_in_quote();

  // Loads from the frame at a register's offset plus `more` onto the stack. A frame that is too short is not dropped.
  void load(Register from, int32_t more, int to, int32_t size) {
    a_.put(copy(r1, r6));
    a_.put(copy(r2, from));
    a_.put(add(r2, more));
    a_.put(copy(r3, stack));
    a_.put(add(r3, to));
    a_.put(set(r4, size));
    a_.put(call(BPF_FUNC_skb_load_bytes));
    a_.jump_unless_equal(r0, 0, next_);
  }
  void look_up_address(Guarded what, int address_at, Label& found) {
    a_.put(load_word(r0, stack, address_at));
    a_.put(store_word(kKeyAt + static_cast<int>(offsetof(Key, address)), r0));
    a_.put(store_word_value(kKeyAt, static_cast<int32_t>(what)));
    a_.look_up(addresses_, kKeyAt, found);
  }
  void copy_address6(int from, int to) {
    for (int word = 0; word < 16; word += 4) copy_word(from + word, to + word);
  }
  void copy_word(int from, int to) {
    a_.put(load_word(r0, stack, from));
    a_.put(store_word(to, r0));
  }
  void header_size(Register dst, int header_at) {  // IHL, in words
    a_.put(load_byte(dst, header_at));
    a_.put(mask(dst, 0x0f));
    a_.put(shift_left(dst, 2));
  }
  void only_errors(int icmp_at, std::span<const uint8_t> types) {
    Label error;
    a_.put(load_byte(r0, icmp_at));
    for (const uint8_t type : types) a_.jump_if_equal(r0, type, error);
    a_.jump(next_);
    a_.here(error);
  }
  void jump_if_fragment(int header_at, int32_t bits, Label& to) {
    a_.put(load_byte(r0, header_at + kFragment));
    a_.put(mask(r0, bits));
    a_.jump_unless_equal(r0, 0, to);
    a_.put(load_byte(r0, header_at + kFragment + 1));
    a_.jump_unless_equal(r0, 0, to);
  }

  int addresses_;
  std::optional<int> flows_, addresses6_, flows6_;
  std::array<bool, 2> ports_;
  std::span<const Mac> macs_;
  bool ethernet_;
  Assembler a_;
  Label next_, drop_, arp_, ipv6_;
};

void Program::start() {
  constexpr int32_t kVlanId = 0x0fff;
  a_.put(copy(r6, r1));  // loads from the frame require it in r6
  Label untagged;
  a_.put(load_word(r0, r6, offsetof(__sk_buff, vlan_present)));  // on a VLAN interface the id stays (before Linux 6.2)
  a_.jump_if_equal(r0, 0, untagged);
  a_.put(load_word(r0, r6, offsetof(__sk_buff, vlan_tci)));
  a_.put(mask(r0, kVlanId));
  a_.jump_unless_equal(r0, 0, next_);
  a_.here(untagged);
  // Before Linux 4.7 a helper may write only to initialised stack.
  for (int at = flows6_ ? kIcmp6At : addresses6_ ? kIp6At : kIcmpAt; at < 0; at += 8) a_.put(store_zeros(at));
  a_.put(ethernet_ ? load_frame16(offsetof(ethhdr, h_proto)) : load_word(r0, r6, offsetof(__sk_buff, protocol)));
  if (ethernet_) a_.jump_if_equal(r0, ETH_P_ARP, arp_);
  if (addresses6_) a_.jump_if_equal(r0, ethernet_ ? ETH_P_IPV6 : as_on_wire(ETH_P_IPV6), ipv6_);
  a_.jump_unless_equal(r0, ethernet_ ? ETH_P_IP : as_on_wire(ETH_P_IP), next_);
  sent_to_host();
}

void Program::sent_to_host() {
  a_.put(load_word(r0, r6, offsetof(__sk_buff, pkt_type)));
  if (macs_.empty()) return a_.jump_unless_equal(r0, PACKET_HOST, next_);
  Label host;
  a_.jump_if_equal(r0, PACKET_HOST, host);
  a_.jump_unless_equal(r0, PACKET_OTHERHOST, next_);
  adopt(host);
}

// The kernel's IP layer drops other hosts' packets; as the host's own, the packet takes its usual path with the
// firewall. (Linux 4.8)
void Program::adopt(const Label& host) {
  Label ours;
  for (const Mac& mac : macs_) {
    Label other;
    for (int at = 0; at < 6; at += 2) {
      a_.put(load_frame16(at));
      a_.jump_unless_equal(r0, load_be16(mac.bytes, static_cast<size_t>(at)), other);
    }
    a_.jump(ours);
    a_.here(other);
  }
  a_.jump(next_);
  a_.here(ours);
  a_.put(copy(r1, r6));
  a_.put(set(r2, PACKET_HOST));
  a_.put(call(BPF_FUNC_skb_change_type));
  a_.here(host);
}

void Program::ask_who_has() {
  a_.put(set(r7, kArpTarget));
  load(r7, 0, kIpAt + kDestination, sizeof(Key::address));
  a_.put(load_frame16(kArpOperation));
  a_.jump_unless_equal(r0, kArpRequest, next_);
  look_up_address(Guarded::vip, kIpAt + kDestination, drop_);
}

void Program::ipv4() {
  a_.put(set(r7, ethernet_ ? int{sizeof(ethhdr)} : 0));
  load(r7, 0, kIpAt, kIpSize);
  look_up_address(Guarded::vip, kIpAt + kDestination, drop_);
  if (ports_[index(Family::ipv4)]) own_ports();
  if (!flows_) return;
  Label fragment_, icmp, ports_known;
  jump_if_fragment(kIpAt, kMoreOrOffset, fragment_);
  header_size(r0, kIpAt);
  a_.put(add_register(r7, r0));
  a_.put(load_byte(r8, kIpAt + kProtocol));
  a_.jump_if_equal(r8, static_cast<int32_t>(Protocol::icmp), icmp);
  ports_behind_ip();
  a_.jump(ports_known);
  a_.here(icmp);
  ports_in_quote();
  a_.here(ports_known);
  a_.put(store_word(kReplyProtocol, r8));
  a_.look_up(*flows_, kReplyAt, drop_);
  a_.jump(next_);
  a_.here(fragment_);
  fragment();
}

// Solicitations for a VIP, which are sent to a group, and all packets to a VIP, whatever headers they have.
void Program::ipv6() {
  a_.put(set(r7, ethernet_ ? int{sizeof(ethhdr)} : 0));
  load(r7, 0, kIp6At, kIp6Size);
  Label no_question;
  a_.put(load_byte(r0, kIp6At + kNext6));
  a_.jump_unless_equal(r0, static_cast<int32_t>(Protocol::icmpv6), no_question);
  load(r7, kIp6Size, kIcmpAt, 1);
  a_.put(load_byte(r0, kIcmpAt));
  a_.jump_unless_equal(r0, icmpv6::kSolicitation, no_question);
  load(r7, kIp6Size + kTarget6, kIcmpAt + 8, 16);
  look_up6(Guarded::vip, kIcmpAt + 8, drop_);
  a_.here(no_question);
  sent_to_host();
  look_up6(Guarded::vip, kIp6At + kDestination6, drop_);
  if (ports_[index(Family::ipv6)]) own_ports6();
  if (flows6_) flows6();
}

// Completes a key of guarded_port(): r8 has the protocol; the destination port is on the stack, behind the source port.
void Program::port_of(int ports_at, int key_at) {
  a_.put(shift_left(r8, 8));
  a_.put(load_byte(r0, ports_at + static_cast<int>(kDestinationPortAt)));
  a_.put(add_register(r8, r0));
  a_.put(shift_left(r8, 8));
  a_.put(load_byte(r0, ports_at + static_cast<int>(kDestinationPortAt) + 1));
  a_.put(add_register(r8, r0));
  a_.put(store_word(key_at, r8));
}

// Of fragments the first one, which has the ports: without it the kernel discards the others, and says nothing.
void Program::own_ports() {
  Label has_ports, other;
  jump_if_fragment(kIpAt, kOffset, other);
  a_.put(load_byte(r8, kIpAt + kProtocol));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r8, static_cast<int32_t>(p), has_ports);
  a_.jump(other);
  a_.here(has_ports);
  header_size(r9, kIpAt);
  a_.put(add_register(r9, r7));
  load(r9, 0, kReplyServerPort, static_cast<int32_t>(kPortsSize));
  copy_word(kIpAt + kDestination, kKeyAt + static_cast<int>(offsetof(Key, address)));
  port_of(kReplyServerPort, kKeyAt);
  a_.look_up(addresses_, kKeyAt, drop_);
  a_.here(other);
}

// Right behind the IPv6 header, or behind a fragment header that follows it.
void Program::own_ports6() {
  Label has_ports, other;
  a_.put(copy(r9, r7));
  a_.put(add(r9, kIp6Size));
  a_.put(load_byte(r8, kIp6At + kNext6));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r8, static_cast<int32_t>(p), has_ports);
  a_.jump_unless_equal(r8, ipv6_next::kFragment, other);
  only_first_fragment6(kIcmpAt, other);
  a_.put(add(r9, static_cast<int32_t>(kIpv6FragmentSize)));
  a_.put(load_byte(r8, kIcmpAt));
  for (const Protocol p : kWithPorts) a_.jump_if_equal(r8, static_cast<int32_t>(p), has_ports);
  a_.jump(other);
  a_.here(has_ports);
  load(r9, 0, kIcmpAt, static_cast<int32_t>(kPortsSize));
  copy_address6(kIp6At + kDestination6, kKey6At + static_cast<int>(offsetof(Key6, address)));
  port_of(kIcmpAt, kKey6At);
  a_.look_up(*addresses6_, kKey6At, drop_);
  a_.here(other);
}

// Puts the fragment header behind the IPv6 header on the stack.
void Program::only_first_fragment6(int to, Label& other) {
  load(r7, kIp6Size, to, static_cast<int32_t>(kIpv6FragmentSize));
  a_.put(load_byte(r0, to + 2));
  a_.jump_unless_equal(r0, 0, other);
  a_.put(load_byte(r0, to + 3));
  a_.put(mask(r0, 0xf8));  // without the flags
  a_.jump_unless_equal(r0, 0, other);
}

void Program::look_up6(Guarded what, int address_at, Label& found) {
  copy_address6(address_at, kKey6At + static_cast<int>(offsetof(Key6, address)));
  a_.put(store_word_value(kKey6At, static_cast<int32_t>(what)));
  a_.look_up(*addresses6_, kKey6At, found);
}

// As with IPv4. Packets with extension headers are treated as fragments: the director gives back others'.
void Program::flows6() {
  Label extended, icmp, ports_known;
  a_.put(load_byte(r8, kIp6At + kNext6));
  for (const uint8_t header :
       {ipv6_next::kHopByHop, ipv6_next::kRouting, ipv6_next::kFragment, ipv6_next::kDestinationOptions})
    a_.jump_if_equal(r8, header, extended);
  a_.jump_if_equal(r8, static_cast<int32_t>(Protocol::icmpv6), icmp);
  copy_address6(kIp6At + kSource6, kReply6Server);
  copy_address6(kIp6At + kDestination6, kReply6Client);
  load(r7, kIp6Size, kReply6ServerPort, 4);
  a_.jump(ports_known);
  a_.here(icmp);
  ports_in_quote6();
  a_.here(ports_known);
  a_.put(store_word(kReply6Protocol, r8));
  a_.look_up(*flows6_, kReply6At, drop_);
  a_.jump(next_);
  a_.here(extended);
  first_fragment6();
  look_up6(Guarded::host, kIp6At + kDestination6, next_);
  look_up6(Guarded::nat_server, kIp6At + kSource6, drop_);
}

void Program::first_fragment6() {  // as in fragment()
  Label other;
  a_.jump_unless_equal(r8, ipv6_next::kFragment, other);
  only_first_fragment6(kIcmp6At, other);
  copy_address6(kIp6At + kSource6, kReply6Server);
  copy_address6(kIp6At + kDestination6, kReply6Client);
  load(r7, kIp6Size + static_cast<int32_t>(kIpv6FragmentSize), kReply6ServerPort, 4);
  a_.put(load_byte(r8, kIcmp6At));
  a_.put(store_word(kReply6Protocol, r8));
  a_.look_up(*flows6_, kReply6At, drop_);
  a_.here(other);
}

void Program::ports_in_quote6() {
  load(r7, kIp6Size, kIcmp6At, kIcmp + kIp6Size);
  a_.put(load_byte(r0, kIcmp6At));
  a_.put(mask(r0, icmpv6::kInformational));
  a_.jump_unless_equal(r0, 0, next_);
  copy_address6(kQuote6At + kSource6, kReply6Client);
  copy_address6(kQuote6At + kDestination6, kReply6Server);
  a_.put(load_byte(r8, kQuote6At + kNext6));
  load(r7, kIp6Size + kIcmp + kIp6Size + static_cast<int>(kSourcePortAt), kReply6ClientPort, 2);
  load(r7, kIp6Size + kIcmp + kIp6Size + static_cast<int>(kDestinationPortAt), kReply6ServerPort, 2);
}

// The first fragment of a reply shows its ports: full NAT's are sent to the host's own address. Without it the kernel
// discards the others, and says nothing.
void Program::fragment() {
  Label later;
  jump_if_fragment(kIpAt, kOffset, later);
  header_size(r0, kIpAt);
  a_.put(add_register(r7, r0));
  ports_behind_ip();
  a_.put(load_byte(r8, kIpAt + kProtocol));
  a_.put(store_word(kReplyProtocol, r8));
  a_.look_up(*flows_, kReplyAt, drop_);
  a_.here(later);
  look_up_address(Guarded::host, kIpAt + kDestination, next_);
  look_up_address(Guarded::nat_server, kIpAt + kSource, drop_);
}

void Program::ports_behind_ip() {  // of a reply: from the server to the client
  copy_word(kIpAt + kSource, kReplyServer);
  copy_word(kIpAt + kDestination, kReplyClient);
  load(r7, 0, kReplyServerPort, 4);
}

void Program::ports_in_quote() {  // of an error about a packet from the client to the server
  load(r7, 0, kIcmpAt, kIcmp + kIpSize);
  only_errors(kIcmpAt, icmpv4::kErrors);
  jump_if_fragment(kQuoteAt, kOffset, next_);
  copy_word(kQuoteAt + kSource, kReplyClient);
  copy_word(kQuoteAt + kDestination, kReplyServer);
  a_.put(load_byte(r8, kQuoteAt + kProtocol));
  header_size(r0, kQuoteAt);
  a_.put(add_register(r7, r0));
  load(r7, kIcmp + kSourcePortAt, kReplyClientPort, 2);
  load(r7, kIcmp + kDestinationPortAt, kReplyServerPort, 2);
}

std::vector<bpf_insn> Program::assemble() {
  start();
  ipv4();
  if (ethernet_) {  // the verifier refuses code that nothing reaches
    a_.jump(next_);
    a_.here(arp_);
    ask_who_has();
  }
  if (addresses6_) {
    a_.jump(next_);
    a_.here(ipv6_);
    ipv6();
  }
  a_.here(next_);
  a_.put(set(r0, kNext));
  a_.put(leave());
  a_.here(drop_);
  a_.put(set(r0, kShot));
  a_.put(leave());
  return a_.code();
}

}  // namespace

std::vector<bpf_insn> guard_code(int addresses, const GuardProgram::Knowledge& knows) {
  return Program(addresses, knows).assemble();
}

}  // namespace rawvs
