def read(path):
    with open(path) as file:
        say(file.read())


attempt("a file outside was opened", read, CANARY)
attempt("a file outside was opened by another name", read, "/proc/self/root" + CANARY)
attempt("a folder outside was listed", os.listdir, SCRATCH)
attempt("the user database was opened", read, "/etc/passwd")
attempt("an environment was opened", read, "/proc/%d/environ" % os.getppid())
say("TRIED")
