// SPDX-License-Identifier: BSD-2-Clause
// probe.h: one attempt to check a server, driven by probes.cpp. Each kind of check is a class in its own file; this
// file has their base classes. Everything is non-blocking.
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

class Helper;

struct ProbeJob {  // a copy: the configuration may change meanwhile
  CheckSpec spec;
  ProbeTarget target;
};
using ProbeJobPtr = std::unique_ptr<const ProbeJob>;

struct ProbeOutcome {  // as ProbeFinding
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

  // Start, and continue when fd() has events() or look_again() has passed. Empty: not finished.
  virtual std::optional<ProbeOutcome> begin() = 0;
  virtual std::optional<ProbeOutcome> go_on() = 0;
  virtual ProbeOutcome late() { return ill("no answer within " + patience()); }

  virtual Endpoint source() const { return {}; }  // its own address and port once it is connected
  virtual int fd() const = 0;                     // constant from begin() on; -1: none
  virtual uint32_t events() const { return EPOLLIN; }
  virtual Duration look_again() const { return Duration::max(); }  // for states that no descriptor reports

 protected:
  std::string patience() const;  // "2 s"
  const ProbeJobPtr job_;        // never null
};

// A socket that is connected to the target, or connecting.
class SocketProbe : public Probe {
 public:
  using Probe::Probe;
  Endpoint source() const override;
  int fd() const override { return socket_.get(); }

 protected:
  // Opens the socket with source and mark. Empty: success; more options may be set before connect().
  std::optional<ProbeOutcome> open(int type, int protocol);
  std::optional<ProbeOutcome> connect();          // empty: connected, or (TCP) connecting
  virtual std::string words_of(int error) const;  // what an errno means here
  ProbeOutcome failed(int error) const;           // the server's fault or the director's, by errno
  ProbeOutcome told(int error) const;             // the same of an error that the network has reported
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
  virtual std::optional<ProbeOutcome> closed() {
    return std::nullopt;
  }                       // the server closed: a subclass with a question has to judge
  std::string question_;  // the part not yet sent; empty at the beginning: connecting is enough
  bool connected_ = false;

 private:
  std::optional<ProbeOutcome> talk();
  std::optional<ProbeOutcome> write();
  bool asks_ = false;  // there is a question, beside the PROXY protocol's header
};

class DatagramProbe : public SocketProbe {  // one message, one answer
 public:
  using SocketProbe::SocketProbe;
  std::optional<ProbeOutcome> go_on() override;

 protected:
  std::optional<ProbeOutcome> ask(Bytes message);               // empty: sent
  virtual std::optional<ProbeOutcome> hear(Bytes message) = 0;  // empty: not the expected answer
};

std::unique_ptr<Probe> make_tcp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_http_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_udp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_dns_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_icmp_probe(ProbeJobPtr job);
std::unique_ptr<Probe> make_exec_probe(ProbeJobPtr job, const Helper& helper);
std::unique_ptr<Probe> make_tls_probe(ProbeJobPtr job);

uint16_t random_number();                           // for ids of messages
std::string one_line(std::string_view text);        // control characters become '?'
std::string quoted_briefly(std::string_view text);  // for messages: shortened, in quotation marks
bool contains(Bytes bytes, std::string_view wanted);

}  // namespace rawvs
