// SPDX-License-Identifier: BSD-2-Clause
// config_keys_vrrp.cpp: the keys of [vrrp NAME]: which of several directors is master of which VIPs.

#include <algorithm>

#include "config/config_rows.h"
#include "config/config_values.h"
#include "config/spec_words.h"

namespace rawvs {
namespace {

constexpr size_t kNameMost = 32;
constexpr Duration kLeastInterval = 10ms, kMostInterval = 255s;

constexpr std::string_view kOtherVips[] = {"auto", "yes", "no"};  // by OtherVips

template <auto kField, uint64_t kLeast, uint64_t kMost>
constexpr Row<VrrpConfig> number(std::string_view key, const char* help) {
  return {key, help,
          [](VrrpConfig& v, std::string_view t) { return take(read_number(t, kLeast, kMost), v.spec.*kField); },
          [](const VrrpConfig& v) { return std::vector{std::to_string(v.spec.*kField)}; }};
}

template <auto kField>
constexpr Row<VrrpConfig> on_off(std::string_view key, const char* help) {
  return {key, help, [](VrrpConfig& v, std::string_view t) { return take(read_switch(t), v.spec.*kField); },
          [](const VrrpConfig& v) { return std::vector<std::string>{v.spec.*kField ? "1" : "0"}; }};
}

// Reads one of two words, `no` for false.
template <auto kField>
std::optional<Error> either(VrrpConfig& v, std::string_view text, std::string_view no, std::string_view yes) {
  if (text != no && text != yes) return Error{quoted(text) + " is not one of " + listed({no, yes})};
  v.spec.*kField = static_cast<std::remove_reference_t<decltype(v.spec.*kField)>>(text == yes);
  return std::nullopt;
}

template <auto kField>
constexpr Row<VrrpConfig> addresses(std::string_view key, const char* help) {
  return {key, help,
          [](VrrpConfig& v, std::string_view t) -> std::optional<Error> {
            for (const std::string_view word : words(t)) {
              const auto address = read_unicast(word);
              if (!address) return address.error();
              (v.spec.*kField).push_back(*address);
            }
            if (words(t).empty()) return Error{"no value; expected addresses with blanks between"};
            return std::nullopt;
          },
          [](const VrrpConfig& v) {
            std::vector<std::string> all;
            for (const Ip address : v.spec.*kField) all.push_back(text(address));
            return all;
          },
          [](const VrrpConfig& v) { return (v.spec.*kField).size(); }};
}

// "web", or "web weight=-20"
std::optional<Error> set_track(VrrpConfig& v, std::string_view text) {
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
  v.spec.tracks.push_back(track);
  return std::nullopt;
}

constexpr Row<VrrpConfig> kRows[] = {
    {"on", "the link that it speaks on: outside (interface) or inside. Default outside",
     [](VrrpConfig& v, std::string_view t) { return either<&VrrpSpec::link>(v, t, "outside", "inside"); },
     [](const VrrpConfig& v) { return std::vector<std::string>{v.spec.link == Link::inside ? "inside" : "outside"}; }},
    number<&VrrpSpec::vrid, 1, 255>("vrid", "virtual router id: the same on every director, 1-255. Required"),
    number<&VrrpSpec::version, 2, 3>("version", "of the protocol, 2 or 3. Default 3"),
    number<&VrrpSpec::priority, 1, 255>(
        "priority", "who has most is master, 1-255; 255: the addresses are this host's own. Default 100"),
    {"interval", "between adverts: version 3: 10ms-40950ms; version 2: 1s-255s, whole seconds. Default 1s",
     [](VrrpConfig& v, std::string_view t) {
       return take(read_duration(t, kLeastInterval, kMostInterval, Zero::refused), v.spec.interval);
     },
     [](const VrrpConfig& v) { return std::vector{text(v.spec.interval)}; }},
    on_off<&VrrpSpec::preempt>("preempt", "1: takes over from a master of lower priority. Default 1"),
    {"preempt_delay", "but not before it has heard it for so long, 0-1000s. Default 0s",
     [](VrrpConfig& v, std::string_view t) {
       return take(read_duration(t, Duration(1), 1000s, Zero::allowed), v.spec.preempt_delay);
     },
     [](const VrrpConfig& v) { return std::vector{text(v.spec.preempt_delay)}; }},
    {"start", "backup, or master: it listens for a shorter time before it takes over. Default backup",
     [](VrrpConfig& v, std::string_view t) { return either<&VrrpSpec::begins_as_master>(v, t, "backup", "master"); },
     [](const VrrpConfig& v) { return std::vector<std::string>{v.spec.begins_as_master ? "master" : "backup"}; }},
    addresses<&VrrpSpec::addresses>("address", "VIPs, blanks between; repeatable. Default: all of this file"),
    {"other_vips",
     "auto, yes or no: VIPs that no [vrrp] names follow this one, too; auto: the smallest vrid. Default auto",
     [](VrrpConfig& v, std::string_view t) -> std::optional<Error> {
       const auto found = std::ranges::find(kOtherVips, t);
       if (found == std::end(kOtherVips)) return Error{quoted(t) + " is not one of " + listed({"auto", "yes", "no"})};
       v.spec.other_vips = static_cast<OtherVips>(found - std::begin(kOtherVips));
       return std::nullopt;
     },
     [](const VrrpConfig& v) {
       return std::vector<std::string>{std::string(kOtherVips[static_cast<size_t>(v.spec.other_vips)])};
     }},
    addresses<&VrrpSpec::peers>("peer", "other directors: adverts by unicast; repeatable. Default: none, multicast"),
    {"source", "adverts' source address. Default: the interface's first",
     [](VrrpConfig& v, std::string_view t) { return take(read_unicast(t), v.spec.source); },
     [](const VrrpConfig& v) {
       return v.spec.source.unspecified() ? std::vector<std::string>() : std::vector{text(v.spec.source)};
     }},
    number<&VrrpSpec::min_ttl, 0, 255>("min_ttl", "unicast: least TTL of adverts heard, 0-255. Default 0"),
    {"password", "version 2: at most 8 characters, readable for all on the LAN. Default: none",
     [](VrrpConfig& v, std::string_view t) -> std::optional<Error> {
       if (auto hidden = hidden_secret(t)) return hidden;
       if (t.size() > 8) return Error{"has " + std::to_string(t.size()) + " characters; at most 8 are allowed"};
       v.spec.password = t;
       return std::nullopt;
     },
     [](const VrrpConfig& v) {
       return v.spec.password.empty() ? std::vector<std::string>() : std::vector{v.spec.password};
     },
     nullptr, nullptr, true},
    {"checksum", "version 3: pseudo (with a pseudo-header) or message (RFC 9568). Default pseudo",
     [](VrrpConfig& v, std::string_view t) { return either<&VrrpSpec::checksum>(v, t, "pseudo", "message"); },
     [](const VrrpConfig& v) {
       return std::vector<std::string>{v.spec.checksum == VrrpChecksum::pseudo_header ? "pseudo" : "message"};
     }},
    {"group", "instances of one group are master together, or none is. Default: none",
     [](VrrpConfig& v, std::string_view t) -> std::optional<Error> {
       if (words(t).size() != 1 || t.size() > kNameMost) return Error{quoted(t) + " is not the name of a group"};
       v.spec.group = t;
       return std::nullopt;
     },
     [](const VrrpConfig& v) { return v.spec.group.empty() ? std::vector<std::string>() : std::vector{v.spec.group}; }},
    {"track", "a virtual whose quorum has to be well: NAME [weight=N]; repeatable. Default: none", set_track,
     [](const VrrpConfig& v) {
       std::vector<std::string> all;
       for (const VrrpTrack& track : v.spec.tracks) {
         all.push_back(track.name + (track.weight == 0 ? "" : " weight=" + std::to_string(track.weight)));
       }
       return all;
     },
     [](const VrrpConfig& v) { return v.spec.tracks.size(); }},
    on_off<&VrrpSpec::virtual_mac>(
        "virtual_mac", "1: the addresses have the MAC address 00:00:5e:00:01:VRID, whoever is master. Default 0"),
    {"notify", "program that is told: PROGRAM NAME STATE PRIORITY. Default: none",
     [](VrrpConfig& v, std::string_view t) -> std::optional<Error> {
       if (!t.starts_with('/') || words(t).size() != 1) return Error{quoted(t) + " is not an absolute path"};
       v.notify = t;
       return std::nullopt;
     },
     [](const VrrpConfig& v) { return v.notify.empty() ? std::vector<std::string>() : std::vector{v.notify}; }},
};

}  // namespace

std::span<const Row<VrrpConfig>> vrrp_rows() { return kRows; }

}  // namespace rawvs
