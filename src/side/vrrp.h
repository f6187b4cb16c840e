// SPDX-License-Identifier: BSD-2-Clause
// vrrp.h: VRRP versions 2 and 3, the latter for IPv4 and IPv6: which director is master of which VIPs; all instances of
// this host.
// In:  the configuration; received adverts; links and tracks that change; the time.
// Out: adverts to send, transitions, VIPs to announce again, notices for the log.
// Not: bytes (vrrp_packet.h), sockets, answering ARP (claim.h, by may_answer()).
// RFC: 9568 section 6 (its "active" is called master here, as in keepalived), 3768 for version 2.
//
// A turn of the loop: 1. everything received goes into heard(); 2. time_passed(); 3. the adverts in the outbox are
// sent, before any other traffic, and transitions are carried out. The order matters after a pause of the process:
// adverts that wait in the sockets show that the master lives, the clock alone does not.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/link.h"
#include "core/outbox.h"
#include "core/tell_once.h"
#include "rawvs/result.h"
#include "side/vrrp_telling.h"
#include "wire/vrrp_packet.h"

namespace rawvs {

struct VrrpTrack {   // a condition of a good master, such as enough servers up
  std::string name;  // for messages: "2 servers of web"
  // 0: fault while the condition is not met. -253..-1: the priority is lowered by this while it is not met. 1..253:
  // raised by this while it is met.
  int weight = 0;
  friend bool operator==(const VrrpTrack&, const VrrpTrack&) = default;
};

// Whether an instance decides about the VIPs of services that no instance names. Exactly one does: among those with
// `automatic`, the one with the smallest virtual router id, on the first link that has one: all directors choose
// the same one, whatever the order of their sections.
enum class OtherVips : uint8_t { automatic, yes, no };

struct VrrpSpec {  // one instance as configured; REQUIRES: check_vrrp() accepts it
  std::string name{};
  Link link{};
  uint8_t vrid = 1;               // virtual router id, 1-255; once per link and family
  uint8_t version = 3;            // 2 or 3
  uint8_t priority = 100;         // 1-255; 255: the addresses are this host's own, it is master whenever possible
  Duration interval = 1s;         // between adverts. Version 3: 10 ms to 40.95 s in steps of 10 ms; 2: 1 to 255 s
  bool preempt = true;            // take over from a master of lower priority
  Duration preempt_delay{};       // after having heard it for this time; at most 1000 s
  bool begins_as_master = false;  // at start, listen for one interval instead of three
  bool same_addresses = false;    // version 2: refuse adverts with other addresses than ours (RFC 3768 section 7.1)
  bool track_link = true;         // fault while the interface is down or has no carrier
  bool virtual_mac = false;       // the VIPs have the MAC address of virtual_router_mac(), not the interface's
  OtherVips other_vips = OtherVips::automatic;          // at most one instance has yes; if all have no, nobody decides
  VrrpChecksum checksum = VrrpChecksum::pseudo_header;  // of adverts sent, version 3; received ones may have either
  std::string password{};       // version 2: at most 8 bytes, which everyone on the LAN can read; empty: none
  std::vector<Ip> addresses{};  // the VIPs, 1-255, of one family
  std::vector<Ip> peers{};      // unicast: adverts are exchanged with these; empty: multicast
  Ip source{};  // source address of adverts; unspecified: the interface's first that is no VIP, of IPv6 link-local
  // Of received unicast adverts; multicast ones always need 255. None: 255 if the peer is on a network of the link, so
  // that no router can be on the way, else any; any, too, from link-local ones, which no router forwards.
  std::optional<uint8_t> min_ttl{};
  std::string group{};  // instances of one group are master together or not at all; empty: none
  std::vector<VrrpTrack> tracks{};
  Family family() const { return addresses.empty() ? Family::ipv4 : addresses[0].family(); }
  friend bool operator==(const VrrpSpec&, const VrrpSpec&) = default;
};

inline constexpr size_t kMostInstances = 255;  // per link and family
inline constexpr size_t kMostVrrpPeers = 64;   // of an instance
inline constexpr size_t kMostVrrpTracks = 64;  // of an instance

// The faults of the specs, as text: "vrrp web: vrid 51: ...". In the order of specs.
Result<Done> check_vrrp(std::span<const VrrpSpec> specs);

enum class VrrpState : uint8_t { initialize, backup, master, fault };
enum class VrrpEvent : uint8_t {
  start,           // it is started, and nothing prevents it; or a fault has ended
  start_owner,     // the same with priority 255
  stop,            // it is stopped
  hurt,            // link, source address or a track failed
  silence,         // as backup: the master's time has passed
  advert_due,      // as master: an advert is due
  heard_end,       // an advert with priority 0
  heard_stronger,  // higher priority than ours, or the same from a greater address
  heard_equal,     // the same priority from a smaller address
  heard_weaker,    // lower priority
  group_left,      // another instance of its group cannot be master
};
enum class VrrpAct : uint8_t {  // the action besides entering the next state
  nothing,
  follow,     // accept this master and its interval, wait for its next adverts
  hasten,     // there is no master: wait for the skew time only
  advertise,  // send an advert, and the next one an interval later
  answer,     // send one at once, for another host that believes to be master
  resign,     // send an advert with priority 0: the next master need not wait
};
struct VrrpStep {
  VrrpState next;
  VrrpAct act;
  friend bool operator==(const VrrpStep&, const VrrpStep&) = default;
};
// The state machine. preempts: this instance takes over from masters of lower priority, now.
VrrpStep vrrp_step(VrrpState state, VrrpEvent event, bool preempts);

const char* name(VrrpState state);
std::string seconds_text(Duration d);  // 3.610 s

// A backup takes over its master's interval (version 3) within these bounds: one forged advert with 40.95 s would leave
// the VIPs with nobody for two minutes.
inline constexpr int kVrrpIntervalRatio = 10;  // to its own interval, up and down
constexpr Duration vrrp_learned(Duration told, Duration own) {
  return std::clamp(told, own / kVrrpIntervalRatio, std::max<Duration>(own * kVrrpIntervalRatio, 1s));
}

// The skew time: shorter for higher priorities. Exact: (256 - priority) / 256 of a second (version 2), or of the
// master's interval (version 3). Rounded up to milliseconds: a higher priority never times out later, and sooner by at
// least 1 ms if the priorities differ by 256 ms / interval (10 ms: 26; 100 ms: 3). Closer ones may time out in the same
// millisecond; then both send adverts, and the weaker one yields to the first that it hears.
Duration vrrp_skew(uint8_t version, uint8_t priority, Duration interval);
inline constexpr int kVrrpSilentIntervals = 3;  // no backup takes over sooner
// The time without adverts after which a master counts as dead: three intervals and the skew time.
inline Duration vrrp_down(uint8_t version, uint8_t priority, Duration interval) {
  return kVrrpSilentIntervals * interval + vrrp_skew(version, priority, interval);
}

struct VrrpSend {  // the IP packet around it: protocol 112, TTL kVrrpTtl, TOS kVrrpTos
  Link link{};
  uint8_t vrid = 0, priority = 0;
  Ip source{}, destination{};  // destination: vrrp_group(), or a peer (by the routing table)
  std::optional<Mac> from{};   // Ethernet source, if not the interface's; for multicast only
  size_t at = 0, size = 0;     // its bytes: VrrpOutbox::payload()
};

struct VrrpTransition {
  std::string name;
  Link link{};
  uint8_t vrid = 0;
  VrrpState from = VrrpState::initialize, to = VrrpState::initialize;
  std::string reason;                   // "192.0.2.2 (priority 50) was silent for 3.610 s"
  bool logged = true, notified = true;  // not when they come too fast (vrrp_telling.h)
};
std::string text(const VrrpTransition& t);  // "vrrp web: backup -> master: ..."

class VrrpOutbox {  // read, act, clear() before the next turn; several calls may write into one
 public:
  const std::vector<VrrpSend>& sends() const { return sends_; }
  Bytes payload(const VrrpSend& s) const { return Bytes(bytes_).subspan(s.at, s.size); }
  const std::vector<VrrpTransition>& transitions() const { return transitions_; }
  // What to tell of transitions that came too fast to be told: from the last state that was told to the present one.
  const std::vector<VrrpTransition>& late() const { return late_; }
  // VIPs of masters that remained masters, to announce again: another host may have been believed.
  const std::vector<Ip>& announce() const { return announce_; }
  bool announce_others() const { return announce_others_; }  // and those that no instance names
  const std::vector<Notice>& notices() const { return notices_; }
  void clear() {
    sends_.clear(), bytes_.clear(), transitions_.clear(), late_.clear(), announce_.clear(), notices_.clear();
    announce_others_ = false;
  }

 private:
  friend class Vrrp;
  std::vector<VrrpSend> sends_;
  std::vector<uint8_t> bytes_;  // keeps its memory: regular adverts allocate nothing after a while
  std::vector<VrrpTransition> transitions_, late_;
  std::vector<Ip> announce_;
  bool announce_others_ = false;
  std::vector<Notice> notices_;
};

struct VrrpTurn {  // as Turn (turn.h)
  Instant now;
  VrrpOutbox& out;
};

using VrrpRefusalCounters = std::array<uint64_t, kVrrpRefusals>;

struct VrrpCounters {
  uint64_t sent = 0, ends_sent = 0;    // adverts, each counted once for all peers; and those with priority 0
  uint64_t heard = 0, ends_heard = 0;  // adverts that broke no rule; and those with priority 0
  uint64_t became_master = 0;
  uint64_t answered = 0;           // adverts sent because another host believed to be master
  uint64_t woke_late = 0;          // timers that fired so late that another may have become master
  uint64_t message_checksums = 0;  // version 3 adverts received whose checksum covers no pseudo-header
  uint64_t other_interval = 0;     // version 3 adverts received with another interval than ours, which is followed
  uint64_t other_addresses = 0;    // adverts received with other addresses than ours, but accepted
  VrrpRefusalCounters refused{};
};

// Oddities that are logged from time to time, not with every advert.
enum VrrpOddity : size_t { kOtherInterval, kOtherAddresses, kWokeLate, kVrrpTold };
inline constexpr std::array<Instant, kVrrpTold> kVrrpNeverTold = [] {
  std::array<Instant, kVrrpTold> never;
  never.fill(kNever);
  return never;
}();

class Vrrp {
 public:
  struct Master {
    Ip address{};
    uint8_t priority = 0;
    Instant heard{};
  };
  // advert:    as master: the next advert.
  // down:      as backup: the master counts as dead.
  // preempt:   as backup: the weaker master has been heard for preempt_delay.
  // announce:  as master: an announcement of the VIPs that had to wait.
  struct Timers {
    Instant advert = kNever, down = kNever, preempt = kNever, announce = kNever;
    Instant silence() const { return std::min(down, preempt); }
    Instant next() const { return std::min(std::min(advert, announce), silence()); }
  };
  struct Instance {
    VrrpSpec spec{};
    VrrpState state = VrrpState::initialize;
    uint8_t priority = 100;        // with the tracks' weights
    Duration interval{};           // the master's, if heard (version 3)
    std::optional<Master> master;  // another host, or this one; none: unknown
    Instant since{};               // of the last transition
    std::string reason{};          // for the last transition
    VrrpCounters counters{};
    TellOnce refused{};        // senders of refused adverts, and the reasons logged
    std::vector<bool> well{};  // one per track
    Timers timers{};
    Instant last_sent{}, last_announced{};
    bool wants_master = false;                             // would be master if the others of its group would
    bool waited_again = false;                             // its timer fired late, so it waits once more
    std::optional<Ip> ended{};                             // the last advert was this master's with priority 0
    uint16_t group = 0;                                    // 0: none
    std::vector<Ip> sorted{};                              // its addresses
    std::array<Instant, kVrrpTold> told = kVrrpNeverTold;  // when each oddity was last logged
    VrrpTelling<VrrpState> telling{};
    bool may_tell(size_t oddity, Instant now);  // false: logged a short while ago
    Mac mac() const {
      return spec.virtual_mac ? virtual_router_mac(spec.vrid, spec.family()) : Mac{};
    }  // of its VIPs; 0: the link's
  };

  // Sets the instances, in this order. REQUIRES: check_vrrp(specs) succeeds. Instances are recognised by link, family,
  // virtual router id and version, and keep their state; others stop (a master sends priority 0), new ones start if
  // start() was called. Tracks are recognised by name; new ones count as met until track() says otherwise.
  void configure(std::vector<VrrpSpec> specs, VrrpTurn turn);

  // REQUIRES: link_changed() was called for each link, and track() for conditions that are not met.
  // masters: the instances that the program before this one was master of goes on as such. With a value, none of the
  // states at the start is news.
  void start(VrrpTurn turn, const std::optional<std::vector<std::string>>& masters = {});
  void stop(VrrpTurn turn);  // every master resigns; REQUIRES: the adverts are sent

  // An IP packet of protocol 112 to vrrp_group() or to this host, received on this link. Refusals are counted.
  std::optional<VrrpRefusal> heard(Link link, const VrrpDatagram& in, VrrpTurn turn);
  void link_changed(Link link, const LinkFacts& facts, VrrpTurn turn);
  void track(size_t instance, size_t which, bool well, VrrpTurn turn);  // indexes into all() and spec.tracks
  // REQUIRES: everything received so far went into heard(). A backup whose timer fires late by more than half an
  // interval waits another interval before it takes the master for dead; a master that was silent for three intervals
  // announces its VIPs again.
  void time_passed(VrrpTurn turn);
  Instant next_deadline() const { return earliest_; }

  const Instance* instance_of(Ip vip) const;  // the instance that decides about it: its own, or of_others()
  const Instance* of_others() const;          // the instance for VIPs that no instance names; null: none
  // True if this host answers for an address: no instance decides about it, or the instance is master.
  bool may_answer(Ip vip) const;
  const std::vector<Instance>& all() const { return instances_; }
  Ip source_of(const Instance& i) const;                               // of its adverts
  const VrrpRefusalCounters& strangers() const { return strangers_; }  // refused adverts that concern no instance

 private:
  struct Cause {  // the cause of an event
    uint8_t priority = 0;
    Ip from{};
    Duration interval{};  // of an advert; the other fields are for the transition's reason
    std::string why{};    // if the cause is no advert
  };
  struct Owned {
    Ip vip{};
    uint16_t instance = 0;
  };

  // One instance: vrrp.cpp.
  VrrpStep apply(Instance& i, VrrpEvent event, const Cause& cause, VrrpTurn turn);
  void enter(Instance& i, VrrpState next, std::string reason, VrrpTurn turn);
  void perform(Instance& i, VrrpAct act, const Cause& cause, VrrpTurn turn);
  void listen(Instance& i, Duration wait, Instant now);
  void advertise(Instance& i, uint8_t priority, VrrpTurn turn);
  void announce(Instance& i, VrrpTurn turn);
  void silent(Instance& i, VrrpTurn turn);
  void tell_late(Instance& i, VrrpTurn turn);
  void woke_late(Instance& i, Duration silence, VrrpTurn turn);
  void due(Instant& timer, Instant when) { timer = when, earliest_ = std::min(earliest_, when); }

  // Received adverts: vrrp_heard.cpp.
  uint8_t least_ttl(const Instance& i, Ip peer) const;
  std::optional<VrrpRefusal> broken_rule(const Instance& i, const VrrpDatagram& in, const VrrpAdvert& advert) const;
  void compare(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn);
  void accept(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn);

  // All instances, and the host: vrrp_group.cpp.
  void happened(Instance& i, VrrpEvent event, const Cause& cause, VrrpTurn turn);
  void set_off(Instance& i, VrrpTurn turn);
  void review(Instance& i, VrrpTurn turn);
  bool group_ready(const Instance& i) const;
  void group_follows(const Instance& first, VrrpTurn turn);
  std::optional<std::string> reason_to_stop(const Instance& i) const;
  void take_spec(Instance& i, VrrpSpec spec);
  void number();
  void find_sources();
  Instance* find(Link link, Family family, uint8_t vrid);

  std::vector<Instance> instances_;
  std::vector<Owned> owned_;  // sorted by VIP
  std::optional<size_t> of_others_{};
  std::array<LinkFacts, kMostLinks> links_{};
  std::array<std::array<Ip, 2>, kMostLinks> sources_{};  // by link and family: the first address that is no VIP
  VrrpRefusalCounters strangers_{};
  Instant earliest_ = kNever;  // nothing is due before; may be too early, never too late
  bool started_ = false;
};

}  // namespace rawvs
