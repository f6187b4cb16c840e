// SPDX-License-Identifier: BSD-2-Clause
// options.cpp: reads the command line of rawvs-web.
#include "tools/rawvs-web/options.h"

#include <algorithm>

namespace rawvs::web {

namespace {

struct Flag {
  const char *name, *letter, *value, *meaning;                     // value "": it takes none; letter "": it has none
  std::string (*set)(Options& options, const std::string& value);  // what was expected; empty: well
};

constexpr Flag kFlags[] = {
    {"listen", "l", "ADDRESS:PORT", "answers there; default 127.0.0.1:8080",
     [](Options& o, const std::string& value) -> std::string {
       const auto at = parse_endpoint(value);
       if (!at || at->port.value == 0) return "an address and a port, as 127.0.0.1:8080 or [::1]:8080";
       o.listen = *at;
       return "";
     }},
    {"control", "s", "PATH", "rawvsd's control socket; default /run/rawvs/control.sock",
     [](Options& o, const std::string& value) { return o.control = value, std::string(); }},
    {"auth-file", "a", "FILE", "names and password hashes; default: no password",
     [](Options& o, const std::string& value) { return o.auth_file = value, std::string(); }},
    {"name", "n", "NAME", "a name of this host in browsers; may be repeated",
     [](Options& o, const std::string& value) { return o.names.push_back(value), std::string(); }},
    {"history", "H", "N", "services and servers whose history is kept, 0 to 10000; default 200",
     [](Options& o, const std::string& value) -> std::string {
       const auto number = parse_number(value, kMostHistory);
       if (!number) return "a number, 0 to " + std::to_string(kMostHistory);
       o.history = static_cast<uint32_t>(*number);
       return "";
     }},
    {"user", "u", "USER", "becomes this user if started as root; default rawvs-web",
     [](Options& o, const std::string& value) { return o.user = value, std::string(); }},
    {"pidfile", "p", "FILE", "writes its process id there",
     [](Options& o, const std::string& value) { return o.pidfile = value, std::string(); }},
    {"foreground", "f", "", "stays in the foreground, and logs to standard error",
     [](Options& o, const std::string&) { return o.foreground = true, std::string(); }},
    {"help", "h", "", "this text", [](Options& o, const std::string&) { return o.help = true, std::string(); }},
    {"version", "v", "", "the version",
     [](Options& o, const std::string&) { return o.version = true, std::string(); }}};

}  // namespace

// --listen VALUE, --listen=VALUE, -l VALUE.
Result<Options> read_options(const std::vector<std::string>& args) {
  Options out;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    const size_t equals = arg.starts_with("--") ? std::min(arg.find('='), arg.size()) : arg.size();
    const std::string name = arg.substr(0, equals);
    const auto flag = std::ranges::find_if(kFlags, [&](const Flag& f) {
      return name == std::string("--") + f.name || name == std::string("-") + f.letter;
    });
    if (flag == std::end(kFlags)) return Error{arg + ": no such option; see rawvs-web --help"};
    const bool takes = *flag->value != '\0';
    if (!takes && equals != arg.size()) return Error{name + ": takes no value"};
    if (takes && equals == arg.size() && i + 1 == args.size()) return Error{name + ": expected " + flag->value};
    const std::string value = !takes ? "" : equals == arg.size() ? args[++i] : arg.substr(equals + 1);
    if (takes && value.empty()) return Error{name + ": found nothing, expected " + flag->value};
    if (const std::string expected = flag->set(out, value); !expected.empty()) {
      return Error{name + ": found \"" + value + "\", expected " + expected};
    }
  }
  return out;
}

std::string usage() {
  std::string out = "usage: rawvs-web [options]\nA status page, JSON and metrics of rawvsd; nothing can be changed.\n";
  for (const Flag& flag : kFlags) {
    std::string line =
        std::string("  -") + flag.letter + ", --" + flag.name + (*flag.value == '\0' ? "" : " ") + flag.value;
    line.resize(std::max<size_t>(line.size() + 2, 30), ' ');
    out += line + flag.meaning + '\n';
  }
  return out;
}

}  // namespace rawvs::web
