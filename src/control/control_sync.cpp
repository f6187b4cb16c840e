// SPDX-License-Identifier: BSD-2-Clause
// control_sync.cpp: [sync] after one of ipvsadm's two daemons is started or stopped.
#include "control/control_sync.h"

#include <algorithm>

#include "control/control_words.h"

namespace rawvs {
namespace {

Objection read_role(const Values& values, SyncRole& out) {
  const std::string_view role = values.text(Key::role);
  if (role != "master" && role != "backup") {
    return usage("role=" + shortly_quoted(role) + ": expected master or backup");
  }
  out = role == "master" ? SyncRole::master : SyncRole::backup;
  return std::nullopt;
}

bool runs(const SyncConfig* sync, SyncRole role) {
  return sync && (sync->role == role || sync->role == SyncRole::both || sync->role == SyncRole::automatic);
}

Objection read_options(const Values& values, const Director& director, SyncConfig& out) {
  const std::string_view link = values.text(Key::link);
  const auto links = first_links(director.links());
  const auto found = std::ranges::find(links, link, [&](Link l) { return word(director, l); });
  if (link.empty() || found == links.end()) {
    return Fault{"no-link", "link=" + shortly_quoted(link) + ": expected an interface of rawvsd"};
  }
  out.link = *found;
  out.on = link;
  uint64_t id = out.settings.id, length = out.settings.max_length, ttl = out.ttl;
  if (auto fault = read_number(values, Key::id, UINT8_MAX, id)) return fault;
  if (auto fault = read_number(values, Key::maxlen, kSyncMost, length)) return fault;
  if (auto fault = read_number(values, Key::ttl, UINT8_MAX, ttl)) return fault;
  if (ttl == 0) return usage("ttl=0: expected 1 to 255");
  out.settings.id = static_cast<uint8_t>(id);
  out.settings.max_length = static_cast<uint16_t>(length);
  out.ttl = static_cast<uint8_t>(ttl);
  if (!values.of(Key::group)) return std::nullopt;
  const auto group = parse_endpoint(values.text(Key::group));
  if (!group || !group->addr.multicast() || group->port.value == 0) {
    return usage("group=" + shortly_quoted(values.text(Key::group)) + ": expected a multicast address and a port");
  }
  out.group = group->addr;
  out.port = group->port.value;
  return std::nullopt;
}

Objection set(const ControlContext& context, const std::optional<SyncConfig>& wanted) {
  const auto done = context.set_sync(wanted);
  if (!done) return Fault{"invalid", done.error().text};
  return std::nullopt;
}

}  // namespace

Objection start_sync(const Values& values, const ControlContext& context, const Director& director) {
  SyncRole role{};
  if (auto fault = read_role(values, role)) return fault;
  if (!context.set_sync) return refused(Refusal::unsupported, "nobody here can tell connections");
  const SyncConfig* const now = context.sync.config;
  if (runs(now, role)) return refused(Refusal::exists, std::string("the ") + name(role) + " runs already");
  SyncConfig wanted = now ? *now : SyncConfig{};
  if (auto fault = read_options(values, director, wanted)) return fault;
  wanted.role = now ? SyncRole::both : role;
  SyncConfig same = wanted;
  if (now) same.role = now->role;
  if (now && same != *now) {
    return refused(Refusal::unsupported,
                   "master and backup have one link, id, maxlen, group and ttl: expected those of " +
                       std::string("the one that runs"));
  }
  return set(context, wanted);
}

Objection stop_sync(const Values& values, const ControlContext& context) {
  SyncRole role{};
  if (auto fault = read_role(values, role)) return fault;
  const SyncConfig* const now = context.sync.config;
  if (!context.set_sync || !runs(now, role)) return Fault{"not-running", std::string("there is no ") + name(role)};
  if (now->role == role) return set(context, std::nullopt);
  SyncConfig wanted = *now;
  wanted.role = role == SyncRole::master ? SyncRole::backup : SyncRole::master;
  return set(context, wanted);
}

}  // namespace rawvs
