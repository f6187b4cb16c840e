// SPDX-License-Identifier: BSD-2-Clause
// word_args.h: reads the options (with libpopt) and arguments of rawvsadm's own commands, and the flow keys of filters.
// In:  the arguments.
// Out: their values, or an Error with what was found and what was expected.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "words.h"

namespace rawvs::adm {

struct WordOption {
  const char* name;  // without the dashes; a single letter is a short one
  bool takes_value = true;
};

struct WordArgs {
  std::map<std::string, std::string> options;  // those given; empty values where none is taken; the last one of several
  std::vector<std::pair<std::string, std::string>> given{};  // each, in order
  std::vector<std::string> plain;                            // the other arguments, in order
  bool has(const char* name) const { return options.count(name) != 0; }
  std::string value(const char* name) const;                // empty: not given
  std::vector<std::string> values(const char* name) const;  // of an option that may be repeated
};

// least, most: the number of arguments that are no options.
Result<WordArgs> read_args(const WordCall& call, std::initializer_list<WordOption> options, size_t least = 0,
                           size_t most = 0);

Result<uint64_t> read_count(const WordArgs& args, const char* option, uint64_t least, uint64_t most,
                            uint64_t otherwise);

// The filters of connections, trace and capture: names of the options; flow_keys() gives the part of the request,
// " protocol=tcp client=198.51.100.0/24". Names of hosts and ports are looked up.
inline constexpr WordOption kClientFilter{"client"}, kVipFilter{"vip"}, kServerFilter{"server"},
    kProtocolFilter{"protocol"};
Result<std::string> flow_keys(const WordArgs& args, const Names& names);

// Writes addresses for names of the table in the filters vip and server; asks for the listing if there are such.
Result<Done> put_addresses(WordCall& call, WordArgs& args);
class TableNames;
// A virtual's name becomes its IP:PORT.
Result<Done> vip_of(const TableNames& table, std::string& value);

Result<Protocol> read_protocol(const std::string& text);
std::string place_text(const Place& place);  // IP, IP:PORT or [IPV6]:PORT
// HOST or HOST:PORT, perhaps with names, as the protocol writes it. port: a port is required.
Result<std::string> read_endpoint(const std::string& text, Protocol protocol, const Names& names, bool port);

}  // namespace rawvs::adm
