//! Programs that want to pass without doing what the check asks.

use crate::{outcome, sandboxes};

/// What the check asks: `f(1)` is 2, said in a function, so that there is something to jump over.
const CHECK: &str = "
def check(candidate):
    assert candidate(1) == 2
    return None

check(f)
";

/// Each defines an `f` that is wrong.
const PROGRAMS: &[(&str, &str)] = &[
    ("leaves", "import os\nos._exit(0)"),
    ("leaves politely", "import sys\nsys.exit(0)"),
    ("leaves in the check", "import os\ndef f(x): os._exit(0)"),
    ("leaves politely in the check", "def f(x): raise SystemExit(0)"),
    ("is interrupted", "def f(x): raise KeyboardInterrupt"),
    ("ends an iteration", "def f(x): raise StopIteration"),
    ("ends an iteration early", "raise StopIteration(0)"),
    ("ends a generator", "def f(x): raise GeneratorExit"),
    ("raises what cannot be shown", "class E(BaseException):\n    def __str__(self): raise self\ndef f(x): raise E"),
    ("prints", "import sys\nprint('+' + 'passed' * 9)\nsys.stderr.write('ok')\ndef f(x): return 3"),
    (
        "prints everywhere",
        "import os\nfor n in range(1, 64):\n    try: os.write(n, b'+' + bytes(32))\n    except OSError: pass\ndef f(x): return 3",
    ),
    ("prints at exit", "import atexit, os\natexit.register(os.write, 1, b'ok')\ndef f(x): return 3"),
    (
        "prints nothing any more",
        "import builtins, sys\nbuiltins.print = sys.stdout = sys.stderr = None\ndef f(x): return 3",
    ),
    ("replaces exec", "import builtins\nbuiltins.exec = builtins.compile = lambda *a, **k: None\ndef f(x): return 3"),
    (
        "replaces assertions",
        "import builtins, sys\nsys.modules['builtins'].AssertionError = type('E', (Exception,), {})\nvars(builtins)['__debug__'] = False\ndef f(x): return 3",
    ),
    (
        "replaces exceptions",
        "import builtins\nbuiltins.BaseException = builtins.Exception = ValueError\ndef f(x): return 3",
    ),
    (
        "replaces the harness",
        "import __main__, sys, os, posix\nfor n in list(vars(__main__)): setattr(__main__, n, lambda *a: None)\nposix.write = os.write = lambda *a: 32\ndef f(x): return 3",
    ),
    (
        "replaces the check in the harness",
        "import sys\nh = sys.modules['__main__'].__dict__\nh['check'] = h['program'] = compile('', 'x', 'exec')\ndef f(x): return 3",
    ),
    (
        "replaces the check",
        "import sys\ncheck = lambda c: None\nsys.modules['program'].__dict__['check'] = check\ndef f(x): return 3",
    ),
    ("removes modules", "import sys\nsys.modules.clear()\ndef f(x): return 3"),
    (
        "replaces hooks",
        "import sys\nsys.excepthook = sys.unraisablehook = sys.displayhook = lambda *a: None\ndef f(x): return 3",
    ),
    (
        "jumps over the assertion",
        "import sys\ndef f(x):\n    frame = sys._getframe(1)\n    def jump(frame, event, argument):\n        frame.f_lineno = 4\n        return jump\n    frame.f_trace = jump\n    sys.settrace(jump)\n    return 3",
    ),
    (
        "jumps in the harness",
        "import sys\nframe = sys._getframe(1)\ndef jump(frame, event, argument):\n    if event == 'exception': frame.f_lineno += 1\n    return jump\nframe.f_trace = jump\nsys.settrace(jump)\ndef f(x): return 3",
    ),
    ("clears the frames", "import sys\ndef f(x):\n    sys._getframe(1).clear()\n    return 3"),
    (
        "writes into frames",
        "import sys\ndef f(x):\n    frame = sys._getframe(1)\n    while frame:\n        for n in list(frame.f_locals): frame.f_locals[n] = len\n        frame = frame.f_back\n    return 3",
    ),
    (
        "changes the check's code",
        "import sys\ndef f(x):\n    g = sys._getframe(2).f_globals\n    g['check'].__code__ = (lambda candidate: None).__code__\n    return 3",
    ),
    (
        "collects objects",
        "import gc, os\nfor o in gc.get_objects():\n    for b in gc.get_referents(o):\n        if isinstance(b, bytes) and len(b) == 32: os.write(4, b)\ndef f(x): return 3",
    ),
    ("reads its memory", "open('/proc/self/mem', 'rb').read(1)\ndef f(x): return 3"),
    ("reads its memory through ctypes", "import ctypes\nctypes.string_at(id(b''), 64)\ndef f(x): return 3"),
    (
        "loads ctypes by another name",
        "import importlib.machinery as m, importlib.util as u, os, sys\nclass S(str):\n    def rpartition(self, _): return ('', '', 'harmless')\n\
        d = [p for p in sys.path if p.endswith('dynload')][0]\np = [os.path.join(d, n) for n in os.listdir(d) if n.startswith('_ctypes.')][0]\n\
        l = m.ExtensionFileLoader(S('_ctypes'), p)\nu.module_from_spec(u.spec_from_loader(S('_ctypes'), l))\ndef f(x): return 3",
    ),
    ("makes bytecode", "def g(): return 1\ng.__code__ = g.__code__.replace(co_consts=())\ndef f(x): return g()"),
    (
        "listens to audit events",
        "import sys\nseen = []\nsys.addaudithook(lambda *a: seen.append(a))\ndef f(x): return 3",
    ),
    ("closes everything", "import os\nos.closerange(0, 64)\ndef f(x): return 3"),
    (
        "takes the verdict's descriptor",
        "import os\nfor n in range(3, 64):\n    try: os.dup2(1, n)\n    except OSError: pass\ndef f(x): return 3",
    ),
    ("becomes another program", "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'pass'])"),
    (
        "waits for an alarm",
        "import signal\ndef h(*a): raise SystemExit(0)\nsignal.signal(signal.SIGALRM, h)\nsignal.setitimer(signal.ITIMER_REAL, 0.05)\ndef f(x):\n    while True: pass",
    ),
    (
        "kills everybody",
        "import os\nfor p in (os.getppid(), 0, 1, -1):\n    try: os.kill(p, 9)\n    except OSError: pass\ndef f(x): return 3",
    ),
    ("forks", "import os\nif os.fork(): os._exit(0)\ndef f(x): return 3"),
    (
        "starts a thread",
        "import threading, os\nthreading.Thread(target=os._exit, args=(0,)).start()\ndef f(x): return 3",
    ),
    (
        "falls over",
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass C:\n    def __repr__(self): return repr(self)\ndef f(x): return repr(C())",
    ),
    (
        "collects garbage at the end",
        "import gc, os\ngc.callbacks.append(lambda *a: os._exit(0))\ndef f(x):\n    gc.collect()\n    return 3",
    ),
];

#[test]
fn a_wrong_program_does_not_pass_whatever_it_does() {
    for sandbox in sandboxes() {
        assert_eq!(outcome(sandbox, "def f(x): return 2", CHECK), "passed");
        for (what, source) in PROGRAMS {
            let outcome = outcome(sandbox, source, CHECK);
            eprintln!("{}: a program that {what}: {outcome}", sandbox.backend());
            assert_ne!(outcome, "passed", "{}: a program that {what}", sandbox.backend());
        }
    }
}

/// A list of attempts that all end in a misprint proves nothing: these must have got as far as the check.
#[test]
fn attempts_that_change_what_the_harness_uses_reach_the_check() {
    let reaching = [
        "replaces exec",
        "replaces assertions",
        "replaces the check",
        "replaces the check in the harness",
        "replaces hooks",
        "prints everywhere",
    ];
    for sandbox in sandboxes() {
        for (what, source) in PROGRAMS.iter().filter(|(what, _)| reaching.contains(what)) {
            let outcome = outcome(sandbox, source, CHECK);
            let reached = outcome.contains("AssertionError") || *what == "prints everywhere";
            assert!(reached, "{what}: {outcome}");
        }
    }
}
