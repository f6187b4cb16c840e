// SPDX-License-Identifier: BSD-2-Clause
// engine_sync.cpp: connections told to other directors and heard from them, in the loop.
#include <algorithm>
#include <cerrno>

#include "sys/engine/engine_syncing.h"

namespace rawvs {
namespace {

constexpr int kMostHeard = 64;  // messages in one turn
// For TellOnce, beside the refusals.
enum : uint16_t { kStranger = kSyncRefusals + 1, kItHasAKey };

UnixTime wall_clock(Instant now) {
  return UnixTime(static_cast<uint64_t>(now.time_since_epoch().count() + wall_offset()));
}

}  // namespace

// What the configuration wants now: at start, and after each reload. What is told begins anew if anything is different.
Result<Done> Engine::follow_sync() {
  if (!config_.sync) {
    director_.tell(nullptr);
    syncing_.reset();
    desk_.sync = {};
    return Done{};
  }
  const SyncConfig& wanted = *config_.sync;
  if (syncing_ && syncing_->config == wanted) return Done{};
  director_.tell(nullptr);
  syncing_.reset();  // before another socket takes its port
  auto socket = SyncSocket::open(wanted);
  if (!socket) return socket.error();
  if (!poll_for((*socket)->fd(), kSync)) return Error{system_error("epoll", errno)};
  const SyncSeal seal = hmac_seal(wanted.key);
  const auto own = static_cast<uint32_t>(random_hash_key().k0);
  const uint32_t capacity = director_.connections().capacity();
  syncing_.reset(new Syncing{wanted, std::move(*socket), SyncSender(wanted.settings, capacity, own, seal, now_),
                             SyncReceiver(wanted.settings, own, seal)});
  desk_.sync = {&syncing_->config, &syncing_->sender, &syncing_->receiver, &syncing_->counters};
  if (syncing_->tells()) director_.tell(&syncing_->sender);
  if (syncing_->hears()) syncing_->receiver.start(now_);
  sync_link_changed(wanted.link);
  note_sync_leader();
  return Done{};
}

// What could not be begun is not left half done: then it is as it was.
Result<Done> Engine::set_sync(const std::optional<SyncConfig>& wanted) {
  const std::optional<SyncConfig> was = std::exchange(config_.sync, wanted);
  Result<Done> done = follow_sync();
  if (!done) {
    config_.sync = was;
    static_cast<void>(follow_sync());
  }
  return done;
}

void Engine::sync_link_changed(Link link) {
  if (!syncing_ || link != syncing_->config.link) return;
  const Port& port = ports_[index(link)];
  if (!port.facts.usable()) return;
  const int problem = syncing_->socket->join(port.facts.ifindex);
  if (problem != 0) log_.write(Severity::error, system_error(port.name + ": sync: multicast group", problem));
}

// With VRRP only a master tells: what the others know of connections they were told. Who ceases to be one has not heard
// what happened meanwhile.
void Engine::note_sync_leader() {
  if (!syncing_) return;
  Syncing& s = *syncing_;
  const bool by_vrrp = s.config.role == SyncRole::automatic && !vrrp_.all().empty();
  const bool leads = s.tells() && (!by_vrrp || std::ranges::any_of(vrrp_.all(), [](const Vrrp::Instance& i) {
                       return i.state == VrrpState::master;
                     }));
  if (s.sender.leads() && !leads && s.hears()) s.receiver.start(now_);
  s.sender.lead(leads, now_);
}

// Is what others say of it old? VRRP has made its packets ours.
bool Engine::ours_by_vrrp(Ip vip) const {
  const Vrrp::Instance* const i = vrrp_.instance_of(vip);
  return i && i->state == VrrpState::master;
}

// Who is refused, and why, is said once per peer and change: else it would be found out when the master is dead.
void Engine::Syncing::judged(Ip from, std::optional<SyncRefusal> why, Instant now, const Log& log) {
  const std::string who = "sync: messages from " + text(from);
  if (why) {
    counters.refused_from = from;
    if (*why == SyncRefusal::own || !told.odd(from, static_cast<uint16_t>(1 + static_cast<int>(*why)), now)) return;
    log.write(Severity::warning, who + " are refused: " + meaning(*why) + ": its connections break when it dies");
  } else if (receiver.sealed() && config.key.empty()) {
    if (!told.odd(from, kItHasAKey, now)) return;
    log.write(Severity::warning, who + " are sealed, and no key is set here: it refuses what it is told from here");
  } else if (told.well(from, now)) {
    log.write(Severity::notice, who + " are taken now");
  }
}

void Engine::hear_sync() {
  if (!syncing_) return;
  Syncing& s = *syncing_;
  const auto& peers = s.config.peers;
  for (int n = 0; n < kMostHeard; ++n) {
    const auto heard = s.socket->receive();
    if (!heard) break;
    // From this very host no other director speaks, but any user's program can send to the group.
    const bool from_here = std::ranges::binary_search(hosts_, heard->from);
    const bool by_us = !from_here && (peers.empty() ? heard->ifindex == ports_[index(s.config.link)].facts.ifindex
                                                    : std::ranges::find(peers, heard->from) != peers.end());
    if (!by_us) {
      ++s.counters.strangers;
      if (s.told.odd(heard->from, kStranger, now_)) {
        log_.write(Severity::warning, "sync: messages from " + text(heard->from) + " are not heard: " +
                                          (from_here       ? "a program of this host sends them"
                                           : peers.empty() ? "they come in by another interface"
                                                           : "it is no peer"));
      }
      continue;
    }
    const auto refused = s.receiver.arrived(heard->datagram, now_, wall_clock(now_));  // counted there
    s.judged(heard->from, refused, now_, log_);
    if (refused) continue;
    Adoption entry;
    while (s.hears() && s.receiver.next(director_.sync_view(), entry)) {
      const bool known = entry.what != Adoption::What::create && !entry.key.persistence;
      if (known && ours_by_vrrp(entry.key.vip)) {
        ++s.counters.ours;
      } else if (!director_.adopt(entry, {now_, outbox_})) {
        ++s.counters.no_room;
      }
    }
    dispatch();
    if (s.receiver.asked()) s.sender.tell_all(now_);
  }
}

// What is due is said. Called in every turn.
void Engine::tell_sync() {
  if (!syncing_ || now_ < sync_deadline()) return;
  Syncing& s = *syncing_;
  if (s.hears() && s.receiver.should_ask(now_)) s.sender.ask_all();
  if (now_ < s.sender.next_deadline()) return;
  const UnixTime clock = s.config.key.empty() ? UnixTime(0) : wall_clock(now_);
  while (const auto message = s.sender.next(director_.sync_view(), now_, clock)) {
    const int problem = s.socket->send(*message);
    if (problem == 0) continue;
    ++s.counters.unsent;  // who hears the next message sees that one is missing
    if (std::exchange(s.warned, problem) == problem) continue;
    log_.write(Severity::warning, system_error("sync: a message was not sent", problem));
  }
}

Instant Engine::sync_deadline() const {
  if (!syncing_) return kNever;
  const Instant asks = syncing_->hears() ? syncing_->receiver.next_deadline() : kNever;
  return std::min(asks, syncing_->sender.next_deadline());
}

}  // namespace rawvs
