// SPDX-License-Identifier: BSD-2-Clause
// vrrp.h: which of several directors is master of which VIPs: VRRP versions 2 and 3, all instances of this host.
// In:  what is configured; adverts heard; links and tracks that change; the time.   Out: adverts to send, transitions,
// VIPs to announce again, news for the log. Not: bytes (vrrp_packet.h), sockets, answering ARP (claim.h, which asks
// may_answer()). RFC 9568 section 6 (its "active" is called master here, as keepalived does), RFC 3768 for version 2.
// A turn of the loop: 1. everything that was received goes into heard(), 2. then time_passed(), 3. then the adverts in
// the outbox are sent, before any other traffic, and transitions carried out. The order matters most when the process
// was stopped for a while: what waits in the sockets tells whether the master is dead, the clock alone does not.
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
#include "wire/vrrp_packet.h"

namespace rawvs {

struct VrrpTrack {   // something that must be well for a node to be a good master: enough servers alive, say
  std::string name;  // for messages: "2 servers of web"
  int weight = 0;    // 0: while it is not well: fault. -253..-1: the priority is lowered by so much. 1..253: raised by
                     // so much while it is well
  friend bool operator==(const VrrpTrack&, const VrrpTrack&) = default;
};

// Does an instance decide about the VIPs of services that no instance names? One of them does, always: of those that
// leave it open the one with the smallest virtual router id, on the outside link if there is one, so that all directors
// choose the same one whatever the order of their sections.
enum class OtherVips : uint8_t { automatic, yes, no };

struct VrrpSpec {  // one instance as configured; checked by check_vrrp()
  std::string name{};
  Link link = Link::outside;
  uint8_t vrid = 1;               // virtual router id, 1-255; once per link
  uint8_t version = 3;            // 2 or 3
  uint8_t priority = 100;         // 1-255; 255: the addresses are this host's own, it is master whenever it can
  Duration interval = 1s;         // between adverts. Version 3: 10 ms to 40.95 s in steps of 10 ms; 2: 1 to 255 s
  bool preempt = true;            // take over from a weaker master
  Duration preempt_delay{};       // and only after having heard it for so long; at most 1000 s
  bool begins_as_master = false;  // at start, listen for one interval instead of three
  bool same_addresses = false;    // version 2: refuse adverts with other addresses than ours (RFC 3768 section 7.1)
  bool track_link = true;         // fault while the interface is down or has no carrier
  bool virtual_mac = false;       // the VIPs have the MAC address 00:00:5e:00:01:VRID, not the interface's
  OtherVips other_vips = OtherVips::automatic;          // at most one instance has yes; if all have no, nobody decides
  VrrpChecksum checksum = VrrpChecksum::pseudo_header;  // of what we send, version 3; heard are both
  std::string password{};       // version 2: at most 8 bytes, readable for everybody on the LAN; empty: none
  std::vector<Ip> addresses{};  // the VIPs, 1-255
  std::vector<Ip> peers{};      // unicast: adverts go to these and come from these; empty: multicast
  Ip source{};                  // adverts' source address; unspecified: the interface's first that is no VIP
  uint8_t min_ttl = 0;          // of unicast adverts heard; of multicast ones it is always 255
  std::string group{};          // instances of one group are master together, or none of them is; empty: none
  std::vector<VrrpTrack> tracks{};
  friend bool operator==(const VrrpSpec&, const VrrpSpec&) = default;
};

inline constexpr size_t kMostInstances = 255;  // per link
inline constexpr size_t kMostVrrpPeers = 64;   // of an instance
inline constexpr size_t kMostVrrpTracks = 64;  // of an instance

// What makes these specs impossible, by instance and key, in words: "vrrp web: vrid 51: ...". Order is that of specs.
Result<Done> check_vrrp(std::span<const VrrpSpec> specs);

enum class VrrpState : uint8_t { initialize, backup, master, fault };
enum class VrrpEvent : uint8_t {
  start,           // it is to run and nothing is in its way; or: fault is over
  start_owner,     // the same with priority 255
  stop,            // it is to stop
  hurt,            // link, source address or a track failed
  silence,         // as backup: the master's time is over
  advert_due,      // as master: time to speak
  heard_end,       // an advert with priority 0
  heard_stronger,  // higher priority than ours, or the same from a greater address
  heard_equal,     // the same priority from a smaller address
  heard_weaker,    // lower priority
  group_left,      // another instance of its group cannot be master
};
enum class VrrpAct : uint8_t {  // what is done besides entering the next state
  nothing,
  follow,     // believe this master, take over its interval, wait for its next adverts
  hasten,     // nobody is master: wait for the skew time only
  advertise,  // one advert, and the next an interval later
  answer,     // the same at once, to be heard by another who takes itself for the master
  resign,     // an advert with priority 0: who is next need not wait
};
struct VrrpStep {
  VrrpState next;
  VrrpAct act;
  friend bool operator==(const VrrpStep&, const VrrpStep&) = default;
};
// The state machine. preempts: this instance takes over from weaker masters, now.
VrrpStep vrrp_step(VrrpState state, VrrpEvent event, bool preempts);

const char* name(VrrpState state);
std::string seconds_text(Duration d);  // 3.610 s

// The skew time: the higher the priority, the sooner. Exact is (256 - priority) / 256 of a second (version 2), or of
// the master's interval (version 3). Rounded up to the clock's milliseconds: a higher priority never times out later,
// and sooner by at least 1 ms when the priorities are 256 ms / interval apart (10 ms: 26; 100 ms: 3). Closer ones may
// time out in the same millisecond; then both speak, and the weaker one yields to the first advert it hears.
Duration vrrp_skew(uint8_t version, uint8_t priority, Duration interval);
inline constexpr int kVrrpSilentIntervals = 3;  // so long no backup takes over
// How long a master may be silent: three intervals and the skew time.
inline Duration vrrp_down(uint8_t version, uint8_t priority, Duration interval) {
  return kVrrpSilentIntervals * interval + vrrp_skew(version, priority, interval);
}

struct VrrpSend {  // the IPv4 packet around it: protocol 112, TTL kVrrpTtl, TOS kVrrpTos
  Link link = Link::outside;
  uint8_t vrid = 0, priority = 0;
  Ip source{}, destination{};  // destination: kVrrpGroup (then kVrrpGroupMac), or a peer (then by the routing table)
  std::optional<Mac> from{};   // Ethernet source, if not the interface's; only of multicast
  size_t at = 0, size = 0;     // its bytes: VrrpOutbox::payload()
};

struct VrrpTransition {
  std::string name;
  Link link = Link::outside;
  uint8_t vrid = 0;
  VrrpState from = VrrpState::initialize, to = VrrpState::initialize;
  std::string reason;  // "192.0.2.2 (priority 50) was silent for 3.610 s"
};
std::string text(const VrrpTransition& t);  // "vrrp web: backup -> master: ..."

class VrrpOutbox {  // read, act, clear() before the next turn; several calls of the door may write into one
 public:
  const std::vector<VrrpSend>& sends() const { return sends_; }
  Bytes payload(const VrrpSend& s) const { return Bytes(bytes_).subspan(s.at, s.size); }
  const std::vector<VrrpTransition>& transitions() const { return transitions_; }
  // VIPs of masters that stayed masters: to be announced once more, because another may have been believed meanwhile.
  const std::vector<Ip>& announce() const { return announce_; }
  bool announce_others() const { return announce_others_; }  // and those that no instance names
  const std::vector<Notice>& notices() const { return notices_; }
  void clear() {
    sends_.clear(), bytes_.clear(), transitions_.clear(), announce_.clear(), notices_.clear();
    announce_others_ = false;
  }

 private:
  friend class Vrrp;
  std::vector<VrrpSend> sends_;
  std::vector<uint8_t> bytes_;  // these keep their memory: nothing is allocated for regular adverts after a while
  std::vector<VrrpTransition> transitions_;
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
  uint64_t sent = 0, ends_sent = 0;    // adverts, however many peers they went to; and those with priority 0
  uint64_t heard = 0, ends_heard = 0;  // adverts that broke no rule; and those with priority 0
  uint64_t became_master = 0;
  uint64_t answered = 0;           // adverts sent because another took itself for the master
  uint64_t woke_late = 0;          // timers that came so late that another may have become master
  uint64_t message_checksums = 0;  // version 3 adverts heard whose checksum had no pseudo-header in it
  uint64_t other_interval = 0;     // version 3 adverts heard with another interval than ours; it is followed
  uint64_t other_addresses = 0;    // adverts heard with other addresses than ours, but used
  VrrpRefusalCounters refused{};
};

// The log hears of these oddities now and then, not with every advert.
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
  // advert:    as master: speak.
  // down:      as backup: the master has been silent for too long.
  // preempt:   as backup: the weaker master has been heard for preempt_delay.
  // announce:  as master: announce the VIPs again; there was no time since they were last.
  struct Timers {
    Instant advert = kNever, down = kNever, preempt = kNever, announce = kNever;
    Instant silence() const { return std::min(down, preempt); }
    Instant next() const { return std::min(std::min(advert, announce), silence()); }
  };
  struct Instance {
    VrrpSpec spec{};
    VrrpState state = VrrpState::initialize;
    uint8_t priority = 100;        // with the tracks' weights
    Duration interval{};           // the master's, as far as heard (version 3)
    std::optional<Master> master;  // who it is: another, or ourselves; none: not known
    Instant since{};               // of the last transition
    std::string reason{};          // for it
    VrrpCounters counters{};
    TellOnce refused{};        // whose adverts are, and why, as the log has heard
    std::vector<bool> well{};  // one per track
    Timers timers{};
    Instant last_sent{}, last_announced{};
    bool wants_master = false;                             // would be, if the others of its group wanted it, too
    bool waited_again = false;                             // its timer came late, so it listens once more
    std::optional<Ip> ended{};                             // the last that was heard was that this master ends
    uint16_t group = 0;                                    // 0: none
    std::vector<Ip> sorted{};                              // its addresses
    std::array<Instant, kVrrpTold> told = kVrrpNeverTold;  // when the log was, of each kind of oddity
    bool may_tell(size_t oddity, Instant now);             // false: it heard of it a short while ago
    Mac mac() const { return spec.virtual_mac ? virtual_router_mac(spec.vrid) : Mac{}; }  // its VIPs'; 0: the link's
  };

  // From now on these are the instances, in this order. REQUIRES: check_vrrp(specs) finds nothing. Instances are known
  // again by link, virtual router id and version, and stay what they are; others stop (a master says so), new ones
  // start if start() was called. Tracks are known again by their names; new ones are well until track() says otherwise.
  void configure(std::vector<VrrpSpec> specs, VrrpTurn turn);

  // Before start(): link_changed() for each link, and track() for what is not well.
  void start(VrrpTurn turn);
  void stop(VrrpTurn turn);  // every master resigns; the adverts must still be sent

  // An IPv4 packet of protocol 112 to kVrrpGroup or to this host came in by this link. The refusal is counted already.
  std::optional<VrrpRefusal> heard(Link link, const VrrpDatagram& in, VrrpTurn turn);
  void link_changed(Link link, const LinkFacts& facts, VrrpTurn turn);
  void track(size_t instance, size_t which, bool well, VrrpTurn turn);  // places in all() and spec.tracks
  // REQUIRES: what was received until now went into heard(). A backup whose timer comes late by more than half an
  // interval listens for another interval before it believes the master to be dead; a master that was silent for three
  // intervals announces its VIPs again.
  void time_passed(VrrpTurn turn);
  Instant next_deadline() const { return earliest_; }

  const Instance* instance_of(Ip vip) const;  // that decides who answers for it: whose it is, or of_others()
  const Instance* of_others() const;          // that decides about VIPs that no instance names; null: none
  // Does this host answer for an address? Not if an instance decides about it whose master is another.
  bool may_answer(Ip vip) const;
  const std::vector<Instance>& all() const { return instances_; }
  Ip source_of(const Instance& i) const;                               // of its adverts
  const VrrpRefusalCounters& strangers() const { return strangers_; }  // refused, and no instance's

 private:
  struct Cause {  // of what happens to an instance
    uint8_t priority = 0;
    Ip from{};
    Duration interval{};  // of an advert; the rest is for its transition's reason
    std::string why{};    // if it is no advert
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
  void speak(Instance& i, uint8_t priority, VrrpTurn turn);
  void announce(Instance& i, VrrpTurn turn);
  void silent(Instance& i, VrrpTurn turn);
  void woke_late(Instance& i, Duration silence, VrrpTurn turn);
  void due(Instant& timer, Instant when) { timer = when, earliest_ = std::min(earliest_, when); }

  // What it hears: vrrp_heard.cpp.
  std::optional<VrrpRefusal> broken_rule(const Instance& i, const VrrpDatagram& in, const VrrpAdvert& advert) const;
  void compare(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn);
  void accept(Instance& i, const VrrpAdvert& advert, Ip from, VrrpTurn turn);

  // All of them, and the host: vrrp_group.cpp.
  void happened(Instance& i, VrrpEvent event, const Cause& cause, VrrpTurn turn);
  void set_off(Instance& i, VrrpTurn turn);
  void review(Instance& i, VrrpTurn turn);
  bool group_ready(const Instance& i) const;
  void group_follows(const Instance& first, VrrpTurn turn);
  std::optional<std::string> ailment(const Instance& i) const;
  void take_spec(Instance& i, VrrpSpec spec);
  void number();
  void find_sources();
  Instance* find(Link link, uint8_t vrid);

  std::vector<Instance> instances_;
  std::vector<Owned> owned_;  // sorted by VIP
  std::optional<size_t> of_others_{};
  std::array<LinkFacts, kLinks> links_{};
  std::array<Ip, kLinks> sources_{};  // each link's first address that is no VIP
  VrrpRefusalCounters strangers_{};
  Instant earliest_ = kNever;  // nothing is due before; may be too early, never too late
  bool started_ = false;
};

}  // namespace rawvs
