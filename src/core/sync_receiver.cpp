// SPDX-License-Identifier: BSD-2-Clause
// sync_receiver.cpp: checks messages from other directors, and decides what their entries change.
#include <algorithm>

#include "core/sync.h"
#include "core/track.h"
#include "wire/l4_header.h"

namespace rawvs {

namespace {

constexpr Duration kLongest = 31 * 24h;               // IPVS's longest persistence
constexpr uint32_t kUntoldTemplate = 180;             // seconds, as in IPVS: version 0 does not send it
constexpr Duration kAskAgain = 1s, kAskSeldom = 10s;  // without an answer; after a loss
constexpr uint8_t kTries = 3;

// The number of the protocol's states; 0: the protocol is not balanced.
uint16_t states_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return static_cast<uint16_t>(TcpState::count_);
    case Protocol::udp: return 1;
    case Protocol::sctp: return static_cast<uint16_t>(SctpState::count_);
    default: return 0;
  }
}

FlowKey key_of(const SyncEntry& e) {
  return {e.client.addr, e.vip.addr, e.client.port, e.vip.port, e.protocol, e.is_template()};
}

// 0: it is none.
Mark mark_in(Ip a) {
  const auto mark = static_cast<Mark>(a.is_v4() ? a.v4() : static_cast<uint32_t>(a.hi() >> 32));
  return mark_address(mark, a.family()) == a ? mark : Mark();
}

// The service of an entry. A kernel sends the mark of a packet that had one; in a mark's template the mark is in the
// address, too. A kernel finds no service for FTP's template, because it has no port; this does.
const Service* service_of(const SyncEntry& e, const Services& services) {
  const bool in_address = e.mark.value == 0 && e.is_template() && e.protocol == Protocol::any;
  const Mark mark = in_address ? mark_in(e.vip.addr) : e.mark;
  if (mark.value != 0) {
    if (const Service* const s = services.find(mark_key(mark, e.vip.addr.family()))) return s;
  }
  if (const Service* const s = services.classify(key_of(e))) return s;
  if (!e.is_template() || e.vip.port.value != 0) return nullptr;
  return services.find({.protocol = e.protocol, .vip = {e.vip.addr, kFtp}, .mark = {}});
}

// IPVS looks for a server with the entry's port, then with port 0 (for marks without NAT in the other order). But
// connections have their server's port only where the service has one port, too: not under marks, on FTP's data ports,
// and in templates of every port. There the server is the only one with this address.
ServerSlot server_of(const SyncEntry& e, const Service& service, const Services& services) {
  const ServiceKey& key = service.spec.key;
  const bool masq = (e.flags & SyncFlags::method_mask) == static_cast<uint32_t>(Method::masq);
  const bool zero_first = key.mark.value != 0 && !masq;
  const bool own_port = key.mark.value == 0 && e.vip.port == key.vip.port;
  const Port first = zero_first ? Port(0) : e.server.port, second = zero_first ? e.server.port : Port(0);
  ServerSlot other = kNoServer, any = kNoServer;
  uint32_t with_address = 0;
  for (const std::vector<ServerSlot>* const slots : {&service.servers, &service.taken_out}) {
    for (const ServerSlot slot : *slots) {
      const Endpoint at = services.server(slot).spec.at;
      if (at.addr != e.server.addr) continue;
      if (at.port == first) return slot;
      if (at.port == second) other = slot;
      any = slot;
      ++with_address;
    }
  }
  if (other != kNoServer) return other;
  return !own_port && with_address == 1 ? any : kNoServer;
}

}  // namespace

void Adoption::begin(Connection& c, Server& of_slot) const {
  join(c, server, of_slot, port);
  update(c, of_slot);
}

void Adoption::update(Connection& c, Server& its_own) const {
  c.state = state;
  c.packets = packets;
  if (!c.is_template()) count_as(c, its_own, !inactive);
  if (c.is_template()) {
    c.stay.seconds = seconds;
  } else if (extra) {
    c.peer.client_mac = extra->client_mac.bytes;
    c.set_link(extra->link);
  }
}

// The template's key: for a service of one port protocol, VIP, port; for FTP and every port protocol, VIP, 0; for a
// mark the mark.
FlowKey template_key(const FlowKey& flow, const ServiceSpec& s) {
  const bool per_port = s.key.mark.value == 0 && flow.vport == s.key.vip.port && flow.vport != kFtp;
  FlowKey key{s.netmask.of(flow.client), flow.vip, Port(0), per_port ? flow.vport : Port(0), flow.protocol, true};
  if (s.key.mark.value != 0) key.vip = mark_address(s.key.mark, s.key.family()), key.protocol = Protocol::any;
  return key;
}

SyncReceiver::SyncReceiver(const SyncSettings& settings, uint32_t own_sender, SyncSeal seal)
    : settings_(settings), own_(own_sender), seal_(std::move(seal)) {}

void SyncReceiver::start(Instant now) {
  complete_ = false;
  for (Peer& p : peers_) p.whole = false;
  tries_ = kTries;
  ask_ = now;
}

bool SyncReceiver::should_ask(Instant now) {
  if (now < ask_) return false;
  last_ask_ = now;
  for (Peer& p : peers_) p.whole = true;  // the messages that follow are the answer
  ask_ = tries_ > 1 ? now + kAskAgain : kNever;
  tries_ = tries_ > 0 ? static_cast<uint8_t>(tries_ - 1) : uint8_t{0};
  return true;
}

void SyncReceiver::ask_later(Instant when, uint8_t tries) {
  if (ask_ != kNever) return;
  ask_ = std::max(when, last_ask_ + kAskSeldom);
  tries_ = tries;
}

SyncReceiver::Peer* SyncReceiver::peer(uint32_t sender, Instant now) {
  Peer* place = &peers_[0];
  for (Peer& p : peers_) {
    if (p.known && p.sender == sender) return &p;
    if (place->known && (!p.known || p.heard < place->heard)) place = &p;
  }
  // With a key, a sender is forgotten only when its messages are too old to be replayed.
  if (place->known && seal_ && now - place->heard <= 2 * settings_.window) return nullptr;
  *place = {.sender = sender, .number = 0, .known = false, .whole = true, .heard = now};
  return place;
}

std::optional<SyncRefusal> SyncReceiver::judge_trailer(const SyncTrailer& t, Instant now) {
  Peer* const p = peer(t.sender, now);
  if (!p) return SyncRefusal::crowded;
  if (p->known) {
    const int32_t steps = distance(p->number, t.number);
    if (steps <= 0 && seal_) return SyncRefusal::replayed;
    if (steps <= 0) return std::nullopt;  // late or repeated: the entries are still valid
    if (steps > 1) {
      counters_.lost += static_cast<uint32_t>(steps - 1);
      p->whole = false;
      ask_later(now, 1);
    }
  }
  p->known = true;
  p->number = t.number;
  p->heard = now;
  if (!t.complete) return std::nullopt;
  if (p->whole) {
    complete_ = true;
    ask_ = kNever;
  } else {
    ask_later(now, 1);
  }
  return std::nullopt;
}

std::optional<SyncRefusal> SyncReceiver::judge(Instant now, UnixTime clock) {
  if (settings_.id != 0 && message_.id != settings_.id) return SyncRefusal::other_id;
  const auto& t = message_.trailer;
  if (t && t->sender == own_) return SyncRefusal::own;
  if (seal_) {
    if (message_.seal.empty()) return SyncRefusal::unsealed;
    if (!same(seal_(message_.sealed), message_.seal)) return SyncRefusal::seal;
    const uint64_t apart = std::max(clock.value, message_.time.value) - std::min(clock.value, message_.time.value);
    if (settings_.window != Duration::zero() && apart > static_cast<uint64_t>(settings_.window.count())) {
      return SyncRefusal::stale;
    }
  }
  return t ? judge_trailer(*t, now) : std::nullopt;
}

std::optional<SyncRefusal> SyncReceiver::arrived(Bytes datagram, Instant now, UnixTime clock) {
  asked_ = false;
  ++counters_.messages;
  auto why = parse_sync(datagram, message_);
  if (!why) why = judge(now, clock);
  if (why) {
    ++counters_.refused[static_cast<size_t>(*why)];
    message_ = {};
  }
  asked_ = message_.trailer && message_.trailer->request;
  entries_ = SyncEntries(message_);
  return why;
}

bool SyncReceiver::next(const SyncView& view, Adoption& out) {
  SyncEntry entry;
  std::optional<SyncRefusal> why;
  while (entries_.next(entry, why)) {
    ++counters_.entries;
    if (!why) why = adopt(entry, view, out);
    if (!why) return true;
    ++counters_.refused[static_cast<size_t>(*why)];
  }
  return false;
}

// Without a key anyone may be the sender: its connections live no longer than our own.
void SyncReceiver::cap(const ServiceSpec& service, const SyncView& view, Adoption& out) {
  if (seal_) return;
  Duration longest = timeout_of(out.key.protocol, out.state, view.timeouts);
  if (out.key.persistence) {
    const Duration ours = service.persistence;
    longest = ours == Duration::zero() ? Duration(std::chrono::seconds(kUntoldTemplate)) : ours;
  }
  const auto seconds = static_cast<uint32_t>((longest + 999ms) / 1s);
  const bool longer = out.left > longest || (out.key.persistence && out.seconds > seconds);
  if (longer) ++counters_.capped;
  out.left = std::min(out.left, longest);
  out.seconds = std::min(out.seconds, seconds);
}

std::optional<SyncRefusal> SyncReceiver::adopt(const SyncEntry& e, const SyncView& view, Adoption& out) {
  const bool is_template = e.is_template();
  const uint16_t states = states_of(e.protocol);
  if (states == 0 && !(is_template && e.protocol == Protocol::any)) return SyncRefusal::protocol;
  if (!is_template && e.state >= states) return SyncRefusal::state;
  if (!is_template && e.client.port.value == 0) return SyncRefusal::no_client_port;
  const Service* const service = service_of(e, view.services);
  const ServerSlot slot = service ? server_of(e, *service, view.services) : kNoServer;
  if (slot == kNoServer) return SyncRefusal::no_server;
  out = {};
  out.key = key_of(e);
  out.server = slot;
  out.port = e.server.port;
  out.state = static_cast<uint8_t>(is_template ? e.state == 1 : e.state);
  out.packets = static_cast<uint8_t>(settings_.threshold);
  out.inactive = !is_template && (e.flags & SyncFlags::inactive) != 0;
  out.extra = e.extra;
  out.shifts = e.shifts;
  out.seconds = e.timeout != 0 ? e.timeout : kUntoldTemplate;
  out.seconds = std::min(out.seconds, static_cast<uint32_t>(kLongest / 1s));
  const bool by_state = !is_template && e.timeout == 0;
  out.left = by_state ? timeout_of(e.protocol, out.state, view.timeouts) : std::chrono::seconds(out.seconds);
  if (e.extra) out.left = std::min<Duration>(e.extra->left, kLongest);
  cap(service->spec, view, out);
  if (const Connection* const old = view.connections.find(Side::client, out.key, view.connections.hash(out.key))) {
    out.old = view.connections.id(*old);
    const bool same_server = old->real_server() == e.server;
    // UDP is never active; any other inactive entry is about to end.
    if (!same_server && out.inactive && e.protocol != Protocol::udp) return SyncRefusal::late;
    out.what = same_server ? Adoption::What::update : Adoption::What::replace;
  } else if (!seal_ && settings_.share < 100 &&
             uint64_t{view.connections.places()} * 100 >= uint64_t{view.connections.capacity()} * settings_.share) {
    return SyncRefusal::over_share;
  }
  if (is_template || service->spec.persistence == Duration::zero()) return std::nullopt;
  if (out.what == Adoption::What::update && view.connections.at(out.old)->controller() != kNoConnection) {
    return std::nullopt;
  }
  const FlowKey key = template_key(out.key, service->spec);
  const Connection* const parent = view.connections.find(Side::client, key, view.connections.hash(key));
  if (parent && parent->server == slot) out.parent = view.connections.id(*parent);
  return std::nullopt;
}

}  // namespace rawvs
