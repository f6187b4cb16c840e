// SPDX-License-Identifier: BSD-2-Clause
// sys.cpp: the clock, randomness and files, by the kernel and the C library.
#include "sys/sys.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "sys/fd.h"

namespace rawvs {
namespace {

constexpr size_t kFileMost = 1024 * 1024;

}  // namespace

uint64_t microseconds_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

Instant clock_now() {
  timespec t{};
  clock_gettime(CLOCK_BOOTTIME, &t);
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec)));
}

int64_t wall_offset() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000 - clock_now().time_since_epoch().count();
}

HashKey random_hash_key() {
  HashKey key;
  // getrandom(2): up to 256 bytes are never cut short; only a signal before there is entropy interrupts it.
  while (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key) && errno == EINTR) continue;
  return key;
}

Result<std::string> read_file(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error{system_error(path, errno)};
  std::string text(kFileMost + 1, '\0');
  size_t size = 0;
  ssize_t got = 0;
  while (size < text.size() && (got = read(fd.get(), text.data() + size, text.size() - size)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    size += static_cast<size_t>(got);
  }
  if (got < 0) return Error{system_error(path, errno)};
  if (size > kFileMost) return Error{path + ": the file is larger than 1 MB"};
  text.resize(size);
  text.shrink_to_fit();
  return text;
}

std::string system_error(const char* what, int error_number) { return system_error(std::string(what), error_number); }

std::string system_error(const std::string& what, int error_number) { return what + ": " + strerror(error_number); }

}  // namespace rawvs
