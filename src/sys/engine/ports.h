// SPDX-License-Identifier: BSD-2-Clause
// ports.h: the interfaces: waited for, opened, watched, closed, and tried again.
// In:  the kernel's facts about them, the director's Watch.
// Out: frames for FrameExchange; link changes for the director and the other parts.
//
// An interface may be missing, disappear and come back. The reason why it cannot be opened is logged once, and it is
// tried again.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/link_names.h"
#include "core/route.h"
#include "sys/engine/interface.h"

namespace rawvs {

class Ports final : public Part {
 public:
  explicit Ports(EngineContext& context);
  ~Ports() override { close(); }

  // The two steps of the start. First the host's own addresses are read, so that services can be told which VIPs are
  // among them; when the services exist, filter and guard are made once for all.
  Result<Done> know_all();
  Result<Done> open_all();
  // Adds the interface of this host's own packets, a clients' link. REQUIRES: called before know_all(); tun outlives
  // close().
  void serve_host(const Tun& tun);
  void note_host_vips(size_t count) { host_vips_ = count; }  // those with a route by it, for listings
  void close();
  void release();  // as in Interface; FrameExchange has no more frames
  void take_back();
  void try_all();  // after a possible change of any interface
  // The route to a server leaves by an interface that is not used yet. False: it cannot be, or must not
  // (auto_interfaces); the reason was logged.
  bool open_for(const Route& route);

  void serve(Instant now) override;
  Instant deadline() const override;

  // Applies the director's changed Watch. To call before dispatch(): replies to what is sent then must pass the filter.
  void follow_watch();
  void count();  // updates the counters for the director's listings
  // Before this process ends. stay: for some seconds, for a start that follows. Else another rawvsd has its own.
  void leave_guards(bool stay);
  void end_fast();  // as in Interface

  std::span<const Link> links() const { return first_links(ports_.size()); }
  const std::string& name(Link link) const { return ports_[index(link)]->interface.name(); }
  const LinkFacts& facts(Link link) const { return ports_[index(link)]->interface.facts(); }
  // The first address of an interface of ours, IPv6's not link-local; none: it has none, or is none of ours.
  std::optional<Ip> address_of(const std::string& interface, Family family) const;
  const std::vector<Ip>& own_addresses() const { return own_addresses_; }  // of the host on our links, sorted

 private:
  struct Port {
    Interface interface;
    LinkRole role = LinkRole::clients;
    bool named = false;      // by the configuration, not found by a pattern or a route
    Instant again = kNever;  // when to try to open it again
    std::string problem{};   // why it could not be opened; logged
  };
  std::optional<Link> add(const std::string& name, LinkRole role, bool named, const Tun* tun = nullptr);
  std::unique_ptr<Port>* place_for_one();
  bool knows(const std::string& name) const;
  void find_matching();
  Result<LinkFacts> query(Link link);
  Result<Done> know(Link link);
  Result<Done> follow(Link link);
  void try_one(Link link);
  void note_guards();
  void note_own_addresses();

  EngineContext& context_;
  const LinkNames names_;
  std::vector<std::unique_ptr<Port>> ports_;  // by link
  std::set<std::string> useless_;             // interfaces of routes that cannot be used, until something changes
  bool full_ = false;                         // kMostLinks are in use, and another one is wanted; logged
  std::vector<Ip> own_addresses_;
  size_t host_vips_ = 0;
  bool at_start_ = true;
};

}  // namespace rawvs
