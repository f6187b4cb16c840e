// SPDX-License-Identifier: BSD-2-Clause
// bench: measures a packet's cost inside the director, without sockets, called in batches as by the daemon. Prints a
// table. Absolute figures are this machine's; the ratios count, taken in interleaved rounds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/connection.h"
#include "core/link.h"
#include "core/outbox.h"
#include "core/service.h"
#include "rawvs/director.h"
#include "rawvs/exit.h"
#include "rawvs/settings.h"
#include "wire/checksum.h"
#include "wire/l4_header.h"

namespace {

using namespace rawvs;

constexpr size_t kFrameSize = 60;
constexpr int kRounds = 7;
constexpr Mac kOwn{{2, 0, 0, 0, 0, 0x10}}, kClient{{2, 0, 0, 0, 0, 1}};

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

long resident_kb() {
  long pages = 0;
  if (FILE* const f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  return pages * 4;
}

class Load {  // a director with this many connections, and their packets in an order that defeats caches
 public:
  explicit Load(uint32_t connections) : connections_(connections), director_(settings(connections), {1, 2}, false, {}) {
    LinkFacts link{.name = "bench",
                   .ifindex = 1,
                   .up = true,
                   .carrier = true,
                   .mac = kOwn,
                   .mtu = 1500,
                   .addresses = {{Ip(0xc000020a), 24}}};
    director_.link_changed(Link::outside, link, {now_, out_});
    const ServiceKey key{Protocol::tcp, {Ip(0xc0000264), Port(80)}, {}};
    director_.add({key, Scheduler::wlc}, {now_, out_});
    for (uint32_t i = 1; i <= 4; ++i) {
      const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
      director_.add_server(key, {.at = {Ip(0xc000020a + i), Port(80)}, .mac = mac}, {now_, out_});
    }
    for (size_t i = 0; i < frames_.size(); ++i) frames_[i].data = bytes_ + i * kFrameSize;
    for (uint32_t i = 0; i < connections; i += Director::kBatch) pass(i, 1, TcpFlags::syn);
    for (uint32_t i = 0; i < connections; i += Director::kBatch) pass(i, 1, TcpFlags::ack);
  }

  // Nanoseconds of CPU per packet of an established connection.
  double round(uint32_t packets) {
    const double start = cpu_seconds();
    for (uint32_t i = 0; i < packets; i += Director::kBatch) pass(i * 7919u, 104729, TcpFlags::ack);
    return (cpu_seconds() - start) * 1e9 / packets;
  }
  uint32_t live() const { return director_.connections().size(); }
  size_t reserved() const { return director_.connections().reserved_bytes(); }

 private:
  static Settings settings(uint32_t connections) {
    Settings s;
    s.max_connections = connections;
    return s;
  }
  void pass(uint32_t first, uint32_t stride, uint8_t flags) {
    for (uint32_t i = 0; i < Director::kBatch; ++i) build(i, (first + i * stride) % connections_, flags);
    out_.clear();
    director_.frames_arrived(frames_, {now_, out_});
  }
  void build(uint32_t slot, uint32_t client, uint8_t flags) {
    Frame& f = frames_[slot];
    f.size = kFrameSize;
    const MutableBytes b = f.bytes();
    std::memcpy(f.data, kOwn.bytes.data(), 6);
    std::memcpy(f.data + 6, kClient.bytes.data(), 6);
    store_be16(b, 12, kEtherTypeIpv4);
    store_be32(b, 14, 0x45000028), store_be32(b, 18, 0x00004000), store_be32(b, 22, 0x40060000);
    store_be32(b, 26, 0xc6336400 + client % 199 + 1), store_be32(b, 30, 0xc0000264);
    store_be16(b, 24, checksum(Bytes(b).subspan(14, 20)));
    store_be16(b, 34, static_cast<uint16_t>(1024 + client / 199)), store_be16(b, 36, 80);
    store_be32(b, 46, 0x50000000u | uint32_t{flags} << 16);
  }

  uint32_t connections_;
  Instant now_{};
  Director director_;
  Outbox out_;
  std::array<Frame, Director::kBatch> frames_{};
  uint8_t bytes_[Director::kBatch * kFrameSize]{};
};

struct Sample {
  uint32_t connections;
  long kb_before, kb_after;
  std::unique_ptr<Load> load;
  std::vector<double> ns;
};

}  // namespace

int main() {
  constexpr uint32_t kPackets = 400'000;
  std::vector<Sample> samples;
  for (const uint32_t connections : {1'000u, 100'000u, 1'000'000u}) {
    Sample s{connections, resident_kb(), 0, nullptr, {}};
    s.load = std::make_unique<Load>(connections);
    s.kb_after = resident_kb();
    samples.push_back(std::move(s));
  }
  for (int r = 0; r < kRounds; ++r) {
    for (Sample& s : samples) s.ns.push_back(s.load->round(kPackets));
  }
  std::printf(
      "Inside the director: 60-byte segments of live TCP connections, DR, batches of %zu, %d rounds of %u packets\n\n",
      Director::kBatch, kRounds, kPackets);
  std::printf("%12s  %10s  %17s  %6s  %12s  %14s\n", "connections", "ns/packet", "spread", "ratio", "resident KB",
              "bytes/connection");
  const auto median = [](std::vector<double>& v) { return std::ranges::sort(v), v[v.size() / 2]; };
  const double first = median(samples[0].ns);
  for (Sample& s : samples) {
    const double ns = median(s.ns);
    std::printf("%12u  %10.1f  %7.1f - %7.1f  %6.2f  %12ld  %14.1f\n", s.load->live(), ns, s.ns.front(), s.ns.back(),
                ns / first, s.kb_after - s.kb_before, static_cast<double>(s.load->reserved()) / s.connections);
  }
  std::printf("\n(ns include building the frame; resident KB is what filling the table added.)\n");
  return 0;
}
