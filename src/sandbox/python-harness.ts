import { PYTHON_CONFINEMENT } from './python-confinement.js';
import { PYTHON_CORE } from './python-core.js';
import { PYTHON_SURROUNDINGS } from './python-surroundings.js';

/**
 * The program of a python3 worker: reads calls on stdin, answers on descriptor 3. Argument 1 is a JSON object
 * {memoryBytes, fileBytes, processes | null, cpuSeconds, resultBytes, logBytes, leaseSeconds}.
 * A thread reads stdin, so the process ends itself at its end (the service is gone) and when nothing, not even a
 * keep-alive, comes for one lease, also while code runs. Code that never lets another thread run is ended by the
 * parent-death signal.
 */
export const PYTHON_HARNESS = `${PYTHON_CORE}${PYTHON_CONFINEMENT}${PYTHON_SURROUNDINGS}${String.raw`
import asyncio, contextvars, queue, select, threading

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

def perform(call, surroundings):
    try:
        try:
            value = call.begin()
            if inspect.isawaitable(value):
                value = asyncio.run(settle(value))
        finally:
            surroundings.restore()
        return call.success(value)
    except BaseException as error:
        return call.failure(error)

def serve(limits):
    memory = Memory(limits['memoryBytes'])
    confine(limits)
    source, answers = os.dup(0), open(3, 'wb')
    os.set_inheritable(3, False)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    prints = Prints(limits['logBytes'])
    calls = Calls(source, limits['leaseSeconds'])
    leftovers.known = set(threading.enumerate())
    surroundings = Surroundings()
    memory.begin()
    while True:
        body = calls.arrived.get()
        allow_cpu(limits['cpuSeconds'])
        call = Call(json.loads(body), prints, limits['resultBytes'])
        # A context of its own: that of decimal is in it.
        outcome, value = contextvars.Context().run(perform, call, surroundings)
        call.module.__dict__.clear()
        answer = call.answer(outcome, value, leftovers() or not surroundings.are_whole or not memory.is_free())
        call = body = outcome = value = None
        answers.write(struct.pack('>I', len(answer)) + answer)
        answers.flush()

serve(json.loads(sys.argv[1]))
`}`;
