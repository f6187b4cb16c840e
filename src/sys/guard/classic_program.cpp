// SPDX-License-Identifier: BSD-2-Clause
// classic_program.cpp: an assembler for forward jumps, the search, and the programs. A conditional jump reaches 255
// instructions; longer ones use an unconditional jump.
#include "sys/guard/classic_program.h"

#include <linux/pkt_cls.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include "core/sort.h"
#include "rawvs/bytes.h"
#include "sys/guard/address_words.h"
#include "wire/discovery.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/ipv6_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS, kLoadHalf = BPF_LD | BPF_H | BPF_ABS,
                   kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr uint32_t kFrameIp = kEthernetSize, kFrameIpEnd = kFrameIp + kIpv4Size, kFrameIp6End = kFrameIp + kIpv6Size;
// Where an address of four words would start whose last one is the IPv4 address.
constexpr uint32_t kFrameSource4 = kFrameIp + kIpv4SourceAt - 12,
                   kFrameDestination4 = kFrameIp + kIpv4DestinationAt - 12;
constexpr uint32_t kFrameSource6 = kFrameIp + kIpv6SourceAt, kFrameDestination6 = kFrameIp + kIpv6DestinationAt,
                   kFrameTarget6 = kFrameIp6End + kIcmpSize, kFrameTarget6End = kFrameTarget6 + 16;
constexpr uint32_t kFrameArp = kEthernetSize, kFrameArpEnd = kFrameArp + kArpSize;
constexpr uint32_t kVlanTagAt = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG),
                   kVlanPresentAt = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
constexpr uint32_t kProtocolOfFrame = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PROTOCOL);
constexpr uint32_t kAncillary = static_cast<uint32_t>(SKF_LL_OFF);  // offsets from here on are not in the frame
constexpr uint32_t kVlanOfTag = 0x0fff;
constexpr size_t kGroup = 16;  // ranges that are compared one by one
constexpr size_t kFew = 4;     // first words that are

class ClassicCode {  // offsets are those of Ethernet frames; put() changes them for bare IP packets
 public:
  explicit ClassicCode(std::span<const Mac> own) : no_header_(own.empty() ? kFrameIp : 0) {}
  ClassicProgram vips(const AddressPart& vips, std::span<const Mac> own);
  ClassicProgram answers(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own);
  ClassicProgram ports(std::span<const VipPorts> ports, std::span<const Mac> own);

 private:
  using Label = std::vector<size_t>;  // the jumps to it

  void put(uint16_t code, uint32_t k) {
    const bool from_frame = (code == kLoadWord || code == kLoadHalf || code == kLoadByte) && k < kAncillary;
    code_.push_back({code, 0, 0, from_frame ? k - no_header_ : k});
  }
  void jump(Label& to) {
    to.push_back(code_.size());
    put(BPF_JMP | BPF_JA, 0);
  }
  void jump_if(uint16_t condition, uint32_t k, Label& to) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | condition), 0, 1, k});
    jump(to);
  }
  void jump_unless(uint16_t condition, uint32_t k, Label& to) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | condition), 1, 0, k});
    jump(to);
  }
  void here(const Label& label) {
    for (const size_t from : label) code_[from].k = static_cast<uint32_t>(code_.size() - from - 1);
  }
  void go_on_if_long(uint32_t size) {
    put(BPF_LD | BPF_W | BPF_LEN, 0);
    jump_unless(BPF_JGE, size - no_header_, next_);
  }

  void untagged();
  void of_type(uint16_t type) {
    load_type();
    jump_unless(BPF_JEQ, type, next_);
  }
  void load_type() { put(kLoadHalf, no_header_ != 0 ? kProtocolOfFrame : kEthernetTypeAt); }
  void sent_to_us(std::span<const Mac> own);
  void go_on_in(const AddressRange& place, uint32_t address_at);
  void beyond(Ip end, uint16_t condition, uint32_t address_at, Label& out);
  void find(std::span<const AddressRange> ranges, uint32_t address_at, Label& in, Label& out);
  void find_word(std::span<const AddressRange> ranges, size_t n, uint32_t address_at, Label& in, Label& out);
  void search(std::span<const AddressRange> ranges, Label& in, Label& out);
  void compare(std::span<const AddressRange> ranges, Label& in, Label& out);
  void vips4(const AddressPart& vips, std::span<const Mac> own);
  void vips6(const AddressPart& vips, std::span<const Mac> own);
  void ports4(uint32_t protocol);
  void ports6(uint32_t protocol);
  void ports_in_frame(uint32_t at);
  void of_a_connection();
  void of_a_connection6();
  ClassicProgram end();

  const uint32_t no_header_;  // bytes of Ethernet header that the frames lack
  ClassicProgram code_{};
  Label next_, drop_;
};

// Jumps to `in` if the last word, which is loaded, is in one of the ranges, else to `out`.
void ClassicCode::search(std::span<const AddressRange> ranges, Label& in, Label& out) {
  if (ranges.size() <= kGroup) {
    compare(ranges, in, out);
    return;
  }
  const size_t groups = (ranges.size() + kGroup - 1) / kGroup, half = groups / 2 * kGroup;
  Label upper;
  jump_if(BPF_JGE, last_word(ranges[half].first), upper);
  search(ranges.first(half), in, out);
  here(upper);
  search(ranges.subspan(half), in, out);
}

// Each range takes one or two instructions; the jumps to out and in follow them.
void ClassicCode::compare(std::span<const AddressRange> ranges, Label& in, Label& out) {
  size_t way_out = code_.size();
  for (const AddressRange& range : ranges) way_out += last_comparisons(range);
  const size_t way_in = way_out + 1;
  const auto to = [&](size_t target) { return static_cast<uint8_t>(target - code_.size() - 1); };
  for (const AddressRange& range : ranges) {
    const uint32_t first = last_word(range.first), last = last_word(range.last);
    if (first == last) {
      code_.push_back({BPF_JMP | BPF_JEQ, to(way_in), 0, first});
    } else {
      code_.push_back({BPF_JMP | BPF_JGT, 1, 0, last});
      code_.push_back({BPF_JMP | BPF_JGE, to(way_in), to(way_out), first});
    }
  }
  jump(out);
  jump(in);
}

// Jumps to `in` if the address there is in one of the ranges, else to `out`.
void ClassicCode::find(std::span<const AddressRange> ranges, uint32_t address_at, Label& in, Label& out) {
  const size_t n = first_word(ranges[0].first);
  put(kLoadWord, at_word(address_at, n));
  find_word(ranges, n, address_at, in, out);
}

// Its word n is loaded; the words before it are those of these ranges.
void ClassicCode::find_word(std::span<const AddressRange> ranges, size_t n, uint32_t address_at, Label& in,
                            Label& out) {
  if (n == kLastWord) return search(ranges, in, out);
  std::vector<size_t> starts;  // of the ranges with the same word
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (i == 0 || word(ranges[i].first, n) != word(ranges[i - 1].first, n)) starts.push_back(i);
  }
  if (starts.size() > kFew) {
    const size_t half = starts[starts.size() / 2];
    Label upper;
    jump_if(BPF_JGE, word(ranges[half].first, n), upper);
    find_word(ranges.first(half), n, address_at, in, out);
    here(upper);
    return find_word(ranges.subspan(half), n, address_at, in, out);
  }
  starts.push_back(ranges.size());
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    Label other;
    jump_unless(BPF_JEQ, word(ranges[starts[i]].first, n), other);
    put(kLoadWord, at_word(address_at, n + 1));
    find_word(ranges.subspan(starts[i], starts[i + 1] - starts[i]), n + 1, address_at, in, out);
    here(other);
  }
  jump(out);
}

// Jumps to `out` if the address there is beyond this end of a place: less than it with BPF_JGE, more with BPF_JGT.
void ClassicCode::beyond(Ip end, uint16_t condition, uint32_t address_at, Label& out) {
  const bool lower = condition == BPF_JGE;
  Label inside;
  for (size_t n = first_word(end); n < kLastWord; ++n) {
    put(kLoadWord, at_word(address_at, n));
    jump_if(BPF_JGT, word(end, n), lower ? inside : out);
    jump_unless(BPF_JEQ, word(end, n), lower ? out : inside);
  }
  put(kLoadWord, at_word(address_at, kLastWord));
  lower ? jump_unless(BPF_JGE, last_word(end), out) : jump_if(BPF_JGT, last_word(end), out);
  here(inside);
}

void ClassicCode::go_on_in(const AddressRange& place, uint32_t address_at) {
  const AddressRange all = AddressRange::all(place.first.family());
  if (place.first != all.first) beyond(place.first, BPF_JGE, address_at, next_);
  if (place.last != all.last) beyond(place.last, BPF_JGT, address_at, next_);
}

// The kernel has removed the tag from the frame; without the id it is only a priority. On a VLAN interface the id may
// stay, but there is no tag (before Linux 6.2).
void ClassicCode::untagged() {
  Label none;
  put(kLoadWord, kVlanPresentAt);
  jump_if(BPF_JEQ, 0, none);
  put(kLoadWord, kVlanTagAt);
  put(BPF_ALU | BPF_AND | BPF_K, kVlanOfTag);
  jump_unless(BPF_JEQ, 0, next_);
  here(none);
}

void ClassicCode::sent_to_us(std::span<const Mac> own) {
  if (own.empty()) return;
  std::map<uint32_t, std::vector<Ip>> by_start;  // the first two bytes; the other four are compared like an address
  for (const Mac& mac : own) by_start[load_be16(mac.bytes, 0)].emplace_back(load_be32(mac.bytes, 2));
  Label ours;
  for (auto& [start, ends] : by_start) {
    sort_with(ends, std::less<>());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
    Label other;
    put(kLoadHalf, 0);
    jump_unless(BPF_JEQ, start, other);
    put(kLoadWord, 2);
    search(ranges_of(ends, Family::ipv4), ours, next_);
    here(other);
  }
  jump(next_);
  here(ours);
}

ClassicProgram ClassicCode::vips(const AddressPart& vips, std::span<const Mac> own) {
  untagged();
  vips.place.first.is_v4() ? vips4(vips, own) : vips6(vips, own);
  return end();
}

void ClassicCode::vips4(const AddressPart& vips, std::span<const Mac> own) {
  Label arp, known;
  load_type();
  jump_if(BPF_JEQ, kEtherTypeArp, arp);
  jump_unless(BPF_JEQ, kEtherTypeIpv4, next_);
  go_on_if_long(kFrameIpEnd);
  go_on_in(vips.place, kFrameDestination4);
  sent_to_us(own);
  put(kLoadWord, kFrameIp + kIpv4DestinationAt);
  jump(known);
  here(arp);
  go_on_if_long(kFrameArpEnd);
  put(kLoadHalf, kFrameArp + kArpOperationAt);
  jump_unless(BPF_JEQ, kArpRequest, next_);
  put(kLoadWord, kFrameArp + kArpTargetAt);
  here(known);
  search(vips.ranges, drop_, next_);
}

void ClassicCode::vips6(const AddressPart& vips, std::span<const Mac> own) {
  Label no_question;
  of_type(kEtherTypeIpv6);
  go_on_if_long(kFrameIp6End);
  put(kLoadByte, kFrameIp + kIpv6NextHeaderAt);
  jump_unless(BPF_JEQ, static_cast<uint32_t>(Protocol::icmpv6), no_question);
  go_on_if_long(kFrameIp6End + 1);
  put(kLoadByte, kFrameIp6End);
  jump_unless(BPF_JEQ, icmpv6::kSolicitation, no_question);
  go_on_if_long(kFrameTarget6End);
  find(vips.ranges, kFrameTarget6, drop_, no_question);
  here(no_question);
  go_on_in(vips.place, kFrameDestination6);
  sent_to_us(own);
  find(vips.ranges, kFrameDestination6, drop_, next_);
}

ClassicProgram ClassicCode::answers(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own) {
  const bool v4 = servers.place.first.is_v4();
  const uint32_t source = v4 ? kFrameSource4 : kFrameSource6,
                 destination = v4 ? kFrameDestination4 : kFrameDestination6;
  Label answer, passing;
  untagged();
  of_type(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  go_on_if_long(v4 ? kFrameIpEnd : kFrameIp6End);
  go_on_in(servers.place, source);
  sent_to_us(own);
  find(servers.ranges, source, answer, next_);
  here(answer);
  go_on_in(hosts.place, destination);
  if (!hosts.ranges.empty()) find(hosts.ranges, destination, next_, passing);
  here(passing);
  v4 ? of_a_connection() : of_a_connection6();
  return end();
}

// The ports are compared as the last words of addresses.
ClassicProgram ClassicCode::ports(std::span<const VipPorts> ports, std::span<const Mac> own) {
  const VipPorts& any = ports[0];
  const bool v4 = any.vip.is_v4();
  const std::array<AddressRange, 1> address{{{any.vip, any.vip}}};
  Label here_;
  untagged();
  of_type(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  go_on_if_long(v4 ? kFrameIpEnd : kFrameIp6End);
  find(address, v4 ? kFrameDestination4 : kFrameDestination6, here_, next_);
  here(here_);
  sent_to_us(own);
  v4 ? ports4(static_cast<uint32_t>(any.protocol)) : ports6(static_cast<uint32_t>(any.protocol));
  std::vector<AddressRange> ranges;
  for (const VipPorts& range : ports) ranges.push_back({Ip(uint32_t{range.first}), Ip(uint32_t{range.last})});
  search(ranges, drop_, next_);
  return end();
}

// Loads the destination port. Reading past the frame's end would end the program with 0, TC_ACT_OK.
void ClassicCode::ports_in_frame(uint32_t at) {
  put(BPF_ALU | BPF_ADD | BPF_K, at - no_header_ + kPortsSize);
  put(BPF_MISC | BPF_TAX, 0);
  put(BPF_LD | BPF_W | BPF_LEN, 0);
  code_.push_back({BPF_JMP | BPF_JGE | BPF_X, 1, 0, 0});
  jump(next_);
  put(BPF_MISC | BPF_TXA, 0);
  put(BPF_ALU | BPF_SUB | BPF_K, kPortsSize - static_cast<uint32_t>(kDestinationPortAt));
  put(BPF_MISC | BPF_TAX, 0);
  put(BPF_LD | BPF_H | BPF_IND, 0);
}

void ClassicCode::ports4(uint32_t protocol) {
  put(kLoadHalf, kFrameIp + kIpv4FragmentAt);
  jump_if(BPF_JSET, kFragmentOffset, next_);
  put(kLoadByte, kFrameIp + kIpv4ProtocolAt);
  jump_unless(BPF_JEQ, protocol, next_);
  put(kLoadByte, kFrameIp);
  put(BPF_ALU | BPF_AND | BPF_K, 0x0f);  // IHL, in words
  put(BPF_ALU | BPF_LSH | BPF_K, 2);
  ports_in_frame(kFrameIp);
}

void ClassicCode::ports6(uint32_t protocol) {
  constexpr uint32_t kOffset6 = 0xfff8;
  Label whole, known;
  put(kLoadByte, kFrameIp + kIpv6NextHeaderAt);
  jump_if(BPF_JEQ, protocol, whole);
  jump_unless(BPF_JEQ, ipv6_next::kFragment, next_);
  go_on_if_long(kFrameIp6End + kIpv6FragmentSize);
  put(kLoadHalf, kFrameIp6End + 2);
  jump_if(BPF_JSET, kOffset6, next_);
  put(kLoadByte, kFrameIp6End);
  jump_unless(BPF_JEQ, protocol, next_);
  put(BPF_LD | BPF_IMM, kIpv6FragmentSize);
  jump(known);
  here(whole);
  put(BPF_LD | BPF_IMM, 0);
  here(known);
  ports_in_frame(kFrameIp6End);
}

// As in guard_bpf.cpp: the kernel's share of packets with extension headers is given back.
void ClassicCode::of_a_connection6() {
  put(kLoadByte, kFrameIp + kIpv6NextHeaderAt);
  for (const uint8_t header :
       {ipv6_next::kHopByHop, ipv6_next::kRouting, ipv6_next::kFragment, ipv6_next::kDestinationOptions})
    jump_if(BPF_JEQ, header, drop_);
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp})
    jump_if(BPF_JEQ, static_cast<uint32_t>(p), drop_);
  jump_unless(BPF_JEQ, static_cast<uint32_t>(Protocol::icmpv6), next_);
  go_on_if_long(kFrameIp6End + 1);
  put(kLoadByte, kFrameIp6End);
  jump_unless(BPF_JSET, icmpv6::kInformational, drop_);
}

void ClassicCode::of_a_connection() {
  constexpr uint16_t kHeaderSize = 0x0f;
  put(kLoadHalf, kFrameIp + kIpv4FragmentAt);
  jump_if(BPF_JSET, kMoreFragments | kFragmentOffset, drop_);
  put(kLoadByte, kFrameIp + kIpv4ProtocolAt);
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp})
    jump_if(BPF_JEQ, static_cast<uint32_t>(p), drop_);
  jump_unless(BPF_JEQ, static_cast<uint32_t>(Protocol::icmp), next_);
  put(kLoadByte, kFrameIp);
  put(BPF_ALU | BPF_AND | BPF_K, kHeaderSize);
  put(BPF_ALU | BPF_LSH | BPF_K, 2);
  put(BPF_ALU | BPF_ADD | BPF_K, kFrameIp - no_header_);
  put(BPF_LDX | BPF_W | BPF_LEN, 0);  // reading past the frame's end would end the program with 0, TC_ACT_OK
  code_.push_back({BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0});
  jump(next_);
  put(BPF_MISC | BPF_TAX, 0);
  put(BPF_LD | BPF_B | BPF_IND, 0);
  for (const uint8_t error : icmpv4::kErrors) jump_if(BPF_JEQ, error, drop_);
}

ClassicProgram ClassicCode::end() {
  here(next_);
  put(BPF_RET | BPF_K, static_cast<uint32_t>(TC_ACT_UNSPEC));
  here(drop_);
  put(BPF_RET | BPF_K, TC_ACT_SHOT);
  return std::move(code_);
}

}  // namespace

ClassicProgram vip_program(const AddressPart& vips, std::span<const Mac> own) {
  return ClassicCode(own).vips(vips, own);
}

ClassicProgram own_program(std::span<const VipPorts> ports, std::span<const Mac> own) {
  return ClassicCode(own).ports(ports, own);
}

ClassicProgram nat_program(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own) {
  return ClassicCode(own).answers(servers, hosts, own);
}

}  // namespace rawvs
