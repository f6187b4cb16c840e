// SPDX-License-Identifier: BSD-2-Clause
// Tests probes.h with programs: their end, their rights, and that nothing of them remains.
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "root_probe.h"

namespace rawvs::test {
namespace {

class ExecProbeTest : public ProbeTest {
 protected:
  CheckSpec script(const std::string& text) {
    CheckSpec spec = spec_of(CheckKind::exec);
    spec.program = folder_.script("check" + std::to_string(++count_), text);
    return spec;
  }
  ProbeFinding run(const std::string& text) { return ask(script(text), at(kHere, 80)); }

  Folder folder_;
  int count_ = 0;
};

// The process has ended, or is a zombie that init has not reaped.
bool dead(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string word, state;
  file >> word >> word >> state;
  return !file || state == "Z" || state == "X";
}

bool dies(const std::string& pid) {
  for (int tries = 0; tries < 200 && !dead(pid); ++tries) poll(nullptr, 0, 10);
  return !pid.empty() && dead(pid);
}

// The words of a program's last line, behind what the probe says itself.
std::vector<std::string> words_behind(const std::string& text, const std::string& begin) {
  EXPECT_TRUE(text.starts_with(begin)) << text;
  std::vector<std::string> words;
  std::string word;
  for (const char c : text.substr(std::min(begin.size(), text.size())) + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

bool no_child_is_left() { return waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

TEST_F(ExecProbeTest, HasTheProgramsExitStatusAndLastLine) {
  const struct {
    const char *script, *text;
    bool well;
  } rows[] = {
      {"exit 0", "exit status 0", true},
      {"echo one; echo two; exit 0", "exit status 0: two", true},
      {"echo 'disk full' >&2; exit 2", "exit status 2: disk full", false},
      {"echo first; echo; printf 'no end'; exit 1", "exit status 1: no end", false},
      {"printf 'a\\tb\\033[1m\\r\\n'; exit 1", "exit status 1: a?b?[1m", false},
      {"kill -SEGV $$", "killed by signal 11", false},
      {"exec >&- 2>&-; exit 3", "exit status 3", false},
  };
  for (const auto& row : rows) {
    const ProbeFinding finding = run(row.script);
    EXPECT_EQ(finding.text, row.text);
    EXPECT_EQ(finding.well, row.well);
    EXPECT_TRUE(finding.asked);
    EXPECT_TRUE(no_child_is_left());
  }
}

TEST_F(ExecProbeTest, ShortensALongLine) {
  EXPECT_EQ(run("head -c 300000 /dev/zero | tr '\\0' x; exit 1").text, "exit status 1: " + std::string(200, 'x'));
}

TEST_F(ExecProbeTest, PassesArguments) {
  CheckSpec spec = script("echo $#:$1:$2; exit 0");
  spec.program += "  one   two";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "exit status 0: 2:one:two");
}

TEST_F(ExecProbeTest, TellsTheProgramWhomItIsAboutAndNothingElse) {
  ProbeTarget target = at(kHere, 8080);
  target.to = {kSilent, Port(80)};
  target.vip = kSilent;
  target.service = "TCP 198.51.100.9:80";
  setenv("RAWVS_TEST_SECRET", "1", 1);
  CheckSpec spec = spec_of(CheckKind::exec);
  // A shell would add variables of its own.
  spec.program = "/usr/bin/env";
  const ProbeFinding last = ask(spec, target);
  unsetenv("RAWVS_TEST_SECRET");
  EXPECT_EQ(last.text, "exit status 0: RAWVS_SERVICE=TCP 198.51.100.9:80");
  EXPECT_EQ(
      ask(script("/usr/bin/env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | tr '\\n' '|'"), target).text,
      "exit status 0: PATH=/usr/sbin:/usr/bin:/sbin:/bin|RAWVS_PORT=8080|RAWVS_SERVER=192.0.2.1|"
      "RAWVS_SERVICE=TCP 198.51.100.9:80|RAWVS_VIP=198.51.100.9|");
}

TEST_F(ExecProbeTest, TakesItsRightsFromTheUser) {
  std::vector<gid_t> before(static_cast<size_t>(getgroups(0, nullptr)));
  ASSERT_GE(getgroups(static_cast<int>(before.size()), before.data()), 0);
  const gid_t ours = 4242;
  ASSERT_EQ(setgroups(1, &ours), 0);
  EXPECT_EQ(run("echo $(id -un) $(id -G) $(id -gn)").text, "exit status 0: nobody 65534 nogroup");
  EXPECT_EQ(run("echo $(grep -c '^Cap[A-Z][a-z]*:.0*$' /proc/self/status)").text.substr(0, 16), "exit status 0: 4")
      << "inherited, permitted, effective, ambient";
  CheckSpec root = script("id -u; echo $(id -G)");
  root.user = "root";
  EXPECT_EQ(ask(root, at(kHere, 80)).text, "exit status 0: 0");
  EXPECT_EQ(setgroups(before.size(), before.data()), 0);
}

TEST_F(ExecProbeTest, SaysThatThereIsNoSuchUserOrProgram) {
  CheckSpec spec = script("exit 0");
  spec.user = "no-such-user";
  ProbeFinding finding = ask(spec, at(kHere, 80));
  EXPECT_FALSE(finding.well || finding.asked);
  EXPECT_EQ(finding.text, "there is no user \"no-such-user\" in /etc/passwd");
  const struct {
    const char *program, *text;
  } rows[] = {{"/no/such/program", "/no/such/program: No such file or directory"},
              {"/etc/passwd", "/etc/passwd: Permission denied"}};
  for (const auto& row : rows) {
    spec = spec_of(CheckKind::exec);
    spec.program = row.program;
    finding = ask(spec, at(kHere, 80));
    EXPECT_FALSE(finding.well || finding.asked);
    EXPECT_EQ(finding.text, row.text);
    EXPECT_TRUE(no_child_is_left());
  }
}

TEST_F(ExecProbeTest, GivesTheProgramNoDescriptorOfOurs) {
  const int leaky = open("/dev/null", O_RDONLY);  // not close-on-exec
  EXPECT_EQ(run("echo $(cd /proc/$$/fd && echo * | tr -d ' ' | tr -d 1-9)").text.substr(0, 14), "exit status 0:");
  CheckSpec spec = spec_of(CheckKind::exec);
  spec.program = "/bin/ls -m /proc/self/fd";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "exit status 0: 0, 1, 2, 3") << "3 is ls's own, of the folder";
  spec.program = "/usr/bin/readlink /proc/self/fd/0";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "exit status 0: /dev/null");
  close(leaky);
}

TEST_F(ExecProbeTest, StartsTheProgramWithSignalsAsTheyAreByDefault) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto pipe_before = std::signal(SIGPIPE, SIG_IGN);
  CheckSpec spec = spec_of(CheckKind::exec);
  for (const char* line : {"SigBlk", "SigIgn"}) {
    spec.program = "/bin/grep ^" + std::string(line) + ": /proc/self/status";
    const std::string text = ask(spec, at(kHere, 80)).text;
    // The 28 lowest signals: the C library keeps 32 and 33, which GNU make leaves ignored, for itself.
    EXPECT_TRUE(text.starts_with("exit status 0: " + std::string(line)) && text.ends_with("0000000")) << text;
  }
  spec.program = "/bin/pwd";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "exit status 0: /");
  std::signal(SIGPIPE, pipe_before);
  sigset_t now;
  sigprocmask(SIG_SETMASK, &before, &now);
  EXPECT_TRUE(sigismember(&now, SIGTERM)) << "ours are as they were";
}

TEST_F(ExecProbeTest, KillsAProgramThatHangsAndItsChildren) {
  start(script("sleep 1000 & echo $$ $!; sleep 1000"), at(kHere, 80));
  EXPECT_TRUE(quiet());
  const ProbeFinding finding = at_timeout();
  EXPECT_FALSE(finding.well);
  const auto pids = words_behind(finding.text, "no end within 2 s: ");
  ASSERT_EQ(pids.size(), 2u);
  EXPECT_TRUE(dies(pids[0]));
  EXPECT_TRUE(dies(pids[1]));
  for (int tries = 0; tries < 100 && probes_->next_deadline() != kNever; ++tries) {
    poll(nullptr, 0, 10);
    probes_->serve(kStart + 3s + tries * 100ms);
  }
  EXPECT_EQ(probes_->next_deadline(), kNever);
  EXPECT_TRUE(no_child_is_left());
}

TEST_F(ExecProbeTest, KillsWhatAProgramThatEndsLeavesBehind) {
  const ProbeFinding finding = run("sleep 1000 & echo $!; exit 0");
  EXPECT_TRUE(finding.well);
  const auto pids = words_behind(finding.text, "exit status 0: ");
  ASSERT_EQ(pids.size(), 1u);
  EXPECT_TRUE(dies(pids[0]));
}

TEST_F(ExecProbeTest, KillsWhatIsCancelledOrStillThereAtTheEnd) {
  const std::string note = folder_.path() + "/pids";
  std::ofstream(note).close();
  shell("chmod 666 " + note);
  start(script("echo $$ >>" + note + "; sleep 1000"), at(kHere, 80), 1);
  start(script("echo $$ >>" + note + "; sleep 1000"), at(kHere, 80), 2);
  std::vector<std::string> pids;
  for (int tries = 0; tries < 500 && pids.size() < 2; ++tries) {
    poll(nullptr, 0, 10);
    std::ifstream file(note);
    pids.assign(std::istream_iterator<std::string>(file), {});
  }
  ASSERT_EQ(pids.size(), 2u);
  probes_->cancel(ProbeId(1));
  probes_.reset();
  EXPECT_TRUE(dies(pids[0]));
  EXPECT_TRUE(dies(pids[1]));
  EXPECT_TRUE(no_child_is_left());
}

TEST_F(ExecProbeTest, LetsAProgramCloseItsOutputAndGoOn) {
  start(script("echo before; exec >&- 2>&-; sleep 1000"), at(kHere, 80));
  EXPECT_TRUE(quiet());
  pollfd wait{probes_->fd(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 0) << "the loop would never sleep";
  EXPECT_EQ(at_timeout().text, "no end within 2 s: before");
}

TEST_F(ExecProbeTest, RunsManyAtOnce) {
  const CheckSpec spec = script("exit 7");
  for (uint32_t id = 1; id <= 50; ++id) start(spec, at(kHere, 80), id);
  size_t found = 0;
  for (int turn = 0; turn < 1000 && found < 50; ++turn) {
    pollfd wait{probes_->fd(), POLLIN, 0};
    poll(&wait, 1, 10);
    for (const ProbeFinding& finding : probes_->serve(kStart)) {
      EXPECT_EQ(finding.text, "exit status 7");
      ++found;
    }
  }
  EXPECT_EQ(found, 50u);
  EXPECT_TRUE(no_child_is_left());
}

TEST_F(ExecProbeTest, RunsWhatTheFileNamesAlone) {
  helper_.allow(script("exit 0"));
  CheckSpec spec = script("exit 0");
  const auto text = [&] {
    EXPECT_TRUE(probes_->start(ProbeId(9), spec, at(kHere, 80), kStart));  // as a process that was taken over asks
    return next().text;
  };
  EXPECT_NE(text().find(spec.program + ": not run as nobody: no check in "), std::string::npos);
  helper_.allow(spec);
  EXPECT_EQ(text(), "exit status 0");
  spec.user = "root";
  EXPECT_NE(text().find(spec.program + ": not run as root: no check in "), std::string::npos);
  spec.user = "nobody";
  spec.program += " more";
  EXPECT_NE(text().find("no check in "), std::string::npos) << "with other arguments";
}

TEST_F(ExecProbeTest, RefusesAProgramThatOthersCanWrite) {
  const CheckSpec spec = script("exit 0");
  ASSERT_EQ(chmod(spec.program.c_str(), 0757), 0);
  EXPECT_EQ(ask(spec, at(kHere, 80)).text,
            spec.program + ": not run as nobody: others than root and nobody can write it");
  ASSERT_EQ(chmod(spec.program.c_str(), 0755), 0);
  ASSERT_EQ(chown(spec.program.c_str(), 12345, 0), 0);
  EXPECT_FALSE(ask(spec, at(kHere, 80)).asked);
  ASSERT_EQ(chown(spec.program.c_str(), 65534, 0), 0) << "its own user's";
  EXPECT_EQ(ask(spec, at(kHere, 80)).text, "exit status 0");
}

}  // namespace
}  // namespace rawvs::test
