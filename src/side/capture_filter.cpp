// SPDX-License-Identifier: BSD-2-Clause
// capture_filter.cpp: the filter expressions, as text. This is IPv4's half; IPv6 will add terms of its own.
// A classic BPF program compares one address after the other and holds 4,096 instructions, so neighbouring addresses
// are written as one network. Where that still leaves too many, the packet socket's filter may take in more than asked
// (the director looks again at every frame); the guard's may not, since what it takes nobody else gets.
#include "rawvs/capture_filter.h"

#include <algorithm>
#include <bit>

namespace rawvs {
namespace {

// Terms per list. libpcap's optimizer takes 5 ms for 64 of each list, half a second for 256; and kernels before 6.9
// hold the old and the new filter of a socket in 20 KB together (net.core.optmem_max). NAT servers get half as many:
// they are a third list, and seldom scattered.
constexpr size_t kMostTerms = 64;

constexpr const char* kNothing = "less 1";  // shorter than any frame; pcap refuses constants that match nothing

int common_prefix(const Network& a, const Network& b) {
  return std::min({std::countl_zero(a.base.v4() ^ b.base.v4()), int{a.prefix}, int{b.prefix}});
}

Network cover(const Network& a, const Network& b) {
  const auto prefix = static_cast<uint8_t>(common_prefix(a, b));
  return {prefix_mask(prefix).of(a.base), prefix};
}

bool halves(const Network& a, const Network& b) {  // of one network, which they fill
  return a.prefix == b.prefix && common_prefix(a, b) == a.prefix - 1;
}

// The fewest networks that hold these sorted addresses and no others.
std::vector<Network> exact_networks(const std::vector<Ip>& addresses) {
  std::vector<Network> out;
  for (const Ip a : addresses) {
    if (!out.empty() && out.back().holds(a)) continue;
    out.push_back({a, 32});
    while (out.size() >= 2 && halves(out[out.size() - 2], out.back())) {
      const Network whole = cover(out[out.size() - 2], out.back());
      out.pop_back();
      out.back() = whole;
    }
  }
  return out;
}

// At most so many networks: the closest neighbours are joined first, so that as little as possible comes in with them.
std::vector<Network> covering_networks(const std::vector<Ip>& addresses, size_t most) {
  std::vector<Network> out = exact_networks(addresses);
  while (out.size() > most) {
    size_t closest = 0;
    for (size_t i = 1; i + 1 < out.size(); ++i) {
      if (common_prefix(out[i], out[i + 1]) > common_prefix(out[closest], out[closest + 1])) closest = i;
    }
    out[closest] = cover(out[closest], out[closest + 1]);
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(closest) + 1);
  }
  return out;
}

std::string any_of(const std::vector<Network>& networks, std::string_view what) {  // what: "ip dst"
  std::string out;
  for (const Network& n : networks) {
    out += out.empty() ? "(" : " or ";
    out.append(what).append(n.prefix == 32 ? " host " : " net ");
    out += n.prefix == 32 ? text(n.base) : text(n);
  }
  return out.empty() ? out : out + ")";
}

std::string to_mac(std::span<const Mac> own, const std::string& condition) {
  std::string to;
  for (const Mac& mac : own) to += (to.empty() ? "ether dst " : " or ether dst ") + text(mac);
  return (own.size() > 1 ? "((" + to + ")" : "(" + to) + " and " + condition + ")";
}

// Unreachable, source quench, time exceeded, parameter problem (RFC 792). pcap looks at first fragments only.
constexpr std::string_view kIcmpErrors = "(icmp[0] = 3 or icmp[0] = 4 or icmp[0] = 11)";

// What else a NAT server may send that is of a connection: with ports; or a fragment, whose ports are not known.
constexpr std::string_view kWithPorts = "ip[9] = 6 or ip[9] = 17 or ip[9] = 132", kFragment = "(ip[6:2] & 0x3fff) != 0";

}  // namespace

std::string capture_filter(const Watch& watch, std::span<const Mac> own) {
  const auto vips = covering_networks(watch.vips, kMostTerms);
  const auto neighbors = covering_networks(watch.neighbors, kMostTerms);
  const auto nat_servers = covering_networks(watch.nat_servers, kMostTerms / 2);
  if (vips.empty() && neighbors.empty() && nat_servers.empty() && !watch.icmp_errors) return kNothing;
  // Answers to our own questions come to our MAC: they are taken even before the list of neighbours has caught up.
  std::string out = to_mac(own, "arp");
  if (!vips.empty()) out += " or " + to_mac(own, any_of(vips, "ip dst")) + " or " + any_of(vips, "arp");
  if (!neighbors.empty()) out += " or " + any_of(neighbors, "arp src");
  if (!nat_servers.empty()) out += " or " + to_mac(own, any_of(nat_servers, "ip src"));
  if (watch.icmp_errors) out += " or " + to_mac(own, std::string(kIcmpErrors));
  return out;
}

std::string guard_filter(const Watch& watch, std::span<const Mac> own, const std::vector<Ip>& hosts) {
  const auto vips = exact_networks(watch.vips), nat_servers = exact_networks(watch.nat_servers);
  std::string out;
  if (!vips.empty()) {
    constexpr std::string_view kRequest = "arp[6:2] = 1";  // RFC 826: ar$op, REQUEST
    out =
        to_mac(own, any_of(vips, "ip dst")) + " or (" + std::string(kRequest) + " and " + any_of(vips, "arp dst") + ")";
  }
  if (!nat_servers.empty()) {
    std::string answers = any_of(nat_servers, "ip src");
    answers.append(" and (").append(kWithPorts).append(" or ").append(kFragment).append(" or ").append(kIcmpErrors) +=
        ")";
    if (!hosts.empty()) answers += " and not " + any_of(exact_networks(hosts), "ip dst");
    out += (out.empty() ? "" : " or ") + to_mac(own, answers);
  }
  return out.empty() ? kNothing : out;
}

}  // namespace rawvs
