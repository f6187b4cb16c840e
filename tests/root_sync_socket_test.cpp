// SPDX-License-Identifier: BSD-2-Clause
// Tests sync_socket.h with the kernel, in a network namespace: whose messages it receives.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "rawvs/config.h"
#include "root_net.h"
#include "sys/ha/sync_socket.h"

namespace rawvs::test {
namespace {

constexpr uid_t kNobody = 65534;

sockaddr_in endpoint(Ip address, uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address.v4());
  to.sin_port = htons(port);
  return to;
}

// A socket with both of the options by which ports are shared; the errno of bind(2), or 0.
int bind_shared(int fd, Ip address, uint16_t port) {
  constexpr int kOn = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &kOn, sizeof kOn);
  const sockaddr_in here = endpoint(address, port);
  return bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0 ? 0 : errno;
}

// A busy machine delivers late.
std::optional<SyncSocket::Heard> hear(SyncSocket& socket) {
  pollfd wait{socket.fd(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 5000), 1);
  return socket.receive();
}

// The same by a child that is another user.
int bind_as_nobody(Ip address, uint16_t port) {
  const pid_t child = fork();
  if (child == 0) {
    if (setuid(kNobody) != 0) _exit(255);
    _exit(bind_shared(socket(AF_INET, SOCK_DGRAM, 0), address, port));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

class SyncSocketInNamespace : public RootNetInside {
 protected:
  void SetUp() override {
    RootNetInside::SetUp();
    if (IsSkipped()) return;
    shell("ip addr add 192.0.2.10/24 dev lo");
    shell("ip addr add 192.0.2.20/24 dev lo");
  }
  SyncConfig unicast() const {
    SyncConfig c;
    c.peers = {ip("192.0.2.20")};
    return c;
  }
};

TEST_F(SyncSocketInNamespace, NoOtherUserCanTakeThePortOfUnicastMessages) {
  auto socket = SyncSocket::open(unicast());
  ASSERT_TRUE(socket) << socket.error().text;
  for (const Ip address : {Ip(), ip("192.0.2.10"), ip("127.0.0.1")}) {
    EXPECT_EQ(bind_as_nobody(address, 8848), EADDRINUSE) << text(address);
  }
  const int peer = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(bind_shared(peer, ip("192.0.2.10"), 8848), EADDRINUSE) << "no program of the same user either";
  const sockaddr_in from = endpoint(ip("192.0.2.20"), 0), to = endpoint(ip("192.0.2.10"), 8848);
  ASSERT_EQ(bind(peer, reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
  for (char n = 0; n < 10; ++n) sendto(peer, &n, 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  for (char n = 0; n < 10; ++n) {
    const auto heard = hear(**socket);
    ASSERT_TRUE(heard) << int{n};
    EXPECT_EQ(text(heard->from), "192.0.2.20");
    EXPECT_EQ(heard->datagram[0], n);
  }
  close(peer);
}

TEST_F(SyncSocketInNamespace, NoOtherUserCanTakeThePortOfTheGroup) {
  auto socket = SyncSocket::open({});
  ASSERT_TRUE(socket) << socket.error().text;
  EXPECT_EQ(bind_as_nobody(SyncConfig().group, 8848), EADDRINUSE);
  EXPECT_EQ(bind_as_nobody(Ip(), 8848), EADDRINUSE);
  EXPECT_TRUE(SyncSocket::open({})) << "each program of the same user gets every message of the group";
}

TEST_F(SyncSocketInNamespace, APortThatIsTakenIsNamedWithTheRemedy) {
  const int other = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind_shared(other, Ip(), 8848), 0);
  const auto socket = SyncSocket::open(unicast());
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().text,
            "sync: UDP port 8848: Address already in use; another program has it (ss -lunp): end that one, or take "
            "another port");
  close(other);
}

TEST_F(SyncSocketInNamespace, HearsPeersOfIpv6) {
  shell("ip addr add 2001:db8::10/64 dev lo nodad && ip addr add 2001:db8::20/64 dev lo nodad");
  SyncConfig c;
  c.peers = {ip("2001:db8::10")};  // itself
  auto socket = SyncSocket::open(c);
  ASSERT_TRUE(socket) << socket.error().text;
  const std::array<uint8_t, 3> message{1, 2, 3};
  ASSERT_EQ((*socket)->send(message), 0);
  const auto heard = hear(**socket);
  ASSERT_TRUE(heard);
  EXPECT_EQ(text(heard->from), "2001:db8::10");
  EXPECT_TRUE(std::ranges::equal(heard->datagram, message));
}

class SyncSocketOnVeth : public VethPair {};

TEST_F(SyncSocketOnVeth, SendsToAGroupOfIpv6ByTheInterfaceThatItJoined) {
  SyncConfig c;
  c.group = ip("ff02::1:5");
  left_->enter();
  auto left = SyncSocket::open(c);
  ASSERT_TRUE(left) << left.error().text;
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
  shell("ip -6 addr add 2001:db8::1/64 dev l0 nodad && ip -6 addr flush dev l0 scope link");
  ASSERT_EQ((*left)->join(ifindex_of("l0")), 0);
  right_->enter();
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
  auto right = SyncSocket::open(c);
  ASSERT_TRUE(right) << right.error().text;
  ASSERT_EQ((*right)->join(ifindex_of("r0")), 0);
  const int at_right = ifindex_of("r0");
  const std::array<uint8_t, 3> message{1, 2, 3};
  ASSERT_EQ((*left)->send(message), 0);
  const auto heard = hear(**right);
  ASSERT_TRUE(heard);
  EXPECT_EQ(text(heard->from), "2001:db8::1");
  EXPECT_EQ(heard->ifindex, at_right);
  EXPECT_FALSE((*left)->receive()) << "not its own";
}

}  // namespace
}  // namespace rawvs::test
