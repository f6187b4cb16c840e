// SPDX-License-Identifier: BSD-2-Clause
// Two directors get the same packets, and of one the program in the kernel forwards what it can: both send the same
// bytes, and have the same connections and counters.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>

#include <map>
#include <random>

#include "director/fast_connections.h"
#include "frames.h"
#include "links.h"
#include "random_packets.h"
#include "sys/io/fast_path.h"
#include "whole_director.h"

namespace rawvs {
namespace {

using namespace test;

constexpr int kLoopbackIndex = 1;          // what BPF_PROG_TEST_RUN says of a frame
constexpr Instant kBegin{24h * 365 * 10};  // later than the kernel's clock, which is never at the same time then
constexpr uint32_t kFlows = 64;
constexpr uint32_t kSeenUnit = 1u << FAST_SEEN_SHIFT;

struct Kind {
  Method method;
  Protocol protocol;
  Family family;
};

class Twins : public testing::TestWithParam<Kind> {
 protected:
  struct Twin {
    std::unique_ptr<Director> director;
    Outbox out{};
    FrameBytes arrived{};
  };
  static void SetUpTestSuite() {
    auto loaded = FastPath::load({.flows = kFlows, .servers = 16, .hops = kMostLinks + 16});
    if (loaded) path_ = std::move(*loaded);
    if (!loaded) why_ = loaded.error().text;
  }
  static void TearDownTestSuite() { path_.reset(); }

  void SetUp() override {
    if (!path_) GTEST_SKIP() << why_;
    const FastMemory& m = path_->memory();
    std::ranges::fill(m.buckets, fast_bucket{});
    std::ranges::fill(m.counts, fast_counts{});
    std::ranges::fill(m.servers, fast_server{});
    std::ranges::fill(m.hops, fast_hop{});
    std::ranges::fill(m.owns, fast_own{});
    Settings settings;
    settings.max_servers = 16;
    settings.fast_after = 1;
    settings.local_ports = {20000, 20200};
    for (Twin* const twin : {&plain_, &fast_})
      twin->director = std::make_unique<Director>(settings, HashKey{1, 2}, now_);
    fast_.director->use_fast_path(m, {3, 4});
    both([&](Twin& t) { set_links(t, 1500); });
    for (const Link link : {kOutLink, kInLink}) fast_.director->fast_on(link, true);
    both([&](Twin& t) { serve(t); });
  }
  template <class Do>
  void both(Do&& one) {
    for (Twin* const twin : {&plain_, &fast_}) twin->out.clear(), one(*twin), twin->out.clear();
  }
  bool v6() const { return GetParam().family == Family::ipv6; }
  bool routed() const { return GetParam().method == Method::route; }
  bool udp() const { return GetParam().protocol == Protocol::udp; }
  std::string client(int i) const { return (v6() ? "2001:db8:2::" : "198.51.100.") + std::to_string(i); }
  std::string vip() const { return v6() ? "2001:db8:1::100" : "192.0.2.100"; }
  std::string server(int i) const {
    if (routed()) return (v6() ? "2001:db8:1::1" : "192.0.2.1") + std::to_string(i);
    return (v6() ? "2001:db8:3::1" : "203.0.113.1") + std::to_string(i);
  }
  Link servers_link() const { return routed() ? kOutLink : kInLink; }
  static Mac mac(int i) { return {{2, 0, 0, 0, 1, static_cast<uint8_t>(0x10 + i)}}; }

  void set_links(Twin& t, uint16_t mtu) {
    for (const Link link : {kOutLink, kInLink}) {
      const bool inside = link == kInLink;
      t.director->link_changed(link,
                               {.name = inside ? "eth1" : "eth0",
                                .role = inside ? LinkRole::servers : LinkRole::clients,
                                .ifindex = kLoopbackIndex,
                                .up = true,
                                .carrier = true,
                                .mac = inside ? kInsideMac : kDirectorMac,
                                .mtu = inside ? mtu : uint16_t{1500},
                                .addresses = {{ip(inside ? "203.0.113.10" : "192.0.2.10"), 24},
                                              {ip(inside ? "2001:db8:3::10" : "2001:db8:1::10"), 64},
                                              {ip(inside ? "fe80::1:10" : "fe80::10"), 64}}},
                               {now_, t.out});
    }
  }
  ServiceKey key() const { return {GetParam().protocol, {ip(vip()), Port(80)}, {}}; }
  ServerSpec spec(int i, int32_t weight = 1) const {
    return {.at = {ip(server(i)), Port(routed() ? 80 : 8080)}, .method = GetParam().method, .weight = weight};
  }
  void serve(Twin& t) {
    ASSERT_FALSE(t.director->add({.key = key(), .scheduler = Scheduler::rr}, {now_, t.out}));
    for (const int i : {1, 2}) {
      ASSERT_FALSE(t.director->add_server(key(), spec(i), {now_, t.out}));
      resolve(t, i, mac(i));
    }
  }
  void resolve(Twin& t, int i, Mac its) {
    const bool inside = !routed();
    const Mac own = inside ? kInsideMac : kDirectorMac;
    FrameBytes told = v6() ? frame(NdFrame{.asks = false,
                                           .src = server(i),
                                           .target = server(i),
                                           .dst = inside ? "fe80::1:10" : "fe80::10",
                                           .from = its,
                                           .option = its,
                                           .to = own,
                                           .solicited = true})
                           : frame(ArpFrame{.request = false,
                                            .sender_mac = its,
                                            .sender = server(i),
                                            .target_mac = own,
                                            .target = inside ? "203.0.113.10" : "192.0.2.10",
                                            .to = own});
    give(t, std::move(told), servers_link());
  }
  void give(Twin& t, FrameBytes bytes, Link link) {
    t.arrived = std::move(bytes);
    Frame f;
    f.data = t.arrived.data(), f.size = static_cast<uint32_t>(t.arrived.size()), f.link = link;
    t.out.clear();
    t.director->frames_arrived({&f, 1}, {now_, t.out});
  }
  static std::vector<FrameBytes> sent(const Twin& t) {
    std::vector<FrameBytes> all;
    for (const Departure& d : t.out.departures()) all.emplace_back(d.frame.data, d.frame.data + d.frame.size);
    return all;
  }
  // By the program if it takes the frame, which then has passed now_, whatever the kernel's clock says.
  std::optional<FrameBytes> by_program(const FrameBytes& bytes) {
    FrameBytes in = bytes, out(bytes.size() + 64);
    const std::span<fast_flow> flows = path_->memory().flows;
    std::array<uint32_t, kFlows + 1> before{};
    for (size_t i = 0; i < flows.size(); ++i) before[i] = flows[i].seen;
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = in.data(), options.data_size_in = static_cast<uint32_t>(in.size());
    options.data_out = out.data(), options.data_size_out = static_cast<uint32_t>(out.size());
    EXPECT_EQ(bpf_prog_test_run_opts(path_->classifier(), &options), 0) << strerror(errno);
    if (options.retval == static_cast<uint32_t>(TC_ACT_UNSPEC)) return std::nullopt;
    EXPECT_EQ(options.retval, static_cast<uint32_t>(TC_ACT_REDIRECT));
    const auto here = static_cast<uint32_t>(static_cast<uint64_t>(now_.time_since_epoch() / 1ns) / kSeenUnit);
    for (size_t i = 0; i < flows.size(); ++i) {
      if (flows[i].seen != before[i]) flows[i].seen = here;
    }
    out.resize(options.data_size_out);
    return out;
  }
  void arrive(const FrameBytes& bytes, Link link) {
    give(plain_, bytes, link);
    if (const auto out = by_program(bytes)) {
      ++by_program_;
      ASSERT_EQ(sent(plain_), std::vector<FrameBytes>(1, *out)) << describe(bytes) << " became " << describe(*out);
    } else {
      give(fast_, bytes, link);
      ASSERT_EQ(sent(plain_), sent(fast_)) << describe(bytes);
      fast_.director->caught_up(true, now_);
    }
  }
  void pass(Duration d) {
    now_ += d;
    for (int i = 0; i < 4; ++i) {
      both([&](Twin& t) { t.director->time_passed({now_, t.out}); });
    }
  }
  // What must be the same in both: all but a deadline's last 50 ms.
  std::map<std::string, Duration> connections(const Twin& t) const {
    std::map<std::string, Duration> all;
    const ConnectionTable& table = t.director->connections();
    for (ConnectionId id = 1; id < table.id_limit(); ++id) {
      const Connection* const c = table.at(id);
      if (!c) continue;
      all[text(c->client()) + " " + state_name(*c) + " " + text(c->real_server()) + " by " +
          text(Mac{routed() ? std::array<uint8_t, 6>{} : c->peer.client_mac}) + (c->is_unproven() ? " unproven" : "")] =
          table.left(*c, now_);
    }
    return all;
  }
  std::string counters(const Twin& t) const {
    std::string all;
    const auto put = [&](const Traffic& n) {
      for (const uint64_t v : {n.connections, n.in_packets, n.in_bytes, n.out_packets, n.out_bytes})
        all += std::to_string(v) + ' ';
    };
    t.director->estimate(now_);
    if (const Service* const service = t.director->services().find(key())) put(service->traffic);
    for (const Server& s : t.director->services().servers()) {
      if (s.used) put(s.traffic), all += std::to_string(s.active) + '/' + std::to_string(s.inactive) + ", ";
    }
    for (size_t e = 0; e < kExits; ++e) all += std::to_string(t.director->exits().of(static_cast<Exit>(e))) + ' ';
    return all + std::to_string(t.director->pressure().implausible);
  }
  void compare() {
    ASSERT_EQ(counters(plain_), counters(fast_));
    const auto a = connections(plain_), b = connections(fast_);
    ASSERT_EQ(a.size(), b.size());
    for (auto one = a.begin(), other = b.begin(); one != a.end(); ++one, ++other) {
      ASSERT_EQ(one->first, other->first);
      ASSERT_LE(std::chrono::abs(one->second - other->second), 50ms)
          << one->first << ": " << one->second.count() << ", by the fast path " << other->second.count();
    }
  }

  int any(int below) { return static_cast<int>(random_() % static_cast<uint32_t>(below)); }
  bool sometimes(int of) { return any(of) == 0; }
  std::string flags() {
    const int n = any(40);
    return n < 3 ? "S" : n == 3 ? "FA" : n == 4 ? "R" : n == 5 ? "AU" : n == 6 ? "" : "A";
  }
  uint32_t number(uint32_t base) {
    return sometimes(12) ? static_cast<uint32_t>(random_()) : base + static_cast<uint32_t>(any(5000));
  }
  std::string data() { return std::string(static_cast<size_t>(sometimes(20) ? 1350 + any(110) : any(40)), 'x'); }
  uint8_t ttl() { return sometimes(20) ? static_cast<uint8_t>(any(3)) : uint8_t{64}; }
  // A bit somewhere, as long as it is no address of Ethernet.
  FrameBytes perhaps_broken(FrameBytes bytes) {
    if (sometimes(25)) bytes[14 + static_cast<size_t>(any(40))] ^= static_cast<uint8_t>(1 << any(8));
    if (sometimes(40)) bytes.resize(bytes.size() + static_cast<size_t>(any(20)));
    return bytes;
  }
  void request() {
    const auto sport = static_cast<uint16_t>(1001 + any(3));
    const Mac from = sometimes(30) ? Mac{{2, 0, 0, 0, 0, 0x77}} : kClientMac;
    const std::string who = client(1 + any(2));
    arrive(perhaps_broken(udp() ? frame(Udp{.src = who,
                                            .dst = vip(),
                                            .sport = sport,
                                            .dport = 80,
                                            .data = data(),
                                            .ttl = ttl(),
                                            .from = from})
                                : frame(Tcp{.src = who,
                                            .dst = vip(),
                                            .sport = sport,
                                            .flags = flags(),
                                            .data = data(),
                                            .seq = number(1000),
                                            .ttl = ttl(),
                                            .from = from})),
           kOutLink);
  }
  void reply() {
    const ConnectionTable& table = plain_.director->connections();
    if (table.size() == 0 || routed()) return;
    const Connection* const c = table.at(1 + static_cast<ConnectionId>(any(static_cast<int>(table.id_limit()))));
    if (!c) return;
    const Endpoint to = c->is_full() ? plain_.director->local(*c) : c->client();
    const std::string src = text(c->server_address()), dst = text(to.addr);
    const Mac from = mac(src.back() - '0');
    arrive(perhaps_broken(udp() ? frame(Udp{.src = src,
                                            .dst = dst,
                                            .sport = 8080,
                                            .dport = to.port.value,
                                            .data = data(),
                                            .ttl = ttl(),
                                            .from = from,
                                            .to = kInsideMac})
                                : frame(Tcp{.src = src,
                                            .dst = dst,
                                            .sport = 8080,
                                            .dport = to.port.value,
                                            .flags = sometimes(4) ? "SA" : flags(),
                                            .data = data(),
                                            .seq = number(5000),
                                            .ttl = ttl(),
                                            .from = from,
                                            .to = kInsideMac})),
           kInLink);
  }
  // What an operator, a check or the network does.
  void happen() {
    const int i = 1 + any(2), what = any(10);
    const Endpoint at = spec(i).at;
    both([&](Twin& t) {
      const Turn turn{now_, t.out};
      switch (what) {
        case 0: static_cast<void>(t.director->edit_server(key(), spec(i, 0), turn)); break;
        case 1: static_cast<void>(t.director->edit_server(key(), spec(i, 3), turn)); break;
        case 2: static_cast<void>(t.director->remove_server(key(), at, turn)); break;
        case 3: static_cast<void>(t.director->add_server(key(), spec(i), turn)); break;
        case 4: static_cast<void>(t.director->set_standing(key(), at, Standing::resets, 0)); break;
        case 5: static_cast<void>(t.director->set_standing(key(), at, Standing::serves, INT32_MAX)); break;
        case 6: set_links(t, sometimes_narrow_ ? 1400 : 1500); break;
        case 7: static_cast<void>(t.director->zero(key())); break;
        default:
          t.director->share({{.vip = ip(vip()), .link = kOutLink, .ours = what == 8}}, std::nullopt, turn);
          break;
      }
    });
    if (what == 6) sometimes_narrow_ = !sometimes_narrow_;
    both([&](Twin& t) { resolve(t, i, mac(i)); });
  }

  static inline std::unique_ptr<FastPath> path_;
  static inline std::string why_;
  Twin plain_{}, fast_{};
  Instant now_ = kBegin;
  std::mt19937 random_{7};
  uint64_t by_program_ = 0;
  bool sometimes_narrow_ = true;
};

TEST_P(Twins, SendTheSameAndCountTheSame) {
  for (int step = 0; step < 12000 && !HasFatalFailure(); ++step) {
    SCOPED_TRACE(step);
    any(3) == 0 ? reply() : request();
    if (sometimes(50)) pass(1ms * any(5000));
    if (sometimes(800)) pass(1s * any(1000));
    if (sometimes(60)) happen();
    if (sometimes(10)) compare();
  }
  EXPECT_GT(by_program_, 100u);
}

std::string kind_name(const testing::TestParamInfo<Kind>& kind) {
  const auto& k = kind.param;
  std::string method = k.method == Method::route ? "Dr" : k.method == Method::masq ? "Nat" : "FullNat";
  return method + (k.protocol == Protocol::tcp ? "Tcp" : "Udp") + (k.family == Family::ipv4 ? "4" : "6");
}

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  for (const Method method : {Method::route, Method::masq, Method::fullnat}) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      for (const Family family : {Family::ipv4, Family::ipv6}) all.push_back({method, protocol, family});
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, Twins, testing::ValuesIn(kinds()), kind_name);

}  // namespace
}  // namespace rawvs
