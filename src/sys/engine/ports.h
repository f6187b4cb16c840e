// SPDX-License-Identifier: BSD-2-Clause
// ports.h: the interfaces: waited for, opened, watched, closed, and tried again.
// In:   what the kernel says of them, what the director wants to see (Watch).
// Out:  frames for FrameExchange; the director and the other parts are told of links that change.
// An interface may be missing, go and come back. What keeps it from being opened is logged once, and tried again.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sys/engine/interface.h"
#include "sys/guard/guard_links.h"

namespace rawvs {

class Ports final : public Part {
 public:
  explicit Ports(EngineContext& context);
  ~Ports() override { close(); }

  // At start, in two steps. First the host's own addresses are known, so that services can be told which of them are
  // VIPs; when the services are there filter and guard are made once for all of them.
  Result<Done> know_all();
  Result<Done> open_all();
  void close();
  void try_all();  // something about them may be different

  void serve(Instant now) override;
  Instant deadline() const override;

  // What the director has changed in its Watch is in effect from now on. Before what it says is dispatched: the answer
  // to what is asked now must find the filter open.
  void follow_watch();
  void count();  // for the director's listings
  GuardLinks guard_links() const;

  const std::string& name(Link link) const { return interfaces_[index(link)].name(); }
  const LinkFacts& facts(Link link) const { return interfaces_[index(link)].facts(); }
  const std::vector<Ip>& own_addresses() const { return own_addresses_; }  // the host's, on our links, sorted

 private:
  Result<Done> know(Link link);
  Result<Done> follow(Link link);
  void try_one(Link link);
  void note_guards();
  void note_own_addresses();

  EngineContext& context_;
  std::array<Interface, kLinks> interfaces_;
  struct Trying {
    Instant again = kNever;  // when to try again to open it
    std::string problem{};   // why it could not be opened: logged
  };
  std::array<Trying, kLinks> trying_{};
  std::vector<Ip> own_addresses_;
  bool at_start_ = true;
};

}  // namespace rawvs
