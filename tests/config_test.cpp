// SPDX-License-Identifier: BSD-2-Clause
// Tests valid configuration files: their meaning, and the tables that they ask for. config_print_test.cpp tests
// printing, config_refusals_test.cpp faulty files.

#include "rawvs/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <tuple>

#include "config_same.h"
#include "links.h"

namespace rawvs {
namespace {

std::string reference_file() {
  std::string path = __FILE__;
  path.replace(path.rfind("tests/config_test.cpp"), std::string::npos, "etc/rawvs.ini");
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Config, PutsEveryKeyIntoItsField) {
  const Config c = parsed(kEverything);
  EXPECT_EQ(std::tie(c.interface, c.inside, c.control, c.control_group, c.read_group),
            std::make_tuple("eth0 wan*", "eth1.7", "/run/x.sock", "adm", "users"));
  EXPECT_EQ(c.guard, GuardMode::classic);
  EXPECT_EQ(c.io, IoMode::socket);
  EXPECT_EQ(c.fast_path, FastMode::off);
  EXPECT_EQ(c.fast_flows, 4194304u);
  EXPECT_EQ(c.ring_frames, 64u);
  EXPECT_EQ(
      fields(c.settings),
      std::make_tuple(1001u, 1002u, 1005u, 1003u, 1004u, true, true, true, uint8_t{3}, true, false, uint16_t{1400},
                      true, Duration(11min), Duration(12h), Duration(60s), Duration(7200s), Duration(3s), uint8_t{3},
                      uint8_t{2}, uint8_t{0}, uint8_t{60}, uint8_t{50}, uint8_t{5}, 4096u, 8192u, SynCookieMode::on,
                      uint8_t{12}, std::vector{Ip(0xcb007105), Ip(uint64_t{0x20010db8} << 32, 5)},
                      LocalPorts{1024, 65535}, 4u, Duration(5500ms), Duration(6s), 7u, Duration(0s), true, 9u, 10u));
  ASSERT_EQ(c.groups.size(), 1u);
  EXPECT_EQ(std::tie(c.groups[0].name, c.groups[0].line), std::make_tuple("media", 52));
  ASSERT_EQ(c.groups[0].matches.size(), 4u);
  EXPECT_EQ(c.groups[0].matches[0].ports, (PortMatch{Protocol::tcp, {{443, 443}, {8000, 8010}}}));
  EXPECT_EQ(c.groups[0].matches[0].clients, (Network{Ip(), 0}));
  EXPECT_EQ(c.groups[0].matches[1].vip, Ip(0xc0000264));
  EXPECT_EQ(c.groups[0].matches[2].ports, (PortMatch{Protocol::udp, {{1, 65535}}}));
  EXPECT_EQ(c.groups[0].matches[3].ports, (PortMatch{Protocol::sctp, {{0, 65535}}}));
  EXPECT_EQ(c.groups[0].matches[3].clients, (Network{Ip(0xc6336400), 24}));
  ASSERT_EQ(c.virtuals.size(), 7u);
  EXPECT_EQ(c.virtuals[0].address, Ip(0xc0000264));
  EXPECT_EQ(c.virtuals[0].scheduler, Scheduler::rr);
  ASSERT_EQ(c.virtuals[0].servers.size(), 2u);
  const Mac fixed{{2, 0, 0, 0, 0, 10}};
  EXPECT_EQ(fields(c.virtuals[0].servers[0]), std::make_tuple(Endpoint{Ip(0xc000020b), Port(80)}, Method::route, 0, 20u,
                                                              10u, Tunnel{}, false, std::optional(fixed), ShortName()));
  EXPECT_EQ(fields(c.virtuals[0].servers[1]),
            std::make_tuple(Endpoint{Ip(0xc000020c), Port(0)}, Method::route, 1, 0u, 0u, Tunnel{}, false,
                            std::optional<Mac>(), ShortName::of("web-2.b_C")));
  EXPECT_EQ(c.virtuals[1].mark, Mark(10));
  EXPECT_EQ(c.virtuals[1].scheduler, Scheduler::wlc);
  EXPECT_FALSE(c.virtuals[1].address);
}

TEST(Config, PutsEveryChoiceOfAVirtualIntoItsField) {
  const Config c = parsed(kEverything);
  ASSERT_EQ(c.virtuals.size(), 7u);
  const VirtualConfig& sticky = c.virtuals[4];
  EXPECT_EQ(sticky.ports, (std::vector<PortMatch>{{Protocol::tcp, {{0, 65535}}}, {Protocol::udp, {{0, 65535}}}}));
  EXPECT_EQ(sticky.scheduler, Scheduler::sh);
  EXPECT_EQ(sticky.flags, (VirtualConfig::Flags{Scheduler::sh, SchedulerFlags::port | SchedulerFlags::fallback}));
  EXPECT_EQ(sticky.persistence, Duration(300s));
  EXPECT_EQ(sticky.netmask, Netmask{Ip(0xffffff80)});
  EXPECT_FALSE(sticky.one_packet);
  ASSERT_EQ(sticky.servers.size(), 2u);
  EXPECT_EQ(sticky.servers[0].method, Method::masq);
  EXPECT_EQ(sticky.servers[1].method, Method::tunnel);
  EXPECT_EQ(sticky.servers[1].tunnel, (Tunnel{TunnelType::gue, Port(6080), TunnelChecksum::remote}));
  const VirtualConfig& dns = c.virtuals[5];
  EXPECT_TRUE(dns.one_packet);
  ASSERT_EQ(dns.servers.size(), 4u);
  EXPECT_EQ(dns.servers[0].at, (Endpoint{Ip(0xc0000210), Port(5353)}));
  EXPECT_EQ(dns.servers[2].tunnel, (Tunnel{TunnelType::gre, Port(0), TunnelChecksum::checksum}));
  EXPECT_EQ(dns.servers[3].tunnel, Tunnel{});
  EXPECT_EQ(c.virtuals[6].ports, (std::vector<PortMatch>{{Protocol::sctp, {{9, 9}}}}));
  EXPECT_EQ(c.virtuals[6].flags, (VirtualConfig::Flags{Scheduler::mh, SchedulerFlags::port}));
}

TEST(Config, KnowsEverySchedulerOfIpvsadm) {
  for (const char* const word :
       {"rr", "wrr", "lc", "wlc", "sed", "nq", "dh", "sh", "mh", "fo", "ovf", "lblc", "lblcr", "twos"}) {
    const Config c = parsed(std::string("[director]\ninterface = eth0\n[virtual web]\naddress = 192.0.2.100\n") +
                            "ports = tcp/80\nscheduler = " + word + '\n');
    ASSERT_EQ(c.virtuals.size(), 1u);
    EXPECT_STREQ(name(c.virtuals[0].scheduler), word);
  }
}

TEST(Config, IsDefaultWhereTheFileSaysNothing) {
  const Config c = parsed("[director]\ninterface = eth0\n");
  Config defaults;
  defaults.interface = "eth0";
  EXPECT_TRUE(same(c, defaults));
}

TEST(Config, TakesCommentsBlanksCarriageReturnsAByteOrderMarkAndNoLastNewline) {
  const Config c = parsed(
      "\xef\xbb\xbf; caf\xc3\xa9\r\n\r\n   ; indented\r\n[director] ; here\r\ninterface=eth0 ; clients\r\n"
      "  # more\r\n\t\r\ncontrol =\t/run/a;b.sock\r\ninside =");
  EXPECT_EQ(c.interface, "eth0");
  EXPECT_EQ(c.control, "/run/a;b.sock");
}

TEST(Config, TakesTheLongestLineAndNoByteMore) {
  const std::string head = "[director]\ninterface = eth0\n";
  EXPECT_TRUE(parse_config(head + ';' + std::string(198, 'x') + "\r\n", "rawvs.ini"));
  EXPECT_FALSE(parse_config(head + ';' + std::string(199, 'x') + "\r\n", "rawvs.ini"));
}

TEST(Config, LetsAMarkNobodyBalancesShareItsPorts) {
  parsed(
      "[director]\ninterface = eth0\n[group g]\nmark = 7\nmatch = 192.0.2.100 tcp/80\n"
      "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n");
}

TEST(ReferenceFile, ParsesAndDescribesASmallExample) {
  const Config c = parsed(reference_file());
  EXPECT_EQ(c.interface, "eth0");
  EXPECT_GE(c.virtuals.size(), 2u);
  EXPECT_EQ(fields(c.settings), fields(Settings{}));
  for (const VirtualConfig& v : c.virtuals) EXPECT_GE(v.servers.size(), 2u) << v.name;
  expect_survives_printing(c);
}

// Lines of the form ";key = value", as keys at their default are written.
bool is_default_line(std::string_view line) {
  const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", 1);
  return line.starts_with(';') && end > 1 && end != std::string_view::npos && line.substr(end).starts_with(" =");
}

TEST(ReferenceFile, DocumentsEveryKeyAndItsDefault) {
  std::istringstream lines(reference_file());
  std::string stripped, line, section;
  std::vector<std::pair<std::string, std::string>> seen, at_default;
  while (std::getline(lines, line)) {
    const bool is_default = is_default_line(line);
    if (is_default) line.erase(0, 1);
    stripped += line + '\n';
    if (line.starts_with('[')) section = line.substr(1, line.find_first_of(" ]") - 1);
    const std::string key = line.substr(0, line.find(" ="));
    if (line.starts_with(';') || key == line) continue;
    seen.emplace_back(section, key);
    if (is_default) at_default.emplace_back(section, key);
  }
  for (const KeyHelp& row : config_keys()) {
    const std::pair named{std::string(row.section), std::string(row.key)};
    EXPECT_TRUE(std::find(seen.begin(), seen.end(), named) != seen.end()) << row.key;
    EXPECT_FALSE(row.help.empty()) << row.key;
    const auto required = {"interface", "address", "ports",  "mark",     "match", "server", "sorry",  "port", "program",
                           "vrid",      "peer",    "source", "password", "group", "track",  "notify", "key",  "family"};
    const bool of_sync = row.section == "sync" && (row.key == "group" || row.key == "port");
    const bool has_default = of_sync || std::find(required.begin(), required.end(), row.key) == required.end();
    const bool written = std::find(at_default.begin(), at_default.end(), named) != at_default.end();
    EXPECT_EQ(written, has_default) << row.key;
  }
  const Config c = parsed(stripped);
  Config as_it_is = parsed(reference_file()), only_defaults;
  as_it_is.settings.local_addresses = c.settings.local_addresses;  // by default the host's, by the route
  for (size_t i = 0; i < c.virtuals.size(); ++i) {                 // by default none
    LimitsConfig& limits = as_it_is.virtuals[i].limits;
    const LimitsConfig& written = c.virtuals[i].limits;
    limits.allow = written.allow, limits.deny = written.deny;
    limits.allow_files = written.allow_files, limits.deny_files = written.deny_files;
  }
  EXPECT_TRUE(same(c, as_it_is));
  only_defaults.interface = "eth0";
  only_defaults.settings.local_addresses = c.settings.local_addresses;
  const std::string defaults = print_config(only_defaults);
  EXPECT_TRUE(print_config(c).starts_with(defaults)) << print_config(c);
  for (const KeyHelp& row : config_keys()) {
    const size_t at = defaults.find('\n' + std::string(row.key) + " = ");
    if (at == std::string::npos || row.section != "director" || row.key == "interface" || row.key == "local_address")
      continue;
    const size_t from = at + row.key.size() + 4;
    EXPECT_TRUE(row.help.ends_with("Default " + defaults.substr(from, defaults.find('\n', from) - from))) << row.help;
  }
}

TEST(ReferenceFile, HasOneKeyForEachFieldOfSettings) {
  const std::vector<KeyHelp> rows = config_keys();
  const auto director =
      std::count_if(rows.begin(), rows.end(), [](const KeyHelp& r) { return r.section == "director"; });
  EXPECT_EQ(static_cast<size_t>(director), 16 + std::tuple_size_v<decltype(fields(Settings{}))>);
}

TEST(Config, SaysWhoIsAskedHowAndWhoIsMaster) {
  const Config c = parsed(kEverythingElse);
  EXPECT_EQ(c.state, "/run/x.state");
  EXPECT_EQ(c.state_interval, Duration(11s));
  const std::vector<WantedChecks> checks = wanted_checks(c);
  ASSERT_EQ(checks.size(), 1u);  // the other virtual's servers have no check
  EXPECT_EQ(text(checks[0].service), "tcp 192.0.2.105:80");
  EXPECT_EQ(checks[0].policy, (HealthPolicy{.on_down = OnDown::reset,
                                            .inhibit = false,
                                            .slow_start = 30s,
                                            .quorum = 2,
                                            .hysteresis = 1,
                                            .sorry_server = true,
                                            .flaps_allowed = 5}));
  EXPECT_EQ(text(checks[0].vip), "192.0.2.105");
  ASSERT_EQ(checks[0].servers.size(), 3u);
  EXPECT_EQ(checks[0].servers[0].check->program, "/bin/true -x");
  EXPECT_EQ(checks[0].servers[1].check, nullptr);
  EXPECT_EQ(checks[0].servers[2].check->kind, CheckKind::icmp);
  EXPECT_EQ(text(checks[0].sorry->at), "192.0.2.19:80");
  EXPECT_EQ(c.checks[0].spec.status, (std::vector<CheckSpec::Range>{{200, 200}, {301, 302}}));
  EXPECT_EQ(c.checks[0].spec.timeout, Duration(300ms));
  EXPECT_TRUE(c.checks[0].spec.starts_up);

  const auto marked = wanted_checks(parsed(
      "[director]\ninterface = eth0\n[group g]\nmark = 10\nmatch = 192.0.2.101 tcp/443\nmatch = 192.0.2.102 tcp/80\n"
      "[virtual v]\nmark = 10\nserver = 192.0.2.11 check=c\n[check c]\nvia = vip\n"));
  ASSERT_EQ(marked.size(), 1u);
  EXPECT_EQ(text(marked[0].vip), "192.0.2.101");
  EXPECT_EQ(marked[0].servers[0].check->port, Port(443));
  EXPECT_EQ(marked[0].servers[0].check->via, CheckSpec::Via::vip);

  const std::vector<VrrpSpec> vrrps = wanted_vrrp(c);
  ASSERT_EQ(vrrps.size(), 2u);
  EXPECT_EQ(vrrps[0].link, kInLink);
  EXPECT_EQ(vrrps[0].interval, Duration(2s));
  EXPECT_EQ(vrrps[0].addresses.size(), 2u);
  EXPECT_EQ(vrrps[0].tracks, (std::vector<VrrpTrack>{{"checked", 0}, {"web", -20}}));
  EXPECT_EQ(vrrps[0].password, "secret");
  EXPECT_EQ(vrrps[1].checksum, VrrpChecksum::message);
  EXPECT_TRUE(vrrps[1].begins_as_master);
  EXPECT_TRUE(vrrps[1].virtual_mac);
  EXPECT_EQ(vrrps[1].other_vips, OtherVips::yes);
  ASSERT_TRUE(c.sync);
  EXPECT_EQ(c.sync->role, SyncRole::both);
  EXPECT_EQ(c.sync->peers.size(), 2u);
  EXPECT_EQ(c.sync->settings.id, 7);
  EXPECT_EQ(c.sync->settings.share, 50);
  EXPECT_EQ(c.sync->settings.refresh_period, Duration(10s));
  EXPECT_TRUE(c.sync->settings.persist_mode);
}

TEST(WantedTables, AreWhatIpvsadmWouldBeTold) {
  const WantedTables wanted = wanted_tables(parsed(kEverything));
  std::string all;
  for (const GroupMatch& g : wanted.groups) {
    all += std::to_string(g.mark.value) + ' ' + text(g.vip) + ' ' + name(g.protocol);
    for (const PortRange r : g.ports) all += ' ' + std::to_string(r.first) + '-' + std::to_string(r.last);
    all += " from " + text(g.clients) + '\n';
  }
  for (const auto& [spec, servers, waits, said] : wanted.services) {
    all += text(spec.key) + ' ' + name(spec.scheduler);
    if (spec.flags != 0) all += " flags " + std::to_string(spec.flags);
    if (spec.persistence != Duration(0)) all += " persistence " + std::to_string(spec.persistence / 1s);
    if (!spec.netmask.full() && spec.key.family() == Family::ipv4) all += " netmask " + text(spec.netmask.v4());
    if (!spec.netmask.full() && spec.key.family() == Family::ipv6)
      all += " netmask /" + std::to_string(*spec.netmask.length(Family::ipv6));
    if (spec.one_packet) all += " one_packet";
    for (const ServerSpec& s : servers) all += ' ' + text(s.at) + '*' + std::to_string(s.weight);
    EXPECT_EQ(waits.size(), servers.size());
    EXPECT_EQ(said.limits != nullptr, spec.key.vip.port == Port(9));
    EXPECT_FALSE(said.name.empty());
    all += '\n';
  }
  EXPECT_EQ(all,
            "10 192.0.2.100 tcp 443-443 from 0.0.0.0/0\n"
            "10 192.0.2.100 udp 443-443 from 0.0.0.0/0\n"
            "1381367809 192.0.2.102 tcp 25-25 from 0.0.0.0/0\n"  // 0x52560001: the first is given to another
            "1381367809 192.0.2.102 tcp 465-465 from 0.0.0.0/0\n"
            "1381367809 192.0.2.102 udp 25-25 from 0.0.0.0/0\n"
            "1381367808 192.0.2.102 udp 53-53 from 0.0.0.0/0\n"
            "10 192.0.2.100 tcp 8000-8010 from 0.0.0.0/0\n"
            "10 192.0.2.101 udp 1-65535 from 198.51.100.0/24\n"
            "10 192.0.2.101 sctp 0-65535 from 198.51.100.0/24\n"
            "tcp 192.0.2.100:80 rr 192.0.2.11:80*0 192.0.2.12:80*1\n"
            "mark 10 wlc\n"
            "mark 1381367809 lc 192.0.2.13:0*1\n"
            "mark 1381367808 wlc\n"
            "tcp 192.0.2.103:0 sh flags 3 persistence 300 netmask 255.255.255.128 192.0.2.14:0*1 192.0.2.15:0*1\n"
            "udp 192.0.2.103:0 sh flags 3 persistence 300 netmask 255.255.255.128 192.0.2.14:0*1 192.0.2.15:0*1\n"
            "udp 192.0.2.104:53 wlc one_packet 192.0.2.16:5353*1 192.0.2.16:5354*1 192.0.2.17:53*1 192.0.2.18:53*1\n"
            "sctp 192.0.2.104:9 mh flags 2\n");
}

TEST(WantedTables, NameTheMostSpecificMatchFirst) {
  const WantedTables wanted = wanted_tables(parsed(
      "[director]\ninterface = eth0\n"
      "[group all]\nmark = 1\nmatch = 192.0.2.100 tcp/*\n"
      "[group web]\nmark = 2\nmatch = 192.0.2.100 tcp/8000-8099,80\n"
      "[group office]\nmark = 3\nmatch = 192.0.2.100 tcp/80 from 198.51.100.0/24\n"
      "[group desk]\nmark = 4\nmatch = 192.0.2.100 tcp/80 from 198.51.100.7\n"
      "[virtual all]\nmark = 1\n[virtual web]\nmark = 2\n[virtual office]\nmark = 3\n[virtual desk]\nmark = 4\n"));
  const auto mark_of = [&](const char* client, uint16_t port) -> uint32_t {
    for (const GroupMatch& g : wanted.groups) {
      const bool in_ports =
          std::ranges::any_of(g.ports, [&](PortRange r) { return r.first <= port && port <= r.last; });
      if (in_ports && g.clients.holds(*parse_ip(client))) return g.mark.value;
    }
    return 0;
  };
  EXPECT_EQ(mark_of("198.51.100.7", 80), 4u);
  EXPECT_EQ(mark_of("198.51.100.8", 80), 3u);
  EXPECT_EQ(mark_of("203.0.113.1", 80), 2u);
  EXPECT_EQ(mark_of("198.51.100.7", 8099), 2u);
  EXPECT_EQ(mark_of("198.51.100.7", 8100), 1u);
}

TEST(WantedTables, TellEveryPortFromManyPorts) {
  const auto services = [](const std::string& ports) {
    const WantedTables wanted =
        wanted_tables(parsed("[director]\ninterface = eth0\n[virtual v]\npersistence = 60\n"
                             "address = 192.0.2.100\n" +
                             ports));
    std::string all = std::to_string(wanted.groups.size());
    for (const WantedService& service : wanted.services) all += ", " + text(service.spec.key);
    return all;
  };
  EXPECT_EQ(services("ports = tcp/*"), "0, tcp 192.0.2.100:0");
  EXPECT_EQ(services("ports = *"), "0, tcp 192.0.2.100:0, udp 192.0.2.100:0");
  EXPECT_EQ(services("ports = * sctp/*"), "0, tcp 192.0.2.100:0, udp 192.0.2.100:0, sctp 192.0.2.100:0");
  EXPECT_EQ(services("ports = *\nmark = 5"), "2, mark 5");  // one service of two protocols: templates for both
  EXPECT_EQ(services("ports = tcp/* udp/53"), "2, mark 1381367808");
  EXPECT_EQ(services("ports = tcp/1-65535"), "1, mark 1381367808");
}

}  // namespace
}  // namespace rawvs
