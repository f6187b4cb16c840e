// SPDX-License-Identifier: BSD-2-Clause
// probes.cpp: the probes in progress, behind one epoll descriptor. epoll's data holds a place's number and generation,
// so an event of an ended probe finds nothing.
#include "sys/probe/probes.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sys/probe/probe.h"
#include "sys/sys.h"

namespace rawvs {
namespace {

constexpr int kPerTurn = 32;  // events per call of serve(): packets have precedence

struct Place {
  std::unique_ptr<Probe> probe;  // null: free
  ProbeId id{};
  uint32_t generation = 0;
  uint32_t events = 0;        // as registered with epoll
  Instant deadline = kNever;  // of the attempt
  Instant look = kNever;      // for states that no descriptor reports
};

std::unique_ptr<Probe> make_probe(ProbeJobPtr job, const Helper& helper) {
  switch (job->spec.kind) {
    case CheckKind::arp: return nullptr;
    case CheckKind::icmp: return make_icmp_probe(std::move(job));
    case CheckKind::tcp: return make_tcp_probe(std::move(job));
    case CheckKind::tls: return make_tls_probe(std::move(job));
    case CheckKind::http: return make_http_probe(std::move(job));
    case CheckKind::udp: return make_udp_probe(std::move(job));
    case CheckKind::dns: return make_dns_probe(std::move(job));
    case CheckKind::exec: return make_exec_probe(std::move(job), helper);
  }
  return nullptr;
}

}  // namespace

struct Probes::Impl {
  Fd epoll;
  explicit Impl(const Helper& its_helper) : helper(its_helper) {}
  const Helper& helper;
  std::vector<Place> places{kMost};
  std::vector<ProbeFinding> findings;  // not yet returned
  size_t running = 0;
  Instant next = kNever;  // the earliest time of all places
  bool stale = false;     // next has to be computed anew

  size_t number_of(const Place& place) const { return static_cast<size_t>(&place - places.data()); }
  Place* find(ProbeId id);
  void release(Place& place);
  void finish(Place& place, const ProbeOutcome& outcome);
  bool watch(Place& place);
  void note(Place& place, std::optional<ProbeOutcome> outcome, Instant now);
  void serve_events(Instant now);
  void serve_deadlines(Instant now);
  void find_next();
};

Place* Probes::Impl::find(ProbeId id) {
  const auto found = std::ranges::find_if(places, [id](const Place& place) { return place.probe && place.id == id; });
  return found == places.end() ? nullptr : &*found;
}

void Probes::Impl::release(Place& place) {
  place.probe.reset();  // closing its descriptor removes it from epoll
  place.deadline = place.look = kNever;
  place.events = 0;
  ++place.generation;
  --running;
  stale = true;
}

void Probes::Impl::finish(Place& place, const ProbeOutcome& outcome) {
  findings.push_back({place.id, outcome.well, outcome.asked, one_line(outcome.text)});
  release(place);
}

bool Probes::Impl::watch(Place& place) {
  const int fd = place.probe->fd();
  const uint32_t events = place.probe->events();
  if (fd < 0 || place.events == events) return true;
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{place.generation} << 32 | number_of(place);
  const int operation = place.events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  place.events = events;
  return epoll_ctl(epoll.get(), operation, fd, &event) == 0;
}

// Handles the result of a probe's step: an outcome, or the events that it waits for.
void Probes::Impl::note(Place& place, std::optional<ProbeOutcome> outcome, Instant now) {
  if (!outcome && !watch(place)) outcome = not_asked(system_error("epoll", errno));
  if (outcome) return finish(place, *outcome);
  place.look = after(now, place.probe->look_again());
  next = std::min({next, place.deadline, place.look});
}

void Probes::Impl::serve_events(Instant now) {
  std::array<epoll_event, kPerTurn> events;
  const int ready = epoll_wait(epoll.get(), events.data(), kPerTurn, 0);
  for (int i = 0; i < ready; ++i) {
    const uint64_t data = events[static_cast<size_t>(i)].data.u64;
    Place& place = places[data & UINT32_MAX];
    if (place.probe && place.generation == data >> 32) note(place, place.probe->go_on(), now);
  }
}

void Probes::Impl::serve_deadlines(Instant now) {
  if (now < next) return;
  stale = true;
  for (Place& place : places) {
    if (!place.probe) continue;
    if (place.deadline <= now) {
      finish(place, place.probe->late());
    } else if (place.look <= now) {
      note(place, place.probe->go_on(), now);
    }
  }
}

void Probes::Impl::find_next() {
  if (!std::exchange(stale, false)) return;
  next = kNever;
  for (const Place& place : places) next = std::min({next, place.deadline, place.look});
}

Probes::Probes(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Probes::~Probes() = default;

Result<std::unique_ptr<Probes>> Probes::open(const Helper& helper) {
  auto impl = std::make_unique<Impl>(helper);
  impl->epoll = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!impl->epoll) return Error{system_error("probes: epoll", errno)};
  return std::unique_ptr<Probes>(new Probes(std::move(impl)));
}

int Probes::fd() const { return impl_->epoll.get(); }

Instant Probes::next_deadline() const {
  return impl_->findings.empty() ? impl_->next : kOverdue;  // known already
}

bool Probes::start(ProbeId id, const CheckSpec& spec, const ProbeTarget& target, Instant now) {
  cancel(id);
  const auto free = std::ranges::find_if(impl_->places, [](const Place& place) { return !place.probe; });
  if (free == impl_->places.end()) return false;
  Place& place = *free;
  place.probe = make_probe(std::make_unique<const ProbeJob>(ProbeJob{spec, target}), impl_->helper);
  if (!place.probe) {
    impl_->findings.push_back({id, false, false, "the neighbour table asks"});
    return true;
  }
  place.id = id;
  place.deadline = now + spec.timeout;
  ++impl_->running;
  impl_->note(place, place.probe->begin(), now);
  impl_->find_next();
  return true;
}

void Probes::cancel(ProbeId id) {
  if (Place* const place = impl_->find(id)) impl_->release(*place);
  impl_->find_next();
  std::erase_if(impl_->findings, [id](const ProbeFinding& finding) { return finding.id == id; });
}

size_t Probes::running() const { return impl_->running; }

Endpoint Probes::source(ProbeId id) const {
  const Place* const place = impl_->find(id);
  return place ? place->probe->source() : Endpoint{};
}

std::vector<ProbeFinding> Probes::serve(Instant now) {
  impl_->serve_events(now);
  impl_->serve_deadlines(now);
  impl_->find_next();
  return std::exchange(impl_->findings, {});
}

}  // namespace rawvs
