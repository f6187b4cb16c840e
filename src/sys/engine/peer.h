// SPDX-License-Identifier: BSD-2-Clause
// peer.h: the process at the other end of a local socket. unix(7), SO_PEERCRED.
//
// For src/sys only. Looks up users in /etc/passwd only: nothing here may wait for a network.
#pragma once

#include <sys/types.h>

#include <string>

namespace rawvs {

struct Peer {
  uid_t uid = static_cast<uid_t>(-1);  // when it connected; -1: unknown
  pid_t pid = 0;                       // 0: unknown, as for a process in another pid namespace
  gid_t gid = static_cast<gid_t>(-1);  // its main group
};
Peer peer_of(int fd);
std::string text(const Peer& peer);  // root (pid 4242, rawvsadm)

}  // namespace rawvs
