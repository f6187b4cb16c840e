// SPDX-License-Identifier: BSD-2-Clause
// doctor_files.cpp: facts of files named in the configuration: programs that rawvsd runs, the place of the state.
// stat(2), statfs(2), path_resolution(7).
#include <pwd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "doctor.h"

namespace rawvs::adm {
namespace {

constexpr unsigned kTmpfs = 0x01021994, kRamfs = 0x858458f6;  // <linux/magic.h>
constexpr mode_t kOthers = S_IWGRP | S_IWOTH;

// True if this user may execute the file, or enter the directory: the bits are the same.
bool may_execute(const struct stat& facts, const passwd& user) {
  if (user.pw_uid == 0) return S_ISDIR(facts.st_mode) || (facts.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
  if (user.pw_uid == facts.st_uid) return (facts.st_mode & S_IXUSR) != 0;
  if (user.pw_gid == facts.st_gid) return (facts.st_mode & S_IXGRP) != 0;
  return (facts.st_mode & S_IXOTH) != 0;
}

// root: the root of rawvsd's files.
Runnable runnable(const std::string& root, const std::string& name, const passwd& user) {
  const std::string path = root + name;
  for (size_t slash = path.find('/', root.size() + 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    struct stat facts {};
    if (stat(path.substr(0, slash).c_str(), &facts) != 0) return Runnable::missing;
    if (!may_execute(facts, user)) return Runnable::unreachable;
  }
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return Runnable::missing;
  return may_execute(facts, user) ? Runnable::yes : Runnable::not_executable;
}

void note_program(const std::string& root, const std::string& command, const std::string& user,
                  const std::string& whose, FileFacts& files) {
  if (command.empty()) return;
  const passwd* const found = getpwnam(user.c_str());
  if (!found) return;  // cannot be: rawvsd would not have started
  const std::string path = command.substr(0, command.find(' '));
  files.programs.push_back({path, user, whose, runnable(root, path, *found)});
}

StatePlace state_place(const std::string& path, uid_t user) {
  StatePlace out;
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  struct stat facts {};
  out.there = !directory.empty() && stat(directory.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
  if (!out.there) return out;
  out.writable = access(directory.c_str(), W_OK) == 0;
  struct statfs system {};
  if (statfs(directory.c_str(), &system) == 0) {
    const auto type = static_cast<unsigned>(system.f_type);
    out.in_ram = type == kTmpfs || type == kRamfs;
    out.free = static_cast<uint64_t>(system.f_bavail) * static_cast<uint64_t>(system.f_bsize);
  }
  out.strange =
      lstat(path.c_str(), &facts) == 0 &&
      (!S_ISREG(facts.st_mode) || (facts.st_uid != 0 && facts.st_uid != user) || (facts.st_mode & kOthers) != 0);
  return out;
}

}  // namespace

FileFacts file_facts(const DaemonFacts& daemon, const RightsFacts& rights) {
  FileFacts out;
  if (geteuid() != 0) return out;
  out.known = true;
  const std::string root = root_of(daemon.pid);
  for (const SectionFacts& section : daemon.sections) {
    const std::string user = section.value("user");
    const std::string whose = section.kind + ' ' + section.name;
    if (section.kind == "check")
      note_program(root, section.value("program"), user.empty() ? "nobody" : user, whose, out);
    if (section.kind == "vrrp" || section.kind == "virtual")
      note_program(root, section.value("notify"), "root", whose, out);
  }
  if (const std::string path = daemon.setting("state"); !path.empty())
    out.state = state_place(root + path, rights.daemon ? rights.daemon->uid : 0);
  return out;
}

// What a file cannot express: a mark without matching packets; and what rawvsadm changed, which a restart would lose.
std::string look_at_marks(const DoctorFacts& facts, Findings& findings) {
  const std::string_view kMark = "mark ";
  for (const std::string& why : facts.daemon.unwritable) {
    const size_t colon = why.find(": no group");
    if (!why.starts_with(kMark) || colon == std::string::npos) {
      findings.push_back({Urgency::warning, "table-not-savable", "no configuration gives the present table", why,
                          "rawvsadm save --ini"});
      continue;
    }
    const std::string mark = why.substr(kMark.size(), colon - kMark.size());
    findings.push_back({Urgency::error, "mark-without-group", "the service of mark " + mark + " never gets a packet",
                        "no [group] says which packets carry this mark",
                        "add [group NAME], mark = " + mark + " and match = VIP PORTS to " + facts.daemon.config +
                            ", and rawvsadm reload; or rawvsadm -D -f " + mark});
  }
  return facts.daemon.unwritable.empty() ? "the present table can be saved as a configuration" : "";
}

}  // namespace rawvs::adm
