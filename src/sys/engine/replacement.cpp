// SPDX-License-Identifier: BSD-2-Clause
// replacement.cpp: tries the other program with -t, starts it, and gives it the connections while this one forwards.
#include "sys/engine/replacement.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>
#include <utility>

#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr Duration kPortionPause = 1ms;  // packets have precedence
constexpr Duration kFirstWord = 20s;     // a program that says nothing is no rawvsd
constexpr Duration kLoading = 120s;      // enough for a large configuration on a small machine
constexpr Duration kTakingOver = 5s;     // nothing is forwarded meanwhile
constexpr Duration kCollecting = 20ms;

}  // namespace

Replacement::~Replacement() { end_process(); }

void Replacement::begin() {
  if (trial_ || socket_) return;
  auto begun = Trial::begin(next_.trial, context_.now, context_.helper.fd());
  if (begun) {
    trial_ = std::make_unique<Trial>(std::move(*begun));
  } else {
    context_.log.write(Severity::error, begun.error().text + "; the program is not replaced");
  }
}

void Replacement::start_next() {
  auto ends = HandOver::pair();
  if (!ends) return refuse(ends.error());
  if (const auto added = context_.poller.add(ends->first.fd(), &said_); !added) return refuse(added.error());
  const auto started = next_.start(ends->second);
  if (!started) return refuse(started.error());
  socket_ = std::move(ends->first);
  process_ = *started;
  given_up_ = context_.now + kFirstWord;
}

Result<Done> Replacement::expect(HandOver socket, pid_t process) {
  socket_ = std::move(socket);
  process_ = process;
  is_interim_ = true;
  given_up_ = context_.now + kFirstWord;
  return context_.poller.add(socket_.fd(), &said_);
}

void Replacement::collect(pid_t process) {
  gone_.push_back(process);
  collect_ = clock_now();
}

void Replacement::serve(Instant now) {
  if (trial_ && now >= trial_->next_deadline()) {
    const auto result = trial_->result(now);
    if (trial_->gone()) trial_.reset();
    if (result && !*result) refuse(result->error());
    if (result && *result) start_next();
  }
  if (said_.take() && socket_) hear();
  if (now >= portion_) {
    if (const auto written = write_portion(); !written) refuse(written.error());
  }
  if (now >= given_up_) refuse({"it is not ready in time"});
  if (now < collect_) return;
  std::erase_if(gone_, [](pid_t process) { return waitpid(process, nullptr, WNOHANG) != 0; });
  collect_ = gone_.empty() ? kNever : now + kCollecting;
}

Instant Replacement::deadline() const {
  return std::min({trial_ ? trial_->next_deadline() : kNever, portion_, given_up_, collect_});
}

void Replacement::hear() {
  while (socket_) {
    auto heard = socket_.hear();
    if (!heard) return;
    if (!*heard) return refuse(heard->error());
    take(**heard);
  }
}

void Replacement::take(const HandOver::Heard& heard) {
  switch (heard.what) {
    case HandOver::What::begun: given_up_ = context_.now + kLoading; return;
    case HandOver::What::state:
      if (const auto begun = begin_state(); !begun) refuse(begun.error());
      return;
    case HandOver::What::loaded: given_up_ = kNever, due_ = true; return;
    case HandOver::What::failed: return refuse({heard.text});
    case HandOver::What::take:
    case HandOver::What::in_charge: return refuse({"it speaks another protocol"});
  }
}

Result<Done> Replacement::begin_state() {
  auto memory = StateMemory::create();
  if (!memory) return memory.error();
  writing_ = std::make_unique<Writing>(Writing{std::move(*memory), StateWriter(state_clock())});
  since_ = portion_ = context_.now;
  return Done{};
}

Result<Done> Replacement::write_portion() {
  portion_ = context_.now + kPortionPause;
  const Bytes portion = writing_->writer.next(context_.state_tables(), context_.now);
  if (const auto written = writing_->memory.append(portion); !written) return written;
  if (!writing_->writer.done()) return Done{};
  portion_ = kNever;
  const auto writing = std::exchange(writing_, nullptr);
  if (const auto sealed = writing->memory.seal(); !sealed) return sealed;
  given_up_ = context_.now + kLoading;
  return socket_.say(HandOver::What::state, "", writing->memory.fd());
}

Result<Done> Replacement::hand_over(const std::string& masters) {
  due_ = false;
  auto passed = pass(masters);
  if (passed) {
    process_ = -1;  // it is not ours to end any more
    return passed;
  }
  if (process_ > 0) static_cast<void>(kill(process_, SIGKILL));
  wait_for_end();
  refuse(passed.error());
  return passed;
}

// What it has open is closed then.
void Replacement::wait_for_end() const {
  for (int tries = 0; tries < 100; ++tries) {
    if (const auto heard = socket_.wait(10ms); !heard && socket_.hear()) return;
  }
}

Result<Done> Replacement::pass(const std::string& masters) {
  auto memory = StateMemory::create();
  if (!memory) return memory.error();
  for (StateWriter writer(state_clock(), since_); !writer.done();) {
    const Bytes portion = writer.next(context_.state_tables(), context_.now);
    if (const auto written = memory->append(portion); !written) return written;
  }
  if (const auto sealed = memory->seal(); !sealed) return sealed;
  if (const auto said = socket_.say(HandOver::What::take, masters, memory->fd()); !said) return said;
  const auto heard = socket_.wait(kTakingOver);
  if (!heard) return heard.error();
  return heard->what == HandOver::What::in_charge ? Result<Done>(Done{}) : Error{heard->text};
}

void Replacement::refuse(const Error& why) {
  for (std::string_view rest = why.text; !rest.empty();) {
    constexpr std::string_view kItsName = "rawvsd: ";
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with(kItsName)) line.remove_prefix(kItsName.size());
    context_.log.write(Severity::error, line);
  }
  context_.log.write(Severity::error,
                     is_interim_ ? formatted("process {} did not take over: this one, {}, goes on", process_, getpid())
                                 : "the program is not replaced: " + next_.trial[0] + " could not start");
  end_process();
  if (std::exchange(is_interim_, false) && next_.stay) next_.stay();
}

void Replacement::end_process() {
  if (process_ > 0) {
    static_cast<void>(kill(process_, SIGKILL));
    collect(process_);
  }
  process_ = -1;
  socket_ = {};
  writing_.reset();
  portion_ = given_up_ = kNever;
  due_ = false;
}

}  // namespace rawvs
