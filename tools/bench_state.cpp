// SPDX-License-Identifier: BSD-2-Clause
// bench_state: measures the cost of a million connections that survive a restart: written by the old process, read by
// the new one, and the checksum in both. Without files; processor time, medians, this machine's.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

#include "core/state.h"
#include "core/track.h"
#include "tests/flows_peer.h"
#include "wire/crc32c.h"

namespace {

using namespace rawvs;

constexpr uint32_t kConnections = 1'000'000;
constexpr int kRounds = 5;
constexpr Instant kNow{1000s};
constexpr uint32_t kVip = 0xc0000264, kServers = 0xc000020a, kClients = 0xc6336400;  // 192.0.2.100, .10; 198.51.100.0

template <class Work>
double milliseconds(Work&& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
  };
  const double begin = now();
  work();
  return now() - begin;
}

double median(std::array<double, kRounds> of) {
  std::ranges::sort(of);
  return of[kRounds / 2];
}

class Process {  // the tables of one process
 public:
  explicit Process(Method method) : settings_(limits()), flows_(settings_, services_, {1, 2}, kNow) {
    services_.add({.key = kService});
    for (uint32_t i = 1; i <= 4; ++i) {
      services_.add_server(kService, {.at = {Ip(kServers + i), Port(80)}, .method = method});
    }
  }
  void fill() {
    const std::vector<ServerSlot>& servers = services_.find(kService)->servers;
    for (uint32_t i = 0; i < kConnections; ++i) {
      const Endpoint client{Ip(kClients + i % 199 + 1), Port(static_cast<uint16_t>(1024 + i / 199))};
      const FlowKey flow{client.addr, Ip(kVip), client.port, Port(80), Protocol::tcp, false};
      Connection& c = *connections_.create(flow, connections_.hash(flow));
      const ServerSlot slot = servers[i % servers.size()];
      join(c, slot, services_.server(slot), Port(80));
      connections_.arm(c, kNow, 900s);
      if (c.method() == Method::masq) connections_.add_server_side(c);
    }
  }
  void write(std::vector<uint8_t>& bytes) {
    for (StateWriter writer(StateClock{kNow}); !writer.done();) {
      const Bytes portion = writer.next(tables(), kNow);
      bytes.insert(bytes.end(), portion.begin(), portion.end());
    }
  }
  uint32_t read(Bytes bytes) {
    Outbox out;
    StateReader reader(bytes, StateClock{kNow});
    while (reader.read(tables(), {kNow, out})) out.clear();
    return reader.report().connections;
  }

 private:
  static Settings limits() {
    Settings settings;
    settings.max_connections = kConnections;
    settings.max_ftp = 1;
    return settings;
  }
  StateTables tables() {
    return {services_, connections_, ftp_, [this](const Restoration& e, Turn turn) { return flows_.restore(e, turn); }};
  }
  static constexpr ServiceKey kService{Protocol::tcp, {Ip(kVip), Port(80)}, {}};
  Services services_{16};
  Settings settings_;
  Flows flows_;
  ConnectionTable& connections_ = FlowsPeer::connections(flows_);
  FtpSessions& ftp_ = FlowsPeer::ftp(flows_);
};

bool measure(Method method) {
  std::array<double, kRounds> write{}, read{}, check{};
  std::vector<uint8_t> bytes;
  uint32_t taken = 0, sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto at = static_cast<size_t>(round);
    Process before(method), after(method);
    before.fill();
    bytes.reserve(bytes.capacity());
    bytes.clear();
    write[at] = milliseconds([&] { before.write(bytes); });
    read[at] = milliseconds([&] { taken = after.read(bytes); });
    check[at] = milliseconds([&] { sum += crc32c(bytes); });
  }
  const double size = static_cast<double>(bytes.size()) / 1e6;
  std::printf("%6s  %5.0f MB  %8.0f ms  %10.0f ms  %11.0f ms (%.0f MB/s)  %s\n", name(method), size, median(write),
              median(read), median(check), size / median(check) * 1e3, sum == 0 ? "?" : "");
  return taken == kConnections;
}

}  // namespace

int main() {
  std::printf("A state of %u connections, processor time, medians of %d rounds\n\n", kConnections, kRounds);
  std::printf("%6s  %8s  %11s  %13s  %14s\n", "method", "size", "written", "taken back", "CRC32C alone");
  const bool all = measure(Method::route) && measure(Method::masq);
  if (!all) std::printf("\nNOT all were taken back\n");
  return all ? 0 : 1;
}
