// SPDX-License-Identifier: BSD-2-Clause
#include "sys/engine/read_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

// The memory that the kernel could give without swapping, plus swap; empty if unknown.
std::optional<uint64_t> available_memory() {
  const auto text = read_file("/proc/meminfo");
  if (!text) return std::nullopt;
  uint64_t bytes = 0;
  for (const std::string_view key : {"MemAvailable:", "SwapFree:"}) {
    const size_t found = text->find(key);
    if (found == std::string::npos) return std::nullopt;
    bytes += std::strtoull(text->c_str() + found + key.size(), nullptr, 10) * 1024;
  }
  return bytes;
}

// Asks the kernel, not malloc(): limits (RLIMIT_AS, RLIMIT_DATA, vm.overcommit_memory) apply to the kernel's memory.
bool kernel_gives(size_t bytes) {
  void* const area = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return false;
  munmap(area, bytes);
  return true;
}

}  // namespace

Result<Done> has_memory_to_read(const std::string& path) {
  constexpr size_t kPerByte = 24;  // per byte of the file: its text, values, the tables made of them, messages
  constexpr size_t kBesides = size_t{2} << 20;
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0 || facts.st_size <= 0) return Done{};  // reading it will report the reason
  const size_t needed = static_cast<size_t>(facts.st_size) * kPerByte + kBesides;
  const auto available = available_memory();
  if (kernel_gives(needed) && (!available || *available >= needed)) return Done{};
  return Error{
      formatted("{}: no memory to read it: a file of {} bytes takes up to {} MB", path, facts.st_size, needed >> 20)};
}

}  // namespace rawvs
