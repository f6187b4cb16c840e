// SPDX-License-Identifier: BSD-2-Clause
// config_test.cpp: configuration files that are right: what they mean, how they are printed, and what they ask for.
// The wrong ones are in config_refusals_test.cpp.

#include "rawvs/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>
#include <tuple>

namespace rawvs {
namespace {

std::string reference_file() {
  std::string path = __FILE__;
  path.replace(path.rfind("tests/config_test.cpp"), std::string::npos, "etc/rawvs.ini");
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Config parsed(std::string_view text) {
  auto config = parse_config(text, "rawvs.ini");
  if (config) return *config;
  ADD_FAILURE() << config.error().text << "\n" << text;
  return {};
}

// Structured bindings: a field more in Settings does not compile here until it is compared, and so has a key.
auto fields(const Settings& s) {
  const auto& [connections, servers, nodest, quiescent, sloppy, reuse, timeouts, garps, garp, arp, hold, probe, rate,
               burst] = s;
  const auto& [tcp, fin, udp] = timeouts;
  return std::tie(connections, servers, nodest, quiescent, sloppy, reuse, tcp, fin, udp, garps, garp, arp, hold, probe,
                  rate, burst);
}
auto fields(const ServerSpec& s) {
  const auto& [at, method, weight, upper, lower, mac] = s;
  return std::tie(at, method, weight, upper, lower, mac);
}

bool same(const VirtualConfig& a, const VirtualConfig& b) {  // but for the line
  return std::tie(a.name, a.address, a.ports, a.mark, a.scheduler) ==
             std::tie(b.name, b.address, b.ports, b.mark, b.scheduler) &&
         std::equal(a.servers.begin(), a.servers.end(), b.servers.begin(), b.servers.end(),
                    [](const ServerSpec& x, const ServerSpec& y) { return fields(x) == fields(y); });
}
bool same(const GroupConfig& a, const GroupConfig& b) {
  return std::tie(a.name, a.mark, a.matches) == std::tie(b.name, b.mark, b.matches);
}
bool same(const Config& a, const Config& b) {
  const auto each = [](const auto& x, const auto& y) { return same(x, y); };
  return std::tie(a.interface, a.inside, a.control, a.control_group, a.guard, a.ring_frames) ==
             std::tie(b.interface, b.inside, b.control, b.control_group, b.guard, b.ring_frames) &&
         fields(a.settings) == fields(b.settings) &&
         std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end(), each) &&
         std::equal(a.virtuals.begin(), a.virtuals.end(), b.virtuals.begin(), b.virtuals.end(), each);
}

void expect_survives_printing(const Config& config) {
  const std::string text = print_config(config);
  const Config again = parsed(text);
  EXPECT_TRUE(same(config, again)) << text;
  EXPECT_EQ(print_config(again), text);
}

constexpr std::string_view kEverything =
    "[director]\ninterface = eth0\ninside = eth1.7\ncontrol = /run/x.sock\ncontrol_group = adm\nguard = classic\n"
    "ring_frames = 64\nmax_connections = 1001\nmax_servers = 1002\nexpire_nodest_conn = yes\n"
    "expire_quiescent_template = on\nsloppy_tcp = 1\nconn_reuse_mode = 3\ntimeout_tcp = 1m\ntimeout_tcpfin = 2h\n"
    "timeout_udp = 3\ngarp_count = 4\ngarp_interval = 5500ms\narp_timeout = 6s\narp_hold = 7\n"
    "arp_probe_interval = 0\nreply_rate = 9\nreply_burst = 10\n"
    "[group media]\nmark = 10\nmatch = 192.0.2.100 tcp/443,8000-8010 udp/443\nmatch = 192.0.2.101 udp/1-65535\n"
    "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\nscheduler = rr\n"
    "server = 192.0.2.11:80 weight=0 forward=dr mac=02:00:00:00:00:0a upper=20 lower=10\nserver = 192.0.2.12\n"
    "[virtual media]\nmark = 0xa\n"
    "[virtual mail]\naddress = 192.0.2.102\nports = tcp/25,465 udp/25\nscheduler = lc\nserver = 192.0.2.13\n"
    "[virtual empty]\naddress = 192.0.2.102\nports = udp/53\nmark = 1381367808\n";  // 0x52560000

TEST(Config, PutsEveryKeyIntoItsField) {
  const Config c = parsed(kEverything);
  EXPECT_EQ(std::tie(c.interface, c.inside, c.control, c.control_group),
            std::make_tuple("eth0", "eth1.7", "/run/x.sock", "adm"));
  EXPECT_EQ(c.guard, GuardMode::classic);
  EXPECT_EQ(c.ring_frames, 64u);
  EXPECT_EQ(fields(c.settings),
            std::make_tuple(1001u, 1002u, true, true, true, uint8_t{3}, Duration(60s), Duration(7200s), Duration(3s),
                            4u, Duration(5500ms), Duration(6s), 7u, Duration(0s), 9u, 10u));
  ASSERT_EQ(c.groups.size(), 1u);
  EXPECT_EQ(std::tie(c.groups[0].name, c.groups[0].line), std::make_tuple("media", 24));
  ASSERT_EQ(c.groups[0].matches.size(), 3u);
  EXPECT_EQ(c.groups[0].matches[0].ports, (PortMatch{Protocol::tcp, {{443, 443}, {8000, 8010}}}));
  EXPECT_EQ(c.groups[0].matches[1].vip, Ip(0xc0000264));
  EXPECT_EQ(c.groups[0].matches[2].ports, (PortMatch{Protocol::udp, {{1, 65535}}}));
  ASSERT_EQ(c.virtuals.size(), 4u);
  EXPECT_EQ(c.virtuals[0].address, Ip(0xc0000264));
  EXPECT_EQ(c.virtuals[0].scheduler, Scheduler::rr);
  ASSERT_EQ(c.virtuals[0].servers.size(), 2u);
  EXPECT_EQ(fields(c.virtuals[0].servers[0]), std::make_tuple(Endpoint{Ip(0xc000020b), Port(80)}, Method::route, 0, 20u,
                                                              10u, std::optional(Mac{{2, 0, 0, 0, 0, 10}})));
  EXPECT_EQ(fields(c.virtuals[0].servers[1]),
            std::make_tuple(Endpoint{Ip(0xc000020c), Port(0)}, Method::route, 1, 0u, 0u, std::optional<Mac>()));
  EXPECT_EQ(c.virtuals[1].mark, Mark(10));
  EXPECT_EQ(c.virtuals[1].scheduler, Scheduler::wlc);
  EXPECT_FALSE(c.virtuals[1].address);
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
    EXPECT_TRUE(std::find(seen.begin(), seen.end(), std::pair(row.section, row.key)) != seen.end()) << row.key;
    EXPECT_FALSE(row.help.empty()) << row.key;
    const bool has_default = row.section == "director" ? row.key != "interface" : row.key == "scheduler";
    const bool written =
        std::find(at_default.begin(), at_default.end(), std::pair(row.section, row.key)) != at_default.end();
    EXPECT_EQ(written, has_default) << row.key;
  }
  const Config c = parsed(stripped);
  EXPECT_TRUE(same(c, parsed(reference_file())));
  const std::string defaults = print_config([] {
    Config d;
    d.interface = "eth0";
    return d;
  }());
  EXPECT_TRUE(print_config(c).starts_with(defaults)) << print_config(c);
  for (const KeyHelp& row : config_keys()) {
    const size_t at = defaults.find('\n' + row.key + " = ");
    if (at == std::string::npos || row.key == "interface") continue;
    const size_t from = at + row.key.size() + 4;
    EXPECT_TRUE(row.help.ends_with("Default " + defaults.substr(from, defaults.find('\n', from) - from))) << row.help;
  }
}

TEST(ReferenceFile, HasOneKeyForEachFieldOfSettings) {
  const std::vector<KeyHelp> rows = config_keys();
  const auto director =
      std::count_if(rows.begin(), rows.end(), [](const KeyHelp& r) { return r.section == "director"; });
  EXPECT_EQ(static_cast<size_t>(director), 6 + std::tuple_size_v<decltype(fields(Settings{}))>);
}

TEST(WantedTables, AreWhatIpvsadmWouldBeTold) {
  const WantedTables wanted = wanted_tables(parsed(kEverything));
  std::string all;
  for (const GroupMatch& g : wanted.groups) {
    all += std::to_string(g.mark.value) + ' ' + text(g.vip) + ' ' + name(g.protocol);
    for (const PortRange r : g.ports) all += ' ' + std::to_string(r.first) + '-' + std::to_string(r.last);
    all += '\n';
  }
  for (const auto& [spec, servers] : wanted.services) {
    all += text(spec.key) + ' ' + name(spec.scheduler);
    for (const ServerSpec& s : servers) all += ' ' + text(s.at) + '*' + std::to_string(s.weight);
    all += '\n';
  }
  EXPECT_EQ(all,
            "10 192.0.2.100 tcp 443-443 8000-8010\n"
            "10 192.0.2.100 udp 443-443\n"
            "10 192.0.2.101 udp 1-65535\n"
            "1381367809 192.0.2.102 tcp 25-25 465-465\n"  // 0x52560001: the first is given to another
            "1381367809 192.0.2.102 udp 25-25\n"
            "1381367808 192.0.2.102 udp 53-53\n"
            "tcp 192.0.2.100:80 rr 192.0.2.11:80*0 192.0.2.12:80*1\n"
            "mark 10 wlc\n"
            "mark 1381367809 lc 192.0.2.13:0*1\n"
            "mark 1381367808 wlc\n");
}

class Random {  // the same numbers everywhere
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_()) % limit; }
  uint32_t from(uint32_t least, uint32_t most) { return least + below(most - least + 1); }
  bool coin() { return below(2) == 0; }

 private:
  std::mt19937 engine_;
};

Settings random_settings(Random& r) {
  const auto ms = [&](uint32_t most) { return Duration(r.from(1000, most)); };
  const auto maybe = [&] { return r.coin() ? Duration(0) : Duration(r.from(100, 86'400'000)); };
  return {r.from(1, 16777214),
          r.from(100, 65534),
          r.coin(),
          r.coin(),
          r.coin(),
          static_cast<uint8_t>(r.below(4)),
          {ms(2'678'400'000), ms(2'678'400'000), ms(2'678'400'000)},
          r.from(0, 100),
          maybe(),
          ms(86'400'000),
          r.from(0, 64),
          maybe(),
          r.from(0, 1'000'000),
          r.from(1, 1'000'000)};
}

std::vector<PortMatch> random_ports(Random& r) {
  std::vector<PortMatch> all;
  uint32_t next = 1;  // ascending, so that nothing is named twice
  for (uint32_t i = r.from(1, 3); i > 0; --i) {
    PortMatch& match = all.emplace_back();
    match.protocol = r.coin() ? Protocol::tcp : Protocol::udp;
    for (uint32_t n = r.from(1, 4); n > 0; --n) {
      const uint32_t first = r.from(next, next + 3000), last = r.coin() ? first : r.from(first, first + 2000);
      match.ports.push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
      next = last + 1;
    }
  }
  return all;
}

Config random_config(Random& r) {
  Config c;
  c.interface = "eth0";
  if (r.coin()) c.inside = "br-lan." + std::to_string(r.below(4095));
  if (r.coin()) c.control = "/tmp/" + std::string(r.from(1, 100), 'c');
  if (r.coin()) c.control_group = "adm";
  c.guard = static_cast<GuardMode>(r.below(5));
  c.ring_frames = r.from(64, 65536);
  c.settings = random_settings(r);
  for (uint32_t i = r.below(4); i > 0; --i) {  // each has VIPs of its own
    GroupConfig& g = c.groups.emplace_back();
    g.name = "group-" + std::to_string(i);
    g.mark = Mark(0x52560000 + i);
    for (const PortMatch& match : random_ports(r)) g.matches.push_back({Ip(0xc6336400 + i), match});
  }
  for (uint32_t i = r.below(6); i > 0; --i) {
    VirtualConfig& v = c.virtuals.emplace_back();
    v.name = "web_" + std::to_string(i);
    if (i <= c.groups.size()) {
      v.mark = Mark(0x52560000 + i);
    } else {
      v.address = Ip(0xcb007100 + i);
      v.ports = random_ports(r);
      if (r.coin()) v.mark = Mark(0x52560010 + i);
    }
    v.scheduler = static_cast<Scheduler>(r.below(static_cast<uint32_t>(Scheduler::count_)));
    for (uint32_t s = r.below(10); s > 0; --s) {
      const uint32_t upper = r.coin() ? 0 : r.below(UINT32_MAX);
      v.servers.push_back({{Ip(0xc0000200 + s), Port(0)},
                           Method::route,
                           static_cast<int32_t>(r.below(INT32_MAX)),
                           upper,
                           upper / 2,
                           std::nullopt});
      if (r.coin()) v.servers.back().mac = Mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(s)}};
    }
  }
  return c;
}

TEST(PrintConfig, IsReadBackAsTheSameConfig) {
  expect_survives_printing(parsed(kEverything));
  Random r(1);
  for (int i = 0; i < 500; ++i) expect_survives_printing(random_config(r));
}

TEST(PrintConfig, NeverMakesALineTooLongToRead) {
  std::string ports = "ports=tcp/80";
  for (int port = 10000; ports.size() + 6 <= 199; ++port) ports += ',' + std::to_string(port * 2 % 65536 + 1);
  ports.append(199 - ports.size(), '\t');
  expect_survives_printing(parsed("[director]\ninterface=eth0\n[virtual web]\naddress=192.0.2.100\n" + ports));
}

// Whatever the bytes are: a Config that survives printing, or an error that names the file; never a crash.
void expect_answer(const std::string& text) {
  const auto config = parse_config(text, "rawvs.ini");
  if (config) {
    expect_survives_printing(*config);
    EXPECT_EQ(wanted_tables(*config).services.size(), config->virtuals.size());
  } else {
    EXPECT_TRUE(config.error().text.starts_with("rawvs.ini:")) << config.error().text;
  }
}

TEST(ParseConfig, AnswersEveryTruncation) {
  for (size_t keep = 0; keep <= kEverything.size(); ++keep) expect_answer(std::string(kEverything.substr(0, keep)));
}

TEST(ParseConfig, AnswersEveryMutation) {
  constexpr std::string_view kPieces[] = {"[",
                                          "]",
                                          "=",
                                          ";",
                                          " ;",
                                          "\n",
                                          "\r\n",
                                          "\t",
                                          "-",
                                          ",",
                                          "/",
                                          ":",
                                          "0",
                                          "65535",
                                          "4294967296",
                                          "tcp/",
                                          "server = ",
                                          "[virtual x]\n",
                                          "[group media]\n",
                                          "mark"};
  Random r(2);
  for (int round = 0; round < 5000; ++round) {
    std::string text(kEverything);
    for (uint32_t n = r.from(1, 4); n > 0 && !text.empty(); --n) {
      const uint32_t size = static_cast<uint32_t>(text.size()), where = r.below(size);
      switch (r.below(5)) {
        case 0: text[where] = static_cast<char>(r.below(256)); break;
        case 1: text.erase(where, r.from(1, 20)); break;
        case 2: text.insert(where, kPieces[r.below(std::size(kPieces))]); break;
        case 3: text.insert(where, text.substr(r.below(size), r.from(1, 60))); break;
        case 4: text[where] = static_cast<char>(text[where] + 1); break;
      }
    }
    expect_answer(text);
  }
}

}  // namespace
}  // namespace rawvs
