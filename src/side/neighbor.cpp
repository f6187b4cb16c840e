// SPDX-License-Identifier: BSD-2-Clause
// neighbor.cpp: asks for MAC addresses, and keeps the replies for a while.
//   asking      no reply yet: broadcast every second; packets are held
//   fresh       replied; after three quarters of arp_timeout: refreshing
//   refreshing  the old reply is still used; asked by unicast, then by broadcast; too old: asking
//   silent      three requests without a reply: packets are dropped, requests continue with growing pauses
//   fixed       mac= in the configuration: never asked
#include "side/neighbor.h"

#include <algorithm>

#include "core/rewrite.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

constexpr Duration kRetry = 1s;  // RFC 1122 section 2.3.2.1: at most one request per second
constexpr Duration kLongestPause = 8s;
// A host that answers for another's address must not alternate with its owner at every frame. Linux does the same
// (arp(7): net.ipv4.neigh.*.locktime).
constexpr Duration kBelief = 1s;      // how long a new MAC address is kept whatever others claim
constexpr uint32_t kQuestions = 3;    // unanswered requests before silent; by unicast while refreshing
constexpr uint32_t kRoomBefore = 64;  // headroom of a held frame
constexpr size_t kSwept = 4096;       // slots that one call handles after a change of their link

Duration pause_after(uint32_t asked) {
  if (asked <= kQuestions) return kRetry;
  return std::min<Duration>(kRetry * (1 << std::min(asked - kQuestions, 4u)), kLongestPause);
}

}  // namespace

const char* name(Neighbors::State state) {
  switch (state) {
    case Neighbors::State::asking: return "asking";
    case Neighbors::State::fresh: return "fresh";
    case Neighbors::State::refreshing: return "refreshing";
    case Neighbors::State::silent: return "silent";
    case Neighbors::State::fixed: return "fixed";
  }
  return "?";
}

Neighbors::Neighbors(const Settings& settings, uint32_t capacity, Changes& changes)
    : settings_(settings),
      changes_(changes),
      neighbors_(std::min<uint32_t>(capacity, kNoNeighbor)),
      free_(capacity),
      by_addr_(capacity),
      by_mac_(capacity),
      held_(kHeldFrames),
      held_bytes_(std::make_unique_for_overwrite<uint8_t[]>(size_t{kHeldFrames} * kHeldSize)) {
  swept_.fill(SIZE_MAX);
  due_.make_room(neighbors_.size());
}

std::optional<uint16_t> Neighbors::find(Ip addr, Link link) const {
  const Slot slot = by_addr_.find(hash(addr, link),
                                  [&](Slot at) { return neighbors_[at].addr == addr && neighbors_[at].link == link; });
  return slot == kNoSlot ? std::nullopt : std::optional<uint16_t>(slot);
}

std::optional<Ip> Neighbors::who_has(Mac mac) const {
  const Slot found =
      by_mac_.find(hash(mac), [&](Slot at) { return neighbors_[at].knows_mac() && neighbors_[at].mac == mac; });
  return found == kNoSlot ? std::nullopt : std::optional(neighbors_[found].addr);
}

void Neighbors::set_state(Neighbor& n, State state) {
  const bool knew = n.knows_mac();
  n.state = state;
  if (n.knows_mac() != knew) changes_.neighbor(slot_of(n));
}

void Neighbors::set_mac(Neighbor& n, Mac mac) {
  if (n.mac == mac) return;
  changes_.neighbor(slot_of(n));
  if (!n.mac.zero()) by_mac_.remove(hash(n.mac), slot_of(n));
  n.mac = mac;
  if (!mac.zero()) by_mac_.add(hash(mac), slot_of(n));
}

uint16_t Neighbors::want(Ip addr, Link link, std::optional<Mac> fixed, Instant now) {
  auto slot = find(addr, link);
  if (!slot) {
    slot = free_.take();
    if (!slot) return kNoNeighbor;
    Neighbor& free = neighbors_[*slot];
    free = Neighbor{};
    free.addr = addr;
    free.link = link;
    by_addr_.add(hash(addr, link), *slot);
    set_next(free, now);
  }
  Neighbor& n = neighbors_[*slot];
  ++n.wanted;
  if (fixed) {
    discard(*slot);  // no reply will release the packets that wait
    set_state(n, State::fixed);
    set_mac(n, *fixed);
    set_next(n, kNever);
  }
  return *slot;
}

void Neighbors::set_next(Neighbor& n, Instant when) {
  n.next = paused_.has(n.link) ? kNever : when;
  due_.set(slot_of(n), n.next);
}

void Neighbors::unwant(uint16_t slot) {
  Neighbor& n = neighbors_[slot];
  if (--n.wanted != 0) return;
  discard(slot);
  set_next(n, kNever);
  set_mac(n, {});
  by_addr_.remove(hash(n.addr, n.link), slot);
  free_.give_back(slot);
  n = Neighbor{};
}

void Neighbors::ask_anew(uint16_t slot, Instant now) {
  Neighbor& n = neighbors_[slot];
  set_state(n, State::asking);
  set_mac(n, {});
  n.asked = 0;
  set_next(n, now);
}

void Neighbors::forget_link(Link link, Instant now) {
  paused_.remove(link);
  swept_[index(link)] = 0;
  sweep(link, now);
}

void Neighbors::pause_link(Link link) {
  if (paused_.has(link)) return;
  paused_.add(link);
  swept_[index(link)] = 0;
  sweep(link, Instant{});
}

void Neighbors::sweep(Link link, Instant now) {
  size_t& swept = swept_[index(link)];
  if (swept >= used().size()) return;
  for (const size_t until = std::min(swept + kSwept, used().size()); swept < until; ++swept) {
    Neighbor& n = neighbors_[swept];
    if (n.wanted == 0 || n.link != link || n.state == State::fixed) continue;
    set_state(n, State::asking);
    n.asked = 0;
    set_next(n, now);
  }
  if (swept >= used().size()) swept = SIZE_MAX;
}

Hold Neighbors::hold(uint16_t slot, const Frame& frame, Instant now) {
  Neighbor& n = neighbors_[slot];
  if (n.state == State::silent) {
    set_next(n, std::min(n.next, std::max(now, n.last_asked + kRetry)));  // a packet needs it: no long pause now
    return Hold::silent;
  }
  const auto free = std::ranges::find_if(held_, [](const Held& h) { return h.neighbor == kNoNeighbor; });
  if (n.holding >= settings_.arp_hold || free == held_.end() || frame.size > kHeldSize - kRoomBefore) return Hold::full;
  free->neighbor = slot;
  free->leaving = false;
  free->order = order_++;
  free->frame = frame;
  free->frame.headroom = kRoomBefore;
  free->frame.data = held_bytes_.get() + static_cast<size_t>(free - held_.begin()) * kHeldSize + kRoomBefore;
  std::copy_n(frame.data, frame.size, free->frame.data);
  ++n.holding;
  return Hold::held;
}

bool Neighbors::heard(const Discovery& d, Link link, Mac own, Turn turn) {
  const auto slot = find(d.sender, link);
  if (!slot) return false;
  Neighbor& n = neighbors_[*slot];
  if (n.state == State::fixed) return true;
  if (n.knows_mac() && n.mac != d.sender_mac) {
    if (n.moved != Instant{} && turn.now - n.moved < kBelief) return true;
    // The old host may still have the address. Another one is accepted when it answers a broadcast request, which is
    // sent when the old host did not answer.
    const bool asked_all = n.state == State::refreshing && n.asked > kQuestions;
    const bool answers = d.what == Discovery::What::says && d.overrides && d.target_mac == own;
    if (!asked_all || !answers) return doubt(n, d.sender_mac, turn.now), true;
  }
  answered(n, d.sender_mac, turn);
  release(*slot, own, turn.out);
  return true;
}

// Another host claims the address: asks the old host once more, then all.
void Neighbors::doubt(Neighbor& n, Mac rival, Instant now) {
  if (!n.rival.zero()) return;
  n.rival = rival;
  n.asked = std::max(n.asked, kQuestions - 1);
  if (n.state == State::refreshing) return;
  set_state(n, State::refreshing);
  set_next(n, std::max(now, n.last_asked + kRetry));
}

void Neighbors::answered(Neighbor& n, Mac mac, Turn turn) {
  const std::string who = text(n.addr);
  const Mac rival = std::exchange(n.rival, Mac{});
  if (!rival.zero() && n.mac == mac) ++n.disputes, n.disputant = rival;
  if (n.state == State::silent) {
    turn.out.say(Severity::notice,
                 formatted("real server {} answers {} again: {}", who, what_is_answered(n.addr), text(mac)),
                 Topic::server);
  } else if (!n.mac.zero() && n.mac != mac) {  // also when the old reply has aged out
    if (moves_told_.take(turn.now))
      turn.out.say(Severity::notice, formatted("real server {} moved from {} to {}", who, text(n.mac), text(mac)),
                   Topic::server);
    n.moved = turn.now;
  } else if (!rival.zero() && rivals_told_.odd(n.addr, 1, turn.now)) {
    turn.out.say(
        Severity::warning,
        formatted("real server {} is {} still, but {} says that it has its address", who, text(mac), text(rival)),
        Topic::conflict);
  }
  set_state(n, State::fresh);
  set_mac(n, mac);
  n.asked = 0;
  n.valid_until = turn.now + settings_.arp_timeout;
  set_next(n, turn.now + settings_.arp_timeout * 3 / 4);
}

// In the order of the frames' arrival. Their bytes are valid until recycle().
void Neighbors::release(uint16_t slot, Mac own, Outbox& out) {
  Neighbor& n = neighbors_[slot];
  while (n.holding != 0) {
    Held* first = nullptr;
    for (Held& h : held_) {
      if (h.neighbor == slot && !h.leaving && (!first || h.order < first->order)) first = &h;
    }
    if (!first) return;  // cannot happen: n.holding counts them
    --n.holding;
    set_macs(first->frame, own, n.mac);
    first->leaving = true;
    out.send(n.link, first->frame);
  }
}

void Neighbors::recycle() {
  for (Held& h : held_) {
    if (h.leaving) h = Held{};
  }
}

void Neighbors::discard(uint16_t slot) {
  for (Held& h : held_) {
    if (h.neighbor == slot && !h.leaving) h = Held{}, ++discarded_;
  }
  neighbors_[slot].holding = 0;
}

void Neighbors::ask_again(Neighbor& n, std::vector<Ask>& asks, Turn turn) {
  if (n.state == State::fresh) {
    set_state(n, State::refreshing);
  } else if (n.state == State::refreshing && turn.now >= n.valid_until) {
    set_state(n, State::asking);
    n.asked = 0;
  } else if (n.state == State::asking && n.asked >= kQuestions) {
    set_state(n, State::silent);
    discard(slot_of(n));
    turn.out.say(Severity::warning,
                 formatted("real server {} does not answer {}: packets for it are dropped", text(n.addr),
                           what_is_answered(n.addr)),
                 Topic::server);
  }
  ++n.asked;
  n.last_asked = turn.now;
  const Instant next = turn.now + pause_after(n.asked);
  set_next(n, n.state == State::refreshing ? std::min(next, n.valid_until) : next);
  const bool by_unicast = n.state == State::refreshing && n.asked <= kQuestions;
  asks.push_back({n.link, n.addr, by_unicast ? std::optional(n.mac) : std::nullopt});
}

void Neighbors::time_passed(size_t most, std::vector<Ask>& asks, Turn turn) {
  for (const Link link : kEveryLink) sweep(link, turn.now);
  for (; most > 0 && due_.earliest() <= turn.now; --most) ask_again(neighbors_[due_.first()], asks, turn);
}

}  // namespace rawvs
