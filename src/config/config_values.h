// SPDX-License-Identifier: BSD-2-Clause
// config_values.h: the grammars of configuration values, each read and written in one place.
// In:  the text after "key =", without comment and surrounding blanks.
// Out: the value, or what was found and what is allowed.
// Not: which key has which grammar (config_keys.cpp), files and lines.
//
// For src/config only.
#pragma once

#include <array>
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
// In GuardMode's order.
inline constexpr std::array<std::string_view, 5> kGuardWords{"auto", "tcx", "clsact", "classic", "off"};
inline constexpr std::array<std::string_view, 3> kFastWords{"auto", "on", "off"};
inline constexpr std::array<std::string_view, 3> kSynCookieWords{"auto", "on", "off"};
Result<SeccompMode> read_seccomp(std::string_view text);
std::string seccomp_word(SeccompMode mode);
Result<uint16_t> read_mss(std::string_view text);
std::string mss_word(uint16_t mss);
Result<IoMode> read_io(std::string_view text);  // xdp only if this program was built with it
// An address that clients and servers have: in no case link-local IPv6, which is not one address without its interface.
// An address as of read_unicast(), or the name of an interface, which begins with a letter.
Result<VirtualAddress> read_virtual_address(std::string_view text);
std::string text(const VirtualAddress& address);
Result<Ip> read_unicast(std::string_view text);
Result<Ip> read_neighbor(std::string_view text);  // of another director or of this one: also link-local IPv6
// What is wrong with this address, found in a file as that text; nothing: it is a unicast one.
std::optional<Error> address_fault(std::string_view found, Ip address);
std::optional<Error> link_local_fault(std::string_view found, Ip address);
inline constexpr const char* kAddressExpected = "expected an address such as 192.0.2.100 or 2001:db8::100";
Error network_fault(std::string_view found);  // it is no network, and what one looks like
Result<Mark> read_mark(std::string_view text);
Result<Scheduler> read_scheduler(std::string_view text);
Result<VirtualConfig::Flags> read_flags(std::string_view text);  // sh-port,sh-fallback; or nothing
Result<Duration> read_persistence(std::string_view text);
Result<ClientMask> read_netmask(std::string_view text);  // 255.255.255.0, /24 or /64
std::string text(const ClientMask& mask);
std::string text(Duration d);  // 900s, 1500ms
const char* name(GuardMode mode);
const char* name(IoMode mode);

// What is wrong with a text that is to be one of these; nothing if it is one (config_values.cpp).
std::optional<Error> interfaces_fault(std::string_view text);  // names and patterns with blanks between
std::optional<Error> optional_interfaces_fault(std::string_view text);
std::optional<Error> link_word_fault(std::string_view text);  // outside, inside or an interface
std::optional<Error> socket_path_fault(std::string_view text);
std::optional<Error> state_path_fault(std::string_view text);  // or nothing
std::optional<Error> list_path_fault(std::string_view text);
std::optional<Error> group_name_fault(std::string_view text);
std::optional<Error> user_name_fault(std::string_view text);
std::optional<Error> path_fault(std::string_view text);     // it is not one absolute path
std::optional<Error> hidden_secret(std::string_view text);  // it is the text printed in place of a secret

// Checks (config_keys_check.cpp)
std::optional<Error> check_name_fault(std::string_view text);  // a section's name, or a kind of check, or none
inline constexpr std::array<std::string_view, 3> kOnDownWords{"keep", "drain", "reset"};  // in OnDown's order
std::optional<CheckKind> find_check_kind(std::string_view word);
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
std::string_view forward_word(Method method);                // dr, tun, nat, fullnat
Result<LocalPorts> read_local_ports(std::string_view text);  // 10000-32767
std::string local_ports_text(LocalPorts ports);
// allow, deny: adds the networks of a line.
inline constexpr size_t kMostNetworks = 1024;  // of a key; more are read from a file
std::optional<Error> read_networks(std::string_view text, std::vector<Network>& all);

}  // namespace rawvs
