// SPDX-License-Identifier: BSD-2-Clause
// rules.cpp: turns lines of "ipvsadm -S -n" into control requests, to replay with a running LVS's tables. Accepts what
// a saved table contains, with numbers only.
#include <algorithm>

#include "rawvs/control.h"
#include "replay.h"

namespace rawvs::replay {

namespace {

std::vector<std::string_view> words(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> out;
  for (size_t at = line.find_first_not_of(kBlanks); at != line.npos; at = line.find_first_not_of(kBlanks, at)) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

struct Option {
  std::string_view word, key;  // key: the request's key with "=", and its value for an option without one
  bool value;
};
constexpr Option kOptions[] = {
    {"-t", "service=tcp:", true},
    {"-u", "service=udp:", true},
    {"--sctp-service", "service=sctp:", true},
    {"-f", "service=mark:", true},
    {"-s", "scheduler=", true},
    {"-p", "persistence=", true},
    {"-M", "netmask=", true},
    {"-b", "flags=", true},
    {"--pe", "pe=", true},
    {"-o", "ops=1", false},
    {"-r", "server=", true},
    {"-w", "weight=", true},
    {"-g", "method=route", false},
    {"-i", "method=tunnel", false},
    {"-m", "method=masq", false},
    {"--fullnat", "method=fullnat", false},
    {"--proxy-protocol", "proxy=2", false},
    {"-x", "upper=", true},
    {"-y", "lower=", true},
    {"--tun-type", "tun-type=", true},
    {"--tun-port", "tun-port=", true},
    {"--tun-nocsum", "tun-checksum=none", false},
    {"--tun-csum", "tun-checksum=on", false},
    {"--tun-remcsum", "tun-checksum=remote", false},
};

}  // namespace

Result<std::string> request_of(std::string_view line) {
  std::vector<std::string_view> all = words(line);
  if (!all.empty() && all[0] == "ipvsadm") all.erase(all.begin());
  if (all.empty() || all[0].starts_with('#')) return std::string();
  if (all[0] != "-A" && all[0] != "-a") {
    return Error{'"' + std::string(all[0]) + "\": expected -A or -a, as ipvsadm -S -n prints them"};
  }
  std::string request = std::string(kControlVersion) + (all[0] == "-A" ? " add-service" : " add-server");
  // -f N -6 is one value of the request.
  const bool of_ipv6 = std::ranges::find(all, "-6") != all.end();
  std::erase(all, "-6");
  for (size_t i = 1; i < all.size(); ++i) {
    const auto* const option = std::ranges::find(kOptions, all[i], &Option::word);
    if (option == std::end(kOptions)) {
      return Error{'"' + std::string(all[i]) + "\": not an option that ipvsadm -S -n prints, or not known here"};
    }
    (request += ' ') += of_ipv6 && option->word == "-f" ? "service=mark6:" : option->key;
    if (!option->value) continue;
    if (++i == all.size()) return Error{std::string(option->word) + ": expected a value behind it"};
    request += all[i];
  }
  return request;
}

}  // namespace rawvs::replay
