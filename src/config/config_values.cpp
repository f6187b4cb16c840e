// SPDX-License-Identifier: BSD-2-Clause
// config_values.cpp: the grammars of single values: numbers, switches, durations, names, addresses, marks.

#include "config/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "config/config_print.h"
#include "config/spec_words.h"
#include "core/link_names.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr size_t kInterfaceNameMost = 15;  // IFNAMSIZ - 1
constexpr size_t kSocketPathMost = 107;    // sockaddr_un, without the terminating NUL
constexpr size_t kStatePathMost = 150;     // inih cuts lines
constexpr size_t kGroupNameMost = 32;
constexpr Duration kPersistenceMost = 31 * 24h;  // as ipvsadm's

struct Unit {
  std::string_view suffix;
  int64_t milliseconds;
};
constexpr std::array<Unit, 5> kUnits{{{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};

constexpr std::array<std::string_view, 4> kIoNames{"auto", "ring", "socket", "xdp"};

#ifdef RAWVS_XDP
constexpr bool kHasXdp = true;
#else
constexpr bool kHasXdp = false;
#endif

// Letters, digits and signs: no blanks, and nothing beyond ASCII, such as invisible blanks copied from web pages.
bool printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// Names are written without quotation marks, which some people add.
bool has_quotes(std::string_view text) { return text.find_first_of("\"'") != std::string_view::npos; }

std::optional<Error> interface_fault(std::string_view text) {
  const bool sound = !text.empty() && text.size() <= kInterfaceNameMost && printable(text) && text != "." &&
                     text != ".." && text.find_first_of("/:;") == std::string_view::npos && !has_quotes(text);
  if (sound) return std::nullopt;
  return Error{
      quoted(text) +
      " is not the name of an interface (1 to 15 characters, no blank, quotation mark, \"/\", \":\" or \";\")"};
}

std::optional<Duration> duration(std::string_view text) {
  constexpr uint64_t kMost = 1'000'000'000'000;  // no unit can overflow
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_number(text.substr(0, digits), kMost);
  const auto* const unit =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.suffix == text.substr(digits); });
  if (!count || unit == kUnits.end()) return std::nullopt;
  return Duration(static_cast<int64_t>(*count) * unit->milliseconds);
}

}  // namespace

Result<uint64_t> read_number(std::string_view text, uint64_t least, uint64_t most) {
  const auto number = parse_number(text, most);
  if (number && *number >= least) return *number;
  return Error{formatted("{} is not a number from {} to {}", quoted(text), least, most)};
}

Result<bool> read_switch(std::string_view text) {
  if (text == "1" || text == "yes" || text == "on") return true;
  if (text == "0" || text == "no" || text == "off") return false;
  return Error{quoted(text) + " is not a switch: 1, yes, on, or 0, no, off"};
}

Result<Duration> read_duration(std::string_view text, Duration least, Duration most, Zero zero) {
  const auto found = duration(text);
  if (!found) return Error{quoted(text) + " is not a duration: a number of seconds, or with ms, s, m or h behind it"};
  if (zero == Zero::allowed && *found == Duration::zero()) return *found;
  if (*found >= least && *found <= most) return *found;
  return Error{quoted(text) + " is out of range: " + (zero == Zero::allowed ? "0, or " : "") + rawvs::text(least) +
               " to " + rawvs::text(most)};
}

Result<SeccompMode> read_seccomp(std::string_view text) {
  if (text == "log") return SeccompMode::log;
  if (text == "kill") return SeccompMode::kill;
  const auto on = read_switch(text);
  if (!on) return Error{quoted(text) + " is not 1, yes, on, nor 0, no, off, nor log or kill"};
  return *on ? SeccompMode::on : SeccompMode::off;
}

std::string seccomp_word(SeccompMode mode) {
  constexpr std::array<const char*, 4> kWords{"0", "1", "log", "kill"};
  return kWords[static_cast<size_t>(mode)];
}

Result<uint16_t> read_mss(std::string_view text) {
  constexpr uint64_t kLeast = 536, kMost = 65495;
  if (text == "auto") return Settings::kMssAuto;
  if (text == "off") return uint16_t{0};
  const auto number = read_number(text, kLeast, kMost);
  if (!number) return Error{quoted(text) + " is not auto, off or a number from 536 to 65495"};
  return static_cast<uint16_t>(*number);
}

std::string mss_word(uint16_t mss) {
  return mss == 0 ? "off" : mss == Settings::kMssAuto ? "auto" : std::to_string(mss);
}

std::optional<Error> interfaces_fault(std::string_view text) {
  const auto all = words(text);
  if (all.empty()) return interface_fault(text);
  for (auto word = all.begin(); word != all.end(); ++word) {
    if (word->find(',') != std::string_view::npos) {
      return Error{quoted(*word) + " has a comma; names have blanks between, such as eth0 eth1"};
    }
    if (auto fault = interface_fault(*word)) return fault;
    if (std::find(all.begin(), word, *word) != word) return Error{quoted(*word) + " is named twice"};
  }
  if (all.size() <= kMostLinks) return std::nullopt;
  return Error{formatted("{} interfaces are named; at most {} are allowed", all.size(), kMostLinks)};
}

std::optional<Error> optional_interfaces_fault(std::string_view text) {
  return text.empty() ? std::nullopt : interfaces_fault(text);
}

std::optional<Error> link_word_fault(std::string_view text) {
  if (words(text).size() == 1 && !interface_fault(text) && !is_pattern(text)) return std::nullopt;
  return Error{quoted(text) + " is not outside, inside or the name of one interface"};
}

std::optional<Error> socket_path_fault(std::string_view text) {
  const bool sound = text.starts_with('/') && !text.ends_with('/') && text.size() <= kSocketPathMost && printable(text);
  if (sound) return std::nullopt;
  return Error{quoted(text) +
               " is not a path for a socket: it begins with \"/\", has no blank, and at most 107 characters"};
}

std::optional<Error> state_path_fault(std::string_view text) {
  return text.empty() ? std::nullopt : list_path_fault(text);
}

Error network_fault(std::string_view found) {
  const auto slash = found.find('/');
  const auto base = parse_ip(found.substr(0, slash));
  constexpr uint64_t kNoLength = 255;
  const uint64_t length =
      slash == std::string_view::npos ? kNoLength : parse_number(found.substr(slash + 1), 128).value_or(kNoLength);
  if (base && length <= address_bits(base->family())) {
    const Netmask mask(base->family(), static_cast<uint8_t>(length));
    return Error{quoted(found) + " has bits behind the prefix; its network is " +
                 text(Network{mask.of(*base), static_cast<uint8_t>(length)})};
  }
  return Error{quoted(found) + " is not a network, such as 198.51.100.0/24 or 2001:db8:1::/64, or one address"};
}

std::optional<Error> list_path_fault(std::string_view text) {
  const bool sound = text.starts_with('/') && !text.ends_with('/') && text.size() <= kStatePathMost && printable(text);
  if (sound) return std::nullopt;
  return Error{quoted(text) +
               " is not a path for a file: it begins with \"/\", has no blank, and at most 150 characters"};
}

namespace {

bool is_account_name(std::string_view text) {
  return text.size() <= kGroupNameMost && printable(text) && text.find_first_of(":,;/") == std::string_view::npos &&
         !has_quotes(text);
}

}  // namespace

std::optional<Error> group_name_fault(std::string_view text) {
  if (is_account_name(text)) return std::nullopt;
  return Error{quoted(text) + " is not the name of a user group"};
}

std::optional<Error> user_name_fault(std::string_view text) {
  if (is_account_name(text)) return std::nullopt;
  return Error{quoted(text) + " is not the name of a user"};
}

Result<IoMode> read_io(std::string_view text) {
  const auto* const found = std::find(kIoNames.begin(), kIoNames.end(), text);
  if (found == kIoNames.end()) {
    return Error{quoted(text) + " is not a way to read frames: " + listed({kIoNames.begin(), kIoNames.end()})};
  }
  const auto mode = static_cast<IoMode>(found - kIoNames.begin());
  if (mode == IoMode::xdp && !kHasXdp) {
    return Error{
        "xdp is not in this program: it was built with XDP=no; use auto, ring or socket, or build it with XDP=yes"};
  }
  return mode;
}

namespace {

// What people write that is an address elsewhere; empty: nothing of this.
std::string almost_address(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return {};
  if (const size_t zone = text.find('%'); zone != std::string_view::npos) {
    const bool sound = parse_ip(text.substr(0, zone)).has_value();
    return sound ? quoted(text.substr(zone)) + " is a zone, which belongs to no address here" : "";
  }
  if (text.starts_with('[') && parse_ip(text.substr(1, text.size() - 1 - text.ends_with(']')))) {
    return "brackets are for an address with a port";
  }
  const size_t quad = text.rfind(':') + 1;
  if (text.find('.', quad) != std::string_view::npos && parse_ip(text.substr(quad)) &&
      (text.starts_with("::ffff:") || text.starts_with("::FFFF:"))) {
    return "an IPv4-mapped address is no host's; write " + std::string(text.substr(quad));
  }
  return {};
}

}  // namespace

std::optional<Error> address_fault(std::string_view found, Ip address) {
  const char* why = nullptr;
  if (address.unspecified()) {
    why = "the unspecified address";
  } else if (address.loopback()) {
    why = "a loopback address";
  } else if (address.multicast()) {
    why = "a multicast address";
  }
  if (!why && address.unicast()) return std::nullopt;
  return Error{quoted(found) + " is not a unicast address that a network can reach" +
               (why && address.is_v6() ? formatted(": it is {}", why) : "")};
}

std::optional<Error> link_local_fault(std::string_view found, Ip address) {
  if (address.is_v4() || !address.link_local()) return std::nullopt;
  return Error{quoted(found) +
               " is a link-local address: it means a host on one link only, and no router forwards it; "
               "use a global one or a unique local one, such as 2001:db8::100"};
}

Result<Ip> read_neighbor(std::string_view text) {
  const auto address = parse_ip(text);
  if (!address) {
    const std::string almost = almost_address(text);
    return Error{quoted(text) + " is not an address: " + almost + (almost.empty() ? "" : "; ") + kAddressExpected};
  }
  if (auto fault = address_fault(text, *address)) return std::move(*fault);
  return *address;
}

Result<Ip> read_unicast(std::string_view text) {
  auto address = read_neighbor(text);
  if (!address) return address;
  if (auto fault = link_local_fault(text, *address)) return std::move(*fault);
  return address;
}

Result<VirtualAddress> read_virtual_address(std::string_view text) {
  constexpr size_t kLongest = 15;  // IFNAMSIZ
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool name = !text.empty() && letter(text[0]) && text.size() <= kLongest &&
                    text.find_first_of(":/ \t") == std::string_view::npos;
  const auto address = read_unicast(text);
  if (address) return VirtualAddress(*address);
  if (!name) return address.error();
  return VirtualAddress(std::string(text));
}

std::string text(const VirtualAddress& address) { return address.fixed() ? text(*address.now) : address.interface; }

Result<Mark> read_mark(std::string_view text) {
  std::optional<uint64_t> number;
  if (text.starts_with("0x")) {
    uint32_t hex = 0;
    const auto [stop, bad] = std::from_chars(text.data() + 2, text.data() + text.size(), hex, 16);
    if (bad == std::errc() && stop == text.data() + text.size()) number = hex;
  } else {
    number = parse_number(text, UINT32_MAX);
  }
  if (number && *number != 0) return Mark(static_cast<uint32_t>(*number));
  return Error{quoted(text) + " is not a mark: a number from 1 to 4294967295, or 0x1 to 0xffffffff"};
}

Result<Scheduler> read_scheduler(std::string_view text) {
  if (const auto found = parse_scheduler(text)) return *found;
  std::vector<std::string_view> names;
  for (uint8_t i = 0; i < static_cast<uint8_t>(Scheduler::count_); ++i) names.emplace_back(name(Scheduler{i}));
  return Error{quoted(text) + " is not a scheduler: " + listed(names)};
}

Result<VirtualConfig::Flags> read_flags(std::string_view text) {
  VirtualConfig::Flags flags;
  if (text.empty()) return flags;
  for (const std::string_view piece : pieces(text, ',')) {
    const auto around = words(piece);
    const FlagWord* const flag = around.size() == 1 ? find_flag(around[0]) : nullptr;
    if (!flag || !flag->scheduler) {
      return Error{quoted(piece) + " is not a flag of a scheduler: sh-port, sh-fallback, mh-port, mh-fallback"};
    }
    if (flags.scheduler.value_or(*flag->scheduler) != *flag->scheduler) {
      return Error{quoted(text) + " mixes flags of sh and of mh; a virtual has one scheduler"};
    }
    if ((flags.bits & flag->bit) != 0) return Error{std::string(flag->word) + " is named twice"};
    flags.scheduler = flag->scheduler;
    flags.bits |= flag->bit;
  }
  return flags;
}

Result<Duration> read_persistence(std::string_view text) {
  auto found = read_duration(text, 1s, kPersistenceMost, Zero::allowed);
  if (found && *found % 1s != Duration::zero()) return Error{quoted(text) + ": expected whole seconds"};
  return found;
}

// The family of "/24" is that of the virtual, which may not be known yet: config_families.cpp.
Result<ClientMask> read_netmask(std::string_view text) {
  if (text.starts_with('/')) {
    if (const auto length = parse_number(text.substr(1), 128)) return ClientMask(static_cast<uint8_t>(*length));
  } else if (const auto mask = parse_ip(text); mask && mask->is_v4()) {
    return ClientMask(Netmask(*mask), Family::ipv4);
  } else if (const auto length = parse_number(text, 128)) {  // ipvsadm reads it as 0.0.0.24, which nobody means
    const auto bits = static_cast<uint8_t>(*length);
    const std::string dotted = bits <= 32 ? " or " + rawvs::text(Netmask(Family::ipv4, bits).v4()) : "";
    return Error{formatted("{} is not a netmask: expected /{}{}", quoted(text), *length, dotted)};
  }
  return Error{quoted(text) + " is not a netmask, such as 255.255.255.0 or /24; or /64 for IPv6"};
}

std::string text(const ClientMask& mask) { return mask.prefix ? '/' + std::to_string(*mask.prefix) : text(mask.v4()); }

std::optional<Error> path_fault(std::string_view text) {
  if (text.starts_with('/') && words(text).size() == 1) return std::nullopt;
  return Error{quoted(text) + " is not an absolute path"};
}

std::optional<Error> hidden_secret(std::string_view text) {
  if (text != kHiddenSecret) return std::nullopt;
  return Error{quoted(text) + " stands for a secret that was not printed: write the secret itself"};
}

std::string text(Duration d) {
  const int64_t ms = d.count();
  return ms % 1000 == 0 ? formatted("{}s", ms / 1000) : formatted("{}ms", ms);
}

const char* name(IoMode mode) { return kIoNames[static_cast<size_t>(mode)].data(); }
const char* name(GuardMode mode) { return kGuardWords[static_cast<size_t>(mode)].data(); }

}  // namespace rawvs
