// SPDX-License-Identifier: BSD-2-Clause
// requests.cpp: answers the control socket's requests, between packets.
#include "sys/engine/requests.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

namespace rawvs {

Requests::Requests(EngineContext& context, Jobs& jobs, Ports& ports, Syncing& syncing, const Checks& checks,
                   const Mastership& mastership)
    : context_(context), jobs_(jobs), ports_(ports), syncing_(syncing) {
  control_.started = context.now;
  control_.pid = static_cast<uint32_t>(getpid());
  control_.file = jobs.file();
  control_.config = &context.config;
  control_.checked = &checks.checked();
  control_.vrrp = &mastership.vrrp();
  control_.reload = [this](bool reset, bool plan) { return jobs_.begin_reload(reset, plan); };
  control_.run = [this](std::shared_ptr<Job> job) { jobs_.add(std::move(job)); };
  control_.set_sync = [this](const std::optional<SyncConfig>& wanted) {
    auto done = syncing_.set(wanted);
    control_.sync = syncing_.view();
    return done;
  };
  control_.log = &operators_;
  control_.events = &context_.log.events();
}

Result<Done> Requests::open(std::unique_ptr<ControlSocket> made, uint32_t calls) {
  control_.calls = calls;
  socket_ = std::move(made);
  if (!socket_) {
    auto socket =
        ControlSocket::listen(context_.config.control, context_.config.control_group, context_.config.read_group);
    if (!socket) return socket.error();
    socket_ = std::move(*socket);
  }
  return context_.poller.add(socket_->fd(), &ready_);
}

void Requests::renew() {
  const auto made = socket_->renew();
  if (!made) {
    context_.log.write(Severity::warning, made.error().text);
  } else if (*made) {
    context_.log.write(Severity::notice, "control socket " + context_.config.control + " had been deleted: made again");
  }
}

void Requests::end() {
  operators_.end(context_.outbox);
  context_.dispatch();
}

void Requests::serve(Instant now) {
  if (ready_.take()) serve_clients();
  socket_->wake(now);
  socket_->time_passed(now);
  operators_.time_passed(context_.turn());
  if (!context_.outbox.notices().empty()) context_.dispatch();
}

Instant Requests::deadline() const { return std::min(socket_->next_deadline(), operators_.next_deadline()); }

// A reply means that the change is in effect: it waits for the next turn, which comes at once, after filter and guard
// have followed the changes of all clients of this turn.
void Requests::serve_clients() {
  const uint32_t settled = context_.director.watch_version();
  control_.sync = syncing_.view();
  jobs_.change([&] {
    socket_->serve([this](std::string_view request, const Operator& who) { return answer_to(request, who); },
                   [&](Conversation& reply) {
                     return context_.director.watch_version() == settled ? reply.next(context_.director, context_.now)
                                                                         : Piece();
                   },
                   context_.now);
  });
}

// A change waits until no job is in progress.
Conversation Requests::answer_to(std::string_view request, const Operator& who) {
  ports_.count();
  control_.wall = wall_offset();  // the wall clock may have been set
  control_.use = context_.use;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    const auto ms = [](const timeval& t) { return static_cast<uint64_t>(t.tv_sec * 1000 + t.tv_usec / 1000); };
    control_.use.cpu = ms(used.ru_utime) + ms(used.ru_stime);
    control_.use.memory = static_cast<uint64_t>(used.ru_maxrss) * 1024;
  }
  if (jobs_.idle() || !changes_something(request)) return begin(request, who);
  return Conversation(
      {[this] { return jobs_.idle(); }, [this, asked = std::string(request), who] { return begin(asked, who); }});
}

Conversation Requests::begin(std::string_view request, const Operator& who) {
  Conversation reply = answer(request, context_.director, context_.turn(), control_, who);
  context_.dispatch();
  return reply;
}

}  // namespace rawvs
