// SPDX-License-Identifier: BSD-2-Clause
// Tests sys/io/tap_filter.h in the kernel: the translated program and the classic one see the same frames.
#include "sys/io/tap_filter.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>
#include <random>

#include "core/sort.h"
#include "frames.h"
#include "program_array.h"
#include "side/capture_filter.h"
#include "sys/guard/filter_program.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

using namespace test;

constexpr uint32_t kWhole = 262144, kFact = static_cast<uint32_t>(SKF_AD_OFF);
constexpr Mac kOurs{{2, 0, 0, 0, 0, 1}};

// A datagram of a local socket begins where a packet socket's frame does, but comes by no interface.
class Pair {
 public:
  Pair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
    from_ = Fd(ends[0]), to_ = Fd(ends[1]);
  }
  void attach(std::span<const sock_filter> program) {
    const sock_fprog all{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
    EXPECT_EQ(setsockopt(to_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all), 0) << strerror(errno);
  }
  void attach(int program) {
    EXPECT_EQ(setsockopt(to_.get(), SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof program), 0) << strerror(errno);
  }
  ssize_t gets(const FrameBytes& frame) {  // how much of it; -1: nothing
    static_cast<void>(send(from_.get(), frame.data(), frame.size(), 0));
    FrameBytes there(frame.size() + 1);
    return recv(to_.get(), there.data(), there.size(), 0);
  }

 private:
  Fd from_, to_;
};

class TapFilter : public testing::Test {
 protected:
  void SetUp() override {
    if (!array_) GTEST_SKIP() << "no eBPF here: " << strerror(errno);
  }
  std::optional<Pair> translated(std::span<const sock_filter> program) const {
    auto loaded = load_tap_filter(program, array_.get());
    EXPECT_TRUE(loaded) << loaded.error().text;
    if (!loaded) return std::nullopt;
    std::optional<Pair> pair(std::in_place);
    pair->attach(loaded->get());
    return pair;
  }
  size_t compare(std::span<const sock_filter> program, const std::string& what) const {  // the frames that pass
    Pair classic;
    classic.attach(program);
    auto other = translated(program);
    size_t passed = 0;
    if (!other) return 0;
    for (const FrameBytes& frame : frames()) {
      const ssize_t gets = classic.gets(frame);
      EXPECT_EQ(other->gets(frame), gets) << what;
      passed += gets >= 0;
      if (testing::Test::HasFailure()) break;
    }
    return passed;
  }
  static const std::vector<FrameBytes>& frames() {
    static const std::vector<FrameBytes> all = make_frames();
    return all;
  }
  static std::vector<FrameBytes> make_frames() {
    std::mt19937 random(3);
    std::vector<FrameBytes> all;
    const auto one_of = [&](std::initializer_list<const char*> list) {
      return std::string(list.begin()[random() % list.size()]);
    };
    for (int n = 0; n < 400; ++n) {
      const bool wide = random() % 3 == 0;
      const Mac to{{2, 0, 0, 0, 0, static_cast<uint8_t>(random() % 3)}};
      const std::string src =
          wide ? one_of({"2001:db8:c6::1", "2001:db8:2::11"}) : one_of({"198.51.100.1", "192.0.2.11"});
      const std::string dst = wide ? one_of({"2001:db8::100", "2001:db8::101"}) : one_of({"192.0.2.100", "192.0.2.7"});
      const auto port = static_cast<uint16_t>(random() % 2 == 0 ? 80 : random());
      FrameBytes made = random() % 8 == 0   ? frame(ArpFrame{.sender = "192.0.2.11", .target = "192.0.2.100"})
                        : random() % 2 == 0 ? frame(Udp{.src = src, .dst = dst, .dport = port, .to = to})
                                            : frame(Tcp{.src = src, .dst = dst, .dport = port, .flags = "A", .to = to});
      if (random() % 4 == 0) made[random() % made.size()] ^= static_cast<uint8_t>(random());
      if (random() % 4 == 0) made.resize(1 + random() % made.size());
      if (random() % 8 == 0) made.resize(made.size() + random() % 1400, 0x5a);
      all.push_back(std::move(made));
    }
    return all;
  }

  const Fd array_ = array_of_programs();
};

TEST_F(TapFilter, AcceptsWhatPcapsProgramsDo) {
  for (const char* const expression :
       {"", "ip or arp or ip6", "less 100", "greater 100", "ether dst 02:00:00:00:00:01 and tcp port 80",
        "udp and ip[8] < 65 and not dst net 192.0.2.0/28", "tcp[tcpflags] & tcp-ack != 0", "portrange 50-100 or icmp6",
        "ip[2:2] - ((ip[0] & 0xf) << 2) > 40", "len % 7 = 3 or len / 3 * 2 > 60", "ip6 and ip6[6] = 17", "vlan or ip",
        "ether[12:2] = 0x806 or arp[6:2] = 1", "ip[len - 30] > 100"}) {
    const auto program = compile_filter(expression, kWhole);
    ASSERT_TRUE(program) << expression << program.error().text;
    EXPECT_GT(compare(*program, expression), 0u) << expression;
  }
}

TEST_F(TapFilter, AcceptsWhatTheDirectorsFilterDoes) {
  Watch watch;
  watch.vips = {ip("192.0.2.100"), ip("2001:db8::100")};
  watch.nat_servers = {ip("192.0.2.11"), ip("2001:db8:2::11")};
  watch.icmp_errors = true;
  const std::vector<Mac> own{kOurs, {{2, 0, 0, 0, 0, 2}}};
  for (int more = 0; more < 2; ++more) {
    const auto program = compile_filter(capture_filter(watch, own), kWhole);
    ASSERT_TRUE(program) << program.error().text;
    const size_t passed = compare(*program, "the director's filter");
    EXPECT_GT(passed, 50u);
    EXPECT_LT(passed, frames().size());
    for (uint32_t n = 0; n < 200; ++n) watch.vips.push_back(Ip(0xcb007100 + 37 * n));  // a long one
    sort_addresses(watch.vips);
  }
}

TEST_F(TapFilter, CutsWhatTheClassicOneCuts) {
  for (const uint32_t most : {1u, 14u, 60u, 100000u}) {
    const auto program = compile_filter("ip", static_cast<int>(most));
    ASSERT_TRUE(program);
    EXPECT_GT(compare(*program, std::to_string(most)), 0u);
  }
}

// Random programs of all instructions, but for jumps behind the end: what the kernel takes is translated.
TEST_F(TapFilter, DoesWhatRandomProgramsDo) {
  std::mt19937 random(11);
  const auto any = [&](std::initializer_list<int> list) { return list.begin()[random() % list.size()]; };
  size_t taken = 0;
  for (int n = 0; n < 300 && !HasFailure(); ++n) {
    std::vector<sock_filter> program;
    for (uint32_t cell = 0; cell < BPF_MEMWORDS; cell += 5) program.push_back({BPF_ST, 0, 0, cell});
    const size_t size = program.size() + 4 + random() % 24;
    while (program.size() < size) {
      const auto left = static_cast<uint32_t>(size - program.size());
      const auto small = static_cast<uint32_t>(random() % 70), cell = static_cast<uint32_t>(random() % 4 * 5);
      sock_filter i{0, 0, 0, random() % 2 == 0 ? small : static_cast<uint32_t>(random())};
      switch (random() % 12) {
        case 0: i.code = static_cast<uint16_t>(BPF_LD | BPF_ABS | any({BPF_W, BPF_H, BPF_B})), i.k = small; break;
        case 1: i.code = static_cast<uint16_t>(BPF_LD | BPF_IND | any({BPF_W, BPF_H, BPF_B})), i.k = small; break;
        case 2: i.code = static_cast<uint16_t>(any({BPF_LD, BPF_LDX}) | BPF_W | any({BPF_IMM, BPF_LEN})); break;
        case 3: i.code = static_cast<uint16_t>(any({BPF_LD, BPF_LDX}) | BPF_W | BPF_MEM), i.k = cell; break;
        case 4: i.code = BPF_LDX | BPF_B | BPF_MSH, i.k = small; break;
        case 5: i.code = static_cast<uint16_t>(any({BPF_ST, BPF_STX})), i.k = cell; break;
        case 6: i.code = static_cast<uint16_t>(BPF_MISC | any({BPF_TAX, BPF_TXA})); break;
        case 7: i.code = BPF_ALU | BPF_NEG; break;
        case 8: i.code = static_cast<uint16_t>(BPF_ALU | BPF_K | any({BPF_LSH, BPF_RSH})), i.k %= 32; break;
        case 9:
          i.code = static_cast<uint16_t>(BPF_ALU | any({BPF_K, BPF_X}) |
                                         any({BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR, BPF_XOR}));
          i.k |= 1;
          break;
        case 10:
          i.code = static_cast<uint16_t>(BPF_JMP | any({BPF_K, BPF_X}) | any({BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET}));
          i.jt = static_cast<uint8_t>(random() % left), i.jf = static_cast<uint8_t>(random() % left);
          break;
        default:
          if (random() % 3 == 0)
            i = {BPF_JMP | BPF_JA, 0, 0, static_cast<uint32_t>(random() % left)};
          else if (random() % 3 == 0)
            i.code = static_cast<uint16_t>(BPF_RET | any({BPF_K, BPF_A}));
          else
            i = {BPF_LD | BPF_W | BPF_ABS, 0, 0,
                 kFact + static_cast<uint32_t>(any({SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_MARK, SKF_AD_VLAN_TAG,
                                                    SKF_AD_VLAN_TAG_PRESENT}))};
      }
      program.push_back(i);
    }
    program.push_back(
        {static_cast<uint16_t>(BPF_RET | any({BPF_K, BPF_A})), 0, 0, static_cast<uint32_t>(random() % 200)});
    taken += compare(program, "random program " + std::to_string(n)) != 0;
  }
  EXPECT_GT(taken, 50u);
}

TEST_F(TapFilter, ReturnsNothingWithoutAnInterface) {
  const sock_filter program[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, kFact + SKF_AD_IFINDEX},
                                 {BPF_RET | BPF_K, 0, 0, kWhole}};
  EXPECT_EQ(compare(program, "ifindex"), 0u);
}

TEST_F(TapFilter, AsksTheFirstProgramAboutWhatItAccepts) {
  const auto program = compile_filter("ip", kWhole);
  ASSERT_TRUE(program);
  auto pair = translated(*program);
  ASSERT_TRUE(pair);
  const FrameBytes v4 = frame(Udp{}), v6 = frame(Udp{.src = "2001:db8::1", .dst = "2001:db8::2"});
  EXPECT_EQ(pair->gets(v4), static_cast<ssize_t>(v4.size()));
  EXPECT_EQ(pair->gets(v6), -1);
  for (const int32_t says : {0, 20, -1}) {
    put_first(array_, says);
    EXPECT_EQ(pair->gets(v4), says == 0 ? -1 : says < 0 ? static_cast<ssize_t>(v4.size()) : says);
    EXPECT_EQ(pair->gets(v6), -1);
  }
}

TEST(TapFilterCode, SaysWhatItCannotTranslate) {
  const auto refused = [](std::initializer_list<sock_filter> program) {
    const auto code = tap_filter_code(std::vector<sock_filter>(program), 0);
    return code ? "" : code.error().text;
  };
  constexpr sock_filter kAll{BPF_RET | BPF_K, 0, 0, kWhole};
  EXPECT_EQ(refused({}), "a filter of 0 instructions, of 1 to 4096");
  EXPECT_EQ(refused({kAll}), "");
  EXPECT_EQ(refused({{BPF_LD | BPF_IMM, 0, 0, 1}}), "the filter does not end with a return");
  EXPECT_EQ(refused({{BPF_LD | BPF_W | BPF_ABS, 0, 0, kFact + SKF_AD_RANDOM}, kAll}),
            "instruction 0 of the filter has no translation: code 32, value 4294963256");
  for (const sock_filter& i : {sock_filter{BPF_ST, 0, 0, BPF_MEMWORDS}, sock_filter{BPF_JMP | BPF_JA, 0, 0, 1},
                               sock_filter{BPF_JMP | BPF_JEQ, 0, 1, 0}, sock_filter{BPF_ALU | BPF_DIV, 0, 0, 0},
                               sock_filter{BPF_ALU | BPF_LSH, 0, 0, 32}, sock_filter{BPF_RET | BPF_X, 0, 0, 0},
                               sock_filter{BPF_LDX | BPF_W | BPF_ABS, 0, 0, 0}, sock_filter{0xffff, 0, 0, 0}}) {
    EXPECT_NE(refused({i, kAll}), "") << i.code;
  }
}

}  // namespace
}  // namespace rawvs
