// SPDX-License-Identifier: BSD-2-Clause
// engine.cpp: the loop. A turn: wait; read the clock; serve every part.
#include "rawvs/engine.h"

#include <algorithm>
#include <utility>

#include "sys/engine/engine_parts.h"

namespace rawvs {
namespace {

void turn(EngineContext& context) {
  Instant deadline = kNever;
  for (const Part* const part : context.parts) deadline = std::min(deadline, part->deadline());
  context.poller.wait(deadline);
  context.now = clock_now();
  const uint64_t begun = microseconds_now();
  for (Part* const part : context.parts) part->serve(context.now);
  context.use.turned(microseconds_now() - begun);
}

}  // namespace

Engine::End Engine::run() {
  Parts& p = *parts_;
  while (!p.signals.stopping() && !p.replacement.is_due()) turn(p.context);
  if (!p.signals.stopping()) return End::replace;
  p.requests.end();
  p.mastership.stop();
  p.context.now = clock_now();
  p.end_fast();
  p.saving.save_all();
  if (!p.context.config.state.empty()) p.ports.leave_guards(true);
  return End::stop;
}

Result<Done> Engine::hand_over() {
  Parts& p = *parts_;
  p.stop_forwarding();
  auto done = p.replacement.hand_over(p.mastership.masters());
  if (!done) {
    p.go_on();
  } else {
    p.ports.leave_guards(false);
  }
  return done;
}

}  // namespace rawvs
