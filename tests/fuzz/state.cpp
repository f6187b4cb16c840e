// SPDX-License-Identifier: BSD-2-Clause
// state.cpp: connections that an earlier process has written: a file, or the memory that SIGUSR2 hands over. The state
// of some connections is damaged, and its checksums are made right again; what is restored can be written, and read.
#include "core/state.h"

#include "core/flow.h"
#include "frames.h"
#include "small_director.h"
#include "wire/crc32c.h"

namespace rawvs {
namespace {

constexpr size_t kHeader = 72, kBlockHead = 28;  // of core/state_rows.h

StateClock clock_at(Instant now) { return {now, 1'800'000'000'000, {1, 2, 3, 4}}; }

void add_services(fuzz::SmallDirector& d) {
  using fuzz::ip;
  const auto key = [](Protocol protocol, std::string_view vip, uint16_t port) {
    return ServiceKey{protocol, {ip(vip), Port(port)}, {}};
  };
  d.add({.key = key(Protocol::tcp, "192.0.2.100", 80), .persistence = 300s},
        {{.at = {ip("192.0.2.11"), Port(80)}}, {.at = {ip("192.0.2.12"), Port(80)}, .method = Method::tunnel}});
  d.add({.key = key(Protocol::tcp, "192.0.2.100", 21)},
        {{.at = {ip("203.0.113.11"), Port(21)}, .method = Method::masq}});
  d.add({.key = key(Protocol::tcp, "2001:db8::100", 80)},
        {{.at = {ip("2001:db8:1::11"), Port(80)}, .method = Method::fullnat, .proxy = true},
         {.at = {ip("203.0.113.12"), Port(80)}, .method = Method::fullnat}});
  d.add({.key = key(Protocol::udp, "2001:db8::100", 53)},
        {{.at = {ip("2001:db8:1::11"), Port(53)}, .method = Method::masq}});
  d.add({.key = key(Protocol::sctp, "192.0.2.100", 99)}, {{.at = {ip("192.0.2.11"), Port(99)}}});
  d.add({.key = mark_key(Mark(10), Family::ipv4), .persistence = 60s}, {{.at = {ip("192.0.2.11"), Port(0)}}});
}

std::vector<uint8_t> written(fuzz::SmallDirector& d) {
  StateWriter writer(clock_at(d.now));
  std::vector<uint8_t> bytes;
  for (uint32_t n = 0; !writer.done(); ++n) {
    MUST(n < 1000);
    const Bytes portion = writer.next(d.director.state_tables(), d.now);
    bytes.insert(bytes.end(), portion.begin(), portion.end());
  }
  return bytes;
}

StateReport read(fuzz::SmallDirector& d, Bytes state, StateFault& fault) {
  StateReader reader(state, clock_at(d.now));
  fault = reader.fault();
  if (fault != StateFault::none) return {};
  for (bool more = true; more;) {
    d.out.clear();
    more = reader.read(d.director.state_tables(), d.turn());
  }
  d.out.clear();
  d.director.state_restored(d.turn());
  MUST(!text(reader.report()).empty());
  return reader.report();
}

// All checksums are right again.
void seal(std::vector<uint8_t>& bytes) {
  const MutableBytes all(bytes);
  if (all.size() < kHeader) return;
  store_be32(all, 68, crc32c(all.first(68)));
  for (size_t at = kHeader; at + kBlockHead <= all.size();) {
    const size_t size = std::min<size_t>(load_be32(all, at + 8), all.size() - at - kBlockHead);
    store_be32(all, at, 0x52565342);
    store_be32(all, at + 20, crc32c(all.subspan(at + kBlockHead, size)));
    store_be32(all, at + 24, crc32c(all.subspan(at, 24)));
    at += kBlockHead + size;
  }
}

// Connections of every kind, as a process has written them.
std::vector<uint8_t> donated() {
  fuzz::SmallDirector d;
  add_services(d);
  for (const Ip guest : {fuzz::ip("203.0.113.11"), fuzz::ip("203.0.113.12"), fuzz::ip("2001:db8:1::11")}) {
    d.director.route_found({.to = guest, .link = fuzz::kInside, .next_hop = guest, .source = fuzz::ip("203.0.113.10")},
                           d.turn());
  }
  const auto arrive = [&](test::FrameBytes bytes) {
    std::array one{test::view(bytes)};
    d.out.clear();
    d.director.frames_arrived(one, d.turn());
  };
  for (uint16_t n = 1; n < 4; ++n) {
    for (const uint16_t port : {uint16_t{80}, uint16_t{21}}) arrive(test::frame(test::Tcp{.sport = n, .dport = port}));
    arrive(test::frame(test::Tcp{.src = "2001:db8:c6::1", .dst = "2001:db8::100", .sport = n}));
    arrive(test::frame(test::Udp{.src = "2001:db8:c6::1", .dst = "2001:db8::100", .sport = n}));
  }
  MUST(d.director.connections().size() > 8);
  return written(d);
}

// The input: how; then a state, or changes to one: where, and the new byte.
void restore_from(Bytes input) {
  fuzz::Input in(input);
  const uint8_t how = in.byte();
  std::vector<uint8_t> bytes;
  if ((how & 2) == 0) {
    static const std::vector<uint8_t> kDonated = donated();
    bytes = kDonated;
    while (!in.empty()) {
      const size_t at = in.word() % bytes.size();
      bytes[at] = in.byte();
    }
  } else {
    const Bytes rest = in.rest();
    bytes.assign(rest.begin(), rest.end());
  }
  if ((how & 1) == 0) seal(bytes);
  fuzz::SmallDirector d;
  add_services(d);
  StateFault fault{};
  read(d, bytes, fault);
  d.check_tables();
  if (fault != StateFault::none) return;
  // What was restored is a state again, of which nothing is refused.
  const std::vector<uint8_t> again = written(d);
  fuzz::SmallDirector next;
  add_services(next);
  const StateReport report = read(next, again, fault);
  MUST(fault == StateFault::none && report.complete && report.damaged_blocks == 0 &&
       report.of(Untaken::malformed) == 0);
  next.check_tables();
  next.now += std::chrono::hours(24 * 40);
  for (int n = 0; n < 4; ++n) next.out.clear(), next.director.time_passed(next.turn());
}

}  // namespace
}  // namespace rawvs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rawvs::restore_from({data, size});
  return 0;
}
