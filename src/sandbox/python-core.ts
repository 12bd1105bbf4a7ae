/**
 * The Python side of a call, the same under CPython and Pyodide: fresh globals, arguments bound to main() (playbook
 * language §6.2), prints captured, the value made storable. A string, because it travels to the interpreter on its
 * command line: the service's own files need not be readable for the user that runs code.
 */
export const PYTHON_CORE = String.raw`
import ast, base64, collections, datetime, decimal, inspect, io, json, linecache, math, os, sys, traceback, types, uuid

SAFE_INTEGER = 2 ** 53 - 1
MAX_DEPTH = 100
MAX_FRAMES = 5

class Refused(Exception):
    """A finding about the code or its value that is not an exception of the code."""
    def __init__(self, code, kind, message):
        super().__init__(message)
        self.code = code
        self.kind = kind

class CappedSink(io.RawIOBase):
    """Keeps the first bytes written since reset() and notes that more came."""
    def __init__(self, limit):
        self.limit = limit
        self.reset()
    def reset(self):
        self.kept = bytearray()
        self.cut = False
    def writable(self):
        return True
    def write(self, data):
        size = len(data)
        room = self.limit - len(self.kept)
        if size > room:
            self.cut = True
        if room > 0:
            self.kept += bytes(memoryview(data)[:room])
        return size
    def close(self):
        pass # whatever wraps it closes it when it goes, and the next call prints here too
    def text(self):
        text = self.kept.decode('utf-8', 'replace')
        return text + '\n[output cut at %d bytes]\n' % self.limit if self.cut else text

class Prints:
    """sys.stdout and sys.stderr of the code: one sink, kept for the life of the process because loggers hold on to the streams."""
    def __init__(self, limit):
        self.sink = CappedSink(limit)
        self.streams = [self.open(), self.open()]
    def open(self):
        return io.TextIOWrapper(self.sink, encoding='utf-8', errors='backslashreplace', write_through=True)
    def begin(self):
        self.streams = [self.open() if is_detached(stream) else stream for stream in self.streams]
        sys.stdout, sys.stderr = self.streams
        self.sink.reset()
    def text(self):
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass # a stream of the code's own
        return self.sink.text()

def is_detached(stream):
    try:
        return stream.closed
    except ValueError:
        return True

COMPILED = collections.OrderedDict()

def compiled(source):
    """The code object of a source, from the newest 128; its lines stay known to tracebacks."""
    found = COMPILED.get(source)
    if found is None:
        name = '<code %d>' % (compiled.count + 1)
        compiled.count += 1
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        found = COMPILED[source] = (compile(source, name, 'exec', dont_inherit=True), name)
        if len(COMPILED) > 128:
            linecache.cache.pop(COMPILED.popitem(last=False)[1][1], None)
    COMPILED.move_to_end(source)
    return found[0]
compiled.count = 0

def bind(main, inputs, fallbacks, context):
    """Positional and keyword arguments for main(); a missing one is refused by name."""
    try:
        parameters = list(inspect.signature(main).parameters.values())
    except (TypeError, ValueError):
        return [], {}
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(parameters) == 1 and named and named[0].name == 'input_data':
        value = inputs['input_data'] if 'input_data' in inputs else dict(inputs)
        return ([value], {}) if named[0].kind == named[0].POSITIONAL_ONLY else ([], {'input_data': value})
    positional, keywords = [], {}
    for parameter in named:
        name = parameter.name
        if name in inputs:
            value = inputs[name]
        elif name == 'context':
            value = context
        elif name in fallbacks:
            value = fallbacks[name]
        elif parameter.default is not parameter.empty:
            if parameter.kind != parameter.POSITIONAL_ONLY:
                continue
            value = parameter.default
        else:
            raise Refused('python_error', 'MissingInput', "main() needs '%s', but there is no input of that name" % name)
        if parameter.kind == parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            keywords[name] = value
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        taken = {p.name for p in named if p.kind != p.POSITIONAL_ONLY}
        keywords.update((name, value) for name, value in inputs.items() if name not in taken)
    return positional, keywords

def unstorable(path, what):
    return Refused('result_not_storable', 'ResultNotStorable', 'the result%s %s' % (path, what))

def key_text(key):
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    if isinstance(key, (datetime.datetime, datetime.date, datetime.time)):
        return key.isoformat()
    return str(key)

def storable(value, path='', depth=0):
    """The value as JSON: dates ISO, Decimal a number, bytes base64, sets lists, integers beyond 2^53 text."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value) if -SAFE_INTEGER <= value <= SAFE_INTEGER else int.__repr__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise unstorable(path, 'is %r, which JSON does not have' % float(value))
        return float(value)
    if depth > MAX_DEPTH:
        raise unstorable('', 'is nested deeper than %d levels or contains itself' % MAX_DEPTH)
    if isinstance(value, dict):
        return {key_text(key): storable(item, '%s.%s' % (path, key_text(key)) if len(path) < 200 else path, depth + 1) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        try:
            value = sorted(value)
        except TypeError:
            value = list(value)
    if isinstance(value, (list, tuple)):
        return [storable(item, '%s[%d]' % (path, index) if len(path) < 200 else path, depth + 1) for index, item in enumerate(value)]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise unstorable(path, 'is %s, which JSON does not have' % value)
        if abs(value.adjusted()) > 400:
            return str(value)
        return storable(int(value) if value == value.to_integral_value() else float(value), path, depth)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode('ascii')
    if isinstance(value, uuid.UUID):
        return str(value)
    raise unstorable(path, 'is of type %s, which JSON does not have' % type(value).__name__)

def cut(text, most):
    return text if len(text) <= most else text[:most] + '\u2026'

def frames_of(error):
    """The last frames from the first one in the code on: where and which line, never values."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((index for index, frame in enumerate(frames) if frame.filename.startswith('<code ')), None)
    found = [] if first is None else [
        {
            'file': 'code' if frame.filename.startswith('<code ') else os.path.basename(frame.filename),
            'line': frame.lineno,
            'function': frame.name,
            'text': cut(frame.line or '', 200),
        }
        for frame in frames[first:][-MAX_FRAMES:]
    ]
    if isinstance(error, SyntaxError) and (error.filename or '').startswith('<code '):
        found.append({'file': 'code', 'line': error.lineno, 'function': '<module>', 'text': cut((error.text or '').strip(), 200)})
    return found

class Call:
    """One run of one code; value = begin(), awaited where it can be; then success(value) or failure(error) gives what answer() makes bytes of."""
    def __init__(self, request, prints, result_limit):
        self.request = request
        self.prints = prints
        self.result_limit = result_limit
        self.module = types.ModuleType('playbook')

    def begin(self):
        self.prints.begin()
        request = self.request
        context = request['context'] if request['context'] is not None else {}
        sys.modules['playbook'] = self.module
        scope = self.module.__dict__
        scope.update(os=os, json=json, datetime=datetime, uuid=uuid, context=context)
        exec(compiled(request['code']), scope)
        main = scope.get('main')
        if callable(main):
            positional, keywords = bind(main, request['inputs'], request['fallbacks'], context)
            return main(*positional, **keywords)
        if 'result' in scope:
            return scope['result']
        raise Refused('python_error', 'NoResult', 'the code defines neither main() nor a variable called result')

    def success(self, value):
        try:
            text = json.dumps(storable(value), ensure_ascii=False, allow_nan=False, separators=(',', ':')).encode('utf-8')
        except UnicodeEncodeError:
            raise unstorable('', 'holds text that is not valid Unicode')
        if len(text) > self.result_limit:
            raise Refused('result_too_large', 'ResultTooLarge', 'the result is %d bytes long, the limit is %d' % (len(text), self.result_limit))
        return {'ok': True}, text

    def failure(self, error):
        refused = isinstance(error, Refused)
        try:
            message = str(error)
        except BaseException:
            message = ''
        if isinstance(error, SystemExit):
            message = 'the code called exit(%s)' % ('' if error.code is None else cut(repr(error.code), 200))
        outcome = {
            'ok': False,
            'code': error.code if refused else 'python_error',
            'type': error.kind if refused else type(error).__name__,
            'message': cut(message, 2000).encode('utf-8', 'replace').decode('utf-8'),
            'frames': [] if refused else frames_of(error),
        }
        return outcome, b'null'

    def answer(self, outcome, value, retire):
        outcome.update(id=self.request['id'], logs=self.prints.text(), retire=retire)
        return json.dumps(outcome).encode('ascii')[:-1] + b',"value":' + value + b'}'

def leftovers():
    """True where code left threads behind: the process is not used again."""
    import threading
    return any(thread not in leftovers.known for thread in threading.enumerate())
leftovers.known = set()
`;
