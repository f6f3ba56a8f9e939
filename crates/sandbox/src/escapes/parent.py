import signal

attempt("a signal to the parent is allowed", os.kill, os.getppid(), 0)
attempt("another process was killed", os.kill, VICTIM, signal.SIGKILL)
attempt("a signal by descriptor", lambda: signal.pidfd_send_signal(os.pidfd_open(VICTIM), signal.SIGKILL))
attempt("priorities were changed", os.setpriority, os.PRIO_PROCESS, VICTIM, 19)
say("TRIED")
