// SPDX-License-Identifier: BSD-2-Clause
// peer.h: who is at the other end of a local socket. unix(7), SO_PEERCRED.
// Private to sys. Nothing here may wait for a network: users are looked up in /etc/passwd alone.
#pragma once

#include <sys/types.h>

#include <string>

namespace rawvs {

struct Peer {
  uid_t uid = static_cast<uid_t>(-1);  // as it was when it connected; none: not known
  pid_t pid = 0;                       // 0: not known, as that of a process in another pid namespace
};
Peer peer_of(int fd);
std::string text(const Peer& peer);  // root (pid 4242, rawvsadm)

}  // namespace rawvs
