// SPDX-License-Identifier: BSD-2-Clause
// sync.cpp: messages of other directors, of the protocol's versions 0 and 1, without a key, and with one: then they are
// sealed by whoever has it, or by nobody. Adopted connections keep the director's tables in order.
#include "core/sync.h"

#include "small_director.h"

namespace rawvs {
namespace {

constexpr UnixTime kClock{1'700'000'000'000};

// In the place of HMAC-SHA256: keyed, of all bytes.
SyncDigest digest(Bytes bytes) {
  SyncDigest d{};
  uint64_t h = 0xcbf29ce484222325;
  for (const uint8_t b : bytes) h = (h ^ b) * 0x100000001b3;
  for (size_t i = 0; i < d.size(); ++i) d[i] = static_cast<uint8_t>(h >> i % 8 * 8);
  return d;
}

void add_services(fuzz::SmallDirector& d) {
  using fuzz::ip;
  d.add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}}, .persistence = 300s},
        {{.at = {ip("192.0.2.11"), Port(80)}}, {.at = {ip("192.0.2.12"), Port(80)}}});
  d.add({.key = {Protocol::tcp, {ip("192.0.2.100"), Port(21)}, {}}},
        {{.at = {ip("203.0.113.11"), Port(21)}, .method = Method::masq}});
  d.add({.key = {Protocol::udp, {ip("2001:db8::100"), Port(53)}, {}}},
        {{.at = {ip("2001:db8:1::11"), Port(53)}, .method = Method::masq}});
  d.add({.key = {Protocol::sctp, {ip("192.0.2.100"), Port(99)}, {}}}, {{.at = {ip("192.0.2.11"), Port(99)}}});
  d.add({.key = mark_key(Mark(10), Family::ipv4), .persistence = 60s}, {{.at = {ip("192.0.2.11"), Port(0)}}});
  d.director.set_groups({{ip("192.0.2.100"), Protocol::tcp, {{90, 91}}, Mark(10)}}, d.turn());
}

SyncEntry entry(fuzz::Input& in) {
  const bool six = in.one_in(4);
  const auto place = [&](std::string_view v4, std::string_view v6, Port port) {
    const Ip base = fuzz::ip(six ? v6 : v4);
    return Endpoint{six ? Ip(base.hi(), base.lo() + in.below(4)) : Ip(base.v4() + in.below(4)), port};
  };
  SyncEntry e;
  e.protocol = in.one_of({Protocol::tcp, Protocol::udp, Protocol::sctp, Protocol::any, Protocol::icmp});
  e.state = in.byte();
  e.flags = in.word();
  e.client = place("198.51.100.1", "2001:db8:c6::1", Port(in.byte() % 8));
  e.vip = place("192.0.2.100", "2001:db8::100", Port(in.one_of<uint16_t>({80, 21, 53, 99, 90, 0})));
  e.server = place(in.one_in(2) ? "203.0.113.11" : "192.0.2.11", "2001:db8:1::11", e.vip.port);
  e.mark = Mark(in.one_of({0u, 10u}));
  e.timeout = in.one_of({0u, 900u, 0xffffffffu});
  if (in.one_in(4)) e.shifts = SyncShifts{{in.number(), in.word(), in.word()}, {in.number(), in.word(), in.word()}};
  if (in.one_in(3)) {
    e.extra = SyncExtra{1ms * static_cast<int64_t>(in.number()), Mac{{2, 0, 0, 0, 0, in.byte()}}, Link{in.byte()}};
  }
  return e;
}

struct Peer {
  explicit Peer(bool with_key)
      : seal(with_key ? SyncSeal(digest) : SyncSeal()),
        receiver(SyncSettings{}, 7, seal),
        sender(SyncSettings{}, fuzz::kMostConnections, 7, seal, d.now) {
    add_services(d);
    sender.lead(true, d.now);
    d.director.tell(&sender);
    receiver.start(d.now);
  }
  ~Peer() { d.director.tell(nullptr); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void hear(Bytes message) {
    const std::vector<uint8_t> exact(message.begin(), message.end());
    if (receiver.arrived(exact, d.now, clock)) return;
    Adoption a;
    for (uint32_t n = 0; receiver.next(d.director.sync_view(), a); ++n) {
      MUST(n <= 256);
      d.out.clear();
      d.director.adopt(a, d.turn());
    }
    if (receiver.asked()) sender.tell_all(d.now);
  }
  // What this director tells others is what its own receiver would take.
  void speak() {
    for (uint32_t n = 0;; ++n) {
      MUST(n < 1000);
      const auto message = sender.next(d.director.sync_view(), d.now, clock);
      if (!message) break;
      SyncMessage m;
      MUST(!parse_sync(*message, m));
      SyncEntries entries(m);
      SyncEntry e;
      std::optional<SyncRefusal> why;
      while (entries.next(e, why)) MUST(!why);
    }
  }

  fuzz::SmallDirector d;
  UnixTime clock = kClock;
  SyncSeal seal;
  SyncReceiver receiver;
  SyncSender sender;
};

void composed(fuzz::Input& in, Peer& peer) {
  SyncComposer composer(in.one_of<uint8_t>({0, 1}), 1472, kSyncSealedTrailer);
  for (uint32_t n = in.below(5); n > 0; --n) composer.add(entry(in));
  Bytes message;
  if (in.one_in(3)) {
    message = composer.finish();
  } else {
    const SyncTrailer trailer{in.one_in(2), in.one_in(2), in.one_of({1u, 2u, 7u}), in.byte()};
    const bool sealed = in.one_in(2);
    message = composer.finish(trailer, sealed ? SyncSeal(digest) : SyncSeal(), UnixTime(peer.clock.value + in.word()));
  }
  std::vector<uint8_t> bytes(message.begin(), message.end());
  if (in.one_in(3) && !bytes.empty()) bytes[in.below(static_cast<uint32_t>(bytes.size()))] ^= in.byte();
  peer.hear(bytes);
}

}  // namespace
}  // namespace rawvs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  fuzz::Input in({data, size});
  Peer peer(in.one_in(2));
  while (!in.empty()) {
    switch (in.below(6)) {
      case 0: {
        const Bytes b = in.take(in.word() % 2048);
        std::vector<uint8_t> bytes(b.begin(), b.end());
        if (bytes.size() >= 4 && !in.one_in(4)) store_be16(bytes, 2, static_cast<uint16_t>(bytes.size()));
        peer.hear(bytes);
        break;
      }
      case 1:
        peer.d.now += 100ms * in.word();
        peer.clock = UnixTime(peer.clock.value + in.word());
        peer.d.out.clear();
        peer.d.director.time_passed(peer.d.turn());
        peer.receiver.should_ask(peer.d.now);
        break;
      case 2: peer.speak(); break;
      default: composed(in, peer); break;
    }
  }
  peer.d.check_tables();
  return 0;
}
