// SPDX-License-Identifier: BSD-2-Clause
// jobs.h: long tasks, a portion in each turn of the loop, between packets, adverts and requests: reloads, and
// rawvsadm's commands about all services.
// In:  jobs, the configuration's file.
// Out: the director changed; a new configuration in effect; the changes in the log.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "rawvs/control.h"
#include "sys/engine/checks.h"
#include "sys/engine/routes.h"

namespace rawvs {

class Jobs final : public Part {
 public:
  // file: the configuration's absolute path. configured: called when another configuration is in effect, for everything
  // but the tables.
  Jobs(EngineContext& context, Checks& checks, Ports& ports, Routes& routes, const std::string& file,
       std::function<void()> configured);

  void add(std::shared_ptr<Job> job) { jobs_.push_back(std::move(job)); }
  bool idle() const { return jobs_.empty(); }
  // For SIGHUP and rawvsadm reload. The result is also logged, but of a plan, which changes nothing.
  std::shared_ptr<const ReloadTask> begin_reload(bool reset, bool plan = false);
  const std::string& file() const { return file_; }

  // Makes many changes at once: filter and guard follow when all are made, since each update may take long; then the
  // announcements are sent.
  void change(const std::function<void()>& changes);

  void serve(Instant now) override;
  void link_changed(Link link) override;  // virtuals that follow an interface's address move to its present one
  Instant deadline() const override { return idle() ? kNever : pause_; }

 private:
  struct Reloading;
  bool open_file(Reloading& r);
  bool reload_some(Reloading& r);
  void add(const std::shared_ptr<Reloading>& reloading);
  bool copy_config(Reloading& r);
  bool end_plan(Reloading& r);
  bool end_reload(Reloading& r);
  bool begin_changes(Reloading& r);

  EngineContext& context_;
  Checks& checks_;
  Ports& ports_;
  Routes& routes_;
  std::string file_;
  std::function<void()> configured_;
  Instant pause_ = kOverdue;               // when the first job goes on
  bool moving_ = false;                    // a job follows the present addresses, and has not read them yet
  std::optional<SyncConfig> file_sync_;    // as in the file; rawvsadm may have changed it since
  std::deque<std::shared_ptr<Job>> jobs_;  // the first one is in progress
};

}  // namespace rawvs
