# Replaces whatever the harness could use after the program has run; the check then fails.
import builtins, posix, sys

main = sys.modules["__main__"]
for name in list(vars(main)):
    if callable(getattr(main, name)):
        setattr(main, name, lambda *_: None)
say("TRIED")
posix._exit = posix.write = os.write = lambda *_: 32
sys.stdout = sys.stderr = None
for name in list(vars(builtins)):
    if not name.startswith("__"):
        setattr(builtins, name, lambda *_, **__: None)
