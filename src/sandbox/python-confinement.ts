/**
 * What python3 workers do to themselves before the first call, whatever stands around them; a string, because it travels on
 * the command line. `confine(limits)` gives back which walls stand: seccomp (no process can be started, none but its own be
 * signalled, traced or limited, so that killing the one process kills all) and landlock (files: the interpreter's to
 * read, the working directory to write, nothing else). Both hold for every thread and cannot be undone. Needs ctypes.
 */
export const PYTHON_CONFINEMENT = String.raw`
import ctypes, os, resource, signal, struct, sys

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long

# include/uapi/asm-generic/unistd.h (aarch64) and arch/x86/entry/syscalls/syscall_64.tbl: from io_uring on they are the same.
SAME = dict(io_uring_setup=425, pidfd_send_signal=424, open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432,
    pidfd_open=434, pidfd_getfd=438, process_madvise=440, mount_setattr=442)
CALLS = {
    'x86_64': (0xC000003E, dict(SAME, fork=57, vfork=58, execve=59, execveat=322, ptrace=101, process_vm_readv=310,
        process_vm_writev=311, kcmp=312, mount=165, umount2=166, pivot_root=155, chroot=161, unshare=272, setns=308, bpf=321,
        perf_event_open=298, userfaultfd=323, add_key=248, request_key=249, keyctl=250, init_module=175, delete_module=176,
        finit_module=313, kexec_load=246, kexec_file_load=320, open_by_handle_at=304, setsid=112, setpgid=109, setpriority=141,
        ioprio_set=251, swapon=167, swapoff=168, reboot=169, settimeofday=164, clock_settime=227, clock_adjtime=305, acct=163,
        quotactl=179, personality=135, syslog=103, sethostname=170, setdomainname=171, iopl=172, ioperm=173),
        dict(clone=56, clone3=435, kill=62, tkill=200, tgkill=234, rt_sigqueueinfo=129, rt_tgsigqueueinfo=297, prctl=157,
        prlimit64=302, socket=41, fcntl=72, ioctl=16)),
    'aarch64': (0xC00000B7, dict(SAME, execve=221, execveat=281, ptrace=117, process_vm_readv=270, process_vm_writev=271,
        kcmp=272, mount=40, umount2=39, pivot_root=41, chroot=51, unshare=97, setns=268, bpf=280, perf_event_open=241,
        userfaultfd=282, add_key=217, request_key=218, keyctl=219, init_module=105, delete_module=106, finit_module=273,
        kexec_load=104, kexec_file_load=294, open_by_handle_at=265, setsid=157, setpgid=154, setpriority=140, ioprio_set=30,
        swapon=224, swapoff=225, reboot=142, settimeofday=170, clock_settime=112, clock_adjtime=266, acct=89, quotactl=60,
        personality=92, syslog=116, sethostname=161, setdomainname=162),
        dict(clone=220, clone3=435, kill=129, tkill=130, tgkill=131, rt_sigqueueinfo=138, rt_tgsigqueueinfo=240, prctl=167,
        prlimit64=261, socket=198, fcntl=25, ioctl=29)),
}

LOAD, EQUAL, AT_LEAST, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, NO_PERMISSION, NO_SUCH_CALL = 0x7FFF0000, 0x00050001, 0x00050026

def seccomp_program(audit_arch, refused, checked):
    """BPF (linux/filter.h) over struct seccomp_data: nr at 0, arch at 4, arguments from 16 on, eight bytes each, low half first."""
    program = []
    def put(code, k, if_true=0, if_false=0):
        program.append(struct.pack('HBBI', code, if_true, if_false, k))
    def argument(index):
        put(LOAD, 16 + 8 * index)
    def case(number, tests):
        """tests() leaves with a refusal or falls through; then the next case begins with the number again."""
        at = len(program)
        program.append(b'')
        tests()
        put(LOAD, 0)
        program[at] = struct.pack('HBBI', EQUAL, 0, len(program) - at - 1, number)
    def refuse_where(code, k, mask=None):
        if mask is not None:
            put(AND, mask)
        put(code, k, 0, 1)
        put(RETURN, NO_PERMISSION)
    def refuse_unless(code, *accepted):
        for index, k in enumerate(accepted):
            put(code, k, len(accepted) - index, 0)
        put(RETURN, NO_PERMISSION)
    def checks(index, *rules):
        def tests():
            argument(index)
            for rule in rules:
                rule()
        return tests
    put(LOAD, 4)
    refuse_unless(EQUAL, audit_arch)
    put(LOAD, 0)
    if audit_arch == 0xC000003E:
        refuse_where(AT_LEAST, 0x40000000)  # the x32 numbers
    for number in refused.values():
        refuse_where(EQUAL, number)
    own = os.getpid()
    put(EQUAL, checked['clone3'], 0, 1)
    put(RETURN, NO_SUCH_CALL)  # its flags are out of sight: the C library falls back to clone
    case(checked['clone'], checks(0, lambda: refuse_unless(ANY_BIT, 0x10000)))  # CLONE_THREAD
    for name in ('kill', 'tkill', 'tgkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo'):
        case(checked[name], checks(0, lambda: refuse_unless(EQUAL, own)))
    case(checked['prlimit64'], checks(0, lambda: refuse_unless(EQUAL, 0, own)))
    case(checked['prctl'], checks(0, lambda: refuse_where(EQUAL, 1), lambda: refuse_where(EQUAL, 4)))  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE
    # AF_PACKET, AF_ALG, AF_VSOCK; SOCK_RAW
    case(checked['socket'], checks(0, lambda: refuse_where(EQUAL, 17), lambda: refuse_where(EQUAL, 38), lambda: refuse_where(EQUAL, 40)))
    case(checked['socket'], checks(1, lambda: refuse_where(EQUAL, 3, 0xF)))
    case(checked['fcntl'], checks(1, lambda: refuse_where(EQUAL, 8), lambda: refuse_where(EQUAL, 15)))  # F_SETOWN, F_SETOWN_EX
    # FIOSETOWN, SIOCSPGRP, TIOCSTI
    case(checked['ioctl'], checks(1, lambda: refuse_where(EQUAL, 0x8901), lambda: refuse_where(EQUAL, 0x8902), lambda: refuse_where(EQUAL, 0x5412)))
    put(RETURN, ALLOW)
    return program

class FilterProgram(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]

def raise_seccomp():
    found = CALLS.get(os.uname().machine)
    if found is None or sys.maxsize < 2 ** 32:
        return False
    program = seccomp_program(*found)
    request = FilterProgram(len(program), b''.join(program))
    return LIBC.prctl(22, 2, ctypes.byref(request), 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER

READABLE = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/etc/ld.so.cache', '/etc/localtime', '/etc/alternatives', '/etc/ssl',
    '/etc/pki', '/etc/ca-certificates', '/etc/resolv.conf', '/etc/hosts', '/etc/host.conf', '/etc/nsswitch.conf', '/etc/gai.conf',
    '/etc/services', '/etc/protocols', '/etc/mime.types', '/sys/devices/system/cpu']
DEVICES = ['/dev/null', '/dev/zero', '/dev/urandom', '/dev/random']

def raise_landlock():
    """linux/landlock.h: everything of the file system is refused but what is added here. The size of the rights grew with the versions."""
    version = LIBC.syscall(444, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    every = (1 << 13) - 1 | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0) | (1 << 15 if version >= 5 else 0)
    of_files = every & (0b111 | 1 << 14 | 1 << 15)
    attributes = struct.pack('Q', every)
    ruleset = LIBC.syscall(444, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    def allow(path, rights):
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        rights &= every if os.path.isdir(path) else of_files
        LIBC.syscall(445, ruleset, 1, struct.pack('=Qi', rights, place), 0)
        os.close(place)
    read = 0b1101
    for path in [*READABLE, sys.prefix, sys.base_prefix, *(path for path in sys.path if path)]:
        allow(path, read)
    for path in DEVICES:
        allow(path, 0b110)
    home = os.getcwd()
    if home != '/':
        allow(home, every)
    standing = LIBC.syscall(446, ruleset, 0) == 0
    os.close(ruleset)
    return standing

def confine(limits):
    def bound(kind, value):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    LIBC.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    LIBC.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no process of the same user may look inside
    bound(resource.RLIMIT_CORE, 0)
    bound(resource.RLIMIT_AS, limits['memoryBytes'])
    bound(resource.RLIMIT_FSIZE, limits['fileBytes'])
    bound(resource.RLIMIT_NOFILE, 256)
    if limits['processes'] is not None:
        bound(resource.RLIMIT_NPROC, limits['processes'])
    return {'landlock': raise_landlock(), 'seccomp': raise_seccomp()}
`;

/** Walls that a python3 worker puts up around itself, where the system has them. */
export interface PythonWalls {
  /** No process can be started, and none but its own be signalled. */
  readonly seccomp: boolean;
  /** No file but the interpreter's can be read, and none written outside the working directory. */
  readonly landlock: boolean;
}
