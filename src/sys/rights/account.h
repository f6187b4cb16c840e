// SPDX-License-Identifier: BSD-2-Clause
// account.h: users of this host.
#pragma once

#include <sys/types.h>

#include <string>

#include "rawvs/result.h"

namespace rawvs {

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};
// Reads /etc/passwd only: other sources of users may ask the network, which would block.
Result<User> find_user(const std::string& name);
std::string user_name(uid_t uid);  // "uid 1000" if /etc/passwd has none

}  // namespace rawvs
