// SPDX-License-Identifier: BSD-2-Clause
// control_call.cpp: what commands have in common: refusals as text, changes in portions.
#include <memory>
#include <utility>

#include "control/control_commands.h"
#include "rawvs/control.h"
#include "wire/formatted.h"

namespace rawvs {

Objection verdict(const Call& call, std::optional<Refusal> refusal) {
  if (!refusal) return std::nullopt;
  const std::string service = formatted("service {}", call.values.text(Key::service));
  const std::string server = formatted("server {}", call.values.text(Key::server));
  const bool about_server = call.values.of(Key::server).has_value();
  const auto text = [&]() -> std::string {
    switch (*refusal) {
      case Refusal::exists: return about_server ? service + " already has " + server : service + " is already there";
      case Refusal::no_service: return "there is no " + service;
      case Refusal::no_server: return service + " has no " + server;
      case Refusal::no_scheduler:
        return formatted("scheduler {} is not built in", shortly_quoted(call.values.text(Key::scheduler)));
      case Refusal::range: return "lower must not be greater than upper";
      case Refusal::invalid: return (about_server ? server : service) + ": expected a unicast address";
      case Refusal::full:
        return about_server ? "no room for another server: see max_servers"
                            : "no room for another service: see max_services";
      case Refusal::unsupported: return formatted("rawvs {} cannot do that yet", kVersion);
    }
    return "?";
  };
  std::string why = text();
  if (*refusal == Refusal::full)
    call.changed(formatted("refused: {}: {}", about_server ? service + ", " + server : service, why));
  return refused(*refusal, std::move(why));
}

Objection in_portions(const Call& call, std::function<bool(Turn)> portion) {
  const std::shared_ptr<Job> job(new Job{std::move(portion), false});
  if (!call.context.run) {
    while (!job->portion(call.turn)) {
    }
    return std::nullopt;
  }
  call.context.run(job);
  call.later = {[job] { return job->done; }, [] { return Conversation(RowSources()); }};
  return std::nullopt;
}

}  // namespace rawvs
