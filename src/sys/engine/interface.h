// SPDX-License-Identifier: BSD-2-Clause
// interface.h: one network interface in use: its socket, its guard, and what both were set to.
// In:  the kernel's facts about it, the director's Watch.
// Out: frames for FrameExchange by a FrameIo, whose filter and guard follow the Watch.
// Not: when to open it, and notifying other parts (ports.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/link.h"
#include "side/watch.h"
#include "sys/engine/engine_context.h"
#include "sys/guard/guard.h"
#include "sys/guard/guard_links.h"
#include "sys/io/frame_io.h"
#include "sys/net/interface_lock.h"
#include "sys/net/tun.h"

namespace rawvs {

class Interface {
 public:
  // tun: it is that interface, of this host's own packets, which needs no guard; REQUIRES: tun outlives it.
  Interface(EngineContext& context, Link link, const std::string& name, const Tun* tun = nullptr)
      : context_(context), link_(link), name_(name), tun_(tun) {}
  ~Interface() { close(); }
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  const std::string& name() const { return name_; }  // empty: not configured
  const LinkFacts& facts() const { return facts_; }  // as last read from the kernel
  bool is_open() const { return io_ != nullptr; }
  const Guard* guard() const { return guard_.get(); }
  bool of_host() const { return tun_ != nullptr; }
  // Since the start, with those of closed sockets.
  LinkCounters counters() const;

  // Sets its facts. REQUIRES: called before anything else: it may be another interface of the same name.
  Result<Done> take(const LinkFacts& facts);
  // patience: retry a busy back end for this long: the previous program has just closed it.
  Result<Done> open(Duration patience);
  void close();
  // What another rawvsd needs to take over: the lock, and a back end that the kernel gives to one process only. The
  // guard stays, and so does the fast path, switched off. take_back(): it did not take over. An Error: open() is to be
  // called again.
  void release();
  Result<Done> take_back();
  // Whether the guard stays for some seconds, for a start that follows; else it is the next one's matter from now on.
  void leave_guard(bool stays);
  // This one's guard knows everything by now: one of an earlier rawvsd, or of before take_back(), goes.
  void end_former_guard();
  void end_fast() { detach_fast(); }  // REQUIRES: the director forwards everything itself

  // Filter and guard follow the director's VIPs and NAT servers at once, so that they are in effect when the request is
  // answered: the filter admits at least what is needed. Narrowing it, and neighbours, may wait until deadline():
  // compiling a long filter takes milliseconds, and a restored table changes a thousand times.
  // hosts: the host's own addresses, sorted.
  void follow_watch(const std::vector<Ip>& hosts);
  Instant deadline() const { return told_.again; }

 private:
  Result<Done> lock();
  Result<Done> open_io(Duration patience);
  Result<Done> open_tun();
  void say_io(const std::string& skipped) const;
  void attach_guard();
  // The fast path is attached to the interface, after the guard, while the socket's filter leaves out what it forwards.
  void follow_fast();
  void attach_fast();
  void detach_fast();
  void say_no_fast(const std::string& problem);
  void watch_all(const std::vector<Ip>& hosts);
  void widen(const std::vector<Ip>& hosts);
  void protect(const std::vector<Ip>& hosts);
  void say_groups();
  bool has_macs(const std::vector<Mac>& macs) const;
  std::vector<Mac> own_macs() const;

  EngineContext& context_;
  Link link_;
  std::string name_;
  const Tun* tun_;  // null: an interface like any other
  LinkFacts facts_;
  InterfaceLock lock_;
  std::unique_ptr<FrameIo> io_;
  std::unique_ptr<Guard> guard_, former_guard_;
  std::unique_ptr<FastHook> fast_;
  std::string fast_problem_{};  // why the fast path is not attached; logged
  bool fast_refused_ = false;   // by the kernel: it is tried again by open()
  bool alone_ = false;          // there is no former guard
  KeptGuard kept_;
  struct {  // the last settings of the open socket's filter and guard
    Watch watch{};
    std::vector<Mac> macs{};  // ours, the interface's first
    std::vector<Ip> hosts{};
    std::optional<uint32_t> version{};
    Instant again = kNever;  // when the filter is to be exact again
    bool wide = false;       // the filter is too long for the kernel and admits everything; logged
    std::string problem{};   // why the filter is not exact; logged
    bool partly = false;     // the guard has no room for everything; logged
    bool ungrouped = false;  // groups of IPv6 VIPs are missing; logged
  } told_;
  LinkCounters past_;  // of closed sockets
};

}  // namespace rawvs
