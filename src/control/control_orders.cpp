// SPDX-License-Identifier: BSD-2-Clause
// control_orders.cpp: an operator's orders about servers: the command, and their words in rows.
#include <algorithm>

#include "config/config_values.h"
#include "control/control_commands.h"
#include "control/control_words.h"
#include "core/called.h"
#include "core/service.h"
#include "rawvs/control.h"
#include "side/checked_servers.h"
#include "wire/formatted.h"

namespace rawvs {

namespace {

Objection read_ordered(const Values& values, Key key, std::optional<Ordered>& out) {
  const auto& word = values.of(key);
  if (!word) return std::nullopt;
  const auto known = std::ranges::find(kOrderedWords, *word);
  if (known == kOrderedWords.end()) {
    return usage(formatted("{}={}: expected none, drained or disabled", kKeyNames[static_cast<size_t>(key)],
                           shortly_quoted(*word)));
  }
  out = static_cast<Ordered>(known - kOrderedWords.begin());
  return std::nullopt;
}

Order new_order(const Call& call, Ordered what) {
  if (what == Ordered::none) return {};
  return {what, call.who.uid, call.context.wall + call.turn.now.time_since_epoch() / 1ms};
}

Objection order_server(const Call& call, const ServiceKey& key, const Reordering& as) {
  Endpoint at;
  if (auto fault = read_endpoint(call.values, key, at)) return fault;
  const Services& services = call.director.services();
  const Service* const service = services.find(key);
  const Server* const server = services.known(key, at);
  if (!service) return verdict(call, Refusal::no_service);
  if (!server) return verdict(call, Refusal::no_server);
  const Order was = server->order;
  if (!as.changes(was)) return std::nullopt;
  if (auto fault = verdict(call, call.director.set_order(key, at, as.order))) return fault;
  const std::string now =
      as.order.out() ? std::string(name(as.order.what)) : formatted("not {} any more", name(was.what));
  call.changed(
      formatted("{}: server {}: {}", called(service->name, text(key)), called(server->spec.name, text(at)), now));
  return std::nullopt;
}

// shop (tcp 192.0.2.100:80): drained: 2 servers, and any that is added
std::string line(const Director& director, const ServiceKey& key, const Reordering& as, const Reordered& done) {
  const Service* const service = director.services().find(key);
  const std::string what = as.order.out() ? std::string(name(as.order.what)) : "in service again";
  const std::string servers = formatted("{} server{}", done.servers, done.servers == 1 ? "" : "s");
  return formatted("{}: {}: {}{}", called(service ? service->name : ShortName(), text(key)), what, servers,
                   as.order.out() ? ", and any that is added" : "");
}

}  // namespace

// A sorry server is for when the others are out: an order about its service is not about it.
Objection set_order(const Call& call) {
  ServiceKey key;
  std::optional<Ordered> what;
  Reordering as;
  if (auto fault = read_service_key(call.values, key)) return fault;
  if (auto fault = read_ordered(call.values, Key::order, what)) return fault;
  if (auto fault = read_ordered(call.values, Key::was, as.was)) return fault;
  as.order = new_order(call, *what);
  if (call.values.of(Key::server)) return order_server(call, key, as);
  const Service* const service = call.director.services().find(key);
  if (!service) return verdict(call, Refusal::no_service);
  if (call.context.checked) as.except = call.context.checked->sorry_of(key);
  return in_portions(call, [&director = call.director, &context = call.context, who = call.who, command = call.command,
                            key, as, done = Reordered{}](Turn turn) mutable {
    const bool over = director.order_some(key, as, done);
    if (over && done.changed() && context.log) context.log->changed(who, command, line(director, key, as, done), turn);
    return over;
  });
}

void put_order(std::string& row, const Order& order) {
  if (!order.out()) return;
  put(row, "order", name(order.what));
  put(row, "order-by", order.uid);
  put(row, "order-at", static_cast<uint64_t>(std::max<int64_t>(order.wall, 0)) / 1000);
}

}  // namespace rawvs
