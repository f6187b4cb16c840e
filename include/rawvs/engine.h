// SPDX-License-Identifier: BSD-2-Clause
// engine.h: the daemon's loop, in one thread: waits, reads the clock once, passes events to the director, acts on the
// result.
// In:  a Config.
// Out: a running director, until a signal stops it.
// Not: decisions (director.h).
//
// The loop consists of parts (src/sys/engine/part.h), each with its descriptors and deadlines. Interfaces may be
// missing, disappear and come back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rawvs/result.h"

namespace rawvs {

struct Config;
class GuardLinks;
class Helper;
class Log;
struct Opened;
class StateMemory;

class Engine {
 public:
  // Detects everything that can be wrong at the start: a daemon fails before it detaches.
  // signals: a signalfd; SIGTERM and SIGINT end run(), SIGHUP reloads, SIGUSR2 requests a replacement.
  // file: the configuration's absolute path, for reloads.
  // opened: what is open already. log and helper must outlive the engine.
  static Result<std::unique_ptr<Engine>> start(const Config& config, const std::string& file, const Log& log,
                                               const Helper& helper, int signals, Opened opened);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  enum class End : uint8_t { stop, replace };
  End run();
  // After End::replace, right before exec(): the connections for the program that replaces this one. If exec() fails,
  // drop the memory and call run() again.
  Result<StateMemory> state_for_successor();
  // And its control socket, where the next one could not make another. False: exec() has failed.
  void hand_over_control(bool on) const;
  // The guards' links, to keep between this program and the next one.
  GuardLinks guard_links() const;
  int tun_fd() const;  // of local_clients' interface, for TunHandOver; -1: there is none
  // The command that SIGUSR2 tries before it requests a replacement: the program's absolute path, arguments with -t.
  void set_trial(std::vector<std::string> argv);

 private:
  struct Parts;
  explicit Engine(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rawvs
