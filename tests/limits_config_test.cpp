// SPDX-License-Identifier: BSD-2-Clause
// limits_config_test.cpp: limits from a file to the director, through reloads, commands and save --ini.
#include <gtest/gtest.h>

#include <map>

#include "config/list_reader.h"
#include "config_same.h"
#include "control/ini_writer.h"
#include "control/reload.h"
#include "core/limits.h"
#include "rawvs/control.h"

namespace rawvs {
namespace {

const std::string kDirector = "[director]\ninterface = eth0\n";
const std::string kWeb = "[virtual web]\naddress = 192.0.2.100\nports = tcp/80\n";
constexpr ServiceKey kKey{.protocol = Protocol::tcp, .vip = {Ip(0xc0000264), Port(80)}, .mark = {}};

class LimitsConfigTest : public testing::Test {
 protected:
  Config read(const std::string& text) {
    Config config = parsed(text);
    for (const std::string& path : list_paths(config)) config.lists.push_back(*parse_list(files_[path], path));
    return config;
  }
  std::string reload(const std::string& text, bool reset = false, size_t portion = Reload::kPortion) {
    Reload work(config_, read(text), reset);
    while (!work.step(
        director_, {now_, out_}, [&] { out_.clear(); }, portion)) {
    }
    std::string all;
    for (const std::string& line : work.so_far().changes) all += line + '\n';
    for (const std::string& line : work.so_far().pending) all += "later: " + line + '\n';
    config_ = work.take_next();
    return all;
  }
  const ServiceLimits* limits() {
    const Service* const service = director_.services().find(kKey);
    return service ? service->limits.get() : nullptr;
  }
  bool allows(const char* client) { return !limits() || access_of(limits()->access, *parse_ip(client)).allowed; }
  std::string ask(const std::string& request) {
    ControlContext context{.config = &config_};
    Conversation c = answer("rawvs/1 " + request, director_, {now_, out_}, context);
    std::string all;
    for (int i = 0; i < 100 && !c.over(); ++i) all += c.next(director_, now_).text();
    out_.clear();
    return all;
  }

  const Instant now_{1s};
  Outbox out_;
  Director director_{Settings{}, HashKey{1, 2}, now_};
  Config config_ = parsed(kDirector);
  std::map<std::string, std::string> files_{{"/bad", "198.51.100.0/24\n"}, {"/good", "203.0.113.0/24\n"}};
};

TEST_F(LimitsConfigTest, AReloadTakesUpKeysAndFiles) {
  reload(kDirector + kWeb);
  EXPECT_EQ(limits(), nullptr);
  EXPECT_EQ(reload(kDirector + kWeb + "max_connections = 5\ndeny_file = /bad\n"),
            "virtual web: max_connections: 0 -> 5\nvirtual web: deny_file: none -> /bad\n");
  ASSERT_TRUE(limits());
  EXPECT_EQ(limits()->max_connections, 5u);
  EXPECT_FALSE(allows("198.51.100.1"));
  EXPECT_TRUE(allows("192.0.2.1"));
  files_["/bad"] += "192.0.2.0/24\n";
  EXPECT_EQ(reload(kDirector + kWeb + "max_connections = 5\ndeny_file = /bad\n", false, 1), "/bad: 1 networks -> 2\n");
  EXPECT_FALSE(allows("192.0.2.1"));
  const ServiceLimits* const before = limits();
  EXPECT_EQ(reload(kDirector + kWeb + "max_connections = 5\ndeny_file = /bad\n"), "");
  EXPECT_EQ(limits(), before) << "an unchanged list is kept";
  EXPECT_EQ(reload(kDirector + kWeb + "allow_file = /good\nallow = 192.0.2.1 ; one\n"),
            "virtual web: max_connections: 5 -> 0\nvirtual web: allow: none -> 192.0.2.1/32\n"
            "virtual web: allow_file: none -> /good\nvirtual web: deny_file: /bad -> none\n");
  EXPECT_TRUE(allows("192.0.2.1") && allows("203.0.113.1"));
  EXPECT_FALSE(allows("198.51.100.1"));
  EXPECT_EQ(config_.lists.size(), 1u);
  reload(kDirector + kWeb);
  EXPECT_EQ(limits(), nullptr);
}

TEST_F(LimitsConfigTest, CommandsAndAResetKeepTheFilesLimits) {
  const std::string text = kDirector + kWeb + "client_rate = 7\ndeny_file = /bad\n";
  reload(text);
  ask("edit-service service=tcp:192.0.2.100:80 scheduler=rr");
  ASSERT_TRUE(limits());
  EXPECT_EQ(limits()->client_rate, 7u);
  ask("delete-service service=tcp:192.0.2.100:80");
  ask("add-service service=tcp:192.0.2.100:80 scheduler=rr");
  EXPECT_FALSE(allows("198.51.100.1"));
  reload(text, true);
  EXPECT_FALSE(allows("198.51.100.1"));
  ask("delete-service service=tcp:192.0.2.100:80");
  reload(kDirector);
  ask("add-service service=tcp:192.0.2.100:80 scheduler=rr");
  EXPECT_EQ(limits(), nullptr) << "the new file says nothing of it";
}

TEST_F(LimitsConfigTest, SaveWritesThemAndAListedServiceShowsThem) {
  reload(kDirector + kWeb + "max_rate = 9\ndeny = 198.51.100.0/24\ndeny_file = /bad\n");
  ask("edit-service service=tcp:192.0.2.100:80 scheduler=rr");
  const std::string ini = ini_text(config_, director_);
  EXPECT_NE(ini.find("max_rate = 9\n"), std::string::npos) << ini;
  EXPECT_NE(ini.find("deny = 198.51.100.0/24\ndeny_file = /bad\n"), std::string::npos) << ini;
  const std::string row = ask("list");
  EXPECT_NE(row.find(" max-connections=0 max-rate=9 client-connections=0 client-rate=0 allow-lists=0 allow-networks=0 "
                     "deny-lists=2 deny-networks=2 counted=0 refused=0 refused-for=-"),
            std::string::npos)
      << row;
  reload(kDirector + kWeb);
  EXPECT_EQ(ask("list").find("max-connections"), std::string::npos) << "no limits, no keys";
}

TEST_F(LimitsConfigTest, AVirtualOfSeveralServicesLimitsEachOfThem) {
  reload(kDirector +
         "[virtual all]\naddress = 192.0.2.100\nports = *\npersistence = 60\nmax_connections = 3\ndeny_file = /bad\n"
         "[virtual several]\naddress = 2001:db8::100\nports = tcp/80,443\nclient_connections = 4\n");
  for (const Service& service : director_.services().services()) {
    ASSERT_TRUE(service.limits);
    const bool marked = service.spec.key.mark.value != 0;
    EXPECT_EQ(service.limits->max_connections, marked ? 0u : 3u);
    EXPECT_EQ(service.limits->client_connections, marked ? 4u : 0u);
  }
}

}  // namespace
}  // namespace rawvs
