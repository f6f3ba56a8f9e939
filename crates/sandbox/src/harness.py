# Runs one program and its check, and says on one descriptor whether the check returned.
#
# Whoever reads this file knows all that a hostile program knows. What the program must not get is the nonce that is
# read last and written when the check has returned:
# - It is only ever on the value stack of the one expression below. It has no name, and no frame, closure, argument or
#   variable of the environment holds it.
# - Everything that is called after untrusted code has run is looked up before, and lies on the same stack. To replace
#   `exec`, `write` or what this module defines changes nothing.
# - Nothing iterates: an exception of any type (StopIteration too) leaves the expression.
# - What could look at that stack or jump over a line (gc, other threads' frames, tracing, ctypes) is refused by an
#   audit hook, which Python cannot remove. Its constants are in its code.
import sys
from _functools import partial
from posix import _exit, close, read, set_inheritable, write

sys.path[:] = [folder for folder in sys.path if folder]
OUT, IN = int(sys.argv.pop()), int(sys.argv.pop())
set_inheritable(OUT, False)
set_inheritable(IN, False)
write(OUT, b"+")


def take(size):
    data = b""
    while len(data) < size:
        piece = read(IN, size - len(data))
        if not piece:
            _exit(3)
        data += piece
    return data


def take_code(name):
    return compile(take(int(take(12))).decode(), name, "exec", dont_inherit=True)


def take_nonce():
    nonce = take(32)
    close(IN)
    return nonce


def refuse(event, arguments):
    if event == "import":
        # join gives a plain string, also of a subclass that lies about itself.
        if "".join((arguments[0],)).rpartition(".")[2] in {
            "ctypes", "_ctypes", "_testcapi", "_testinternalcapi", "_testlimitedcapi", "_testbuffer", "_testmultiphase",
            "_xxsubinterpreters", "_xxinterpchannels", "_interpreters", "_interpchannels", "_interpqueues",
        }:
            raise ImportError("not in this sandbox")
    elif event in {
        "gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames", "sys._current_exceptions",
        "sys.settrace", "sys.setprofile", "sys.monitoring.register_callback", "sys.addaudithook", "sys.remote_exec",
        "code.__new__",
    }:
        raise PermissionError("not in this sandbox: " + event)


def where(error):
    place, step = "", error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name in ("<program>", "<check>"):
            place = " (line %d of the %s)" % (step.tb_lineno, name[1:-1])
        step = step.tb_next
    return place


def tell(error):
    text = type(error).__name__
    try:
        message = str(error)
        text += ": " + message[:400] if message else ""
        text += where(error)
    except BaseException:
        pass
    write(OUT, ("!" + text).encode("utf-8", "backslashreplace"))


module = type(sys)("program")
sys.modules["program"] = module
names = module.__dict__
try:
    program, check = take_code("<program>"), take_code("<check>")
    sys.addaudithook(refuse)
    del refuse
    partial(write, OUT)(take_nonce()[:partial(exec, check, names)(exec(program, names))])
except BaseException as error:
    tell(error)
try:
    sys.stdout.flush()
    sys.stderr.flush()
finally:
    _exit(0)
