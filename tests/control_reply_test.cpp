// SPDX-License-Identifier: BSD-2-Clause
// Tests replies of the control protocol: whole lines in pieces that fit; nothing else can be sent.
#include <type_traits>

#include "control_fixture.h"
#include "side/vrrp.h"

namespace rawvs {
namespace {

static_assert(!std::is_constructible_v<Piece, std::string>, "only a Conversation makes a Piece of text");

constexpr size_t kServers = 10'000, kChanges = 5'000, kInstances = 255;

RowSources only(std::unique_ptr<RowSource> source) {
  RowSources sources;
  sources.push_back(std::move(source));
  return sources;
}

std::vector<std::string> pieces_of(Conversation c, Table& t) {
  std::vector<std::string> all;
  for (int i = 0; i < 100'000 && !c.over(); ++i) all.emplace_back(c.next(t.director, t.now).text());
  EXPECT_TRUE(c.over());
  return all;
}

// The whole reply; checks each of its pieces.
std::string whole(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) {
    EXPECT_LE(piece.size(), kPieceMost);
    EXPECT_TRUE(piece.empty() || piece.back() == '\n');
    all += piece;
  }
  EXPECT_TRUE(all.starts_with("ok\n")) << all.substr(0, 100);
  EXPECT_TRUE(all.ends_with("\nend\n"));
  return all;
}

std::string place(size_t i) { return text(Ip(0xcb007100 + static_cast<uint32_t>(i))) + ":80"; }

TEST(Reply, OfThousandsOfServersGoesInPieces) {
  Settings settings = Table::settings(1024);
  settings.max_servers = kServers;
  Table t(settings);
  const ServiceKey key{Protocol::tcp, {Ip(0xc0000264), Port(80)}, {}};
  ASSERT_FALSE(t.director.add({.key = key}, {t.now, t.out}));
  for (size_t i = 0; i < kServers; ++i) {
    const Endpoint at{Ip(0xcb007100 + static_cast<uint32_t>(i)), Port(80)};
    ASSERT_FALSE(t.director.add_server(key, {.at = at}, {t.now, t.out})) << i;
    t.out.clear();
  }
  Config config;
  t.context.config = &config;
  for (const char* request : {"list", "list service=tcp:192.0.2.100:80"}) {
    const std::string all = whole(t.pieces(std::string("rawvs/1 ") + request));
    EXPECT_EQ(count(all, "\nserver service="), kServers) << request;
    for (const size_t i : {size_t{0}, kServers / 2, kServers - 1}) EXPECT_EQ(count(all, "=" + place(i) + " "), 1u);
  }
  EXPECT_EQ(count(whole(t.pieces("rawvs/1 ini")), "\nline text=server = "), kServers);
  EXPECT_GE(count(whole(t.pieces("rawvs/1 arp")), "\nneighbor address="), 1u);
}

TEST(Reply, OfFiveThousandChangesGoesInPieces) {
  Table t;
  t.context.reload = [](bool, bool) {
    Reloaded done;
    for (size_t i = 0; i < kChanges; ++i) {
      done.changes.push_back("tcp 192.0.2.100:80: server " + place(i) + " weight=2 forward=dr");
      done.pending.push_back("ring_frames: " + std::to_string(i));
    }
    return std::shared_ptr<const ReloadTask>(new ReloadTask{true, std::move(done)});
  };
  const std::string all = whole(t.pieces("rawvs/1 reload"));
  EXPECT_EQ(count(all, "\nchange text=tcp 192.0.2.100:80: server "), kChanges);
  EXPECT_EQ(count(all, "\npending text=ring_frames: "), kChanges);
}

TEST(Reply, OfAllVrrpInstancesGoesInPiecesAndKeepsItsPlaceWhenSomeGo) {
  Table t;
  Vrrp vrrp;
  std::vector<VrrpSpec> specs;
  for (size_t i = 1; i <= kInstances; ++i) {
    VrrpSpec spec;
    spec.name = "instance-" + std::to_string(i);
    spec.vrid = static_cast<uint8_t>(i);
    spec.addresses = {Ip(0xc0000200 + static_cast<uint32_t>(i))};
    specs.push_back(spec);
  }
  VrrpOutbox out;
  vrrp.configure(specs, {t.now, out});
  t.context.vrrp = &vrrp;
  const auto pieces = t.pieces("rawvs/1 vrrp");
  EXPECT_GT(pieces.size(), 2u);
  EXPECT_EQ(count(whole(pieces), "\nvrrp name="), kInstances);

  // Those listed already are removed, and one is added before them: each of the others is listed once.
  Conversation c = answer("rawvs/1 vrrp", t.director, {t.now, t.out}, t.context);
  std::string all(c.next(t.director, t.now).text());
  const size_t told = count(all, "\nvrrp name=");
  ASSERT_GT(told, 2u);
  specs.erase(specs.begin(), specs.begin() + static_cast<std::ptrdiff_t>(told) - 2);
  vrrp.configure(specs, {t.now, out});
  while (!c.over()) all += c.next(t.director, t.now).text();
  EXPECT_EQ(count(all, "\nvrrp name="), kInstances);
  for (size_t i = 1; i <= kInstances; ++i) {
    EXPECT_EQ(count(all, "\nvrrp name=instance-" + std::to_string(i) + " "), 1u) << i;
  }
}

TEST(Reply, ARowThatIsTooLongOrHasSeveralLinesStaysOneLineThatFits) {
  Table t;
  std::vector<std::string> texts(100, std::string(20'000, 'x'));
  texts[7] = std::string(100'000, 'y');
  texts[8] = "one\ntwo";
  const std::string all = whole(pieces_of(Conversation(only(text_rows("change", texts))), t));
  EXPECT_EQ(count(all, "\nchange text="), texts.size());
  EXPECT_EQ(count(all, "\nchange text=one two\n"), 1u);
  EXPECT_EQ(count(all, "y"), kPieceMost - 1 - std::string("change text=").size());
}

TEST(Reply, ATextsLinesKeepTheirLengthHoweverLongTheyAre) {
  Table t;
  const std::string text = "short\n\n" + std::string(100'000, 'z') + "\nlast line without an end";
  const std::string all = whole(pieces_of(Conversation(only(line_rows(text))), t));
  EXPECT_EQ(count(all, "z"), 100'000u);
  EXPECT_EQ(count(all, "\nline text="), 4u);
  EXPECT_EQ(count(all, "\npart text="), 6u);
  EXPECT_EQ(count(all, "\nline text=\n"), 1u);
}

TEST(Reply, AnErrorOfSeveralLinesIsOneErrorAndItsFurtherLinesAreRows) {
  Table t;
  Conversation c(Fault{"file", "a.ini:1: first\na.ini:2: second\n\na.ini:9: last\n"});
  EXPECT_TRUE(c.refused());
  EXPECT_EQ(c.next(t.director, t.now).text(),
            "error file a.ini:1: first\nfault text=a.ini:2: second\nfault text=a.ini:9: last\nend\n");
  EXPECT_TRUE(c.over());
  EXPECT_EQ(Conversation::refusal({"busy", "no place"}).text(), "error busy no place\nend\n");
}

}  // namespace
}  // namespace rawvs
