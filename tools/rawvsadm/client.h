// SPDX-License-Identifier: BSD-2-Clause
// client.h: sends requests to rawvsd and reads the replies, one at a time, over one SOCK_SEQPACKET connection.
//
// The limit applies to each message of a reply, not to the whole reply.
#pragma once

#include <chrono>
#include <string>

#include "rawvs/result.h"
#include "row.h"

namespace rawvs::adm {

class Client {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kLimit = std::chrono::seconds(30);  // unless --wait says otherwise

  explicit Client(std::string path, Milliseconds limit = kLimit) : path_(std::move(path)), limit_(limit) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Calls `each` with every row as it arrives. An Error: rawvsd is absent, closed the connection, or sent nonsense; a
  // Refused: it understood and refused the request. Connects if necessary.
  // end: a descriptor, or -1. When it becomes readable, waiting ends; with it there is no limit, since such a reply
  // waits for packets.
  Result<std::optional<Refused>> ask(const std::string& request, const Reply::EachRow& each, int end = -1);

  uint64_t connections() const { return connections_; }  // made so far: another one may be to another rawvsd

 private:
  struct Heard {  // of the current reply
    size_t rows = 0, messages = 0;
  };
  enum class Waited : uint8_t { message, end, late };
  Result<Done> reach();
  Waited wait(int end) const;
  Result<Done> put(const std::string& request);
  Result<std::optional<Refused>> hear(const Reply::EachRow& each, int end);
  Error late(const Heard& heard) const;
  void close();
  std::string path_;
  Milliseconds limit_;
  int fd_ = -1;
  uint64_t connections_ = 0;
};

}  // namespace rawvs::adm
