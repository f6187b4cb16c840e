// SPDX-License-Identifier: BSD-2-Clause
// service.cpp: a loop around poll(2).
#include "service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "rawvs/addr.h"
#include "sys/guard/guard_links.h"
#include "sys/helper/passing.h"
#include "sys/probe/probe_program.h"
#include "sys/sys.h"

namespace rawvs::helper {
namespace {

constexpr size_t kMostRunning = 512;
constexpr size_t kMostGuards = 256;  // those of two processes, while one takes over from the other
constexpr char kPath[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::array kStates = {"INITIALIZE", "BACKUP", "MASTER", "FAULT"};  // by VrrpState

void tell(const Fd& answers, HelperAnswer::What what, int status, std::string_view text, int file = -1) {
  HelperAnswer answer;
  answer.what = what;
  answer.status = status;
  put_cut(answer.text, text);
  const std::array<int, 1> fds{file};
  send_with(answers.get(), &answer, sizeof answer, {fds.data(), file < 0 ? size_t{0} : size_t{1}});
}
void tell_failed(const Fd& answers, std::string_view why) { tell(answers, HelperAnswer::What::failed, 0, why); }

std::vector<std::string> words_of_line(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const size_t blank = line.find(' ');
    if (blank != 0) words.emplace_back(line.substr(0, blank));
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
  }
  return words;
}

bool is_pipe(const Fd& fd) {
  struct stat facts {};
  return fstat(fd.get(), &facts) == 0 && S_ISFIFO(facts.st_mode);
}

// A name, an address with a port, or -: nothing that a shell or a program takes for something else.
bool names_server(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".:[]_-").find(c) != std::string_view::npos;
  });
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

Service::Service(Fd requests, Fd children, std::string config)
    : requests_(std::move(requests)), children_(std::move(children)), config_(std::move(config)) {}

void Service::read_config() {
  Fd file(open(config_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  if (auto allowed = Allowed::read(config_, std::move(file))) allowed_ = std::move(*allowed);
}

Service::End Service::run() {
  for (;;) {
    wait();
    kill_unwanted();
    collect();
    look_at_guards();
    if (!requests_wait_) continue;
    for (Taken taken = Taken::yes; taken != Taken::none;) {
      taken = take_request();
      if (taken == Taken::yes) continue;
      if (taken == Taken::none) break;
      for (const Running& one : running_) {
        if (!one.killed_with_it) continue;
        kill(-one.pid, SIGKILL);
        if (taken == Taken::renew && one.answers) tell_failed(one.answers, "rawvs-helper was started again meanwhile");
      }
      return taken == Taken::renew ? End::renew : End::daemon_gone;
    }
  }
}

void Service::wait() {
  std::vector<pollfd> polled{{requests_.get(), POLLIN, 0}, {children_.get(), POLLIN, 0}};
  for (const Running& one : running_) polled.push_back({one.killed_with_it ? one.answers.get() : -1, 0, 0});
  Instant first = kNever;
  for (const Guard& one : guards_) {
    polled.push_back({one.answers.get(), POLLIN, 0});
    first = std::min(first, one.until);
  }
  hung_up_.clear();
  requests_wait_ = false;
  const int most = first == kNever ? -1 : static_cast<int>(left_until(first, clock_now()).count());
  if (poll(polled.data(), polled.size(), most) < 0) return;
  requests_wait_ = polled[0].revents != 0;
  for (size_t i = 2; i < 2 + running_.size(); ++i) {
    if ((polled[i].revents & (POLLHUP | POLLERR)) != 0) hung_up_.push_back(i - 2);
  }
}

void Service::kill_unwanted() {
  for (const size_t place : hung_up_) {
    kill(-running_[place].pid, SIGKILL);
    running_[place].answers.reset();
  }
}

// A byte: the link is not needed any more. The end without one: rawvsd has crashed, or is to be started again.
void Service::look_at_guards() {
  const Instant now = clock_now();
  std::erase_if(guards_, [now](Guard& one) {
    char released = 0;
    const ssize_t got = one.answers ? read(one.answers.get(), &released, sizeof released) : -1;
    const bool gone = one.answers && (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR));
    if (gone) one.answers.reset(), one.until = now + kGuardKept;
    return got > 0 || now >= one.until;
  });
}

void Service::keep_guards() {
  requests_.reset();
  for (look_at_guards(); !guards_.empty(); look_at_guards()) {
    wait();
    collect();
  }
}

// The status is collected after the group is killed: until then no other process gets this number.
void Service::collect() {
  signalfd_siginfo info{};
  while (read(children_.get(), &info, sizeof info) == sizeof info) continue;
  std::erase_if(running_, [](Running& one) {
    siginfo_t end{};
    if (waitid(P_PID, static_cast<id_t>(one.pid), &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == 0)
      return false;
    if (one.killed_with_it) kill(-one.pid, SIGKILL);
    int status = 0;
    const bool known = waitpid(one.pid, &status, 0) == one.pid;
    if (one.answers && known) tell(one.answers, HelperAnswer::What::ended, status, "");
    if (one.answers && !known) tell_failed(one.answers, "how it ended is not known");
    return true;
  });
  while (running_.empty() && waitpid(-1, nullptr, WNOHANG) > 0) continue;  // the predecessor's, after a renewal
}

Service::Taken Service::take_request() {
  HelperRequest request;
  std::vector<Fd> fds;
  const ssize_t got = receive_with(requests_.get(), &request, sizeof request, fds);
  // Without memory it comes later: poll(2) says again that it waits.
  const bool later = errno == EAGAIN || errno == EINTR || errno == ENOMEM || errno == ENOBUFS;
  if (got < 0) return later ? Taken::none : Taken::gone;
  if (got == 0) return Taken::gone;
  if (got != sizeof request || request.version != HelperRequest().version || fds.empty()) return Taken::yes;
  if (request.ask == HelperAsk::renew) return Taken::renew;
  answer(request, fds);
  return Taken::yes;
}

void Service::answer(const HelperRequest& request, std::vector<Fd>& fds) {
  Fd answers = std::move(fds[0]);
  fcntl(answers.get(), F_SETFL, O_NONBLOCK);
  if (request.ask == HelperAsk::config) return open_config(std::move(answers));
  if (request.ask == HelperAsk::guard && fds.size() == 2) return keep_guard(std::move(answers), std::move(fds[1]));
  if (running_.size() >= kMostRunning) return tell_failed(answers, "too many programs run");
  if (request.ask == HelperAsk::notify) return run_notify(request, std::move(answers));
  if (request.ask == HelperAsk::notify_virtual) return run_notify_virtual(request, std::move(answers));
  if (request.ask != HelperAsk::check || fds.size() < 2 || !is_pipe(fds[1]))
    return tell_failed(answers, "rawvs-helper: not a request");
  run_check(request, std::move(answers), std::move(fds[1]));
}

void Service::run_check(const HelperRequest& request, Fd answers, Fd output) {
  const auto program = text_of(request.program), name = text_of(request.user), service = text_of(request.name);
  if (!program || !name || !service || !printable(*service)) return tell_failed(answers, "rawvs-helper: not a request");
  if (!allowed_.check(*program, *name)) {
    return tell_failed(answers, *program + ": not run as " + *name + ": no check in " + config_ + " names it");
  }
  const auto user = find_user(*name);
  if (!user) return tell_failed(answers, user.error().text);
  ProgramCall call{.argv = words_of_line(*program), .user = &*user, .output = output.get()};
  call.environment = {
      kPath,
      "RAWVS_SERVER=" + text(Ip(request.server[0], request.server[1])),
      "RAWVS_PORT=" + std::to_string(request.port),
      "RAWVS_VIP=" + text(Ip(request.vip[0], request.vip[1])),
      "RAWVS_SERVICE=" + *service,
  };
  const auto run = run_program(call);
  if (!run) return tell_failed(answers, run.error().text);
  begin(run->pid, std::move(answers), true);
}

void Service::run_notify(const HelperRequest& request, Fd answers) {
  const auto name = text_of(request.name);
  const std::string* const program = name ? allowed_.notify(*name) : nullptr;
  if (!program || request.state >= kStates.size())
    return tell_failed(answers, "no [vrrp] in " + config_ + " names a program for it");
  run_as_root({*program, *name, kStates[request.state], std::to_string(request.priority)}, std::move(answers));
}

void Service::run_notify_virtual(const HelperRequest& request, Fd answers) {
  const auto name = text_of(request.name), server = text_of(request.program);
  const std::string* const program = name ? allowed_.notify_virtual(*name) : nullptr;
  if (!program || !server || !names_server(*server) || request.state >= kHealthEvents) {
    return tell_failed(answers, "no [virtual] in " + config_ + " names a program for it");
  }
  run_as_root({*program, *name, rawvs::name(static_cast<HealthEvent>(request.state)), *server}, std::move(answers));
}

void Service::run_as_root(std::vector<std::string> argv, Fd answers) {
  const User root{"root", 0, 0};
  const std::array<Fd, 1> null{Fd(open("/dev/null", O_WRONLY | O_CLOEXEC))};
  ProgramCall call{.argv = std::move(argv), .environment = {kPath}, .user = &root, .output = null[0].get()};
  const auto run = run_program(call);
  if (!run) return tell_failed(answers, run.error().text);
  begin(run->pid, std::move(answers), false);
}

void Service::keep_guard(Fd answers, Fd link) {
  if (guards_.size() < kMostGuards && is_bpf_link(link.get())) guards_.push_back({std::move(answers), std::move(link)});
}

void Service::begin(pid_t pid, Fd answers, bool killed_with_it) {
  running_.push_back({pid, std::move(answers), killed_with_it});
}

// The file is passed on at once, and read afterwards: rawvsd's requests about what it names come later.
void Service::open_config(Fd answers) {
  Fd file(open(config_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return tell_failed(answers, system_error(config_, errno));
  tell(answers, HelperAnswer::What::opened, 0, "", file.get());
  if (auto allowed = Allowed::read(config_, std::move(file))) allowed_ = std::move(*allowed);
}

Fd children_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGCHLD, SIG_DFL);
  std::signal(SIGPIPE, SIG_IGN);
  return Fd(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

void remove_left(const std::string& path, pid_t daemon) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return;
  if (S_ISREG(facts.st_mode)) {
    const auto text = read_file(path);
    if (text && *text == std::to_string(daemon) + '\n') unlink(path.c_str());
    return;
  }
  sockaddr_un address{};
  if (!S_ISSOCK(facts.st_mode) || path.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const Fd probe(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool refused =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  if (refused) unlink(path.c_str());
}

}  // namespace rawvs::helper
