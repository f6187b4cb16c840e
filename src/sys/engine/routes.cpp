// SPDX-License-Identifier: BSD-2-Clause
// routes.cpp: looks up routes to servers in the kernel, some in each turn.
#include "sys/engine/routes.h"

#include <utility>

#include "core/link.h"

namespace rawvs {
namespace {

constexpr Duration kReroutePause = 200ms;  // a router's table may change continuously
constexpr size_t kRoutesAtOnce = 256;      // per turn: about 2 ms

}  // namespace

Result<Done> Routes::open() {
  ask_host_addresses();
  return context_.poller.add(context_.netlink->fd(), &news_);
}

// Without an answer the last known ones are the best guess.
void Routes::ask_host_addresses() {
  auto asked = context_.netlink->host_addresses();
  if (!asked) return context_.log.write(Severity::warning, asked.error().text);
  context_.director.host_addresses(std::move(*asked), context_.turn());
  ports_.follow_watch();
  context_.dispatch();
}

void Routes::serve(Instant now) {
  if (news_.take()) hear(context_.netlink->changed());
  if (now >= deadline()) follow();
}

void Routes::hear(KernelNews news) {
  if (!news) return;
  stale_ = true;
  if (news.links) {
    asked_ = Instant{};  // at once: a service without routes to its servers refuses its clients
    ports_.try_all();
    ask_host_addresses();
  }
  follow();
}

void Routes::link_changed(Link link) {
  if (const LinkFacts& facts = ports_.facts(link); facts != seen_[index(link)]) {
    seen_[index(link)] = facts;
    stale_ = true;
  }
  follow();
}

Instant Routes::deadline() const {
  if (asking_) return context_.now;  // for the remaining ones
  return stale_ ? asked_ + kReroutePause : kNever;
}

void Routes::follow() {
  for (auto some = context_.director.take_unknown_ways(kRoutesAtOnce); !some.empty();
       some = context_.director.take_unknown_ways(kRoutesAtOnce)) {
    for (const Ip server : some) ask(server);
  }
  if (context_.now < deadline()) return;
  if (!asking_) stale_ = false, asking_ = true, last_.reset();
  for (size_t n = 0; n < kRoutesAtOnce; ++n) {
    last_ = context_.director.next_server_address(last_);
    asking_ = last_.has_value();
    if (!asking_ || !ask(*last_)) break;
  }
  asked_ = context_.now;
  if (!asking_ && !stale_) warned_ = false;
}

Result<Route> Routes::look_up(Ip server) {
  std::array<int, kMostLinks> ifindexes{};
  const auto links = ports_.links();
  for (const Link link : links) ifindexes[index(link)] = ports_.facts(link).ifindex;
  return context_.netlink->route_to(server, std::span(ifindexes).first(links.size()));
}

// Without an answer the last known route is the best guess.
bool Routes::ask(Ip server) {
  auto asked = look_up(server);
  if (asked && asked->kind == Route::Kind::elsewhere && ports_.open_for(*asked)) asked = look_up(server);
  if (!asked) {
    if (!std::exchange(warned_, true)) context_.log.write(Severity::warning, asked.error().text);
    stale_ = true, asking_ = false, asked_ = context_.now;
    return false;
  }
  context_.director.route_found(*asked, context_.turn());
  ports_.follow_watch();
  context_.dispatch();
  return true;
}

}  // namespace rawvs
