// SPDX-License-Identifier: BSD-2-Clause
// config_values.h: the grammars of configuration values, each read and written in one place.
// In:  the text after "key =", without comment and surrounding blanks.
// Out: the value, or what was found and what is allowed.
// Not: which key has which grammar (config_keys.cpp), files and lines.
//
// For src/config only.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rawvs/config.h"

namespace rawvs {

// Words (config_words.cpp)
std::string quoted(std::string_view text);
std::vector<std::string_view> words(std::string_view text);                   // between blanks and tabs
std::vector<std::string_view> pieces(std::string_view text, char separator);  // empty ones included
std::string listed(const std::vector<std::string_view>& choices);             // a, b, c
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& choices);  // empty: none is near
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& choices);  // `; did ...?` or ""

// Single values (config_values.cpp)
Result<uint64_t> read_number(std::string_view text, uint64_t least, uint64_t most);
Result<bool> read_switch(std::string_view text);
enum class Zero : bool { refused, allowed };  // allowed: 0 is outside the range, with its own meaning
Result<Duration> read_duration(std::string_view text, Duration least, Duration most, Zero zero);
Result<std::string> read_interface(std::string_view text);
Result<std::string> read_optional_interface(std::string_view text);
Result<std::string> read_path(std::string_view text);
Result<std::string> read_state_path(std::string_view text);  // or nothing
Result<std::string> read_group_name(std::string_view text);
Result<GuardMode> read_guard(std::string_view text);
Result<IoMode> read_io(std::string_view text);  // xdp only if this program was built with it
Result<Ip> read_unicast(std::string_view text);
Result<Mark> read_mark(std::string_view text);
Result<Scheduler> read_scheduler(std::string_view text);
Result<VirtualConfig::Flags> read_flags(std::string_view text);  // sh-port,sh-fallback; or nothing
Result<Duration> read_persistence(std::string_view text);
Result<Netmask> read_netmask(std::string_view text);        // 255.255.255.0 or /24
std::optional<Error> hidden_secret(std::string_view text);  // an error if it is the text printed in place of a secret
std::string text(Duration d);                               // 900s, 1500ms
const char* name(GuardMode mode);
const char* name(IoMode mode);

// Checks (config_keys_check.cpp, config_values_check.cpp)
Result<CheckKind> read_check_kind(std::string_view text);
Result<std::string> read_check_name(std::string_view text);  // of a section, or a kind, or none
Result<OnDown> read_on_down(std::string_view text);
const char* name(CheckKind kind);
const char* name(OnDown what);

inline constexpr PortRange kEveryPort{0, 0xffff};  // what "*" stands for

// Values of several words (config_ports.cpp, config_server.cpp)
Result<std::vector<PortMatch>> read_ports(std::string_view text);           // tcp/80,443 udp/5000-5010
Result<std::vector<GroupConfig::Match>> read_match(std::string_view text);  // VIP tcp/80 udp/5000-5010 [from NET]
Result<ServerConfig> read_server(std::string_view text);                    // IP[:PORT] [weight=N] ...
std::string text(PortRange range);
std::string text(const PortMatch& match);
std::string text(const std::vector<PortMatch>& ports);
std::string text(const GroupConfig::Match& match);
std::string text(const ServerSpec& server);
std::string text(const ServerConfig& server);
std::string_view forward_word(Method method);  // dr, tun, nat

}  // namespace rawvs
