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
#include "wire/ip_bytes.h"
#include "wire/ip_header.h"
#include "wire/l4_header.h"

namespace {

using namespace rawvs;

constexpr size_t kLargestFrame = 74, kIpAt = 14;
constexpr int kRounds = 7;
constexpr uint64_t kLan = 0x20010db8'000a'0000, kClients = 0x20010db8'000c'0000;  // 2001:db8:a:: and 2001:db8:c::
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

struct Kind {
  Family family;
  Method method;
};

class Load {  // a director with this many connections, and their packets in an order that defeats caches
 public:
  Load(Kind kind, uint32_t connections)
      : kind_(kind), connections_(connections), director_(settings(kind, connections), {1, 2}, {}) {
    LinkFacts link{.name = "bench",
                   .ifindex = 1,
                   .up = true,
                   .carrier = true,
                   .mac = kOwn,
                   .mtu = 1500,
                   .addresses = {{Ip(0xc000020a), 24}, {Ip(kLan, 0xa), 64}}};
    director_.link_changed(Link{}, link, {now_, out_});
    const ServiceKey key{Protocol::tcp, {host(0x64), Port(80)}, {}};
    director_.add({key, Scheduler::wlc}, {now_, out_});
    for (uint32_t i = 1; i <= 4; ++i) {
      const Mac mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(0x10 + i)}};
      director_.add_server(key, {.at = {host(0xa + i), Port(80)}, .method = kind_.method, .mac = mac}, {now_, out_});
    }
    for (size_t i = 0; i < frames_.size(); ++i) frames_[i].data = bytes_ + i * kLargestFrame;
    for (uint32_t i = 0; i < connections; i += Director::kBatch) pass(i, 1, TcpFlags::syn);
    for (uint32_t i = 0; i < connections; i += Director::kBatch) pass(i, 1, TcpFlags::ack);
  }

  // Nanoseconds of CPU per packet of an established connection.
  double round(uint32_t packets) {
    const double start = cpu_seconds();
    for (uint32_t i = 0; i < packets; i += Director::kBatch) pass(i * 7919u, 104729, TcpFlags::ack);
    return (cpu_seconds() - start) * 1e9 / packets;
  }
  const Kind& kind() const { return kind_; }
  uint32_t live() const { return director_.connections().size(); }
  size_t reserved() const { return director_.connections().reserved_bytes(); }

 private:
  static Settings settings(Kind kind, uint32_t connections) {
    Settings s;
    s.max_connections = kind.family == Family::ipv4 ? connections : 2 * connections;  // one in IPv6 takes two entries
    return s;
  }
  Ip host(uint32_t number) const {  // of the LAN: 192.0.2.N or 2001:db8:a::N
    return kind_.family == Family::ipv4 ? Ip(0xc0000200 + number) : Ip(kLan, number);
  }
  void pass(uint32_t first, uint32_t stride, uint8_t flags) {
    for (uint32_t i = 0; i < Director::kBatch; ++i) build(i, (first + i * stride) % connections_, flags);
    out_.clear();
    director_.frames_arrived(frames_, {now_, out_});
  }
  void build(uint32_t slot, uint32_t client, uint8_t flags) {
    Frame& f = frames_[slot];
    const bool four = kind_.family == Family::ipv4;
    const size_t tcp = kIpAt + (four ? 20 : 40);
    f.size = four ? 60 : kLargestFrame;
    const MutableBytes b = f.bytes();
    std::memcpy(f.data, kOwn.bytes.data(), 6);
    std::memcpy(f.data + 6, kClient.bytes.data(), 6);
    store_be16(b, 12, ether_type(kind_.family));
    const uint32_t number = client % 199 + 1;
    if (four) {
      store_be32(b, 14, 0x45000028), store_be32(b, 18, 0x00004000), store_be32(b, 22, 0x40060000);
    } else {
      store_be32(b, 14, 0x60000000), store_be32(b, 18, 0x00140640);
    }
    store_ip(b, tcp - 2 * ip_bytes(kind_.family), four ? Ip(0xc6336400 + number) : Ip(kClients, number));
    store_ip(b, tcp - ip_bytes(kind_.family), host(0x64));
    if (four) store_be16(b, 24, checksum(Bytes(b).subspan(14, 20)));
    store_be16(b, tcp, static_cast<uint16_t>(1024 + client / 199)), store_be16(b, tcp + 2, 80);
    store_be32(b, tcp + 12, 0x50000000u | uint32_t{flags} << 16);
  }

  Kind kind_;
  uint32_t connections_;
  Instant now_{};
  Director director_;
  Outbox out_;
  std::array<Frame, Director::kBatch> frames_{};
  uint8_t bytes_[Director::kBatch * kLargestFrame]{};
};

constexpr std::array<Kind, 4> kKinds = {{{Family::ipv4, Method::route},
                                         {Family::ipv6, Method::route},
                                         {Family::ipv4, Method::masq},
                                         {Family::ipv6, Method::masq}}};

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
    for (const Kind kind : kKinds) {
      Sample s{connections, resident_kb(), 0, nullptr, {}};
      s.load = std::make_unique<Load>(kind, connections);
      s.kb_after = resident_kb();
      samples.push_back(std::move(s));
    }
  }
  for (int r = 0; r < kRounds; ++r) {
    for (Sample& s : samples) s.ns.push_back(s.load->round(kPackets));
  }
  std::printf("Inside the director: segments of live TCP connections without data, batches of %zu, %d rounds of %u\n\n",
              Director::kBatch, kRounds, kPackets);
  std::printf("%-8s  %12s  %10s  %17s  %12s  %8s  %12s  %16s\n", "", "connections", "ns/packet", "spread", "of 1,000's",
              "of IPv4's", "resident KB", "bytes/connection");
  const auto median = [](std::vector<double>& v) { return std::ranges::sort(v), v[v.size() / 2]; };
  for (Sample& s : samples) median(s.ns);
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& s = samples[i];
    const Kind& kind = s.load->kind();
    const double ns = median(s.ns), few = median(samples[i % kKinds.size()].ns);
    const double ipv4 = median(samples[i - i % kKinds.size() + (kind.method == Method::masq ? 2 : 0)].ns);
    std::printf("%-3s %4s  %12u  %10.1f  %7.1f - %7.1f  %10.2f  %8.2f  %12ld  %16.1f\n",
                kind.method == Method::masq ? "NAT" : "DR", kind.family == Family::ipv4 ? "IPv4" : "IPv6",
                s.load->live(), ns, s.ns.front(), s.ns.back(), ns / few, ns / ipv4, s.kb_after - s.kb_before,
                static_cast<double>(s.load->reserved()) / s.connections);
  }
  std::printf("\n(ns include building the frame; resident KB is what filling the table added.)\n");
  return 0;
}
