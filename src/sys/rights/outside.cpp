// SPDX-License-Identifier: BSD-2-Clause
// outside.cpp: folders and files for the user.
#include "sys/rights/outside.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/fd.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr int kHow = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

void give_run_folder(const User& user, std::vector<std::string>& warnings) {
  const auto warn = [&] { warnings.push_back(system_error(kRunFolder, errno)); };
  if (mkdir(kRunFolder, 0755) != 0 && errno != EEXIST) return warn();
  const Fd folder(open(kRunFolder, kHow | O_DIRECTORY));
  if (!folder || fchown(folder.get(), user.uid, user.gid) != 0) warn();
}

// Root's state of a version or a setting before. With another name (a hard link) it would be another file, too.
void give_state(const std::string& path, const User& user) {
  const Fd file(open(path.c_str(), kHow));
  struct stat facts {};
  if (!file || fstat(file.get(), &facts) != 0) return;
  if (!S_ISREG(facts.st_mode) || facts.st_uid != 0 || facts.st_nlink != 1) return;
  if (fchown(file.get(), user.uid, user.gid) != 0) return;  // reading it will report that
}

}  // namespace

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

bool is_run_folder(const std::string& folder) { return folder == std::string(kRunFolder) + '/'; }

std::vector<std::string> hand_over_files(const Config& config, const std::string& pidfile, const Rights& rights) {
  std::vector<std::string> warnings;
  if (!rights.user()) return warnings;
  const User& user = *rights.user();
  const auto in_run_folder = [](const std::string& path) { return is_run_folder(folder_of(path)); };
  if (in_run_folder(config.control) || in_run_folder(config.state) || in_run_folder(pidfile))
    give_run_folder(user, warnings);
  if (!config.state.empty()) give_state(config.state, user);
  const auto warn = [&](const char* key, const std::string& path, const char* what) {
    if (path.empty() || rights.may_write(folder_of(path))) return;
    warnings.push_back(formatted("{} {}: user {} cannot write in {}: {}; use a path in {}/", key, path, user.name,
                                 folder_of(path), what, kRunFolder));
  };
  warn("state", config.state, "connections will not be saved");
  warn("control", config.control, "the socket cannot be made again if it is deleted");
  return warnings;
}

}  // namespace rawvs
