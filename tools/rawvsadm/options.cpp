// SPDX-License-Identifier: BSD-2-Clause
// options.cpp: ipvsadm's option table, read with libpopt. Values are checked as they are read, combinations in
// check.cpp. libpopt's syntax is part of the interface: bundled letters, -w=5, --weight=5, -p with or without a value.
#include <arpa/inet.h>
#include <popt.h>

#include <cstdlib>
#include <memory>

#include "command.h"

namespace rawvs::adm {

namespace {

using O = Option;

constexpr int64_t kMostSeconds = 31 * 24 * 3600;
constexpr uint32_t kDefaultPersistence = 360;

// The value that popt returns for an option; 0 is reserved.
enum Word : int {
  kCommand = 1,  // + Verb
  kHelp = 100,
  kVersion,
  kTcp,
  kUdp,
  kSctp,
  kMark,
  kIpv6,
  kGatewaying,
  kIpip,
  kMasquerading,
  kFullNat,
  kProxy,
  kSort,
  kOption = 200,  // + Option: the other options
};

constexpr int word(Verb verb) { return kCommand + static_cast<int>(verb); }
constexpr int word(O option) { return kOption + static_cast<int>(option); }

constexpr unsigned kNone = POPT_ARG_NONE, kText = POPT_ARG_STRING, kMaybe = kText | POPT_ARGFLAG_OPTIONAL;

constexpr poptOption row(const char* name, char letter, unsigned argument, int value) {
  return {name, letter, argument, nullptr, value, nullptr, nullptr};
}

constexpr poptOption kTable[] = {
    row("add-service", 'A', kNone, word(Verb::add_service)),
    row("edit-service", 'E', kNone, word(Verb::edit_service)),
    row("delete-service", 'D', kNone, word(Verb::delete_service)),
    row("clear", 'C', kNone, word(Verb::clear)),
    row("restore", 'R', kNone, word(Verb::restore)),
    row("save", 'S', kNone, word(Verb::save)),
    row("add-server", 'a', kNone, word(Verb::add_server)),
    row("edit-server", 'e', kNone, word(Verb::edit_server)),
    row("delete-server", 'd', kNone, word(Verb::delete_server)),
    row("list", 'L', kNone, word(Verb::list)),
    row("list", 'l', kNone, word(Verb::list)),
    row("zero", 'Z', kNone, word(Verb::zero)),
    row("set", '\0', kNone, word(Verb::set_timeouts)),
    row("start-daemon", '\0', kText, word(Verb::start_daemon)),
    row("stop-daemon", '\0', kText, word(Verb::stop_daemon)),
    row("help", 'h', kNone, kHelp),
    row("version", 'v', kNone, kVersion),
    row("tcp-service", 't', kText, kTcp),
    row("udp-service", 'u', kText, kUdp),
    row("sctp-service", '\0', kText, kSctp),
    row("fwmark-service", 'f', kText, kMark),
    row("ipv6", '6', kNone, kIpv6),
    row("scheduler", 's', kText, word(O::scheduler)),
    row("persistent", 'p', kMaybe, word(O::persistent)),
    row("netmask", 'M', kText, word(O::netmask)),
    row("pe", '\0', kText, word(O::pe)),
    row("ops", 'o', kNone, word(O::ops)),
    row("sched-flags", 'b', kText, word(O::flags)),
    row("real-server", 'r', kText, word(O::server)),
    row("gatewaying", 'g', kNone, kGatewaying),
    row("ipip", 'i', kNone, kIpip),
    row("masquerading", 'm', kNone, kMasquerading),
    row("fullnat", '\0', kNone, kFullNat),
    row("proxy-protocol", '\0', kNone, kProxy),
    row("tun-type", '\0', kText, word(O::tun_type)),
    row("tun-port", '\0', kText, word(O::tun_port)),
    row("tun-nocsum", '\0', kNone, word(O::tun_nocsum)),
    row("tun-csum", '\0', kNone, word(O::tun_csum)),
    row("tun-remcsum", '\0', kNone, word(O::tun_remcsum)),
    row("weight", 'w', kText, word(O::weight)),
    row("u-threshold", 'x', kText, word(O::upper)),
    row("l-threshold", 'y', kText, word(O::lower)),
    row("connection", 'c', kNone, word(O::connection)),
    row("numeric", 'n', kNone, word(O::numeric)),
    row("timeout", '\0', kNone, word(O::timeout)),
    row("daemon", '\0', kNone, word(O::daemon)),
    row("stats", '\0', kNone, word(O::stats)),
    row("rate", '\0', kNone, word(O::rate)),
    row("thresholds", '\0', kNone, word(O::thresholds)),
    row("persistent-conn", '\0', kNone, word(O::persistent_conn)),
    row("nosort", '\0', kNone, word(O::nosort)),
    row("sort", '\0', kNone, kSort),
    row("exact", 'X', kNone, word(O::exact)),
    row("tun-info", '\0', kNone, word(O::tun_info)),
    row("syncid", '\0', kText, word(O::syncid)),
    row("sync-maxlen", '\0', kText, word(O::sync_maxlen)),
    row("mcast-interface", '\0', kText, word(O::mcast_interface)),
    row("mcast-group", '\0', kText, word(O::mcast_group)),
    row("mcast-port", '\0', kText, word(O::mcast_port)),
    row("mcast-ttl", '\0', kText, word(O::mcast_ttl)),
    row(nullptr, '\0', kNone, 0),
};

struct FreeContext {
  void operator()(poptContext context) const { poptFreeContext(context); }
};

class Walk {  // over one command line
 public:
  Walk(const std::string& program, const std::vector<std::string>& args, const Names& names)
      : program_(program), names_(names) {
    words_.push_back(program.c_str());
    for (const std::string& arg : args) words_.push_back(arg.c_str());
    words_.push_back(nullptr);
    const int count = static_cast<int>(words_.size() - 1);
    context_.reset(poptGetContext("ipvsadm", count, words_.data(), kTable, 0));
  }

  Parsed run() {
    if (auto end = take_command()) return *std::move(end);
    int found = 0;
    while ((found = poptGetNextOpt(context_.get())) > 0) {
      const std::string text = value();
      if (auto end = take(found, text)) {
        if (end->err.find(text) == std::string::npos) end->wrong = text;
        return *std::move(end);
      }
    }
    if (found < -1) {  // the only error after which -R continues
      return Ending{kRefused, "", bad_option() + ": " + poptStrerror(found) + '\n', false};
    }
    if (auto end = take_timeouts()) return *std::move(end);
    if (const char* const surplus = poptGetArg(context_.get())) {
      return fail("unexpected argument " + std::string(surplus));
    }
    if (auto end = check(command_, flags_)) return *std::move(end);
    return std::move(command_);
  }

 private:
  std::string value() {  // of the current option; empty when it has none
    const std::unique_ptr<char, decltype(&std::free)> text(poptGetOptArg(context_.get()), &std::free);
    valued_ = text != nullptr;
    return valued_ ? text.get() : "";
  }
  std::string bad_option() const {
    const char* const bad = poptBadOption(context_.get(), POPT_BADOPTION_NOALIAS);
    return bad ? bad : "";
  }

  std::optional<Ending> take_command() {
    const int found = poptGetNextOpt(context_.get());
    if (found == kHelp) return usage(program_);
    if (found == kVersion) return version(program_);
    // ipvsadm's text names no word: the first one is no command.
    if (found < kCommand || found > word(Verb::stop_daemon)) {
      Ending end = try_help(program_);
      end.wrong = words_.size() > 2 ? words_[1] : "";
      return end;
    }
    command_.verb = static_cast<Verb>(found - kCommand);
    const std::string role = command_.daemon = value();
    const bool known = role == "master" || role == "backup";
    if (command_.verb == Verb::start_daemon && !known) return fail("illegal start-daemon parameter specified");
    if (command_.verb == Verb::stop_daemon && !known) return fail("illegal start_daemon specified");
    return std::nullopt;
  }

  std::optional<Ending> once(O option) {
    if (command_.has(option)) return fail("multiple '" + std::string(name(option)) + "' options specified");
    command_.given.add(option);
    return std::nullopt;
  }

  std::optional<Ending> take(int found, const std::string& text) {
    switch (found) {
      case kTcp: return take_service(Protocol::tcp, text);
      case kUdp: return take_service(Protocol::udp, text);
      case kSctp: return take_service(Protocol::sctp, text);
      case kMark: return take_mark(text);
      case kIpv6:
        if (command_.mark == 0) return fail("-6 used before -f\n");
        command_.service.addr = Ip::any(Family::ipv6);
        command_.netmask = Netmask();
        return std::nullopt;
      case kGatewaying: return take_method("route");
      case kIpip: return take_method("tunnel");
      case kMasquerading: return take_method("masq");
      case kFullNat: return take_method("fullnat");
      case kProxy: command_.proxy = true; return std::nullopt;
      case kSort: return std::nullopt;  // the default
      default: break;
    }
    if (found < kOption) return fail("invalid option `" + bad_option() + "'");  // a second command
    const auto option = static_cast<O>(found - kOption);
    if (auto end = once(option)) return end;
    if (auto end = take_of_service(option, text)) return end;
    if (auto end = take_of_server(option, text)) return end;
    return take_of_daemon(option, text);
  }

  std::optional<Ending> take_service(Protocol protocol, const std::string& text) {
    if (auto end = once(O::service)) return end;
    const auto place = read_place(text, protocol, names_);
    if (!place) return fail("illegal virtual server address[:port] specified");
    command_.protocol = protocol;
    command_.service = *place;
    if (place->ipv6()) command_.netmask = Netmask();  // as ipvsadm, which reads a -M before it as one of IPv4
    return std::nullopt;
  }

  std::optional<Ending> take_mark(const std::string& text) {
    if (auto end = once(O::service)) return end;
    const auto mark = read_number(text, 1, UINT32_MAX);
    if (!mark) return fail("invalid fwmark value `" + text + "' specified");
    command_.protocol = Protocol::tcp;  // -r may use TCP's port names
    command_.mark = *mark;
    return std::nullopt;
  }

  std::optional<Ending> take_method(const char* method) {
    if (auto end = once(O::method)) return end;
    command_.method = method;
    return std::nullopt;
  }

  std::optional<Ending> take_of_service(O option, const std::string& text) {
    switch (option) {
      case O::scheduler:
        if (!text.empty()) command_.scheduler = text;
        return std::nullopt;
      case O::persistent: return take_persistence(text);
      case O::netmask: return take_netmask(text);
      case O::pe: command_.persistence_engine = text; return std::nullopt;
      case O::flags: flags_ = text; return std::nullopt;
      default: return std::nullopt;
    }
  }

  std::optional<Ending> take_persistence(const std::string& text) {
    command_.persistence = kDefaultPersistence;
    if (!valued_) return std::nullopt;
    return take_number(text, 1, kMostSeconds, command_.persistence, "invalid timeout value `" + text + "' specified");
  }

  std::optional<Ending> take_netmask(const std::string& text) {
    if (command_.service.ipv6()) {
      const int length = std::atoi(text.c_str());  // as ipvsadm, which ignores what follows the digits
      if (length < 1 || length > 128) return fail("illegal ipv6 netmask specified");
      command_.netmask = Netmask(Family::ipv6, static_cast<uint8_t>(length));
      return std::nullopt;
    }
    const auto mask = read_host(text, names_);
    if (!mask || mask->is_v6()) return fail("illegal virtual server persistent mask specified");
    command_.netmask = Netmask(*mask);
    return std::nullopt;
  }

  std::optional<Ending> take_of_server(O option, const std::string& text) {
    switch (option) {
      case O::server: {
        const auto place = read_place(text, command_.protocol, names_);
        if (!place) return fail("illegal real server address[:port] specified");
        command_.server = *place;
        return std::nullopt;
      }
      case O::weight: return take_number(text, 0, INT32_MAX, command_.weight, "illegal weight specified");
      case O::upper: return take_number(text, 0, INT32_MAX, command_.upper, "illegal u_threshold specified");
      case O::lower: return take_number(text, 0, INT32_MAX, command_.lower, "illegal l_threshold specified");
      case O::tun_type:
        if (text != "ipip" && text != "gue" && text != "gre") return fail("illegal tunnel type specified");
        command_.tunnel = text;
        return std::nullopt;
      case O::tun_port: return take_number(text, 1, 65535, command_.tunnel_port, "illegal tunnel port specified");
      case O::tun_csum: command_.tunnel_checksum = "on"; return std::nullopt;
      case O::tun_remcsum: command_.tunnel_checksum = "remote"; return std::nullopt;
      default: return std::nullopt;
    }
  }

  std::optional<Ending> take_of_daemon(O option, const std::string& text) {
    switch (option) {
      case O::syncid: return take_number(text, 0, 255, command_.syncid, "illegal syncid specified");
      case O::sync_maxlen: return take_number(text, 1, 65507, command_.sync_maxlen, "illegal sync-maxlen specified");
      case O::mcast_port: return take_number(text, 1, 65535, command_.mcast_port, "illegal mcast-port specified");
      case O::mcast_ttl: return take_number(text, 1, 255, command_.mcast_ttl, "illegal mcast-ttl specified");
      case O::mcast_group: return take_group(text);
      case O::mcast_interface: command_.mcast_interface = text; return std::nullopt;
      default: return std::nullopt;
    }
  }

  std::optional<Ending> take_group(const std::string& text) {
    if (text.find(':') != std::string::npos) {
      const auto group = read_ipv6(text);
      if (!group || !group->multicast()) return fail("invalid IPv6 mcast-group `" + text + "'");
      command_.mcast_group = *group;
      return std::nullopt;
    }
    const auto group = parse_ip(text);
    if (!group || !group->multicast()) return fail("invalid IPv4 mcast-group `" + text + "'");
    command_.mcast_group = *group;
    return std::nullopt;
  }

  std::optional<Ending> take_number(const std::string& text, int64_t least, int64_t most, uint32_t& out,
                                    const std::string& complaint) {
    const auto number = read_number(text, least, most);
    if (!number) return fail(complaint);
    out = *number;
    return std::nullopt;
  }

  std::optional<Ending> take_timeouts() {
    if (command_.verb != Verb::set_timeouts) return std::nullopt;
    std::string texts[3];
    for (std::string& text : texts) {
      const char* const next = poptGetArg(context_.get());
      if (!next) return fail("--set option requires 3 timeout values");
      text = next;
    }
    uint32_t* const targets[] = {&command_.tcp, &command_.tcpfin, &command_.udp};
    for (size_t i = 0; i < 3; ++i) {
      const std::string complaint = "invalid timeout value `" + texts[i] + "' specified";
      if (auto end = take_number(texts[i], 0, kMostSeconds, *targets[i], complaint)) return end;
    }
    return std::nullopt;
  }

  const std::string& program_;
  const Names& names_;
  std::vector<const char*> words_;
  std::unique_ptr<poptContext_s, FreeContext> context_;
  Command command_;
  std::string flags_;
  bool valued_ = false;  // the current option came with a value
};

}  // namespace

Ending fail(std::string text) { return {kWrong, "", std::move(text) + '\n'}; }

Ending try_help(const std::string& program) {
  return {kRefused, "", "Try `" + program + " -h' or '" + program + " --help' for more information.\n"};
}

Parsed parse(const std::string& program, const std::vector<std::string>& args, const Names& names) {
  if (args.empty()) return Command{};  // without arguments ipvsadm lists
  return Walk(program, args, names).run();
}

}  // namespace rawvs::adm
