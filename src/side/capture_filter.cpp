// SPDX-License-Identifier: BSD-2-Clause
// capture_filter.cpp: the filter expressions as text.
//
// pcap's program compares addresses one by one, and a kernel accepts 4,096 instructions, so adjacent addresses are
// written as one network. If that still gives too many, the filter admits more than asked: the director checks every
// frame. (The guard may not: nobody else gets what it drops. See sys/guard/classic_program.h.)
#include "side/capture_filter.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "core/sort.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

// Terms per list. libpcap's optimizer takes 5 ms for 64 of each list, half a second for 256; and kernels before 6.9
// keep the old and the new filter of a socket in 20 KB together (net.core.optmem_max). NAT servers get half as many:
// they are a third list, and seldom scattered.
constexpr size_t kMostTerms = 64;

bool all_in(const std::vector<Ip>& addresses, const std::vector<Network>& networks) {  // both sorted
  auto network = networks.begin();
  return std::ranges::all_of(addresses, [&](Ip a) {
    while (network != networks.end() && !network->holds(a) && network->base < a) ++network;
    return network != networks.end() && network->holds(a);
  });
}

constexpr const char* kNothing = "less 1";  // shorter than any frame; pcap refuses constant conditions

int common_prefix(const Network& a, const Network& b) {
  return std::min({common_bits(a.base, b.base), int{a.prefix}, int{b.prefix}});
}

Network cover(const Network& a, const Network& b) {  // REQUIRES: one family, as of all that follows
  const auto prefix = static_cast<uint8_t>(common_prefix(a, b));
  return {Netmask(a.base.family(), prefix).of(a.base), prefix};
}

bool halves(const Network& a, const Network& b) {  // of one network
  return a.prefix == b.prefix && common_prefix(a, b) == a.prefix - 1;
}

// The fewest networks that contain exactly these sorted addresses.
std::vector<Network> exact_networks(std::span<const Ip> addresses) {
  std::vector<Network> out;
  for (const Ip a : addresses) {
    if (!out.empty() && out.back().holds(a)) continue;
    out.push_back(Network::host(a));
    while (out.size() >= 2 && halves(out[out.size() - 2], out.back())) {
      const Network whole = cover(out[out.size() - 2], out.back());
      out.pop_back();
      out.back() = whole;
    }
  }
  return out;
}

// At most `most` networks: joins the closest neighbours first, which admits the fewest other addresses.
std::vector<Network> covering_of_family(std::span<const Ip> addresses, size_t most) {
  std::vector<Network> exact = exact_networks(addresses);
  if (exact.size() <= most) return exact;
  const auto width = [&](uint32_t i) { return common_prefix(exact[i], exact[i + 1]); };
  // The gaps between a network and the next; the widest ones stay.
  std::vector<uint32_t> gaps = numbers_by(exact.size() - 1, width);
  gaps.resize(most - 1);
  sort_with(gaps, std::less<>());
  std::vector<Network> out;
  size_t first = 0;
  for (const uint32_t gap : gaps) {
    out.push_back(cover(exact[first], exact[gap]));
    first = gap + 1;
  }
  out.push_back(cover(exact[first], exact.back()));
  return out;
}

// At most `most` of each family.
std::vector<Network> covering_networks(const std::vector<Ip>& addresses, size_t most) {  // sorted
  const auto is_v4 = [](Ip a) { return a.is_v4(); };
  const auto begin = std::ranges::find_if(addresses, is_v4);
  const auto end = std::find_if_not(begin, addresses.end(), is_v4);
  std::vector<Network> out;  // IPv4's addresses are adjacent in the order of all
  for (const auto& [from, to] :
       {std::pair(addresses.begin(), begin), std::pair(begin, end), std::pair(end, addresses.end())}) {
    if (from == to) continue;
    const auto some = covering_of_family(std::span(from, to), most);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

std::vector<Network> of_family(const std::vector<Network>& all, Family family) {
  std::vector<Network> out;
  std::ranges::copy_if(all, std::back_inserter(out), [&](const Network& n) { return n.base.family() == family; });
  return out;
}

std::string any_of(const std::vector<Network>& networks, const char* what) {  // what: "ip dst"
  std::string out;
  for (const Network& n : networks) {
    out += out.empty() ? "(" : " or ";
    const bool one = n == Network::host(n.base);
    out.append(what).append(one ? " host " : " net ");
    out += one ? text(n.base) : text(n);
  }
  return out.empty() ? out : out + ")";
}

std::string to_mac(std::span<const Mac> own, const std::string& condition) {
  if (own.empty()) return condition;
  std::string to;
  for (const Mac& mac : own) to += (to.empty() ? "ether dst " : " or ether dst ") + text(mac);
  return (own.size() > 1 ? "((" + to + ")" : "(" + to) + " and " + condition + ")";
}

// Unreachable, source quench, time exceeded, parameter problem (RFC 792). pcap looks at first fragments only.
constexpr std::string_view kIcmpErrors = "(icmp[0] = 3 or icmp[0] = 4 or icmp[0] = 11)";
// Their types are below those of echo (RFC 4443), and solicitations and advertisements have no extension headers before
// them in practice (RFC 6980 forbids fragments).
constexpr std::string_view kIcmp6Errors = "(ip6[6] = 58 and ip6[40] < 128)";
constexpr std::string_view kDiscovery6 = "(ip6[6] = 58 and (ip6[40] = 135 or ip6[40] = 136))";

// Exact for few; for many, all that is sent to the addresses.
std::vector<VipPorts> own_sets(const std::vector<VipPorts>& own) {
  if (own.size() <= kMostTerms / 2) return own;
  std::vector<VipPorts> out;
  for (const VipPorts& ports : own) {
    if (out.empty() || out.back().vip != ports.vip) out.push_back({ports.vip, Protocol::any, 0, 0xffff});
  }
  return out;
}

std::string ports_of(const VipPorts& ports) {
  const char* const protocol = name(ports.protocol);
  return ports.first == ports.last ? formatted("{} dst port {}", protocol, ports.first)
                                   : formatted("{} dst portrange {}-{}", protocol, ports.first, ports.last);
}

std::string fragments_of(const VipPorts& ports) {
  const auto protocol = static_cast<unsigned>(ports.protocol);
  return ports.vip.is_v4() ? formatted("(ip[6:2] & 0x1fff != 0 and ip[9] = {})", protocol)
                           : formatted("(ip6[6] = 44 and ip6[40] = {})", protocol);
}

// Packets to the host's own addresses: to the services' ports, fragments, which may be such, and ICMP errors.
std::string any_own(const std::vector<VipPorts>& own, Family family) {
  const bool v4 = family == Family::ipv4;
  std::string out;
  for (size_t i = 0; i < own.size(); ++i) {
    const VipPorts& ports = own[i];
    if (ports.vip.family() != family) continue;
    const bool first = i == 0 || own[i - 1].vip != ports.vip;
    const bool last = i + 1 == own.size() || own[i + 1].vip != ports.vip;
    if (first) out += (out.empty() ? "(" : " or (") + std::string(v4 ? "ip" : "ip6") + " dst host " + text(ports.vip);
    if (ports.protocol != Protocol::any) {
      out += (first ? " and (" : " or ") + ports_of(ports);
      if (last || own[i + 1].protocol != ports.protocol) out += " or " + fragments_of(ports);
      if (last) out.append(" or ").append(v4 ? kIcmpErrors : kIcmp6Errors).append(")");
    }
    if (last) out += ")";
  }
  return out.empty() ? out : "(" + out + ")";
}

// IPv6: as IPv4, but solicitations and advertisements about whichever address: BPF would compare 16 bytes for each.
std::string capture_filter6(const CaptureSets& watch, std::span<const Mac> own) {
  const auto vips = of_family(watch.vips, Family::ipv6), neighbors = of_family(watch.neighbors, Family::ipv6),
             nat_servers = of_family(watch.nat_servers, Family::ipv6);
  const std::string own_vips = any_own(watch.own, Family::ipv6);
  if (vips.empty() && neighbors.empty() && nat_servers.empty() && own_vips.empty()) return {};
  std::string out = own.empty() ? "" : " or " + std::string(kDiscovery6);
  if (!vips.empty()) out += " or " + to_mac(own, any_of(vips, "ip6 dst"));
  if (!own_vips.empty()) out += " or " + to_mac(own, own_vips);
  if (!nat_servers.empty()) out += " or " + to_mac(own, any_of(nat_servers, "ip6 src"));
  if (watch.icmp_errors) out += " or " + to_mac(own, std::string(kIcmp6Errors));
  return out;
}

}  // namespace

bool CaptureSets::admits(const Watch& watch) const {
  const bool all_own = std::ranges::all_of(watch.own, [&](const VipPorts& ports) {
    return std::ranges::binary_search(own, ports) ||
           std::ranges::binary_search(own, VipPorts{ports.vip, Protocol::any, 0, 0xffff});
  });
  return all_own && all_in(watch.vips, vips) && all_in(watch.nat_servers, nat_servers) &&
         (icmp_errors || !watch.icmp_errors);
}

CaptureSets capture_sets(const Watch& watch) {
  return {covering_networks(watch.vips, kMostTerms), covering_networks(watch.neighbors, kMostTerms),
          covering_networks(watch.nat_servers, kMostTerms / 2), own_sets(watch.own), watch.icmp_errors};
}

std::string capture_filter(const Watch& watch, std::span<const Mac> own) {
  return capture_filter(capture_sets(watch), own);
}

std::string capture_filter(const CaptureSets& watch, std::span<const Mac> own) {
  if (watch.vips.empty() && watch.own.empty() && watch.neighbors.empty() && watch.nat_servers.empty() &&
      !watch.icmp_errors)
    return kNothing;
  const auto vips = of_family(watch.vips, Family::ipv4), neighbors = of_family(watch.neighbors, Family::ipv4),
             nat_servers = of_family(watch.nat_servers, Family::ipv4);
  // Replies to our own requests come to our MAC address: admitted even before the list of neighbours is updated.
  std::string out = own.empty() ? kNothing : to_mac(own, "arp");
  if (!vips.empty()) out += " or " + to_mac(own, any_of(vips, "ip dst"));
  if (!vips.empty() && !own.empty()) out += " or " + any_of(vips, "arp");
  if (const std::string own_vips = any_own(watch.own, Family::ipv4); !own_vips.empty())
    out += " or " + to_mac(own, own_vips);
  if (!neighbors.empty() && !own.empty()) out += " or " + any_of(neighbors, "arp src");
  if (!nat_servers.empty()) out += " or " + to_mac(own, any_of(nat_servers, "ip src"));
  if (watch.icmp_errors) out += " or " + to_mac(own, std::string(kIcmpErrors));
  return out + capture_filter6(watch, own);
}

}  // namespace rawvs
