// SPDX-License-Identifier: BSD-2-Clause
// engine.h: the daemon's one thread: waits, reads the clock once, hands what happened to the director, does what it
// says. In:  a Config.   Out: a running director, until a signal says stop. One poll() over frame I/O and, behind an
// epoll, netlink, control socket and signals; next_deadline() decides how long it waits. Not: decisions (director.h).
// Interfaces may be missing, go and come back: they are waited for.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <span>

#include "control/ward.h"
#include "core/loss_log.h"
#include "rawvs/config.h"
#include "side/vrrp.h"
#include "sys/engine/control_socket.h"
#include "sys/guard/guard.h"
#include "sys/io/frame_io.h"
#include "sys/net/host_route.h"
#include "sys/net/netlink.h"
#include "sys/probe/check_path.h"
#include "sys/probe/probes.h"
#include "sys/sys.h"

namespace rawvs {

class Engine {
 public:
  // Everything that can be wrong at start is found here, so that a daemon fails before it detaches.
  // signals: a signalfd; SIGTERM and SIGINT on it end run(), SIGHUP reloads, SIGUSR2 asks to be replaced.
  // file: the configuration's absolute path, which SIGHUP and rawvsadm reload read again.
  static Result<std::unique_ptr<Engine>> start(const Config& config, const std::string& file, const Log& log,
                                               int signals);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  enum class End : uint8_t { stop, replace };
  End run();
  // After End::replace, right before exec(): the connections, for the program that takes this one's place. When exec()
  // fails, the memory is given up and run() called again.
  Result<class StateMemory> state_for_heir();
  // For the time between this program and the next one.
  class GuardLinks guard_links() const;
  // What SIGUSR2 tries before it asks to be replaced: the program's absolute path, and arguments with -t among them.
  void set_trial(std::vector<std::string> argv) { trial_argv_ = std::move(argv); }

 private:
  struct Saving;   // of connections, into a file
  struct Syncing;  // of connections, with other directors
  struct Port {    // one interface
    std::string name;
    LinkFacts facts;
    std::unique_ptr<class InterfaceLock> lock;
    std::unique_ptr<FrameIo> io;
    std::unique_ptr<Guard> guard;
    struct {  // what the open socket's filter and guard were last told
      Watch watch;
      std::vector<Mac> macs{};  // ours, the interface's first
      std::vector<Ip> hosts{};
      std::optional<uint32_t> version{};
      Instant again = kNever;  // when the filter is to be exact again, and to know changed servers
      bool wide = false;       // it is, and the log has heard of it
      bool partly = false;     // the guard has not found room for everything, and the log has heard of it
    } told;
    Instant retry = kNever;  // when to try again to open it
    std::string problem;     // why it could not be opened: logged
    LinkCounters past;       // of its closed sockets
  };

  enum Source : uint64_t { kNetlink, kControl, kSignals, kProbes, kVrrp, kSync, kCheckPath };  // of events

  Engine(const Config& config, const std::string& file, const Log& log);
  // Jobs: engine_jobs.cpp.
  struct Reloading;
  std::shared_ptr<const ReloadTask> begin_reload(bool reset);
  bool reload_some(Reloading& r);
  bool begin_changes(Reloading& r);
  void follow_config();
  void work_on_jobs();
  Result<Done> open_all(int signals);
  Result<Done> load_tables();
  Result<Done> know_link(Link link);
  Result<Done> lock_link(Port& port);
  Result<Done> follow_link(Link link);
  void try_link(Link link);
  Result<Done> open_port(Port& port, Link link);
  void tell_io(const Port& port, const std::string& skipped);
  void close_port(Port& port);
  void note_guards();
  void follow_kernel(KernelNews news);
  void follow_routes();
  void note_own_addresses();
  bool ask_route(Ip server);
  void follow_watch();
  void watch_port(Port& port);
  void widen_port(Port& port);
  void protect(Port& port);
  std::vector<Mac> macs_of(const Port& port) const;
  size_t serve_port(Port& port);
  void serve_ports();
  void serve_control();
  void change(const std::function<void()>& changes);
  void settle();
  void dispatch();
  void change_replies();
  void return_to_host();
  void count_links();
  void wait_and_serve();
  void serve_others();
  void read_signals();
  void renew_control();
  void write_late_lines();
  // State that survives: engine_state.cpp.
  void restore_state();
  void save_some();
  void save_all();
  void give_up_saving(const Error& error);
  // Replacement by another program: engine_replace.cpp.
  void begin_trial();
  void serve_trial();
  Instant trial_deadline() const;
  // Checks and VRRP: engine_ha.cpp.
  Result<Done> follow_checks(bool at_start);
  void settle_checks();
  void serve_checks();
  void start_probe(const Ward::ToAsk& ask);
  void probe_not_made(const std::string& reason);
  void warn_once(const std::string& text);
  Result<Done> follow_vrrp();
  void start_vrrp();
  void stop_vrrp();
  void vrrp_link_changed(Link link);
  void serve_vrrp();
  void act_on_vrrp();
  void share_addresses();
  void follow_tracks();
  void notify(const VrrpTransition& transition);
  // Connections that other directors know: engine_sync.cpp.
  Result<Done> follow_sync();
  Result<Done> set_sync(const std::optional<SyncConfig>& wanted);
  void sync_link_changed(Link link);
  void note_sync_leader();
  bool ours_by_vrrp(Ip vip) const;
  void hear_sync();
  void tell_sync();
  Instant sync_deadline() const;
  Instant ha_deadline() const;
  // Checks with via = vip: engine_check_path.cpp.
  void follow_check_path();
  bool open_check_path();
  std::optional<std::string> lead_probe(const Ward::ToAsk& ask, ProbeTarget& target);
  void expect_packets(const Ward::ToAsk& ask, const ProbeTarget& target);
  void serve_check_path();
  Instant routes_due() const;
  Instant next_deadline() const;
  bool poll_for(int fd, uint64_t what);

  Config config_;  // in effect
  Desk desk_;
  const Log& log_;
  Instant now_{};
  Director director_;
  Outbox outbox_;
  std::unique_ptr<Netlink> netlink_;
  std::unique_ptr<ControlSocket> control_;
  ControlLog operators_;  // what they changed
  LossLog losses_;        // packets for which there was no room
  std::unique_ptr<HostRoute> host_route_;
  Ward ward_;
  std::vector<WantedChecks> checks_;       // as the configuration wants them
  std::unique_ptr<Probes> probes_;         // null: nobody was ever to be asked
  std::unique_ptr<CheckPath> check_path_;  // null: no check has via = vip, or it cannot be had
  Error no_check_path_{};                  // why not
  Instant check_path_retry_{};             // when to try again
  std::vector<std::string> warned_;        // of that: once is enough
  Vrrp vrrp_;
  VrrpOutbox vrrp_out_;
  std::unique_ptr<class VrrpSocket> vrrp_socket_;  // null: there was never an instance
  std::vector<pid_t> notifiers_;                   // programs that may still run
  bool vrrp_started_ = false, vrrp_warned_ = false;
  FlowMap flows_;
  std::array<Port, kLinks> ports_;
  std::vector<Ip> hosts_;      // the host's own addresses on our links, sorted
  bool routes_stale_ = false;  // the kernel may have others than the director was told of
  bool asking_routes_ = false;
  std::optional<Ip> route_asked_{};  // the last one
  Instant routes_asked_{};           // when
  std::array<Frame, Director::kBatch> frames_{};
  std::vector<Frame> departing_;
  int others_ = -1;  // epoll: what is no interface
  int signals_ = -1;
  std::optional<SyncConfig> file_sync_;  // as the file has it; config_ may have been changed since by rawvsadm
  std::unique_ptr<Syncing> syncing_;     // null: connections stay here
  std::unique_ptr<Saving> saving_;       // null: nothing is being written
  Instant state_due_ = kNever;           // the next portion, or state
  bool state_warned_ = false;
  std::deque<std::shared_ptr<Job>> jobs_;  // the first one is under way
  std::vector<std::string> trial_argv_;
  std::unique_ptr<class Trial> trial_;  // null: no other program is tried
  bool stopping_ = false, replacing_ = false;
  bool guard_knows_flows_;                                 // the map of flows is some guard's, or will be
  bool routes_warned_ = false;                             // since the kernel last told one
  bool flows_warned_ = false, host_route_warned_ = false;  // once is enough: the counters go on
};

// How many of these frames, one at least, the director is given at once. It may have to cut all of them into packets
// that fit a tunnel, each of them a letter of the outbox.
size_t fitting(std::span<const Frame> frames);

}  // namespace rawvs
