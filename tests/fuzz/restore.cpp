// SPDX-License-Identifier: BSD-2-Clause
// restore.cpp: a saved table: what ipvsadm -R reads, and rawvs-replay's -R. Each command line becomes a request, which
// a director takes or refuses.
#include "mutator.h"
#include "rawvs/control.h"
#include "small_director.h"
#include "tools/rawvs-replay/replay.h"
#include "tools/rawvsadm/request.h"

namespace rawvs {
namespace {

class NoNames final : public adm::Names {
 public:
  std::optional<Ip> host(const std::string& /*name*/, Family /*family*/) const override { return std::nullopt; }
  std::optional<Port> port(const std::string& name, Protocol /*protocol*/) const override {
    return name == "http" ? std::optional(Port(80)) : std::nullopt;
  }
  std::optional<std::string> host_name(Ip /*addr*/) const override { return std::nullopt; }
  std::optional<std::string> port_name(Port /*port*/, Protocol /*protocol*/) const override { return std::nullopt; }
};

struct Table {
  adm::Outcome say(const adm::Ending& e) {
    MUST(!e.out.empty() || !e.err.empty() || e.status == 0);
    return {e.status, e.ends_restore};
  }
  void ask(const std::string& text) {
    MUST(text.find('\n') == std::string::npos && text.starts_with(kControlVersion));
    d.out.clear();
    Conversation c = answer(text, d.director, d.turn(), context);
    for (int n = 0; !c.over() && !c.waiting(); ++n) {
      MUST(n < 1000);
      c.next(d.director, d.now);
    }
  }
  adm::Outcome obey(const adm::Command& command) {
    using adm::Verb;
    if (command.verb == Verb::start_daemon || command.verb == Verb::stop_daemon || command.verb == Verb::restore)
      return {};
    if (command.verb == Verb::list || command.verb == Verb::save) return {};
    const auto made = adm::request(command);
    if (const auto* const ending = std::get_if<adm::Ending>(&made)) return say(*ending);
    ask(std::get<std::string>(made));
    return {};
  }

  fuzz::SmallDirector d;
  ControlContext context{.started = d.now, .pid = 7};
};

std::optional<std::string> line_of(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
  std::string line(rest.substr(0, end));
  rest.remove_prefix(end);
  return line;
}

std::vector<std::string> vocabulary() {
  return {"-A -t 192.0.2.100:80 -s wlc\n",
          "-a -t 192.0.2.100:80 -r 192.0.2.11:80 -g -w 1\n",
          "-A ",
          "-a ",
          "-E ",
          "-e ",
          "-D ",
          "-d ",
          "-Z ",
          "-C\n",
          "--set 1 2 3\n",
          " -t ",
          " -u ",
          " --sctp-service ",
          " -f 10",
          " -6",
          " -r ",
          " -s mh",
          " -p 300",
          " -M 255.255.255.0",
          " -M 64",
          " -b mh-port,mh-fallback",
          " -b flag-1",
          " -o",
          " --pe sip",
          " -g",
          " -i",
          " -m",
          " --fullnat",
          " --proxy-protocol",
          " -w 2",
          " -x 5",
          " -y 4",
          " --tun-type gue",
          " --tun-port 6080",
          " --tun-csum",
          " --tun-remcsum",
          " --tun-nocsum",
          "[2001:db8::100]:53",
          "192.0.2.12",
          ":http",
          "\n",
          " --weight=3",
          "--start-daemon master --mcast-interface eth0\n",
          "ipvsadm ",
          "# "};
}

}  // namespace
}  // namespace rawvs

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int seed) {
  static const std::vector<std::string> kWords = rawvs::vocabulary();
  return rawvs::fuzz::mutate_text(data, size, most, seed, kWords);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rawvs;
  const std::string_view all = fuzz::text_of({data, size});
  Table table;
  std::string_view rest = all;
  const adm::RestoreDoors doors{.next_line = [&] { return line_of(rest); },
                                .obey = [&](const adm::Command& command) { return table.obey(command); },
                                .say = [&](const adm::Ending& ending) { return table.say(ending); },
                                .at = [](const std::string& /*place*/) {}};
  adm::restore("ipvsadm", NoNames(), doors);
  rest = all;
  while (const auto line = line_of(rest)) {
    const auto request = replay::request_of(line->ends_with('\n') ? line->substr(0, line->size() - 1) : *line);
    if (request && !request->empty()) table.ask(*request);
  }
  table.d.check_tables();
  return 0;
}
