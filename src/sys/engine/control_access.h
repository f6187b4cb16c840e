// SPDX-License-Identifier: BSD-2-Clause
// control_access.h: who may use the control socket, and for what.
// In:  the names of the groups, clients' sockets.
// Out: the mode of the socket's file; what a client may do.
//
// Without a group of readers the file's mode decides alone. With one, everyone may connect, and who is not root, this
// process's user or in one of the groups is refused. A client's groups are those it had when it connected: the kernel
// tells them (SO_PEERGROUPS, Linux 4.13; before, only the main group counts), and no list of users is asked.
//
// For src/sys only.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "rawvs/result.h"
#include "sys/engine/peer.h"

namespace rawvs {

class ControlAccess {
 public:
  enum class May : uint8_t { nothing, ask, change };

  // Names of groups; empty: none. place: for the message.
  static Result<ControlAccess> find(const std::string& place, const std::string& group, const std::string& readers);

  // Strangers may have connected already, since the file was for everyone: the mode alone does not keep them out.
  void judge_all() { judges_ = true; }

  mode_t mode() const { return readers_ ? 0666 : 0660; }  // of the file
  std::optional<gid_t> group() const { return group_; }   // of the file
  May of(const Peer& peer, int fd) const;
  const std::string& readers() const { return readers_name_; }
  std::string refusal() const;  // of who may do nothing

 private:
  std::optional<gid_t> group_{}, readers_{};
  std::string group_name_{}, readers_name_{};
  bool judges_ = false;  // clients one by one
};

}  // namespace rawvs
