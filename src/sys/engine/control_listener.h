// SPDX-License-Identifier: BSD-2-Clause
// control_listener.h: the control socket's listening socket and its file, which other processes may delete.
// In:  a path, groups.
// Out: a descriptor for accept(). The destructor removes the file if it is still ours.
// Not: clients (control_socket.h).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "rawvs/result.h"
#include "sys/engine/control_access.h"
#include "sys/fd.h"

namespace rawvs {

class ControlListener {
 public:
  struct File {  // identifies our socket's file
    dev_t device = 0;
    ino_t number = 0;
  };
  // As in ControlSocket.
  static Result<Done> make_way(const std::string& path);
  static Result<Done> could_listen(const std::string& path, const std::string& group, const std::string& readers);
  static Result<ControlListener> listen(const std::string& path, const std::string& group, const std::string& readers);
  // The predecessor's, which kControlVariable names; removes the variable. Empty: there is none at this path.
  static std::optional<ControlListener> inherited(const std::string& path, const std::string& group,
                                                  const std::string& readers);
  // For another program: it gets the socket by exec(2), here or in a child process. False: it has got it, or failed.
  void hand_over(bool on) const;
  ControlListener(ControlListener&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        access_(std::move(other.access_)),
        file_(other.file_),
        fd_(std::move(other.fd_)) {}
  ControlListener& operator=(ControlListener&&) = delete;
  ~ControlListener();

  // Creates the file again if it was deleted; true: it did, and fd() has changed.
  Result<bool> renew();
  void leave_file() { path_.clear(); }  // another process serves there: the destructor removes nothing
  int fd() const { return fd_.get(); }
  const ControlAccess& who_may() const { return access_; }
  Error failed_call(std::string_view call) const;  // with the text of errno

 private:
  ControlListener() = default;
  bool is_ours() const;  // whether the file is

  std::string path_;  // empty: moved from
  ControlAccess access_{};
  File file_{};
  Fd fd_;
};

}  // namespace rawvs
