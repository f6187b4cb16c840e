// SPDX-License-Identifier: BSD-2-Clause
// sync.cpp: which connections are sent to backups. Source: Linux 6.1's IPVS.
#include "core/sync.h"

#include <algorithm>

#include "core/track.h"
#include "wire/l4_header.h"

namespace rawvs {

namespace {

constexpr auto kSyncTick = 10ms;
constexpr Duration kFlush = 200ms, kPortionEvery = 10ms;
constexpr Duration kParentAgain = 10s;         // for a connection or template that controls others
constexpr uint32_t kPortionMessages = 4;       // per kPortionEvery: 16,000 connections per second
constexpr uint32_t kPortionVisits = 4096;      // entries of the table per message, used or not
constexpr uint32_t kRetries = 3, kQueued = 4;  // in told_; the rest is a deadline
constexpr uint32_t kNotDeadline = kRetries | kQueued;

constexpr uint64_t bit(uint8_t state) { return uint64_t{1} << state; }
template <class State>
constexpr uint64_t bits(std::initializer_list<State> states) {
  uint64_t all = 0;
  for (const State s : states) all |= bit(static_cast<uint8_t>(s));
  return all;
}
constexpr uint64_t kTcpTold =
    bits({TcpState::established, TcpState::fin_wait, TcpState::close, TcpState::close_wait, TcpState::time_wait});
constexpr uint64_t kSctpTold = bits({SctpState::established, SctpState::shutdown_sent, SctpState::shutdown_received,
                                     SctpState::shutdown_ack_sent, SctpState::closed});

bool is_established(const Connection& c) {
  return c.protocol == Protocol::sctp ? static_cast<SctpState>(c.state) == SctpState::established
                                      : static_cast<TcpState>(c.state) == TcpState::established;
}

Duration timeout_of(const Connection& c, const Timeouts& timeouts) {
  if (c.is_template()) return std::chrono::seconds(c.stay.seconds);
  return timeout_of(c.protocol, c.state, timeouts);
}

// The shifts of the server's sequence numbers by NAT of FTP, after the last byte read. The same is sent for earlier
// bytes: the backup cannot know how a repetition there was mapped.
std::optional<SyncShifts> shifts_of(const Connection& c, const FtpSessions* sessions) {
  const FtpSession* const session = sessions && !c.is_template() ? sessions->at(c.peer.ftp) : nullptr;
  if (!session || !session->server.started || session->edits.neutral()) return std::nullopt;
  const uint32_t next = session->server.next;
  const uint32_t shift = session->edits.to_client(next) - next;
  return SyncShifts{.client = {}, .server = {next, shift, shift}};
}

uint32_t flags_of(const Connection& c) {
  uint32_t flags = static_cast<uint32_t>(c.method());
  // IPVS's templates have the flags of their server's connections.
  if ((c.flags & Connection::no_output) || (c.is_template() && c.method() != Method::masq)) {
    flags |= SyncFlags::no_output;
  }
  if ((c.flags & Connection::inactive) || c.is_template()) flags |= SyncFlags::inactive;
  if (c.is_template()) flags |= SyncFlags::persistence;
  return flags;
}

SyncEntry entry_of(const Connection& c, const SyncView& view, bool extra, Instant now) {
  SyncEntry e;
  e.protocol = c.protocol;
  e.state = c.state;
  e.flags = flags_of(c);
  e.client = c.client();
  e.vip = c.vip();
  e.server = c.real_server();
  e.mark = view.services.server(c.server).key.mark;
  e.timeout = static_cast<uint32_t>(timeout_of(c, view.timeouts) / 1s);
  e.shifts = shifts_of(c, view.ftp);
  if (e.shifts) e.flags |= SyncFlags::server_shift;
  if (extra) {
    e.extra = SyncExtra{.left = view.connections.left(c, now)};
    if (!c.is_template()) e.extra->client_mac = Mac{c.peer.client_mac}, e.extra->link = c.link();
  }
  return e;
}

}  // namespace

SyncSender::SyncSender(const SyncSettings& settings, uint32_t capacity, uint32_t sender, SyncSeal seal, Instant now)
    : settings_(settings),
      seal_(std::move(seal)),
      composer_(settings.id, settings.max_length, seal_ ? kSyncSealedTrailer : kSyncTrailer),
      epoch_(now),
      told_(static_cast<uint32_t*>(std::calloc(size_t{ConnectionTable::last_id(capacity)} + 1, sizeof(uint32_t)))),
      last_(told_ ? ConnectionTable::last_id(capacity) : 0) {
  trailer_.sender = sender;
}

void SyncSender::lead(bool leads, Instant now) {
  if (leads_ == leads) return;
  leads_ = leads;
  full_ = leads && settings_.full_every > Duration::zero() ? now + settings_.full_every : kNever;
  if (leads) return;
  while (queued_ != 0) {
    told_[queue_[first_]] &= ~kQueued;
    first_ = (first_ + 1) % kQueue;
    --queued_;
  }
  flush_ = portion_ = kNever;
  to_visit_ = 0;
  completing_ = false;
}

// Never 0, which means "not sent yet".
uint32_t SyncSender::tick(Instant t) const {
  return std::max<uint32_t>(static_cast<uint32_t>((t - epoch_) / kSyncTick) & ~kNotDeadline, kNotDeadline + 1);
}

// True if connections of this kind and state are sent at all.
bool SyncSender::wanted(const Connection& c) const {
  // IPVS has no full NAT; and its local address is this host's, to which servers' replies come whoever is master.
  if (c.method() == Method::fullnat) return false;
  if (c.is_wide() && c.client_address().family() != c.server_address().family()) return false;
  if (c.is_template()) return c.rport != kNoPort;
  if (c.is_proxied()) return false;  // no message holds its numbers: its client is better reset than kept guessing
  if (c.cport.value == 0) return false;
  if (c.protocol == Protocol::tcp) return (kTcpTold & bit(c.state)) != 0;
  if (c.protocol == Protocol::sctp) return (kSctpTold & bit(c.state)) != 0;
  return true;
}

bool SyncSender::withheld(const Connection& c, const SyncView& view) const {
  if (!settings_.persist_mode || c.controller() == kNoConnection) return false;
  const Connection* const parent = view.connections.at(c.controller());
  return parent && parent->is_template();
}

// True if the deadline has moved too little since it was sent (IPVS: sync_refresh_period). A connection that controls
// others is sent at most every 10 s; IPVS sends it with each of their packets.
bool SyncSender::fresh(const Connection& c, ConnectionId id, Duration least, const SyncView& view, Instant now) {
  const uint32_t before = told_[id] & ~kNotDeadline;
  if (before == 0) return false;
  const Duration lasts = timeout_of(c, view.timeouts), refresh = settings_.refresh_period;
  const Duration period = std::max(std::min(refresh, std::max<Duration>(lasts / 2, 10s)), std::min(least, lasts / 2));
  if (period == Duration::zero()) return false;
  const uint32_t retries = told_[id] & kRetries;
  if (std::abs(int64_t{distance(before, tick(now + lasts))}) >= period / kSyncTick) {
    told_[id] &= ~kRetries;
    return false;
  }
  if (refresh == Duration::zero() || retries >= settings_.retries) return true;
  if (distance(before, tick(now + lasts - refresh / 8)) < 0) return true;
  told_[id] = (told_[id] & ~kRetries) | (retries + 1);
  return false;
}

void SyncSender::packet(const Connection& c, const SyncView& view, Instant now) {
  if (!leads_) return;
  if (!withheld(c, view)) touch(c, view, now);
  const Connection* const parent = view.connections.at(c.controller());
  if (!parent) return;
  const ConnectionId id = view.connections.id(*parent);
  if (id > last_ || (told_[id] & kQueued) || !wanted(*parent)) return;
  if (told_once(*parent, id) || fresh(*parent, id, kParentAgain, view, now)) return;
  enqueue(id, now);
}

// Without either period a template is sent once, and a connection at the threshold.
bool SyncSender::told_once(const Connection& c, ConnectionId id) const {
  const bool periodic = settings_.period != 0 || settings_.refresh_period != Duration::zero();
  return c.is_template() && !periodic && (told_[id] & ~kNotDeadline) != 0;
}

void SyncSender::touch(const Connection& c, const SyncView& view, Instant now) {
  const ConnectionId id = view.connections.id(c);
  if (id > last_ || (told_[id] & kQueued) || !wanted(c)) return;
  // The counter wraps at 256: there the distance to the next packet that is sent is shorter, once.
  const bool counted = settings_.period != 0
                           ? c.packets % settings_.period == settings_.threshold % settings_.period
                           : settings_.refresh_period != Duration::zero() || c.packets == settings_.threshold;
  // A connection that was not yet established at its threshold (a repeated SYN) must not wait for the next period.
  const bool first = (told_[id] & ~kNotDeadline) == 0 && c.packets >= settings_.threshold;
  if (first) return enqueue(id, now);
  if (counted && !fresh(c, id, Duration::zero(), view, now)) enqueue(id, now);
}

void SyncSender::state_changed(const Connection& c, const SyncView& view, Instant now) {
  if (!leads_ || !wanted(c)) return;
  if (c.is_template() || is_established(c) || c.protocol == Protocol::udp) return;  // these are sent by packet()
  if (!withheld(c, view)) enqueue(view.connections.id(c), now);
}

void SyncSender::ended(ConnectionId id) {
  if (id <= last_) told_[id] &= kQueued;
}

void SyncSender::enqueue(ConnectionId id, Instant now) {
  if (id > last_ || (told_[id] & kQueued)) return;
  if (queued_ == kQueue) {
    ++counters_.overflows;
    if (to_visit_ == 0) tell_all(now);
    return;
  }
  if (queued_ == 0) flush_ = now + kFlush;
  told_[id] |= kQueued;
  queue_[(first_ + queued_++) % kQueue] = id;
}

// A request during a full transfer restarts the transfer at its present place.
void SyncSender::tell_all(Instant now) {
  if (!leads_ || last_ == 0) return;
  if (to_visit_ == 0 && !completing_) portion_ = now, portion_messages_ = 0;
  to_visit_ = last_;
  if (settings_.full_every > Duration::zero()) full_ = now + settings_.full_every;
}

bool SyncSender::add(const Connection& c, const SyncView& view, Instant now) {
  if (!composer_.add(entry_of(c, view, settings_.extra, now))) return false;
  uint32_t& told = told_[view.connections.id(c)];
  told = tick(now + timeout_of(c, view.timeouts)) | (told & kNotDeadline);
  ++counters_.entries;
  return true;
}

// Adds entries from the queue to one message. Skips entries that have ended or are in a state that is not sent.
void SyncSender::take_queue(const SyncView& view, Instant now) {
  for (; queued_ != 0; --queued_, first_ = (first_ + 1) % kQueue) {
    const ConnectionId id = queue_[first_];
    const Connection* const c = view.connections.at(id);
    if (c && wanted(*c) && !add(*c, view, now)) return;
    told_[id] &= ~kQueued;
  }
  flush_ = kNever;
}

void SyncSender::take_portion(const SyncView& view, Instant now) {
  const ConnectionId end = std::min(view.connections.id_limit(), last_ + 1);
  for (uint32_t visits = 0; to_visit_ != 0 && visits < kPortionVisits; ++visits) {
    if (position_ >= end) {  // later entries were never used
      to_visit_ -= std::min(to_visit_, last_ + 1 - end);
      position_ = 1;
      if (end <= 1) to_visit_ = 0;
      continue;
    }
    const Connection* const c = view.connections.at(position_);
    const bool tell = c && wanted(*c) && !withheld(*c, view) && !view.connections.expired(*c, now);
    if (tell && !add(*c, view, now)) return;
    ++position_;
    --to_visit_;
  }
  completing_ = to_visit_ == 0;
}

Bytes SyncSender::finish(bool request, UnixTime clock) {
  trailer_.request = request;
  trailer_.complete = completing_ && !request;
  if (trailer_.complete) ++counters_.complete, completing_ = false;
  ++trailer_.number;
  ++counters_.messages;
  return composer_.finish(trailer_, seal_, clock);
}

std::optional<Bytes> SyncSender::next(const SyncView& view, Instant now, UnixTime clock) {
  if (asking_) {
    asking_ = false;
    return finish(true, clock);
  }
  if (!leads_) return std::nullopt;
  if (now >= full_) tell_all(now);
  if (queued_ != 0 && (now >= flush_ || queued_ >= composer_.room())) {
    take_queue(view, now);
    if (!composer_.empty()) return finish(false, clock);
  }
  while (now >= portion_) {
    take_portion(view, now);
    const bool last = completing_;
    if (last) {
      portion_ = kNever;
    } else if (++portion_messages_ % kPortionMessages == 0) {
      portion_ = now + kPortionEvery;
    }
    if (last || !composer_.empty()) return finish(false, clock);
  }
  return std::nullopt;
}

Instant SyncSender::next_deadline() const {
  if (asking_ || (queued_ != 0 && queued_ >= composer_.room())) return epoch_;  // at once
  return std::min({flush_, portion_, full_});
}

}  // namespace rawvs
