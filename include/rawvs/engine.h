// SPDX-License-Identifier: BSD-2-Clause
// engine.h: the daemon's one thread: waits, reads the clock once, hands what happened to the director, does what it
// says.
// In:   a Config.
// Out:  a running director, until a signal says stop.
// Not:  decisions (director.h).
// It is a loop over parts (src/sys/engine/part.h): each knows what it waits for, and when it is due.
// Interfaces may be missing, go and come back: they are waited for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rawvs/result.h"

namespace rawvs {

struct Config;
class GuardLinks;
class Log;
class StateMemory;

class Engine {
 public:
  // Everything that can be wrong at start is found here, so that a daemon fails before it detaches.
  // signals: a signalfd; SIGTERM and SIGINT on it end run(), SIGHUP reloads, SIGUSR2 asks to be replaced.
  // file: the configuration's absolute path, which SIGHUP and rawvsadm reload read again.
  static Result<std::unique_ptr<Engine>> start(const Config& config, const std::string& file, const Log& log,
                                               int signals);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  enum class End : uint8_t { stop, replace };
  End run();
  // After End::replace, right before exec(): the connections, for the program that takes this one's place. When exec()
  // fails, the memory is given up and run() called again.
  Result<StateMemory> state_for_successor();
  // For the time between this program and the next one.
  GuardLinks guard_links() const;
  // What SIGUSR2 tries before it asks to be replaced: the program's absolute path, and arguments with -t among them.
  void set_trial(std::vector<std::string> argv);

 private:
  struct Parts;
  explicit Engine(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rawvs
