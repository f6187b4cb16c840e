// SPDX-License-Identifier: BSD-2-Clause
// control_rows_links.cpp: the rows of links, VIPs, their rivals and neighbours.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/control_rows.h"
#include "control/control_words.h"
#include "core/link.h"
#include "side/claim.h"
#include "side/neighbor.h"
#include "side/watch.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

using Next = RowSource::Next;

void write_link(std::string& row, const Director& director, Link link) {
  const LinkCounters& n = director.counters(link);
  row = "link";
  put(row, "name", word(director, link));
  put(row, "role", director.link(link).role == LinkRole::clients ? "clients" : "servers");
  put(row, "received", n.received);
  put(row, "kernel-dropped", n.kernel_dropped);
  put(row, "cut", n.cut);
  put(row, "sent", n.sent);
  put(row, "send-failed", n.send_failed);
  put(row, "returned", n.returned);
  put(row, "return-failed", n.return_failed);
  put(row, "unguarded", n.unguarded);
  put(row, "mtu", director.link(link).mtu);
  put(row, "vips", n.vips);
  put(row, "guarded", n.guarded_vips);
  put(row, "guard", n.guard);
  put(row, "missing-groups", n.missing_groups);
}

// Of an address of the host: tcp/80,tcp/8000-8100; of very many the first.
std::string own_ports(const Watch& watch, Ip vip) {
  constexpr size_t kMost = 32;
  std::string out;
  size_t count = 0;
  for (auto at = std::ranges::lower_bound(watch.own, VipPorts{.vip = vip});
       at != watch.own.end() && at->vip == vip && count < kMost; ++at, ++count) {
    out += formatted("{}{}/{}", count == 0 ? "" : ",", name(at->protocol), at->first);
    if (at->last != at->first) out += formatted("-{}", at->last);
  }
  return out.empty() ? "-" : out;
}

class VipRows final : public RowSource {  // each VIP's row is followed by its rivals' rows
 public:
  Next next(std::string& row, Director& director, Instant now) override {
    if (next_rival_ < rivals_.size()) {
      const Mac mac = rivals_[next_rival_++].mac;
      const auto server = director.neighbors().who_has(mac);
      row = "rival";
      put(row, "address", text(*last_));
      put(row, "mac", text(mac));
      put(row, "server", server ? text(*server) : "-");
      return Next::row;
    }
    const Claims::Claim* const claim = director.claims().first_after(last_);
    if (!claim) return Next::end;
    last_ = claim->vip;
    rivals_ = claim->rivals;
    next_rival_ = 0;
    row = "vip";
    put(row, "address", text(claim->vip));
    put(row, "link", claim->as.links.empty() ? "-" : word(director, claim->as.links));
    put(row, "mac", text(director.mac_of(claim->vip)));
    put(row, "retired", claim->retired_until ? 1 : 0);
    put(row, "standby", claim->as.standby ? 1 : 0);
    put(row, "for", now - claim->since);
    put(row, "repeats", claim->repeats);
    if (claim->as.own) {
      put(row, "own", 1);
      put(row, "ports", own_ports(director.watch(), claim->vip));
    }
    return Next::row;
  }

 private:
  std::optional<Ip> last_{};
  std::vector<Claims::Rival> rivals_{};
  size_t next_rival_ = 0;
};

}  // namespace

std::unique_ptr<RowSource> link_rows() {
  return rows_from([at = size_t{0}](std::string& row, Director& director, Instant) mutable {
    while (at < director.links()) {
      const auto link = static_cast<Link>(at++);
      const LinkFacts& facts = director.link(link);
      if (facts.name.empty() || (facts.ifindex == 0 && !facts.named)) continue;
      write_link(row, director, link);
      return Next::row;
    }
    return Next::end;
  });
}

std::unique_ptr<RowSource> vip_rows() { return std::make_unique<VipRows>(); }

std::unique_ptr<RowSource> neighbor_rows() {
  return rows_from([at = size_t{0}](std::string& row, Director& director, Instant) mutable {
    const Neighbors& neighbors = director.neighbors();
    while (at < neighbors.slots()) {
      const Neighbors::Neighbor& n = neighbors.at(static_cast<uint16_t>(at++));
      if (n.wanted == 0) continue;
      row = "neighbor";
      put(row, "address", text(n.addr));
      put(row, "link", word(director, n.link));
      put(row, "state", name(n.state));
      put(row, "mac", n.knows_mac() ? text(n.mac) : "-");
      put(row, "servers", n.wanted);
      put(row, "disputed", n.disputes);
      put(row, "disputant", n.disputes != 0 ? text(n.disputant) : "-");
      return Next::row;
    }
    return Next::end;
  });
}

}  // namespace rawvs
