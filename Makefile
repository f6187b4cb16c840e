# SPDX-License-Identifier: BSD-2-Clause
# Plain GNU make. `make help` lists the targets; CXX, CXXFLAGS, PKG_CONFIG, DESTDIR and prefix work as everywhere.

CXX        ?= g++
PKG_CONFIG ?= pkg-config
DESTDIR    ?=
prefix     ?= /usr/local
sbindir    ?= $(prefix)/sbin
mandir     ?= $(prefix)/share/man
sysconfdir ?= /etc

BUILD      ?= build
SANITIZE   ?=
OPTIMIZE   ?= -O2 -g

WARNINGS   := -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wnon-virtual-dtor -Werror
CXXFLAGS   ?= $(OPTIMIZE)
STD        := -std=c++20
# The program itself neither throws nor asks for types at run time; the tests need gtest's exceptions.
LEAN       := -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections -fstack-protector-strong
COMPILE     = $(CXX) $(STD) $(WARNINGS) $(CPPFLAGS) $(CXXFLAGS) $(SANITIZE) -Iinclude -MMD -MP -c

PURE_SRC   := $(wildcard src/wire/*.cpp src/core/*.cpp src/side/*.cpp src/admin/*.cpp src/director*.cpp)
SYS_SRC    := $(wildcard src/sys/*.cpp)
ADM_SRC    := $(wildcard tools/rawvsadm/*.cpp)
REPLAY_SRC := $(wildcard tools/rawvs-replay/*.cpp)
TEST_SRC   := $(wildcard tests/*.cpp)

obj         = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(1))
PURE_OBJ   := $(call obj,$(PURE_SRC))
SYS_OBJ    := $(call obj,$(SYS_SRC))

LIBS_PURE  := -lnet -linih
LIBS_SYS   := -lpcap -lmnl
LIBS_ADM   := -lpopt
# Routers have no libstdc++: it is linked in. Sanitizers want the shared one.
LINK_LEAN  := $(if $(SANITIZE),,-static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--as-needed)

PROGRAMS   := $(BUILD)/rawvsd $(BUILD)/rawvsadm $(BUILD)/rawvs-replay

all: $(PROGRAMS)  ## build the three programs (build/)

$(BUILD)/rawvsd: $(call obj,src/main.cpp) $(PURE_OBJ) $(SYS_OBJ)
	$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS)

$(BUILD)/rawvsadm: $(call obj,$(ADM_SRC)) $(BUILD)/obj/src/wire/addr.o
	$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_ADM)

$(BUILD)/rawvs-replay: $(call obj,$(REPLAY_SRC)) $(PURE_OBJ)
	$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) $(LINK_LEAN) -o $@ $^ $(LIBS_PURE) -lpcap

# Everything the unit tests exercise is linked as it is in the programs.
$(BUILD)/unit-tests: $(call obj,$(TEST_SRC)) $(PURE_OBJ) $(SYS_OBJ) $(filter-out %/main.o,$(call obj,$(ADM_SRC) $(REPLAY_SRC)))
	$(CXX) $(CXXFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LIBS_PURE) $(LIBS_SYS) $(LIBS_ADM) -lgtest -lgtest_main -lpthread

$(BUILD)/obj/tests/%.o: tests/%.cpp
	@mkdir -p $(@D)
	$(COMPILE) -Itests -I. -o $@ $<

$(BUILD)/obj/%.o: %.cpp
	@mkdir -p $(@D)
	$(COMPILE) $(LEAN) -o $@ $<

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

clean:  ## remove what was built
	rm -rf $(BUILD) build-asan

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

.PHONY: all clean help
.DELETE_ON_ERROR:
