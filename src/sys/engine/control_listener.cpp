// SPDX-License-Identifier: BSD-2-Clause
// control_listener.cpp: creates, renews and removes the control socket's file. unix(7).
#include "sys/engine/control_listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "sys/handed_over.h"
#include "sys/rights/outside.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

std::string place(const std::string& path) { return "control socket " + path; }

Error failed(const std::string& path, std::string_view call) {
  const int error = errno;
  return {system_error(place(path) + ": " + std::string(call), error)};
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  constexpr size_t kMost = sizeof address.sun_path - 1;
  if (path.empty()) return Error{"control socket: the path is empty: expected something like /run/rawvs/control.sock"};
  if (path.find('\0') != std::string::npos) return Error{"control socket: the path holds a zero byte"};
  if (path.size() > kMost) {
    return Error{formatted("{}: a path of {} bytes: expected at most {}", place(path), path.size(), kMost)};
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Fd new_socket() { return Fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Two daemons that start at once must not both find the same stale socket and replace each other's. The lock is on the
// folder and leaves nothing behind. Anyone may lock a folder, so the wait is short.
Fd lock_folder(const std::string& path) {
  Fd fd(open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int tries = 0; fd && tries < 20 && flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; ++tries) {
    poll(nullptr, 0, 10);
  }
  return fd;
}

// Removes a socket that no process listens on; refuses when one does.
Result<Done> clear_place(const std::string& path, const sockaddr_un& address) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return errno == ENOENT ? Result<Done>(Done{}) : failed(path, "looking for it");
  if (!S_ISSOCK(there.st_mode)) return Error{place(path) + ": there is something that is not a socket: not replaced"};
  const Fd probe = new_socket();
  if (!probe) return failed(path, "socket");
  if (connect(probe.get(), generic(address), sizeof address) == 0) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    return Error{formatted("{}: another rawvsd is listening there{}", place(path),
                           known ? formatted(" (pid {})", peer.pid) : "")};
  }
  if (errno == EAGAIN) return Error{place(path) + ": another rawvsd is listening there"};
  if (errno == EPROTOTYPE) return Error{place(path) + ": another program is using it"};
  if (errno != ECONNREFUSED) return failed(path, "connect");
  return unlink(path.c_str()) == 0 || errno == ENOENT ? Result<Done>(Done{}) : failed(path, "removing the old one");
}

Result<Done> groups_known(const std::string& path, const std::string& group, const std::string& readers) {
  const auto access = ControlAccess::find(place(path), group, readers);
  return access ? Result<Done>(Done{}) : access.error();
}

struct MadeSocket {
  Fd fd;
  ControlListener::File file;
};

// Owner, group and mode are set before anyone can connect. A failure leaves no file behind.
Result<MadeSocket> listen_at(const std::string& path, const sockaddr_un& address, const ControlAccess& access) {
  MadeSocket made{new_socket(), {}};
  if (!made.fd) return failed(path, "socket");
  // On Linux a socket file gets its socket's mode minus the umask: others have no access before chmod().
  if (fchmod(made.fd.get(), 0600) != 0) return failed(path, "fchmod");
  if (bind(made.fd.get(), generic(address), sizeof address) != 0) return failed(path, "bind");
  const auto fails = [&](const char* call) {
    Error error = failed(path, call);
    unlink(path.c_str());
    return error;
  };
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return fails("looking for it");
  made.file = {there.st_dev, there.st_ino};
  const auto group = access.group();
  if (group && lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) return fails("chown");
  if (chmod(path.c_str(), access.mode()) != 0) return fails("chmod");
  if (::listen(made.fd.get(), SOMAXCONN) != 0) return fails("listen");
  return made;
}

}  // namespace

ControlListener::~ControlListener() {
  if (path_.empty() || !is_ours()) return;
  unlink(path_.c_str());
}

bool ControlListener::is_ours() const {
  struct stat there {};
  return lstat(path_.c_str(), &there) == 0 && there.st_dev == file_.device && there.st_ino == file_.number;
}

Result<Done> ControlListener::make_way(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  const Fd lock = lock_folder(path);
  return clear_place(path, *address);
}

Result<Done> ControlListener::could_listen(const std::string& path, const std::string& group,
                                           const std::string& readers) {
  if (const auto address = address_of(path); !address) return address.error();
  struct stat facts {};
  const std::string folder = folder_of(path);
  if (is_run_folder(folder) && access(folder.c_str(), F_OK) != 0) return groups_known(path, group, readers);
  if (stat(folder.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))
    return Error{place(path) + ": there is no folder " + folder};
  if (access(folder.c_str(), W_OK) != 0 && (errno == EROFS || geteuid() == 0)) return failed(path, "its folder");
  if (lstat(path.c_str(), &facts) == 0 && !S_ISSOCK(facts.st_mode))
    return Error{place(path) + ": there is something that is not a socket: not replaced"};
  return groups_known(path, group, readers);
}

Result<ControlListener> ControlListener::listen(const std::string& path, const std::string& group,
                                                const std::string& readers) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto access = ControlAccess::find(place(path), group, readers);
  if (!access) return access.error();
  const Fd lock = lock_folder(path);
  if (const auto way = clear_place(path, *address); !way) return way.error();
  auto made = listen_at(path, *address, *access);
  if (!made) return made.error();
  ControlListener listener;
  listener.path_ = path;
  listener.access_ = std::move(*access);
  listener.file_ = made->file;
  listener.fd_ = std::move(made->fd);
  return listener;
}

std::optional<ControlListener> ControlListener::inherited(const std::string& path, const std::string& group,
                                                          const std::string& readers) {
  const int fd = descriptor_in(take_variable(kControlVariable).value_or("")).value_or(-1);
  sockaddr_un address{};
  socklen_t size = sizeof address;
  struct stat there {};
  if (fd <= STDERR_FILENO) return std::nullopt;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sun_family != AF_UNIX ||
      path != address.sun_path || lstat(path.c_str(), &there) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return std::nullopt;
  ControlListener listener;
  listener.path_ = path;
  if (auto access = ControlAccess::find(place(path), group, readers)) listener.access_ = std::move(*access);
  // The configuration may have changed. A file that this process may not change still lets the earlier groups connect.
  const gid_t group_now = listener.access_.group().value_or(getegid());
  const bool other_group = there.st_gid != group_now;
  if (other_group || (there.st_mode & S_IWOTH) != 0) listener.access_.judge_all();
  if (other_group) static_cast<void>(lchown(path.c_str(), static_cast<uid_t>(-1), group_now));
  if ((there.st_mode & 0777) != listener.access_.mode())
    static_cast<void>(chmod(path.c_str(), listener.access_.mode()));
  listener.file_ = {there.st_dev, there.st_ino};
  listener.fd_ = Fd(fd);
  static_cast<void>(::listen(fd, SOMAXCONN));  // clients see this process's id
  return listener;
}

void ControlListener::hand_over(bool on) const {
  if (!on) unsetenv(kControlVariable);
  if (fcntl(fd(), F_SETFD, on ? 0 : FD_CLOEXEC) == 0 && on) setenv(kControlVariable, formatted("{}", fd()).c_str(), 1);
}

Result<bool> ControlListener::renew() {
  if (is_ours()) return false;
  struct stat there {};
  if (lstat(path_.c_str(), &there) == 0) {
    return Error{place(path_) + ": there is another file now: left alone, nobody can connect to this rawvsd"};
  }
  if (errno != ENOENT) return failed(path_, "looking for it");
  const auto address = address_of(path_);
  if (!address) return address.error();
  const Fd lock = lock_folder(path_);
  auto made = listen_at(path_, *address, access_);
  if (!made) return made.error();
  file_ = made->file;
  fd_ = std::move(made->fd);
  return true;
}

Error ControlListener::failed_call(std::string_view call) const { return failed(path_, call); }

}  // namespace rawvs
