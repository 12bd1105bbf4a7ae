/**
 * How a python3 worker that serves many calls is the same to each of them; a string, because it travels on the command line. What code can set
 * for the whole process is set back after it, and what it keeps is given up; where that cannot be done the process is not used again.
 */
export const PYTHON_SURROUNDINGS = String.raw`
import _locale, _signal, builtins, gc, random, resource, socket, stat, threading, time

class Surroundings:
    """What code can change of its process and the next call would feel, as it was before the first call."""
    LIMITS = [resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC]
    TIMERS = [_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF]

    def __init__(self):
        self.builtins = dict(builtins.__dict__)
        self.modules = dict(sys.modules)
        self.path = list(sys.path)
        self.recursion = sys.getrecursionlimit()
        self.handlers = {number: _signal.getsignal(number) for number in range(1, _signal.NSIG)}
        self.limits = {kind: resource.getrlimit(kind) for kind in self.LIMITS}
        self.locale = _locale.setlocale(_locale.LC_ALL, None)
        self.umask = os.umask(0o022)
        os.umask(self.umask)
        self.home, self.environ, self.environment = os.getcwd(), os.environ, dict(os.environ)
        # Only a folder that is there for this process alone.
        self.owns_home = os.path.realpath(self.environment.get('HOME', '/')) == self.home != '/'
        self.are_whole = True

    def restore(self):
        try:
            if builtins.__dict__ != self.builtins:
                builtins.__dict__.clear()
                builtins.__dict__.update(self.builtins)
            self.quieten()
            sys.modules.update(self.modules)
            sys.path[:] = self.path
            sys.setrecursionlimit(self.recursion)
            for kind, limit in self.limits.items():
                if resource.getrlimit(kind) != limit:
                    resource.setrlimit(kind, limit)
            os.umask(self.umask)
            _locale.setlocale(_locale.LC_ALL, self.locale)
            socket.setdefaulttimeout(None)
            random.seed()
            gc.enable()
            os.environ = self.environ
            if os.environ != self.environment:
                os.environ.clear()
                os.environ.update(self.environment)
                time.tzset()
            os.chdir(self.home)
            if self.owns_home:
                # What begins with a dot are caches of libraries.
                empty(self.home, lambda name: not name.startswith('.'))
        except BaseException:
            self.are_whole = False

    def quieten(self):
        """Nothing happens by itself any more."""
        sys.settrace(None)
        sys.setprofile(None)
        threading.settrace(None)
        threading.setprofile(None)
        for timer in self.TIMERS:
            _signal.setitimer(timer, 0)
        for number, handler in self.handlers.items():
            if _signal.getsignal(number) is not handler:
                _signal.signal(number, handler)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        watchdog = sys.modules.get('faulthandler')
        if watchdog is not None:
            watchdog.cancel_dump_traceback_later()

def empty(folder, concerns=lambda name: True):
    with os.scandir(folder) as found:
        entries = [entry for entry in found if concerns(entry.name)]
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            empty(entry.path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)

class Memory:
    """Whether what is left of calls leaves room for the next: objects that only hold each other are looked for where there is much of anything."""
    MUCH = 64 << 20
    MANY = 32

    def __init__(self, most):
        self.most = most
        try:
            # Not to be opened once the walls stand.
            self.pages = os.open('/proc/self/statm', os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.pages = None

    def size(self):
        return int(os.pread(self.pages, 32, 0).split()[0]) * resource.getpagesize() if self.pages is not None else 0

    def descriptor(self):
        """The lowest that is free: as many are taken."""
        found = os.dup(0)
        os.close(found)
        return found

    def begin(self):
        self.usual = self.size(), self.descriptor()

    def is_free(self):
        try:
            size, descriptor = self.usual
            if self.pages is not None and self.size() < size + self.MUCH and self.descriptor() < descriptor + self.MANY:
                return True
            gc.collect()
            # Libraries stay.
            self.usual = max(size, self.size()), descriptor
            return self.size() < self.most / 2 and self.descriptor() < descriptor + self.MANY
        except BaseException:
            return False
`;
