// SPDX-License-Identifier: BSD-2-Clause
// syncing.cpp: receives and sends messages of the sync protocol.
#include "sys/engine/syncing.h"

#include <algorithm>
#include <utility>

#include "core/connection.h"
#include "core/link.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr int kMostHeard = 64;  // messages per turn
// For TellOnce, in addition to the refusals.
enum : uint16_t { kStranger = kSyncRefusals + 1, kItHasAKey };

UnixTime wall_clock(Instant now) {
  return UnixTime(static_cast<uint64_t>(now.time_since_epoch().count() + wall_offset()));
}

}  // namespace

struct Syncing::Session {  // since the last change of the configuration
  SyncConfig config;
  std::unique_ptr<SyncSocket> socket;
  SyncSender sender;
  SyncReceiver receiver;
  SyncCounters counters{};
  int warned = 0;   // the errno last logged
  TellOnce told{};  // senders whose refusals were logged, and the reasons
  void judged(Ip from, std::optional<SyncRefusal> why, Instant now, const Log& log);
  bool tells() const { return config.role != SyncRole::backup; }
  bool hears() const { return config.role != SyncRole::master; }
};

Syncing::Syncing(EngineContext& context, const Ports& ports, const Mastership& mastership)
    : context_(context), ports_(ports), mastership_(mastership) {}
Syncing::~Syncing() = default;

Result<Done> Syncing::follow() {
  if (session_ && context_.config.sync && session_->config == *context_.config.sync) return Done{};
  release();  // before another socket binds its port
  if (!context_.config.sync) return Done{};
  const SyncConfig& wanted = *context_.config.sync;
  auto socket = SyncSocket::open(wanted);
  if (!socket) return socket.error();
  if (const auto added = context_.poller.add((*socket)->fd(), &ready_); !added) return added.error();
  const SyncSeal seal = hmac_seal(wanted.key);
  const auto own = static_cast<uint32_t>(random_hash_key().k0);
  const uint32_t capacity = context_.director.connections().capacity();
  session_.reset(new Session{wanted, std::move(*socket), SyncSender(wanted.settings, capacity, own, seal, context_.now),
                             SyncReceiver(wanted.settings, own, seal)});
  if (session_->tells()) context_.director.tell(&session_->sender);
  if (session_->hears()) session_->receiver.start(context_.now);
  if (session_->hears() && wanted.key.empty()) {
    context_.log.write(
        Severity::warning,
        formatted("sync: there is no key: whoever reaches port {} can put connections into the table, up "
                  "to {} % of it; set key in [sync]",
                  wanted.port, wanted.settings.share),
        Topic::sync);
  }
  link_changed(wanted.link);
  masters_changed();
  return Done{};
}

void Syncing::release() {
  context_.director.tell(nullptr);
  session_.reset();
}

Result<Done> Syncing::set(const std::optional<SyncConfig>& wanted) {
  const std::optional<SyncConfig> was = std::exchange(context_.config.sync, wanted);
  Result<Done> done = follow();
  if (!done) {
    context_.config.sync = was;
    static_cast<void>(follow());
  }
  return done;
}

SyncStatus Syncing::view() const {
  if (!session_) return {};
  return {&session_->config, &session_->sender, &session_->receiver, &session_->counters};
}

void Syncing::link_changed(Link link) {
  if (!session_ || link != session_->config.link) return;
  const LinkFacts& facts = ports_.facts(link);
  if (!facts.usable()) return;
  const int problem = session_->socket->join(facts.ifindex);
  if (problem == 0) return;
  context_.log.write(Severity::error, system_error(ports_.name(link) + ": sync: multicast group", problem),
                     Topic::sync);
}

// With VRRP only a master sends: the others know only what they received. A director that stops being master has not
// received what happened meanwhile.
void Syncing::masters_changed() {
  if (!session_) return;
  Session& s = *session_;
  const auto& instances = mastership_.vrrp().all();
  const bool by_vrrp = s.config.role == SyncRole::automatic && !instances.empty();
  const bool leads = s.tells() && (!by_vrrp || std::ranges::any_of(instances, [](const Vrrp::Instance& i) {
                       return i.state == VrrpState::master;
                     }));
  if (s.sender.leads() && !leads && s.hears()) s.receiver.start(context_.now);
  s.sender.lead(leads, context_.now);
}

// True if others' entries about this VIP are outdated: by VRRP its packets come here.
bool Syncing::is_ours(Ip vip) const {
  const Vrrp::Instance* const i = mastership_.vrrp().instance_of(vip);
  return i && i->state == VrrpState::master;
}

// Logs a refused sender and the reason once per change: otherwise it would be found out when the master is dead.
void Syncing::Session::judged(Ip from, std::optional<SyncRefusal> why, Instant now, const Log& log) {
  const std::string who = text(from);
  if (why) {
    counters.refused_from = from;
    if (*why == SyncRefusal::own || !told.odd(from, static_cast<uint16_t>(1 + static_cast<int>(*why)), now)) return;
    log.write(
        Severity::warning,
        formatted("sync: messages from {} are refused: {}: its connections break when it dies", who, meaning(*why)),
        Topic::sync);
  } else if (receiver.sealed() && config.key.empty()) {
    if (!told.odd(from, kItHasAKey, now)) return;
    log.write(
        Severity::warning,
        formatted("sync: messages from {} are sealed, and no key is set here: it refuses what it is told from here",
                  who),
        Topic::sync);
  } else if (told.well(from, now)) {
    log.write(Severity::notice, formatted("sync: messages from {} are taken now", who), Topic::sync);
  }
}

void Syncing::serve(Instant now) {
  if (!session_) return;
  if (ready_.take()) hear();
  if (now >= deadline()) tell();
}

// No other director runs on this host, but any user's program can send to the group.
bool Syncing::by_peer(const SyncSocket::Heard& heard) {
  Session& s = *session_;
  const auto& peers = s.config.peers;
  const bool from_here = std::ranges::binary_search(ports_.own_addresses(), heard.from);
  const bool by_us = !from_here && (peers.empty() ? heard.ifindex == ports_.facts(s.config.link).ifindex
                                                  : std::ranges::find(peers, heard.from) != peers.end());
  if (by_us) return true;
  ++s.counters.strangers;
  if (s.told.odd(heard.from, kStranger, context_.now)) {
    context_.log.write(Severity::warning,
                       "sync: messages from " + text(heard.from) + " are not heard: " +
                           (from_here       ? "a program of this host sends them"
                            : peers.empty() ? "they come in by another interface"
                                            : "it is no peer"),
                       Topic::sync);
  }
  return false;
}

void Syncing::hear() {
  Session& s = *session_;
  for (int n = 0; n < kMostHeard; ++n) {
    const auto heard = s.socket->receive();
    if (!heard) break;
    if (!by_peer(*heard)) continue;
    const auto refused =
        s.receiver.arrived(heard->datagram, context_.now, wall_clock(context_.now));  // counts refusals
    s.judged(heard->from, refused, context_.now, context_.log);
    if (refused) continue;
    take_entries();
    if (s.receiver.asked()) s.sender.tell_all(context_.now);
  }
}

void Syncing::take_entries() {
  Session& s = *session_;
  Adoption entry;
  while (s.hears() && s.receiver.next(context_.director.sync_view(), entry)) {
    const bool known = entry.what != Adoption::What::create && !entry.key.persistence;
    if (known && is_ours(entry.key.vip)) {
      ++s.counters.ours;
    } else if (!context_.director.adopt(entry, context_.turn())) {
      ++s.counters.no_room;
    }
  }
  context_.dispatch();
}

// Sends what is due.
void Syncing::tell() {
  Session& s = *session_;
  const Instant now = context_.now;
  if (s.hears() && s.receiver.should_ask(now)) s.sender.ask_all();
  if (now < s.sender.next_deadline()) return;
  const UnixTime clock = s.config.key.empty() ? UnixTime(0) : wall_clock(now);
  while (const auto message = s.sender.next(context_.director.sync_view(), now, clock)) {
    const int problem = s.socket->send(*message);
    if (problem == 0) continue;
    ++s.counters.unsent;  // receivers notice from the next message that one is missing
    if (std::exchange(s.warned, problem) == problem) continue;
    context_.log.write(Severity::warning, system_error("sync: a message was not sent", problem), Topic::sync);
  }
}

Instant Syncing::deadline() const {
  if (!session_) return kNever;
  const Instant asks = session_->hears() ? session_->receiver.next_deadline() : kNever;
  return std::min(asks, session_->sender.next_deadline());
}

}  // namespace rawvs
