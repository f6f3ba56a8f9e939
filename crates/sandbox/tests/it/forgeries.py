# Programs that want to pass without doing what the check asks: each defines an `f` that is wrong, or none.
# A line `#: ` says what the program below it does.

#: leaves
import os
os._exit(0)

#: leaves politely
import sys
sys.exit(0)

#: leaves in the check
import os
def f(x): os._exit(0)

#: leaves politely in the check
def f(x): raise SystemExit(0)

#: is interrupted
def f(x): raise KeyboardInterrupt

#: ends an iteration
def f(x): raise StopIteration

#: ends an iteration early
raise StopIteration(0)

#: ends a generator
def f(x): raise GeneratorExit

#: raises what cannot be shown
class E(BaseException):
    def __str__(self): raise self
def f(x): raise E

#: prints
import sys
print('+' + 'passed' * 9)
sys.stderr.write('ok')
def f(x): return 3

#: prints everywhere
import os
for n in range(1, 2048):
    try: os.write(n, b'+' + bytes(32))
    except OSError: pass
def f(x): return 3

#: prints at exit
import atexit, os
atexit.register(os.write, 1, b'ok')
def f(x): return 3

#: prints nothing any more
import builtins, sys
builtins.print = sys.stdout = sys.stderr = None
def f(x): return 3

#: replaces exec
import builtins
builtins.exec = builtins.compile = lambda *a, **k: None
def f(x): return 3

#: replaces assertions
import builtins, sys
sys.modules['builtins'].AssertionError = type('E', (Exception,), {})
vars(builtins)['__debug__'] = False
def f(x): return 3

#: replaces exceptions
import builtins
builtins.BaseException = builtins.Exception = ValueError
def f(x): return 3

#: replaces the harness
import __main__, sys, os, posix
for n in list(vars(__main__)): setattr(__main__, n, lambda *a: None)
posix.write = os.write = lambda *a: 32
def f(x): return 3

#: replaces the check in the harness
import sys
h = sys.modules['__main__'].__dict__
h['check'] = h['program'] = compile('', 'x', 'exec')
def f(x): return 3

#: replaces the check
import sys
check = lambda c: None
sys.modules['program'].__dict__['check'] = check
def f(x): return 3

#: removes modules
import sys
sys.modules.clear()
def f(x): return 3

#: replaces hooks
import sys
sys.excepthook = sys.unraisablehook = sys.displayhook = lambda *a: None
def f(x): return 3

#: jumps over the assertion
import sys
def f(x):
    frame = sys._getframe(1)
    def jump(frame, event, argument):
        frame.f_lineno = 4
        return jump
    frame.f_trace = jump
    sys.settrace(jump)
    return 3

#: jumps in the harness
import sys
frame = sys._getframe(1)
def jump(frame, event, argument):
    if event == 'exception': frame.f_lineno += 1
    return jump
frame.f_trace = jump
sys.settrace(jump)
def f(x): return 3

#: clears the frames
import sys
def f(x):
    sys._getframe(1).clear()
    return 3

#: writes into frames
import sys
def f(x):
    frame = sys._getframe(1)
    while frame:
        for n in list(frame.f_locals): frame.f_locals[n] = len
        frame = frame.f_back
    return 3

#: changes the check's code
import sys
def f(x):
    g = sys._getframe(2).f_globals
    g['check'].__code__ = (lambda candidate: None).__code__
    return 3

#: collects objects
import gc, os
for o in gc.get_objects():
    for b in gc.get_referents(o):
        if isinstance(b, bytes) and len(b) == 32: os.write(4, b)
def f(x): return 3

#: reads its memory
open('/proc/self/mem', 'rb').read(1)
def f(x): return 3

#: reads its memory through ctypes
import ctypes
ctypes.string_at(id(b''), 64)
def f(x): return 3

#: loads ctypes by another name
import importlib.machinery as m, importlib.util as u, os, sys
class S(str):
    def rpartition(self, _): return ('', '', 'harmless')
d = [p for p in sys.path if p.endswith('dynload')][0]
p = [os.path.join(d, n) for n in os.listdir(d) if n.startswith('_ctypes.')][0]
l = m.ExtensionFileLoader(S('_ctypes'), p)
u.module_from_spec(u.spec_from_loader(S('_ctypes'), l))
def f(x): return 3

#: makes bytecode
def g(): return 1
g.__code__ = g.__code__.replace(co_consts=())
def f(x): return g()

#: listens to audit events
import sys
seen = []
sys.addaudithook(lambda *a: seen.append(a))
def f(x): return 3

#: closes everything
import os
os.closerange(0, 2048)
def f(x): return 3

#: takes the verdict's descriptor
import os
for n in range(3, 2048):
    try: os.dup2(1, n)
    except OSError: pass
def f(x): return 3

#: becomes another program
import os, sys
os.execv(sys.executable, [sys.executable, '-c', 'pass'])

#: waits for an alarm
import signal
def h(*a): raise SystemExit(0)
signal.signal(signal.SIGALRM, h)
signal.setitimer(signal.ITIMER_REAL, 0.05)
def f(x):
    while True: pass

#: kills everybody
import os
for p in (os.getppid(), 0, 1, -1):
    try: os.kill(p, 9)
    except OSError: pass
def f(x): return 3

#: forks
import os
if os.fork(): os._exit(0)
def f(x): return 3

#: starts a thread
import threading, os
threading.Thread(target=os._exit, args=(0,)).start()
def f(x): return 3

#: falls over
import sys
sys.setrecursionlimit(10 ** 9)
class C:
    def __repr__(self): return repr(self)
def f(x): return repr(C())

#: collects garbage at the end
import gc, os
gc.callbacks.append(lambda *a: os._exit(0))
def f(x):
    gc.collect()
    return 3

#: watches the harness
import sys
sys.monitoring.use_tool_id(0, 'x')
sys.monitoring.set_events(0, sys.monitoring.events.CALL)
sys.monitoring.register_callback(0, sys.monitoring.events.CALL, print)
def f(x): return 3

#: profiles the harness
import cProfile
cProfile.Profile().enable()
def f(x): return 3

#: skips the assertion
import sys
def skip(frame, event, argument):
    if event == 'line' and frame.f_code.co_name == 'check' and frame.f_lineno == 3:
        frame.f_lineno = 4
    return skip
sys.settrace(skip)
def f(x): return 3
