// SPDX-License-Identifier: BSD-2-Clause
// classic_guard.h: decides which classic BPF filters an interface has, and which addresses each of them covers.
// In:  VIPs and NAT servers to guard (Watch), own MAC addresses, own IP addresses.
// Out: filters to attach and to remove, as few as a change needs; an errno of the first failure.
// Not: the filters' programs (classic_program.h), the traffic control hook (tc.h).
//
// Linux accepts 4,096 instructions per filter, and dumps at most half as many in one netlink message. So the address
// space is divided among filters, which the kernel runs one after another; each is small enough to be replaced
// quickly. A border between two filters stays where it is until one of them has too many or too few addresses.
#pragma once

#include <array>
#include <compare>
#include <map>

#include "side/watch.h"
#include "sys/guard/classic_program.h"

namespace rawvs {

class FilterHook {  // attaches filters: to the kernel, or to a test's record
 public:
  virtual ~FilterHook() = default;
  // Both take effect from the next frame on, and return 0 or an errno.
  virtual int put(uint32_t slot, std::span<const sock_filter> program) = 0;  // replaces the slot's filter
  virtual int remove(uint32_t slot) = 0;
};

class AddressDivision {
 public:
  AddressDivision(Family family, size_t most)  // most: comparisons in one part
      : all_(AddressRange::all(family)), most_(most), starts_{all_.first} {}

  // Divides this family's of these sorted addresses. Adjacent parts in ascending order, which together cover all of the
  // family's addresses.
  std::vector<AddressPart> divide(std::span<const Ip> addresses);

 private:
  AddressRange all_;
  size_t most_;
  std::vector<Ip> starts_;
};

class ClassicGuard {
 public:
  // Slots 1 to kMostFilters are used: enough for 65,536 addresses of which no two are adjacent; of IPv6, in a few
  // hundred networks of 96 bits.
  static constexpr uint32_t kMostFilters = 256;
  static constexpr size_t kMostInstructions = 1900;  // so that each filter fits into a dump of the kernel

  // Attaches the filters that `watch` needs and removes the others. During the change, no frame for an address that was
  // guarded and remains guarded passes. A filter that fails does not stop the others; the next call tries it again.
  // Returns 0, or the errno of the first failure; E2BIG: all slots are used.
  int follow(const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts, FilterHook& hook);

  // The number of the last call's VIPs that attached filters cover.
  size_t guarded_vips() const { return guarded_vips_; }

 private:
  enum class Purpose : uint8_t { vips, answers, ports };
  struct Key {                     // a filter's purpose, and the first addresses of its parts
    Purpose what = Purpose::vips;  // requests to VIPs; answers of NAT servers; ports of an address of the host
    Ip first{}, to{};              // of VIPs or NAT servers; of destinations
    VipPorts ports{};              // the first ones
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Filter {
    uint32_t slot = 0;
    AddressPart part{};
    ClassicProgram program{};
    std::vector<VipPorts> ports{};
  };
  using Filters = std::map<Key, Filter>;

  struct Divisions {
    AddressDivision vips, servers, hosts;
  };

  static void add_wanted(Divisions& by, const Watch& watch, std::span<const Mac> own, std::span<const Ip> hosts,
                         Filters& out);
  static void add_ports(std::span<const VipPorts> all, std::span<const Mac> own, Filters& out);
  int put(const Key& key, Filter& filter, FilterHook& hook);
  uint32_t free_slot() const;
  size_t count_guarded(const Watch& watch) const;

  // A program for IPv6's VIPs has them twice, as destinations and as targets.
  std::array<Divisions, 2> divisions_{{{{Family::ipv4, 1024}, {Family::ipv4, 768}, {Family::ipv4, 256}},
                                       {{Family::ipv6, 512}, {Family::ipv6, 768}, {Family::ipv6, 256}}}};
  Filters attached_{};
  size_t guarded_vips_ = 0;
};

}  // namespace rawvs
