// SPDX-License-Identifier: BSD-2-Clause
// door_fuzz_acts.cpp: the events: frames arrive, operators make changes, links and routes change, time passes.
#include "door_fuzz.h"
#include "links.h"

namespace rawvs::test {

// Another director, with other settings.
void DoorFuzz::begin(bool honest) {
  honest_ = honest;
  mtu_ = one_of<uint16_t>({1500, 1500, 576, 9000});
  Settings s{.max_connections = kMostConnections,
             .max_servers = kMostServers,
             .max_fragmented = one_of({4u, 64u}),
             .max_ftp = 3};
  if (one_in(2)) s.local_ports = {20000, 20007};
  s.expire_nodest_conn = one_in(3);
  s.expire_quiescent_template = one_in(2);
  s.sloppy_tcp = one_in(3);
  s.sloppy_sctp = one_in(3);
  s.conn_reuse_mode = static_cast<uint8_t>(below(4));
  for (uint8_t* const mode : {&s.drop_entry, &s.drop_packet, &s.secure_tcp}) *mode = static_cast<uint8_t>(below(4));
  s.drop_packet = one_in(4) ? s.drop_packet : uint8_t{0};
  for (uint8_t* const share : {&s.protocol_share, &s.service_share, &s.client_share})
    *share = one_of<uint8_t>({5, 75, 100});
  s.syn_cookies = one_of({SynCookieMode::automatic, SynCookieMode::on, SynCookieMode::off});
  s.half_open_server = one_of({0u, 0u, 4u});
  s.half_open_service = one_of({0u, 0u, 8u});
  s.pmtu_disc = !one_in(3);
  s.schedule_icmp = one_in(3);
  s.arp_hold = one_of({0u, 1u, 8u});
  s.arp_defend = !one_in(3);
  s.reply_rate = one_of({0u, 1u, 1000u, 1000u});
  out_.clear();
  arrived_.clear(), pieces_.clear(), tunnelled_.clear(), numbers_.clear(), handshakes_.clear(), known_.clear(),
      expected_.clear();
  frames_ = outbox_full_ = 0;
  director_ = std::make_unique<Director>(s, HashKey{3, 4}, now_);
  joined_ = std::make_unique<Reassembly>(256, HashKey{5, 6});
  director_->link_changed(kOutLink, facts(kOutLink), {now_, out_});
  director_->link_changed(kInLink, facts(kInLink), {now_, out_});
  for (uint32_t n = 0; n < 5; ++n) {
    const ServiceKey key = service_key();
    director_->add(service_spec(key), {now_, out_});
    for (uint32_t servers = 0; servers < 3; ++servers) director_->add_server(key, server_spec(key), {now_, out_});
  }
}

// A frame of any kind, in memory of exactly its length.
Frame DoorFuzz::lend(Arrived& a) {
  const Made m = make();
  a.as_it_came = mutated(m.bytes);
  const uint32_t headroom = one_of({0u, 0u, 10u, 20u, 64u});
  a.memory.assign(headroom, 0xee);
  a.memory.insert(a.memory.end(), a.as_it_came.begin(), a.as_it_came.end());
  a.memory.shrink_to_fit();
  Frame f;
  f.data = a.memory.data() + headroom;
  f.size = static_cast<uint32_t>(a.as_it_came.size());
  f.headroom = headroom;
  f.link = !honest_ && one_in(12) ? one_of({kOutLink, kInLink}) : m.link;
  f.offload = m.offload;
  if (!honest_ && one_in(50)) f.vlan = static_cast<uint16_t>(below(4096));
  const auto any = [&] { return static_cast<uint16_t>(one_in(2) ? below(100) : below(65536)); };
  if (!honest_ && one_in(8)) {
    f.offload = {.flags = static_cast<uint8_t>(below(4)),
                 .segmentation = one_of<uint8_t>({0, 1, 3, 5, 0x81}),
                 .header_size = any(),
                 .segment_size = one_in(3) ? static_cast<uint16_t>(1 + below(4)) : any(),  // more than fit, too
                 .checksum_start = any(),
                 .checksum_offset = any()};
  }
  return f;
}

void DoorFuzz::frames_arrive() {
  const uint32_t count = one_in(20) ? below(Director::kBatch + 1) : 1 + below(4);
  std::vector<Frame> frames;
  arrived_.clear();
  arrived_.resize(count);
  for (Arrived& a : arrived_) frames.push_back(lend(a));
  const uint32_t connections = director_->connections().size();
  director_->frames_arrived(frames, {now_, out_});
  frames_ += count;
  left_ += out_.departures().size();
  created_ += director_->connections().size() > connections;
}

void DoorFuzz::check_arrives() {
  arrived_.clear();
  arrived_.resize(1);
  Frame frame = lend(arrived_[0]);
  const Service* const service = some_service();
  const auto servers = static_cast<uint32_t>(service ? service->servers.size() : 0);
  const ServerSlot slot = servers == 0 ? ServerSlot{0} : service->servers[below(servers)];
  const ServiceKey key = service && !one_in(8) ? service->spec.key : service_key();
  director_->check_arrived(frame, key, director_->services().server(slot).spec.at, {now_, out_});
  ++frames_;
}

ServiceKey DoorFuzz::service_key() {
  if (one_in(4)) return {Protocol::any, {}, Mark(1 + below(2))};
  return {one_of({Protocol::tcp, Protocol::tcp, Protocol::udp, Protocol::sctp}), {ip(vip()), Port(port())}, {}};
}

ServiceSpec DoorFuzz::service_spec(const ServiceKey& key) {
  ServiceSpec spec{.key = key, .scheduler = static_cast<Scheduler>(below(static_cast<uint32_t>(Scheduler::count_)))};
  if (one_in(4)) spec.flags = static_cast<uint8_t>(below(4));
  if (key.vip.port.value == 0 || one_in(3)) spec.persistence = 1s * one_of({1, 10, 300});
  if (one_in(2)) spec.netmask = Netmask(Ip(one_of({0xffffff00u, 0xfffffffcu, 0x0000ffffu, 0u})));
  spec.one_packet = key.protocol != Protocol::tcp && one_in(4);
  return spec;
}

ServerSpec DoorFuzz::server_spec(const ServiceKey& key) {
  const uint32_t i = below(kServerAddresses);
  ServerSpec spec{.at = {server_addr(i), key.vip.port}, .weight = one_of({0, 1, 1, 2, 3})};
  if (one_in(3)) spec.at.port = Port(one_of<uint16_t>({8080, 80, 21, 0}));
  spec.method = one_of({Method::route, Method::masq, Method::masq, Method::tunnel, Method::tunnel, Method::local,
                        Method::fullnat, Method::fullnat});
  const bool tcp = key.protocol == Protocol::tcp || key.mark.value != 0;
  spec.proxy = spec.method == Method::fullnat && tcp && one_in(2);
  if (spec.method == Method::tunnel) {
    spec.tunnel.type = one_of({TunnelType::ipip, TunnelType::gue, TunnelType::gre});
    if (spec.tunnel.type == TunnelType::gue) spec.tunnel.port = Port(6080);
    if (spec.tunnel.type != TunnelType::ipip) spec.tunnel.checksum = static_cast<TunnelChecksum>(below(3));
  }
  if (!one_in(3)) spec.mac = server_mac(i);
  if (one_in(4)) spec.upper = below(8), spec.lower = below(8);
  return spec;
}

// A VIP, and an address that is none, on either link, with and without virtual MAC addresses.
std::vector<Shared> DoorFuzz::shared(Ip vip) {
  std::vector<Shared> out;
  for (const Ip address : {vip, ip("203.0.113.1")}) {
    if (one_in(2)) continue;
    const auto vrid = static_cast<uint8_t>(1 + below(3));
    const Mac mac = one_in(2) ? Mac{{0x00, 0x00, 0x5e, 0x00, 0x01, vrid}} : Mac{};
    out.push_back({address, one_in(2) ? kInLink : kOutLink, one_in(2), mac});
  }
  std::ranges::sort(out, {}, &Shared::vip);
  const auto twice = [](const Shared& a, const Shared& b) { return a.vip == b.vip; };
  out.erase(std::unique(out.begin(), out.end(), twice), out.end());
  return out;
}

std::vector<GroupMatch> DoorFuzz::groups() {
  std::vector<GroupMatch> all;
  for (uint32_t n = below(5); n > 0; --n) {
    GroupMatch g{ip(vip()), one_of({Protocol::tcp, Protocol::udp, Protocol::sctp}), {{80, 81}}, Mark(1 + below(2))};
    if (one_in(2)) g.ports.push_back({53, 10001});
    if (one_in(3)) g.clients = {ip("198.51.100.0"), 30};
    all.push_back(g);
  }
  return all;
}

const Service* DoorFuzz::some_service() {
  const auto services = director_->services().services();
  for (uint32_t tries = 0; !services.empty() && tries < 5; ++tries) {
    const Service& s = services[below(static_cast<uint32_t>(services.size()))];
    if (s.used) return &s;
  }
  return nullptr;
}

void DoorFuzz::operator_acts() {
  // Mostly an existing one.
  ServiceKey key = service_key();
  const Service* const some = some_service();
  if (some && !one_in(3)) key = some->spec.key;
  ServerSpec server = server_spec(key);
  if (some && !some->servers.empty() && one_in(2)) {
    server.at = director_->services().server(some->servers[below(static_cast<uint32_t>(some->servers.size()))]).spec.at;
  }
  switch (below(40)) {
    case 0: director_->remove(key, {now_, out_}); break;
    case 1:
    case 2: director_->edit(service_spec(key), {now_, out_}); break;
    case 3: director_->zero(key); break;
    case 4: director_->set_timeouts({.tcp = 1s * (1 + below(900)), .tcpfin = 1s, .udp = 10s}); break;
    case 5:
      if (one_in(20)) director_->clear({now_, out_});
      break;
    case 6: director_->set_groups(groups(), {now_, out_}); break;
    case 7: director_->guard_knows_flows(one_in(2) ? kInLink : kOutLink, one_in(2)); break;
    case 8:
    case 9:
    case 10: director_->edit_server(key, server, {now_, out_}); break;
    case 11:
    case 12:
    case 13: director_->remove_server(key, server.at, {now_, out_}); break;
    case 14: director_->set_standing(key, server.at, static_cast<Standing>(below(4)), one_in(2) ? 0 : INT32_MAX); break;
    case 15: share(key.vip.addr); break;
    case 16:
    case 17:
    case 18: director_->add(service_spec(service_key()), {now_, out_}); break;
    case 19:
      director_->set_from_file(key, {one_in(2) ? nullptr : limits(), ShortName::of(one_in(2) ? "web" : ""),
                                     static_cast<Standing>(1 + below(3))});
      break;
    case 20: director_->set_order(key, server.at, {static_cast<Ordered>(below(3)), 7, 9}); break;
    case 21: {
      Reordered done;
      while (!director_->order_some(key, {.order = {static_cast<Ordered>(below(3)), 7, 9}}, done)) {
      }
      break;
    }
    default: director_->add_server(key, server, {now_, out_}); break;
  }
}

std::shared_ptr<const ServiceLimits> DoorFuzz::limits() {
  const auto limit = [&] { return one_of({0u, 0u, 1u, 4u}); };
  ServiceLimits limits{limit(), limit(), limit(), limit(), {}};
  for (NetworkLists* const lists : {&limits.access.allow, &limits.access.deny}) {
    if (!one_in(4)) continue;
    NetworkListBuilder builder;
    for (uint32_t n = below(8); n > 0; --n) {
      const auto prefix = static_cast<uint8_t>(below(33));
      builder.add({Netmask(Family::ipv4, prefix).of(ip(client())), prefix});
    }
    while (!builder.step(1 + below(8))) continue;
    lists->push_back(builder.take("list"));
  }
  return std::make_shared<const ServiceLimits>(std::move(limits));
}

void DoorFuzz::share(Ip vip) {
  const auto others = one_in(3) ? std::optional(Shared{Ip(), kOutLink, one_in(2), {}}) : std::nullopt;
  director_->share(shared(vip), others, {now_, out_});
}

LinkFacts DoorFuzz::facts(Link link) {
  LinkFacts f;
  const bool outside = link == kOutLink;
  f.name = outside ? "eth0" : "eth1";
  f.role = outside ? LinkRole::clients : LinkRole::servers;
  f.ifindex = one_in(12) ? 0 : 2;
  f.up = !one_in(12);
  f.carrier = !one_in(8);
  f.mac = outside ? kDirectorMac : kInsideMac;
  f.mtu = honest_ ? mtu_ : one_of<uint16_t>({1500, 1500, 68, 9000});
  if (!one_in(8)) f.addresses = {{ip(outside ? "192.0.2.10" : "203.0.113.10"), one_of<uint8_t>({24, 24, 24, 32, 0})}};
  if (outside && one_in(4)) f.addresses.push_back({ip("192.0.2.100"), 32});  // a VIP
  return f;
}

void DoorFuzz::link_acts() {
  const Link link = one_of({kOutLink, kInLink});
  director_->link_changed(link, facts(link), {now_, out_});
}

void DoorFuzz::routes_change() {
  std::vector<Ip> here = {ip("127.0.0.1"), ip("192.0.2.10")};
  for (const char* const vip : {"192.0.2.100", "192.0.2.101", "192.0.2.102"}) {
    if (one_in(2)) here.push_back(ip(vip));
  }
  director_->host_addresses(std::move(here), {now_, out_});
  out_.clear();
  for (uint32_t i = 0; i < kServerAddresses; ++i) {
    if (one_in(3)) continue;
    Route r{.to = server_addr(i), .kind = Route::Kind::direct, .link = one_of({kOutLink, kInLink})};
    if (one_in(8)) r.kind = one_of({Route::Kind::elsewhere, Route::Kind::local, Route::Kind::unreachable});
    r.next_hop = one_in(3) ? ip(r.link == kOutLink ? "192.0.2.1" : "203.0.113.1") : r.to;
    if (!one_in(8)) r.source = ip(r.link == kOutLink ? "192.0.2.10" : "203.0.113.10");
    r.mtu = one_of<uint16_t>({0, 0, 0, 1400, 600, 100, 70, 40});
    director_->route_found(r, {now_, out_});
    out_.clear();
  }
}

void DoorFuzz::time_jumps() {
  now_ += Duration(one_in(50) ? below(2'000'000'000) : one_in(10) ? below(1'000'000) : below(2000));
  for (uint32_t calls = 0; calls < 100; ++calls) {
    out_.clear();
    director_->time_passed({now_, out_});
    if (director_->next_deadline() > now_) return;
    check("time_passed()");
  }
  ADD_FAILURE() << "round " << round_ << ": next_deadline() stands still";
}

}  // namespace rawvs::test
