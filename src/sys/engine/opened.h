// SPDX-License-Identifier: BSD-2-Clause
// opened.h: what a start as root opens for the engine before it gives up its rights, and how it gave them up.
#pragma once

#include <cstdint>
#include <memory>

#include "sys/engine/control_socket.h"
#include "sys/net/tun.h"

namespace rawvs {

struct Opened {  // null: the engine opens it itself
  std::unique_ptr<ControlSocket> control{};
  std::unique_ptr<Tun> tun{};  // of local_clients: /dev/net/tun may be root's alone
  uint32_t calls = 0;          // system calls that the filter allows (call_filter.h); 0: it has none
};

}  // namespace rawvs
