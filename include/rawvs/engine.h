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
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rawvs/result.h"

namespace rawvs {

struct Config;
class Helper;
class HandOver;
class Log;
struct Opened;
class Predecessor;

class Engine {
 public:
  // Detects everything that can be wrong at the start: a daemon fails before it detaches.
  // signals: a signalfd; SIGTERM and SIGINT end run(), SIGHUP reloads, SIGUSR2 requests a replacement.
  // file: the configuration's absolute path, for reloads.
  // opened: what is open already. log and helper must outlive the engine.
  // predecessor: another rawvsd, which forwards until this one is ready to; none: a start like any other. To the
  // interim process it becomes the next one.
  static Result<std::unique_ptr<Engine>> start(const Config& config, const std::string& file, const Log& log,
                                               const Helper& helper, int signals, Opened opened,
                                               Predecessor& predecessor);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  enum class End : uint8_t { stop, replace };
  End run();
  // After End::replace: passes everything on. An Error: the other program did not take over, which was logged; call
  // run() again. Else the other one forwards: only a process without destructors may end, or execute it.
  Result<Done> hand_over();
  const HandOver& successor() const;  // the socket to the process that has taken over
  // For another program, which gets it by exec(2). False: it has got it, or failed.
  void hand_over_control(bool on) const;
  int tun_fd() const;  // of local_clients' interface, for TunHandOver; -1: there is none
  // How SIGUSR2 tries and starts another program: replacement.h. stay: this process was the interim one, and goes on.
  void set_next(std::vector<std::string> trial, std::function<Result<int>(const HandOver&)> start,
                std::function<void()> stay);

 private:
  struct Parts;
  explicit Engine(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rawvs
