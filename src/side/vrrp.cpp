// SPDX-License-Identifier: BSD-2-Clause
// vrrp.cpp: one VRRP instance: state machine, timers, adverts.
//   initialize  not started, or stopped
//   backup      another host is master, or may be: listens
//   master      sends adverts every interval, has the VIPs
//   fault       its interface or a track is not well: neither sends nor listens
#include "side/vrrp.h"

#include <utility>

#include "wire/formatted.h"

namespace rawvs {

namespace {

// Others' adverts must not cause endless adverts of ours: one answers all that came within the shortest interval.
constexpr Duration kBetweenAnswers = 10ms;
constexpr Duration kBetweenGratuitous = 1s;
constexpr Duration kBetweenTellings = 600s;  // of the same oddity, in the log

// An owner takes over whatever is configured (RFC 9568 section 6.1: Preempt_Mode). An instance that waits for its group
// to become master has already waited for preempt_delay.
bool preempts(const Vrrp::Instance& i) {
  if (i.priority == kVrrpOwner) return true;
  return i.spec.preempt && (i.spec.preempt_delay == Duration::zero() || i.wants_master);
}

// The reason for a backup's take-over.
std::string reason_of_silence(const Vrrp::Instance& i, Instant now) {
  if (i.ended) return formatted("{} has stopped being master", text(*i.ended));
  if (!i.master) return formatted("no master was heard for {}", seconds_text(now - i.since));
  const std::string who = formatted("{} (priority {})", text(i.master->address), i.master->priority);
  const bool alive = now - i.master->heard < 2 * i.interval;
  if (alive && i.master->priority < i.priority) return formatted("{} is weaker, ours is {}", who, i.priority);
  return formatted("{} was silent for {}", who, seconds_text(now - i.master->heard));
}

}  // namespace

Duration vrrp_skew(uint8_t version, uint8_t priority, Duration interval) {
  const Duration whole = version == 2 ? Duration(1s) : interval;
  return Duration(((256 - priority) * whole.count() + 255) / 256);
}

// Differs from the RFCs in one rule: an owner does not ignore adverts. With two owners there would be two masters for
// ever; so the one with the smaller address yields.
VrrpStep vrrp_step(VrrpState state, VrrpEvent event, bool preempts) {
  using S = VrrpState;
  using A = VrrpAct;
  const VrrpStep stay{state, A::nothing};
  switch (state) {
    case S::initialize:
    case S::fault:
      switch (event) {
        case VrrpEvent::start: return {S::backup, A::nothing};
        case VrrpEvent::start_owner: return {S::master, A::nothing};
        case VrrpEvent::stop: return {S::initialize, A::nothing};
        case VrrpEvent::hurt: return {S::fault, A::nothing};
        case VrrpEvent::silence:
        case VrrpEvent::advert_due:
        case VrrpEvent::heard_end:
        case VrrpEvent::heard_stronger:
        case VrrpEvent::heard_equal:
        case VrrpEvent::heard_weaker:
        case VrrpEvent::group_left: return stay;
      }
      break;
    case S::backup:
      switch (event) {
        case VrrpEvent::stop: return {S::initialize, A::nothing};
        case VrrpEvent::hurt: return {S::fault, A::nothing};
        case VrrpEvent::silence: return {S::master, A::nothing};
        case VrrpEvent::heard_end: return {S::backup, A::hasten};
        case VrrpEvent::heard_stronger:
        case VrrpEvent::heard_equal: return {S::backup, A::follow};
        case VrrpEvent::heard_weaker: return {S::backup, preempts ? A::nothing : A::follow};
        case VrrpEvent::start:
        case VrrpEvent::start_owner:
        case VrrpEvent::advert_due:
        case VrrpEvent::group_left: return stay;
      }
      break;
    case S::master:
      switch (event) {
        case VrrpEvent::stop: return {S::initialize, A::resign};
        case VrrpEvent::hurt: return {S::fault, A::resign};
        case VrrpEvent::group_left: return {S::backup, A::resign};
        case VrrpEvent::advert_due: return {S::master, A::advertise};
        case VrrpEvent::heard_stronger: return {S::backup, A::follow};
        case VrrpEvent::heard_end:
        case VrrpEvent::heard_equal:
        case VrrpEvent::heard_weaker: return {S::master, A::answer};
        case VrrpEvent::start:
        case VrrpEvent::start_owner:
        case VrrpEvent::silence: return stay;
      }
      break;
  }
  return stay;
}

std::string seconds_text(Duration d) {
  const std::string ms = std::to_string(1000 + d.count() % 1000);
  return std::to_string(d.count() / 1000) + '.' + ms.substr(1) + " s";
}

const char* name(VrrpState state) {
  switch (state) {
    case VrrpState::initialize: return "initialize";
    case VrrpState::backup: return "backup";
    case VrrpState::master: return "master";
    case VrrpState::fault: return "fault";
  }
  return "?";
}

std::string text(const VrrpTransition& t) {
  return formatted("vrrp {}: {} -> {}: {}", t.name, name(t.from), name(t.to), t.reason);
}

VrrpStep Vrrp::apply(Instance& i, VrrpEvent event, const Cause& cause, VrrpTurn turn) {
  const VrrpStep s = vrrp_step(i.state, event, preempts(i));
  if (s.next != i.state) {
    std::string reason = cause.why;
    if (event == VrrpEvent::silence && reason.empty()) reason = reason_of_silence(i, turn.now);
    if (event == VrrpEvent::heard_stronger) {
      const std::string from = text(cause.from);
      reason = cause.priority > i.priority
                   ? formatted("{} has priority {}, ours is {}", from, cause.priority, i.priority)
                   : formatted("{} has the same priority {} and the greater address", from, cause.priority);
    }
    enter(i, s.next, std::move(reason), turn);
  }
  perform(i, s.act, cause, turn);
  return s;
}

bool Vrrp::Instance::may_tell(size_t oddity, Instant now) {
  if (told[oddity] != kNever && now - told[oddity] < kBetweenTellings) return false;
  told[oddity] = now;
  return true;
}

// Enters a state, with everything that it begins with.
void Vrrp::enter(Instance& i, VrrpState next, std::string reason, VrrpTurn turn) {
  const VrrpState before = std::exchange(i.state, next);
  i.since = turn.now;
  i.reason = std::move(reason);
  i.timers = {};
  i.interval = i.spec.interval;
  i.wants_master = i.waited_again = false;
  i.master.reset(), i.ended.reset();
  // A stopped instance may be gone when it would be told later.
  const bool told = i.telling.take(next, next == VrrpState::initialize, turn.now);
  if (!told) earliest_ = std::min(earliest_, i.telling.due());
  turn.out.transitions_.push_back({i.spec.name, i.spec.link, i.spec.vrid, before, next, i.reason, told, told});
  if (next == VrrpState::backup) {
    const bool short_listening = before == VrrpState::initialize && i.spec.begins_as_master;
    const Duration skew = vrrp_skew(i.spec.version, i.priority, i.interval);
    listen(i, (short_listening ? 1 : kVrrpSilentIntervals) * i.interval + skew, turn.now);
  } else if (next == VrrpState::master) {
    ++i.counters.became_master;
    i.last_announced = turn.now;  // the transition includes an announcement
    advertise(i, i.priority, turn);
    due(i.timers.advert, turn.now + i.spec.interval);
  }
}

void Vrrp::perform(Instance& i, VrrpAct act, const Cause& cause, VrrpTurn turn) {
  switch (act) {
    case VrrpAct::nothing: break;
    case VrrpAct::follow:
      if (i.spec.version == 3) i.interval = vrrp_learned(cause.interval, i.spec.interval);
      listen(i, vrrp_down(i.spec.version, i.priority, i.interval), turn.now);
      break;
    case VrrpAct::hasten: listen(i, vrrp_skew(i.spec.version, i.priority, i.interval), turn.now); break;
    case VrrpAct::advertise: {
      // A late turn must not delay the next advert.
      const bool in_time = turn.now - i.timers.advert < i.spec.interval;
      due(i.timers.advert, after(in_time ? i.timers.advert : turn.now, i.spec.interval));
      advertise(i, i.priority, turn);
      break;
    }
    case VrrpAct::answer:
      if (turn.now - i.last_sent >= kBetweenAnswers) {
        ++i.counters.answered;
        advertise(i, i.priority, turn);
        due(i.timers.advert, turn.now + i.spec.interval);
      }
      announce(i, turn);  // hosts that heard the other director now use its address
      break;
    case VrrpAct::resign: advertise(i, kVrrpEnd, turn); break;
  }
}

void Vrrp::listen(Instance& i, Duration wait, Instant now) {
  due(i.timers.down, now + wait);
  i.wants_master = i.waited_again = false;
}

void Vrrp::advertise(Instance& i, uint8_t priority, VrrpTurn turn) {
  i.last_sent = turn.now;
  const Ip source = source_of(i);
  if (i.state == VrrpState::master) i.master = Master{source, priority, turn.now};
  if (source.unspecified() || !links_[index(i.spec.link)].usable()) return;
  const VrrpSpec& spec = i.spec;
  VrrpAdvert advert;
  advert.version = spec.version, advert.vrid = spec.vrid, advert.priority = priority, advert.interval = spec.interval;
  advert.checksum = spec.checksum;
  advert.auth = spec.password.empty() ? VrrpAuth::none : VrrpAuth::password;
  advert.password = vrrp_password(spec.password);
  advert.addresses = VrrpAddresses(spec.addresses);
  const Ip group = vrrp_group(spec.family());
  const std::span<const Ip> to = spec.peers.empty() ? std::span(&group, 1) : std::span(spec.peers);
  for (const Ip destination : to) {
    std::array<uint8_t, kMostVrrpSize> bytes;
    const size_t size = write_vrrp(bytes, advert, source, destination);
    // Adverts to peers are routed: they tell the switches of this network nothing.
    const bool virtual_mac = spec.virtual_mac && destination == group;
    const auto from = virtual_mac ? std::optional(virtual_router_mac(spec.vrid, spec.family())) : std::nullopt;
    turn.out.sends_.push_back(
        {spec.link, spec.vrid, priority, source, destination, from, turn.out.bytes_.size(), size});
    turn.out.bytes_.insert(turn.out.bytes_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  }
  ++(priority == kVrrpEnd ? i.counters.ends_sent : i.counters.sent);
}

void Vrrp::announce(Instance& i, VrrpTurn turn) {
  if (turn.now - i.last_announced < kBetweenGratuitous) {
    due(i.timers.announce, i.last_announced + kBetweenGratuitous);
    return;
  }
  i.timers.announce = kNever;
  i.last_announced = turn.now;
  turn.out.announce_.insert(turn.out.announce_.end(), i.spec.addresses.begin(), i.spec.addresses.end());
  turn.out.announce_others_ |= &i == of_others();
}

void Vrrp::time_passed(VrrpTurn turn) {
  if (turn.now < earliest_) return;
  for (Instance& i : instances_) {
    if (i.timers.announce <= turn.now) announce(i, turn);
    if (i.telling.due() <= turn.now) tell_late(i, turn);
    if (i.timers.advert <= turn.now) {
      const Duration silence = turn.now - i.last_sent;
      apply(i, VrrpEvent::advert_due, {}, turn);
      if (silence >= kVrrpSilentIntervals * i.spec.interval) woke_late(i, silence, turn);
    } else if (i.timers.silence() <= turn.now) {
      silent(i, turn);
    }
  }
  earliest_ = kNever;
  for (const Instance& i : instances_) earliest_ = std::min({earliest_, i.timers.next(), i.telling.due()});
}

void Vrrp::tell_late(Instance& i, VrrpTurn turn) {
  const auto late = i.telling.settle(i.state, turn.now);
  turn.out.late_.push_back({i.spec.name, i.spec.link, i.spec.vrid, late.told, i.state,
                            formatted("{} changes came too fast to be told; the last: {}", late.untold, i.reason), true,
                            late.told != i.state});
}

// The master's time has passed. If this turn is so late that adverts may have been lost in the full socket, the master
// gets one more interval.
void Vrrp::silent(Instance& i, VrrpTurn turn) {
  const Duration late = turn.now - i.timers.silence();
  if (late > i.interval / 2 && !i.waited_again) {
    const bool preempting = i.timers.preempt <= turn.now;
    listen(i, i.interval + vrrp_skew(i.spec.version, i.priority, i.interval), turn.now);
    i.waited_again = true;
    if (preempting) i.timers.preempt = i.timers.down;
    woke_late(i, late, turn);
    return;
  }
  if (!group_ready(i)) {  // the last one of the group that is ready takes the others along
    i.wants_master = true;
    i.timers.down = i.timers.preempt = kNever;
    return;
  }
  happened(i, VrrpEvent::silence, {}, turn);
}

void Vrrp::woke_late(Instance& i, Duration silence, VrrpTurn turn) {
  ++i.counters.woke_late;
  const bool master = i.state == VrrpState::master;
  if (master) announce(i, turn);
  if (!i.may_tell(kWokeLate, turn.now)) return;
  const std::string span = seconds_text(silence);
  turn.out.notices_.push_back(
      {Severity::warning,
       master
           ? formatted("vrrp {}: sent no advert for {}: others may have taken over meanwhile; announcing", i.spec.name,
                       span)
           : formatted("vrrp {}: looked at the clock {} late: listening again before taking over", i.spec.name, span)});
}

}  // namespace rawvs
