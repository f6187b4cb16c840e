// SPDX-License-Identifier: BSD-2-Clause
// passing.cpp: SCM_RIGHTS.
#include "sys/helper/passing.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace rawvs {
namespace {

struct Room {  // for the descriptors
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostPassed)> bytes{};
};

}  // namespace

int send_with(int socket, const void* message, size_t size, std::span<const int> fds) {
  Room room;
  iovec part{const_cast<void*>(message), size};  // sendmsg(2) changes nothing
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = room.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* const first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(first), fds.data(), fds.size_bytes());
  }
  const ssize_t sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? errno : 0;
}

ssize_t receive_with(int socket, void* message, size_t size, std::vector<Fd>& fds) {
  Room room;
  iovec part{message, size};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = room.bytes.data();
  header.msg_controllen = room.bytes.size();
  const ssize_t got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  if (got < 0) return got;
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(one) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return (header.msg_flags & MSG_TRUNC) != 0 ? static_cast<ssize_t>(size) + 1 : got;
}

}  // namespace rawvs
