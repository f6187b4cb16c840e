// SPDX-License-Identifier: BSD-2-Clause
// notifier.h: has rawvs-helper run the programs that [vrrp], or [virtual], name in notify: one Notifier for each.
// In:  requests, in their order; whom they are about.
// Out: programs run, kMostAtOnce at a time; why others were not, in the log.
// Not: which changes are told (vrrp.h, checked_servers.h), which program it is (rawvs-helper reads the file itself).
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "sys/engine/engine_context.h"
#include "sys/engine/warn_once.h"

namespace rawvs {

class Notifier final : public Part {
 public:
  static constexpr size_t kMostAtOnce = 32;
  static constexpr size_t kMostWaiting = 1000;  // when a switch fails, all servers behind it go at once

  explicit Notifier(EngineContext& context) : context_(context), warnings_(context.log) {}

  // about: "vrrp web", for the log. Does not wait: the program runs later if too many run now.
  void tell(const HelperRequest& request, const std::string& about);
  void follow() { warnings_.forget(); }  // after each reload: what was said may be said again

  void serve(Instant now) override;
  Instant deadline() const override { return kNever; }

 private:
  struct Wish {
    HelperRequest request;
    std::string about;
  };
  struct Running {
    std::string about;
    Fd answers;  // rawvs-helper's
  };
  void begin(const Wish& wish);
  void forget_ended();

  EngineContext& context_;
  std::deque<Wish> waiting_;
  std::vector<Running> running_;
  Ready answers_wait_;
  WarnOnce warnings_;
};

}  // namespace rawvs
