// SPDX-License-Identifier: BSD-2-Clause
// control.cpp: requests to the control socket, one a line, to a director with some connections. Replies keep the form
// and the limits that rawvs/control.h states, and every conversation ends.
#include "rawvs/control.h"

#include "control/control_commands.h"
#include "control/control_values.h"
#include "frames.h"
#include "mutator.h"
#include "small_director.h"

namespace rawvs {
namespace {

struct Desk {
  Desk() {
    ask("rawvs/1 add-service service=tcp:192.0.2.100:80 persistence=300");
    ask("rawvs/1 add-server service=tcp:192.0.2.100:80 server=192.0.2.11:80");
    ask("rawvs/1 add-service service=udp:[2001:db8::100]:53");
    ask("rawvs/1 add-server service=udp:[2001:db8::100]:53 server=[2001:db8:1::11]:53 method=masq");
    for (uint16_t n = 1; n < 5; ++n) {
      test::FrameBytes syn = test::frame(test::Tcp{.sport = n});
      std::array one{test::view(syn)};
      d.out.clear();
      d.director.frames_arrived(one, d.turn());
    }
  }
  void ask(std::string_view request) {
    const std::string exact(request);  // ASan sees what is read behind its end
    changes_something(exact);
    d.out.clear();
    Conversation c = answer(exact, d.director, d.turn(), context);
    std::string reply;
    for (int n = 0; !c.over() && !c.waiting(); ++n) {
      MUST(n < 10'000);
      const Piece piece = c.next(d.director, d.now);
      MUST(piece.text().size() <= kPieceMost);
      reply += piece.text();
    }
    if (c.waiting()) return;  // for packets
    MUST(reply.starts_with("ok\n") || reply.starts_with("error "));
    MUST(reply.ends_with("\nend\n"));
    for (const char ch : reply) MUST(ch == '\n' || (ch >= ' ' && ch <= '~'));
  }

  fuzz::SmallDirector d;
  ControlContext context{.started = d.now, .pid = 7};
};

std::vector<std::string> vocabulary() {
  std::vector<std::string> all;
  for (const std::string_view key : kKeyNames) all.push_back(" " + std::string(key) + "=");
  for (const Command& command : commands()) all.emplace_back(command.word);
  for (const char* const word : {"tcp:192.0.2.100:80",
                                 "udp:[2001:db8::100]:53",
                                 "mark:10",
                                 "mark6:10",
                                 "192.0.2.11:80",
                                 "[2001:db8:1::11]:53",
                                 "198.51.100.0/24",
                                 "198.51.100.1:1",
                                 "masq",
                                 "tunnel",
                                 "fullnat",
                                 "gue",
                                 "mh",
                                 "mh-port,mh-fallback",
                                 "02:00:00:00:00:01",
                                 "ESTABLISHED",
                                 "4294967295",
                                 "0",
                                 "tcp",
                                 "\n"}) {
    all.emplace_back(word);
  }
  return all;
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
  std::string_view all = fuzz::text_of({data, size});
  Desk desk;
  for (int n = 0; n < 8 && !all.empty(); ++n) {
    const size_t end = std::min(all.find('\n'), all.size());
    // Nobody has to write the version; a request that begins with a blank is taken as it is.
    desk.ask(all.starts_with(' ') ? std::string(all.substr(1, end - 1)) : "rawvs/1 " + std::string(all.substr(0, end)));
    all.remove_prefix(std::min(end + 1, all.size()));
  }
  return 0;
}
