// SPDX-License-Identifier: BSD-2-Clause
// config_check_ports.cpp: which packets belong to which group or virtual, and where that is ambiguous. A packet gets
// one mark, that of the most specific match. As in IPVS, a mark with a service precedes the VIP's own services, and
// among these, one port precedes every port.
//
// Claims are sorted by VIP, protocol, client network and first port. Overlapping claims have the same VIP and protocol,
// and one client network contains the other. For each claim the networks that contain its own are looked up (at most
// 129 prefix lengths), and among their claims those with overlapping ports, by a tree of last ports.

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <tuple>

#include "config/config_check.h"
#include "config/config_values.h"
#include "config/spec_words.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

struct Claim {  // a group or virtual matches these ports of a VIP
  Ip vip{};
  Protocol protocol = Protocol::tcp;
  PortRange range{};
  Network clients = Network::all(Family::ipv4);
  Mark mark{};  // 0: a service of the VIP and one port, or every port
  const Place* place = nullptr;
  int line = 0;
  std::string_view interface {};  // whose address it is; empty: the VIP

  auto order() const { return std::tie(vip, protocol, clients.prefix, clients.base, range.first, line); }
  bool same_packets(const Claim& c) const { return holds(c) && c.holds(*this); }
  // True if it matches every packet of the other. REQUIRES: they overlap, so one client network contains the other.
  bool holds(const Claim& c) const {
    return range.first <= c.range.first && c.range.last <= range.last && clients.prefix <= c.clients.prefix;
  }
};

std::string described(const Claim& c) {
  const std::string from = c.clients.prefix == 0 ? "" : " from " + rawvs::text(c.clients);
  if (!c.interface.empty())
    return formatted("{} {} of {}'s address", name(c.protocol), rawvs::text(c.range), std::string(c.interface));
  return formatted("{} {}:{}{}", name(c.protocol), c.vip.is_v4() ? rawvs::text(c.vip) : '[' + rawvs::text(c.vip) + ']',
                   rawvs::text(c.range), from);
}

class PortCheck {
 public:
  explicit PortCheck(Checking& c) : c_(c) {}

  void add(const Claim& claim) {
    sorted_.insert(claim);
    prefixes_.insert(claim.clients.prefix);
  }
  size_t added() const { return sorted_.size(); }

  // Moves each claim to its place at the end of the array.
  void take_next() { claims_.push_back(sorted_.extract(sorted_.begin()).value()); }
  size_t begin_tree() {
    leaves_ = std::bit_ceil(std::max<size_t>(claims_.size(), 1));
    last_.assign(2 * leaves_, 0);
    return 2 * leaves_;
  }
  void fill_tree(size_t i) {  // from the leaves up
    const size_t node = 2 * leaves_ - 1 - i;
    if (node == 0) return;
    if (node >= leaves_) {
      last_[node] = node - leaves_ < claims_.size() ? claims_[node - leaves_].range.last : 0;
    } else {
      last_[node] = std::max(last_[2 * node], last_[2 * node + 1]);
    }
  }

  size_t count() const { return claims_.size(); }
  void check(size_t i, Portions& walks);

 private:
  struct InOrder {
    bool operator()(const Claim& a, const Claim& b) const { return a.order() < b.order(); }
  };
  struct Search {
    size_t from, to;  // among these claims
    uint16_t first;   // those that end at this port or later
    const Claim& claim;
  };

  bool contradicts(const Claim& a, const Claim& b);
  std::optional<std::string> contradiction(const Claim& first, const Claim& second) const;
  bool search(const Search& s, size_t node, size_t begin, size_t end);

  Checking& c_;
  std::multiset<Claim, InOrder> sorted_;
  std::set<uint8_t> prefixes_;
  std::vector<Claim> claims_;
  size_t leaves_ = 1;
  std::vector<uint16_t> last_;  // the greatest last port below each node; the root is 1
  std::set<int> told_;          // lines
  size_t compared_ = 0;
  bool gave_up_ = false;
};

// The fault of two overlapping claims, if they belong to different services.
std::optional<std::string> PortCheck::contradiction(const Claim& first, const Claim& second) const {
  if (first.mark == second.mark && first.mark.value != 0) return std::nullopt;
  const bool marked = first.mark.value != 0 || second.mark.value != 0;
  const bool mixed = marked && (first.mark.value == 0 || second.mark.value == 0);
  if (mixed && !c_.balanced(first.mark.value != 0 ? first.mark : second.mark, first.vip.family())) return std::nullopt;
  const std::string one = described(second);
  const std::string other = formatted("{} of {}", described(first), owner(*first.place, first.line));
  if (first.same_packets(second)) return formatted("{} is the same as {}; one of them would get nothing", one, other);
  if (!first.holds(second) && !second.holds(first)) {
    return formatted("{} and {} overlap, and neither contains the other: ambiguous", one, other);
  }
  const Claim& narrow = first.holds(second) ? second : first;
  if (!mixed || narrow.mark.value != 0) return std::nullopt;  // the more specific one applies
  return formatted(
      "{} and {} overlap, and a group comes before a virtual without mark: give {} a mark, then the narrower one wins",
      one, other, owner(*narrow.place, narrow.place->line));
}

bool PortCheck::contradicts(const Claim& a, const Claim& b) {
  ++compared_;
  const bool in_order = a.line <= b.line;
  const Claim& first = in_order ? a : b;
  const Claim& second = in_order ? b : a;
  const auto problem = contradiction(first, second);
  if (!problem) return false;
  const bool group = second.place->title.starts_with("group ");
  if (told_.insert(second.line).second) {
    c_.report.fault(second.line, formatted("[{}] {}: {}", second.place->title, group ? "match" : "ports", *problem));
  }
  return true;
}

// True if a contradicting claim was found. The claims below this node are begin to end.
bool PortCheck::search(const Search& s, size_t node, size_t begin, size_t end) {
  if (end <= s.from || begin >= s.to || last_[node] < s.first) return false;
  if (end - begin == 1) return contradicts(claims_[begin], s.claim);
  const size_t middle = begin + (end - begin) / 2;
  return search(s, 2 * node, begin, middle) || search(s, 2 * node + 1, middle, end);
}

void PortCheck::check(size_t i, Portions& walks) {
  // Far more than any real file needs. Without a limit, many wide ranges over many narrow ones would take hours.
  const size_t most = 4'000'000 + 64 * claims_.size();
  if (gave_up_) return;
  const Claim& claim = claims_[i];
  const size_t before = compared_;
  for (const uint8_t prefix : prefixes_) {
    if (prefix > claim.clients.prefix) break;
    Claim key = claim;
    key.clients = {Netmask(claim.vip.family(), prefix).of(claim.clients.base), prefix};
    key.range.first = 0, key.line = 0;
    const auto from = std::lower_bound(claims_.begin(), claims_.end(), key, InOrder());
    key.range.first = claim.range.last, key.line = INT32_MAX;
    const auto to = std::upper_bound(from, claims_.end(), key, InOrder());
    // In its own network only earlier claims, so that each pair is checked once.
    const size_t begin = static_cast<size_t>(from - claims_.begin());
    const size_t end = std::min(static_cast<size_t>(to - claims_.begin()), i);
    if (search({begin, end, claim.range.first, claim}, 1, 0, leaves_)) break;
  }
  walks.spend(compared_ - before);
  if (compared_ <= most) return;
  gave_up_ = true;
  c_.report.fault(claim.line, '[' + claim.place->title + "]: too many ranges of ports of " + rawvs::text(claim.vip) +
                                  " lie one in another; name each port in one place");
}

// For an interface's address, which is not known, one that no VIP has.
class VipOf {
 public:
  Ip operator()(const VirtualAddress& address) {
    if (address.fixed()) return *address.now;
    const auto next = static_cast<uint32_t>(numbers_.size() + 1);
    const uint32_t number = numbers_.try_emplace(address.interface, next).first->second;
    return address.family == Family::ipv4 ? Ip(number) : Ip(0, number);
  }

 private:
  std::map<std::string, uint32_t> numbers_;
};

}  // namespace

void add_port_checks(Checking& c, Portions& walks) {
  const auto ports = std::shared_ptr<PortCheck>(new PortCheck(c));
  const auto vip_of = std::shared_ptr<VipOf>(new VipOf);
  walks.each_of(
      [&c] { return c.config.groups.size(); }, [&c](size_t i) { return c.config.groups[i].matches.size(); },
      [&c, ports](size_t i, size_t m) {
        const auto& [vip, match, clients] = c.config.groups[i].matches[m];
        const Place& place = c.places.groups[i];
        c.add_vip(vip);
        if (c.config.groups[i].mark.value == 0) return;
        for (const PortRange range : match.ports) {
          ports->add({vip, match.protocol, range, clients, c.config.groups[i].mark, &place, place.line_of("match", m)});
        }
      });
  walks.each_of([&c] { return c.config.virtuals.size(); }, [&c](size_t i) { return c.config.virtuals[i].ports.size(); },
                [&c, ports, vip_of](size_t i, size_t m) {
                  const VirtualConfig& v = c.config.virtuals[i];
                  const Place& place = c.places.virtuals[i];
                  if (!c.shaped[i]) return;
                  for (const PortRange range : v.ports[m].ports) {
                    ports->add({(*vip_of)(*v.address), v.ports[m].protocol, range, Network::all(v.address->family),
                                c.marks[i], &place, place.line_of("ports"), v.address->interface});
                  }
                });
  walks.each([&c] { return c.config.virtuals.size(); },
             [&c](size_t i) {
               if (const auto vip = c.config.virtuals[i].vip()) c.add_vip(*vip);
             });
  walks.each([ports] { return ports->added(); }, [ports](size_t) { ports->take_next(); });
  walks.each([ports] { return ports->begin_tree(); }, [ports](size_t i) { ports->fill_tree(i); });
  walks.each([ports] { return ports->count(); }, [ports, &walks](size_t i) { ports->check(i, walks); });
}

}  // namespace rawvs
