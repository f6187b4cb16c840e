// SPDX-License-Identifier: BSD-2-Clause
// control_socket.h: the control socket's clients: requests read, replies written, nobody waited for.
// In:  a path.   Out: requests, handed to a function that answers them (control.h).
// AF_UNIX SOCK_SEQPACKET, mode 0660. A slow client's reply waits in its own conversation, a piece at a time; a client
// that does not read is dropped after a while. Nothing a client does delays a packet.
//
// At most kClients that are not root's are served at once, and kRootClients more of root. Who comes when all places are
// taken gets the place of the client that has asked for nothing for longest, or is told "busy". Root may take any
// client's place that is not root's: whoever may use the socket cannot keep root from it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "rawvs/control.h"
#include "rawvs/result.h"

namespace rawvs {

class ControlSocket {
 public:
  static constexpr size_t kClients = 128, kRootClients = 16;
  static constexpr Duration kPatience = 30s;  // with a client that neither asks nor reads

  // Is the place free? To be asked before anything else is touched: a second instance must change nothing. Refuses when
  // another process listens there, removes a socket that nobody listens on.
  static Result<Done> make_way(const std::string& path);

  // Is there a place for it, whoever listens there now, and is there such a group? Changes nothing; for -t.
  static Result<Done> could_listen(const std::string& path, const std::string& group);

  // As make_way(), and listens from now on: clients take the socket's existence for "ready". group: empty = keep.
  static Result<std::unique_ptr<ControlSocket>> listen(const std::string& path, const std::string& group);
  // Was its file deleted? Then it is made again, and true comes back. An Error: it cannot be, or something else is
  // there.
  Result<bool> renew();
  ~ControlSocket();  // closes, and removes the path if it is still ours
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  int fd() const;  // an epoll descriptor: readable when serve() has something to do

  // Serves what is ready: a bounded piece of work for each client. `answers` starts a reply, `pieces` continues it.
  using Answers = std::function<Conversation(std::string_view request, const Operator& who)>;
  using Pieces = std::function<Piece(Conversation&)>;
  void serve(const Answers& answers, const Pieces& pieces, Instant now);
  void wake(Instant now);         // packets were handled: who waits for news of them may have some
  Instant next_deadline() const;  // when a silent client's patience ends; kNever without clients
  void time_passed(Instant now);

 private:
  struct Impl;
  explicit ControlSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
