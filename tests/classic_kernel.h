// SPDX-License-Identifier: BSD-2-Clause
// classic_kernel.h: a kernel that is a test's: it runs the classic guard's programs over handmade frames by libpcap's
// interpreter.
#pragma once

#include <gtest/gtest.h>
#include <linux/pkt_cls.h>
#include <pcap/pcap.h>

#include <cerrno>
#include <functional>
#include <map>

#include "bare_frames.h"
#include "sys/guard/classic_guard.h"

namespace rawvs::bare_frames {

inline constexpr uint32_t kNoTag = 0;
inline constexpr uint32_t kLeftTag = 1u << 31 | 20;  // there is none, but the id is still known: on a VLAN interface
inline constexpr uint32_t kDrop = TC_ACT_SHOT, kAskNext = static_cast<uint32_t>(TC_ACT_UNSPEC);

class Compiled {
 public:
  explicit Compiled(std::span<const sock_filter> program) {
    for (const sock_filter& i : program) code_.push_back({i.code, i.jt, i.jf, i.k});
  }
  // What the kernel would be told. pcap's interpreter knows no tag, so this one is written into the program.
  uint32_t verdict(const FrameBytes& frame, uint32_t tag = kNoTag) const {
    std::vector<bpf_insn> code = code_;
    for (bpf_insn& i : code) {
      const bool looks = i.code == (BPF_LD | BPF_W | BPF_ABS) && i.k >= 0x80000000;
      const bool asks_whether = i.k == static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT);
      const uint32_t present = tag != kNoTag && tag != kLeftTag;
      if (looks) i = {BPF_LD | BPF_IMM, 0, 0, asks_whether ? present : tag & 0xffff};
      // Nor the type of a bare packet, which the kernel tells by its version.
      const bool asks_type = i.code == (BPF_LD | BPF_H | BPF_ABS) && i.k >= 0x80000000;
      if (asks_type) i = {BPF_LD | BPF_IMM, 0, 0, frame[0] >> 4 == 6 ? 0x86ddu : 0x0800u};
    }
    const auto size = static_cast<u_int>(frame.size());
    return bpf_filter(code.data(), frame.data(), size, size);
  }
  size_t size() const { return code_.size(); }

 private:
  std::vector<bpf_insn> code_;
};

// A kernel: asks the filters in any order, as none takes back what another drops.
class Kernel final : public FilterHook {
 public:
  int put(uint32_t slot, std::span<const sock_filter> program) override {
    if (program.size() > ClassicGuard::kMostInstructions) return EMSGSIZE;
    if (refuses_ && refuses_(slot)) return ENOMEM;
    ++puts_;
    filters_.insert_or_assign(slot, Compiled(program));
    if (after_each_) after_each_();
    return 0;
  }
  int remove(uint32_t slot) override {
    EXPECT_EQ(filters_.erase(slot), 1u) << slot;
    if (after_each_) after_each_();
    return 0;
  }
  bool drops(const FrameBytes& frame, uint32_t tag = kNoTag) const {
    bool dropped = false;
    for (const auto& [slot, filter] : filters_) {
      const uint32_t verdict = filter.verdict(frame, tag);
      EXPECT_TRUE(verdict == kDrop || verdict == kAskNext) << verdict;
      dropped = dropped || verdict == kDrop;
    }
    return dropped;
  }
  bool guards(Ip vip) const {
    if (vip.is_v6()) return drops(ipv6(kOwn, kClient6, vip)) && drops(solicitation(kClient6, vip));
    return drops(ipv4(kOwn, kClient, vip)) && drops(arp(kRequest, kClient, vip));
  }
  size_t filters() const { return filters_.size(); }
  size_t instructions() const {
    size_t sum = 0;
    for (const auto& [slot, filter] : filters_) sum += filter.size();
    return sum;
  }

  std::function<bool(uint32_t slot)> refuses_{};
  std::function<void()> after_each_{};
  size_t puts_ = 0;

 private:
  std::map<uint32_t, Compiled> filters_;
};

struct GuardFilter : testing::Test {
  void follow(const Watch& watch, const Ips& hosts = {}) {
    EXPECT_EQ(guard_.follow(watch, kMine, hosts, kernel_), 0);
    EXPECT_EQ(guard_.guarded_vips(), watch.all_vips());
  }
  // Follows the VIPs and then one more, which it returns. Counts the filters that this replaces from 0 on.
  Ip follow_one_more(Ips& vips) {
    follow(watching(vips));
    const Ip one = after(vips[5000]);
    kernel_.puts_ = 0;
    vips.insert(vips.begin() + 5001, one);
    follow(watching(vips));
    EXPECT_TRUE(kernel_.guards(one));
    return one;
  }
  Kernel kernel_;
  ClassicGuard guard_;
};

}  // namespace rawvs::bare_frames
