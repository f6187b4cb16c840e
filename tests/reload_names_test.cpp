// SPDX-License-Identifier: BSD-2-Clause
// Tests the names of services and servers: they are the file's, whatever operators do.
#include "control/reload.h"

#include "reload_fixture.h"

namespace rawvs {
namespace {

class ReloadNamesTest : public ReloadTest {
 protected:
  // The names in the listing, "web: web1 -": "-" for a service or server without one.
  std::string names() {
    const std::string listing = ask("list");
    std::string all;
    for (size_t at = 0; at < listing.size();) {
      const size_t end = std::min(listing.find('\n', at), listing.size());
      const std::string row = listing.substr(at, end - at);
      at = end + 1;
      const size_t key = row.find(" name=");
      const std::string name = key == std::string::npos ? "-" : row.substr(key + 6, row.find(' ', key + 6) - key - 6);
      if (row.starts_with("service ")) all += (all.empty() ? "" : "; ") + name + ':';
      if (row.starts_with("server ")) all += ' ' + name;
    }
    return all;
  }
};

TEST_F(ReloadNamesTest, AreInTheListing) {
  start(kDirector + kWeb + "server = 192.0.2.11 name=web1\nserver = 192.0.2.12\n" + kShop +
        "[virtual all]\naddress = 192.0.2.102\nports = *\npersistence = 60\n");
  EXPECT_EQ(names(), "web: - web1; shop:; all:; all:");
}

TEST_F(ReloadNamesTest, ARenamedVirtualAndServerStayTheSame) {
  start(kDirector + kWeb + "server = 192.0.2.11 name=web1\nserver = 192.0.2.12\n");
  const Service* const service = &director_.services().services()[0];
  const uint32_t serial = service->serial;
  EXPECT_EQ(reload(kDirector + "[virtual store]\naddress = 192.0.2.100\nports = tcp/80\n" +
                   "server = 192.0.2.11 name=first\nserver = 192.0.2.12 name=web1\n"),
            "tcp 192.0.2.100:80: name: web -> store\n"
            "store (tcp 192.0.2.100:80): server 192.0.2.11:80: name: web1 -> first\n"
            "store (tcp 192.0.2.100:80): server 192.0.2.12:80: name: none -> web1\n");
  EXPECT_EQ(names(), "store: web1 first");
  EXPECT_EQ(service->serial, serial);
  EXPECT_EQ(reload(kDirector + "[virtual store]\naddress = 192.0.2.100\nports = tcp/80\n" +
                   "server = 192.0.2.11\nserver = 192.0.2.12 name=web1\n"),
            "store (tcp 192.0.2.100:80): server 192.0.2.11:80: name: first -> none\n");
  EXPECT_EQ(names(), "store: web1 -");
}

TEST_F(ReloadNamesTest, SurviveWhatOperatorsDo) {
  start(kDirector + kWeb + "server = 192.0.2.11 name=web1\n");
  ask("edit-service service=tcp:192.0.2.100:80 scheduler=rr");
  ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11 weight=7");
  EXPECT_EQ(names(), "web: web1");
  ask("clear");
  ask("add-service service=tcp:192.0.2.100:80");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  ask("add-service service=tcp:192.0.2.100:81");
  EXPECT_EQ(names(), "web: - web1; -:") << "a service and a server that no file has are called by their addresses";
}

TEST_F(ReloadNamesTest, AServerThatTheFileDropsLosesItsName) {
  start(kDirector + kWeb + "server = 192.0.2.11 name=web1\n");
  reload(kDirector + kWeb + "server = 192.0.2.12 name=web1\n");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11");
  EXPECT_EQ(names(), "web: - web1");
}

TEST_F(ReloadNamesTest, AServiceThatTheFileDropsLosesItsName) {
  start(kDirector + kWeb);
  reload(kDirector + kShop);
  ask("add-service service=tcp:192.0.2.100:80");
  EXPECT_EQ(names(), "-:; shop:");
}

TEST_F(ReloadNamesTest, ARestoredServerIsNamedByReload) {
  start(kDirector + kWeb + "server = 192.0.2.11\n");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  reload(kDirector + kWeb + "server = 192.0.2.11 name=a\nserver = 192.0.2.12 name=b\n");
  EXPECT_EQ(names(), "web: b a");
}

TEST_F(ReloadNamesTest, AreWrittenWithTheTables) {
  const std::string file = kDirector + kWeb + "server = 192.0.2.11 name=web1\nsorry = 192.0.2.19 name=sorry\n";
  start(file);
  ask("edit-server service=tcp:192.0.2.100:80 server=192.0.2.11 weight=7");
  ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12");
  const std::string written = ask("ini");
  EXPECT_NE(written.find("[virtual web]"), std::string::npos) << written;
  EXPECT_NE(written.find("server = 192.0.2.11 name=web1 weight=7 forward=dr\n"), std::string::npos) << written;
  EXPECT_NE(written.find("server = 192.0.2.12 weight=1 forward=dr\n"), std::string::npos) << written;
  EXPECT_NE(written.find("sorry = 192.0.2.19 name=sorry weight=1 forward=dr\n"), std::string::npos) << written;
}

}  // namespace
}  // namespace rawvs
