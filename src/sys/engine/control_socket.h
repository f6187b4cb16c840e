// SPDX-License-Identifier: BSD-2-Clause
// control_socket.h: the control socket: reads requests, writes replies, waits for no client.
// In:  a path.
// Out: requests, for a function that answers them (control.h).
//
// AF_UNIX SOCK_SEQPACKET. A slow client's reply is kept in its conversation and sent piece by piece; a
// client that does not read is disconnected after a while. No client delays packets.
//
// Serves at most kClients clients of other users than root, and kRootClients more of root. When all places are taken, a
// new client replaces the one that has been idle longest, or gets "busy". Root may replace any client of another user,
// and who may change everything any client that may only ask: nobody can keep out who may do more.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "rawvs/control.h"
#include "rawvs/result.h"

namespace rawvs {

class ControlListener;

class ControlSocket {
 public:
  static constexpr size_t kClients = 128, kRootClients = 16;
  static constexpr Duration kPatience = 30s;  // for a client that neither asks nor reads

  // Checks that the place is free, before anything else is changed: a second instance must change nothing. Refuses when
  // another process listens there, and removes a socket that nobody listens on.
  static Result<Done> make_way(const std::string& path);

  // Checks the folder and the group, whoever listens there now. Changes nothing; for -t.
  static Result<Done> could_listen(const std::string& path, const std::string& group, const std::string& readers = {});

  // As make_way(), then listens: clients take the socket's existence for "ready". Empty group: unchanged. readers:
  // the group whose members may ask, and change nothing (control_access.h).
  static Result<std::unique_ptr<ControlSocket>> listen(const std::string& path, const std::string& group,
                                                       const std::string& readers = {});
  // As in ControlListener. Null: none.
  static Result<std::unique_ptr<ControlSocket>> inherited(const std::string& path, const std::string& group,
                                                          const std::string& readers = {});
  void hand_over(bool on) const;
  // Creates the socket's file again if it was deleted; true: it did. An Error: that failed, or another file is there.
  Result<bool> renew();
  ~ControlSocket();  // closes, and removes the path if it is still ours
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  int fd() const;  // an epoll descriptor: readable when serve() has something to do

  // Does a bounded amount of work for each ready client. `answers` starts a reply, `pieces` continues it.
  using Answers = std::function<Conversation(std::string_view request, const Operator& who)>;
  using Pieces = std::function<Piece(Conversation&)>;
  void serve(const Answers& answers, const Pieces& pieces, Instant now);
  void wake(Instant now);         // packets were handled: clients that wait for them may have something to read
  Instant next_deadline() const;  // when the first idle client is disconnected; kNever without clients
  void time_passed(Instant now);

 private:
  struct Impl;
  explicit ControlSocket(std::unique_ptr<Impl> impl);
  static Result<std::unique_ptr<ControlSocket>> around(ControlListener listener, bool inherited);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rawvs
