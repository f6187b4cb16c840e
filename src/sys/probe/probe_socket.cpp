// SPDX-License-Identifier: BSD-2-Clause
// probe_socket.cpp: common to probes with a socket: opening, datagrams, texts for errors.
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sys/net/socket_address.h"
#include "sys/probe/probe.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr size_t kHeardMost = 4096;  // bytes of a datagram; the rest is ignored
constexpr int kHeardPerTurn = 4;     // datagrams per call

// A reply on lo comes from this host, which is not the server that was checked.
bool ignore_this_host(int fd) {
  const auto loopback = if_nametoindex("lo");
  constexpr auto kInterface = static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_IFINDEX);
  sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, kInterface},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, loopback},
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, UINT32_MAX},
  };
  const sock_fprog filter{std::size(program), program};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

// An error of this host, which says nothing about the server.
bool our_trouble(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:  // every local port is in use, or the source is not our address
    case EADDRINUSE:
    case EACCES:  // a broadcast address, or forbidden by a rule of this host
    case EPERM:
    case EMSGSIZE: return true;
    default: return false;
  }
}

}  // namespace

Probe::Probe(ProbeJobPtr job) : job_(std::move(job)) {}

Probe::~Probe() = default;

std::string Probe::patience() const {
  const auto ms = job_->spec.timeout.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

std::optional<ProbeOutcome> SocketProbe::open(int type, int protocol) {
  const Family family = job_->target.to.addr.family();
  socket_ = Fd(socket(kernel_family(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  if (!socket_) return not_asked(system_error("socket", errno));
  const int fd = socket_.get();
  if (job_->target.mark != 0 &&
      setsockopt(fd, SOL_SOCKET, SO_MARK, &job_->target.mark, sizeof job_->target.mark) != 0) {
    return not_asked(system_error("SO_MARK", errno));
  }
  if (job_->target.mark != 0 && !ignore_this_host(fd)) return not_asked(system_error("socket filter", errno));
  if (job_->target.source.unspecified()) return std::nullopt;
  // The kernel chooses the port by the destination, too: many probes do not use up all ports.
  static_cast<void>(set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
  const SocketAddress source({job_->target.source, Port{}});
  if (bind(fd, source.get(), source.size()) == 0) return std::nullopt;
  return not_asked(system_error("source " + text(job_->target.source), errno));
}

Endpoint SocketProbe::source() const {
  SocketAddress own;
  socklen_t size = own.size();
  if (getsockname(socket_.get(), own.get(), &size) != 0) return {};
  return own.endpoint();
}

std::optional<ProbeOutcome> SocketProbe::connect() {
  const SocketAddress to(job_->target.to);
  if (::connect(socket_.get(), to.get(), to.size()) == 0) return std::nullopt;
  if (errno == EINPROGRESS || errno == EINTR) return std::nullopt;
  return failed(errno);
}

// C libraries differ in their texts.
std::string SocketProbe::words_of(int error) const {
  switch (error) {
    case ECONNREFUSED: return "connection refused";
    case ECONNRESET:
    case EPIPE: return "connection reset";
    case EHOSTUNREACH:
    case EHOSTDOWN: return "no route to host";
    case ENETUNREACH: return "network unreachable";
    case ETIMEDOUT: return "no answer";
    case EACCES:
    case EPERM: return "forbidden by a rule of this host";
    case EADDRNOTAVAIL: return "no local address or port left";
    default: return strerror(error);
  }
}

ProbeOutcome SocketProbe::failed(int error) const {
  return our_trouble(error) ? not_asked(words_of(error)) : ill(words_of(error));
}

// A router's "prohibited" is EACCES with IPv6, which the rules of this host cause, too, but at once.
ProbeOutcome SocketProbe::told(int error) const {
  const bool by_router = error == EACCES && job_->target.to.addr.is_v6();
  return failed(by_router ? EHOSTUNREACH : error);
}

// IP_RECVERR, IPV6_RECVERR: without it a UDP socket is not told that a host or network is unreachable.
std::optional<ProbeOutcome> DatagramProbe::ask(Bytes message) {
  const bool v4 = job_->target.to.addr.is_v4();
  static_cast<void>(set_option(socket_.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1));
  if (auto outcome = connect()) return outcome;
  if (send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL) >= 0) return std::nullopt;
  return errno == EAGAIN || errno == EINTR ? not_asked("not sent: the queue is full") : failed(errno);
}

std::optional<ProbeOutcome> DatagramProbe::go_on() {
  for (int i = 0; i < kHeardPerTurn; ++i) {
    std::array<uint8_t, kHeardMost> buffer;
    const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0) return told(errno);
    if (auto outcome = hear(Bytes(buffer).first(static_cast<size_t>(got)))) return outcome;
  }
  return std::nullopt;
}

uint16_t random_number() {
  uint16_t number = 0;
  // Without entropy the machine has just booted: then any number will do.
  static_cast<void>(getrandom(&number, sizeof number, GRND_NONBLOCK));
  return number;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  std::ranges::replace_if(
      line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
  return line;
}

std::string quoted_briefly(std::string_view text) {
  constexpr size_t kMost = 60;
  const std::string begin(text.substr(0, kMost));
  return '"' + begin + (text.size() > kMost ? "...\"" : "\"");
}

bool contains(Bytes bytes, std::string_view wanted) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.find(wanted) != std::string_view::npos;
}

}  // namespace rawvs
