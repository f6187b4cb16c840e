// SPDX-License-Identifier: BSD-2-Clause
// probe.h: one attempt to learn whether a server is well, as probes.cpp drives it. Each kind of check is a class in a
// file of its own; what they share stands here. Everything is non-blocking.
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/bytes.h"
#include "sys/fd.h"
#include "sys/probe/probes.h"

namespace rawvs {

struct ProbeJob {  // a copy: the configuration may change meanwhile
  CheckSpec spec;
  ProbeTarget target;
};
using ProbeJobPtr = std::unique_ptr<const ProbeJob>;

struct ProbeOutcome {
  bool well = false, asked = true;
  std::string text{};
};
inline ProbeOutcome well(std::string text) { return {true, true, std::move(text)}; }
inline ProbeOutcome ill(std::string text) { return {false, true, std::move(text)}; }
inline ProbeOutcome not_asked(std::string text) { return {false, false, std::move(text)}; }

class Probe {
 public:
  explicit Probe(ProbeJobPtr job);
  virtual ~Probe();
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // Empty: it goes on when events() come on fd(), or when look_again() has passed.
  virtual std::optional<ProbeOutcome> begin() = 0;
  virtual std::optional<ProbeOutcome> go_on() = 0;
  virtual ProbeOutcome late() { return ill("no answer within " + patience()); }

  virtual Endpoint source() const { return {}; }  // its own address and port, once it is connected
  virtual int fd() const = 0;                     // constant from begin() on; -1: none
  virtual uint32_t events() const { return EPOLLIN; }
  virtual Duration look_again() const { return Duration::max(); }  // for what no descriptor tells

 protected:
  std::string patience() const;  // "2 s"
  const ProbeJobPtr job_;        // never null
};

// A socket that is connected to the target, or on its way there.
class SocketProbe : public Probe {
 public:
  using Probe::Probe;
  Endpoint source() const override;
  int fd() const override { return socket_.get(); }

 protected:
  // Empty: the socket is there, with source and mark. `prepare` may set more before it is connected.
  std::optional<ProbeOutcome> open(int type, int protocol);
  std::optional<ProbeOutcome> connect();          // empty: connected, or (TCP) on its way
  virtual std::string words_of(int error) const;  // what an errno means here
  ProbeOutcome failed(int error) const;           // the server's trouble, or our own
  Fd socket_;
};

class TcpProbe : public SocketProbe {
 public:
  using SocketProbe::SocketProbe;
  std::optional<ProbeOutcome> begin() override;
  std::optional<ProbeOutcome> go_on() override;
  ProbeOutcome late() override;
  uint32_t events() const override { return connected_ && question_.empty() ? EPOLLIN : EPOLLOUT; }

 protected:
  virtual std::optional<ProbeOutcome> hear(Bytes) { return std::nullopt; }  // the answer, in pieces
  virtual std::optional<ProbeOutcome> closed() { return std::nullopt; }     // by the server: has to know
  std::string question_;  // what is left of it to send; empty at the beginning: to be connected is enough
  bool connected_ = false;

 private:
  std::optional<ProbeOutcome> talk();
  std::optional<ProbeOutcome> write();
};

class DatagramProbe : public SocketProbe {  // one message, one answer
 public:
  using SocketProbe::SocketProbe;
  std::optional<ProbeOutcome> go_on() override;

 protected:
  std::optional<ProbeOutcome> ask(Bytes message);               // empty: it is on its way
  virtual std::optional<ProbeOutcome> hear(Bytes message) = 0;  // empty: not what is waited for
};

// Programs that were killed, but have not ended yet: somebody has to ask for their end.
class Departed {
 public:
  ~Departed();
  void add(pid_t pid) { pids_.push_back(pid); }
  void collect();
  bool empty() const { return pids_.empty(); }
  size_t size() const { return pids_.size(); }

 private:
  std::vector<pid_t> pids_;
};

std::unique_ptr<Probe> make_tcp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_http_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_udp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_dns_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_icmp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_exec_probe(ProbeJobPtr job, Departed& departed);  // departed must outlive it
std::unique_ptr<Probe> make_tls_probe(ProbeJobPtr job);

uint16_t random_number();                           // ids of messages
std::string one_line(std::string_view text);        // control characters become '?'
std::string quoted_briefly(std::string_view text);  // for messages: shortened, in quotation marks
bool contains(Bytes bytes, std::string_view wanted);

}  // namespace rawvs
