// SPDX-License-Identifier: BSD-2-Clause
// Tests requests about packets: explain, trace, and connections with filters. The director is the real one.
#include <gtest/gtest.h>

#include "director_fixture.h"
#include "links.h"
#include "rawvs/control.h"

namespace rawvs {
namespace {

class LiveTest : public DirectorTest {
 protected:
  std::string ask(const std::string& request) {
    Outbox out;
    Conversation c = answer("rawvs/1 " + request, *director_, {now_, out}, context_);
    return rest_of(c);
  }
  std::string rest_of(Conversation& c) {
    std::string all;
    for (int i = 0; i < 1000 && !c.over() && !c.waiting(); ++i) all += c.next(*director_, now_).text();
    return all;
  }
  std::string explained(const std::string& client, const std::string& vip, const std::string& protocol = "tcp") {
    return ask("explain protocol=" + protocol + " client=" + client + " virtual=" + vip);
  }
  static bool has(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }
  void syn(uint16_t port) { arrive(frame(Tcp{.sport = port})); }

  ControlContext context_{.wall = 1'700'000'000'000};
};

TEST_F(LiveTest, ExplainSaysWhatHappensAndChangesNothing) {
  web(2, Scheduler::rr);
  const std::string before = ask("list") + ask("exits");
  const std::string reply = explained("198.51.100.1:1001", "192.0.2.100:80");
  EXPECT_TRUE(has(reply, "step text=192.0.2.100 is a VIP: ARP for it is answered with 02:00:00:00:00:10 on eth0.\n"));
  EXPECT_TRUE(has(reply, "step text=No connection with these addresses and ports is known.\n"));
  EXPECT_TRUE(
      has(reply, "step text=It is for the virtual service tcp 192.0.2.100:80: scheduler rr, 2 real servers.\n"));
  EXPECT_TRUE(has(reply,
                  "verdict exit=forwarded fate=forwarded server=192.0.2.12:80 method=route "
                  "text=It is sent on to real server 192.0.2.12:80 by DR.\n"))
      << reply;
  EXPECT_EQ(explained("198.51.100.1:1001", "192.0.2.100:80"), reply) << "asking moved the scheduler on";
  EXPECT_EQ(ask("list") + ask("exits"), before);
  EXPECT_EQ(arrive(frame(Tcp{})), to_server(2, "198.51.100.1:1001 > 192.0.2.100:80 S ttl 63"));  // as it said
  const std::string known = explained("198.51.100.1:1001", "192.0.2.100:80");
  EXPECT_TRUE(has(known, "A connection is known: SYN_RECV, to real server 192.0.2.12:80 by DR, expires in 60 s."))
      << known;
}

TEST_F(LiveTest, ExplainAgreesWithWhatThenHappens) {
  web(3, Scheduler::wlc);
  ASSERT_FALSE(director_->edit_server(key_, server(2, 0), {now_, out_}));
  for (uint16_t port = 2000; port < 2040; ++port) {
    const std::string client = "198.51.100.1:" + std::to_string(port);
    const std::string reply = explained(client, "192.0.2.100:80");
    const size_t at = reply.find("server=192.0.2.1");
    ASSERT_NE(at, std::string::npos) << reply;
    const std::string mac = mac_of(0x10 + (reply[at + 16] - '0'));
    const std::string left = arrive(frame(Tcp{.sport = port}));
    EXPECT_TRUE(left.starts_with(mac_of(0x10) + '>' + mac)) << reply << left;
  }
}

TEST_F(LiveTest, ExplainKnowsEveryWayOut) {
  EXPECT_TRUE(has(explained("198.51.100.1:1", "192.0.2.100:80"), "verdict exit=not-vip fate=passed server=- method=-"));
  web(1);
  EXPECT_TRUE(has(explained("198.51.100.1:1", "192.0.2.100:81"), "exit=reset-sent"));
  EXPECT_TRUE(has(explained("198.51.100.1:1", "192.0.2.100:81", "udp"), "exit=port-unreachable"));
  EXPECT_TRUE(has(explained("198.51.100.1:20", "192.0.2.100:80"), "FTP's data port"));
  ASSERT_FALSE(director_->edit_server(key_, server(1, 0), {now_, out_}));
  const std::string none = explained("198.51.100.1:1", "192.0.2.100:80");
  EXPECT_TRUE(has(none, "(weight 0: no new connections)")) << none;
  EXPECT_TRUE(has(none, "exit=no-server")) << none;
  ASSERT_FALSE(director_->edit_server(key_, server(1), {now_, out_}));
  ASSERT_FALSE(director_->add_server(key_, server(2, 100), {now_, out_}));  // its MAC address is not known
  EXPECT_TRUE(has(explained("198.51.100.1:1", "192.0.2.100:80"), "exit=held")) << none;
  arrive(frame(Tcp{}));
  ASSERT_FALSE(director_->remove_server(key_, {ip("192.0.2.11"), Port(80)}, {now_, out_}));
  ASSERT_FALSE(director_->remove_server(key_, {ip("192.0.2.12"), Port(80)}, {now_, out_}));
  EXPECT_TRUE(has(explained("198.51.100.1:1001", "192.0.2.100:80"), "exit=server-gone"));
}

TEST_F(LiveTest, ExplainSaysThatANatServerAnswersItsNeighboursDirectly) {
  key_ = {Protocol::tcp, {ip("192.0.2.100"), Port(80)}, {}};
  ASSERT_FALSE(director_->add({.key = key_}, {now_, out_}));
  const ServerSpec nat{.at = {ip("203.0.113.11"), Port(8080)}, .method = Method::masq};
  ASSERT_FALSE(director_->add_server(key_, nat, {now_, out_}));
  resolve_inside(1);
  const std::string said = "But 203.0.113.77 is in the network of 203.0.113.11, which answers it directly: ";
  const std::string near = explained("203.0.113.77:1", "192.0.2.100:80");
  EXPECT_TRUE(has(near, said)) << near;
  EXPECT_FALSE(has(explained("198.51.100.1:1", "192.0.2.100:80"), "answers it directly"));
}

TEST_F(LiveTest, SaysWhichServersWillNotGetWhatWasMeant) {
  ask("add-service service=tcp:192.0.2.100:80");
  EXPECT_EQ(ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.12"), "ok\nend\n");
  const std::string other = ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.11:8080");
  EXPECT_TRUE(has(other, "tcp 192.0.2.100:80: server 192.0.2.11: port 8080 is ignored: DR keeps the service's, 80"))
      << other;
  const std::string vip = ask("add-server service=tcp:192.0.2.100:80 server=192.0.2.100");
  EXPECT_TRUE(has(vip, "server 192.0.2.100:80 is a VIP of this director, and no address of this host")) << vip;
}

TEST_F(LiveTest, AnInterfaceThatAPatternFoundIsNotListedWhenItIsGone) {
  LinkFacts facts = director_->link(kInLink);
  facts.ifindex = 0, facts.up = false;
  director_->link_changed(kInLink, facts, {now_, out_});
  EXPECT_TRUE(has(ask("exits"), "link name=eth1 ") || has(ask("list"), "link name=eth1 ")) << "it is missed";
  facts.named = false;
  director_->link_changed(kInLink, facts, {now_, out_});
  EXPECT_FALSE(has(ask("exits"), "link name=eth1 ") || has(ask("list"), "link name=eth1 "));
}

TEST_F(LiveTest, ExplainKnowsPersistence) {
  web(2, Scheduler::rr);
  ASSERT_FALSE(director_->edit({.key = key_, .scheduler = Scheduler::rr, .persistence = 300s}, {now_, out_}));
  EXPECT_TRUE(has(explained("198.51.100.1:1", "192.0.2.100:80"), "198.51.100.1 has no server yet."));
  syn(1001);
  const std::string reply = explained("198.51.100.1:1", "192.0.2.100:80");
  EXPECT_TRUE(has(reply, "198.51.100.1 stays with 192.0.2.12 for another 300 s or more.")) << reply;
  EXPECT_TRUE(has(reply, "server=192.0.2.12:80")) << reply;
}

TEST_F(LiveTest, ExplainWantsOneFlowAndNothingElse) {
  for (const char* wrong :
       {"protocol=tcp client=198.51.100.0/24:1 virtual=192.0.2.100:80",
        "protocol=tcp client=198.51.100.1 virtual=192.0.2.100:80",
        "protocol=tcp client=198.51.100.1:1 virtual=192.0.2.100",
        "protocol=icmp client=1.2.3.4:1 virtual=192.0.2.100:80",
        "protocol=tcp client=198.51.100.1:1 virtual=192.0.2.100:99999", "protocol=tcp client=198.51.100.1:1",
        "protocol=tcp client=198.51.100.1:1 virtual=192.0.2.100:80 server=192.0.2.11"}) {
    EXPECT_TRUE(ask(std::string("explain ") + wrong).starts_with("error usage ")) << wrong;
  }
}

TEST_F(LiveTest, TraceShowsEachPacketInAndOutWithTheDecision) {
  web(1);
  Outbox out;
  Conversation c = answer("rawvs/1 trace client=198.51.100.0/24 count=2 snap=14", *director_, {now_, out}, context_);
  EXPECT_EQ(rest_of(c), "ok\n");
  EXPECT_TRUE(c.waiting());
  EXPECT_FALSE(c.over());
  arrive(frame(Tcp{.src = "192.0.2.77"}));  // from another network
  EXPECT_TRUE(c.waiting());
  syn(1001);
  EXPECT_FALSE(c.waiting());
  EXPECT_EQ(rest_of(c),
            "packet time=1700001000.000 link=eth0 exit=forwarded fate=forwarded protocol=tcp client=198.51.100.1:1001 "
            "virtual=192.0.2.100:80 server=192.0.2.11:80 method=route connection=new frames=2 "
            "text=forwarded: to 192.0.2.11:80 by DR, new connection\n"
            "frame link=eth0 direction=in size=54 bytes=0200000000100200000000010800 "
            "text=198.51.100.1:1001 > 192.0.2.100:80 tcp S, ttl 64, 40 bytes\n"
            "frame link=eth0 direction=out size=54 bytes=0200000000110200000000100800 "
            "text=198.51.100.1:1001 > 192.0.2.100:80 tcp S, ttl 63, 40 bytes\n");
  arrive(frame(Tcp{.dport = 81}));
  const std::string last = rest_of(c);
  EXPECT_TRUE(has(last, " exit=reset-sent fate=answered ")) << last;
  EXPECT_TRUE(has(last, "connection=none frames=2 text=reset-sent: TCP to a closed port")) << last;
  EXPECT_TRUE(has(last, "192.0.2.100:81 > 198.51.100.1:1001 tcp RA")) << last;
  EXPECT_TRUE(last.ends_with("end\n"));
  EXPECT_TRUE(c.over());
}

TEST_F(LiveTest, ASynOnAConnectionThatIsOverIsANewOne) {
  web(1);
  Outbox out;
  Conversation c = answer("rawvs/1 trace", *director_, {now_, out}, context_);
  for (const char* flags : {"S", "A", "R", "S"}) arrive(frame(Tcp{.flags = flags}));
  const std::string rows = rest_of(c);
  const size_t first = rows.find("connection=new"), known = rows.find("connection=known");
  EXPECT_LT(first, known);
  EXPECT_NE(rows.find("connection=new", known), std::string::npos) << rows;
}

TEST_F(LiveTest, TraceKnowsNatAnswersByTheirConnection) {
  nat(1);
  Outbox out;
  Conversation c =
      answer("rawvs/1 trace virtual=192.0.2.100:80 server=203.0.113.11", *director_, {now_, out}, context_);
  rest_of(c);
  arrive(frame(Tcp{}));
  arrive(frame(Tcp{.src = "203.0.113.11",
                   .dst = "198.51.100.1",
                   .sport = 8080,
                   .dport = 1001,
                   .flags = "SA",
                   .from = Mac{{2, 0, 0, 0, 1, 0x11}},
                   .to = kInsideMac}),
         kInLink);
  const std::string rows = rest_of(c);
  EXPECT_TRUE(has(rows, "connection=new frames=2")) << rows;
  EXPECT_TRUE(has(rows,
                  "exit=answer-forwarded fate=forwarded protocol=tcp client=198.51.100.1:1001 virtual=192.0.2.100:80 "
                  "server=203.0.113.11:8080 method=masq connection=known frames=2 "
                  "text=answer-forwarded: from 203.0.113.11 by NAT\n"))
      << rows;
  EXPECT_TRUE(has(rows, "text=203.0.113.11:8080 > 198.51.100.1:1001 tcp SA")) << rows;
  EXPECT_TRUE(has(rows, "text=192.0.2.100:80 > 198.51.100.1:1001 tcp SA")) << rows;
}

TEST_F(LiveTest, ATraceThatIsNotReadLosesPacketsAndSaysSo) {
  web(1);
  Outbox out;
  Conversation c = answer("rawvs/1 trace snap=8192", *director_, {now_, out}, context_);
  constexpr uint64_t kPackets = 2000;
  for (uint16_t i = 0; i < kPackets; ++i) arrive(frame(Tcp{.sport = i, .data = std::string(1400, 'x')}));
  std::string rows = rest_of(c);
  uint64_t told = 0;
  for (size_t at = rows.find("packet time="); at != std::string::npos; at = rows.find("packet time=", at + 1)) ++told;
  const size_t lost = rows.find("lost count=");
  ASSERT_NE(lost, std::string::npos);
  EXPECT_EQ(told + std::stoull(rows.substr(lost + 11)), kPackets - 1);  // port 0 is malformed
  EXPECT_TRUE(c.waiting());
  syn(5);
  EXPECT_TRUE(has(rest_of(c), "packet time=")) << "it goes on";
}

TEST_F(LiveTest, OnlySoManyTracesRunAndAGoneOneMakesRoom) {
  web(1);
  Outbox out;
  std::vector<Conversation> all;
  for (size_t i = 0; i < Director::kObservers; ++i) {
    all.push_back(answer("rawvs/1 trace", *director_, {now_, out}, context_));
    EXPECT_FALSE(all.back().refused() || all.back().over());
  }
  EXPECT_TRUE(ask("trace").starts_with("error full "));
  all.pop_back();
  Conversation one = answer("rawvs/1 trace", *director_, {now_, out}, context_);
  EXPECT_EQ(rest_of(one), "ok\n");
}

TEST_F(LiveTest, ConnectionsAreListedByClientVipServerAndState) {
  web(2, Scheduler::rr);
  for (uint16_t port = 1001; port < 1011; ++port) syn(port);
  arrive(frame(Tcp{.src = "192.0.2.77", .sport = 7}));
  const auto rows = [&](const std::string& keys) {
    const std::string reply = ask("connections" + keys);
    size_t n = 0;
    for (size_t at = reply.find("connection protocol="); at != std::string::npos;
         at = reply.find("connection protocol=", at + 1))
      ++n;
    return n;
  };
  EXPECT_EQ(rows(""), 11u);
  EXPECT_EQ(rows(" client=198.51.100.1"), 10u);
  EXPECT_EQ(rows(" client=198.51.100.0/24:1003"), 1u);
  EXPECT_EQ(rows(" client=192.0.2.77"), 1u);
  EXPECT_EQ(rows(" server=192.0.2.12"), 6u);
  EXPECT_EQ(rows(" server=192.0.2.12:81"), 0u);
  EXPECT_EQ(rows(" virtual=192.0.2.100:80 protocol=tcp"), 11u);
  EXPECT_EQ(rows(" protocol=udp"), 0u);
  EXPECT_EQ(rows(" state=SYN_RECV"), 11u);
  EXPECT_EQ(rows(" state=ESTABLISHED"), 0u);
  EXPECT_EQ(rows(" state=syn_recv"), 11u);
  const std::string unknown = ask("connections state=estab");
  EXPECT_TRUE(unknown.starts_with("error usage ")) << unknown;
  EXPECT_NE(unknown.find("did you mean \"ESTABLISHED\"?; there are "), std::string::npos) << unknown;
  EXPECT_NE(unknown.find(", TIME_WAIT, "), std::string::npos) << unknown;
  EXPECT_TRUE(ask("connections client=198.51.100.1/24").starts_with("error usage "));
}

}  // namespace
}  // namespace rawvs
