// SPDX-License-Identifier: BSD-2-Clause
// root_probe.h: probes.h in a network namespace with servers to check. The clock is an argument: time passes when a
// test says so.
//   192.0.2.1 and 192.0.2.2 are here; 198.51.100.9 is silent; 203.0.113.0/24 cannot be reached; the rest has no route
//   With ipv6(): 2001:db8::1 and ::2 are here; 2001:db8:9::9 is silent; 2001:db8:113::/48 cannot be reached
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "own_folder.h"
#include "root_net.h"
#include "sys/fd.h"
#include "sys/helper/helper.h"
#include "sys/probe/probes.h"

namespace rawvs::test {

inline constexpr Ip kHere{0xc0000201}, kAlsoHere{0xc0000202}, kSilent{0xc6336409}, kUnreachable{0xcb007101},
    kNowhere{0xcb007201};

inline constexpr Ip kHere6{0x20010db800000000, 1}, kAlsoHere6{0x20010db800000000, 2}, kSilent6{0x20010db800090000, 9},
    kUnreachable6{0x20010db801130000, 1}, kNowhere6{0x20010db801140000, 1};

// rawvs-helper's service in a process that is not this one's child, with a file that names whatever a test runs.
class OwnHelper {
 public:
  void start();
  void allow(const CheckSpec& spec);
  const Helper& client() const { return *client_; }

 private:
  OwnFolder folder_;
  std::string named_ = "[director]\ninterface = eth0\n";
  int count_ = 0;
  std::unique_ptr<Helper> client_;
};

class ProbeTest : public RootNet {
 protected:
  static constexpr Instant kStart{1000s};

  void SetUp() override;

  void ipv6();  // adds IPv6's addresses and routes

  using Meanwhile = std::function<void()>;
  void start(const CheckSpec& spec, const ProbeTarget& target, uint64_t id = 1);
  ProbeFinding next(const Meanwhile& meanwhile = {});  // the next finding at kStart; id 0: none came within seconds
  bool quiet(const Meanwhile& meanwhile = {});         // no finding in a while
  ProbeFinding ask(const CheckSpec& spec, const ProbeTarget& target, const Meanwhile& meanwhile = {});
  ProbeFinding at_timeout();  // the only finding when two seconds have passed

  OwnHelper helper_;
  std::unique_ptr<Probes> probes_;

 private:
  ProbeFinding finding_within(int tries, const Meanwhile& meanwhile);
};

CheckSpec spec_of(CheckKind kind);  // with a timeout of two seconds
ProbeTarget at(Ip addr, uint16_t port);
Fd listener(uint16_t port, int type, int backlog = 512, Ip at = kHere);  // non-blocking

// Accepts one connection, reads something, and writes a piece each time that it is let. TCP has to show them apart.
class SlowServer {
 public:
  SlowServer(uint16_t port, std::vector<std::string> pieces, bool closes, Ip at = kHere);
  void go_on();
  const std::string& heard() const { return heard_; }
  Ip client() const { return client_; }

 private:
  Fd listener_, connection_;
  std::vector<std::string> pieces_;
  size_t next_ = 0;
  bool closes_;
  std::string heard_;
  Ip client_{};
};

class Child {  // another program
 public:
  explicit Child(std::vector<std::string> argv);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  int pid_ = -1;
};

class Folder {  // of programs that anybody may run
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string script(const std::string& name, const std::string& text) const;  // its path
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace rawvs::test
