// SPDX-License-Identifier: BSD-2-Clause
// jobs.cpp: runs jobs, and reloads.
#include "sys/engine/jobs.h"

#include <optional>
#include <utility>

#include "config/config_tables.h"
#include "sys/engine/ini_file.h"
#include "sys/engine/read_memory.h"
#include "sys/helper/helper.h"
#include "wire/formatted.h"

namespace rawvs {
namespace {

constexpr size_t kLinesAtOnce = 1024;  // of a file: about a millisecond
constexpr size_t kItemsAtOnce = 1024;  // of a configuration
constexpr Duration kHelperPatience = 2s, kBetweenLooks = 1ms;

}  // namespace

struct Jobs::Reloading {
  std::shared_ptr<ReloadTask> task;
  bool reset = false;
  bool plan = false;              // tells what it would change
  Fd answers{};                   // rawvs-helper is asked to open the file
  Instant until = kNever;         // no longer
  std::optional<IniFile> file{};  // none: it is not open yet, or only addresses of interfaces changed
  Config copy{};                  // then: of the configuration in effect
  Portions copying{};
  const char* why = "reload";
  std::unique_ptr<Reload> work{};
  size_t logged = 0;  // number of changes logged so far
  bool applied = false, configured = false;
  Config before{};  // the configuration that was replaced
  Portions rest{};  // what is done when the tables are changed
};

Jobs::Jobs(EngineContext& context, Checks& checks, Ports& ports, Routes& routes, const std::string& file,
           std::function<void()> configured)
    : context_(context),
      checks_(checks),
      ports_(ports),
      routes_(routes),
      file_(file),
      configured_(std::move(configured)),
      file_sync_(context.config.sync) {}

// Filter and guard first, then the frames: replies to what is sent then must pass the filter. Routes to new servers are
// looked up before the request that added them is answered.
void Jobs::change(const std::function<void()>& changes) {
  context_.director.hold_arp(true);
  changes();
  checks_.settle();
  context_.director.hold_arp(false);
  ports_.follow_watch();
  context_.dispatch();
  routes_.follow();
}

void Jobs::serve(Instant now) {
  if (idle() || now < pause_) return;
  const std::shared_ptr<Job> job = jobs_.front();
  bool last = false;
  change([&] {
    last = job->portion(context_.turn());
    context_.dispatch();
  });
  if (!last) return;
  job->done = true;
  jobs_.pop_front();
}

std::shared_ptr<const ReloadTask> Jobs::begin_reload(bool reset, bool plan) {
  const std::shared_ptr<ReloadTask> task(new ReloadTask);
  if (const auto memory = has_memory_to_read(file_); !memory) {
    if (!plan)
      context_.log.write(Severity::error, formatted("reload: {}; nothing was changed", memory.error().text),
                         Topic::reload);
    task->outcome = memory.error();
    task->done = true;
    return task;
  }
  const std::shared_ptr<Reloading> reloading(new Reloading{task, reset, plan});
  auto asked = context_.helper.open_config();
  if (asked) {
    reloading->answers = std::move(*asked);
    reloading->until = context_.now + kHelperPatience;
  } else {
    reloading->file.emplace(file_);
  }
  add(reloading);
  return task;
}

void Jobs::add(const std::shared_ptr<Reloading>& reloading) {
  add(std::shared_ptr<Job>(new Job{[this, reloading](Turn) {
    reloading->task->done = reload_some(*reloading);
    return reloading->task->done;
  }}));
}

void Jobs::link_changed(Link link) {
  const auto moved = [&](const VirtualConfig& v) {
    return v.address && v.address->interface == ports_.name(link) &&
           v.address->now != ports_.address_of(v.address->interface, v.address->family);
  };
  if (moving_ || ports_.name(link).empty() || std::ranges::none_of(context_.config.virtuals, moved)) return;
  moving_ = true;
  const std::shared_ptr<Reloading> reloading(new Reloading{std::shared_ptr<ReloadTask>(new ReloadTask), false});
  reloading->why = "an interface's address";
  add(reloading);
}

// The configuration in effect, with the present addresses. False: unfinished.
bool Jobs::copy_config(Reloading& r) {
  if (!r.work && r.copying.worked() == 0) add_copy(context_.config, r.copy, r.copying);
  if (!r.copying.step(kItemsAtOnce)) return false;
  moving_ = false;
  set_present_addresses(r.copy, [this](const auto&... of) { return ports_.address_of(of...); });
  r.work = std::make_unique<Reload>(context_.config, std::move(r.copy), false);
  return true;
}

// rawvs-helper may open files that this process's user may not. False: it has not answered yet.
bool Jobs::open_file(Reloading& r) {
  auto heard = hear(r.answers);
  if (!heard && context_.now < r.until) return pause_ = context_.now + kBetweenLooks, false;
  r.answers.reset();
  pause_ = kOverdue;
  if (heard && *heard && (*heard)->file) {
    r.file.emplace(file_, std::move((*heard)->file));
  } else {
    r.file.emplace(file_);
  }
  return true;
}

// Called when the file is read. False: it has faults, and nothing changes.
bool Jobs::begin_changes(Reloading& r) {
  auto next = r.file->take();
  for (const std::string& line : r.file->findings().lines()) {
    if (!r.plan) context_.log.write(next ? Severity::warning : Severity::error, "reload: " + line, Topic::reload);
  }
  if (!next) {
    if (!r.plan)
      context_.log.write(Severity::error, formatted("reload: {} has faults: nothing was changed", file_),
                         Topic::reload);
    r.task->outcome = next.error();
    return false;
  }
  if (!r.reset && next->sync == file_sync_) {
    next->sync = context_.config.sync;  // rawvsadm may have changed it
  } else if (!r.plan) {
    file_sync_ = next->sync;
  }
  set_present_addresses(*next, [this](const auto&... of) { return ports_.address_of(of...); });
  r.work = std::make_unique<Reload>(context_.config, std::move(*next), r.reset, r.plan);
  return true;
}

// All changes are logged, whoever asked for the reload.
bool Jobs::reload_some(Reloading& r) {
  if (r.applied) return end_reload(r);
  if (r.answers && !open_file(r)) return false;
  if (!r.work && !r.file) return copy_config(r), false;
  if (!r.work) {
    if (!r.file->step(kLinesAtOnce)) return false;
    return !begin_changes(r);
  }
  const bool done = r.work->step(context_.director, context_.turn(), [this] { context_.dispatch(); });
  if (r.plan) return done && end_plan(r);
  const Reloaded& said = r.work->so_far();
  for (; r.logged < said.changes.size(); ++r.logged) {
    context_.log.write(Severity::notice, formatted("{}: {}", r.why, said.changes[r.logged]), Topic::reload);
  }
  if (!done) return false;
  for (const std::string& line : said.pending) context_.log.write(Severity::warning, "reload: " + line, Topic::reload);
  if (r.file && said.changes.empty() && said.pending.empty()) {
    context_.log.write(Severity::notice, "reload: nothing is different", Topic::reload);
  }
  r.task->outcome = r.work->take_so_far();
  r.before = std::exchange(context_.config, r.work->take_next());
  r.applied = true;
  add_freeing(r.before, r.rest);
  checks_.add_wanting(r.rest);
  return false;
}

// The file's configuration is freed, and the one in effect stays.
bool Jobs::end_plan(Reloading& r) {
  r.task->outcome = r.work->take_so_far();
  r.before = r.work->take_next();
  r.applied = true;
  add_freeing(r.before, r.rest);
  return false;
}

// What is large is made and freed in portions.
bool Jobs::end_reload(Reloading& r) {
  if (r.work) return r.work.reset(), false;
  if (!r.rest.step(kItemsAtOnce)) return false;
  if (r.plan) return true;
  if (std::exchange(r.configured, true)) return checks_.forget_old(), true;
  configured_();
  return false;
}

}  // namespace rawvs
