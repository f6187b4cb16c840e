// SPDX-License-Identifier: BSD-2-Clause
// Runs captures through the director: tests/captures/NAME.in.pcap and NAME.ini give NAME.out.pcap and NAME.counters.
// RAWVS_REGENERATE=1 writes the expected results and prints them; captures/make.py explains how to add one. Run it from
// the top of the tree; RAWVS_CAPTURES names another folder.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "frames.h"
#include "tools/rawvs-replay/capture_file.h"
#include "whole_director.h"

namespace rawvs::replay {
namespace {

std::string folder() {
  const char* const named = std::getenv("RAWVS_CAPTURES");
  return named ? named : "tests/captures";
}

std::vector<std::string> captures() {
  std::vector<std::string> names;
  std::error_code nowhere;
  for (const auto& entry : std::filesystem::directory_iterator(folder(), nowhere)) {
    if (entry.path().extension() == ".ini") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string read(const std::string& path) {
  const auto text = read_text(path);
  if (!text) {
    ADD_FAILURE() << text.error().text;
    return {};
  }
  return *text;
}

std::vector<Captured> read_capture(const std::string& path) {
  std::vector<Captured> frames;
  auto reader = CaptureReader::open(path);
  if (!reader) {
    ADD_FAILURE() << reader.error().text;
    return frames;
  }
  Captured frame;
  auto more = reader->next(frame);
  for (; more && *more; more = reader->next(frame)) frames.push_back(frame);
  if (!more) ADD_FAILURE() << more.error().text;
  return frames;
}

struct Replayed {
  std::vector<Captured> frames;
  std::string counters;
};

Replayed replay(const std::string& path, std::vector<Captured> arriving) {
  Replayed out;
  auto config = parse_config(read(path + ".ini"), path + ".ini");
  if (!config) {
    ADD_FAILURE() << config.error().text;
    return out;
  }
  const replay::Setup setup{.config = *config, .rules = {}, .rules_name = {}, .links = default_links()};
  const auto leave = [&](Stamp time, Bytes bytes) { out.frames.push_back({time, {bytes.begin(), bytes.end()}}); };
  auto replay = Replay::begin(setup, arriving.empty() ? Stamp{} : arriving[0].time, leave);
  if (!replay) {
    ADD_FAILURE() << replay.error().text;
    return out;
  }
  for (Captured& frame : arriving) {
    const auto arrived = (*replay)->arrive(frame);
    if (!arrived) ADD_FAILURE() << arrived.error().text;
  }
  out.counters = (*replay)->counters();
  return out;
}

// test::describe(), extended by fragments and packets in a tunnel.
std::string in_words(const test::FrameBytes& f) {
  const bool ip = f.size() >= 34 && f[12] == 8 && f[13] == 0;
  const size_t l4 = ip ? 14 + (f[14] & 15u) * 4 : 0;
  if (!ip) return test::describe(f);
  const std::string ends = text(Ip(load_be32(f, 26))) + " > " + text(Ip(load_be32(f, 30)));
  const uint16_t word = load_be16(f, 20);
  const std::string df = (word & 0x4000) != 0 ? " df" : "", id = " id " + std::to_string(load_be16(f, 18));
  const std::string rest = df + id + " tos " + std::to_string(f[15]) + " ttl " + std::to_string(f[22]);
  if ((word & 0x3fff) != 0) {
    const size_t at = (word & 0x1fff) * 8u, size = load_be16(f, 16) - (l4 - 14);
    const bool right = test::slow_checksum(f.data() + 14, l4 - 14) == 0;
    return ends + " protocol " + std::to_string(f[23]) + " bytes " + std::to_string(at) + '-' +
           std::to_string(at + size) + ((word & 0x2000) != 0 ? " more" : " last") + rest +
           (right ? "" : " BAD-IP-CSUM");
  }
  const auto inside = [&](size_t at) {
    test::FrameBytes inner = f;
    inner.erase(inner.begin() + 14, inner.begin() + static_cast<std::ptrdiff_t>(at));
    return " [" + in_words(inner) + ']' + rest;
  };
  const bool gue = f[23] == 17 && load_be16(f, l4 + 2) / 2 == 3040;  // ports 6080, 6081
  if (f[23] == 4) return ends + " ipip" + inside(l4);
  if (f[23] == 47) return ends + " gre" + inside(l4 + ((f[l4] & 0x80) != 0 ? 8 : 4));
  if (gue) return ends + " gue" + (load_be16(f, l4 + 6) != 0 ? " checksum" : "") + inside(l4 + 12);
  if (f[23] == 17 && load_be16(f, l4 + 6) == 0) return ends + " udp without checksum" + rest;
  return test::describe(f) + df + " size " + std::to_string(load_be16(f, 16));
}

std::string described(const Captured& frame, Stamp start) {
  const auto microseconds = std::to_string(1'000'000 + (frame.time - start).count() % 1'000'000);
  return std::to_string((frame.time - start).count() / 1'000'000) + '.' + microseconds.substr(1) + ' ' +
         in_words(frame.bytes);
}

void regenerate(const std::string& path, const Replayed& replayed, Stamp start) {
  auto writer = CaptureWriter::create(path + ".out.pcap");
  ASSERT_TRUE(writer) << writer.error().text;
  for (const Captured& frame : replayed.frames) {
    writer->write(frame.time, frame.bytes);
    std::printf("%s\n", described(frame, start).c_str());
  }
  ASSERT_TRUE(writer->finish());
  ASSERT_TRUE(write_text(path + ".counters", replayed.counters));
  std::printf("%s", replayed.counters.c_str());
}

class CaptureTest : public testing::TestWithParam<std::string> {};

TEST_P(CaptureTest, GivesTheFramesAndCountersThatAreExpected) {
  const std::string path = folder() + '/' + GetParam();
  const std::vector<Captured> arriving = read_capture(path + ".in.pcap");
  ASSERT_FALSE(arriving.empty());
  const Stamp start = arriving[0].time;
  const Replayed replayed = replay(path, arriving);
  if (std::getenv("RAWVS_REGENERATE")) return regenerate(path, replayed, start);

  const std::vector<Captured> expected = read_capture(path + ".out.pcap");
  for (size_t i = 0; i < std::min(expected.size(), replayed.frames.size()); ++i) {
    EXPECT_EQ(described(replayed.frames[i], start), described(expected[i], start)) << "frame " << i + 1;
    EXPECT_EQ(replayed.frames[i].bytes, expected[i].bytes) << "frame " << i + 1 << ", alike when described";
  }
  for (size_t i = expected.size(); i < replayed.frames.size(); ++i) {
    ADD_FAILURE() << "not expected: " << described(replayed.frames[i], start);
  }
  for (size_t i = replayed.frames.size(); i < expected.size(); ++i) {
    ADD_FAILURE() << "expected, but never left: " << described(expected[i], start);
  }
  EXPECT_EQ(replayed.counters, read(path + ".counters"));
}

TEST_P(CaptureTest, CountsEveryFrameOnce) {
  const std::vector<Captured> arriving = read_capture(folder() + '/' + GetParam() + ".in.pcap");
  const std::string counters = replay(folder() + '/' + GetParam(), arriving).counters;
  size_t sum = 0;
  for (size_t at = 0; at < counters.size(); at = counters.find('\n', at) + 1) {
    const std::string word = counters.substr(at, counters.find(' ', at) - at);
    const bool exit = std::ranges::any_of(kExitWords, [&](const ExitWords& w) { return word == w.name; });
    // A frame that was held and then given up is counted twice, once for each.
    if (exit && word != words(Exit::hold_expired).name && word != words(Exit::fragment_expired).name)
      sum += std::strtoul(counters.c_str() + at + word.size(), nullptr, 10);
  }
  EXPECT_EQ(sum, arriving.size());
}

INSTANTIATE_TEST_SUITE_P(Captures, CaptureTest, testing::ValuesIn(captures()),
                         [](const auto& capture) { return capture.param; });

TEST(CaptureFolder, IsFoundFromTheTopOfTheTree) { EXPECT_GE(captures().size(), 16u) << "in " << folder(); }

// Writes a capture file with these bytes and removes it; returns the errors of opening and reading it.
std::string reading(const std::string& bytes) {
  const std::string path = testing::TempDir() + "rawvs-capture-test-" + std::to_string(getpid());
  EXPECT_TRUE(write_text(path, bytes));
  auto reader = CaptureReader::open(path);
  Captured frame;
  auto more = reader ? reader->next(frame) : Result<bool>(reader.error());
  while (more && *more) more = reader->next(frame);
  std::remove(path.c_str());
  const std::string said = more ? "ok" : more.error().text;
  return said.starts_with(path) ? "FILE" + said.substr(path.size()) : said;
}

TEST(CaptureFile, SaysWhatIsWrongWithIt) {
  const std::string good = read(folder() + "/ping_is_answered.in.pcap");
  EXPECT_EQ(reading(good), "ok");
  EXPECT_EQ(reading("[director]\ninterface = eth0\n"),
            "FILE: not a capture file (pcap or pcapng): unknown file format");
  std::string other_link = good;
  other_link[20] = 113;
  EXPECT_EQ(reading(other_link), "FILE: link type LINUX_SLL: expected EN10MB (Ethernet)");
  const std::string cut = reading(good.substr(0, good.size() - 1));
  EXPECT_EQ(cut.substr(0, 45), "FILE: behind frame 7: truncated dump file; tr");
  EXPECT_EQ(CaptureReader::open("/nonexistent.pcap").error().text, "/nonexistent.pcap: No such file or directory");
}

TEST(Rules, AreWhatIpvsadmSaves) {
  const auto asked = [](std::string_view line) {
    const auto request = request_of(line);
    return request ? *request : request.error().text;
  };
  EXPECT_EQ(asked("-A -t 192.0.2.100:80 -s rr"), "rawvs/1 add-service service=tcp:192.0.2.100:80 scheduler=rr");
  EXPECT_EQ(asked("ipvsadm -a -f 7 -r 192.0.2.11:0 -g -w 3 -x 9 -y 2\r"),
            "rawvs/1 add-server service=mark:7 server=192.0.2.11:0 method=route weight=3 upper=9 lower=2");
  EXPECT_EQ(asked("-a -t 192.0.2.100:80 -r 192.0.2.11:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum"),
            "rawvs/1 add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80 method=tunnel weight=1 tun-type=gue "
            "tun-port=6080 tun-checksum=on");
  EXPECT_EQ(asked("# saved"), "");
  EXPECT_EQ(asked("-D -t 192.0.2.100:80"), "\"-D\": expected -A or -a, as ipvsadm -S -n prints them");
  EXPECT_EQ(asked("-A -t"), "-t: expected a value behind it");
}

TEST(Rules, NameFileAndLineOfWhatIsRefused) {
  const auto config = parse_config("[director]\ninterface = eth0\n", "x.ini");
  ASSERT_TRUE(config) << config.error().text;
  replay::Setup setup{.config = *config, .rules = {}, .rules_name = "saved", .links = default_links()};
  setup.rules = "-A -t 192.0.2.100:80 -s rr\n-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 1\n";
  setup.rules += "-a -t 192.0.2.100:80 -r 192.0.2.12:80 -i -w 1 --tun-type gre --tun-nocsum\n";
  const auto good = Replay::begin(setup, Stamp{}, [](Stamp, Bytes) {});
  ASSERT_TRUE(good) << good.error().text;
  EXPECT_NE((*good)->counters().find("server 192.0.2.11:80 "), std::string::npos);
  setup.rules += "-A -t 192.0.2.100:80 -s rr\n";
  const auto bad = Replay::begin(setup, Stamp{}, [](Stamp, Bytes) {});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().text, "saved:4: error exists service tcp:192.0.2.100:80 is already there");
}

TEST(Replay, AVirtualAtAnInterfaceHasTheAddressThatIsSimulatedThere) {
  const auto begin = [](const std::string& text) {
    const auto config = parse_config(text, "x.ini");
    EXPECT_TRUE(config) << (config ? "" : config.error().text);
    const replay::Setup setup{
        .config = config ? *config : Config{}, .rules = {}, .rules_name = {}, .links = default_links()};
    return Replay::begin(setup, Stamp{}, [](Stamp, Bytes) {});
  };
  const std::string web = "ports = tcp/80\nserver = 203.0.113.11 forward=nat\n";
  const auto own = begin("[director]\ninterface = eth0 eth1\n[virtual web]\naddress = eth0\n" + web);
  ASSERT_TRUE(own) << own.error().text;
  EXPECT_NE((*own)->counters().find("service tcp 192.0.2.10:80"), std::string::npos) << (*own)->counters();
  EXPECT_NE((*own)->counters().find("interface eth1 is not simulated: its frames count as eth0's"), std::string::npos);
  const auto other = begin("[director]\ninterface = eth0 eth1\n[virtual web]\naddress = eth1\n" + web);
  ASSERT_FALSE(other);
  EXPECT_TRUE(other.error().text.starts_with("[virtual web] address = eth1: only the first interface of each list"));
}

TEST(Replay, RefusesATimeThatCannotBeRight) {
  const auto config = parse_config("[director]\ninterface = eth0\n", "x.ini");
  ASSERT_TRUE(config);
  const replay::Setup setup{.config = *config, .rules = {}, .rules_name = {}, .links = default_links()};
  const auto replay = Replay::begin(setup, Stamp{}, [](Stamp, Bytes) {});
  ASSERT_TRUE(replay);
  Captured late{.time = 32 * 24h, .bytes = test::frame(test::Ping{})};
  EXPECT_FALSE((*replay)->arrive(late));
  Captured next{.time = 1s, .bytes = late.bytes}, older{.time = 0s, .bytes = late.bytes};
  EXPECT_TRUE((*replay)->arrive(next));
  EXPECT_TRUE((*replay)->arrive(older));  // as in captures of several cards
}

}  // namespace
}  // namespace rawvs::replay
