// SPDX-License-Identifier: BSD-2-Clause
// main.cpp: rawvsd's command line, start as a daemon, end and replacement.
#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/ini_writer.h"
#include "rawvs/config.h"
#include "rawvs/control.h"
#include "rawvs/engine.h"
#include "sys/daemon.h"
#include "sys/engine/control_socket.h"
#include "sys/engine/handover.h"
#include "sys/engine/ini_file.h"
#include "sys/engine/next_program.h"
#include "sys/engine/opened.h"
#include "sys/engine/pid_file.h"
#include "sys/engine/start_check.h"
#include "sys/engine/trial.h"
#include "sys/guard/guard_links.h"
#include "sys/handed_over.h"
#include "sys/helper/helper.h"
#include "sys/net/tun.h"
#include "sys/rights/call_filter.h"
#include "sys/rights/outside.h"
#include "sys/rights/rights.h"
#include "sys/sys.h"

namespace {

using namespace rawvs;

constexpr char kUsage[] =
    "usage: rawvsd [-f] [-t] [-d] [-c FILE] [-p PIDFILE]\n"
    "  -f          stay in the foreground, log to standard error\n"
    "  -t          check the configuration, print what was understood, and exit\n"
    "  -c FILE     configuration, default /etc/rawvs.ini\n"
    "  -p PIDFILE  write the process id there\n"
    "  -d          log details, too\n"
    "  -v          print the version and exit\n"
    "See rawvsd(8) and rawvs.ini(5).\n";

// Exit codes: LSB's for init scripts.
enum : int { kOk = 0, kFailed = 1, kUsageError = 2, kNotConfigured = 6 };

constexpr size_t kAtOnce = 1 << 20;  // lines of the file: nothing else has to be done yet

struct Options {
  bool foreground = false, test = false, details = false;
  std::string config = "/etc/rawvs.ini", pidfile;
};

int fail(const std::string& text, int code) {
  std::fprintf(stderr, "rawvsd: %s\n", text.c_str());
  return code;
}

// The parent may have closed these three. The first files opened would get their numbers, and leave_terminal() would
// close them.
void fill_standard_descriptors() {
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

int block_signals() {  // the loop reads them from a descriptor instead
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&set, s);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // the parent may ignore it, and the exit status of checks' programs is needed
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

// A daemon changes its directory, and must find its file afterwards.
std::string absolute(const std::string& path) {
  if (path.empty() || path.starts_with('/')) return path;
  char* const here = getcwd(nullptr, 0);  // glibc's and musl's allocate
  std::string found = here ? std::string(here) + '/' + path : path;
  std::free(here);
  return found;
}

// The path of this program; a program that is later installed there can replace it.
std::string own_path() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

// The command line of the program that replaces this one. Paths are absolute: a daemon has left its directory.
std::vector<std::string> successor(const Options& options, const std::string& path) {
  std::vector<std::string> out{path};
  if (options.foreground) out.emplace_back("-f");
  if (options.details) out.emplace_back("-d");
  out.insert(out.end(), {"-c", options.config});
  if (!options.pidfile.empty()) out.insert(out.end(), {"-p", options.pidfile});
  return out;
}

// What a start as root does before it becomes the user: starts the program that keeps other rights, and makes the files
// in folders where the user may write nothing, which that program removes.
struct Prepared {
  Helper helper;
  Opened opened{};
  std::vector<std::string> warnings{};
  std::string seccomp = "seccomp: off with user = root";
};

Result<Done> make_files(const Config& config, const Rights& rights, PidFile& pidfile, Prepared& prepared) {
  for (std::string& line : hand_over_files(config, pidfile.path(), rights)) {
    prepared.warnings.push_back(std::move(line));
  }
  if (!rights.may_write(folder_of(pidfile.path()))) {
    if (const auto written = pidfile.write(); !written) return written;
  }
  const bool ours = rights.may_write(folder_of(config.control));
  auto control = ours ? ControlSocket::inherited(config.control, config.control_group, config.read_group)
                      : ControlSocket::listen(config.control, config.control_group, config.read_group);
  if (!control) return control.error();
  prepared.opened.control = std::move(*control);
  return Done{};
}

// The predecessor's, unless this is root, which starts its own.
Result<Helper> find_helper(Helper inherited, const Options& options, const Config& config, const Rights& rights,
                           bool interim) {
  if (inherited && geteuid() != 0) {
    if (!interim) inherited.renew();
    return inherited;
  }
  const std::string path = own_path();
  HelperCommand command{path.substr(0, path.rfind('/') + 1) + "rawvs-helper", options.config, rights.keeps_all()};
  for (const std::string& file : {options.pidfile, config.control}) {
    if (!file.empty() && !rights.may_write(folder_of(file))) command.to_remove.push_back(file);
  }
  return Helper::start(command);
}

Result<Prepared> prepare(const Options& options, const Config& config, Helper inherited, PidFile& pidfile,
                         bool interim) {
  lift_memory_limit();
  const Rights rights = Rights::find(config);
  auto helper = find_helper(std::move(inherited), options, config, rights, interim);
  Prepared out{.helper = helper ? std::move(*helper) : Helper(), .warnings = rights.warnings()};
  if (!helper) out.warnings.push_back(helper.error().text + ": programs (exec checks, notify) cannot be run");
  if (const auto made = make_files(config, rights, pidfile, out); !made) return made.error();
  if (config.local_clients && geteuid() == 0) {
    if (auto tun = Tun::open(TunHandOver::inherited())) out.opened.tun = std::move(*tun);  // else the engine says why
  }
  if (const auto given_up = rights.give_up(); !given_up) return given_up.error();
  if (!rights.keeps_all()) {
    const auto filter = allow_directors_calls(config);
    out.seccomp = allowed_text(config, filter);
    out.opened.calls = filter ? static_cast<uint32_t>(filter->calls) : 0;
  }
  return out;
}

// Opens everything else. The pid file is written last: init scripts take it for "ready".
Result<std::unique_ptr<Engine>> start(const Options& options, const Config& config, const Log& log, int signals,
                                      Prepared& prepared, PidFile& pidfile, Predecessor& predecessor) {
  for (const std::string& line : prepared.warnings) log.write(Severity::warning, line);
  const std::vector<Fd> earlier = inherited_guard_links();  // until this process has its own
  auto engine =
      Engine::start(config, options.config, log, prepared.helper, signals, std::move(prepared.opened), predecessor);
  if (!engine) return engine;
  if (const auto written = pidfile.write(); !written) return written.error();
  return engine;
}

// Returns when the program is to end. passes_on: to the process that started this one. Where another one has taken
// over, this process ends here, or executes it: with destructors it would close and remove what the other one uses now.
void serve(Engine& engine, const NextProgram& next, const Log& log, const bool& passes_on) {
  while (engine.run() == Engine::End::replace) {
    if (!engine.hand_over()) continue;
    if (passes_on) _exit(kOk);
    const Error failed = next.become(engine.successor());
    log.write(Severity::error, failed.text + ": the interim process goes on");
    _exit(kFailed);
  }
}

int run(const Options& options, const Config& config, const std::string& exposed, Helper inherited) {
  close_inherited();
  clean_environment();
  Predecessor predecessor = Predecessor::inherited();
  const bool interim = predecessor.is_interim();
  const bool replaces = predecessor || std::getenv(kStateVariable) != nullptr;  // a daemon, which has detached already
  const std::string path = own_path();
  const auto ready = options.foreground || replaces ? Result<int>(-1) : detach(kFailed);
  if (!ready) return fail(ready.error().text, kFailed);
  const auto say_ready = [&](char code) {  // the parent may have gone
    [[maybe_unused]] const ssize_t said = *ready >= 0 ? write(*ready, &code, 1) : 0;
  };
  const int signals = block_signals();
  const Log log(options.foreground ? Log::To::standard_error : Log::To::syslog, options.foreground || options.details);
  PidFile pidfile(interim ? "" : options.pidfile), later(options.pidfile);
  auto prepared = prepare(options, config, std::move(inherited), pidfile, interim);
  auto engine = prepared ? start(options, config, log, signals, *prepared, pidfile, predecessor) : prepared.error();
  if (!engine) {
    if (predecessor) predecessor.say_failed(engine.error().text);  // and it goes on
    if (interim) _exit(kFailed);
    if (!options.foreground) log.write(Severity::error, engine.error().text);
    fail(engine.error().text, kFailed);
    if (predecessor) _exit(kFailed);
    say_ready(kFailed);
    return kFailed;
  }
  if (!options.foreground) {
    leave_terminal();
    [[maybe_unused]] const int at_root = chdir("/");  // a failure only keeps the directory from being unmounted
  }
  log.write(Severity::notice, interim ? "the new program forwards: the process that started it becomes the same"
                                      : "rawvsd " + std::string(kVersion) + " runs on " + config.interface +
                                            (config.inside.empty() ? "" : " and " + config.inside));
  if (!interim) log.write(Severity::notice, "rights: " + rights_held() + "; " + prepared->seccomp);
  if (!exposed.empty() && !interim) log.write(Severity::warning, exposed);
  say_ready(kOk);
  const NextProgram next(**engine, prepared->helper, successor(options, path));
  bool passes_on = interim;
  (*engine)->set_next(
      next.trial(), [&](const HandOver& socket) { return next.start(socket); },
      [&] {
        passes_on = false;
        if (const auto written = later.write(); !written) log.write(Severity::warning, written.error().text);
      });
  serve(**engine, next, log, passes_on);
  engine->reset();
  log.write(Severity::notice, "rawvsd ends");
  return kOk;
}

// Prints what would prevent a start, or the configuration as it was read.
int test(const Options& options, const Config& config) {
  const auto faults = start_faults(config);
  for (const Error& fault : faults) fail(options.config + ": " + fault.text, kNotConfigured);
  if (!faults.empty()) return kNotConfigured;
  const Rights rights = Rights::find(config);
  for (const std::string& line : rights.warnings()) fail("warning: " + line, 0);
  const auto user = rights.user() ? std::optional(rights.user()->uid) : std::nullopt;
  if (const auto place = PidFile(options.pidfile, user).check(); !place) return fail(place.error().text, kFailed);
  for (const std::string& warning : start_warnings(config)) fail(options.config + ": warning: " + warning, 0);
  std::fputs(print_config(config, Secrets::hidden).c_str(), stdout);
  std::fprintf(stderr, "rawvsd: %s%s\n", options.config.c_str(), kValid);
  return kOk;
}

struct ReadConfig {
  Result<Config> config;
  std::string exposed;  // as in IniFile
};
ReadConfig read_config(const Options& options, const Helper& helper) {
  const bool forbidden = access(options.config.c_str(), R_OK) != 0 && errno == EACCES;
  const auto asked = forbidden && helper ? helper.open_config() : Result<Fd>(Error{});
  auto opened = asked ? wait_for_file(*asked) : asked.error();  // as a program that replaces another
  IniFile file = opened ? IniFile(options.config, std::move(*opened)) : IniFile(options.config);
  while (!file.step(kAtOnce)) continue;
  auto config = file.take();
  if (!config || options.test) {
    for (const std::string& line : file.findings().lines()) fail(line, 0);
  }
  return {std::move(config), file.exposed()};
}

// glibc keeps small pieces of memory that were freed, and joins all of them in one go when a large one is freed: 18 ms
// after those of 10,000 virtuals. With M_MXFAST = 0 it joins each of them when it is freed. musl needs no such call.
extern "C" int mallopt(int, int) __attribute__((weak));
void join_freed_memory_at_once() {
  constexpr int kMxfast = 1;
  if (mallopt != nullptr) mallopt(kMxfast, 0);
}

}  // namespace

int main(int argc, char** argv) {
  join_freed_memory_at_once();
  fill_standard_descriptors();
  Options options;
  for (int letter; (letter = getopt(argc, argv, "ftdvhc:p:")) != -1;) {
    switch (letter) {
      case 'f': options.foreground = true; break;
      case 't': options.test = true; break;
      case 'd': options.details = true; break;
      case 'c': options.config = optarg; break;
      case 'p': options.pidfile = optarg; break;
      case 'v': return std::printf("rawvsd %s\n", kVersion.data()) > 0 ? kOk : kFailed;
      case 'h': return std::fputs(kUsage, stdout) >= 0 ? kOk : kFailed;
      default: return std::fputs(kUsage, stderr), kUsageError;
    }
  }
  if (optind < argc) return fail("unexpected argument " + std::string(argv[optind]) + "\n" + kUsage, kUsageError);
  Helper helper = Helper::inherited();
  const auto [config, exposed] = read_config(options, helper);
  if (!config) return kNotConfigured;
  if (options.test) return test(options, *config);
  options.config = absolute(options.config), options.pidfile = absolute(options.pidfile);
  return run(options, *config, exposed, std::move(helper));
}
