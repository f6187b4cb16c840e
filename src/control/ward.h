// SPDX-License-Identifier: BSD-2-Clause
// ward.h: the servers' health and the director, brought together: checks as the file wants them, verdicts as the
// director's tables show them.
// In:  what the file wants (WantedChecks), results of probes, the time.   Out: probes to start; calls to the director
// (a server gets weight 0, its slow start, is taken out, comes back; the sorry server); lines for the log.
// Not: when to ask and what answers mean (health.h), asking (probes.h). ARP checks are answered here, by the director's
// own neighbours.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/turn.h"
#include "rawvs/config.h"
#include "rawvs/director.h"
#include "side/health.h"

namespace rawvs {

class Ward {
 public:
  struct ToAsk {  // a probe to start; what it points to is valid until the next call
    ProbeId id{};
    const CheckSpec* check = nullptr;
    Endpoint at{}, vip{};
    std::string_view service;
    const Server* server = nullptr;  // as it is in the table; null: it is not there, an operator has removed it
  };

  Ward(uint32_t most_servers, uint64_t seed) : health_(most_servers, seed) {}

  // The checks are these from now on; they outlive the next call. at_start: servers that are well at once need no slow
  // start, and all is done at once. Else a portion is, the rest in time_passed(): the servers of one service after
  // those of another, and its quorum decides nothing meanwhile.
  void follow(std::span<const WantedChecks> wanted, bool at_start, Director& director, Turn turn);
  // Operators may have added, edited or removed servers, and routes may have changed: what checks say of those servers
  // is said again. Costs what has changed. Of very many a portion; the rest is due at once in time_passed().
  void settle(Director& director, Turn turn);

  // Results that have come are handed in first.
  void answered(ProbeId id, bool well, std::string_view text, Director& director, Turn turn);
  void postponed(ProbeId id, Instant now);  // it could not be asked: that says nothing of the server
  // What is to be asked now, most at once, and what need not be waited for any more.
  struct Asking {
    std::vector<ToAsk> start;
    std::vector<ProbeId> cancelled;
  };
  const Asking& time_passed(Director& director, Turn turn);
  Instant next_deadline() const {
    const bool more = !applying_.empty() || !touched_.empty() || step_ != Step::done;
    return more ? Instant{} : health_.next_deadline();
  }

  struct Quorum {  // a service has enough servers that are well now, or too few
    ServiceKey service{};
    bool enough = true;
  };
  std::vector<Quorum> take_quorums() { return std::exchange(quorums_, {}); }  // that have changed since the last call

  const Health& health() const { return health_; }
  const Health::TargetHealth* find(const ServiceKey& service, Endpoint server) const;  // null: it is not asked
  const Health::ServiceHealth* find(const ServiceKey& service) const;

 private:
  static constexpr size_t kMostAtOnce = 64;  // probes begun in one call
  static constexpr size_t kPortion = 256;    // servers whose verdicts are applied in one call, beside single changes
  static constexpr size_t kFollowed = 1024;  // servers that are looked at in one call while follow() goes on
  struct Bed {                               // of one server
    TargetId id{};
    Endpoint at{};
    uint32_t wanted_by = 0;  // the number of the last follow() that wants it
  };
  struct EndpointHash {
    size_t operator()(Endpoint e) const { return std::hash<uint64_t>()(uint64_t{e.addr.v4()} << 16 | e.port.value); }
  };
  struct Room {  // of one service
    uint32_t id = 0;
    ServiceKey key{};
    std::string name{};
    Ip vip{};
    HealthPolicy policy{};              // as the file wants it
    std::optional<ServerSpec> sorry{};  // it may also be one of the beds
    bool sorry_reachable = true;
    uint32_t wanted_by = 0;        // as Bed's
    bool given_up = false;         // its servers are being dropped
    bool in_use = false;           // the sorry server
    std::optional<size_t> next{};  // all beds' verdicts are being applied: the place that is next
    uint32_t next_bed = 1;
    std::vector<Bed> beds;
    std::unordered_map<Endpoint, uint32_t, EndpointHash> by_address;  // places in beds
    std::unordered_map<uint32_t, uint32_t> by_number;                 // by TargetId::server
  };
  using Rooms = std::map<ServiceKey, Room>;

  static const Server* server_at(const Director& director, const ServiceKey& key, Endpoint at);
  Room* room_of(uint32_t id);
  static const Bed* bed_of(const Room& room, Endpoint at);
  static const Bed* bed_of(const Room& room, TargetId id);
  static bool own_sorry(const Room& room) { return room.sorry && bed_of(room, room.sorry->at); }
  void leave(const Room& room, Endpoint at, Director& director);
  // What is left of follow(), one step after the other: services that are not wanted any more are given up; then, of
  // each that is wanted, servers that are not, servers that are, and what follows for the table.
  enum class Step : uint8_t { mark, give_up, enter, mark_servers, drop_servers, set_servers, decide, apply, done };
  void follow_some(size_t left, Director& director, Turn turn);
  bool follow_step(size_t& left, Director& director, Turn turn);
  bool give_up_some(size_t& left, Director& director, Turn turn);
  bool enter(const WantedChecks& wanted, Instant now, Outbox& out);
  void drop(Room& room, size_t place, Director& director);
  void set_server(Room& room, const WantedChecks::Server& wanted, Director& director, Turn turn);
  void decide(Room& room, Director& director, Turn turn);
  void carry_out(Director& director, Turn turn);
  void note(const TargetChange& change, Director& director, Turn turn);
  void note(const QuorumChange& change, Director& director, Turn turn);
  void settle(Room& room, const Bed& bed, Director& director, Instant now);
  void settle_some(Director& director, Turn turn);
  void apply_some(Director& director, Turn turn);
  bool apply_some(Room& room, size_t& left, Director& director, Turn turn);
  void apply(const Room& room, const Bed& bed, Director& director, Instant now);
  void apply_sorry(Room& room, Director& director, Turn turn);
  bool answer_by_arp(const ProbeToStart& probe, Director& director, Instant now);
  bool answer_for_silent(const ProbeToStart& probe, Director& director, Instant now);

  Health health_;
  Rooms rooms_;
  std::unordered_map<uint32_t, Room*> by_id_;  // nodes of rooms_ stay where they are
  uint32_t next_room_ = 1;
  std::span<const WantedChecks> wanted_;
  bool at_start_ = false;
  uint32_t follows_ = 0;  // how many there were
  Step step_ = Step::done;
  size_t at_ = 0, service_ = 0;          // of the step: the place that is next; of the services that are wanted
  Room* entered_ = nullptr;              // the one that is worked on
  std::optional<Endpoint> old_sorry_{};  // its sorry server as it was, unless that is one of its servers
  std::optional<ServiceKey> given_up_to_{};
  std::vector<uint32_t> applying_;          // rooms with `next`, by id
  std::vector<Director::Touched> touched_;  // still to be settled
  std::vector<Quorum> quorums_;
  HealthNews news_;
  std::vector<ProbeToStart> probes_;
  Asking asking_;
};

}  // namespace rawvs
