// SPDX-License-Identifier: BSD-2-Clause
// fast_engine.h: the fast path of this process: loads it, gives its memory to the director, attaches it to interfaces.
// In:  the configuration; interfaces whose packet socket leaves out what the fast path forwards.
// Out: the program on their ingress; calls of the director, all of which are in fast_engine.cpp; lines in the log.
// Not: when an interface is ready (interface.h), which connections are forwarded (the director).
//
// Without RAWVS_FAST (FAST=no) nothing is loaded, and only what a killed rawvsd of another build left is removed.
#pragma once

#include <memory>
#include <string>

#include "core/link.h"
#include "rawvs/config.h"
#include "rawvs/director.h"
#include "sys/guard/fast_hook.h"
#include "sys/sys.h"

namespace rawvs {

class FastEngine {
 public:
  FastEngine(const Config& config, const Log& log, Director& director);
  ~FastEngine();
  FastEngine(const FastEngine&) = delete;
  FastEngine& operator=(const FastEngine&) = delete;

  // Says whether, and why not. REQUIRES: called once, before the first frame.
  void load();
  int taps() const;  // for FrameIo::Options; -1: there is no fast path

  // Another rawvsd takes over, or this one ends: from now on the programs leave everything to the director, attached or
  // not. go_on(): the other one did not.
  void stop();
  void go_on();
  bool serves() const { return serves_; }

  Result<std::unique_ptr<FastHook>> attach(int ifindex, FastWays ways) const;
  void link(Link link, bool on);  // classifier and socket's filter both work there

 private:
  void say(Severity severity, const std::string& text) const;

  const Config& config_;
  const Log& log_;
  Director& director_;
  bool serves_ = false;
#ifdef RAWVS_FAST
  std::unique_ptr<class FastPath> path_;  // null: none
#endif
};

}  // namespace rawvs
