// SPDX-License-Identifier: BSD-2-Clause
// fast_path.h: the program in the kernel that forwards known connections, and the memory that it shares with the
// director.
// In:  sizes.
// Out: memory for FastFlows (core/fast_flows.h); the descriptors of two programs: for an interface's ingress, and for
//      the packet socket there, which is to leave out what the first one forwards.
// Not: attaching them (guard/fast_hook.h, tap_filter.h), what they do (fast_path.bpf.c).
//
// Needs Linux 5.10, and CAP_BPF with CAP_NET_ADMIN and CAP_PERFMON. bpf(2), libbpf.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "core/fast_flows.h"
#include "rawvs/result.h"

struct bpf_map;        // of libbpf
struct fast_path_bpf;  // of bpftool's skeleton

namespace rawvs {

#ifdef RAWVS_FAST
inline constexpr bool kHasFastPath = true;
#else
inline constexpr bool kHasFastPath = false;  // built with FAST=no
#endif

class FastPath {
 public:
  struct Sizes {
    uint32_t flows = 0, servers = 0, hops = 0;
  };
  static size_t bytes(const Sizes& sizes);  // of memory that the kernel reserves
  static Result<std::unique_ptr<FastPath>> load(const Sizes& sizes);
  ~FastPath();
  FastPath(const FastPath&) = delete;
  FastPath& operator=(const FastPath&) = delete;

  const FastMemory& memory() const { return memory_; }
  int classifier() const;
  int tap() const;
  int taps() const;  // an array of programs, the first of which is tap()

 private:
  struct Mapped {
    void* at = nullptr;
    size_t size = 0;
  };
  explicit FastPath(fast_path_bpf* skeleton) : skeleton_(skeleton) {}
  Result<Done> map_all();
  Result<Done> fill_taps() const;
  template <class T>
  Result<std::span<T>> map(const bpf_map* map);

  fast_path_bpf* skeleton_;
  std::array<Mapped, 7> mapped_{};
  size_t maps_ = 0;
  FastMemory memory_{};
};

}  // namespace rawvs
