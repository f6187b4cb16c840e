// SPDX-License-Identifier: BSD-2-Clause
// Tests rawvsadm called by the name of one of LVS's programs.
#include <gtest/gtest.h>

#include "tools/rawvsadm/called_as.h"

namespace rawvs::adm {
namespace {

using Words = std::vector<std::string>;

Lines lines_of(Words lines) {
  return [lines = std::move(lines), next = size_t{0}]() mutable -> std::optional<std::string> {
    return next < lines.size() ? std::optional(lines[next++]) : std::nullopt;
  };
}

Words rest_of(const Lines& input) {
  Words rest;
  while (const auto line = input()) rest.push_back(*line);
  return rest;
}

Called called(const std::string& name, Words args = {}, const Lines& input = lines_of({})) {
  const auto found = called_as(name, std::move(args), input);
  if (const auto* const taken = std::get_if<Called>(&found)) return *taken;
  ADD_FAILURE() << name << ": " << std::get_if<Ending>(&found)->err;
  return {};
}

Words only_run(const Called& c) { return c.runs.size() == 1 ? c.runs[0].args : Words{"not one run"}; }

TEST(CalledAs, RawvsadmHasItsOwnWordsAndIsRawvsadmWhereverItIsCalledFrom) {
  for (const char* const name : {"rawvsadm", "/usr/sbin/rawvsadm", "./rawvsadm"}) {
    const Called c = called(name, {"drops", "--all"});
    EXPECT_EQ(c.program, "rawvsadm");
    EXPECT_FALSE(c.ipvsadm);
    EXPECT_EQ(only_run(c), (Words{"drops", "--all"}));
  }
}

TEST(CalledAs, IpvsadmNamesItselfAsItWasCalledAndReadsStandardInputItself) {
  const Called c = called("/sbin/ipvsadm", {"-R"}, lines_of({"-C\n"}));
  EXPECT_EQ(c.program, "/sbin/ipvsadm");
  EXPECT_TRUE(c.ipvsadm);
  EXPECT_EQ(only_run(c), Words{"-R"});
  EXPECT_EQ(rest_of(c.runs.at(0).input), Words{"-C\n"});
}

TEST(CalledAs, SaveTakesTheOneOptionAndPassesOverWhatIsNone) {
  EXPECT_EQ(only_run(called("ipvsadm-save")), Words{"-S"});
  EXPECT_EQ(only_run(called("/usr/sbin/ipvsadm-save", {"-n"})), (Words{"-S", "-n"}));
  EXPECT_EQ(only_run(called("ipvsadm-save", {"table", "-n", "-n", ""})), (Words{"-S", "-n"}));
  EXPECT_EQ(called("/usr/sbin/ipvsadm-save").program, "ipvsadm");
}

TEST(CalledAs, SaveHelpsWithAnyOtherOption) {
  for (const Words& args : {Words{"-h"}, Words{"-n", "--numeric"}, Words{"-nX"}, Words{"-"}}) {
    const auto found = called_as("/usr/sbin/ipvsadm-save", args, lines_of({}));
    const auto* const ending = std::get_if<Ending>(&found);
    ASSERT_NE(ending, nullptr) << args.back();
    EXPECT_EQ(ending->err,
              "ipvsadm-save: Script to save the IPVS table to stdout.\n"
              "   With the -n option, prints out the table in numeric format.\n");
    EXPECT_EQ(ending->out, "");
    EXPECT_EQ(ending->status, 1);
  }
}

TEST(CalledAs, RestoreReadsEverythingBeforeItClearsTheTableAndLeavesCommentsOut) {
  const Lines input = lines_of({"# saved\n", "-A -t 192.0.2.1:80\n", " # no comment\n", "#\n", "-C"});
  const Called c = called("ipvsadm-restore", {"-h"}, input);
  EXPECT_EQ(rest_of(input), Words{});
  EXPECT_EQ(c.program, "ipvsadm");
  ASSERT_EQ(c.runs.size(), 2u);
  EXPECT_EQ(c.runs[0].args, Words{"-C"});
  EXPECT_EQ(c.runs[1].args, Words{"-R"});
  EXPECT_EQ(rest_of(c.runs[1].input), (Words{"-A -t 192.0.2.1:80\n", " # no comment\n", "-C"}));
}

}  // namespace
}  // namespace rawvs::adm
