// SPDX-License-Identifier: BSD-2-Clause
// handover.h: how a rawvsd takes over from another one, which forwards meanwhile.
// In:  a socket between both processes.
// Out: messages, with the connections as memory files.
// Not: who starts whom (next_program.h), when to stop forwarding (replacement.h).
//
//   the next one      begun, state        loaded                       in charge
//   the present one                state        takes the connections            ends
//                                        changed meanwhile: forwards no more
//
// Until it hears "in charge" the present one can go on as if nothing had happened: it keeps all it needs. It does so
// when the next one says "failed", ends, or takes too long.
//
// Two replacements make one: the next program first takes over in a process of its own, the interim one. Only when
// that forwards, the process whose id the operator knows executes the program, which takes over from the interim one.
// So a program that cannot start, crashes or hangs costs nothing, and the process id stays.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "rawvs/result.h"
#include "rawvs/time.h"
#include "sys/fd.h"

namespace rawvs {

class HandOver {  // one end of the socket
 public:
  enum class What : uint8_t { begun = 1, state, loaded, take, in_charge, failed };
  struct Heard {
    What what{};
    std::string text{};  // failed: why. take: the names of the VRRP instances whose master this was, a line each
    Fd file{};           // state, take: connections
    pid_t process = -1;  // the sender
  };

  HandOver() = default;
  explicit HandOver(Fd socket) : socket_(std::move(socket)) {}
  static Result<std::pair<HandOver, HandOver>> pair();
  // Which kPredecessorVariable names; else none. Removes the variable.
  static HandOver inherited();

  explicit operator bool() const { return static_cast<bool>(socket_); }
  int fd() const { return socket_.get(); }

  // Does not wait. file: -1: none. An Error: the other end is closed, or does not read, or sendmsg(2) failed.
  Result<Done> say(What what, const std::string& text = "", int file = -1) const;
  // Empty: nothing yet. An Error: the other end is closed, or speaks another protocol, or recvmsg(2) failed.
  std::optional<Result<Heard>> hear() const;
  // As hear(), but waits; an Error also when nothing came. For a process that has nothing else to do.
  Result<Heard> wait(Duration most) const;

 private:
  Fd socket_;
};

// The next program's side, before it is in charge.
class Predecessor {
 public:
  // From the environment: whom this process takes over from; none: it starts like any other.
  static Predecessor inherited();

  explicit operator bool() const { return static_cast<bool>(socket_); }
  // This process is the interim one: it must not outlive its failure, nor claim the process id.
  bool is_interim() const { return interim_; }

  // The connections, while the other process forwards. An Error: it has ended.
  Result<Fd> state() const;
  // "loaded": waits until the other one forwards no more; what has changed since. An Error: it has ended.
  Result<HandOver::Heard> take() const;
  // Where these are lost, the other process notices it by this one's silence, or its end.
  void say_in_charge() const { static_cast<void>(socket_.say(HandOver::What::in_charge)); }
  void say_failed(const std::string& why) const { static_cast<void>(socket_.say(HandOver::What::failed, why)); }
  // For the interim process, whose successor the other one becomes.
  HandOver take_socket() { return std::move(socket_); }

 private:
  HandOver socket_;
  bool interim_ = false;
};

}  // namespace rawvs
