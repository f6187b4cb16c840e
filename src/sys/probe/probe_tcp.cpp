// SPDX-License-Identifier: BSD-2-Clause
// probe_tcp.cpp: checks that a server accepts connections; base class of checks over a connection.
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "sys/probe/probe.h"
#include "wire/proxy_header.h"

namespace rawvs {

std::optional<ProbeOutcome> TcpProbe::begin() {
  if (auto outcome = open(SOCK_STREAM, IPPROTO_TCP)) return outcome;
  asks_ = !question_.empty();
  if (job_->target.proxy) question_.insert(0, std::string(kLocalProxyHeader.begin(), kLocalProxyHeader.end()));
  // Closes with RST: a check every few seconds for each server must not leave connections in TIME_WAIT on either side.
  const linger at_once{1, 0};
  static_cast<void>(setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
  return connect();  // the socket becomes writable when it has succeeded or failed
}

std::optional<ProbeOutcome> TcpProbe::go_on() {
  if (connected_) return talk();
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return told(error);
  connected_ = true;
  return question_.empty() ? well("connected") : talk();
}

std::optional<ProbeOutcome> TcpProbe::write() {
  const ssize_t sent = send(socket_.get(), question_.data(), question_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return failed(errno);
  if (sent > 0) question_.erase(0, static_cast<size_t>(sent));
  return question_.empty() && !asks_ ? std::optional(well("connected")) : std::nullopt;
}

std::optional<ProbeOutcome> TcpProbe::talk() {
  if (!question_.empty()) return write();
  std::array<uint8_t, 4096> piece;
  const ssize_t got = recv(socket_.get(), piece.data(), piece.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? std::nullopt : std::optional(failed(errno));
  return got == 0 ? closed() : hear(Bytes(piece).first(static_cast<size_t>(got)));
}

ProbeOutcome TcpProbe::late() {
  return ill(connected_ ? "connected, but no answer within " + patience() : "no answer within " + patience());
}

std::unique_ptr<Probe> make_tcp_probe(ProbeJobPtr job) { return std::make_unique<TcpProbe>(std::move(job)); }

}  // namespace rawvs
