// SPDX-License-Identifier: BSD-2-Clause
// guard_bpf.cpp: the program, about a hundred instructions. It drops, untagged or with a priority tag only:
//   ARP requests for a VIP; and of IPv4 to our MAC addresses:
//   packets to a VIP; fragments from a NAT server, except to the host's own addresses; replies of known flows;
//   ICMP errors that quote a packet to a server in a known flow.
// First it turns frames to a virtual MAC address of ours into the host's own.
// No loops, and helpers only to read the frame: Linux 4.5 verifies it.
#include "sys/guard/guard_bpf.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "rawvs/bytes.h"
#include "sys/guard/bpf_insn.h"
#include "sys/guard/tc.h"
#include "wire/arp.h"
#include "wire/ipv4_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

using namespace ebpf;

// The meaning of the returned number, the same for both hooks.
constexpr int32_t kNext = -1;  // TC_ACT_UNSPEC, TCX_NEXT: not the director's: run the next program
constexpr int32_t kShot = 2;   // TC_ACT_SHOT, TCX_DROP

struct Key {
  uint32_t what = 0;                 // Guarded
  std::array<uint8_t, 4> address{};  // as on the wire
};
static_assert(sizeof(Key) == 8);

Key key_of(Guarded what, Ip address) {
  Key key{static_cast<uint32_t>(what), {}};
  store_be32(key.address, 0, address.v4());
  return key;
}

// As signed numbers, as BPF uses them.
constexpr int kFragment = kIpv4FragmentAt, kProtocol = kIpv4ProtocolAt, kSource = kIpv4SourceAt,
              kDestination = kIpv4DestinationAt, kIpSize = kIpv4Size, kIcmp = kIcmpSize;
// Bits of the byte at kFragment; the next byte is offset, too.
constexpr int32_t kMoreOrOffset = (kMoreFragments | kFragmentOffset) >> 8, kOffset = kFragmentOffset >> 8;
constexpr int32_t kArpOperation = kEthernetSize + kArpOperationAt, kArpTarget = kEthernetSize + kArpTargetAt;

// Offsets on the stack, aligned for the verifier.
constexpr int kKeyAt = -static_cast<int>(sizeof(Key)), kReplyAt = kKeyAt - static_cast<int>(sizeof(ReplyKey)),
              kIpAt = kReplyAt - kIpSize, kIcmpAt = kIpAt - (kIcmp + kIpSize), kQuoteAt = kIcmpAt + kIcmp;
static_assert(kIcmpAt % 8 == 0 && kIpAt % 4 == 0 && kQuoteAt % 4 == 0);
constexpr int kReplyServer = kReplyAt + static_cast<int>(offsetof(ReplyKey, server)),
              kReplyClient = kReplyAt + static_cast<int>(offsetof(ReplyKey, client)),
              kReplyServerPort = kReplyAt + static_cast<int>(offsetof(ReplyKey, server_port)),
              kReplyClientPort = kReplyAt + static_cast<int>(offsetof(ReplyKey, client_port)),
              kReplyProtocol = kReplyAt + static_cast<int>(offsetof(ReplyKey, protocol));

// r6: the frame's __sk_buff. r7: the offset of the ports. r8: their protocol.
class Program {
 public:
  Program(int addresses, const GuardProgram::Knowledge& knows)
      : addresses_(addresses), flows_(knows.flow_map), macs_(knows.macs) {}
  std::vector<bpf_insn> assemble();

 private:
  using Label = Assembler::Label;
  void start();
  void adopt(const Label& host);
  void ask_who_has();
  void ipv4();
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
  void copy_word(int from, int to) {
    a_.put(load_word(r0, stack, from));
    a_.put(store_word(to, r0));
  }
  void header_size(Register dst, int header_at) {  // IHL, in words
    a_.put(load_byte(dst, header_at));
    a_.put(mask(dst, 0x0f));
    a_.put(shift_left(dst, 2));
  }
  void jump_if_fragment(int header_at, int32_t bits, Label& to) {
    a_.put(load_byte(r0, header_at + kFragment));
    a_.put(mask(r0, bits));
    a_.jump_unless_equal(r0, 0, to);
    a_.put(load_byte(r0, header_at + kFragment + 1));
    a_.jump_unless_equal(r0, 0, to);
  }

  int addresses_;
  std::optional<int> flows_;
  std::span<const Mac> macs_;
  Assembler a_;
  Label next_, drop_, arp_;
};

void Program::start() {
  constexpr int32_t kVlanId = 0x0fff;
  a_.put(copy(r6, r1));  // loads from the frame require it in r6
  a_.put(load_word(r0, r6, offsetof(__sk_buff, vlan_tci)));
  a_.put(mask(r0, kVlanId));
  a_.jump_unless_equal(r0, 0, next_);
  // Before Linux 4.7 a helper may write only to initialised stack.
  for (int at = kIcmpAt; at < 0; at += 8) a_.put(store_zeros(at));
  a_.put(load_frame16(offsetof(ethhdr, h_proto)));
  a_.jump_if_equal(r0, ETH_P_ARP, arp_);
  a_.jump_unless_equal(r0, ETH_P_IP, next_);
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
  a_.jump_unless_equal(r0, static_cast<int32_t>(Arp::Op::request), next_);
  look_up_address(Guarded::vip, kIpAt + kDestination, drop_);
}

void Program::ipv4() {
  a_.put(set(r7, sizeof(ethhdr)));
  load(r7, 0, kIpAt, kIpSize);
  look_up_address(Guarded::vip, kIpAt + kDestination, drop_);
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

void Program::fragment() {
  look_up_address(Guarded::host, kIpAt + kDestination, next_);
  look_up_address(Guarded::nat_server, kIpAt + kSource, drop_);
}

void Program::ports_behind_ip() {  // of a reply: from the server to the client
  copy_word(kIpAt + kSource, kReplyServer);
  copy_word(kIpAt + kDestination, kReplyClient);
  load(r7, 0, kReplyServerPort, 4);
}

void Program::ports_in_quote() {  // of an error about a packet from the client to the server
  Label error;
  load(r7, 0, kIcmpAt, kIcmp + kIpSize);
  a_.put(load_byte(r0, kIcmpAt));
  for (const uint8_t type : icmpv4::kErrors) a_.jump_if_equal(r0, type, error);
  a_.jump(next_);
  a_.here(error);
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
  a_.jump(next_);
  a_.here(arp_);
  ask_who_has();
  a_.here(next_);
  a_.put(set(r0, kNext));
  a_.put(leave());
  a_.here(drop_);
  a_.put(set(r0, kShot));
  a_.put(leave());
  return a_.code();
}

}  // namespace

ReplyKey key_of(const ReplyFlow& flow) {
  ReplyKey key;
  store_be32(key.server, 0, flow.server.addr.v4());
  store_be32(key.client, 0, flow.client.addr.v4());
  store_be16(key.server_port, 0, flow.server.port.value);
  store_be16(key.client_port, 0, flow.client.port.value);
  key.protocol = static_cast<uint32_t>(flow.protocol);
  return key;
}

Result<GuardProgram> GuardProgram::load() {
  auto addresses = BpfMap::make(sizeof(Key), kMostAddresses);
  if (!addresses) return addresses.error();
  auto program = load_bpf_classifier(Program(addresses->fd(), {}).assemble(), kGuardName);
  if (!program) return program.error();
  return GuardProgram(std::move(*addresses), std::move(*program));
}

Result<Fd> GuardProgram::with(const Knowledge& more) const {
  return load_bpf_classifier(Program(addresses_.fd(), more).assemble(), kGuardName);
}

int GuardProgram::protect(Guarded what, Ip address) {
  const Key key = key_of(what, address);
  return addresses_.put(&key);
}

int GuardProgram::unprotect(Guarded what, Ip address) {
  const Key key = key_of(what, address);
  return addresses_.remove(&key);
}

}  // namespace rawvs
