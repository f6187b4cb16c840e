// SPDX-License-Identifier: BSD-2-Clause
// account.cpp: reads /etc/passwd.
#include "sys/rights/account.h"

#include <pwd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

struct FileClose {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, FileClose>;

File passwd_file() { return File(fopen("/etc/passwd", "re")); }

}  // namespace

Result<User> find_user(const std::string& name) {
  const File file = passwd_file();
  if (!file) return Error{system_error("/etc/passwd", errno)};
  while (const passwd* const entry = fgetpwent(file.get())) {
    if (name == entry->pw_name) return User{name, entry->pw_uid, entry->pw_gid};
  }
  return Error{"there is no user \"" + name + "\" in /etc/passwd"};
}

std::string user_name(uid_t uid) {
  if (uid == 0) return "root";
  const File file = passwd_file();
  while (const passwd* const entry = file ? fgetpwent(file.get()) : nullptr) {
    if (entry->pw_uid == uid) return entry->pw_name;
  }
  return formatted("uid {}", uid);
}

}  // namespace rawvs
