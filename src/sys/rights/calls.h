// SPDX-License-Identifier: BSD-2-Clause
// calls.h: the system calls that rawvsd makes, each with its reason, and those that no program of a check needs.
// Not: how the kernel is told (call_filter.h).
//
// The names are those of all supported machines and C libraries: a call of 64-bit time on a 32-bit machine has a name
// of its own, and glibc and musl choose differently among old and new forms. A machine without a call of that name
// skips it. A program that replaces this one starts under this list: calls of a start are on it, too.
//
// syscalls(2).
#pragma once

namespace rawvs {

struct AllowedCalls {
  const char* names;  // blanks between
  const char* why;
};

inline constexpr AllowedCalls kDirectorCalls[] = {
    {"poll ppoll ppoll_time64", "waits for one descriptor: servers' sockets, rawvs-helper, another rawvsd"},
    {"epoll_create1 epoll_create epoll_ctl epoll_wait epoll_pwait", "the loop"},
    {"signalfd4 signalfd", "the loop reads signals"},
    {"recvfrom recv recvmsg recvmmsg recvmmsg_time64", "frames, netlink, requests"},
    {"sendto send sendmsg sendmmsg", "frames, netlink, replies, lines of the log"},
    {"bind connect listen accept accept4 getsockname getpeername", "packet sockets, checks, the control socket"},
    {"getsockopt setsockopt shutdown", "packet sockets and their filters, checks"},
    {"read readv write writev", "files, signals, memory for received frames; C libraries write by writev"},
    {"pread64 pwrite64 lseek _llseek ftruncate ftruncate64", "the state file; loading a program"},
    {"open openat close close_range dup dup2 dup3 pipe pipe2", "files, and descriptors 0 to 2"},
    {"fcntl fcntl64 flock", "flags of descriptors; the pid file's lock"},
    {"access faccessat faccessat2 readlink readlinkat getcwd chdir", "paths; this program's own"},
    {"stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx", "facts of files"},
    {"statfs statfs64 fstatfs fstatfs64", "whether a file system is what it should be"},
    {"getdents getdents64", "/sys and /proc"},
    {"rename renameat renameat2 unlink unlinkat mkdir mkdirat", "the state file, the control socket, the pid file"},
    {"chmod fchmod fchmodat chown chown32 fchown fchown32 lchown lchown32 fchownat umask", "and their owners"},
    {"fsync fdatasync", "files that are replaced"},
    {"memfd_create", "connections for another rawvsd"},
    {"mmap mmap2 munmap mremap mprotect madvise brk", "memory; rings of packet sockets"},
    {"mlock munlock", "memory of AF_XDP"},
    {"clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday time", "clocks, without a vDSO"},
    {"clock_nanosleep clock_nanosleep_time64 nanosleep", "a process that keeps the guards a while"},
    {"getrandom", "keys of hashes and sequence numbers"},
    {"getpid getppid gettid getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32", "who this is"},
    {"getresuid getresuid32 getresgid getresgid32 getgroups getgroups32", "and which rights it has"},
    {"capget capset", "capabilities pass on to the next program"},
    {"getrlimit ugetrlimit setrlimit prlimit64 getrusage", "no core dumps; limits of descriptors and memory"},
    {"uname sysinfo sched_getaffinity", "libbpf and C libraries: the kernel's version, processors, memory"},
    {"fork vfork execve wait4 waitpid waitid kill setsid", "SIGUSR2: the next program, and its end"},
    {"exit exit_group", "the end"},
    {"rt_sigaction rt_sigprocmask rt_sigreturn sigreturn rt_sigpending sigaltstack tgkill tkill", "signals, abort"},
    {"restart_syscall", "the kernel itself continues a call by it after a stop"},
    {"arch_prctl set_thread_area set_tls set_tid_address set_robust_list rseq", "a program's start: its thread"},
    {"futex futex_time64", "locks in C libraries"},
    {"cacheflush breakpoint riscv_flush_icache riscv_hwprobe sched_yield", "the machine's own calls"},
    {"seccomp", "the next program's list"},
};

// Where eBPF programs are loaded: a guard's, AF_XDP's, the fast path's. Maps change with connections.
inline constexpr AllowedCalls kProgramCalls[] = {{"bpf perf_event_open", "programs and maps, of the guard and others"}};

// rawvs-helper's programs inherit what it may not do, and no process can undo that: so it refuses only what no program
// of a check or a VRRP instance has to do. All of these need rights that such a program does not have, or reach into
// other processes or rarely used parts of the kernel.
inline constexpr const char* kRefusedToPrograms =
    "ptrace process_vm_readv process_vm_writev kcmp process_madvise pidfd_getfd "
    "kexec_load kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct "
    "mount umount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr "
    "open_by_handle_at fanotify_init quotactl quotactl_fd lookup_dcookie nfsservctl "
    "keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_uring_register bpf perf_event_open "
    "clock_settime clock_settime64 clock_adjtime clock_adjtime64 settimeofday stime adjtimex "
    "iopl ioperm vm86 vm86old modify_ldt vhangup syslog sethostname setdomainname "
    "move_pages migrate_pages mbind set_mempolicy uselib _sysctl";

}  // namespace rawvs
