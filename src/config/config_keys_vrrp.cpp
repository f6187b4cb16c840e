// SPDX-License-Identifier: BSD-2-Clause
// config_keys_vrrp.cpp: the keys of [vrrp NAME]: which of several directors is master of which VIPs.

#include <array>

#include "config/config_forms.h"

namespace rawvs {
namespace {

constexpr size_t kNameMost = 32;
constexpr size_t kPasswordMost = 8;

constexpr std::array<std::string_view, 3> kOtherVipsWords{"auto", "yes", "no"};
constexpr std::array<std::string_view, 2> kStartWords{"backup", "master"};
constexpr std::array<std::string_view, 2> kChecksumWords{"pseudo", "message"};
constexpr auto kOtherVips = choice<OtherVips>(kOtherVipsWords);
constexpr auto kLink = some_text(link_word_fault);
constexpr auto kStart = choice<bool>(kStartWords);
constexpr auto kChecksum = choice<VrrpChecksum>(kChecksumWords);

std::optional<Error> password_fault(std::string_view text) {
  if (auto hidden = hidden_secret(text)) return hidden;
  if (text.size() <= kPasswordMost) return std::nullopt;
  return Error{"has " + std::to_string(text.size()) + " characters; at most 8 are allowed"};
}

std::optional<Error> group_fault(std::string_view text) {
  if (words(text).size() == 1 && text.size() <= kNameMost) return std::nullopt;
  return Error{quoted(text) + " is not the name of a group"};
}

using MinTtl = std::optional<uint8_t>;
Result<MinTtl> read_min_ttl(std::string_view text) {
  if (text == "auto") return MinTtl{};
  if (const auto number = read_number(text, 0, 255)) return MinTtl{static_cast<uint8_t>(*number)};
  return Error{quoted(text) + " is neither auto nor a number between 0 and 255"};
}
std::string min_ttl_text(const MinTtl& ttl) { return ttl ? std::to_string(*ttl) : "auto"; }

constexpr auto kPassword = text_or_none(password_fault);
constexpr auto kGroup = text_or_none(group_fault);
constexpr auto kNotify = text_or_none(path_fault);

// "web", or "web weight=-20"
std::optional<Error> add_track(const KeyRow&, std::string_view text, void* field) {
  constexpr std::string_view kWeight = "weight=";
  const auto all = words(text);
  VrrpTrack track;
  if (!all.empty()) track.name = all[0];
  if (all.size() == 2 && all[1].starts_with(kWeight)) {
    std::string_view number = all[1].substr(kWeight.size());
    const bool minus = number.starts_with('-');
    if (minus) number.remove_prefix(1);
    const auto size = read_number(number, 1, 253);
    if (!size) return Error{quoted(all[1]) + ": expected weight=-253 to -1, or 1 to 253"};
    track.weight = minus ? -static_cast<int>(*size) : static_cast<int>(*size);
  } else if (all.size() != 1 || track.name.size() > kNameMost) {
    return Error{quoted(text) + " is not what can be tracked: the name of a virtual, and perhaps weight=N"};
  }
  static_cast<std::vector<VrrpTrack>*>(field)->push_back(track);
  return std::nullopt;
}

std::string track_text(const KeyRow&, const void* field, size_t n) {
  const VrrpTrack& track = (*static_cast<const std::vector<VrrpTrack>*>(field))[n];
  return track.name + (track.weight == 0 ? "" : " weight=" + std::to_string(track.weight));
}

constexpr FormFor<std::vector<VrrpTrack>> kTracks{
    {.read = add_track,
     .write = track_text,
     .count = [](const void* field) { return static_cast<const std::vector<VrrpTrack>*>(field)->size(); },
     .repeatable = true}};

constexpr Row<VrrpConfig> kRows[] = {
    row<&VrrpConfig::on>("on", kLink,
                         "the link that it speaks on: outside or inside (the first of interface or inside), or an "
                         "interface. Default outside"),
    number<&VrrpSpec::vrid>("vrid", {1, 255}, "virtual router id: the same on every director, 1-255. Required"),
    number<&VrrpSpec::version>("version", {2, 3}, "of the protocol, 2 or 3. Default 3"),
    number<&VrrpSpec::priority>("priority", {1, 255},
                                "who has most is master, 1-255; 255: the addresses are this host's own. Default 100"),
    duration<&VrrpSpec::interval>(
        "interval", {10, 255 * kSecond},
        "between adverts: version 3: 10ms-40950ms; version 2: 1s-255s, whole seconds. Default 1s"),
    on_off<&VrrpSpec::preempt>("preempt", "1: takes over from a master of lower priority. Default 1"),
    duration<&VrrpSpec::preempt_delay>("preempt_delay", {1, 1000 * kSecond, true},
                                       "but not before it has heard it for so long, 0-1000s. Default 0s"),
    row<&VrrpSpec::begins_as_master>(
        "start", kStart, "backup, or master: it listens for a shorter time before it takes over. Default backup"),
    row<&VrrpSpec::addresses>("address", kAddresses,
                              "VIPs, blanks between, of one family; repeatable. Default: all of this file"),
    row<&VrrpSpec::other_vips>(
        "other_vips", kOtherVips,
        "auto, yes or no: VIPs that no [vrrp] names follow this one, too; auto: the smallest vrid. Default auto"),
    row<&VrrpConfig::family>("family", kFamily,
                             "without address: ipv4 or ipv6, which VIPs of this file. Default: that of source or peer, "
                             "else ipv4, unless all VIPs are IPv6"),
    row<&VrrpSpec::peers>("peer", kAddresses,
                          "other directors: adverts by unicast; repeatable. Default: none, multicast"),
    row<&VrrpSpec::source>("source", kAddress, "adverts' source address. Default: the interface's first"),
    row<&VrrpSpec::min_ttl>(
        "min_ttl", kValue<MinTtl, read_min_ttl, min_ttl_text>,
        "unicast: least TTL of adverts heard, 0-255, or auto: 255 from peers on the link's networks. Default auto"),
    secret(row<&VrrpSpec::password>("password", kPassword,
                                    "version 2: at most 8 characters, readable for all on the LAN. Default: none")),
    row<&VrrpSpec::checksum>("checksum", kChecksum,
                             "version 3: pseudo (with a pseudo-header) or message (RFC 9568). Default pseudo"),
    row<&VrrpSpec::group>("group", kGroup, "instances of one group are master together, or none is. Default: none"),
    row<&VrrpSpec::tracks>("track", kTracks,
                           "a virtual whose quorum has to be well: NAME [weight=N]; repeatable. Default: none"),
    on_off<&VrrpSpec::virtual_mac>(
        "virtual_mac", "1: the addresses have the MAC address 00:00:5e:00:01:VRID, whoever is master. Default 0"),
    row<&VrrpConfig::notify>("notify", kNotify, "program that is told: PROGRAM NAME STATE PRIORITY. Default: none"),
};

}  // namespace

std::span<const Row<VrrpConfig>> vrrp_rows() { return kRows; }

}  // namespace rawvs
