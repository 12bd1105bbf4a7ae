import { PYTHON_CONFINEMENT } from './python-confinement.js';
import { PYTHON_CORE } from './python-core.js';

/**
 * The program of a python3 worker: reads calls on stdin, answers on descriptor 3. Argument 1 is a JSON object
 * {memoryBytes, fileBytes, processes | null, cpuSeconds, resultBytes, logBytes, leaseSeconds}.
 * A thread reads stdin, so the process ends itself at its end (the service is gone) and when nothing, not even a
 * keep-alive, comes for one lease, also while code runs. Code that never lets another thread run is ended by the
 * parent-death signal.
 */
export const PYTHON_HARNESS = `${PYTHON_CORE}${PYTHON_CONFINEMENT}${String.raw`
import asyncio, queue, select, threading

def allow_cpu(seconds):
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds, hard))

class Calls:
    """The calls that arrive on a descriptor, read ahead by a thread that ends the process when nobody is there any more."""
    def __init__(self, source, lease_seconds):
        self.source = source
        self.lease_seconds = lease_seconds
        self.arrived = queue.SimpleQueue()
        thread = threading.Thread(target=self.listen, daemon=True)
        thread.start()

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            if not select.select([self.source], [], [], self.lease_seconds)[0]:
                os._exit(0)
            piece = os.read(self.source, min(size - len(data), 1 << 20))
            if not piece:
                os._exit(0)
            data += piece
        return bytes(data)

    def listen(self):
        try:
            while True:
                size = struct.unpack('>I', self.read(4))[0]
                if size:
                    self.arrived.put(self.read(size))
        finally:
            os._exit(1)

async def settle(awaitable):
    return await awaitable

def perform(call):
    try:
        value = call.begin()
        if inspect.isawaitable(value):
            value = asyncio.run(settle(value))
        return call.success(value)
    except BaseException as error:
        return call.failure(error)

def serve(limits):
    confine(limits)
    source, answers = os.dup(0), open(3, 'wb')
    os.set_inheritable(3, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    home, environment = os.getcwd(), dict(os.environ)
    prints = Prints(limits['logBytes'])
    calls = Calls(source, limits['leaseSeconds'])
    leftovers.known = set(threading.enumerate())
    while True:
        body = calls.arrived.get()
        os.chdir(home)
        if os.environ != environment:
            os.environ.clear()
            os.environ.update(environment)
        allow_cpu(limits['cpuSeconds'])
        answer = perform(Call(json.loads(body), prints, limits['resultBytes']))
        answers.write(struct.pack('>I', len(answer)) + answer)
        answers.flush()

serve(json.loads(sys.argv[1]))
`}`;
