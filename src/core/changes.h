// SPDX-License-Identifier: BSD-2-Clause
// changes.h: the servers and neighbors whose next hops have changed since the last look.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace rawvs {

class Changes {  // entries may repeat; too many of them are all of them
 public:
  void server(uint16_t slot) { add(servers_, server_count_, slot); }
  void neighbor(uint16_t slot) { add(neighbors_, neighbor_count_, slot); }
  void everything() { all_ = true; }
  bool all() const { return all_; }
  bool any() const { return all_ || server_count_ != 0 || neighbor_count_ != 0; }
  std::span<const uint16_t> servers() const { return std::span(servers_).first(server_count_); }
  std::span<const uint16_t> neighbors() const { return std::span(neighbors_).first(neighbor_count_); }
  void clear() { server_count_ = neighbor_count_ = 0, all_ = false; }

 private:
  static constexpr size_t kMost = 64;
  using Slots = std::array<uint16_t, kMost>;
  void add(Slots& slots, size_t& count, uint16_t slot) {
    if (count == kMost) return everything();
    slots[count++] = slot;
  }
  Slots servers_{}, neighbors_{};
  size_t server_count_ = 0, neighbor_count_ = 0;
  bool all_ = false;
};

}  // namespace rawvs
