// SPDX-License-Identifier: BSD-2-Clause
// checked_servers.h: applies health checks to the table of servers.
// In:   the checks that the configuration wants, results of probes, the time.
// Out:  probes to start; calls to the table (ServerGate): a server gets weight 0 or a part of its weight, is taken out,
//       comes back; a sorry server is used; lines for the log.
// Not:  when to ask and what answers mean (health.h), asking (sys/probe). ARP checks are answered here, from the next
//       hop's state.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/outbox.h"
#include "core/turn.h"
#include "side/backlog.h"
#include "side/health.h"
#include "side/server_gate.h"
#include "side/wanted_checks.h"

namespace rawvs {

class CheckedServers {
 public:
  struct ToAsk {  // a probe to start; what it points to is valid until the next call
    ProbeId id{};
    const CheckSpec* check = nullptr;
    Endpoint at{}, vip{};
    std::string_view service;
    const Server* server = nullptr;  // as it is in the table; null: it is not there, an operator has removed it
  };

  CheckedServers(uint32_t most_servers, uint64_t seed) : health_(most_servers, seed) {}

  // The checks are these from now on; they outlive the next call. at_start: servers that are well at once need no slow
  // start, and all is done at once. Else a portion is, the rest in time_passed(): the servers of one service after
  // those of another, and its quorum decides nothing meanwhile.
  void follow(std::span<const WantedChecks> wanted, bool at_start, ServerGate& gate, Turn turn);
  // Operators may have added, edited or removed servers, and routes may have changed: what checks say of those servers
  // is said again. Costs what has changed. Of very many a portion; the rest is due at once in time_passed().
  void settle(ServerGate& gate, Turn turn);

  // An earlier daemon's verdict on a server, since `from`: it stands until the first result. Nobody is told of it.
  void recall(const ServiceKey& service, Endpoint server, bool well, Instant from, ServerGate& gate, Instant now);

  // Results that have come are handed in first.
  void answered(ProbeId id, bool well, std::string_view text, ServerGate& gate, Turn turn);
  void postponed(ProbeId id, Instant now);  // it could not be asked: that says nothing of the server
  // What is to be asked now, most at once, and what need not be waited for any more.
  struct Asking {
    std::vector<ToAsk> start;
    std::vector<ProbeId> cancelled;
  };
  const Asking& time_passed(ServerGate& gate, Turn turn);
  Instant next_deadline() const {
    const bool more = !applying_.empty() || !touched_.empty() || step_ != Step::done;
    return more ? Instant{} : health_.next_deadline();
  }

  struct Quorum {  // a service has enough servers that are well now, or too few
    ServiceKey service{};
    bool enough = true;
  };
  std::vector<Quorum> take_quorums() { return std::exchange(quorums_, {}); }  // that have changed since the last call

  struct News {  // a change that an operator may want to be told of, by a program
    ServiceKey service{};
    HealthEvent what{};
    std::optional<Endpoint> server{};  // none: it is about the service
  };
  std::vector<News> take_news() { return std::exchange(told_, {}); }  // since the last call

  const Health& health() const { return health_; }
  const TargetHealth* find(const ServiceKey& service, Endpoint server) const;  // null: it is not asked
  const ServiceHealth* find(const ServiceKey& service) const;
  std::optional<Endpoint> sorry_of(const ServiceKey& service) const;
  bool stands_in(const ServiceKey& service, Endpoint server) const;  // it is the sorry server, and in use

 private:
  static constexpr size_t kMostAtOnce = 64;  // probes begun in one call
  static constexpr size_t kPortion = 256;    // servers whose verdicts are applied in one call, beside single changes
  static constexpr size_t kFollowed = 1024;  // servers that are looked at in one call while follow() goes on
  struct CheckedServer {
    TargetId id{};
    Endpoint at{};
    uint32_t wanted_by = 0;    // the number of the last follow() that wants it
    bool ordered_out = false;  // by an operator, when it was settled last
  };
  struct EndpointHash {
    size_t operator()(Endpoint e) const { return mixed(e); }
  };
  struct CheckedService {
    uint32_t id = 0;
    ServiceKey key{};
    std::string name{};
    Ip vip{};
    HealthPolicy policy{};              // as the file wants it
    std::optional<ServerSpec> sorry{};  // it may also be one of the servers
    bool sorry_reachable = true;
    uint32_t wanted_by = 0;        // as CheckedServer's
    bool given_up = false;         // its servers are being dropped
    bool in_use = false;           // the sorry server
    std::optional<size_t> next{};  // all servers' verdicts are being applied: the place that is next
    uint32_t next_number = 1;
    std::vector<CheckedServer> servers;
    std::unordered_map<Endpoint, uint32_t, EndpointHash> by_address;  // places in servers
    std::unordered_map<uint32_t, uint32_t> by_number;                 // by TargetId::server
  };
  using ByKey = std::map<ServiceKey, CheckedService>;

  CheckedService* service_of(uint32_t id);
  static const CheckedServer* server_of(const CheckedService& service, Endpoint at);
  static CheckedServer* server_of(CheckedService& service, Endpoint at);
  static const CheckedServer* server_of(const CheckedService& service, TargetId id);
  static bool own_sorry(const CheckedService& service) {
    return service.sorry && server_of(service, service.sorry->at);
  }
  void leave(const CheckedService& service, Endpoint at, ServerGate& gate);
  // What is left of follow(), one step after the other: services that are not wanted any more are given up; then, of
  // each that is wanted, servers that are not, servers that are, and what follows for the table.
  enum class Step : uint8_t { mark, give_up, enter, mark_servers, drop_servers, set_servers, decide, apply, done };
  void follow_some(size_t left, ServerGate& gate, Turn turn);
  bool follow_step(size_t& left, ServerGate& gate, Turn turn);
  bool give_up_some(size_t& left, ServerGate& gate, Turn turn);
  bool enter(const WantedChecks& wanted, Instant now, Outbox& out);
  void drop(CheckedService& service, size_t place, ServerGate& gate);
  void set_server(CheckedService& service, const WantedChecks::Server& wanted, ServerGate& gate, Turn turn);
  void decide(CheckedService& service, ServerGate& gate, Turn turn);
  void carry_out(ServerGate& gate, Turn turn);
  void note(const TargetChange& change, ServerGate& gate, Turn turn);
  void note(const QuorumChange& change, ServerGate& gate, Turn turn);
  void settle(CheckedService& service, CheckedServer& checked, ServerGate& gate, Instant now);
  void settle_some(ServerGate& gate, Turn turn);
  void apply_some(ServerGate& gate, Turn turn);
  bool apply_some(CheckedService& service, size_t& left, ServerGate& gate, Turn turn);
  void apply(const CheckedService& service, const CheckedServer& checked, ServerGate& gate, Instant now);
  void apply_sorry(CheckedService& service, ServerGate& gate, Turn turn);
  // Whether a probe need not be started, since its server's next hop answers it. server: as in ToAsk.
  bool answer_by_arp(const ProbeToStart& probe, const Server* server, const ServerGate& gate, Instant now);
  bool answer_for_silent(const ProbeToStart& probe, const Server* server, const ServerGate& gate, Instant now);

  Health health_;
  ByKey services_;
  std::unordered_map<uint32_t, CheckedService*> by_id_;  // nodes of services_ stay where they are
  uint32_t next_id_ = 1;
  std::span<const WantedChecks> wanted_;
  bool at_start_ = false;
  uint32_t follows_ = 0;  // how many there were
  Step step_ = Step::done;
  size_t at_ = 0, next_wanted_ = 0;      // of the step: the place that is next; of the services that are wanted
  CheckedService* entered_ = nullptr;    // the one that is worked on
  std::optional<Endpoint> old_sorry_{};  // its sorry server as it was, unless that is one of its servers
  std::optional<ServiceKey> given_up_to_{};
  Backlog<uint32_t> applying_;  // services with `next`, by id
  Backlog<Touched> touched_;    // still to be settled
  std::vector<Quorum> quorums_;
  std::vector<News> told_;
  HealthNews news_;
  std::vector<ProbeToStart> probes_;
  Asking asking_;
};

}  // namespace rawvs
