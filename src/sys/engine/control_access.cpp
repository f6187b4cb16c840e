// SPDX-License-Identifier: BSD-2-Clause
// control_access.cpp: groups of clients. socket(7), unix(7), getgrnam(3).
#include "sys/engine/control_access.h"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "wire/formatted.h"

namespace rawvs {
namespace {

#ifndef SO_PEERGROUPS
constexpr int SO_PEERGROUPS = 59;
#endif

Result<std::optional<gid_t>> group_named(const std::string& place, const std::string& name) {
  if (name.empty()) return std::optional<gid_t>();
  const group* const entry = getgrnam(name.c_str());
  if (!entry) return Error{formatted("{}: there is no group \"{}\"", place, name)};
  return std::optional<gid_t>(entry->gr_gid);
}

// Not those that it has but its process's main group. Empty: it has none, or the kernel does not tell.
std::vector<gid_t> further_groups(int fd) {
  std::vector<gid_t> groups(32);
  for (int tries = 0; tries < 2; ++tries) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const size_t count = std::min<size_t>(size / sizeof(gid_t), 65536);  // NGROUPS_MAX
    if (!known && count <= groups.size()) return {};
    groups.resize(count);
    if (known) return groups;
  }
  return {};
}

}  // namespace

Result<ControlAccess> ControlAccess::find(const std::string& place, const std::string& group,
                                          const std::string& readers) {
  ControlAccess access;
  const auto gid = group_named(place, group), readers_gid = group_named(place, readers);
  if (!gid) return gid.error();
  if (!readers_gid) return readers_gid.error();
  access.group_ = *gid, access.readers_ = *readers_gid;
  access.judges_ = access.readers_.has_value();
  access.group_name_ = group, access.readers_name_ = readers;
  return access;
}

ControlAccess::May ControlAccess::of(const Peer& peer, int fd) const {
  if (!judges_ || peer.uid == 0 || peer.uid == geteuid()) return May::change;
  const std::vector<gid_t> further = further_groups(fd);
  const auto in = [&](const std::optional<gid_t>& group) {
    return group && (peer.gid == *group || std::ranges::find(further, *group) != further.end());
  };
  return in(group_) ? May::change : in(readers_) ? May::ask : May::nothing;
}

std::string ControlAccess::refusal() const {
  std::string out = "permission denied: expected root";
  for (const std::string* const name : {&group_name_, &readers_name_}) {
    if (!name->empty()) out += formatted(", or a member of the group {}", *name);
  }
  return out;
}

}  // namespace rawvs
