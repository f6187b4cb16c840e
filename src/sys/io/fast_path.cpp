// SPDX-License-Identifier: BSD-2-Clause
// fast_path.cpp: loads the program, and maps its memory.
#include "sys/io/fast_path.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fast_path.skel.h"
#include "sys/sys.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr uint32_t kHeads = 1;

uint32_t processors() {
  const int count = libbpf_num_possible_cpus();
  return count > 0 ? static_cast<uint32_t>(count) : 1;
}

size_t whole_pages(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

Error failed(const char* what, int error) { return {formatted("{}: {}", what, strerror(error))}; }

}  // namespace

size_t FastPath::bytes(const Sizes& sizes) {
  const size_t flows = sizes.flows + size_t{1};
  return whole_pages(FastMemory::buckets_for(flows) * sizeof(fast_bucket)) + whole_pages(flows * sizeof(fast_flow)) +
         whole_pages(sizes.servers * sizeof(fast_server)) + whole_pages(sizes.hops * sizeof(fast_hop)) +
         whole_pages(sizes.servers * size_t{processors()} * sizeof(fast_counts)) + 2 * whole_pages(1);
}

Result<std::unique_ptr<FastPath>> FastPath::load(const Sizes& sizes) {
  libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  fast_path_bpf* const skeleton = fast_path_bpf__open();
  if (!skeleton) return failed("program", errno);
  std::unique_ptr<FastPath> made(new FastPath(skeleton));
  const auto size = [](bpf_map* map, size_t entries) {
    return bpf_map__set_max_entries(map, static_cast<uint32_t>(entries)) == 0;
  };
  const auto& maps = skeleton->maps;
  const size_t flows = sizes.flows + size_t{1};
  if (!size(maps.head, kHeads) || !size(maps.buckets, FastMemory::buckets_for(flows)) || !size(maps.flows, flows) ||
      !size(maps.servers, sizes.servers) || !size(maps.hops, sizes.hops) || !size(maps.owns, FAST_OWNS) ||
      !size(maps.counts, sizes.servers * size_t{processors()})) {
    return failed("memory", errno);
  }
  skeleton->rodata->most_servers = sizes.servers;
  if (const int error = fast_path_bpf__load(skeleton); error != 0) return failed("program", -error);
  if (const auto filled = made->fill_taps(); !filled) return filled.error();
  if (const auto mapped = made->map_all(); !mapped) return mapped.error();
  return made;
}

FastPath::~FastPath() {
  for (const Mapped& m : std::span(mapped_).first(maps_)) munmap(m.at, m.size);
  fast_path_bpf__destroy(skeleton_);
}

int FastPath::classifier() const { return bpf_program__fd(skeleton_->progs.fast_path); }
int FastPath::tap() const { return bpf_program__fd(skeleton_->progs.fast_tap); }
int FastPath::taps() const { return bpf_map__fd(skeleton_->maps.taps); }

Result<Done> FastPath::fill_taps() const {
  const uint32_t first = 0;
  const int program = tap();
  if (bpf_map_update_elem(taps(), &first, &program, BPF_ANY) != 0) return failed("array of programs", errno);
  return Done{};
}

template <class T>
Result<std::span<T>> FastPath::map(const bpf_map* map) {
  const size_t entries = bpf_map__max_entries(map), size = whole_pages(entries * sizeof(T));
  void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
  if (at == MAP_FAILED) return failed("memory", errno);
  mapped_[maps_++] = {at, size};
  return std::span(static_cast<T*>(at), entries);
}

Result<Done> FastPath::map_all() {
  const auto& maps = skeleton_->maps;
  const auto head = map<fast_head>(maps.head);
  const auto buckets = map<fast_bucket>(maps.buckets);
  const auto flows = map<fast_flow>(maps.flows);
  const auto servers = map<fast_server>(maps.servers);
  const auto hops = map<fast_hop>(maps.hops);
  const auto owns = map<fast_own>(maps.owns);
  const auto counts = map<fast_counts>(maps.counts);
  if (!head) return head.error();
  if (!buckets) return buckets.error();
  if (!flows) return flows.error();
  if (!servers) return servers.error();
  if (!hops) return hops.error();
  if (!owns) return owns.error();
  if (!counts) return counts.error();
  memory_ = {head->data(), *buckets, *flows, *servers, *hops, *owns, *counts};
  return Done{};
}

}  // namespace rawvs
