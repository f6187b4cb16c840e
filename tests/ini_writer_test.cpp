// SPDX-License-Identifier: BSD-2-Clause
// Tests that writing the present tables is the inverse of reading a file. Configurations, checks' verdicts and
// rawvsadm's changes are random; the written file then asks for the same tables.

#include "control/ini_writer.h"
#include "config/config_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "config/spec_words.h"
#include "config_same.h"
#include "control/director_gate.h"
#include "ini_random.h"
#include "rawvs/control.h"
#include "side/checked_servers.h"

namespace rawvs {
namespace {

using drawn::Random, drawn::random_config, drawn::random_server, drawn::address_of;

std::string word(const ServiceKey& key) {
  if (key.mark.value != 0) return (key.family() == Family::ipv4 ? "mark:" : "mark6:") + std::to_string(key.mark.value);
  return std::string(name(key.protocol)) + ':' + text(key.vip);
}

class Table {  // a director changed by checks and rawvsadm, and the operator's wishes
 public:
  explicit Table(const Config& config) : config_(config) {
    const WantedTables tables = wanted_tables(config_);
    director_.set_groups(tables.groups, {now_, out_});
    for (const WantedService& service : tables.services) {
      EXPECT_FALSE(director_.add(service.spec, {now_, out_}));
      wanted_[service.spec.key] = service;
      for (const ServerSpec& server : service.servers) {
        EXPECT_FALSE(director_.add_server(service.spec.key, server, {now_, out_}));
      }
    }
    checked_.follow(wanted_checks(config_), true, gate_, {now_, out_});
    out_.clear();
  }

  void checks_answer(Random& r) {
    for (int turn = 0; turn < 3; ++turn) {
      now_ += 30s;
      std::vector<ProbeId> asked;
      for (const CheckedServers::ToAsk& ask : checked_.time_passed(gate_, {now_, out_}).start) asked.push_back(ask.id);
      for (const ProbeId id : asked) checked_.answered(id, r.one_in(2), "so it is", gate_, {now_, out_});
      out_.clear();
    }
  }

  bool ask(const std::string& request) {
    ControlContext context{.config = &config_};
    Conversation c = answer("rawvs/1 " + request, director_, {now_, out_}, context);
    const bool done = c.next(director_, now_).text().starts_with("ok\n");
    checked_.settle(gate_, {now_, out_});
    out_.clear();
    return done;
  }

  void change(Random& r);
  std::string written(std::vector<std::string>& faults) const;
  void expect_asked_for_by(const Config& read) const;

 private:
  void change_server(Random& r, WantedService& service);
  bool is_sorry(const ServiceKey& key, Endpoint at) const {
    for (const WantedChecks& checks : wanted_checks(config_)) {
      if (checks.service == key && checks.sorry && checks.sorry->at == at) return true;
    }
    return false;
  }

  Instant now_{1000s};
  const Config config_;
  Director director_{config_.settings, HashKey{1, 2}, now_};
  DirectorGate gate_{director_};
  CheckedServers checked_{config_.settings.max_servers, 7};
  Outbox out_;
  std::map<ServiceKey, WantedService> wanted_;
};

void Table::change_server(Random& r, WantedService& service) {
  const ServiceKey& key = service.spec.key;
  ServerSpec server = random_server(r, address_of(key.family(), 0x0a000000 + (r.below(7) << 8) + r.below(6)));
  server.name = {};  // which only a file gives
  server.mac.reset(), server.tunnel = {};
  server.at.port = key.vip.port;
  if (!service.servers.empty() && r.one_in(2)) server.at = r.of(service.servers).at;
  if (!server.at.addr.unicast() || is_sorry(key, server.at)) return;
  constexpr const char* kMethods[] = {"masq", "tunnel", "route"};
  const char* const method = server.method == Method::masq     ? kMethods[0]
                             : server.method == Method::tunnel ? kMethods[1]
                                                               : kMethods[2];
  const std::string about = " service=" + word(key) + " server=" + text(server.at);
  const std::string how = std::string(" method=") + method + " weight=" + std::to_string(server.weight) +
                          " upper=" + std::to_string(server.upper) + " lower=" + std::to_string(server.lower);
  const auto known = std::ranges::find(service.servers, server.at, &ServerSpec::at);
  switch (r.below(3)) {
    case 0:
      if (!ask("add-server" + about + how)) return;
      if (known == service.servers.end()) {
        service.servers.push_back(server);
      } else {
        *known = server;
      }
      return;
    case 1:
      if (!ask("edit-server" + about + how)) return;
      server.mac = known->mac;  // an edit keeps the fixed one
      *known = server;
      return;
    case 2:
      if (ask("delete-server" + about)) service.servers.erase(known);
      return;
  }
}

void Table::change(Random& r) {
  const auto any = [&]() -> WantedService* {
    if (wanted_.empty()) return nullptr;
    return &std::next(wanted_.begin(), r.below(static_cast<uint32_t>(wanted_.size())))->second;
  };
  WantedService* const service = any();
  const Family family = r.one_in(2) ? Family::ipv4 : Family::ipv6;
  ServiceKey fresh{Protocol::tcp,
                   {address_of(family, 0xcb007101 + r.below(3)), Port(static_cast<uint16_t>(1 + r.below(3)))},
                   Mark()};
  if (r.one_in(4)) fresh = mark_key(Mark(1 + r.below(5)), family);
  if (r.one_in(6) && !config_.virtuals.empty()) {  // one of the file's, perhaps removed before
    const auto tables = wanted_tables(config_);
    fresh = r.of(tables.services).spec.key;
  }
  switch (r.below(12)) {
    case 0:
    case 1: {
      WantedService added{{fresh, Scheduler::rr, 0, fresh.vip.port.value == 0 && fresh.mark.value == 0 ? 99s : 0s}, {}};
      const std::string how = added.spec.persistence == Duration::zero() ? "" : " persistence=99";
      if (ask("add-service service=" + word(fresh) + " scheduler=rr" + how)) wanted_[fresh] = added;
      return;
    }
    case 2:
      if (service && ask("delete-service service=" + word(service->spec.key)))
        wanted_.erase(ServiceKey(service->spec.key));
      return;
    case 3:
      if (!service || !ask("edit-service service=" + word(service->spec.key) + " scheduler=wrr persistence=77")) return;
      service->spec = {service->spec.key, Scheduler::wrr, 0, 77s};
      return;
    case 4:
      if (r.one_in(8) && ask("clear")) wanted_.clear();
      return;
    case 5: ask("set-timeouts udp=" + std::to_string(1 + r.below(99))); return;
    default:
      if (service) change_server(r, *service);
  }
}

std::string Table::written(std::vector<std::string>& faults) const {
  IniWriter writer(config_, Secrets::shown);
  std::string all;
  for (IniWriter::Next next{}; next != IniWriter::Next::end;) {
    std::string line;
    next = writer.next(10, line, director_);
    if (next == IniWriter::Next::line) all += line + '\n';
  }
  faults = writer.faults();
  return all;
}

std::string told(const ServiceSpec& spec) {
  return word(spec.key) + ' ' + name(spec.scheduler) + ' ' + std::to_string(spec.flags) + ' ' +
         std::to_string(spec.persistence.count()) + ' ' + mask_text(spec.netmask, spec.key.family()) +
         (spec.one_packet ? " ops" : "");
}

std::vector<std::string> told(const std::vector<ServerSpec>& servers) {
  std::vector<std::string> all;
  for (const ServerSpec& s : servers) {
    all.push_back(text(s.at) + " method " + std::to_string(static_cast<int>(s.method)) + " weight " +
                  std::to_string(s.weight) + " upper " + std::to_string(s.upper) + " lower " + std::to_string(s.lower) +
                  " tunnel " + std::to_string(static_cast<int>(s.tunnel.type)) + (s.mac ? " mac " + text(*s.mac) : ""));
  }
  std::ranges::sort(all);
  return all;
}

std::map<std::string, std::vector<std::string>> told(const std::vector<WantedService>& services) {
  std::map<std::string, std::vector<std::string>> all;
  for (const WantedService& service : services) all[told(service.spec)] = told(service.servers);
  return all;
}

std::vector<std::string> told(const std::vector<GroupMatch>& groups) {
  std::vector<std::string> all;
  for (const GroupMatch& g : groups) {
    all.push_back(text(g.vip) + ' ' + name(g.protocol) + ' ' + std::to_string(g.ports[0].first) + '-' +
                  std::to_string(g.ports[0].last) + ' ' + std::to_string(g.mark.value) + ' ' + text(g.clients));
  }
  std::ranges::sort(all);
  return all;
}

// The checks of a service, which only the file has, for the servers that the operator has left in it.
std::string told(const WantedChecks& checks, const WantedService& service) {
  std::map<Endpoint, std::string> asked;
  for (const auto& [at, check] : checks.servers) {
    if (check) asked[at] = check->name + ':' + std::to_string(check->port.value);
  }
  std::string all;
  for (const ServerSpec& server : service.servers) {
    if (asked.contains(server.at)) all += text(server.at) + ' ' + asked[server.at] + ' ';
  }
  if (all.empty()) return all;
  return all + std::to_string(checks.policy.quorum) + (checks.policy.inhibit ? " inhibit " : " ") +
         (checks.sorry ? text(checks.sorry->at) : "");
}

std::map<std::string, std::string> told(const Config& config, const std::map<ServiceKey, WantedService>& services) {
  std::map<std::string, std::string> all;
  for (const WantedChecks& checks : wanted_checks(config)) {
    const auto service = services.find(checks.service);
    if (service == services.end()) continue;
    WantedService sorted = service->second;
    std::ranges::sort(sorted.servers, {}, &ServerSpec::at);
    if (std::string what = told(checks, sorted); !what.empty()) all[word(checks.service)] = std::move(what);
  }
  return all;
}

using Named = std::pair<std::string, std::string>;

// The services of a file and the names of their virtuals, in its order.
std::vector<Named> names_of(const Config& config) {
  const WantedTables tables = wanted_tables(config);
  std::vector<Named> all;
  for (const VirtualConfig& v : config.virtuals) {
    const size_t services = tables.services[all.size()].spec.key.mark.value != 0 ? 1 : v.ports.size();
    for (size_t n = 0; n < services; ++n) all.emplace_back(word(tables.services[all.size()].spec.key), v.name);
  }
  return all;
}

void Table::expect_asked_for_by(const Config& read) const {
  std::vector<WantedService> services;
  for (const auto& [key, service] : wanted_) services.push_back(service);
  const WantedTables tables = wanted_tables(read);
  EXPECT_EQ(told(tables.services), told(services));
  EXPECT_EQ(told(tables.groups), told(director_.services().groups()));
  EXPECT_EQ(told(read, wanted_), told(config_, wanted_));
  EXPECT_EQ(wanted_vrrp(read), wanted_vrrp(config_));
  EXPECT_EQ(read.sync, config_.sync);
  EXPECT_EQ(fields(read.settings), fields(director_.settings()));
  // A virtual's first remaining service keeps its name.
  const auto before = names_of(config_), after = names_of(read);
  std::set<std::string> kept;
  for (const auto& [key, name] : before) {
    const auto there = std::ranges::find(after, key, &Named::first);
    if (there == after.end() || !kept.insert(name).second) continue;
    EXPECT_EQ(there->second, name) << key;
  }
  for (const VrrpConfig& vrrp : read.vrrps) {
    for (const VrrpTrack& track : vrrp.spec.tracks) {
      EXPECT_NE(std::ranges::find(read.virtuals, track.name, &VirtualConfig::name), read.virtuals.end());
    }
  }
}

TEST(IniWriter, TheFileThatIsWrittenAsksForThePresentTable) {
  size_t refused = 0;
  constexpr uint32_t kCases = 3000;
  for (uint32_t seed = 1; seed <= kCases && !testing::Test::HasFailure(); ++seed) {
    Random r(seed);
    const Config drawn = random_config(r);
    const std::string before = print_config(drawn);
    const auto config = parse_config(before, "drawn.ini");
    if (!config) continue;  // what was drawn does not go together
    Table table(*config);
    if (r.one_in(2)) table.checks_answer(r);
    for (uint32_t n = r.below(8); n > 0; --n) table.change(r);
    if (r.one_in(2)) table.checks_answer(r);
    std::vector<std::string> faults;
    const std::string text = table.written(faults);
    if (!faults.empty()) {
      ++refused;
      continue;
    }
    const auto read = parse_config(text, "written.ini");
    ASSERT_TRUE(read) << read.error().text << text;
    table.expect_asked_for_by(*read);
    if (testing::Test::HasFailure()) ADD_FAILURE() << "seed " << seed << "\n" << before << "\n-- became --\n" << text;
  }
  EXPECT_GT(refused, kCases / 50);
  EXPECT_LT(refused, kCases / 2);
}

TEST(IniWriter, AFileIsWrittenAsItWasRead) {
  for (const std::string_view file : {kEverything, kEverythingElse}) {
    const Config config = parsed(file);
    Table table(config);
    std::vector<std::string> faults;
    const std::string text = table.written(faults);
    EXPECT_EQ(faults, std::vector<std::string>{});
    EXPECT_TRUE(same(parsed(text), config)) << text << print_config(config);
  }
}

std::vector<std::string> faults_after(const char* file, std::initializer_list<const char*> requests) {
  Table table(parsed(file));
  for (const char* const request : requests) EXPECT_TRUE(table.ask(request)) << request;
  std::vector<std::string> faults;
  table.written(faults);
  return faults;
}

TEST(IniWriter, WhatCannotBeWrittenIsSaid) {
  constexpr char kShop[] =
      "[director]\ninterface = eth0\n[virtual shop]\naddress = 192.0.2.100\nports = *\npersistence = 60\n"
      "server = 192.0.2.11\n[vrrp v]\nvrid = 1\ntrack = shop\n";
  using Texts = std::vector<std::string>;
  EXPECT_EQ(faults_after(kShop, {"add-service service=mark:99"}),
            Texts{"mark 99: no group says which packets carry it, and a file cannot have a service of a mark without "
                  "one"});
  EXPECT_EQ(
      faults_after(kShop, {"delete-service service=tcp:192.0.2.100:0", "delete-service service=udp:192.0.2.100:0"}),
      Texts{"[vrrp v] tracks [virtual shop], whose service was removed"});
  EXPECT_EQ(faults_after(kShop, {"edit-service service=tcp:192.0.2.100:0 persistence=9"}),
            Texts{"[vrrp v] tracks [virtual shop], and rawvsadm has made its services different: one name cannot stand "
                  "for both"});
  EXPECT_EQ(faults_after(kShop, {}), Texts{});
}

std::string written_after(const char* file, std::initializer_list<const char*> requests, Secrets secrets) {
  const Config config = parsed(file);
  Director director(config.settings, HashKey{1, 2}, Instant(1000s));
  Outbox out;
  for (const char* const request : requests) {
    ControlContext context{.config = &config};
    answer("rawvs/1 " + std::string(request), director, {Instant(1000s), out}, context);
  }
  IniWriter writer(config, secrets);
  std::string all;
  for (IniWriter::Next next{}; next != IniWriter::Next::end;) {
    std::string line;
    next = writer.next(1000, line, director);
    if (next == IniWriter::Next::line) all += line + '\n';
  }
  EXPECT_EQ(writer.has_hidden_secrets(), secrets == Secrets::hidden);
  return all;
}

TEST(IniWriter, SecretsAreHiddenAndWhatStandsForThemIsRefused) {
  constexpr char kFile[] =
      "[director]\ninterface = eth0\n[vrrp v]\nvrid = 1\nversion = 2\naddress = 192.0.2.1\npassword = tellno1\n"
      "[sync]\nkey = a secret of ours\n";
  const std::string hidden = written_after(kFile, {}, Secrets::hidden);
  EXPECT_EQ(hidden.find("secret of ours"), std::string::npos);
  EXPECT_EQ(hidden.find("tellno1"), std::string::npos);
  ConfigReader reader("x.ini");
  reader.feed(hidden);
  reader.end();
  while (!reader.step(1000)) continue;
  ASSERT_EQ(reader.findings().faults.size(), 2u);
  EXPECT_NE(reader.findings().faults[1].find("[sync] key: \"(hidden)\" stands for a secret that was not printed"),
            std::string::npos)
      << reader.findings().faults[1];
  EXPECT_NE(written_after(kFile, {}, Secrets::shown).find("key = a secret of ours\n"), std::string::npos);
}

}  // namespace
}  // namespace rawvs
