// SPDX-License-Identifier: BSD-2-Clause
// Tests that a printed Config is read back as the same, and files of arbitrary bytes.

#include <gtest/gtest.h>

#include <random>

#include "config_same.h"

namespace rawvs {
namespace {

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
          r.from(200, 65534),
          r.from(200, 65534),
          r.from(4, 8192),
          r.from(1, 65534),
          r.coin(),
          r.coin(),
          r.coin(),
          static_cast<uint8_t>(r.below(4)),
          r.coin(),
          r.coin(),
          r.coin()   ? uint16_t{0}
          : r.coin() ? Settings::kMssAuto
                     : static_cast<uint16_t>(r.from(536, 65495)),
          r.coin(),
          ms(2'678'400'000),
          ms(2'678'400'000),
          {ms(2'678'400'000), ms(2'678'400'000), ms(2'678'400'000)},
          static_cast<uint8_t>(r.below(4)),
          static_cast<uint8_t>(r.below(4)),
          static_cast<uint8_t>(r.below(4)),
          static_cast<uint8_t>(r.from(1, 100)),
          static_cast<uint8_t>(r.from(1, 100)),
          static_cast<uint8_t>(r.from(1, 100)),
          r.from(0, 16777214),
          r.from(0, 16777214),
          static_cast<SynCookieMode>(r.below(3)),
          static_cast<uint8_t>(r.from(1, 255)),
          r.coin() ? std::vector<Ip>{} : std::vector{Ip(0xcb007105), Ip(uint64_t{0x20010db8} << 32, 5)},
          LocalPorts{static_cast<uint16_t>(r.from(1024, 9999)), static_cast<uint16_t>(r.from(9999, 65535))},
          r.from(0, 100),
          maybe(),
          ms(86'400'000),
          r.from(0, 64),
          maybe(),
          r.coin(),
          r.from(0, 1'000'000),
          r.from(1, 1'000'000)};
}

std::vector<PortMatch> random_ports(Random& r) {
  std::vector<PortMatch> all;
  uint32_t next = 1;  // ascending, so that nothing is named twice
  for (uint32_t i = r.from(1, 3); i > 0; --i) {
    PortMatch& match = all.emplace_back();
    match.protocol = r.coin() ? Protocol::tcp : r.coin() ? Protocol::udp : Protocol::sctp;
    for (uint32_t n = r.from(1, 4); n > 0; --n) {
      const uint32_t first = r.from(next, next + 3000), last = r.coin() ? first : r.from(first, first + 2000);
      match.ports.push_back({static_cast<uint16_t>(first), static_cast<uint16_t>(last)});
      next = last + 1;
    }
  }
  return all;
}

ClientMask random_mask(Random& r, Family family) {
  if (family == Family::ipv4) return {Netmask(Ip(r.below(UINT32_MAX))), family};
  return {Netmask(family, static_cast<uint8_t>(r.from(0, 128))), family};
}

// Of either family; different for different numbers.
Ip address_of(Family family, uint32_t number) {
  return family == Family::ipv4 ? Ip(number) : Ip(uint64_t{0x20010db8} << 32, number);
}
Family any_family(Random& r) { return r.coin() ? Family::ipv4 : Family::ipv6; }

void randomize_choices(VirtualConfig& v, Random& r) {
  v.scheduler = static_cast<Scheduler>(r.below(static_cast<uint32_t>(Scheduler::count_)));
  const bool flagged = v.scheduler == Scheduler::sh || v.scheduler == Scheduler::mh;
  if (flagged && r.coin()) v.flags = {v.scheduler, static_cast<uint8_t>(r.from(1, 3))};
  if (r.coin()) v.persistence = std::chrono::seconds(r.from(1, 2'678'400));
  if (v.service_family() == Family::ipv6) v.netmask = {Netmask(), Family::ipv6};
  if (v.persistence != Duration(0) && r.coin()) v.netmask = random_mask(r, v.service_family());
  for (uint32_t s = r.below(10); s > 0; --s) {
    const uint32_t upper = r.coin() ? 0 : r.below(UINT32_MAX);
    ServerSpec& server = v.servers.emplace_back();
    server.at.addr = address_of(v.service_family(), 0xc0000200 + s);
    server.weight = static_cast<int32_t>(r.below(INT32_MAX));
    server.upper = upper, server.lower = upper / 2;
    if (r.coin()) server.mac = Mac{{2, 0, 0, 0, 0, static_cast<uint8_t>(s)}};
    server.method = r.coin() ? Method::route : r.coin() ? Method::tunnel : Method::masq;
    if (server.method != Method::tunnel) continue;
    if (r.coin()) server.at.addr = address_of(any_family(r), 0xc0000200 + s);
    server.tunnel.type = static_cast<TunnelType>(r.below(3));
    if (server.tunnel.type == TunnelType::gue) server.tunnel.port = Port(static_cast<uint16_t>(r.from(1, 65535)));
    const uint32_t checksums = server.tunnel.type == TunnelType::ipip  ? 1
                               : server.tunnel.type == TunnelType::gre ? 2
                                                                       : 3;
    server.tunnel.checksum = static_cast<TunnelChecksum>(r.below(checksums));
  }
}

Config random_config(Random& r) {
  Config c;
  c.interface = r.coin() ? "eth0" : "eth0 wan*";
  c.auto_interfaces = r.coin();
  c.local_clients = r.coin();
  if (r.coin()) c.inside = "br-lan." + std::to_string(r.below(4095));
  if (r.coin()) c.control = "/tmp/" + std::string(r.from(1, 100), 'c');
  if (r.coin()) c.control_group = "adm";
  if (r.coin()) c.read_group = "users";
  c.seccomp = static_cast<SeccompMode>(r.below(4));
  c.guard = static_cast<GuardMode>(r.below(5));
  c.io = static_cast<IoMode>(r.below(3));  // not xdp, which the program may be built without
  c.fast_path = static_cast<FastMode>(r.below(3));
  c.fast_flows = r.from(1, 4194304);
  c.ring_frames = r.from(64, 65536);
  c.settings = random_settings(r);
  for (uint32_t i = r.below(4); i > 0; --i) {  // each has VIPs of its own
    GroupConfig& g = c.groups.emplace_back();
    g.name = "group-" + std::to_string(i);
    g.mark = Mark(0x52560000 + i);
    const Family family = any_family(r);
    const Network some = family == Family::ipv4 ? Network{Ip(0xcb007200), 24} : Network{address_of(family, 0), 64};
    const Network clients = r.coin() ? some : Network::all(family);
    for (const PortMatch& match : random_ports(r)) {
      g.matches.push_back({address_of(family, 0xc6336400 + i), match, clients});
    }
  }
  for (uint32_t i = r.below(6); i > 0; --i) {
    VirtualConfig& v = c.virtuals.emplace_back();
    v.name = "web_" + std::to_string(i);
    if (i <= c.groups.size()) {
      v.mark = Mark(0x52560000 + i);
      v.family = c.groups[c.groups.size() - i].family();
    } else {
      v.address = address_of(any_family(r), 0xcb007100 + i);
      v.ports = random_ports(r);
      if (r.coin()) v.mark = Mark(0x52560010 + i);
    }
    randomize_choices(v, r);
    v.one_packet = v.mark.value != 0 && r.coin();
  }
  return c;
}

TEST(PrintConfig, IsReadBackAsTheSameConfig) {
  expect_survives_printing(parsed(kEverything));
  expect_survives_printing(parsed(kEverythingElse));
  Random r(1);
  for (int i = 0; i < 500; ++i) expect_survives_printing(random_config(r));
}

TEST(PrintConfig, NeverMakesALineTooLongToRead) {
  std::string ports = "ports=tcp/80";
  for (int port = 10000; ports.size() + 6 <= 199; ++port) ports += ',' + std::to_string(port * 2 % 65536 + 1);
  ports.append(199 - ports.size(), '\t');
  expect_survives_printing(parsed("[director]\ninterface=eth0\n[virtual web]\naddress=192.0.2.100\n" + ports));
}

// Any bytes give a Config that survives printing, or an error that names the file; never a crash.
void expect_answer(const std::string& text) {
  const auto config = parse_config(text, "rawvs.ini");
  if (config) {
    expect_survives_printing(*config);
    EXPECT_GE(wanted_tables(*config).services.size(), config->virtuals.size());
  } else {
    EXPECT_TRUE(config.error().text.starts_with("rawvs.ini:")) << config.error().text;
  }
}

TEST(ParseConfig, AnswersEveryTruncation) {
  for (const std::string_view all : {kEverything, kEverythingElse}) {
    for (size_t keep = 0; keep <= all.size(); ++keep) expect_answer(std::string(all.substr(0, keep)));
  }
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
                                          "mark",
                                          "*",
                                          " from 198.51.100.0/24",
                                          "persistence = 360\n",
                                          "netmask = /24\n",
                                          " forward=nat",
                                          " forward=tun tun_type=gue tun_port=6080"};
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
