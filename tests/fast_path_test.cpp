// SPDX-License-Identifier: BSD-2-Clause
// Tests sys/io/fast_path.bpf.c in the kernel (BPF_PROG_TEST_RUN), with the memory that core/fast_flows.h writes: its
// frames are those that the director's own functions make.
#include "sys/io/fast_path.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>
#include <sys/socket.h>

#include <random>

#include "core/rewrite.h"
#include "frames.h"
#include "sys/fd.h"
#include "sys/io/tap_filter.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kLoopback = 1, kNext = static_cast<uint32_t>(TC_ACT_UNSPEC);
constexpr Mac kServerMac{{2, 0, 0, 0, 1, 0x11}};
constexpr uint16_t kServer = 3, kHop = 1, kLink = 2;
constexpr uint8_t kOwn = 5, kOwnInside = 6;

struct Case {
  std::string name;
  uint8_t method;
  bool wide, udp;
};

class FastPathTest : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    auto loaded = FastPath::load({.flows = 64, .servers = 8, .hops = 4});
    if (loaded) path_ = std::move(*loaded);
    if (!loaded) why_ = loaded.error().text;
  }
  static void TearDownTestSuite() { path_.reset(); }
  void SetUp() override {
    if (!path_) GTEST_SKIP() << why_;
    const FastMemory& m = path_->memory();
    std::ranges::fill(m.buckets, fast_bucket{});
    std::ranges::fill(m.counts, fast_counts{});
    flows_.emplace(m, HashKey{1, 2});
    flows_->set_on(true);
    flows_->set_server(kServer, {.on = 1, .hop = kHop, .mtu = 1500, .zero = 0});
    flows_->set_hop(kHop, hop(kServerMac, kInsideMac));
    flows_->set_hop(kLink, hop({}, kDirectorMac));
    flows_->set_own(kOwn, kDirectorMac, kLoopback);
    flows_->set_own(kOwnInside, kInsideMac, kLoopback);
    id_ = flows_->add(connection(), now_);
    ASSERT_NE(id_, FastFlows::kNone);
    ASSERT_TRUE(flows_->begin(id_, false, kOwn));
    ASSERT_TRUE(GetParam().method == FAST_ROUTE || flows_->begin(id_, true, kOwnInside));
  }

  static fast_hop hop(Mac to, Mac from) {
    fast_hop h{};
    std::ranges::copy(to.bytes, h.to), std::ranges::copy(from.bytes, h.from);
    h.mtu = 1500, h.on = 1, h.ifindex = kLoopback;
    return h;
  }
  std::string client() const { return GetParam().wide ? "2001:db8:c6::1" : "198.51.100.1"; }
  std::string vip() const { return GetParam().wide ? "2001:db8::100" : "192.0.2.100"; }
  std::string server() const { return GetParam().wide ? "2001:db8:2::11" : "203.0.113.11"; }
  std::string local() const {
    return GetParam().method != FAST_FULLNAT ? client() : GetParam().wide ? "2001:db8:2::10" : "203.0.113.10";
  }
  uint16_t local_port() const { return GetParam().method == FAST_FULLNAT ? 20001 : 1001; }
  FastConnection connection() const {
    return {
        .key = {ip(client()), ip(vip()), Port(1001), Port(80), GetParam().udp ? Protocol::udp : Protocol::tcp, false},
        .server = {ip(server()), Port(8080)},
        .local = {ip(local()), Port(local_port())},
        .method = GetParam().method,
        .slot = kServer,
        .link = kLink,
        .client_mac = kClientMac};
  }
  FrameBytes request(const std::string& flags = "A", const std::string& data = "hello", uint8_t ttl = 64,
                     uint32_t seq = 1000) const {
    if (GetParam().udp) return frame(Udp{.src = client(), .dst = vip(), .dport = 80, .data = data, .ttl = ttl});
    return frame(Tcp{.src = client(), .dst = vip(), .flags = flags, .data = data, .seq = seq, .ttl = ttl});
  }
  FrameBytes reply(const std::string& data = "hello", uint32_t seq = 5000) const {
    if (GetParam().udp)
      return frame(Udp{.src = server(),
                       .dst = local(),
                       .sport = 8080,
                       .dport = local_port(),
                       .data = data,
                       .from = kServerMac,
                       .to = kInsideMac});
    return frame(Tcp{.src = server(),
                     .dst = local(),
                     .sport = 8080,
                     .dport = local_port(),
                     .flags = "A",
                     .data = data,
                     .seq = seq,
                     .from = kServerMac,
                     .to = kInsideMac});
  }
  // What the program does with a frame, which becomes what it sends.
  uint32_t run(FrameBytes& frame) const {
    FrameBytes out(frame.size() + 64);
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<uint32_t>(out.size());
    EXPECT_EQ(bpf_prog_test_run_opts(path_->classifier(), &options), 0) << strerror(errno);
    out.resize(options.data_size_out);
    frame = out;
    return options.retval;
  }
  // Whether the frame is left alone; by the tap, too.
  bool passes(FrameBytes frame) {
    const FrameBytes before = frame;
    const bool alone = run(frame) == kNext;
    EXPECT_TRUE(!alone || frame == before);
    EXPECT_EQ(reaches_a_socket(before, path_->tap()), alone);
    const sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, 0xffff}}, none[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    EXPECT_EQ(reaches_a_socket(before, load_tap_filter(all, path_->taps())->get()), alone);
    EXPECT_FALSE(reaches_a_socket(before, load_tap_filter(none, path_->taps())->get()));
    return alone;
  }
  // A datagram of a local socket begins where a packet socket's frame does, but comes by no interface.
  static bool reaches_a_socket(const FrameBytes& frame, int tap) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
    const Fd from(ends[0]), to(ends[1]);
    EXPECT_EQ(setsockopt(to.get(), SOL_SOCKET, SO_ATTACH_BPF, &tap, sizeof tap), 0) << strerror(errno);
    std::vector<fast_own> owns(path_->memory().owns.begin(), path_->memory().owns.end());
    for (fast_own& own : path_->memory().owns) own.ifindex = own.ifindex == kLoopback ? 0 : 1;
    static_cast<void>(send(from.get(), frame.data(), frame.size(), 0));
    FrameBytes there(frame.size() + 1);
    const auto got = recv(to.get(), there.data(), there.size(), 0);
    std::ranges::copy(owns, path_->memory().owns.begin());
    return got >= 0;
  }
  FrameBytes expected(FrameBytes bytes, bool is_reply) const {
    Frame f = view(bytes);
    Packet p;
    EXPECT_FALSE(parse_ip(f, p));
    decrement_ttl(f, p);
    const bool nat = GetParam().method != FAST_ROUTE, full = GetParam().method == FAST_FULLNAT;
    if (is_reply) {
      rewrite_source(f, p, ip(vip()), Port(80));
      if (full) rewrite_destination(f, p, ip(client()), Port(1001));
      set_macs(f, kDirectorMac, kClientMac);
    } else {
      if (full) rewrite_source(f, p, ip(local()), Port(local_port()));
      if (nat) rewrite_destination(f, p, ip(server()), Port(8080));
      set_macs(f, kInsideMac, kServerMac);
    }
    return bytes;
  }

  static inline std::unique_ptr<FastPath> path_;
  static inline std::string why_;
  std::optional<FastFlows> flows_;
  FastFlows::Id id_ = FastFlows::kNone;
  Instant now_ = clock_now();
};

TEST_P(FastPathTest, ForwardsWhatTheDirectorWouldHave) {
  std::mt19937 random(7);
  uint64_t bytes = 0;
  for (uint32_t n = 0; n < 200; ++n) {
    std::string data(random() % 1400, 0);
    std::ranges::generate(data, [&] { return static_cast<char>(random()); });
    FrameBytes sent = request("AP", data, static_cast<uint8_t>(2 + random() % 254), 1000 + n);
    const FrameBytes as = expected(sent, false);
    bytes += sent.size() - 14;
    ASSERT_EQ(run(sent), static_cast<uint32_t>(TC_ACT_REDIRECT));
    ASSERT_EQ(sent, as);
    if (GetParam().method == FAST_ROUTE) continue;
    FrameBytes answered = reply(data);
    const FrameBytes answer = expected(answered, true);
    ASSERT_EQ(run(answered), static_cast<uint32_t>(TC_ACT_REDIRECT));
    ASSERT_EQ(answered, answer);
  }
  const fast_counts counts = flows_->counts(kServer);
  EXPECT_EQ(counts.in_packets, 200u);
  EXPECT_EQ(counts.in_bytes, bytes);
  EXPECT_EQ(counts.out_packets, GetParam().method == FAST_ROUTE ? 0u : 200u);
  EXPECT_EQ(flows_->seen(id_).requests, 200u);
}

TEST_P(FastPathTest, LeavesTheRestToTheDirector) {
  EXPECT_FALSE(passes(request()));
  EXPECT_TRUE(passes(request("A", "hello", 1)));
  for (const char* flags : {"S", "SA", "F", "FA", "R", "RA", "UA", "P", ""}) {
    EXPECT_EQ(passes(request(flags)), !GetParam().udp) << flags;
  }
  FrameBytes other = request();
  other[6] ^= 4;  // another source: NAT's replies would go elsewhere
  EXPECT_EQ(passes(other), GetParam().method != FAST_ROUTE);
  other = request(), other[6] ^= 1;  // a group's
  EXPECT_TRUE(passes(other));
  other = request(), std::copy_n(other.begin(), 6, other.begin() + 6);  // our own
  EXPECT_TRUE(passes(other));
  other = request(), other[5] ^= 1;  // not to us
  EXPECT_TRUE(passes(other));
  other = request(), other[l4_offset(other)] ^= 1;  // another port
  EXPECT_TRUE(passes(other));
  other = request(), other[14] ^= 0x10;  // another version
  EXPECT_TRUE(passes(other));
  if (!GetParam().wide) {
    other = request(), other[24] ^= 1;  // a wrong checksum
    EXPECT_TRUE(passes(other));
    other = request(), other[20] |= 0x20, fix_ip_checksum(other);  // a fragment
    EXPECT_TRUE(passes(other));
  }
  for (size_t size = l4_offset(request()); size < request().size(); ++size) {  // shorter ones the kernel does not run
    other = request(), other.resize(size);
    EXPECT_TRUE(passes(other)) << size;
  }
  EXPECT_TRUE(passes(request("A", std::string(1500, 'x'))));  // too long for the way
}

TEST_P(FastPathTest, OneWriteTakesAServerOrAWayOrAnAddressOut) {
  flows_->set_server(kServer, {.on = 0, .hop = kHop, .mtu = 1500, .zero = 0});
  EXPECT_TRUE(passes(request()));
  flows_->set_server(kServer, {.on = 1, .hop = kHop, .mtu = 1500, .zero = 0});
  EXPECT_FALSE(passes(request()));
  flows_->set_own(kOwn, kDirectorMac, 0);
  EXPECT_TRUE(passes(request()));
  flows_->set_own(kOwn, kDirectorMac, kLoopback);
  flows_->set_hop(kHop, {});
  EXPECT_TRUE(passes(request()));
  flows_->set_hop(kHop, hop({{2, 0, 0, 0, 1, 0x99}}, kInsideMac));
  FrameBytes moved = request();
  run(moved);
  EXPECT_EQ(moved[5], 0x99);
  flows_->set_on(false);
  EXPECT_TRUE(passes(request()));
}

TEST_P(FastPathTest, TellsWhenItSawAConnectionAndItsNumbers) {
  FrameBytes sent = request("A", "12345", 64, 7000);
  run(sent);
  const FastFlows::Seen seen = flows_->seen(id_);
  EXPECT_GE(seen.last + 40ms, now_);
  EXPECT_LE(seen.last, clock_now());
  EXPECT_EQ(seen.next_client, GetParam().udp ? 0u : 7005u);
  for (const auto& [seq, next] : {std::pair{6000u, 7005u}, {7005u, 7010u}, {9'000'000u, 7010u}}) {
    sent = request("A", "12345", 64, seq);
    run(sent);
    EXPECT_EQ(flows_->seen(id_).next_client, GetParam().udp ? 0 : next) << seq;
  }
}

TEST_P(FastPathTest, AConnectionThatWasRemovedIsTheDirectorsAgain) {
  flows_->remove(id_, now_);
  EXPECT_TRUE(passes(request()));
  EXPECT_TRUE(passes(reply()));
  for (const FastFlows::Id next : {2u, 3u}) EXPECT_EQ(flows_->add(connection(), now_), next);  // not its place
  EXPECT_EQ(flows_->size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(
    All, FastPathTest,
    testing::Values(Case{"route", FAST_ROUTE, false, false}, Case{"route6", FAST_ROUTE, true, false},
                    Case{"route_udp", FAST_ROUTE, false, true}, Case{"nat", FAST_NAT, false, false},
                    Case{"nat6", FAST_NAT, true, false}, Case{"nat_udp", FAST_NAT, false, true},
                    Case{"nat6_udp", FAST_NAT, true, true}, Case{"fullnat", FAST_FULLNAT, false, false},
                    Case{"fullnat6", FAST_FULLNAT, true, false}, Case{"fullnat_udp", FAST_FULLNAT, false, true},
                    Case{"fullnat6_udp", FAST_FULLNAT, true, true}),
    [](const auto& with) { return with.param.name; });

}  // namespace
}  // namespace rawvs
