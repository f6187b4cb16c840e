// SPDX-License-Identifier: BSD-2-Clause
#include "root_probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "sys/net/socket_address.h"
#include "tools/rawvs-helper/service.h"

namespace rawvs::test {

void OwnHelper::start() {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (fork() != 0) _exit(0);
    setsid();
    close(ends[0]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    helper::Service service(Fd(ends[1]), helper::children_signals(), folder_.at("rawvs.ini"));
    while (service.run() != helper::Service::End::daemon_gone) continue;
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  setenv(kHelperVariable, std::to_string(ends[0]).c_str(), 1);
  client_ = std::make_unique<Helper>(Helper::inherited());
  unsetenv(kHelperVariable);
  ASSERT_TRUE(*client_);
}

void OwnHelper::allow(const CheckSpec& spec) {
  named_ += "[check c" + std::to_string(++count_) + "]\ntype = exec\nprogram = " + spec.program +
            "\nuser = " + spec.user + '\n';
  std::ofstream(folder_.at("rawvs.ini")) << named_;
  const auto asked = client_->open_config();
  ASSERT_TRUE(asked);
  EXPECT_TRUE(wait_for_file(*asked));
}

void ProbeTest::SetUp() {
  RootNet::SetUp();
  if (IsSkipped()) return;
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "1");
  shell(
      "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && ip addr add 192.0.2.2/32 dev lo && "
      "ip link add d0 type veth peer name d1 && ip link set d1 up && ip addr add 198.51.100.1/24 dev d0 && ip link set "
      "d0 up && "
      "ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev d0 && ip route add unreachable 203.0.113.0/24");
  helper_.start();
  auto opened = Probes::open(helper_.client());
  ASSERT_TRUE(opened) << opened.error().text;
  probes_ = std::move(*opened);
}

void ProbeTest::ipv6() {
  write_sysctl("net/ipv6/conf/all/disable_ipv6", "0");
  shell(
      "ip addr add 2001:db8::1/128 dev lo nodad && ip addr add 2001:db8::2/128 dev lo nodad && "
      "ip addr add 2001:db8:9::1/64 dev d0 nodad && "
      "ip neigh add 2001:db8:9::9 lladdr 02:00:00:00:00:09 dev d0 && "
      "ip -6 route add unreachable 2001:db8:113::/48");
}

void ProbeTest::start(const CheckSpec& spec, const ProbeTarget& target, uint64_t id) {
  if (spec.kind == CheckKind::exec) helper_.allow(spec);
  EXPECT_TRUE(probes_->start(ProbeId(id), spec, target, kStart));
}

ProbeFinding ProbeTest::finding_within(int tries, const Meanwhile& meanwhile) {
  for (; tries > 0; --tries) {
    if (meanwhile) meanwhile();
    const auto findings = probes_->serve(kStart);
    EXPECT_LE(findings.size(), 1u);
    if (!findings.empty()) return findings[0];
    if (probes_->next_deadline() <= kStart) continue;
    pollfd wait{probes_->fd(), POLLIN, 0};
    poll(&wait, 1, 10);
  }
  return {};
}

ProbeFinding ProbeTest::next(const Meanwhile& meanwhile) { return finding_within(1000, meanwhile); }

bool ProbeTest::quiet(const Meanwhile& meanwhile) { return finding_within(20, meanwhile).id == ProbeId{}; }

ProbeFinding ProbeTest::ask(const CheckSpec& spec, const ProbeTarget& target, const Meanwhile& meanwhile) {
  start(spec, target);
  ProbeFinding finding = next(meanwhile);
  EXPECT_EQ(finding.id, ProbeId(1)) << "no finding";
  EXPECT_EQ(probes_->running(), 0u);
  return finding;
}

ProbeFinding ProbeTest::at_timeout() {
  EXPECT_EQ(probes_->next_deadline(), kStart + 2s);
  EXPECT_TRUE(probes_->serve(kStart + 1999ms).empty());
  const auto findings = probes_->serve(kStart + 2s);
  EXPECT_EQ(findings.size(), 1u);
  EXPECT_EQ(probes_->running(), 0u);
  return findings.empty() ? ProbeFinding{} : findings[0];
}

CheckSpec spec_of(CheckKind kind) {
  CheckSpec spec;
  spec.kind = kind;
  spec.timeout = 2s;
  return spec;
}

ProbeTarget at(Ip addr, uint16_t port) {
  ProbeTarget target;
  target.to = target.server = {addr, Port(port)};
  return target;
}

Fd listener(uint16_t port, int type, int backlog, Ip at) {
  Fd fd(socket(kernel_family(at.family()), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const SocketAddress address({at, Port(port)});
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  EXPECT_EQ(bind(fd.get(), address.get(), address.size()), 0) << std::strerror(errno);
  EXPECT_TRUE(type != SOCK_STREAM || listen(fd.get(), backlog) == 0);
  return fd;
}

SlowServer::SlowServer(uint16_t port, std::vector<std::string> pieces, bool closes, Ip at)
    : listener_(listener(port, SOCK_STREAM, 512, at)), pieces_(std::move(pieces)), closes_(closes) {}

void SlowServer::go_on() {
  if (listener_ && !connection_) {
    SocketAddress peer;
    socklen_t size = peer.size();
    connection_ = Fd(accept4(listener_.get(), peer.get(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection_) return;
    client_ = peer.endpoint().addr;
    const int on = 1;
    setsockopt(connection_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    listener_.reset();
  }
  if (!connection_) return;
  char buffer[4096];
  const ssize_t got = recv(connection_.get(), buffer, sizeof buffer, 0);
  if (got > 0) heard_.append(buffer, static_cast<size_t>(got));
  if (heard_.empty()) return;
  if (next_ < pieces_.size()) {
    const std::string& piece = pieces_[next_++];
    EXPECT_EQ(send(connection_.get(), piece.data(), piece.size(), MSG_NOSIGNAL), static_cast<ssize_t>(piece.size()));
  } else if (closes_) {
    connection_.reset();
  }
}

Child::Child(std::vector<std::string> argv) {
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  const int null = open("/dev/null", O_RDWR);
  for (const int fd : {0, 1, 2}) dup2(null, fd);
  execvp(words[0], words.data());
  _exit(127);
}

Child::~Child() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Folder::Folder() : path_(testing::TempDir() + "rawvs-probe-XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
  chmod(path_.c_str(), 0755);
}

Folder::~Folder() { shell("rm -rf " + path_); }

std::string Folder::script(const std::string& name, const std::string& text) const {
  std::string path = path_ + "/" + name;
  FILE* const file = fopen(path.c_str(), "we");
  if (file == nullptr) {
    ADD_FAILURE() << path;
    return path;
  }
  fputs(("#!/bin/sh\n" + text + "\n").c_str(), file);
  fclose(file);
  chmod(path.c_str(), 0755);
  return path;
}

}  // namespace rawvs::test
