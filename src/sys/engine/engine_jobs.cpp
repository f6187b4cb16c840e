// SPDX-License-Identifier: BSD-2-Clause
// engine_jobs.cpp: work that takes long, a portion in each turn of the loop: packets, adverts and questions come
// between. A reload is one; so is what rawvsadm asks for that is about all services.
#include <utility>

#include "rawvs/engine.h"
#include "sys/engine/ini_file.h"
#include "sys/engine/start_check.h"

namespace rawvs {
namespace {

constexpr size_t kLinesAtOnce = 1024;  // of a file: about a millisecond

}  // namespace

struct Engine::Reloading {
  Reloading(std::shared_ptr<ReloadTask> its_task, bool whole, const std::string& path)
      : task(std::move(its_task)), reset(whole), file(path) {}
  std::shared_ptr<ReloadTask> task;
  bool reset = false;
  IniFile file;
  std::unique_ptr<Reload> work{};
  size_t logged = 0;  // changes that the log was told of
};

void Engine::work_on_jobs() {
  if (jobs_.empty()) return;
  const std::shared_ptr<Job> job = jobs_.front();
  bool last = false;
  change([&] {
    last = job->portion({now_, outbox_});
    dispatch();
  });
  if (!last) return;
  job->done = true;
  jobs_.pop_front();
}

std::shared_ptr<const ReloadTask> Engine::begin_reload(bool reset) {
  const std::shared_ptr<ReloadTask> task(new ReloadTask);
  if (const auto memory = has_memory_to_read(desk_.file); !memory) {
    log_.write(Severity::error, "reload: " + memory.error().text + "; nothing was changed");
    task->outcome = memory.error();
    task->done = true;
    return task;
  }
  const std::shared_ptr<Reloading> reloading(new Reloading(task, reset, desk_.file));
  jobs_.push_back(std::shared_ptr<Job>(new Job{[this, reloading](Turn) {
    reloading->task->done = reload_some(*reloading);
    return reloading->task->done;
  }}));
  return task;
}

// The file is read. False: it has faults, and changes nothing.
bool Engine::begin_changes(Reloading& r) {
  auto next = r.file.take();
  for (const std::string& line : r.file.findings().lines()) {
    log_.write(next ? Severity::warning : Severity::error, "reload: " + line);
  }
  if (!next) {
    log_.write(Severity::error, "reload: " + desk_.file + " has faults: nothing was changed");
    r.task->outcome = next.error();
    return false;
  }
  if (!r.reset && next->sync == file_sync_) {
    next->sync = config_.sync;  // as rawvsadm has left it
  } else {
    file_sync_ = next->sync;
  }
  r.work = std::make_unique<Reload>(config_, std::move(*next), r.reset);
  return true;
}

// What was done is in the log, whoever asked for it.
bool Engine::reload_some(Reloading& r) {
  if (!r.work) {
    if (!r.file.step(kLinesAtOnce)) return false;
    return !begin_changes(r);
  }
  const bool done = r.work->step(director_, {now_, outbox_}, [this] { dispatch(); });
  const Reloaded& said = r.work->so_far();
  for (; r.logged < said.changes.size(); ++r.logged) {
    log_.write(Severity::notice, "reload: " + said.changes[r.logged]);
  }
  if (!done) return false;
  for (const std::string& line : said.pending) log_.write(Severity::warning, "reload: " + line);
  if (said.changes.empty() && said.pending.empty()) log_.write(Severity::notice, "reload: nothing is different");
  r.task->outcome = said;
  config_ = r.work->take_next();
  r.work.reset();
  follow_config();
  return true;
}

// What is no part of the tables.
void Engine::follow_config() {
  if (const auto followed = follow_checks(false); !followed) log_.write(Severity::error, followed.error().text);
  if (const auto followed = follow_vrrp(); !followed) log_.write(Severity::error, followed.error().text);
  start_vrrp();
  if (const auto followed = follow_sync(); !followed) log_.write(Severity::error, followed.error().text);
}

}  // namespace rawvs
