// SPDX-License-Identifier: BSD-2-Clause
// engine_check_path.cpp: checks with via = vip in the loop: the path for their packets is there while one of them is
// configured, and what is on it is handed to the director.
#include <algorithm>
#include <cerrno>

#include "rawvs/engine.h"

namespace rawvs {
namespace {

constexpr Duration kRetryPath = 5s;
constexpr int kMostBatches = 16;  // of packets in one turn

bool asks_vip(const WantedChecks& wanted) {
  return std::ranges::any_of(wanted.servers, [](const WantedChecks::Server& server) {
    return server.check && server.check->via == CheckSpec::Via::vip;
  });
}

}  // namespace

void Engine::follow_check_path() {
  check_path_retry_ = Instant{};
  warned_.clear();
  if (std::ranges::none_of(checks_, asks_vip)) {
    check_path_.reset();
  } else {
    open_check_path();
  }
}

// Not at each of very many probes, when it is in vain.
bool Engine::open_check_path() {
  if (check_path_) return true;
  if (now_ < check_path_retry_) return false;
  check_path_retry_ = now_ + kRetryPath;
  auto opened = CheckPath::open(config_.guard);
  if (!opened || !poll_for((*opened)->fd(), kCheckPath)) {
    no_check_path_ = opened ? Error{system_error("epoll", errno)} : opened.error();
    return false;
  }
  check_path_ = std::move(*opened);
  if (const std::string& why = check_path_->remark(); !why.empty()) {
    log_.write(Severity::warning, "lo: no guard (" + why +
                                      "): programs of this host that listen on every address get the packets of checks "
                                      "with via = vip, too; their answers are not heard");
  }
  return true;
}

// Where a probe begins, and with what, so that its packets come to us. A reason: it must not begin.
std::optional<std::string> Engine::lead_probe(const Ward::ToAsk& ask, ProbeTarget& target) {
  if (!ask.server) return "via = vip: server " + text(ask.at) + " is not in the table";
  if (ask.server->spec.method != Method::route && ask.server->spec.method != Method::tunnel) {
    return "via = vip: server " + text(ask.at) + " is not one of direct routing or tunnelling any more";
  }
  if (ask.server->source.unspecified()) {
    return "via = vip: this host has no address of its own on the way to " + text(ask.at.addr);
  }
  if (!open_check_path()) return "via = vip: " + no_check_path_.text;
  if (const auto leads = check_path_->leads(ask.vip, ask.server->source); !leads) {
    return "via = vip: " + leads.error().text;
  }
  target.to = ask.vip;
  target.source = ask.server->source;
  target.mark = CheckPath::kMark;
  return std::nullopt;
}

// What its socket has sent by now is still to be read: in this turn nobody has.
void Engine::expect_packets(const Ward::ToAsk& ask, const ProbeTarget& target) {
  const Endpoint from = probes_->source(ask.id);
  if (from.port.value == 0) return;  // it has ended
  const bool datagrams = ask.check->kind == CheckKind::udp || ask.check->kind == CheckKind::dns;
  check_path_->expect(
      {from.addr, target.to.addr, from.port, target.to.port, datagrams ? Protocol::udp : Protocol::tcp, false},
      {ask.server->key, ask.server->spec.at});
}

void Engine::serve_check_path() {
  for (int n = 0; n < kMostBatches && check_path_; ++n) {
    const size_t count = check_path_->receive(frames_);
    if (count == 0) return;
    for (Frame& frame : std::span(frames_).first(count)) {
      const CheckPath::Addressee* const whose = check_path_->addressee(frame);
      if (!whose) continue;
      director_.check_arrived(frame, whose->service, whose->server, {now_, outbox_});
      dispatch();
    }
    check_path_->release();
  }
}

}  // namespace rawvs
