// SPDX-License-Identifier: BSD-2-Clause
// checks.cpp: starts probes and takes their findings.
#include "sys/engine/checks.h"

#include <algorithm>
#include <utility>

#include "config/config_tables.h"

namespace rawvs {

Checks::Checks(EngineContext& context, Mastership& mastership, Notifier& notifier)
    : context_(context),
      mastership_(mastership),
      notifier_(notifier),
      gate_(context.director),
      checked_(context.config.settings.max_servers, random_hash_key().k0),
      warnings_(context.log) {
  context_.verdicts = this;
}

void Checks::add_wanting(Portions& walks) {
  marks_.clear();
  add_marks(context_.config, marks_, walks);
  add_checks(context_.config, marks_, other_, walks);
}

Result<Done> Checks::follow(bool at_start) {
  if (at_start) other_ = wanted_checks(context_.config);
  wanted_.swap(other_);
  if (!wanted_.empty() && !probes_) {
    if (const auto opened = open_probes(); !opened) return opened.error();
  }
  warnings_.forget();
  notifying_.clear();
  for (const VirtualConfig& v : context_.config.virtuals) {
    if (!v.notify.empty()) notifying_.insert(v.name);
  }
  if (!context_.another_serves) follow_path();  // else the first check that needs it opens it
  checked_.follow(wanted_, at_start, gate_, context_.turn());
  context_.dispatch();
  return Done{};
}

std::optional<ServerVerdicts::Verdict> Checks::found(const ServiceKey& service, Endpoint server) const {
  const TargetHealth* const its = checked_.find(service, server);
  if (!its || !its->target.check || its->condition == Condition::unknown) return std::nullopt;
  return Verdict{its->serves, its->since};
}

void Checks::recall(const ServiceKey& service, Endpoint server, Verdict verdict) {
  checked_.recall(service, server, verdict.well, verdict.since, gate_, context_.now);
}

Result<Done> Checks::open_probes() {
  auto opened = Probes::open(context_.helper);
  if (!opened) return opened.error();
  probes_ = std::move(*opened);
  return context_.poller.add(probes_->fd(), nullptr);
}

void Checks::settle() {
  if (!context_.director.touched()) return;
  checked_.settle(gate_, context_.turn());
  context_.dispatch();
}

void Checks::serve(Instant now) {
  if (path_ready_.take()) serve_path();
  settle();  // a route may have changed
  if (!probes_) return;
  hear_findings();
  if (now >= checked_.next_deadline()) ask();
  notify();
}

Instant Checks::deadline() const {
  if (context_.director.touched()) return kOverdue;  // by a part that was served after this one
  return probes_ ? std::min(checked_.next_deadline(), probes_->next_deadline()) : kNever;
}

void Checks::hear_findings() {
  for (const ProbeFinding& finding : probes_->serve(context_.now)) {
    if (finding.asked) {
      checked_.answered(finding.id, finding.well, finding.text, gate_, context_.turn());
      continue;
    }
    checked_.postponed(finding.id, context_.now);
    probe_not_made(finding.text);
  }
  context_.dispatch();
}

void Checks::ask() {
  const CheckedServers::Asking& asking = checked_.time_passed(gate_, context_.turn());
  for (const ProbeId id : asking.cancelled) probes_->cancel(id);
  for (const CheckedServers::ToAsk& ask : asking.start) start_probe(ask);
  context_.dispatch();
  if (const auto quorums = checked_.take_quorums(); !quorums.empty()) mastership_.quorums_changed(quorums);
}

// Has PROGRAM VIRTUAL EVENT SERVER run for each change of a virtual that names one.
void Checks::notify() {
  for (const CheckedServers::News& one : checked_.take_news()) {
    const Services& services = context_.director.services();
    const Service* const service = services.find(one.service);
    if (!service || !notifying_.contains(service->name.text())) continue;
    const std::string name(service->name.text());
    const Server* const server = one.server ? gate_.find(one.service, *one.server) : nullptr;  // also taken out
    const bool named = server && !server->spec.name.empty();
    HelperRequest request;
    request.ask = HelperAsk::notify_virtual;
    request.state = static_cast<uint8_t>(one.what);
    put_cut(request.name, name);
    put_cut(request.program, named ? std::string(server->spec.name.text()) : one.server ? text(*one.server) : "-");
    notifier_.tell(request, "virtual " + name);
  }
}

namespace {

// A check at another port of the server, such as a status page's, gets no header.
bool expects_header(const CheckedServers::ToAsk& ask) {
  if (!ask.server || !ask.server->spec.proxy) return false;
  const Port its = ask.server->spec.at.port;
  return its.value == 0 || its == ask.at.port;
}

}  // namespace

void Checks::start_probe(const CheckedServers::ToAsk& ask) {
  const bool to_vip = ask.check->via == CheckSpec::Via::vip;
  ProbeTarget target;
  target.server = target.to = ask.at;
  target.vip = ask.vip.addr;
  target.service = ask.service;
  target.proxy = expects_header(ask);
  if (to_vip) {
    if (const auto obstacle = lead_probe(ask, target)) {
      checked_.postponed(ask.id, context_.now);
      return probe_not_made(*obstacle);
    }
  }
  if (!probes_->start(ask.id, *ask.check, target, context_.now)) return checked_.postponed(ask.id, context_.now);
  if (to_vip) expect_packets(ask, target);
}

void Checks::probe_not_made(const std::string& reason) { warnings_.warn("a check could not be made: " + reason); }

}  // namespace rawvs
