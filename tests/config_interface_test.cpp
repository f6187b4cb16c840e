// SPDX-License-Identifier: BSD-2-Clause
// Tests virtuals that follow an interface's address: read, printed, resolved, moved by a reload, saved.
#include <gtest/gtest.h>

#include "config/config_tables.h"
#include "config_same.h"
#include "control/ini_writer.h"
#include "control/reload.h"
#include "whole_director.h"

namespace rawvs {
namespace {

Config following(const std::string& rest) {
  auto config =
      parse_config("[director]\ninterface = eth0\ninside = eth1\n[virtual web]\naddress = eth0\n" + rest, "test.ini");
  EXPECT_TRUE(config) << (config ? "" : config.error().text);
  return config ? *config : Config{};
}

class InterfacesAddress : public testing::Test {
 protected:
  // The configuration with this address, applied.
  std::string now_has(std::optional<Ip> address) {
    Config next;
    Portions copying;
    add_copy(config_, next, copying);
    copying.finish();
    asked_.clear();
    set_present_addresses(next, [&](const std::string& interface, Family family) {
      asked_ += interface + ' ' + name(family) + '\n';
      return address;
    });
    Reload work(config_, std::move(next), false);
    while (!work.step(director_, {now_, out_}, [&] { out_.clear(); })) continue;
    std::string all;
    for (const std::string& line : work.so_far().changes) all += line + '\n';
    config_ = work.take_next();
    return all;
  }
  std::string services() {
    std::string all;
    for (const Service& service : director_.services().services()) {
      if (!service.used) continue;
      all += text(service.spec.key) + " with " + std::to_string(service.servers.size()) + '\n';
    }
    return all;
  }

  Config config_;
  Instant now_{1000s};
  Outbox out_;
  Director director_{Settings{}, HashKey{1, 2}, now_};
  std::string asked_;
};

TEST_F(InterfacesAddress, IsReadAndPrinted) {
  const Config c = following("ports = tcp/80\nfamily = ipv6\nserver = 2001:db8::11\n");
  ASSERT_EQ(c.virtuals.size(), 1u);
  ASSERT_TRUE(c.virtuals[0].address);
  EXPECT_EQ(c.virtuals[0].address->interface, "eth0");
  EXPECT_EQ(c.virtuals[0].service_family(), Family::ipv6);
  EXPECT_FALSE(c.virtuals[0].vip());
  const auto again = parse_config(print_config(c), "printed");
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->virtuals[0].address, c.virtuals[0].address);
  EXPECT_EQ(again->virtuals[0].family, Family::ipv6);
}

TEST_F(InterfacesAddress, ServersAreOfItsFamily) {
  const auto wrong = parse_config(
      "[director]\ninterface = eth0\n[virtual web]\naddress = eth0\nports = tcp/80\nserver = 2001:db8::11\n",
      "test.ini");
  EXPECT_FALSE(wrong);
}

TEST_F(InterfacesAddress, TwoVirtualsMayNotHaveOnePort) {
  const auto wrong = parse_config(
      "[director]\ninterface = eth0\n[virtual a]\naddress = eth0\nports = tcp/80\n[virtual b]\naddress = eth0\nports = "
      "tcp/80\n",
      "test.ini");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().text.find("tcp 80 of eth0's address is the same as tcp 80 of eth0's address of [virtual a]"),
            std::string::npos)
      << wrong.error().text;
}

TEST_F(InterfacesAddress, TheServiceMovesWithIt) {
  config_ = following("ports = tcp/80\nserver = 203.0.113.11 forward=nat\n");
  EXPECT_TRUE(wanted_tables(config_).services.empty()) << "it is not known yet";
  EXPECT_EQ(now_has(Ip(0xc000020a)),
            "web (tcp 192.0.2.10:80): added\n"
            "web (tcp 192.0.2.10:80): server 203.0.113.11:80 weight=1 forward=nat: added\nVIP 192.0.2.10: added\n");
  EXPECT_EQ(asked_, "eth0 IPv4\n");
  EXPECT_EQ(services(), "tcp 192.0.2.10:80 with 1\n");
  EXPECT_EQ(now_has(Ip(0xc000020a)), "");
  now_has(Ip(0xc0000214));
  EXPECT_EQ(services(), "tcp 192.0.2.20:80 with 1\n");
  now_has(std::nullopt);
  EXPECT_EQ(services(), "");
  now_has(Ip(0xc000020a));
  EXPECT_EQ(services(), "tcp 192.0.2.10:80 with 1\n");
}

TEST_F(InterfacesAddress, AServiceOfSeveralPortsKeepsItsMark) {
  config_ = following("ports = tcp/80,443\nserver = 203.0.113.11 forward=nat\n");
  now_has(Ip(0xc000020a));
  const std::string before = services();
  EXPECT_EQ(director_.services().vips(), std::vector{Ip(0xc000020a)});
  now_has(Ip(0xc0000214));
  EXPECT_EQ(services(), before);
  EXPECT_EQ(director_.services().vips(), std::vector{Ip(0xc0000214)});
  now_has(std::nullopt);
  EXPECT_TRUE(director_.services().vips().empty());
}

TEST_F(InterfacesAddress, TheFileThatIsSavedNamesTheInterface) {
  config_ = following("ports = tcp/80,443\nserver = 203.0.113.11 forward=nat\n");
  for (const auto address : {std::optional(Ip(0xc000020a)), std::optional<Ip>()}) {
    now_has(address);
    const std::string saved = ini_text(config_, director_);
    EXPECT_NE(saved.find("\naddress = eth0\n"), std::string::npos) << saved;
    EXPECT_EQ(saved.find("[group"), std::string::npos) << saved;
    EXPECT_TRUE(parse_config(saved, "saved")) << saved;
  }
}

}  // namespace
}  // namespace rawvs
