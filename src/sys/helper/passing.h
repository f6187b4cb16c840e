// SPDX-License-Identifier: BSD-2-Clause
// passing.h: messages with descriptors on a socket of this host. unix(7), cmsg(3).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <vector>

#include "sys/fd.h"

namespace rawvs {

inline constexpr size_t kMostPassed = 4;  // descriptors in a message

int send_with(int socket, const void* message, size_t size, std::span<const int> fds);  // 0, or errno; does not wait
// The size of the message, at most `size`; one that is larger counts as size + 1. Descriptors beyond kMostPassed are
// closed. 0: the other end is closed. Negative: errno.
ssize_t receive_with(int socket, void* message, size_t size, std::vector<Fd>& fds);

}  // namespace rawvs
