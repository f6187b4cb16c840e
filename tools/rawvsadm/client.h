// SPDX-License-Identifier: BSD-2-Clause
// client.h: the way to rawvsd: one SOCK_SEQPACKET connection, one request at a time.
//
// A daemon that does not go on is not waited for without end: an answer may take as long as it likes, as long as each
// of its messages comes within the limit.
#pragma once

#include <chrono>
#include <string>

#include "rawvs/result.h"
#include "request.h"

namespace rawvs::adm {

class Client {
 public:
  using Milliseconds = std::chrono::milliseconds;
  static constexpr Milliseconds kLimit = std::chrono::seconds(30);  // unless --wait says otherwise

  explicit Client(std::string path, Milliseconds limit = kLimit) : path_(std::move(path)), limit_(limit) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Rows go to each as they come. An Error when rawvsd is not there, went away, or made no sense; a Refused when it
  // understood and would not. Connects when it must.
  // end: a descriptor, or none. When it can be read the reply is not waited for any more: that is its end. With it
  // there is no limit: such a reply waits for packets.
  Result<std::optional<Refused>> ask(const std::string& request, const Reply::EachRow& each, int end = -1);

 private:
  struct Heard {  // of the present reply
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
};

}  // namespace rawvs::adm
