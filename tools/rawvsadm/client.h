// SPDX-License-Identifier: BSD-2-Clause
// client.h: the way to rawvsd: one SOCK_SEQPACKET connection, one request at a time.
#pragma once

#include <string>

#include "rawvs/result.h"
#include "request.h"

namespace rawvs::adm {

class Client {
 public:
  explicit Client(std::string path) : path_(std::move(path)) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Rows go to each as they come. An Error when rawvsd is not there, went away, or made no sense; a Refused when it
  // understood and would not. Connects when it must.
  // end: a descriptor, or none. When it can be read the reply is not waited for any more: that is its end.
  Result<std::optional<Refused>> ask(const std::string& request, const Reply::EachRow& each, int end = -1);

 private:
  Result<Done> reach();
  bool ended(int end) const;
  Result<Done> put(const std::string& request);
  void close();
  std::string path_;
  int fd_ = -1;
};

}  // namespace rawvs::adm
