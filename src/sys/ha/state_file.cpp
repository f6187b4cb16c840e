// SPDX-License-Identifier: BSD-2-Clause
// state_file.cpp: the system calls of state_file.h.
#include "sys/ha/state_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "sys/handed_over.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr char kMemoryName[] = "rawvs-state";
constexpr char kMemoryLink[] = "/memfd:rawvs-state (deleted)";  // the link's target in proc(5)
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr unsigned kNoExec = 0x0008U;  // MFD_NOEXEC_SEAL, Linux 6.3; some hosts require it
constexpr mode_t kOthers = S_IWGRP | S_IWOTH;
constexpr off_t kMost = off_t{1} << 30;  // bytes; larger than the largest table's state

Error failed(const std::string& place, const char* call) {
  const int error = errno;
  return {system_error(place + ": " + call, error)};
}

Result<Done> write_all(int fd, Bytes bytes, const std::string& place) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return failed(place, "write");
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
  return Done{};
}

std::string unfinished(const std::string& name) { return '.' + name + ".new"; }

// Two hex digits per byte, with dashes, as the kernel writes UUIDs.
std::array<uint8_t, 16> boot_id() {
  std::array<uint8_t, 16> id{};
  const auto text = read_file("/proc/sys/kernel/random/boot_id");
  if (!text) return id;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  size_t digits = 0;
  for (const char c : *text) {
    if (digit(c) < 0 || digits == 2 * id.size()) continue;
    id[digits / 2] = static_cast<uint8_t>(id[digits / 2] << 4 | digit(c));
    ++digits;
  }
  if (digits != 2 * id.size()) id = {};
  return id;
}

// Why it is not a memory file made by this program and sealed; empty: it is.
std::optional<Error> unfit(int fd, const std::string& place) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return failed(place, "no such descriptor");
  // Root's: made before a start that went on as another user.
  if (!S_ISREG(facts.st_mode) || (facts.st_uid != geteuid() && facts.st_uid != 0))
    return Error{place + ": it is no memory file of ours"};
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return Error{place + ": it is no sealed memory file"};
  std::array<char, sizeof kMemoryLink + 1> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  // Without /proc the seals have to suffice.
  if (length >= 0 && std::string_view(target.data(), static_cast<size_t>(length)) != kMemoryLink) {
    return Error{place + ": it is another program's memory file"};
  }
  return std::nullopt;
}

}  // namespace

StateClock state_clock() {
  const Instant now = clock_now();
  return {now, now.time_since_epoch().count() + wall_offset(), boot_id()};
}

// --- written ------------------------------------------------------------------------------------------------------

Result<StateFile> StateFile::create(const std::string& path) {
  StateFile file;
  file.path_ = "state " + path;
  const size_t slash = path.rfind('/');
  file.name_ = slash == std::string::npos ? path : path.substr(slash + 1);
  if (file.name_.empty() || file.name_ == "." || file.name_ == "..") {
    return Error{file.path_ + ": expected a file, something like /run/rawvs/state"};
  }
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  file.directory_.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.directory_) return failed(file.path_, "its directory");
  const std::string name = unfinished(file.name_);
  unlinkat(file.directory_.get(), name.c_str(), 0);  // left by a process that did not finish
  file.fd_.reset(
      openat(file.directory_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.fd_) return failed(file.path_, "create");
  return file;
}

StateFile::~StateFile() {
  if (fd_) unlinkat(directory_.get(), unfinished(name_).c_str(), 0);
}

Result<Done> StateFile::append(Bytes bytes) { return write_all(fd_.get(), bytes, path_); }

Result<Done> StateFile::keep() {
  if (renameat(directory_.get(), unfinished(name_).c_str(), directory_.get(), name_.c_str()) != 0) {
    return failed(path_, "rename");
  }
  fd_.reset();
  return Done{};
}

Result<StateMemory> StateMemory::create() {
  StateMemory memory;
  memory.fd_.reset(memfd_create(kMemoryName, MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExec));
  if (!memory.fd_) memory.fd_.reset(memfd_create(kMemoryName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.fd_) return failed("state in memory", "memfd_create");
  return memory;
}

Result<Done> StateMemory::append(Bytes bytes) { return write_all(fd_.get(), bytes, "state in memory"); }

Result<Done> StateMemory::seal() {
  return fcntl(fd_.get(), F_ADD_SEALS, kSeals) == 0 ? Result<Done>(Done{}) : failed("state in memory", "F_ADD_SEALS");
}

// --- read ---------------------------------------------------------------------------------------------------------

Result<std::optional<StateImage>> StateImage::open(const std::string& path) {
  const std::string place = "state " + path;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::optional<StateImage>();
  if (!fd) return failed(place, "open");
  struct stat facts {};
  if (fstat(fd.get(), &facts) != 0) return failed(place, "fstat");
  if (!S_ISREG(facts.st_mode)) return Error{place + ": it is no file"};
  if (facts.st_uid != geteuid() || (facts.st_mode & kOthers) != 0) {
    return Error{place + ": others may have written it: expected its owner to be this user, and mode 0600"};
  }
  return map(fd.get(), place);
}

Result<std::optional<StateImage>> StateImage::inherited() {
  const auto text = take_variable(kStateVariable);
  if (!text) return std::optional<StateImage>();
  const std::string place = std::string(kStateVariable) + '=' + *text;
  const int fd = descriptor_in(*text).value_or(-1);
  if (fd <= STDERR_FILENO) return Error{place + ": expected a descriptor's number"};
  if (auto why = unfit(fd, place)) return *why;  // then the descriptor is not ours to close
  const Fd ours(fd);
  return map(fd, place);
}

Result<std::optional<StateImage>> StateImage::of(const Fd& file) {
  const std::string place = "state in memory";
  if (auto why = unfit(file.get(), place)) return *why;
  return map(file.get(), place);
}

Result<std::optional<StateImage>> StateImage::map(int fd, const std::string& place) {
  struct stat facts {};
  if (fstat(fd, &facts) != 0) return failed(place, "fstat");
  if (facts.st_size <= 0 || facts.st_size > kMost) return Error{place + ": it is empty, or too large"};
  const auto size = static_cast<size_t>(facts.st_size);
  void* const at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED) return failed(place, "mmap");
  return std::optional(StateImage(Bytes(static_cast<const uint8_t*>(at), size)));
}

StateImage::~StateImage() {
  if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace rawvs
