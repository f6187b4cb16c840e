// SPDX-License-Identifier: BSD-2-Clause
// replay.cpp: drives the director in virtual time.
//
// Without an inside interface all frames arrive outside. With one, a frame arrives
//   inside, if it was sent to the inside interface's MAC address; outside, if to the outside interface's;
//   with another destination (such as broadcast) inside, if its IPv4 or ARP sender is in the inside interface's subnet.
#include "replay.h"
#include "config/config_tables.h"
#include "core/connection.h"
#include "core/link_names.h"
#include "core/service.h"
#include "rawvs/exit.h"

#include <algorithm>
#include <cstdio>

#include "rawvs/control.h"
#include "wire/discovery.h"
#include "wire/packet.h"

namespace rawvs::replay {

namespace {

constexpr HashKey kSecret{0x7265706c61790001, 0x7261777673000002};  // constant: each run gives the same result
constexpr Stamp kLongestPause = 31 * 24h;  // between frames: the longest timeout; a longer pause means a damaged clock

// Limits a loop over deadlines at one moment: a full table expires in steps of some hundred connections.
constexpr uint32_t kCallsPerMoment = 100'000;

std::string seconds(Stamp t) {  // 12.345
  std::string digits = std::to_string(std::chrono::floor<Duration>(t).count());
  if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
  return digits.insert(digits.size() - 3, ".");
}

// Removes the outer VLAN tag, as the kernel does before a packet socket; returns its VLAN, 0 for none.
uint16_t take_tag(std::vector<uint8_t>& bytes) {
  constexpr size_t kTypeAt = 12, kTagSize = 4;
  if (bytes.size() < kEthernetSize + kTagSize) return 0;
  const uint16_t type = load_be16(bytes, kTypeAt);
  if (type != kEtherTypeVlan && type != kEtherTypeQinQ) return 0;
  const auto vlan = static_cast<uint16_t>(load_be16(bytes, kTypeAt + 2) & 0x0fff);
  bytes.erase(bytes.begin() + kTypeAt, bytes.begin() + kTypeAt + kTagSize);
  return vlan;
}

std::string words(const Traffic& t) {
  const auto direction = [](uint64_t packets, uint64_t bytes) {
    return " packets " + std::to_string(packets) + " bytes " + std::to_string(bytes);
  };
  const bool both = t.out_packets != 0;  // replies of NAT servers
  return " conns " + std::to_string(t.connections) + direction(t.in_packets, t.in_bytes) +
         (both ? " back" + direction(t.out_packets, t.out_bytes) : "");
}

}  // namespace

std::array<LinkFacts, 2> default_links() {
  LinkFacts outside;
  outside.ifindex = 1;
  outside.up = outside.carrier = true;
  outside.mac = Mac{{0x02, 0, 0, 0, 0, 0x10}};
  outside.addresses = {{Ip(0xc000020a), 24}, {Ip(uint64_t{0x20010db8} << 32, 0x10), 64}};  // 192.0.2.10, 2001:db8::10
  LinkFacts inside = outside;
  inside.role = LinkRole::servers;
  inside.ifindex = 2;
  inside.mac = Mac{{0x02, 0, 0, 0, 1, 0x10}};
  inside.addresses = {{Ip(0xcb00710a), 24},  // 203.0.113.10, 2001:db8:1::10
                      {Ip(uint64_t{0x20010db8} << 32 | 0x10000, 0x10), 64}};
  return {outside, inside};
}

Replay::Replay(const Setup& setup, Stamp start, Leave leave)
    : setup_(setup),
      leave_(std::move(leave)),
      start_(start),
      now_(start),
      director_(setup.config.settings, kSecret, instant()) {}

Result<std::unique_ptr<Replay>> Replay::begin(const Setup& setup, Stamp start, Leave leave) {
  std::unique_ptr<Replay> replay(new Replay(setup, start, std::move(leave)));
  if (const auto loaded = replay->load(); !loaded) return loaded.error();
  return replay;
}

// The address of a virtual with address = INTERFACE. One of each role is simulated.
std::optional<Ip> Replay::address_of(std::string_view interface, Family family) const {
  for (const Link link : {kOutLink, kInLink}) {
    if (index(link) >= director_.links() || director_.link(link).name != interface) continue;
    for (const LinkAddress& a : director_.link(link).addresses) {
      if (a.addr.family() == family) return a.addr;
    }
  }
  return std::nullopt;
}

// In the daemon's order: first the interfaces, then the tables.
Result<Done> Replay::load() {
  Config config = setup_.config;
  if (director_.connections().capacity() == 0) {
    return Error{"no memory for max_connections=" + std::to_string(config.settings.max_connections) +
                 ": set a smaller one"};
  }
  const LinkNames names(config.interface, config.inside);
  for (const Link link : {kOutLink, kInLink}) {
    LinkFacts facts = setup_.links[index(link)];
    const auto named = std::ranges::find(names.named(), facts.role, &LinkName::role);
    if (named == names.named().end() && link == kInLink) continue;
    facts.name = named == names.named().end() ? config.interface : named->name;
    director_.link_changed(link, facts, {instant(), outbox_});
    dispatch();
  }
  for (const LinkName& one : names.named()) {
    const Link link = one.role == LinkRole::clients ? kOutLink : kInLink;
    if (one.name == director_.link(link).name) continue;
    log_ += "log " + seconds(Stamp{}) + " warning interface " + one.name + " is not simulated: its frames count as " +
            director_.link(link).name + "'s\n";
  }
  set_present_addresses(config, [this](const auto&... of) { return address_of(of...); });
  for (const VirtualConfig& v : config.virtuals) {
    if (!v.address || v.address->now) continue;
    return Error{"[virtual " + v.name + "] address = " + v.address->interface +
                 ": only the first interface of each list is simulated, and has the addresses of --address and "
                 "--inside-address"};
  }
  const WantedTables tables = wanted_tables(config);
  director_.set_groups(tables.groups, {instant(), outbox_});
  dispatch();
  for (const WantedService& wanted : tables.services) {
    const std::string service = "service " + text(wanted.spec.key) + ": ";
    director_.set_from_file(wanted.spec.key, wanted.said);
    auto refusal = director_.add(wanted.spec, {instant(), outbox_});
    dispatch();
    if (refusal) return Error{service + rawvs::name(*refusal)};
    for (const ServerSpec& server : wanted.servers) {
      refusal = director_.add_server(wanted.spec.key, server, {instant(), outbox_});
      dispatch();
      if (refusal) return Error{service + "server " + text(server.at) + ": " + rawvs::name(*refusal)};
    }
  }
  return load_rules();
}

Result<Done> Replay::load_rules() {
  std::string_view rest = setup_.rules;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string place = setup_.rules_name + ':' + std::to_string(number);
    const auto request = request_of(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!request) return at(place, request.error());
    if (request->empty()) continue;
    const Piece piece = answer(*request, director_, {instant(), outbox_}, ControlContext{}).next(director_, instant());
    const std::string reply(piece.text());
    dispatch();
    if (!reply.starts_with("ok")) return at(place, {reply.substr(0, reply.find('\n'))});
  }
  return Done{};
}

// Passes on what the director wants to send, and empties the outbox.
void Replay::dispatch() {
  for (const Departure& d : outbox_.departures()) leave_(now_, d.frame.bytes());
  returned_ += outbox_.returned().size() + outbox_.delivered().size();  // no kernel would route them here
  for (const Notice& n : outbox_.notices()) {
    log_ += "log " + seconds(now_ - start_) + ' ' + rawvs::name(n.severity) + ' ' + n.text + '\n';
  }
  outbox_.clear();
}

Result<Done> Replay::run_until(Stamp end) {
  uint32_t calls = 0;
  while (true) {
    const Instant next = director_.next_deadline();
    if (next == kNever || next.time_since_epoch() > end) break;
    const Stamp due = next.time_since_epoch();
    calls = due > now_ ? 0 : calls + 1;
    if (calls > kCallsPerMoment)
      return Error{"second " + seconds(now_ - start_) + ": the director's clock stands still"};
    now_ = std::max(now_, due);
    director_.time_passed({instant(), outbox_});
    dispatch();
  }
  now_ = std::max(now_, end);
  return Done{};
}

Result<Done> Replay::arrive(Captured& captured) {
  if (captured.time - now_ > kLongestPause) {
    return Error{"more than 31 days after the frame before it: expected a time that can be right"};
  }
  if (const auto ran = run_until(captured.time); !ran) return ran.error();
  Frame frame;
  frame.vlan = take_tag(captured.bytes);
  frame.data = captured.bytes.data();
  frame.size = static_cast<uint32_t>(captured.bytes.size());
  frame.link = link_of(captured);
  director_.frames_arrived({&frame, 1}, {instant(), outbox_});
  dispatch();
  return Done{};
}

Result<Done> Replay::run_on(Stamp further) { return run_until(now_ + further); }

Link Replay::link_of(const Captured& captured) const {
  if (setup_.config.inside.empty()) return kOutLink;
  std::vector<uint8_t> copy = captured.bytes;
  Frame frame;
  frame.data = copy.data();
  frame.size = static_cast<uint32_t>(copy.size());
  Ethernet ethernet;
  if (parse_ethernet(frame, ethernet)) return kOutLink;
  for (const Link link : {kOutLink, kInLink}) {
    if (ethernet.dst == setup_.links[index(link)].mac) return link;
  }
  Ip sender;
  if (ethernet.kind == Kind::arp) {
    Discovery arp;
    if (!parse_arp(frame, arp)) sender = arp.sender;
  } else if (ethernet.kind == Kind::ipv4 || ethernet.kind == Kind::ipv6) {
    Packet packet;
    if (!parse_ip(frame, packet)) sender = packet.src;
  }
  const bool from_inside = std::ranges::any_of(setup_.links[index(kInLink)].addresses,
                                               [&](const LinkAddress& a) { return a.network().holds(sender); });
  return from_inside ? kInLink : kOutLink;
}

std::string Replay::counters() const {
  std::string out;
  for (size_t i = 0; i < kExits; ++i) {
    const auto exit = static_cast<Exit>(i);
    const uint64_t count = director_.exits().of(exit);
    if (count != 0) out += rawvs::words(exit).name + (' ' + std::to_string(count)) + '\n';
  }
  if (returned_ != 0) out += "returned " + std::to_string(returned_) + '\n';
  for (const Service& service : director_.services().services()) {
    if (!service.used) continue;
    out += "service " + text(service.spec.key) + words(service.traffic) + '\n';
    for (auto slot = service.servers.rbegin(); slot != service.servers.rend();
         ++slot) {  // the order is newest first: reversed
      const Server& server = director_.services().server(*slot);
      out += "server " + text(server.spec.at) + words(server.traffic) + " active " + std::to_string(server.active) +
             " inactive " + std::to_string(server.inactive) +
             (server.persistent != 0 ? " persistent " + std::to_string(server.persistent) : "") + '\n';
    }
  }
  return out + log_;
}

}  // namespace rawvs::replay
