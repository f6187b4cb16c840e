// SPDX-License-Identifier: BSD-2-Clause
// control_listener.h: where the control socket's clients connect: a socket with a file, which others may delete.
// In:   a path, a group.
// Out:  a descriptor to accept clients from; its file is removed with the object, if it is still ours.
// Not:  clients (control_socket.h).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rawvs/result.h"
#include "sys/fd.h"

namespace rawvs {

class ControlListener {
 public:
  struct File {  // which one is ours
    dev_t device = 0;
    ino_t number = 0;
  };
  // These three as ControlSocket has them.
  static Result<Done> make_way(const std::string& path);
  static Result<Done> could_listen(const std::string& path, const std::string& group);
  static Result<ControlListener> listen(const std::string& path, const std::string& group);
  ControlListener(ControlListener&& other) noexcept
      : path_(std::exchange(other.path_, {})), group_(other.group_), file_(other.file_), fd_(std::move(other.fd_)) {}
  ControlListener& operator=(ControlListener&&) = delete;
  ~ControlListener();

  // Was its file deleted? Then it is made again, and true comes back: fd() is another.
  Result<bool> renew();
  int fd() const { return fd_.get(); }
  Error failed_call(std::string_view call) const;  // what errno says

 private:
  ControlListener() = default;
  bool is_ours() const;  // the file

  std::string path_;  // empty: another has it
  std::optional<gid_t> group_;
  File file_{};
  Fd fd_;
};

}  // namespace rawvs
