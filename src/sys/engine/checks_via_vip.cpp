// SPDX-License-Identifier: BSD-2-Clause
// checks_via_vip.cpp: checks with via = vip: opens the path while one is configured, and passes its packets to the
// director.
#include <algorithm>
#include <array>
#include <utility>

#include "sys/engine/checks.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kRetryPath = 5s;
constexpr int kMostBatches = 16;  // of packets per turn

bool asks_vip(const WantedChecks& wanted) {
  return std::ranges::any_of(wanted.servers, [](const WantedChecks::Server& server) {
    return server.check && server.check->via == CheckSpec::Via::vip;
  });
}

}  // namespace

void Checks::follow_path() {
  retry_path_ = Instant{};
  const auto first = std::ranges::find_if(wanted_, asks_vip);
  if (first == wanted_.end()) {
    path_.reset();
  } else {
    open_path(first->vip.family());
  }
}

// Retries with a pause: not for each of very many probes.
bool Checks::open_path(Family family) {
  if (path_) return true;
  if (context_.now < retry_path_) return false;
  retry_path_ = context_.now + kRetryPath;
  auto opened = CheckPath::open(context_.config.guard, family);
  const Result<Done> done = opened ? context_.poller.add((*opened)->fd(), &path_ready_) : opened.error();
  if (!done) {
    no_path_ = done.error();
    return false;
  }
  path_ = std::move(*opened);
  if (const std::string& why = path_->remark(); !why.empty()) {
    context_.log.write(Severity::warning, "lo: no guard (" + why +
                                              "): programs of this host that listen on every address get the packets "
                                              "of checks with via = vip, too; their answers are not heard");
  }
  return true;
}

// The server answers from the VIP. Its own family may be the other one, behind a tunnel: then the answer comes to the
// first address of ours that is of the VIP's.
Ip Checks::check_source(const Server& server, Family family) const {
  if (server.source.family() == family) return server.source;
  const std::vector<Ip>& vips = context_.director.watch().vips;
  for (const Link link : first_links(context_.director.links())) {
    for (const LinkAddress& own : context_.director.link(link).addresses) {
      const bool usable = own.addr.family() == family && !own.addr.link_local();
      if (usable && !std::ranges::binary_search(vips, own.addr)) return own.addr;
    }
  }
  return Ip::any(family);
}

// Sets a probe's source and mark so that its packets arrive here. A reason: it must not begin.
std::optional<std::string> Checks::lead_probe(const CheckedServers::ToAsk& ask, ProbeTarget& target) {
  if (!ask.server) return "via = vip: server " + text(ask.at) + " is not in the table";
  if (ask.server->spec.method != Method::route && ask.server->spec.method != Method::tunnel) {
    return "via = vip: server " + text(ask.at) + " is not one of direct routing or tunnelling any more";
  }
  if (ask.server->local) {  // the host itself: its kernel takes them without the director
    target.to = ask.vip;
    return std::nullopt;
  }
  if (ask.server->source.unspecified()) {
    return "via = vip: this host has no address of its own on the way to " + text(ask.at.addr);
  }
  const Family family = ask.vip.addr.family();
  const Ip source = check_source(*ask.server, family);
  if (source.unspecified()) {
    return formatted("via = vip: this host has no {} address of its own, to which server {} could answer from VIP {}",
                     name(family), text(ask.at), text(ask.vip.addr));
  }
  if (!open_path(family)) return "via = vip: " + no_path_.text;
  if (const auto leads = path_->leads(ask.vip, source); !leads) return "via = vip: " + leads.error().text;
  target.to = ask.vip;
  target.source = source;
  if (source == ask.vip.addr) return "via = vip: the VIP is this host's only address that could ask";
  target.mark = CheckPath::kMark;
  return std::nullopt;
}

// Records the server of the probe's flow, before its first packets are read: none are read before the end of this turn.
void Checks::expect_packets(const CheckedServers::ToAsk& ask, const ProbeTarget& target) {
  const Endpoint from = probes_->source(ask.id);
  if (ask.server->local || from.port.value == 0) return;  // it has ended
  const bool datagrams = ask.check->kind == CheckKind::udp || ask.check->kind == CheckKind::dns;
  path_->expect(
      {from.addr, target.to.addr, from.port, target.to.port, datagrams ? Protocol::udp : Protocol::tcp, false},
      {ask.server->key, ask.server->spec.at});
}

void Checks::serve_path() {
  std::array<Frame, Director::kBatch> frames;
  for (int n = 0; n < kMostBatches && path_; ++n) {
    const size_t count = path_->receive(frames);
    if (count == 0) return;
    for (Frame& frame : std::span(frames).first(count)) {
      const CheckPath::Addressee* const whose = path_->addressee(frame);
      if (!whose) continue;
      context_.director.check_arrived(frame, whose->service, whose->server, context_.turn());
      context_.dispatch();
    }
    path_->release();
  }
}

}  // namespace rawvs
