// SPDX-License-Identifier: BSD-2-Clause
// pid_file.cpp: the system calls of pid_file.h.
#include "sys/engine/pid_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/fd.h"
#include "sys/rights/outside.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

Error at_file(const std::string& path, const std::string& what) { return {"pid file " + path + ": " + what}; }

Error failed(const std::string& path) {
  const int error = errno;
  if (error == ELOOP) return at_file(path, "it is a symbolic link: not followed");
  return {system_error("pid file " + path, error)};
}

bool is_process_id(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '\n'; });
}

// An error if the present file may not be overwritten.
Result<Done> judge(int fd, const std::string& path, std::optional<uid_t> user = std::nullopt) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return failed(path);
  if (!S_ISREG(facts.st_mode)) return at_file(path, "there is something that is not a file: not replaced");
  if (facts.st_uid != geteuid() && facts.st_uid != user) return at_file(path, "it is another user's: not replaced");
  if (facts.st_nlink > 1) return at_file(path, "it has other names (hard links): not replaced");
  std::array<char, 32> content;
  const ssize_t size = pread(fd, content.data(), content.size(), 0);
  if (size < 0) return failed(path);
  if (!is_process_id({content.data(), static_cast<size_t>(size)}))
    return at_file(path, "it holds something else than a process id: not replaced");
  return Done{};
}

constexpr int kHow = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;  // O_NONBLOCK: opening a FIFO does not block

// The program before this one, which this process was, has written it, perhaps as root.
bool is_ours_already(const std::string& path, const std::string& line) {
  const Fd fd(open(path.c_str(), O_RDONLY | kHow));
  std::array<char, 32> content;
  const ssize_t size = fd ? pread(fd.get(), content.data(), content.size(), 0) : -1;
  return size >= 0 && std::string_view(content.data(), static_cast<size_t>(size)) == line;
}

}  // namespace

PidFile::~PidFile() {
  if (written_) unlink(path_.c_str());
}

Result<Done> PidFile::check() const {
  if (path_.empty()) return Done{};
  if (is_ours_already(path_, std::to_string(getppid()) + '\n')) return Done{};  // asked by the program that it replaces
  const Fd fd(open(path_.c_str(), O_RDONLY | kHow));
  if (fd) return judge(fd.get(), path_, user_);
  if (errno != ENOENT) return failed(path_);
  const std::string folder = folder_of(path_);
  if (is_run_folder(folder)) return Done{};
  struct stat facts {};
  if (stat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) return Done{};
  return at_file(path_, "there is no folder " + folder);
}

Result<Done> PidFile::write() {
  if (path_.empty() || written_) return Done{};
  const std::string line = std::to_string(getpid()) + '\n';
  if (is_ours_already(path_, line)) return written_ = true, Done{};
  const Fd fd(open(path_.c_str(), O_RDWR | O_CREAT | kHow, 0644));
  if (!fd) return failed(path_);
  if (const auto ours = judge(fd.get(), path_); !ours) return ours.error();
  written_ = true;
  if (ftruncate(fd.get(), 0) != 0 || pwrite(fd.get(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()))
    return failed(path_);
  return Done{};
}

}  // namespace rawvs
