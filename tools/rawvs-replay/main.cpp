// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvs-replay's command line.
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "capture_file.h"
#include "config/list_reader.h"
#include "core/link.h"
#include "rawvs/control.h"

namespace {

using namespace rawvs;
using namespace rawvs::replay;

constexpr char kUsage[] =
    "usage: rawvs-replay -c rawvs.ini [options] IN.pcap\n"
    "Gives the frames of a capture to the director, at the capture's times, and shows what it does with them.\n"
    "Needs no privilege and no interface.\n"
    "\n"
    "  -c FILE           configuration, as rawvsd's\n"
    "  -o OUT.pcap       write every frame that leaves the director to this file\n"
    "  -C FILE           write the counters and the log to this file; default: standard output, or standard error if\n"
    "                    the frames go to standard output\n"
    "  -e SECONDS        let the clock run for this time after the last frame; default 0\n"
    "  --rules FILE      add services and servers, as \"ipvsadm -S -n\" prints them, to the configuration's\n"
    "  -v, -h            print the version; print this\n"
    "\n"
    "The interfaces are simulated:\n"
    "  -m, --mac MAC                 of the clients' interface; default 02:00:00:00:00:10. The director ignores "
    "frames\n"
    "                                to other machines, so give the address that it had.\n"
    "  -a, --address ADDRESS/LEN     default 192.0.2.10/24 and 2001:db8::10/64; one of each family\n"
    "  --mtu BYTES                   default 1500\n"
    "  --inside-mac, --inside-address, --inside-mtu   of the servers' interface, if the configuration has one;\n"
    "                                default 02:00:00:00:01:10, 203.0.113.10/24, 1500\n"
    "With an inside interface, a frame arrives there if its destination is the inside MAC address, or if it is not "
    "the\n"
    "outside one and the IPv4 or ARP sender is in the inside network. All other frames arrive outside.\n"
    "\n"
    "IN.pcap, OUT.pcap and FILE of -C may be \"-\": standard input or output. Frames shorter in the capture than on "
    "the\n"
    "wire arrive as short as they are. Times in the log are seconds since the first frame.\n"
    "\n"
    "Exit code: 0 all done; 1 a file cannot be read or written, or the capture is damaged (what came before was\n"
    "replayed); 2 the command line is wrong; 6 the configuration or the rules are wrong.\n";

enum : int { kOk = 0, kFailed = 1, kUsageError = 2, kNotConfigured = 6 };

struct Options {
  std::string config, rules, input, output, counters;
  std::array<LinkFacts, 2> links = default_links();
  Stamp run_on{};
};

int fail(const std::string& text, int code) {
  std::fprintf(stderr, "rawvs-replay: %s\n", text.c_str());
  return code;
}

// Read the value of an option. True: it is valid.

bool read_mac(std::string_view text, LinkFacts& facts) {
  const auto mac = parse_mac(text);
  if (!mac || mac->group() || mac->zero()) return false;
  facts.mac = *mac;
  return true;
}

bool read_address(std::string_view text, LinkFacts& facts) {
  const size_t slash = text.find('/');
  const auto addr = parse_ip(text.substr(0, slash));
  if (!addr || !addr->unicast()) return false;
  const uint8_t most = address_bits(addr->family());
  const auto prefix = slash == text.npos ? std::optional<uint64_t>(most) : parse_number(text.substr(slash + 1), most);
  if (!prefix) return false;
  // It replaces the one of its family.
  std::erase_if(facts.addresses, [&](const LinkAddress& a) { return a.addr.family() == addr->family(); });
  facts.addresses.push_back({*addr, static_cast<uint8_t>(*prefix)});
  return true;
}

bool read_mtu(std::string_view text, LinkFacts& facts) {
  constexpr uint64_t kLeast = 68, kMost = 65535;  // RFC 791
  const auto mtu = parse_number(text, kMost);
  if (!mtu || *mtu < kLeast) return false;
  facts.mtu = static_cast<uint16_t>(*mtu);
  return true;
}

bool read_run_on(std::string_view text, Stamp& out) {
  const auto number = parse_number(text, 31 * 86400);
  if (number) out = std::chrono::seconds(*number);
  return number.has_value();
}

enum Long : int { kRules = 256, kMtu, kInsideMac, kInsideAddress, kInsideMtu };
constexpr option kLongOptions[] = {
    {"mac", required_argument, nullptr, 'm'},
    {"address", required_argument, nullptr, 'a'},
    {"mtu", required_argument, nullptr, kMtu},
    {"inside-mac", required_argument, nullptr, kInsideMac},
    {"inside-address", required_argument, nullptr, kInsideAddress},
    {"inside-mtu", required_argument, nullptr, kInsideMtu},
    {"rules", required_argument, nullptr, kRules},
    {"version", no_argument, nullptr, 'v'},
    {"help", no_argument, nullptr, 'h'},
    {nullptr, 0, nullptr, 0},
};

constexpr char kMacWanted[] = "one machine's MAC address, like 02:00:00:00:00:10";
constexpr char kAddressWanted[] = "ADDRESS/LEN, like 192.0.2.10/24 or 2001:db8::10/64";
constexpr char kMtuWanted[] = "68 to 65535 bytes";

// Reads one option with its value. Null: it is valid; else what was expected.
const char* take(int letter, const std::string& value, Options& options) {
  LinkFacts& outside = options.links[index(kOutLink)];
  LinkFacts& inside = options.links[index(kInLink)];
  switch (letter) {
    case 'c': options.config = value; return nullptr;
    case 'o': options.output = value; return nullptr;
    case 'C': options.counters = value; return nullptr;
    case kRules: options.rules = value; return nullptr;
    case 'e': return read_run_on(value, options.run_on) ? nullptr : "0 to 2678400 seconds";
    case 'm': return read_mac(value, outside) ? nullptr : kMacWanted;
    case kInsideMac: return read_mac(value, inside) ? nullptr : kMacWanted;
    case 'a': return read_address(value, outside) ? nullptr : kAddressWanted;
    case kInsideAddress: return read_address(value, inside) ? nullptr : kAddressWanted;
    case kMtu: return read_mtu(value, outside) ? nullptr : kMtuWanted;
    case kInsideMtu: return read_mtu(value, inside) ? nullptr : kMtuWanted;
    default: return "an option";
  }
}

// Empty: replay now; else the exit code.
std::optional<int> read_options(int argc, char** argv, Options& options) {
  for (int letter; (letter = getopt_long(argc, argv, "c:o:C:e:m:a:vh", kLongOptions, nullptr)) != -1;) {
    if (letter == 'v') return std::printf("rawvs-replay %s\n", kVersion.data()) > 0 ? kOk : kFailed;
    if (letter == 'h') return std::fputs(kUsage, stdout) >= 0 ? kOk : kFailed;
    if (letter == '?') return fail("see rawvs-replay -h", kUsageError);
    if (const char* const expected = take(letter, optarg, options)) {
      return fail('"' + std::string(optarg) + "\": expected " + expected, kUsageError);
    }
  }
  if (optind + 1 != argc) return fail("expected one capture file; see rawvs-replay -h", kUsageError);
  options.input = argv[optind];
  if (options.config.empty()) return fail("expected -c FILE, the configuration; see rawvs-replay -h", kUsageError);
  if (options.output == "-" && options.counters == "-") {
    return fail("-o and -C cannot both be standard output", kUsageError);
  }
  return std::nullopt;
}

Result<Setup> read_setup(const Options& options) {
  const auto ini = read_text(options.config);
  if (!ini) return ini.error();
  auto config = parse_config(*ini, options.config);
  if (!config) return config.error();
  for (const std::string& path : list_paths(*config)) {
    const auto text = read_text(path);
    if (!text) return text.error();
    auto list = parse_list(*text, path);
    if (!list) return list.error();
    config->lists.push_back(std::move(*list));
  }
  Setup setup{.config = std::move(*config), .rules = {}, .rules_name = options.rules, .links = options.links};
  if (options.rules.empty()) return setup;
  auto rules = read_text(options.rules);
  if (!rules) return rules.error();
  setup.rules = std::move(*rules);
  return setup;
}

// Plays the capture's frames. An Error: the capture or the director stopped before the end.
Result<Done> play(CaptureReader& reader, Captured& frame, bool any, Replay& replay) {
  while (any) {
    if (const auto arrived = replay.arrive(frame); !arrived) {
      return at(reader.name() + ": frame " + std::to_string(reader.frames()), arrived.error());
    }
    const auto read = reader.next(frame);
    if (!read) return read.error();
    any = *read;
  }
  return Done{};
}

int write_counters(const Options& options, const std::string& counters) {
  if (options.counters.empty() && options.output == "-")
    return std::fputs(counters.c_str(), stderr) >= 0 ? kOk : kFailed;
  const auto written = write_text(options.counters.empty() ? "-" : options.counters, counters);
  return written ? kOk : fail(written.error().text, kFailed);
}

int run(const Options& options) {
  const auto setup = read_setup(options);
  if (!setup) return fail(setup.error().text, kNotConfigured);
  auto reader = CaptureReader::open(options.input);
  if (!reader) return fail(reader.error().text, kFailed);
  std::optional<CaptureWriter> writer;
  if (!options.output.empty()) {
    auto created = CaptureWriter::create(options.output);
    if (!created) return fail(created.error().text, kFailed);
    writer.emplace(std::move(*created));
  }
  Captured frame;
  const auto first = reader->next(frame);
  const auto replay = Replay::begin(*setup, frame.time, [&](Stamp time, Bytes bytes) {
    if (writer) writer->write(time, bytes);
  });
  if (!replay) return fail(replay.error().text, kNotConfigured);
  Result<Done> played = first ? play(*reader, frame, *first, **replay) : Result<Done>(first.error());
  if (played) played = (*replay)->run_on(options.run_on);
  int code = played ? kOk : fail(played.error().text, kFailed);
  if (const auto written = writer ? writer->finish() : Result<Done>(Done{}); !written) {
    code = fail(written.error().text, kFailed);
  }
  return std::max(code, write_counters(options, (*replay)->counters()));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (const auto code = read_options(argc, argv, options)) return *code;
  return run(options);
}
