// SPDX-License-Identifier: BSD-2-Clause
// server.h: HTTP by libmicrohttpd, in a thread of its own, with bounds on what clients may take.
// In:  a listening socket, the board that answers.
// Out: answers to clients.
#pragma once

#include <memory>
#include <mutex>

#include "tools/rawvs-web/board.h"
#include "tools/rawvs-web/clients.h"

struct MHD_Daemon;

namespace rawvs::web {

Result<Fd> listen_at(Endpoint at);

class Server {
 public:
  explicit Server(Board& board) : board_(board) {}
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Result<Done> start(Fd listening);
  void time_passed(Instant now);  // ends clients that take too long

 private:
  friend struct Calls;  // libmicrohttpd's, in its thread
  Board& board_;
  MHD_Daemon* daemon_ = nullptr;
  std::mutex mutex_{};
  Clients clients_{};
};

}  // namespace rawvs::web
