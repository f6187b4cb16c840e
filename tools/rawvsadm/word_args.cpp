// SPDX-License-Identifier: BSD-2-Clause
// word_args.cpp: reads the options (with libpopt) and arguments of rawvsadm's own commands, and the flow keys of
// filters.
#include "word_args.h"

#include <popt.h>

#include <cstdlib>
#include <memory>

namespace rawvs::adm {

namespace {

struct FreeContext {
  void operator()(poptContext_s* context) const { poptFreeContext(context); }
};

std::string expected(const WordCall& call) {
  const Word* const word = find_word(call.word);
  const std::string arguments = word ? word->arguments : "";
  return arguments.empty() ? "expected nothing more" : "expected: rawvsadm " + std::string(call.word) + ' ' + arguments;
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

}  // namespace

std::string WordArgs::value(const char* name) const {
  const auto found = options.find(name);
  return found == options.end() ? "" : found->second;
}

std::vector<std::string> WordArgs::values(const char* name) const {
  std::vector<std::string> out;
  for (const auto& [option, value] : given) {
    if (option == name) out.push_back(value);
  }
  return out;
}

Result<WordArgs> read_args(const WordCall& call, std::initializer_list<WordOption> options, size_t least, size_t most) {
  std::vector<poptOption> table;
  for (const WordOption& option : options) {
    const unsigned takes = option.takes_value ? POPT_ARG_STRING : POPT_ARG_NONE;
    const int number = static_cast<int>(table.size()) + 1;  // the value that poptGetNextOpt() returns for it
    const bool letter = option.name[1] == '\0';
    table.push_back(
        {letter ? nullptr : option.name, letter ? *option.name : '\0', takes, nullptr, number, nullptr, nullptr});
  }
  table.push_back(POPT_TABLEEND);
  std::vector<const char*> argv = {call.word};
  for (const std::string& arg : call.args) argv.push_back(arg.c_str());
  argv.push_back(nullptr);
  const std::unique_ptr<poptContext_s, FreeContext> context(
      poptGetContext(nullptr, static_cast<int>(argv.size() - 1), argv.data(), table.data(), 0));

  WordArgs args;
  int number = 0;
  while ((number = poptGetNextOpt(context.get())) > 0) {
    char* const value = poptGetOptArg(context.get());
    const char* const name = std::data(options)[number - 1].name;
    args.options[name] = value ? value : "";
    args.given.emplace_back(name, value ? value : "");
    std::free(value);
  }
  if (number < -1) {
    return Error{std::string(poptBadOption(context.get(), 0)) + ": " + poptStrerror(number) + "; " + expected(call)};
  }
  while (const char* const arg = poptGetArg(context.get())) args.plain.emplace_back(arg);
  if (args.plain.size() > most) return Error{"unexpected argument " + quoted(args.plain[most]) + "; " + expected(call)};
  if (args.plain.size() < least) return Error{"something is missing; " + expected(call)};
  return args;
}

Result<uint64_t> read_count(const WordArgs& args, const char* option, uint64_t least, uint64_t most,
                            uint64_t otherwise) {
  if (!args.has(option)) return otherwise;
  const std::string found = args.value(option);
  const auto number = parse_number(found, most);
  if (number && *number >= least) return *number;
  return Error{"--" + std::string(option) + ": found " + quoted(found) + ", expected a number from " +
               std::to_string(least) + " to " + std::to_string(most)};
}

Result<Protocol> read_protocol(const std::string& text) {
  for (const Protocol p : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (text == name(p)) return p;
  }
  return Error{"found " + quoted(text) + ", expected tcp, udp or sctp"};
}

std::string place_text(const Place& place) {
  return place.port ? text(Endpoint{place.addr, Port(*place.port)}) : text(place.addr);
}

Result<std::string> read_endpoint(const std::string& given, Protocol protocol, const Names& names, bool port) {
  const auto place = read_place(given, protocol, names);
  if (!place || (port && place->port.value_or(0) == 0)) {
    return Error{"found " + quoted(given) + (port ? ", expected IP:PORT" : ", expected IP or IP:PORT") +
                 ", such as 192.0.2.1:80 or [2001:db8::1]:80"};
  }
  return place_text(*place);
}

namespace {

// IP[/BITS][:PORT], IPV6[/BITS], [IPV6[/BITS]][:PORT]
Result<std::string> read_client(const std::string& given, Protocol protocol, const Names& names) {
  const size_t slash = given.find('/');
  if (slash == std::string::npos) return read_endpoint(given, protocol, names, false);
  const size_t close = given.starts_with('[') ? given.find(']') : std::string::npos;
  const size_t end = close != std::string::npos ? close + 1 : std::min(given.find(':', slash), given.size());
  const bool closed = close != std::string::npos;
  const auto network = parse_network(given.substr(closed ? 1 : 0, closed ? close - 1 : end));
  const bool has_port = end < given.size();
  const auto port = has_port && given[end] == ':' ? parse_port(given.substr(end + 1)) : std::nullopt;
  if (!network || (has_port && !port) || (has_port && !closed && network->base.is_v6())) {
    return Error{"found " + quoted(given) +
                 ", expected IP[/BITS][:PORT], such as 192.0.2.0/24:80, 2001:db8::/64 or [2001:db8::/64]:80, no bit of "
                 "IP set behind BITS"};
  }
  return (closed ? '[' + text(*network) + ']' : text(*network)) + given.substr(end);
}

}  // namespace

Result<std::string> flow_keys(const WordArgs& args, const Names& names) {
  std::string keys;
  Protocol protocol = Protocol::any;
  if (args.has("protocol")) {
    const auto read = read_protocol(args.value("protocol"));
    if (!read) return at("--protocol", read.error());
    protocol = *read;
    keys += " protocol=" + std::string(name(protocol));
  }
  if (args.has("client")) {
    const auto client = read_client(args.value("client"), protocol, names);
    if (!client) return at("--client", client.error());
    keys += " client=" + *client;
  }
  for (const auto& [option, key] : {std::pair{"vip", " virtual="}, std::pair{"server", " server="}}) {
    if (!args.has(option)) continue;
    const auto place = read_endpoint(args.value(option), protocol, names, false);
    if (!place) return at("--" + std::string(option), place.error());
    keys += key + *place;
  }
  return keys;
}

}  // namespace rawvs::adm
