// SPDX-License-Identifier: BSD-2-Clause
// replacement.h: SIGUSR2: another program takes over, when it has shown that it can (handover.h).
// In:  the program's messages; the director's connections.
// Out: the connections as memory files, written a portion per turn of the loop; "due" when the other one waits.
// Not: stopping and going on (engine.cpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/state.h"
#include "sys/engine/engine_context.h"
#include "sys/engine/handover.h"
#include "sys/engine/trial.h"
#include "sys/ha/state_file.h"

namespace rawvs {

class Replacement final : public Part {
 public:
  explicit Replacement(EngineContext& context) : context_(context) {}
  ~Replacement() override;  // a process that was started and has not taken over is killed

  struct Next {
    std::vector<std::string> trial{};  // the program's absolute path, and arguments with -t among them
    // Starts it in a process of its own, with the socket.
    std::function<Result<pid_t>(const HandOver& socket)> start{};
    std::function<void()> stay{};  // this process, the interim one, goes on for good
  };
  void set_next(Next next) { next_ = std::move(next); }
  void begin();  // SIGUSR2
  Result<Done> expect(HandOver socket,
                      pid_t process);  // this process is the interim one: that process takes over from it
  void collect(pid_t process);         // it was the interim one, and ends

  bool is_due() const { return due_; }  // the other program waits for take()
  // Passes on what has changed since the other one got the connections. REQUIRES: nothing is forwarded any more.
  // An Error: the other one did not take over, and is gone; this one has to go on.
  Result<Done> hand_over(const std::string& masters);
  const HandOver& socket() const { return socket_; }

  void serve(Instant now) override;
  Instant deadline() const override;

 private:
  void refuse(const Error& why);  // logs it, and ends the other process
  Result<Done> pass(const std::string& masters);
  struct Writing {
    StateMemory memory;
    StateWriter writer;
  };
  void hear();
  void take(const HandOver::Heard& heard);
  Result<Done> begin_state();
  Result<Done> write_portion();
  void end_process();
  void wait_for_end() const;
  void start_next();

  EngineContext& context_;
  Next next_;
  std::unique_ptr<Trial> trial_;  // null: no other program is being tried
  HandOver socket_;               // to the process that is to take over
  pid_t process_ = -1;
  bool is_interim_ = false;  // this process
  std::vector<pid_t> gone_;  // processes that end, and are to be collected
  Ready said_;
  std::unique_ptr<Writing> writing_;  // the connections, for the other one
  Instant since_{};                   // the beginning of the last writing
  Instant portion_ = kNever, given_up_ = kNever, collect_ = kNever;
  bool due_ = false;
};

}  // namespace rawvs
