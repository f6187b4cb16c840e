// SPDX-License-Identifier: BSD-2-Clause
// bench_expiry: measures how long a packet waits while a million connections expire at once: the longest single call of
// the director, called as by the daemon: a full batch, then the passed deadlines. Without sockets. Absolute figures are
// this machine's. Wall time includes other programs' time slices, processor time does not.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "core/connection.h"
#include "core/link.h"
#include "core/outbox.h"
#include "core/service.h"
#include "rawvs/director.h"
#include "rawvs/settings.h"
#include "wire/checksum.h"

namespace {

using namespace rawvs;

constexpr uint32_t kConnections = 1'000'000;
constexpr size_t kFrameSize = 60;
constexpr int kRounds = 5;
constexpr Mac kOwn{{2, 0, 0, 0, 0, 0x10}}, kClient{{2, 0, 0, 0, 0, 1}};
constexpr uint32_t kVip = 0xc0000264, kHost = 0xc000020a, kClients = 0xc6336400;  // 192.0.2.100, .10; 198.51.100.0

double seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct Call {  // microseconds
  double wall = 0, cpu = 0;
};

template <class Work>
Call timed(Work&& work) {
  const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
  work();
  return {(seconds(CLOCK_MONOTONIC) - wall) * 1e6, (seconds(CLOCK_THREAD_CPUTIME_ID) - cpu) * 1e6};
}

class Crowd {  // a director with a million UDP connections of the same age
 public:
  explicit Crowd(Method method) : director_(settings(), {1, 2}, now_) {
    const LinkFacts link{.name = "bench",
                         .ifindex = 1,
                         .up = true,
                         .carrier = true,
                         .mac = kOwn,
                         .mtu = 1500,
                         .addresses = {{Ip(kHost), 24}}};
    director_.link_changed(Link{}, link, {now_, out_});
    const ServiceKey key{Protocol::udp, {Ip(kVip), Port(53)}, {}};
    director_.add({key, Scheduler::rr}, {now_, out_});
    for (uint32_t i = 1; i <= 4; ++i) {
      const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
      director_.add_server(key, {.at = {Ip(kHost + i), Port(53)}, .method = method, .mac = mac}, {now_, out_});
    }
    for (size_t i = 0; i < frames_.size(); ++i) frames_[i].data = bytes_ + i * kFrameSize;
  }

  void fill() {
    for (uint32_t first = 0; first < kConnections; first += Director::kBatch) arrive(first);
  }

  // Goes a minute past their timeout, then turns the loop until all are gone: a batch and time_passed() each. The batch
  // keeps the first ones alive.
  void expire(Call& batch, Call& deadlines, uint32_t& turns) {
    now_ += director_.settings().timeouts.udp + 60s;
    while (director_.connections().size() > Director::kBatch && turns < kConnections) {
      keep(batch, timed([&] { arrive(0); }));
      out_.clear();
      keep(deadlines, timed([&] { director_.time_passed({now_, out_}); }));
      ++turns;
    }
  }
  uint32_t live() const { return director_.connections().size(); }

 private:
  static Settings settings() {
    Settings s;
    s.max_connections = kConnections + Director::kBatch;
    s.garp_count = 0;
    return s;
  }
  static void keep(Call& longest, Call call) {
    longest = {std::max(longest.wall, call.wall), std::max(longest.cpu, call.cpu)};
  }
  void arrive(uint32_t first) {
    for (uint32_t i = 0; i < Director::kBatch; ++i) build(i, first + i);
    out_.clear();
    director_.frames_arrived(frames_, {now_, out_});
  }
  void build(uint32_t slot, uint32_t client) {
    Frame& f = frames_[slot];
    f = Frame{};
    f.data = bytes_ + slot * kFrameSize;
    f.size = kFrameSize;
    const MutableBytes b = f.bytes();
    std::memcpy(f.data, kOwn.bytes.data(), 6);
    std::memcpy(f.data + 6, kClient.bytes.data(), 6);
    store_be16(b, 12, kEtherTypeIpv4);
    store_be32(b, 14, 0x4500001c), store_be32(b, 18, 0x00004000), store_be32(b, 22, 0x40110000);
    store_be32(b, 26, kClients + client % 199 + 1), store_be32(b, 30, kVip);
    store_be16(b, 24, checksum(Bytes(b).subspan(14, 20)));
    store_be16(b, 34, static_cast<uint16_t>(1024 + client / 199)), store_be16(b, 36, 53);
    store_be16(b, 38, 8), store_be16(b, 40, 0);  // no UDP checksum, as RFC 768 allows
  }

  Instant now_{};
  Director director_;
  Outbox out_;
  std::array<Frame, Director::kBatch> frames_{};
  uint8_t bytes_[Director::kBatch * kFrameSize]{};
};

}  // namespace

int main() {
  std::printf(
      "Longest single call while %u UDP conversations expire at once, microseconds; NAT's without what the\n"
      "guard's map of flows takes\n\n",
      kConnections);
  std::printf("%6s  %6s  %12s  %8s  %22s  %22s\n", "method", "round", "connections", "turns", "batch of 64: cpu, wall",
              "deadlines: cpu, wall");
  std::array<std::vector<double>, 2> longest;  // for DR, for NAT
  for (int round = 1; round <= kRounds; ++round) {
    for (const bool nat : {false, true}) {
      Crowd crowd(nat ? Method::masq : Method::route);
      crowd.fill();
      const uint32_t known = crowd.live();
      Call batch, deadlines;
      uint32_t turns = 0;
      crowd.expire(batch, deadlines, turns);
      std::printf("%6s  %6d  %12u  %8u  %10.0f  %10.0f  %10.0f  %10.0f\n", nat ? "NAT" : "DR", round, known, turns,
                  batch.cpu, batch.wall, deadlines.cpu, deadlines.wall);
      longest[nat].push_back(std::max(batch.cpu, deadlines.cpu));
    }
  }
  double worse = 0;
  for (std::vector<double>& calls : longest) {
    std::ranges::sort(calls);
    worse = std::max(worse, calls[calls.size() / 2]);
  }
  std::printf("\nlongest call, processor time, median of %d rounds: %.0f microseconds: %s 1 millisecond\n", kRounds,
              worse, worse < 1000 ? "under" : "NOT under");
  return worse < 1000 ? 0 : 1;
}
