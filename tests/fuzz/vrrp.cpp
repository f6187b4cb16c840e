// SPDX-License-Identifier: BSD-2-Clause
// vrrp.cpp: VRRP's adverts, of both versions and families, to a host that is master or backup of several instances.
// Adverts are any bytes, or well-formed ones with the fields that the input chooses, so that passwords, intervals and
// addresses are judged, too.
#include <array>

#include "input.h"
#include "side/vrrp.h"

namespace rawvs {
namespace {

Ip ip(const char* s) { return parse_ip(s).value(); }
constexpr Link kLink{0};

VrrpSpec spec(const char* name, uint8_t vrid, const char* address) {
  VrrpSpec s;
  s.name = name, s.vrid = vrid;
  s.addresses = {ip(address)};
  return s;
}

// The same for all executions: copied, not made anew.
const Vrrp& begun() {
  static const Vrrp host = [] {
    Vrrp v;
    VrrpOutbox out;
    LinkFacts f;
    f.name = "eth0", f.ifindex = 1, f.up = f.carrier = true;
    f.addresses = {{ip("192.0.2.10"), 24}, {ip("fe80::10"), 64}};
    VrrpSpec old = spec("old", 51, "192.0.2.100"), group = spec("group", 52, "192.0.2.101"),
             peers = spec("peers", 53, "192.0.2.102"), six = spec("six", 51, "fe80::100");
    old.version = 2, old.password = "secret";
    old.same_addresses = true;
    group.group = "all", six.group = "all";
    peers.peers = {ip("192.0.2.9"), ip("198.51.100.9")};
    MUST(check_vrrp(std::array{old, group, peers, six}));
    v.link_changed(kLink, f, {Instant(1000s), out});
    v.configure({old, group, peers, six}, {Instant(1000s), out});
    v.start({Instant(1000s), out});
    return v;
  }();
  return host;
}

struct Host {
  Vrrp vrrp = begun();
  VrrpOutbox out{};
  Instant now{1000s};

  void hear(const VrrpDatagram& in) {
    vrrp.heard(kLink, in, {now, out});
    check();
  }
  void check() {
    for (const VrrpSend& send : out.sends()) {
      MUST(send.size >= 8 && send.size <= kMostVrrpSize && send.link == kLink);
      VrrpAdvert own;
      MUST(!parse_vrrp({send.source, send.destination, kVrrpTtl, out.payload(send)}, own));
      MUST(own.vrid == send.vrid && own.priority == send.priority);
    }
    for (const VrrpTransition& t : out.transitions()) MUST(!text(t).empty() && t.from != t.to);
    for (const Vrrp::Instance& i : vrrp.all()) {
      MUST((i.state == VrrpState::master) == (i.timers.advert != kNever));
      MUST(i.state != VrrpState::backup || i.timers.down != kNever || i.wants_master);  // it waits for its group
      MUST(i.interval <= kLongestVrrp2Interval);
      MUST(vrrp.next_deadline() <= i.timers.next());
    }
    out.clear();
  }
};

void advert(fuzz::Input& in, Host& host) {
  VrrpAdvert a;
  const bool six = in.one_in(4);
  a.version = in.one_of<uint8_t>({3, 2});
  a.vrid = in.one_of<uint8_t>({51, 52, 53, 54});
  a.priority = in.byte();
  a.interval = a.version == 2 ? 1s * in.below(256) : 10ms * in.below(4096);
  if (a.version == 2)
    a.auth = static_cast<VrrpAuth>(in.below(3)), a.password = vrrp_password(in.one_of({"secret", "x"}));
  a.checksum = static_cast<VrrpChecksum>(in.below(2));
  for (uint32_t n = 1 + in.below(4); n > 0; --n) {
    a.addresses.add(six ? Ip(uint64_t{0xfe80} << 48, 0x100 + in.below(4)) : Ip(0xc0000264 + in.below(4)));
  }
  const Ip from = six ? Ip(uint64_t{0xfe80} << 48, in.below(32)) : Ip(0xc0000200 + in.below(32));
  const Ip to = six ? vrrp_group(Family::ipv6) : in.one_of({kVrrpGroup, ip("192.0.2.10")});
  std::array<uint8_t, kMostVrrpSize> bytes{};
  const size_t size = write_vrrp(bytes, a, from, to);
  if (size == 0) return;
  VrrpAdvert back;
  const auto why = parse_vrrp({from, to, kVrrpTtl, Bytes(bytes).first(size)}, back);
  MUST(why || (back.vrid == a.vrid && back.priority == a.priority && back.interval == a.interval));
  if (in.one_in(4)) bytes[in.below(static_cast<uint32_t>(size))] ^= in.byte();
  host.hear({from, to, in.one_of<uint8_t>({255, 255, 254, 1}), Bytes(bytes).first(size)});
}

}  // namespace
}  // namespace rawvs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  fuzz::Input in({data, size});
  Host host;
  while (!in.empty()) {
    switch (in.below(8)) {
      case 0: {
        const bool six = in.one_in(2);
        const Ip from = six ? Ip(uint64_t{0xfe80} << 48, in.byte()) : Ip(in.number());
        const bool ah = in.one_in(8);
        const std::vector<uint8_t> exact = [&] {
          const Bytes b = in.take(in.byte());
          return std::vector<uint8_t>(b.begin(), b.end());
        }();
        host.hear({from, vrrp_group(from.family()), 255, exact, ah});
        break;
      }
      case 1: host.now += 1ms * in.word(), host.vrrp.time_passed({host.now, host.out}), host.check(); break;
      case 2:
        host.now = std::max(host.now, host.vrrp.next_deadline() == kNever ? host.now : host.vrrp.next_deadline());
        host.vrrp.time_passed({host.now, host.out}), host.check();
        break;
      default: advert(in, host); break;
    }
  }
  return 0;
}
