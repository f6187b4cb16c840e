// SPDX-License-Identifier: BSD-2-Clause
// director.cpp: the director: frames of every kind, in batches, with offload facts; operators, links, routes and the
// clock between them. What leaves is well-formed, every frame is counted once, and the tables agree with each other.
// FTP, ICMP errors, SYN cookies, the PROXY protocol, fragments, ARP and neighbour discovery are met here.
#include "packets.h"
#include "rawvs/exit.h"
#include "wire/discovery.h"
#include "wire/packet.h"

namespace rawvs::fuzz {
namespace {

Settings chosen(Input& in) {
  Settings s = small_settings();
  const uint8_t bits = in.byte(), more = in.byte();
  s.syn_cookies = (bits & 1) != 0 ? SynCookieMode::on : SynCookieMode::automatic;
  s.sloppy_tcp = (bits & 2) != 0, s.sloppy_sctp = (bits & 2) != 0;
  s.expire_nodest_conn = (bits & 4) != 0;
  s.schedule_icmp = (bits & 8) != 0;
  s.pmtu_disc = (bits & 16) == 0;
  s.drop_entry = (bits >> 5) & 3, s.secure_tcp = (more >> 1) & 3;
  s.arp_hold = (bits & 128) != 0 ? 1 : 8;
  s.arp_defend = (more & 1) != 0;
  s.conn_reuse_mode = (more >> 3) & 3;
  s.drop_packet = (more & 0x60) == 0x60 ? 3 : 0;
  if ((more & 128) != 0) s.half_open_server = 2, s.half_open_service = 3, s.local_ports = {20000, 20003};
  return s;
}

class World {
 public:
  explicit World(Input& in) : in_(in), d_(chosen(in)), packets_(in, d_) {
    add_services(in.byte());
    check_departures();
  }
  void run() {
    for (uint32_t n = 0; n < 64 && !in_.empty(); ++n) {
      d_.out.clear();
      switch (in_.below(16)) {
        case 0: operator_acts(); break;
        case 1: time_passes(); break;
        case 2: surroundings_change(); break;
        case 3: check_arrives(); break;
        default: frames_arrive(); break;
      }
      check_departures();
    }
    d_.check_tables();
    check_exits();
  }

 private:
  void add_services(uint8_t methods);
  ServerSpec server(Method method, Family family, Port port);
  ServiceKey key();
  Frame lend(size_t n);
  void frames_arrive();
  void check_arrives();
  void operator_acts();
  void time_passes();
  void surroundings_change();
  void check_departures();
  void check_exits() const;

  Input& in_;
  SmallDirector d_;
  Packets packets_;
  std::array<test::FrameBytes, 4> memory_{};  // exactly the headroom and the frame: ASan sees a step beyond
  uint64_t frames_ = 0;
};

ServerSpec World::server(Method method, Family family, Port port) {
  const uint32_t n = 11 + in_.below(4);
  ServerSpec s{.at = {family == Family::ipv6 ? Ip(ip("2001:db8:1::").hi(), n)
                                             : Ip((method == Method::route ? 0xc0000200 : 0xcb007100) + n),
                      port}};
  s.method = method;
  s.mac = Mac{{2, 0, 0, 0, 2, static_cast<uint8_t>(n)}};
  if (method == Method::tunnel) {
    s.tunnel.type = in_.one_of({TunnelType::ipip, TunnelType::gue, TunnelType::gre});
    if (s.tunnel.type == TunnelType::gue) s.tunnel.port = Port(6080);
    if (s.tunnel.type != TunnelType::ipip) s.tunnel.checksum = static_cast<TunnelChecksum>(in_.below(3));
  }
  s.proxy = method == Method::fullnat && in_.one_in(2);
  return s;
}

void World::add_services(uint8_t methods) {
  constexpr std::array kMethods{Method::route, Method::masq, Method::tunnel, Method::fullnat};
  const auto method = [&](int which) { return kMethods[(methods >> which * 2) & 3]; };
  const Family family = (methods & 64) != 0 ? Family::ipv6 : Family::ipv4;
  const Ip vip = family == Family::ipv6 ? ip("2001:db8::100") : ip("192.0.2.100");
  const auto add = [&](Protocol protocol, uint16_t port, Method how) {
    ServiceSpec spec{.key = {protocol, {vip, Port(port)}, {}}};
    if ((methods & 128) != 0) spec.persistence = 300s;
    const Port at(how == Method::masq || how == Method::fullnat ? (port == 80 ? 8080 : port) : port);
    d_.add(spec, {server(how, family, at)});
    if (port == 80) d_.director.add_server(spec.key, server(how, family, at), d_.turn());
  };
  add(Protocol::tcp, 80, method(0));
  add(Protocol::tcp, 21, method(1));
  add(Protocol::udp, 53, method(2));
  add(Protocol::sctp, 99, method(0));
  d_.add({.key = mark_key(Mark(10), family), .persistence = 60s}, {server(method(1), family, Port(0))});
  d_.director.set_groups({{vip, Protocol::tcp, {{81, 81}}, Mark(10)}}, d_.turn());
}

Frame World::lend(size_t n) {
  const Made m = packets_.make();
  const uint32_t headroom = in_.one_of({64u, 0u, 20u});
  test::FrameBytes& memory = memory_[n];
  memory.assign(headroom, 0xee);
  memory.insert(memory.end(), m.bytes.begin(), m.bytes.end());
  memory.shrink_to_fit();
  Frame f;
  f.data = memory.data() + headroom;
  f.size = static_cast<uint32_t>(m.bytes.size());
  f.headroom = headroom;
  f.link = m.link;
  if (in_.one_in(8)) {
    f.offload = {.flags = static_cast<uint8_t>(in_.below(4)),
                 .segmentation = in_.one_of<uint8_t>({0, 1, 3, 4, 5, 0x81}),
                 .header_size = in_.one_of<uint16_t>({54, 0, 34, 65535}),
                 .segment_size = in_.one_of<uint16_t>({536, 1448, 1, 0, 65535}),
                 .checksum_start = in_.one_of<uint16_t>({34, 54, 0, 14, 65535}),
                 .checksum_offset = in_.one_of<uint16_t>({16, 6, 0, 65535})};
  }
  if (in_.one_in(64)) f.vlan = in_.word() & 4095;
  return f;
}

void World::frames_arrive() {
  std::array<Frame, 4> frames;
  const size_t count = 1 + in_.below(frames.size());
  for (size_t n = 0; n < count; ++n) frames[n] = lend(n);
  d_.director.frames_arrived(std::span(frames).first(count), d_.turn());
  frames_ += count;
}

void World::check_arrives() {
  Frame frame = lend(0);
  d_.director.check_arrived(frame, key(), {ip("192.0.2.11"), Port(80)}, d_.turn());
  ++frames_;
}

ServiceKey World::key() {
  const auto all = d_.director.services().services();
  const Service& s = all[in_.below(static_cast<uint32_t>(all.size()))];
  return s.used ? s.spec.key : ServiceKey{Protocol::tcp, {ip("192.0.2.101"), Port(80)}, {}};
}

void World::operator_acts() {
  const ServiceKey of = key();
  constexpr std::array kMethods{Method::route, Method::masq, Method::tunnel, Method::fullnat, Method::local};
  const Method how = kMethods[in_.below(kMethods.size())];
  const Family family = in_.one_in(8) ? Family::ipv6 : of.family();
  ServerSpec spec = server(how, family, of.vip.port);
  const Service* const service = d_.director.services().find(of);
  if (service && !service->servers.empty() && in_.one_in(2)) {
    spec.at = d_.director.services().server(service->servers[0]).spec.at;
  }
  spec.weight = in_.one_of({1, 0, 2});
  if (in_.one_in(8)) spec.upper = 2, spec.lower = 1;
  switch (in_.below(11)) {
    case 0: d_.director.remove(of, d_.turn()); break;
    case 1: d_.director.remove_server(of, spec.at, d_.turn()); break;
    case 2: d_.director.edit_server(of, spec, d_.turn()); break;
    case 3: d_.director.set_standing(of, spec.at, static_cast<Standing>(in_.below(4)), INT32_MAX); break;
    case 4: d_.director.guard_knows_flows(kInside, in_.one_in(2)); break;
    case 5: d_.director.clear(d_.turn()); break;
    case 6:
      d_.director.edit({.key = of,
                        .scheduler = static_cast<Scheduler>(in_.below(static_cast<uint32_t>(Scheduler::count_))),
                        .flags = in_.below(4) == 3 ? uint8_t{3} : uint8_t{0},
                        .one_packet = of.protocol == Protocol::udp && in_.one_in(2)},
                       d_.turn());
      break;
    case 7: {
      ServiceSpec other{.key = {in_.one_of({Protocol::tcp, Protocol::udp}), {ip("192.0.2.101"), Port(80)}, {}}};
      d_.director.add(other, d_.turn());
      break;
    }
    case 8: d_.director.set_order(of, spec.at, {static_cast<Ordered>(in_.below(3)), 7, 9}); break;
    default: d_.director.add_server(of, spec, d_.turn()); break;
  }
}

void World::time_passes() {
  const Instant due = d_.director.next_deadline();
  d_.now =
      in_.one_in(2) && due != kNever ? std::max(d_.now, due) : d_.now + in_.one_of({1ms, 100ms, 3000ms}) * in_.byte();
  d_.director.time_passed(d_.turn());
}

void World::surroundings_change() {
  const Link link = in_.one_in(2) ? kInside : kOutside;
  if (in_.one_in(2)) {
    LinkFacts f = facts(link);
    f.up = !in_.one_in(4), f.carrier = !in_.one_in(4);
    f.mtu = in_.one_of<uint16_t>({1500, 576, 68, 9000});
    if (in_.one_in(4)) f.addresses.clear();
    if (link == kOutside && in_.one_in(4)) f.addresses.push_back({ip("192.0.2.100"), 32});  // a VIP
    d_.director.link_changed(link, f, d_.turn());
    return;
  }
  if (in_.one_in(3)) {
    const Mac mac = in_.one_in(2) ? Mac{{0, 0, 0x5e, 0, 1, 7}} : Mac{};
    d_.director.share({{ip("192.0.2.100"), link, in_.one_in(2), mac}}, std::nullopt, d_.turn());
    return;
  }
  const auto to = d_.director.next_server_address(std::nullopt);
  if (!to) return;
  Route r{.to = *to, .kind = static_cast<Route::Kind>(in_.below(4)), .link = link, .next_hop = *to};
  r.mtu = in_.one_of<uint16_t>({0, 1400, 60});
  if (!in_.one_in(4))
    r.source = d_.director.link(link).addresses.empty() ? Ip() : d_.director.link(link).addresses[0].addr;
  d_.director.route_found(r, d_.turn());
}

void World::check_departures() {
  MUST(d_.out.departures().size() <= Outbox::kDepartures);
  for (const Departure& d : d_.out.departures()) {
    const Frame& f = d.frame;
    MUST(f.size >= 28);
    Ethernet ethernet;
    MUST(!parse_ethernet(f, ethernet));
    Discovery arp;
    if (ethernet.kind == Kind::arp) {
      MUST(!parse_arp(f, arp));
      continue;
    }
    Packet packet;
    const auto wrong = parse_ip(f, packet);
    if (wrong == Exit::land) continue;  // by NAT from a server to itself, which it drops: as with IPVS
    MUST(!wrong);
    MUST(packet.ttl >= 1);
    packets_.left(d);
  }
  for (const Frame& f : d_.out.delivered()) {
    Packet packet;
    MUST(!parse_ip(f, packet));
  }
}

// Frames that were held, and then given up, are counted a second time.
void World::check_exits() const {
  const ExitCounters& exits = d_.director.exits();
  uint64_t sum = 0;
  for (size_t i = 0; i < kExits; ++i) sum += exits.of(static_cast<Exit>(i));
  for (const Exit e : {Exit::hold_expired, Exit::fragment_expired, Exit::fragment_flood}) sum -= exits.of(e);
  MUST(sum == frames_);
}

}  // namespace
}  // namespace rawvs::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rawvs::fuzz::Input in({data, size});
  rawvs::fuzz::World(in).run();
  return 0;
}
