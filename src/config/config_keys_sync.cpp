// SPDX-License-Identifier: BSD-2-Clause
// config_keys_sync.cpp: the keys of [sync]: connections sent to other directors and received from them.

#include <array>

#include "config/config_check.h"
#include "config/config_forms.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr size_t kLeastKey = 8, kMostKey = 64;
constexpr std::array<std::string_view, 4> kRoles{"auto", "master", "backup", "both"};  // by SyncRole
constexpr auto kRole = choice<SyncRole>(kRoles);
constexpr auto kLink = some_text(link_word_fault);

Result<Ip> read_multicast(std::string_view text) {
  const auto group = parse_ip(text);
  if (group && group->multicast()) return *group;
  return Error{quoted(text) + " is not a multicast address, such as 224.0.0.81 or ff02::81"};
}
std::string group_text(const Ip& group) { return text(group); }

std::optional<Error> key_fault(std::string_view text) {
  if (auto hidden = hidden_secret(text)) return hidden;
  if (text.size() >= kLeastKey && text.size() <= kMostKey) return std::nullopt;
  return Error{"has " + std::to_string(text.size()) + " characters; 8 to 64 are allowed"};
}
constexpr auto kKey = text_or_none(key_fault);

constexpr Row<SyncConfig> kRows[] = {
    row<&SyncConfig::role>(
        "role", kRole,
        "auto, master (tells), backup (hears) or both. Default auto: both, and tells while it is master by VRRP"),
    row<&SyncConfig::on>("on", kLink,
                         "the link to the other directors: outside or inside (the first of interface or inside), or an "
                         "interface. Default outside"),
    number<&SyncSettings::id>("id", {0, 255}, "of the group of directors, 0-255; 0 hears every group. Default 0"),
    row<&SyncConfig::group>("group", kValue<Ip, read_multicast, group_text>,
                            "multicast address, also of IPv6. Default 224.0.0.81"),
    number<&SyncConfig::port>("port", {1, 65535}, "UDP port, 1-65535. Default 8848"),
    number<&SyncConfig::ttl>("ttl", {1, 255}, "of multicast, 1-255. Default 1"),
    row<&SyncConfig::peers>(
        "peer", kAddresses,
        "other directors, blanks between: unicast, from them alone; repeatable. Default: none, multicast"),
    secret(row<&SyncConfig::key>(
        "key", kKey,
        "secret of 8 to 64 characters: messages have an HMAC-SHA256 seal, others are refused. Default: none")),
    number<&SyncSettings::share>(
        "share", {1, 100},
        "without key: others' connections are taken up to so many percent of max_connections, 1-100. Default 75"),
    duration<&SyncSettings::window>("window", {kSecond, kHour, true},
                                    "with key: how far the directors' clocks may differ, 1s-1h; 0 = any. Default 30s"),
    number<&SyncSettings::threshold>("threshold", {0, 255},
                                     "a connection is told from so many packets on, 0-255. Default 2"),
    number<&SyncSettings::period>("period", {0, 255}, "and with so many more each time, 0-255; 0 = once. Default 50"),
    duration<&SyncSettings::refresh_period>("refresh_period", {kSecond, kDay, true},
                                            "not 0: told when its time has moved by so much, 1s-24h. Default 0"),
    number<&SyncSettings::retries>("retries", {0, 3}, "with refresh_period: told so often again, 0-3. Default 0"),
    on_off<&SyncSettings::persist_mode>("templates_only",
                                        "1: persistence templates, without their connections. Default 0"),
    duration<&SyncSettings::full_every>(
        "full_every", {kSecond, kDay, true},
        "all connections are told again so often, 1s-24h; 0 = to who asks. Default 120s"),
    number<&SyncSettings::max_length>("max_length", {kSyncLeast, kSyncMost},
                                      "bytes of a message, 176-65507. Default 1472"),
};

}  // namespace

std::span<const Row<SyncConfig>> sync_rows() { return kRows; }

const char* name(SyncRole role) { return kRoles[static_cast<size_t>(role)].data(); }

void add_sync_checks(Checking& c, Portions& walks) {
  walks.once([&c] {
    if (!c.config.sync) return;
    const std::vector<Ip>& peers = c.config.sync->peers;
    for (size_t n = 1; n < peers.size(); ++n) {
      if (peers[n].family() == peers[0].family()) continue;
      c.report.wrong(c.places.sync, "peer",
                     formatted("{} is {}, and {} is {}: one socket reaches peers of one family", text(peers[n]),
                               name(peers[n].family()), text(peers[0]), name(peers[0].family())),
                     n);
      break;
    }
  });
}

}  // namespace rawvs
