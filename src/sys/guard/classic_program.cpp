// SPDX-License-Identifier: BSD-2-Clause
// classic_program.cpp: an assembler for forward jumps, the search, and the two programs. A conditional jump reaches 255
// instructions; longer ones use an unconditional jump.
#include "sys/guard/classic_program.h"

#include <linux/pkt_cls.h>

#include <algorithm>
#include <functional>
#include <map>

#include "core/sort.h"
#include "rawvs/bytes.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/ipv4_header.h"
#include "wire/packet.h"

namespace rawvs {
namespace {

constexpr uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS, kLoadHalf = BPF_LD | BPF_H | BPF_ABS,
                   kLoadByte = BPF_LD | BPF_B | BPF_ABS;
constexpr uint32_t kFrameIp = kEthernetSize, kFrameIpEnd = kFrameIp + kIpv4Size;
constexpr uint32_t kFrameArp = kEthernetSize, kFrameArpEnd = kFrameArp + kArpSize;
constexpr uint32_t kVlanTagAt = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG);
constexpr uint32_t kVlanOfTag = 0x0fff;
constexpr size_t kGroup = 16;  // ranges that are compared one by one

class ClassicCode {
 public:
  ClassicProgram vips(const AddressPart& vips, std::span<const Mac> own);
  ClassicProgram answers(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own);

 private:
  using Label = std::vector<size_t>;  // the jumps to it

  void put(uint16_t code, uint32_t k) { code_.push_back({code, 0, 0, k}); }
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
  void go_on_in(const AddressRange& place) {  // the loaded address is in this place
    if (place.whole()) return;
    jump_unless(BPF_JGE, place.first, next_);
    jump_if(BPF_JGT, place.last, next_);
  }
  void go_on_if_long(uint32_t size) {
    put(BPF_LD | BPF_W | BPF_LEN, 0);
    jump_unless(BPF_JGE, size, next_);
  }

  void untagged();
  void sent_to_us(std::span<const Mac> own);
  void search(std::span<const AddressRange> ranges, Label& in, Label& out);
  void compare(std::span<const AddressRange> ranges, Label& in, Label& out);
  void of_a_connection();
  ClassicProgram end();

  ClassicProgram code_{};
  Label next_, drop_;
};

// Jumps to `in` if the loaded word is in one of the ranges, else to `out`.
void ClassicCode::search(std::span<const AddressRange> ranges, Label& in, Label& out) {
  if (ranges.size() <= kGroup) {
    compare(ranges, in, out);
    return;
  }
  const size_t groups = (ranges.size() + kGroup - 1) / kGroup, half = groups / 2 * kGroup;
  Label upper;
  jump_if(BPF_JGE, ranges[half].first, upper);
  search(ranges.first(half), in, out);
  here(upper);
  search(ranges.subspan(half), in, out);
}

// Each range takes one or two instructions; the jumps to out and in follow them.
void ClassicCode::compare(std::span<const AddressRange> ranges, Label& in, Label& out) {
  const size_t way_out = code_.size() + comparisons(ranges), way_in = way_out + 1;
  const auto to = [&](size_t target) { return static_cast<uint8_t>(target - code_.size() - 1); };
  for (const auto& [first, last] : ranges) {
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

void ClassicCode::untagged() {  // the kernel has removed the tag from the frame; without the id it is only a priority
  put(kLoadWord, kVlanTagAt);
  put(BPF_ALU | BPF_AND | BPF_K, kVlanOfTag);
  jump_unless(BPF_JEQ, 0, next_);
}

void ClassicCode::sent_to_us(std::span<const Mac> own) {
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
    search(ranges_of(ends), ours, next_);
    here(other);
  }
  jump(next_);
  here(ours);
}

ClassicProgram ClassicCode::vips(const AddressPart& vips, std::span<const Mac> own) {
  Label arp, known;
  untagged();
  put(kLoadHalf, kEthernetTypeAt);
  jump_if(BPF_JEQ, kEtherTypeArp, arp);
  jump_unless(BPF_JEQ, kEtherTypeIpv4, next_);
  go_on_if_long(kFrameIpEnd);
  put(kLoadWord, kFrameIp + kIpv4DestinationAt);
  go_on_in(vips.place);
  sent_to_us(own);
  put(kLoadWord, kFrameIp + kIpv4DestinationAt);
  jump(known);
  here(arp);
  go_on_if_long(kFrameArpEnd);
  put(kLoadHalf, kFrameArp + kArpOperationAt);
  jump_unless(BPF_JEQ, static_cast<uint32_t>(Arp::Op::request), next_);
  put(kLoadWord, kFrameArp + kArpTargetAt);
  here(known);
  search(vips.ranges, drop_, next_);
  return end();
}

ClassicProgram ClassicCode::answers(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own) {
  Label answer, passing;
  untagged();
  put(kLoadHalf, kEthernetTypeAt);
  jump_unless(BPF_JEQ, kEtherTypeIpv4, next_);
  go_on_if_long(kFrameIpEnd);
  put(kLoadWord, kFrameIp + kIpv4SourceAt);
  go_on_in(servers.place);
  sent_to_us(own);
  put(kLoadWord, kFrameIp + kIpv4SourceAt);
  search(servers.ranges, answer, next_);
  here(answer);
  put(kLoadWord, kFrameIp + kIpv4DestinationAt);
  go_on_in(hosts.place);
  search(hosts.ranges, next_, passing);
  here(passing);
  of_a_connection();
  return end();
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
  put(BPF_ALU | BPF_ADD | BPF_K, kFrameIp);
  put(BPF_LDX | BPF_W | BPF_LEN, 0);  // reading past the frame's end would end the program with 0, TC_ACT_OK
  code_.push_back({BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0});
  jump(next_);
  put(BPF_MISC | BPF_TAX, 0);
  put(BPF_LD | BPF_B | BPF_IND, 0);
  for (const uint8_t type : icmpv4::kErrors) jump_if(BPF_JEQ, type, drop_);
}

ClassicProgram ClassicCode::end() {
  here(next_);
  put(BPF_RET | BPF_K, static_cast<uint32_t>(TC_ACT_UNSPEC));
  here(drop_);
  put(BPF_RET | BPF_K, TC_ACT_SHOT);
  return std::move(code_);
}

}  // namespace

std::vector<AddressRange> ranges_of(std::span<const Ip> addresses) {
  std::vector<AddressRange> out;
  for (const Ip a : addresses) {
    if (!out.empty() && out.back().last + 1 == a.v4()) {
      out.back().last = a.v4();
    } else if (out.empty() || out.back().last != a.v4()) {
      out.push_back({a.v4(), a.v4()});
    }
  }
  return out;
}

size_t comparisons(std::span<const AddressRange> ranges) {
  size_t sum = 0;
  for (const AddressRange& r : ranges) sum += r.first == r.last ? 1 : 2;
  return sum;
}

ClassicProgram vip_program(const AddressPart& vips, std::span<const Mac> own) { return ClassicCode().vips(vips, own); }

ClassicProgram nat_program(const AddressPart& servers, const AddressPart& hosts, std::span<const Mac> own) {
  return ClassicCode().answers(servers, hosts, own);
}

}  // namespace rawvs
